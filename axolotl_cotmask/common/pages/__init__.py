"""Pages of one HTML file that need nothing else: one skeleton, one palette, and how data and scripts come into them.

What a page shows may be written by anybody. Texts in a template are escaped; what a script shows travels as packed JSON
and becomes text nodes. The page's own policy forbids every script but its own, and every request.
"""

from __future__ import annotations

import base64
import datetime
import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from axolotl_cotmask.common.files import whole_file

_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def now() -> str:
    """Return the time as a page says when it was made."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def render(
    template: Path,
    *,
    title: str,
    made: str,
    command: str,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    **values: Any,
) -> str:
    """Return a page without scripts.

    Args:
        template: extends ``page.html.jinja``, and fills its blocks ``style``, ``lead`` and ``main``.
        title: heading and title.
        made: from `now`.
        command: the command line that made it.
        filters: of the template, by name.
        values: that the template names.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters or {}
    page = {"policy": _POLICY, "script": "", "data": ""} | values
    return environment.get_template(template.name).render(title=title, made=made, command=command, **page).lstrip()


def render_with_data(template: Path, data: Any, **values: Any) -> str:
    """Return a page whose script shows ``data``.

    The script is ``NAME.js`` beside the template ``NAME.html.jinja``, after ``page.js``, which unpacks the data.

    Args:
        template: as for `render`.
        data: what JSON can hold; texts may have halves of characters.
        values: as for `render`.
    """
    files = (_HERE / "page.js", template.with_name(template.name.partition(".")[0] + ".js"))
    script = "".join(file.read_text(encoding="utf-8") for file in files)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"{_POLICY}; script-src 'sha256-{digest}'"
    # The script is a file of this package.
    return render(template, policy=policy, script=Markup(script), data=_packed(data), **values)  # noqa: S704


def _packed(data: Any) -> str:
    """Return JSON as base64 of gzip: a fraction of its size, and nothing in it can be taken for HTML."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def write_page(path: Path, page: str) -> None:
    """Write a page of HTML or Markdown, whole or not at all.

    Half a character, as JSON may hold it, becomes a reference that browsers show as a replacement character.

    Raises:
        CoTMaskError: there is no directory for ``path``, or it is something else than a file.
    """
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="xmlcharrefreplace")
