"""The tables of ``recipes/README.md``, made from the published facts (`nox -s tables`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

from axolotl_cotmask.common.resources import directory
from axolotl_cotmask.masking.config import TAIL_START_LR, TAIL_START_STEP
from axolotl_cotmask.reproduction.paper.facts import BASES, BENCHMARKS, DATA, RUNS, PaperData, PaperRun
from axolotl_cotmask.reproduction.paper.made_files import write_or_check

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
        + ". Rows, as the paper counts them: "
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


def main() -> None:
    """Write the table into ``recipes/README.md``; with ``--check`` say whether it is up to date."""
    page = directory("recipes") / "README.md"
    write_or_check({page: with_table(page.read_text(encoding="utf-8"))}, sys.argv[1:])


if __name__ == "__main__":
    main()
