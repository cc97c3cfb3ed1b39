"""A round of LLM2LLM (arXiv 2403.15042): a teacher writes problems like those that a run's source gets wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import read_json, read_jsonl, sha256, whole_file
from axolotl_cotmask.reproduction.integrity import MANIFEST
from axolotl_cotmask.reproduction.layout import PLAN, REPLIES, ROWS, ROWS_REPORT, RunFiles
from axolotl_cotmask.reproduction.plan import RunPlan, Setup
from axolotl_cotmask.reproduction.stage_program import AUGMENT, begin, result, run_program, write_record

#: Asks the questions of the seed data.
LESSON_TASK = "cotmask_sample_gsm8k"
_PLAN = Path(PLAN)


def teach(name: str, setup: Setup, run: RunPlan, output: Path) -> None:
    """Make a run's rows of all that the teacher wrote up to this round, by the commands of ``axolotl cotmask augment``.

    What it has answered stays where the stage is killed, and is not asked for again.

    Raises:
        CoTMaskError: a file of replies has none to the questions that the source gets wrong.
    """
    assert run.chain is not None
    assert run.teacher is not None
    files, work = RunFiles(Path(), name), RunFiles(Path(), name).work / "teach"
    begin(work, {"mistakes": sha256(files.mistakes / MANIFEST), "teacher": run.teacher})
    hard, new, again, solved = (work.resolve() / f"{part}.jsonl" for part in ("hard", "new", "again", "solved"))
    asked = ["--endpoint", str(read_json(_PLAN)["endpoint"]), "--model", run.teacher]
    records = []

    def augment(*arguments: str | Path, printed: Path | None = None) -> None:
        command = [*AUGMENT, *map(str, arguments)]
        records.append(run_program(setup, run.data_dir, work, command, {}, printed))

    augment("hard", files.mistakes.resolve(), "--metric", "solved", "-o", hard)
    if asked[1]:
        augment("ask", hard, "-o", new, *asked, "--temperature", "1")
        augment("solve", new, "-o", again)
        augment("ask", again, "-o", solved, *asked, "-n", "2", "--temperature", "0.7")
    else:
        wrong = {row["seed_question"] for row in read_jsonl(hard)}
        _choose(Path(run.teacher), new, "seed_question", wrong)
        augment("solve", new, "-o", again)
        _choose(Path(run.teacher), solved, "question", {row["question"] for row in read_jsonl(again)})
    with result(output) as made:
        earlier = RunFiles(Path(), run.chain.source).made / REPLIES
        with (made / REPLIES).open("wb") as replies:
            for part in (earlier, new, solved):
                replies.write(part.read_bytes() if part.is_file() else b"")
        shutil.copy(hard, made)
        rows = ("--seeds", seeds_of(setup, run), "--output", (made / ROWS).resolve(), "--json")
        augment(*run.chain.make, (made / REPLIES).resolve(), *rows, printed=work / ROWS_REPORT)
        # Where no row is left it tells why, and stays.
        shutil.copy(work / ROWS_REPORT, made)
        write_record(made, _together(records))
    shutil.rmtree(work)


def seeds_of(setup: Setup, run: RunPlan) -> Path:
    """Return the file of seed data, which a run is trained on beside the teacher's rows."""
    _, seeds = (run.config or {})["datasets"]
    return Path(setup.directory, seeds["path"]).resolve()


def _choose(replies: Path, output: Path, field: str, questions: set[str]) -> None:
    """Write the replies whose ``field`` is one of ``questions``: new problems have none in the field ``question``."""

    def fits(row: Mapping[str, Any]) -> bool:
        value = row.get(field)
        return isinstance(value, str) and value in questions and (field == "question" or not row.get("question"))

    chosen = [row for row in read_jsonl(replies, ("answer",)) if fits(row)]
    if not chosen and field != "question":
        raise CoTMaskError(
            f"{replies}: none of its replies has in `{field}` one of the {len(questions)} questions that were answered "
            "wrongly, which hard.jsonl in the run's work directory has: ask a teacher for them, and add what it writes"
        )
    with whole_file(output) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in chosen), encoding="utf-8")


def _together(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one provenance of several programs, with the attempts before this one, which all of them have, once."""
    first, *others = records
    attempts = [*first["attempts"], *(record["attempts"][-1] for record in others)]
    return {
        **first,
        "command": " && ".join(record["command"] for record in (first, *others)),
        "seconds": round(sum(attempt["seconds"] for attempt in attempts), 1),
        "attempts": attempts,
        "peak_memory_gib": max(record["peak_memory_gib"] for record in (first, *others)),
    }
