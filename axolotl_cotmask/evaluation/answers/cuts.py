"""What of a generation is about the question that was asked: not the thinking before it, not the next prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator

from axolotl_cotmask.evaluation.answers.corrections import TAKES_BACK
from axolotl_cotmask.evaluation.answers.number_words import NUMBER_WORD
from axolotl_cotmask.evaluation.answers.plain import plain

_THOUGHT_ENDS = re.compile(
    r"</(?:think|thinking|thought|reasoning|scratchpad)>|\[/THINK\]"
    r"|<\|end_of_thought\|>|◁/think▷|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_THOUGHT_BEGINS = re.compile(
    r"<(?:think|thinking|thought|reasoning|scratchpad)>|\[THINK\]|<\|begin_of_thought\|>|◁think▷"
    r"|<\|channel\|>(?:analysis|commentary)<\|message\|>",
    re.IGNORECASE,
)
# What ends a model's turn. Templates differ; these are those of the families in use.
_TURN_ENDS = re.compile(
    r"</?s>|\\end\{(?:solution|answer|proof|problem)\}|<eos>|<end_of_turn>|\[INST\]|<start_of_turn>user"
    r"|<\|(?:end_of_solution|endoftext|im_end|eot_id|eom_id|end_of_text|end|return|user|assistant"
    r"|end_of_sentence|end▁of▁sentence)\|>"
    r"|<\|im_start\|>user|<\|start_header_id\|>user"
)
_ANNOTATION = re.compile(
    r"<<[^<>]*>>|`[a-zA-Z_]{2,30}\([^`\n]{0,80}\)`|(?m:^> (?=[A-Za-z*]))|<\|[\w ]{1,40}\|>"
    r"|</?(?:b|i|u|p|em|strong|mark|span|code|pre|center|h[1-6])(?: [^<>]{0,60})?>"
)
# A program behind the answer; its output is in a block of its own.
_PROGRAM = re.compile(
    r"```(?:python3?|py|java|javascript|js|c|cpp|c\+\+|bash|sh|sql|r)\n.*?(?:```|\Z)", re.IGNORECASE | re.DOTALL
)
# A sign that may end a text, but for those that mark an option.
_ORNAMENT = re.compile(r"[\s\u2600-\u2610\u2612\u2613\u2618-\u26ff\u27a0-\u27bf\U0001f300-\U0001faff\ufe0f]")
_LETTER = re.compile(r"[a-zA-Z]")
_SENTENCE = re.compile(
    r"\W{0,3}(?:[A-Z][a-z']*,?|\([A-E]\))(?: \S+){3}"
    r"|\d[\d.,]*(?: \S+){1,6} (?:is|are|was|were|has|have|remains?)\b"
)
# A role or a heading that only a prompt has.
_TURN = re.compile(
    r"^[ \t#*>]{0,8}(?:(?:user|human|instruction)s?[ *]{0,4}:|below is an instruction|#+ ?instruction"
    r"|(?:user|human)[ \t]*$|<(?:question|problem|user)>)",
    re.IGNORECASE | re.MULTILINE,
)
_QUESTION = re.compile(
    r"^[ \t#*>(\[]{0,8}(?:(?:next|new|another|example) )?(?:question|problem|exercise|example|task|test|q)"
    r"(?: ?#?\d{1,4}[ *]{0,4}(?:[:.)]|$)|[ *]{0,4}:|\.\*\*)|^input:|^#+ ?(?:question|problem|exercise)[ *]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
# The same on the line of an answer; there it is written with a capital.
_INLINE = re.compile(
    r"(?<=[^\s:,;])[ \t]{0,8}(?<=[\s.!?)\]}*$\d])(?:#{2,4} ?)?"
    r"(?:(?i:next|new|another) (?:question|problem|exercise|example)"
    r"|Question|Problem|Exercise|Example|Instruction|Input|Human|User|Q)(?: ?#?\d{1,4})?[ *]{0,4}:(?=\s)"
)
# What stands behind a word that is the name of a quantity: `Test: 4(x + 5) = 20`.
_CALCULATION = re.compile(r"(?!.{0,200}(?:[A-Za-z]{3}|\?)).{0,200}=")
# A question: a sentence that asks for something, and is none that the text puts to itself.
_ASKED = re.compile(
    r"\?(?=\s|\Z)|(?<=\n\n)(?:(?:[^\n]{0,300}\. )?"
    r"(?:Find|Compute|Determine|Calculate|Evaluate|Simplify|Express|Solve|Prove)\b"
    r"(?: for [^\s:]{1,12}:)?[^\n:]{5,300}\.[ \t]{0,8}$)"
    r"|^[ *#]{0,6}(?i:options|(?:answer )?choices)[ *]{0,4}:"
    r"|\b(?i:another|next|new|similar) (?i:problem|question|example|exercise)\b",
    re.MULTILINE,
)
_ASKED_WITHIN = 600
_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
_ASKS = re.compile(
    r"^\W*+(?!(?:but|however|so|hmm|then|does|did|is|are|was|could|would|can|do|shall|should|let)\b)"
    r"(?:[^\n]{0,300}?[^\w\n])??(?:what|how|which|who|when|where)\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"^[ \t#*]{0,8}(\d{1,3})[.)] ", re.MULTILINE)
_SOLUTION = re.compile(
    r"^[ \t#*>]{0,8}(?:solution|answer|response|explanation|reasoning|step|let)", re.IGNORECASE | re.MULTILINE
)
_NUMBER = re.compile(r"(?:question|problem|exercise|example|step|part|no\.|#) ?\d{1,4}|(?P<number>\d)", re.IGNORECASE)
_SAID = re.compile(r"[^\s#*>-]")
_STATES = re.compile(
    r"\\(?:boxed|fbox)\{|####[ \t]{0,3}[-$£€\d\\]"
    rf"|(?:\banswers?\b|^[ \t*_]{{0,8}}A(?=[ *_]{{0,4}}:))[^\n.]{{0,80}}?(?:[\d\\$]|\b(?:(?-i:[A-E])|{NUMBER_WORD})\b)"
    r"|\A[^\w\n]{0,6}(?-i:[A-E])[^\w\n]{0,6}$",
    re.IGNORECASE | re.MULTILINE,
)
# The same, of an answer that is given and not only spoken of.
_GIVES = re.compile(
    r"\\(?:boxed|fbox)\{[^\n]|####[ \t]{0,3}[-$£€\d\\]"
    r"|(?:\banswers?\b(?: to [^\n.:]{1,60}?)?[^\n.\w:=]{0,6}(?:is|are|equals|[:=])|^[ \t*_]{0,8}A(?=[ *_]{0,4}:))"
    rf"[^\n.]{{0,80}}?(?:[\d\\$]|\b(?:(?-i:[A-E])|{NUMBER_WORD})\b)"
    r"|\A[^\w\n]{0,6}(?:(?-i:[A-E])|\d{1,9})[^\w\n]{0,6}$",
    re.IGNORECASE | re.MULTILINE,
)


def about_the_question(text: str) -> str:
    """Return what ``text`` says about the question, in plain characters and without calculator annotations.

    Without what comes before the end of the model's thinking (all of it, where the thinking has no end), and without
    what follows the end of its turn or the beginning of another prompt. A question that is repeated before any answer
    is not another one.
    """
    text = _unquoted(after_the_thinking(plain(text)).lstrip())
    text = _ANNOTATION.sub("", _before_the_next_prompt(_first_turn(text)))
    text = _answer_in_a_sentence(_without_cut_repetition(text))
    return _without_ornaments(_PROGRAM.sub("", text))


def _unquoted(text: str) -> str:
    """Return a text that is quoted from its first line to its last without the marks."""
    lines = text.split("\n")
    quoted = all(line.startswith("> ") or line.strip() in ("", ">") for line in lines) and _LETTER.search(text)
    return "\n".join(line.removeprefix(">").removeprefix(" ") for line in lines) if quoted else text


def _without_cut_repetition(text: str) -> str:
    """Return ``text`` without a last line that states the answer of the one before it once more, cut off: 4, of 42."""
    above, _, last = text.rstrip().rpartition("\n")
    line = above.rstrip().rpartition("\n")[2]
    return above if last and last != line and line.startswith(last) and _STATES.search(line) else text


def _answer_in_a_sentence(text: str) -> str:
    """Return what the last ``<answer>`` holds where that is a sentence, which is read as a text of its own."""
    begin = text.rfind("<answer>")
    held = text[begin + len("<answer>") :].partition("</answer>")[0].strip() if begin >= 0 else ""
    return held if _SENTENCE.match(held) else text


def _without_ornaments(text: str) -> str:
    end = len(text)
    while end and _ORNAMENT.match(text, end - 1):
        end -= 1
    return text[:end]


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
    text = text[: _next_item(text)]
    given = _GIVES.search(text)
    return text if given is None else text[: _next_asked(text, given.end())]


def _next_question(text: str) -> int | None:
    """Return where another question begins: one that comes after an answer, and not before the first solution."""
    stated = _STATES.search(text)
    answered, begun = min(_first_number(text, 0), stated.start() if stated else len(text)), 0
    for question in _QUESTION.finditer(text):
        if question.start() < begun or _CALCULATION.match(text, question.end()):
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


def _next_asked(text: str, answered: int) -> int:
    """Return where, behind the answer, another question begins on a line, or without a word that says so.

    A text that asked before it answered puts its questions to itself, one by one.
    """
    inline = _INLINE.search(text, answered)
    end = inline.start() if inline else len(text)
    said = _SENTENCE_END.search(text, answered, end)
    if said is not None and next(_asking(text, 0, answered), None) is None:
        # What takes the answer back is about it.
        doubt = TAKES_BACK.search(text, answered, end)
        end = next(_asking(text, said.end(), doubt.start() if doubt else end), end)
    return end


def _asking(text: str, begin: int, end: int) -> Iterator[int]:
    """Yield where the lines begin that ask for something."""
    for mark in _ASKED.finditer(text, begin, end):
        if mark.group() != "?":
            yield mark.start()
            continue
        line = max(begin, text.rfind("\n", begin, mark.start()) + 1, mark.start() - _ASKED_WITHIN)
        if _ASKS.search(_SENTENCE_END.split(text[line : mark.start()])[-1]):
            yield line


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
