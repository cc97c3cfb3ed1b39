"""Commonsense questions with options, asked with reasoning and without: OBQA, CSQA, PIQA, SIQA.

The benchmarks of Self-Refine Instruction-tuning (arXiv 2405.00402). Its prompts are not published beyond options with
letters, ``A) ...``; how they are put together here is docs/augmentation.md's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.data.prompts import alpaca_prompt
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import MAMMOTH_CHOICE, ROBUST_CHOICE
from axolotl_cotmask.evaluation.tasks import Row

if TYPE_CHECKING:
    from datasets import Dataset

RULES = (MAMMOTH_CHOICE, ROBUST_CHOICE)
#: What an answer without reasoning begins with, at the end of the prompt.
ANSWER_START = " The answer is"

_LETTERS = "ABCDE"


def lettered(question: str, options: list[str], right: int) -> Row:
    """Return ``question``, with an option on each line below, and ``answer``, a letter.

    Args:
        question: without options.
        options: two to five texts.
        right: the place of the right one, from 0.

    Raises:
        CoTMaskError: the question is empty, or there are fewer or more options, or one is no text, or none is right.
    """
    if not question.strip():
        raise CoTMaskError("the question is empty: mend or remove the row")
    texts = isinstance(options, list) and all(isinstance(option, str) and option.strip() for option in options)
    if not texts or not 2 <= len(options) <= len(_LETTERS):
        raise CoTMaskError(f"the options are {options!r:.80}: give two to five texts")
    if not 0 <= right < len(options):
        raise CoTMaskError(f"no option is right, of {len(options)}: mend the row")
    lines = [f"{letter}) {option.strip()}" for letter, option in zip(_LETTERS, options, strict=False)]
    return {"question": "\n".join([question.strip(), *lines]), "answer": _LETTERS[right]}


def _of_choices(row: Row, question: str) -> Row:
    """Return the document of a row of OBQA or CSQA: ``choices`` with ``text`` and ``label``, ``answerKey``."""
    choices = row["choices"]
    if isinstance(choices, list):
        choices = {name: [choice[name] for choice in choices] for name in ("text", "label")}
    labels = [str(label).strip() for label in choices["label"]]
    key = str(row["answerKey"]).strip()
    return lettered(row[question], choices["text"], labels.index(key) if key in labels else -1)


def _numbered(label: Any, first: int) -> int:
    try:
        # One broken label makes numbers with a point of all.
        return int(str(label).removesuffix(".0")) - first
    except ValueError:
        return -1


#: By data set: a row's document.
_DOCUMENTS: Mapping[str, Callable[[Row], Row]] = {
    "obqa": lambda row: _of_choices(row, "question_stem"),
    "csqa": lambda row: _of_choices(row, "question"),
    "piqa": lambda row: lettered(row["goal"], [row["sol1"], row["sol2"]], _numbered(row["label"], 0)),
    "siqa": lambda row: lettered(
        f"{row['context'].strip()} {row['question'].strip()}",
        [row["answerA"], row["answerB"], row["answerC"]],
        _numbered(row["label"], 1),
    ),
}


def load_documents(source: str, direct: bool = False, **arguments: Any) -> dict[str, Dataset]:
    """Return the questions of ``source``, such as ``obqa_test`` or ``obqa_train``; ``direct`` asks without reasoning.

    Raises:
        SystemExit: as for `tasks.load_documents`.
    """
    return tasks.load_documents(source, *RULES, prepare=document_of(source, direct), **arguments)


def document_of(source: str, direct: bool = False) -> Callable[[Row], Row]:
    """Return what makes a document of a row of ``source``, with what a direct answer begins with, if it is one."""
    of_row = _DOCUMENTS[source.partition("_")[0]]
    start = {"answer_start": ANSWER_START} if direct else {}

    def document(row: Row) -> Row:
        try:
            return of_row(row) | start
        except (AttributeError, KeyError, TypeError) as error:
            raise CoTMaskError(
                f"its fields are not of the kinds that {source} has ({error!r}): mend the row"
            ) from error

    return document


def as_asked(source: str, row: Row) -> Row:
    """Return the document of a row of these data sets, and a row of any other as it is.

    Raises:
        CoTMaskError: a field is not as the data set has it.
    """
    return document_of(source)(row) if source.partition("_")[0] in _DOCUMENTS else row


def prompt(doc: Row) -> str:
    """Return the training prompt without the target, and where it is to be a direct answer its beginning."""
    return alpaca_prompt(doc["question"]) + doc.get("answer_start", "")


def process_results(doc: Row, results: list[str]) -> dict[str, float]:
    """Return the metrics of one document; ``results`` holds its one generation."""
    return tasks.scores(doc.get("answer_start", "") + results[0], doc["answer"], *RULES)
