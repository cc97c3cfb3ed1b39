"""Answer rules: how an answer is read from a text, and when it is right. The one place for evaluation and analysis.

Covered: the rule of the authors' scripts for models fine-tuned on GSM8K or GSM8K-RFT. Not covered yet: the rules for
MetaMath and MAmmoTH models, and the string equivalence for MATH.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from axolotl_cotmask.errors import CoTMaskError


class Verdict(StrEnum):
    """What a rule says about one generation; the values are those of the ``judge`` field in the authors' outputs."""

    TRUE = "true"
    FALSE = "false"
    INVALID = "invalid"  # no answer can be read from the generation: it counts as wrong, and is counted apart


@dataclass(frozen=True)
class Rule:
    """An answer rule.

    ``extract`` reads the answer from a generation, ``extract_gold`` from a reference; both return None when there is
    none to read. ``equivalent`` compares two answers that were read.
    """

    name: str
    extract: Callable[[str], str | None]
    extract_gold: Callable[[str], str | None]
    equivalent: Callable[[str, str], bool]

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

    def judge(self, prediction: str, gold: str | float) -> Verdict:
        """Return the verdict on the generated text ``prediction``.

        Raises:
            CoTMaskError: no answer can be read from ``gold``.
        """
        gold_answer = self.gold_answer(gold)
        answer = self.extract(prediction)
        if answer is None:
            return Verdict.INVALID
        return Verdict.TRUE if self.equivalent(answer, gold_answer) else Verdict.FALSE


_HASH_ANSWER = re.compile(r"#### (\-?[0-9\.\,]+)")
_NUMBER = re.compile(r"\-?[0-9\.\,]+")


def _without_commas(number: str) -> str | None:
    number = number.replace(",", "")
    try:
        float(number)
    except ValueError:  # the pattern also matches "1.2.3" and "."
        return None
    return number


def _extract_hash(text: str) -> str | None:
    # As in the authors' script, what follows the first NUL character is not part of the generation.
    match = _HASH_ANSWER.search(text.split("\0", maxsplit=1)[0])
    return None if match is None else _without_commas(match.group(1))


def _extract_hash_or_number(text: str) -> str | None:
    bare = text.strip()
    return _without_commas(bare) if _NUMBER.fullmatch(bare) else _extract_hash(text)


def _within_tolerance(answer: str, gold: str) -> bool:
    return abs(float(answer) - float(gold)) < 1e-4


#: GSM8K and GSM-IC for models fine-tuned on GSM8K or GSM8K-RFT, bug for bug (evaluation scripts of arXiv 2403.02178).
GSM8K_HASH = Rule("gsm8k_hash", _extract_hash, _extract_hash_or_number, _within_tolerance)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in (GSM8K_HASH,)}
