"""Makes what is made from code in this folder: the tables of README.md, the ablations' sweep files, and smollm2-135m.

``nox -s tables`` writes them; with ``--check`` (``nox -s lint``) it only says whether they are up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

from axolotl_cotmask.common.files import whole_file
from axolotl_cotmask.masking.config import TAIL_START_LR, TAIL_START_STEP
from axolotl_cotmask.reproduction.paper.ablations import SWEEPS
from axolotl_cotmask.reproduction.paper.facts import BASES, BENCHMARKS, DATA, RUNS, PaperData, PaperRun
from axolotl_cotmask.reproduction.smollm2_recipes import recipe_texts

_FOLDER = Path(__file__).parent
_BEGIN, _END = (
    "<!-- the table: nox -s tables -->\n",
    "<!-- end of the table -->\n",
)


def with_table(page: str) -> str:
    """Return the text of ``recipes/README.md`` with its table made anew.

    Raises:
        ValueError: the page has lost the comments that the table stands between.
    """
    before, _, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"recipes/README.md needs the lines {_BEGIN.strip()} and {_END.strip()}")
    return before + _BEGIN + "\n".join(_lines()) + "\n" + _END + after


def _lines() -> Iterator[str]:
    yield "| recipe | lr | epochs | batch | p_max | noise | LR warm-up | tokens | published accuracy | ours |"
    yield "|---|---|---:|---:|---:|---|---:|---:|---|---|"
    notes: list[str] = []
    for run in RUNS:
        marks = "".join(f"<sup>{_number(note, notes)}</sup>" for note in run.scripts)
        cells = (
            f"[{run.name}]({run.name}.yaml){marks}",
            f"{run.learning_rate:.0e}".replace("e-0", "e-") + (", tail" if run.lr_tail else ""),
            run.epochs,
            run.batch_size,
            run.mask_ratio or "",
            run.noise or "",
            run.lr_warmup,
            DATA[run.data].sequence_len,
            _published(run),
            "not run",
        )
        yield f"| {' | '.join(map(str, cells))} |"
    yield ""
    yield (
        f"Tail: the cosine ends at {TAIL_START_LR:g} of the learning rate after {TAIL_START_STEP:.0%} of the steps, "
        "then a straight line to 0. Bases: "
        + ", ".join(f"`{name}` is {base.model}" for name, base in BASES.items())
        + ". Rows, as the paper counts them (but those of GSM8K as its file has them; the paper says 7K and 7,500): "
        + ", ".join(f"{name} {_rows(data)}" for name, data in DATA.items())
        + ". The released scripts say something else in places; the recipes follow the paper:"
    )
    yield ""
    for number, note in enumerate(notes, start=1):
        yield f"{number}. {note}"


def _rows(data: PaperData) -> str:
    if len(data.rows) == 1:
        return "".join(f"{rows:,}" for rows in data.rows.values())
    return " and ".join(f"{rows:,} ({PurePosixPath(path).name})" for path, rows in data.rows.items())


def _number(note: str, notes: list[str]) -> int:
    if note not in notes:
        notes.append(note)
    return notes.index(note) + 1


def _published(run: PaperRun) -> str:
    scores = ", ".join(f"{BENCHMARKS[benchmark]} {score}" for benchmark, score in run.scores.items())
    return f"{scores} ({', '.join(sorted({run.table_of(benchmark) for benchmark in run.scores}))})"


_TITLES = {
    "table3": "Table 3 of arXiv 2403.02178: where noise falls, and what it is. The numbers are the paper's accuracies.",
    "fig3": "Fig. 3 of arXiv 2403.02178: accuracy against p_max, warmed up or fixed. The grid is ours.",
    "selectors": "Beyond the paper: masks that fall on numbers, operators, equations, words or steps.",
}


def sweep_text(name: str) -> str:
    """Return the sweep file ``name``: a list under ``_``, which Axolotl takes one by one.

    Each entry replaces the recipe's ``cotmask:`` block, and names itself by ``wandb_name``.
    """
    lines = [
        f"# {_TITLES[name]}\n# Written by `nox -s tables`.\n#",
        f"#   axolotl train recipes/ablations/llama2-7b.yaml --sweep recipes/ablations/{name}.sweep.yaml",
        "_:",
    ]
    for row in SWEEPS[name]:
        block = yaml.safe_dump(dict(row.block), default_flow_style=True, sort_keys=False, width=1000).strip()
        published = "" if row.accuracy is None else f"  # {row.accuracy}{row.note and f' {row.note}'}"
        lines.append(f"  - {{wandb_name: {row.name}, cotmask: {block}}}{published}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write what is stale; with ``--check`` write nothing.

    Raises:
        SystemExit: with ``--check``, and a file is not what would be written.
    """
    page = _FOLDER / "README.md"
    texts = {page: with_table(page.read_text(encoding="utf-8"))}
    texts |= {_FOLDER / "ablations" / f"{name}.sweep.yaml": sweep_text(name) for name in SWEEPS}
    texts |= {_FOLDER / f"{name}.yaml": text for name, text in recipe_texts().items()}
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv and stale:
        sys.exit(f"{', '.join(map(str, stale))}: not what is made from code: run `nox -s tables`")
    for path in stale:
        with whole_file(path) as temporary:
            temporary.write_text(texts[path], encoding="utf-8")


if __name__ == "__main__":
    main()
