"""Samples of training questions: what lm-eval wrote for the ``cotmask_sample_*`` tasks, or rows of the same content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axolotl_cotmask.augmentation.reasoning import has_reasoning
from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.common.files import is_writable, numbered_jsonl
from axolotl_cotmask.common.places import check_file
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.evaluation.answers import GSM8K_HASH, RULES, Judgement, Rule
from axolotl_cotmask.evaluation.results import AnswerRow
from axolotl_cotmask.evaluation.results_file import holds_results


@dataclass(frozen=True)
class Asked:
    """A training question as a model was asked it.

    ``answer`` is the gold; ``solution`` the gold with its reasoning, which the rule reads as it reads a sample, where
    there is one; ``rule`` names the answer rule. ``answer_start`` is what the prompt began the answer with, so that the
    model went without reasoning.
    """

    question: str
    answer: str
    solution: str | None
    prompt: str
    rule: str
    answer_start: str = ""

    @property
    def answer_rule(self) -> Rule:
        """The rule that tells a right answer to the question."""
        return RULES[self.rule].about(self.question)


@dataclass(frozen=True)
class Sampled:
    """A question and the texts that a model wrote for it, as they stand; ``place`` is file and line, for errors."""

    place: str
    asked: Asked
    responses: tuple[str, ...]


def find_samples(sources: Iterable[Path]) -> list[Path]:
    """Return the files of samples: the files that are named, and the ``samples_*.jsonl`` below named directories.

    Each comes once, in the order of their names.

    Raises:
        CoTMaskError: there is none in a directory, or a path is neither.
    """
    files = set()
    for source in sources:
        if source.is_dir():
            below = {file.resolve() for file in source.rglob("samples_*.jsonl") if not _is_hidden(file, source)}
            if not below:
                raise CoTMaskError(f"{source}: no samples_*.jsonl in it: sample with --log_samples --output_path")
            files |= below
        else:
            check_file(source)
            files.add(source.resolve())
    return sorted(files)


def _is_hidden(file: Path, source: Path) -> bool:
    """Tell whether a file lies in a hidden directory below ``source``, where a round that was killed has left it."""
    return any(part.startswith(".") for part in file.relative_to(source).parts)


def read_sampled(path: Path, rule: str | None = None, *, direct: bool = False) -> Iterator[Sampled]:
    """Yield the questions of a file with their samples.

    A row is a sample of lm-eval, whose document has ``question`` and ``answer``, or an object with ``question``,
    ``answer`` and ``responses``, a list of texts. ``solution`` and ``answer_rule`` may be among them.

    Args:
        path: JSON lines.
        rule: the answer rule; None for what the rows name. Rows that are no samples of lm-eval and name none have
            ``gsm8k_hash``.
        direct: whether the samples are to be answers without reasoning (``cotmask_sample_*_direct``).

    Raises:
        CoTMaskError: a row has no gold or no texts, or is of another task or for another purpose, or all samples of a
            question are the same since they were generated at temperature 0; or there are no rows.
    """
    if holds_results(path):
        raise CoTMaskError(f"{path}: holds lm-eval's results, not samples: give the samples_*.jsonl beside it")
    chosen: Any = None
    varied, repeated = False, 0
    for number, fields in numbered_jsonl(path):
        row = AnswerRow(f"{path}, line {number}", fields)
        chosen = fields.get("filter", "") if chosen is None else chosen
        if fields.get("filter", "") != chosen:
            continue  # the same texts, by another filter of lm-eval
        sampled = Sampled(row.place, read_asked(row, rule), _responses(row))
        _check_purpose(sampled, direct)
        yield sampled
        repeated += len(sampled.responses) > 1
        varied = varied or len(set(sampled.responses)) > 1
    if chosen is None:
        raise CoTMaskError(f"{path} holds no rows: give a file with the samples of one question per line")
    if repeated > 1 and not varied:
        raise CoTMaskError(
            f"{path}: all samples of a question are the same text, for each of {repeated} questions: sample with "
            "do_sample and a temperature above 0"
        )


def read_asked(row: AnswerRow, rule: str | None = None, gold: str = "answer") -> Asked:
    """Return the question of a row: its document has ``question``, the gold, and maybe ``solution``, ``answer_rule``.

    Args:
        row: of any file.
        rule: as in `read_sampled`.
        gold: the field that holds the gold.

    Raises:
        CoTMaskError: a field is missing, or is not of its kind, or the rule reads no answer from the gold.
    """
    document = row.document
    question, solution = (_text(row, document, name) for name in ("question", "solution"))
    answer = document.get(gold)
    if question is None or not question.strip():
        raise CoTMaskError(f"{row.place}: no field 'question': give one, or samples of a cotmask_sample_* task")
    if isinstance(answer, bool) or not isinstance(answer, (str, int, float)) or not str(answer).strip():
        raise CoTMaskError(f"{row.place}: no gold, the field '{gold}': give questions with their answers")
    named = rule or document.get("answer_rule")
    if named is None and not row.is_sample:
        named = GSM8K_HASH.name
    if named is None:
        raise CoTMaskError(
            f"{row.place}: is a sample of another task than cotmask_sample_*: sample by one of these, or name the rule "
            "of its answers (a field answer_rule, or --answer-rule)"
        )
    if not isinstance(named, str) or named not in RULES:
        raise CoTMaskError(f"{row.place}: there is no answer rule {named!r}{closest(str(named), RULES)}")
    try:
        solution = _solution(solution, answer, RULES[named])
    except CoTMaskError as error:
        raise CoTMaskError(f"{row.place}: {error}") from error
    return Asked(
        question=question,
        answer=str(answer),
        solution=solution,
        prompt=_prompt(row) or alpaca_prompt(question),
        rule=named,
        answer_start=_text(row, document, "answer_start") or "",
    )


def _solution(solution: str | None, answer: str | float, rule: Rule) -> str | None:
    """Return the gold solution, of ``solution`` or else ``answer``; None where that is not one.

    Raises:
        CoTMaskError: the rule reads no gold, or the solution has another answer.
    """
    judgement = rule.judge(str(answer) if solution is None else solution, answer)
    if judgement is Judgement.FALSE and solution is not None:
        raise CoTMaskError("the field 'solution' ends in another answer than the field 'answer' holds: mend the row")
    text = str(answer) if solution is None else solution
    return text.strip() if judgement is Judgement.TRUE and has_reasoning(text) else None


def _text(row: AnswerRow, document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise CoTMaskError(f"{row.place}: the field '{name}' is no text: mend the row")
    return _whole(row, value) if value is not None else None


def _whole(row: AnswerRow, text: str) -> str:
    if not is_writable(text):
        raise CoTMaskError(f"{row.place}: a text holds half of a surrogate pair: mend the row")
    return text


def _request(row: AnswerRow) -> dict[str, Any]:
    """Return prompt (``arg_0``) and generation arguments (``arg_1``) as lm-eval logs them, empty without."""
    arguments = row.fields.get("arguments")
    request = arguments.get("gen_args_0") if isinstance(arguments, dict) else None
    return request if isinstance(request, dict) else {}


def _prompt(row: AnswerRow) -> str | None:
    prompt = _request(row).get("arg_0")
    return _whole(row, prompt) if isinstance(prompt, str) else None


def _responses(row: AnswerRow) -> tuple[str, ...]:
    value = row.fields.get("resps" if row.is_sample else "responses")
    if row.is_sample and isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        where = "its resps are no generated texts" if row.is_sample else "no field 'responses' with a list of texts"
        raise CoTMaskError(f"{row.place}: {where}: give samples of a cotmask_sample_* task")
    generation = _request(row).get("arg_1")
    arguments = generation if isinstance(generation, dict) else {}
    if len(value) > 1 and (not arguments.get("do_sample", True) or arguments.get("temperature") == 0):
        raise CoTMaskError(
            f"{row.place}: {len(value)} samples at temperature 0 are {len(value)} times the same: sample with "
            "do_sample=True and a temperature above 0 in --gen_kwargs"
        )
    return tuple(_whole(row, text) for text in value)


def _check_purpose(sampled: Sampled, direct: bool) -> None:
    if direct and not sampled.asked.answer_start:
        raise CoTMaskError(
            f"{sampled.place}: it was asked for reasoning, too: give --direct the samples of a cotmask_sample_*_direct "
            "task"
        )
    if not direct and sampled.asked.answer_start:
        raise CoTMaskError(
            f"{sampled.place}: it was asked for an answer without reasoning: give these samples as --direct of "
            "`augment pairs --rule cot`"
        )
