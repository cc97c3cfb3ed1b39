"""What an answer rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from axolotl_cotmask.common.errors import CoTMaskError


class Judgement(StrEnum):
    """What a rule says about one generation; the values are those of the ``judge`` field in the authors' outputs."""

    TRUE = "true"
    FALSE = "false"
    INVALID = "invalid"  # no answer can be read from the generation: it counts as wrong, and is counted apart


@dataclass(frozen=True)
class Rule:
    """An answer rule.

    ``extract`` reads the answer from a generation, ``extract_gold`` from a reference; both return None when there is
    none to read. ``equivalent`` compares two answers that were read. ``extract_asked`` reads as ``extract`` does with
    the question at hand, generation first; None for a rule that never looks at it.
    """

    name: str
    extract: Callable[[str], str | None]
    extract_gold: Callable[[str], str | None]
    equivalent: Callable[[str, str], bool]
    extract_asked: Callable[..., str | None] | None = None

    def about(self, question: str | None) -> Rule:
        """Return the rule as it reads answers to ``question``: itself, without one or where it never looks at it."""
        if question is None or self.extract_asked is None:
            return self
        return replace(self, extract=partial(self.extract_asked, question=question))

    def gold_answer(self, gold: str | float) -> str:
        """Return the answer in ``gold``: a full reference solution, or the answer alone as a string or number.

        Raises:
            CoTMaskError: no answer can be read from it.
        """
        answer = self.extract_gold(str(gold))
        if answer is None:
            raise CoTMaskError(
                f"the rule {self.name} reads no answer from the gold {str(gold)[-60:]!r}: "
                f"give a reference solution or a number that it can read"
            )
        return answer

    def judge(self, prediction: str, gold: str | float) -> Judgement:
        """Return what the rule says of the generated text ``prediction``.

        Raises:
            CoTMaskError: no answer can be read from ``gold``.
        """
        gold_answer = self.gold_answer(gold)
        answer = self.extract(prediction)
        if answer is None:
            return Judgement.INVALID
        return Judgement.TRUE if self.equivalent(answer, gold_answer) else Judgement.FALSE
