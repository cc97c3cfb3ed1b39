"""Finds a question that shows what a method changes: one model gets it wrong, the other right."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.results import AnswerRow, find_tasks, read_samples
from axolotl_cotmask.reproduction.layout import RunFiles
from axolotl_cotmask.reproduction.report.outcome import Answer, Example

_ANNOTATION = re.compile(r"<<(.*?)>>")
#: The end of a step: of its line, or a full stop that is no decimal point.
_STEP_END = re.compile(r"\n|\.(?=\s|$)")
_RIGHT = "exact_match"


def find_example(
    baseline: RunFiles, treated: RunFiles, labels: tuple[str, str], backend: str, task: str
) -> Example | None:
    """Return a question that the baseline gets wrong and the treated model right, or None where there is none.

    Among those whose wrong step can be told, an annotation ``<<5+3=8>>`` that the reference does not have there, it is
    the one with the shortest question; of equally short ones the first.

    Args:
        baseline: the files of one run.
        treated: the files of the other, scored on the same questions.
        labels: of both models.
        backend: that they were scored with.
        task: of lm-eval; its documents have GSM8K's fields.
    """
    directories = [files.evaluation(backend, task) for files in (baseline, treated)]
    if not all(directory.is_dir() for directory in directories):
        return None
    sides = [read_samples(find_tasks(directory)[task].samples_file()) for directory in directories]
    shown = []
    for before, after in zip(*sides, strict=True):
        wrong = _first_wrong_step(_text(before), before.document["answer"])
        if wrong is not None and not before.fields[_RIGHT] and after.fields[_RIGHT]:
            shown.append((before, after, wrong))
    if not shown:
        return None
    before, after, (start, end) = min(shown, key=lambda found: len(found[0].document["question"]))
    text = _text(before)
    parts = [(text[:start], False), (text[start:end], True), (text[end:], False)]
    return Example(
        before.document["question"],
        [Answer(labels[0], False, parts), Answer(labels[1], True, [(_text(after), False)])],
        f"the shortest of the {len(shown)} questions that only {labels[1]} gets right and whose wrong step can be told",
    )


def _text(sample: AnswerRow) -> str:
    return str(sample.fields["filtered_resps"][0]).strip()


def _first_wrong_step(text: str, reference: str) -> tuple[int, int] | None:
    """Return where the first step begins and ends whose annotation is not the reference's; None where all are."""
    expected = ["".join(annotation.split()) for annotation in _ANNOTATION.findall(reference)]
    for number, found in enumerate(_ANNOTATION.finditer(text)):
        if number >= len(expected) or "".join(found[1].split()) != expected[number]:
            ends = [end.end() for end in _STEP_END.finditer(text)]
            start = max((end for end in ends if end <= found.start()), default=0)
            start += len(text[start:]) - len(text[start:].lstrip())
            return start, min((end for end in ends if end >= found.end()), default=len(text))
    return None
