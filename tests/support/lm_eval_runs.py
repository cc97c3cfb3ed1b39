"""Our tasks in lm-eval, with the scripted model, and files like those that lm-eval writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager, get_task_dict

EVALTASKS = Path(__file__).parents[2] / "evaltasks"
#: Of `write_results`.
TASK, DATE = "cotmask_gsm8k", "2026-01-01T00-00-00.000000"


def evaluate(model: LM, task: str, tasks: TaskManager, **options: Any) -> dict[str, Any]:
    """Run a task in this process."""
    return lm_eval.evaluate(model, get_task_dict([task], tasks), **options)


def values(results: dict[str, Any], task: str) -> dict[str, float | None]:
    """The task's metrics, without lm-eval's filter name."""
    found = results["results"][task].items()
    return {key.removesuffix(",none"): value for key, value in found if "," in key and "_stderr" not in key}


def write_results(
    directory: Path, answers: list[str], correct: list[float], pretrained: str | None = None, samples: bool = True
) -> Path:
    """Write what lm-eval writes, the samples in another order than the data."""
    directory.mkdir()
    content = {
        "results": {TASK: {"exact_match,none": sum(correct) / len(correct)}},
        "configs": {TASK: {}},
        "config": {"model_args": {"pretrained": pretrained} if pretrained else {}},
    }
    (directory / f"results_{DATE}.json").write_text(json.dumps(content), encoding="utf-8")
    rows = [
        {"doc_id": i, "doc": {"question": f"q{i}", "answer": answer}, "exact_match": value}
        for i, (answer, value) in enumerate(zip(answers, correct, strict=True))
    ]
    if samples:
        text = "".join(json.dumps(row) + "\n" for row in reversed(rows))
        (directory / f"samples_{TASK}_{DATE}.jsonl").write_text(text, encoding="utf-8")
    return directory
