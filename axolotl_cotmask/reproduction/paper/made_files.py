"""Files of this checkout that are made from the published facts: written, or compared with what would be written."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from axolotl_cotmask.common.files import whole_file


def write_or_check(texts: Mapping[Path, str], arguments: Sequence[str]) -> None:
    """Write each text into its file; with ``--check`` among the arguments write nothing.

    Raises:
        SystemExit: with ``--check``, and a file is not what would be written.
    """
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        if stale:
            sys.exit(f"{', '.join(map(str, stale))}: not what the published facts make of it: run `nox -s tables`")
        return
    for path in stale:
        with whole_file(path) as temporary:
            temporary.write_text(texts[path], encoding="utf-8")
