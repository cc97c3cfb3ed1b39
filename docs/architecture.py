"""Draws docs/architecture.svg, the rooms of the package and which imports which, from the imports themselves.

``nox -s tables`` writes it; with ``--check`` (``nox -s lint``) it only says whether the drawing is current. Either way
it stops when files import each other in a circle. The floors are those of the import-linter contract in pyproject.toml.
"""

from __future__ import annotations

import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

PACKAGE = "axolotl_cotmask"
ROOT = Path(__file__).parents[1]
DRAWING = Path(__file__).with_suffix(".svg")

#: Pixels: a box, the room between floors, and how far each floor stands to the right of the one above.
WIDTH, HEIGHT, FLOOR, STEP, GAP, MARGIN = 150, 44, 96, 58, 28, 16

STYLE = """
  svg { color-scheme: light dark; --ink: #24292f; --paper: #f6f8fa; --line: #8c959f; }
  @media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --paper: #161b22; --line: #6e7681; } }
  rect { fill: var(--paper); stroke: var(--ink); stroke-width: 1.2; }
  text { fill: var(--ink); font: 14px system-ui, sans-serif; text-anchor: middle; dominant-baseline: central; }
  path { fill: none; stroke: var(--line); stroke-width: 1.4; }
"""

Floors = list[list[str]]
Arrows = list[tuple[str, str]]


def floors() -> Floors:
    """Return the rooms by floor, from the top, as the contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    [contract] = [contract for contract in settings["contracts"] if contract.get("containers") == [PACKAGE]]
    return [layer.split(" | ") for layer in contract["layers"]]


def arrows(graph: grimp.ImportGraph) -> Arrows:
    """Return the pairs of rooms of which the first imports the second."""
    pairs = {
        (_room(module), _room(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return sorted((above, below) for above, below in pairs if above and below and above != below)


def _room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def circle(graph: grimp.ImportGraph) -> list[str]:
    """Return modules that import each other in a circle, the first one again at the end; none where there is none."""
    sorter = TopologicalSorter({module: graph.find_modules_directly_imported_by(module) for module in graph.modules})
    try:
        sorter.prepare()
    except CycleError as error:
        # It names what is imported first.
        return error.args[1][::-1]
    return []


def drawing(layers: Floors, pairs: Arrows) -> str:
    """Return the SVG: a box per room, an arrow per pair of rooms."""
    places = {
        room: (MARGIN + floor * STEP + column * (WIDTH + GAP), MARGIN + floor * FLOOR)
        for floor, layer in enumerate(layers)
        for column, room in enumerate(layer)
    }
    width = max(x for x, _ in places.values()) + WIDTH + MARGIN
    height = max(y for _, y in places.values()) + HEIGHT + MARGIN
    told = "; ".join(f"{above} imports {below}" for above, below in pairs)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>The rooms of {PACKAGE}: imports run downwards only</title>",
        f"<desc>{told}.</desc>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" '
        'markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" style="fill:var(--line);stroke:none"/></marker></defs>',
    ]
    lines += [_arrow(places, above, below) for above, below in pairs]
    for room, (x, y) in places.items():
        lines.append(f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>')
        lines.append(f'<text x="{x + WIDTH // 2}" y="{y + HEIGHT // 2}">{room}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _arrow(places: dict[str, tuple[int, int]], above: str, below: str) -> str:
    """Return the curve from the bottom of one box to the top of another; each pair has places of its own there."""
    (x1, y1), (x2, y2) = places[above], places[below]
    rooms = list(places)
    start = x1 + 12 + (WIDTH - 24) * rooms.index(below) // len(rooms)
    end = x2 + 12 + (WIDTH - 24) * rooms.index(above) // len(rooms)
    y1, bend = y1 + HEIGHT, FLOOR // 2
    return f'<path d="M{start} {y1}C{start} {y1 + bend} {end} {y2 - bend} {end} {y2}" marker-end="url(#tip)"/>'


def main() -> int:
    """Write or check the drawing; return the exit status."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    if around := circle(graph):
        print(f"files import each other in a circle: {' -> '.join(around)}: move what they share below them")
        return 1
    text = drawing(floors(), arrows(graph))
    if "--check" not in sys.argv:
        DRAWING.write_text(text, encoding="utf-8")
    elif not DRAWING.is_file() or DRAWING.read_text(encoding="utf-8") != text:
        print(f"{DRAWING.relative_to(ROOT)} does not show the present imports: write it anew with `nox -s tables`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
