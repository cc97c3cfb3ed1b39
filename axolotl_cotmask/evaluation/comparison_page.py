"""The page of ``axolotl cotmask compare --html``: the answers of two models side by side, as one HTML file."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axolotl_cotmask.common.pages import now, render_with_data
from axolotl_cotmask.evaluation.answers import Judgement, Rule
from axolotl_cotmask.evaluation.comparison import Paired
from axolotl_cotmask.evaluation.documents import first_question
from axolotl_cotmask.evaluation.graded import GradedQuestion, Reading
from axolotl_cotmask.evaluation.marked_answers import RatedText, parted, rule_behind
from axolotl_cotmask.evaluation.shown import SCORED_TEXT, shown_answer, shown_question, shown_reference

#: The name of a cluster, which may be a whole question, is cut to so many characters.
_SHOWN = 80
_CODES = {Judgement.FALSE: 0, Judgement.TRUE: 1, Judgement.INVALID: 2}


@dataclass(frozen=True)
class ComparedTask:
    """A task on the page: its name, the table of its numbers, how the read answers were found, and its questions.

    Each of ``samples`` is ``[question, reference, answer of A, answer of B, rating of A, rating of B, cluster]``. An
    answer is a text, or its parts before, at and after what was read, or the text and what was read of it, where that
    stands nowhere. Ratings are 0 (wrong), 1 (right), 2 (no answer).
    A cluster is a place in ``clusters``, or -1.
    """

    name: str
    summary: Sequence[tuple[str, str]]
    notes: Sequence[str]
    cluster_field: str | None
    clusters: Sequence[str]
    samples: Sequence[Sequence[Any]]


def compared_task(
    paired: Paired, name: str, summary: Sequence[tuple[str, str]], text_fields: Sequence[str]
) -> ComparedTask:
    """Return what the page shows of a comparison.

    Args:
        paired: the answers.
        name: of the task, or "".
        summary: the comparison in numbers: what, and how much.
        text_fields: of A and B the field with the answer's text; "" for the usual one.

    Raises:
        CoTMaskError: a row holds no such text.
    """
    marked_by: dict[str, list[str]] = {}
    answers = []
    for label, side, rows, field in zip(
        "AB", (paired.a, paired.b), zip(*paired.questions, strict=True), text_fields, strict=True
    ):
        reading = side.reading
        rated = [_rated(row, reading, field) for row in rows]
        rule = reading.rule or rule_behind(rated)
        marked_by.setdefault(_marked_by(reading, rule), []).append(label)
        answers.append([_parts(each, rule) for each in rated])
    # A question without a value in that field is its own cluster, and has no name.
    named = [cluster for cluster in paired.clusters if isinstance(cluster, str) and paired.cluster_field is not None]
    numbers: dict[Hashable, int] = {cluster: number for number, cluster in enumerate(dict.fromkeys(named))}
    return ComparedTask(
        name=name,
        summary=summary,
        notes=[f"{' and '.join(labels)}: {note}." for note, labels in marked_by.items()],
        cluster_field=paired.cluster_field,
        clusters=[cluster[:_SHOWN] for cluster in dict.fromkeys(named)],
        samples=[
            [
                shown_question(in_a, paired.a.reading.question),
                shown_reference(in_a, paired.a.reading.gold or None),
                of_a,
                of_b,
                *(_CODES[row.rating] for row in (in_a, in_b) if row.rating is not None),
                numbers.get(cluster, -1),
            ]
            for (in_a, in_b), of_a, of_b, cluster in zip(paired.questions, *answers, paired.clusters, strict=True)
        ],
    )


def _rated(row: GradedQuestion, reading: Reading, field: str) -> RatedText:
    text = shown_answer(row, field or reading.prediction or SCORED_TEXT)
    gold = str(row.fields["target"]) if "target" in row.fields and not reading.gold else None
    return RatedText(text, gold or shown_reference(row, reading.gold or None), row.right == 1.0, first_question(row))


def _parts(rated: RatedText, rule: Rule | None) -> str | tuple[str, ...]:
    text = rated.text
    if rule is None:
        return text
    rule = rule.about(rated.question)
    read = rule.extract(text)
    return parted(text, rule) or ((text, read[:_SHOWN]) if read else text)


def _marked_by(reading: Reading, rule: Rule | None) -> str:
    if rule is None:
        return "no read answer is marked, since none of our rules gives all of these verdicts"
    if reading.rule is not None:
        return f"marked is what the rule {rule.name} reads"
    return f"marked is what the rule {rule.name} reads, which gives all of these verdicts"


def comparison_page(tasks: Sequence[ComparedTask], metric: str, files: dict[str, str], command: str) -> str:
    """Return the page.

    Args:
        tasks: at least one.
        metric: what the verdicts are.
        files: A and B, and where they were read.
        command: the command line that made it.
    """
    template = Path(__file__).with_name("pages") / "compare.html.jinja"
    data = [
        {"name": task.name, "field": task.cluster_field, "clusters": task.clusters, "samples": task.samples}
        for task in tasks
    ]
    values = {"tasks": tasks, "metric": metric, "files": files}
    return render_with_data(
        template, data, title="Two models on the same questions", made=now(), command=command, **values
    )
