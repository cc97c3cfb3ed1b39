"""Time of each answer rule against the length of hostile texts: ``python bench/answer_length.py [LENGTH ...]``.

For each rule and length the slowest text of all forms below, in milliseconds of computing time (without Math-Verify's
own, which has a limit). Where one takes more than 20 s, or ends in an exception, that is said instead. Without
arguments 1,000, 10,000 and 100,000 characters.
"""

from __future__ import annotations

import signal
import sys
import time
import warnings

from axolotl_cotmask.evaluation.answers import RULES, Rule

LIMIT = 20.0
GOLDS = {"choice": "B", "boxed": "\\frac{1}{2}", "_math": "\\frac{1}{2}", "": "2"}

#: Pieces that are repeated, in every place of ``FRAMES``.
PIECES = (
    "1", "1,", "1.", "1 ", "1/", "1^", "-", "- ", "+1", "(", "((1)", ")", "{", "}", "\\frac{", "\\frac", "\\frac{1}{",
    "\\boxed{", "\\boxed", "\\fbox{1} ", "\\text{", "\\text{ a}", "\\sqrt{", "\\sqrt", "$", "$$", "$1$ ", "\\(",
    "\\[", "\\(1", "apples ", "ap ", "a", "A", "A) ", "(A) ", "A or ", "and ", "one ", "hundred ", "answer ",
    "answer is ", "The answer is 5. ", "The answer is: ", "the answer is not 5 ", "not 5 ", "answer\n", "####",
    "#### ", "#### 1\n", "#### 1. a\n", "A: ", "A: 1\n", "\n", "\r\n", " ", "\t", "\n\n", "- \n", "* ", "**",
    "**5** ", "*", "_", "`", "```\n", "---\n", "===", "# ", "> ", "|", "<<", "<<1+1=2>>", "<think>", "</think>",
    "<think></think>", "<answer>", "</answer>", "</s>", "<|", "<|im_end|>", "Question: ", "\nQuestion:",
    "\nQuestion: 1\n", "\nProblem:\nSolution:", "\nUser:", "\n2. ", "\n\n2. 1", "User:\n", "Note 1\n\n", "is wrong ",
    "5 is wrong ", "=", "1=", "= 1 ", "\u2248", "\u00bd", "\u00b2", "x\u00b2", "\u202f1", "\u200b", "\u0301",
    "\ufdfa", "\ud800", "\u0000", "\u00e9", "\u0661", "\u00d7", "1 x ", "1 \u00d7 10^", "e", "1e1", "%", "!", "1!",
    "1:", ", ", "; ", ". ", "i.e. ", "So ", "so A ", "it is ",
)  # fmt: skip
FRAMES = ("{}", "The answer is: 5 {}", "\\boxed{{{}}}", "#### {}", "{}5", "${}$")


def texts(length: int) -> list[str]:
    """Return every piece in every frame, repeated to ``length`` characters."""
    return [frame.format(piece * (length // len(piece))) for piece in PIECES for frame in FRAMES]


def seconds(rule: Rule, text: str) -> float:
    """Return the computing time that ``rule`` takes to read ``text`` and to compare what it read.

    Raises:
        TimeoutError: it takes longer than `LIMIT`.
    """
    gold = next(gold for kind, gold in GOLDS.items() if kind in rule.name)
    started = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    rule.judge(text, gold)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return time.process_time() - started


def slowest(rule: Rule, length: int) -> tuple[str, str]:
    """Return the longest time over `texts` in milliseconds, or what went wrong first, and the text's beginning."""
    worst = (0.0, "")
    for text in texts(length):
        try:
            worst = max(worst, (seconds(rule, text), text[:24]))
        except Exception as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            return f"> {LIMIT:.0f} s" if isinstance(error, TimeoutError) else type(error).__name__, text[:24]
    return f"{1000 * worst[0]:,.1f}", worst[1]


def _stop(*_: object) -> None:
    raise TimeoutError


def main(lengths: list[int]) -> None:
    """Print a table: rule, milliseconds per length, the slowest text of the longest."""
    signal.signal(signal.SIGPROF, _stop)
    warnings.simplefilter("ignore", SyntaxWarning)
    print(f"| rule | {' | '.join(f'{length:,}' for length in lengths)} | slowest text |")
    print(f"|---|{'---:|' * len(lengths)}---|")
    for rule in RULES.values():
        results = [slowest(rule, length) for length in lengths]
        print(f"| `{rule.name}` | {' | '.join(time for time, _ in results)} | {results[-1][1]!r} |", flush=True)


if __name__ == "__main__":
    main([int(length) for length in sys.argv[1:]] or [1_000, 10_000, 100_000])
