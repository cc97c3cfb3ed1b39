"""``axolotl-cotmask`` and ``python -m axolotl_cotmask``: the commands, which Ctrl-C ends with one line at any time."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        # Inside, since Ctrl-C may come while it is imported.
        from axolotl_cotmask.cli import cotmask

        cotmask()
    except KeyboardInterrupt:
        sys.exit("Aborted!")


if __name__ == "__main__":
    main()
