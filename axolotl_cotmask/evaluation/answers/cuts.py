"""What of a generation is about the question that was asked: not the thinking before it, not the next prompt."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.plain import plain

_THOUGHT_ENDS = re.compile(
    r"</(?:think|thinking|thought|reasoning|scratchpad)>|<\|end_of_thought\|>|◁/think▷|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_THOUGHT_BEGINS = re.compile(
    r"<(?:think|thinking|thought|reasoning|scratchpad)>|<\|begin_of_thought\|>|◁think▷", re.IGNORECASE
)
# What ends a model's turn. Templates differ; these are those of the families in use.
_TURN_ENDS = re.compile(
    r"</s>|<eos>|<end_of_turn>|\[INST\]|<start_of_turn>user"
    r"|<\|(?:end_of_solution|endoftext|im_end|eot_id|eom_id|end_of_text|end|return|user|end_of_sentence|end▁of▁sentence)\|>"
    r"|<\|im_start\|>user|<\|start_header_id\|>user"
)
_ANNOTATION = re.compile(r"<<[^<>]*>>|<\|[\w ]{1,40}\|>")
# A role or a heading that only a prompt has.
_TURN = re.compile(
    r"^[ \t#*>]{0,8}(?:(?:user|human|instruction)s?[ *]{0,4}:|below is an instruction|#+ ?instruction"
    r"|(?:user|human)[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_QUESTION = re.compile(
    r"^[ \t#*>(\[]{0,8}(?:(?:next|new|another|example) )?(?:question|problem|exercise|example|q)"
    r"(?: ?#?\d{1,4}[ *]{0,4}(?:[:.)]|$)|[ *]{0,4}:)|^input:|^#+ ?(?:question|problem|exercise)[ *]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
_ITEM = re.compile(r"^[ \t#*]{0,8}(\d{1,3})[.)] ", re.MULTILINE)
_SOLUTION = re.compile(
    r"^[ \t#*>]{0,8}(?:solution|answer|response|explanation|reasoning|step|let)", re.IGNORECASE | re.MULTILINE
)
_NUMBER = re.compile(r"(?:question|problem|exercise|example|step|part|no\.|#) ?\d{1,4}|(?P<number>\d)", re.IGNORECASE)
_SAID = re.compile(r"[^\s#*>-]")
_STATES = re.compile(
    r"\\(?:boxed|fbox)\{|####[ \t]{0,3}[-$£€\d\\]|\banswers?\b[^\n.]{0,80}?(?:[\d\\$]|\b(?-i:[A-E])\b)", re.IGNORECASE
)


def about_the_question(text: str) -> str:
    """Return what ``text`` says about the question, in plain characters and without calculator annotations.

    Without what comes before the end of the model's thinking (all of it, where the thinking has no end), and without
    what follows the end of its turn or the beginning of another prompt. A question that is repeated before any answer
    is not another one.
    """
    text = after_the_thinking(plain(text))
    return _ANNOTATION.sub("", _before_the_next_prompt(_first_turn(text)))


def after_the_thinking(text: str) -> str:
    """Return what follows the last end of a model's thinking; where it does not end, what comes before it."""
    ends = list(_THOUGHT_ENDS.finditer(text))
    if ends:
        text = text[ends[-1].end() :]
    begins = _THOUGHT_BEGINS.search(text)
    return text if begins is None else text[: begins.start()]


def _first_turn(text: str) -> str:
    start = 0
    for end in _TURN_ENDS.finditer(text):
        if text[start : end.start()].strip():
            return text[start : end.start()]
        start = end.end()
    return text[start:]


def _before_the_next_prompt(text: str) -> str:
    turns = (turn.start() for turn in _TURN.finditer(text) if _SAID.search(text, 0, turn.start()))
    text = text[: next(turns, None)]
    text = text[: _next_question(text)]
    return text[: _next_item(text)]


def _next_question(text: str) -> int | None:
    """Return where another question begins: one that comes after an answer, and not before the first solution."""
    stated = _STATES.search(text)
    answered, begun = min(_first_number(text, 0), stated.start() if stated else len(text)), 0
    for question in _QUESTION.finditer(text):
        if question.start() < begun:
            continue
        if question.start() > answered:
            return question.start()
        solution = _SOLUTION.search(text, question.end())
        if solution is None:
            # One that nothing follows is not repeated to be solved.
            line_end = text.find("\n", question.end())
            follows = line_end >= 0 and _SAID.search(text, line_end) is not None
            return None if follows or not _SAID.search(text, 0, question.start()) else question.start()
        begun = solution.end()
        if answered < begun:
            answered = _first_number(text, begun)
    return None


def _first_number(text: str, start: int) -> int:
    """Return the place of the first digit from ``start`` that does not belong to the number of a question or step."""
    number = next((match for match in _NUMBER.finditer(text, start) if match["number"]), None)
    return len(text) if number is None else number.start()


def _next_item(text: str) -> int | None:
    """Return where a new problem begins by its number alone: ``2. Tom has``, after the answer and not in a list."""
    stated = _STATES.search(text)
    if stated is None:
        return None
    numbers: set[int] = set()
    for item in _ITEM.finditer(text):
        number = int(item[1])
        if (
            item.start() > stated.end()
            and number > 1
            and number - 1 not in numbers
            and text.endswith("\n\n", 0, item.start())
        ):
            return item.start()
        numbers.add(number)
    return None
