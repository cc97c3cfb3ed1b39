"""What a text without a statement says of itself: remarks at its end, that it was cut off, that it has no answer."""

from __future__ import annotations

import re

from axolotl_cotmask.evaluation.answers.quantity import breaks_off

# How a sentence begins that checks the answer, or speaks of what others answer.
_ASIDE = (
    r"(?:(?:to|just to|let's|let us|let me|we can|you can|a|quick|as a|sanity) ){0,2}"
    r"(?:(?:double|cross)?[- ]?check|verif|confirm)(?![^\n.]{0,40}\b(?:how|what)\b)"
    r"|(?:many|some|most)(?: other)?(?: people| students| others| solvers)? (?:answer|say|think|get|guess"
    r"|forget|assume|might|would|may)"
    r"|(?:a|the|one) (?:very )?(?:common|typical|frequent|usual|tempting|wrong) (?:mistake|error|answer|pitfall|trap)"
    r"|(?:this|that|it|which)(?: already| also)? (?:includes?|excludes?|assumes?|ignores?|accounts for"
    r"|agrees|matches)\b"
    r"|(?:i|we)(?: have)? (?:counted|assumed|used|ignored|rounded|included|treated"
    r"|interpreted)\b(?![^\n.]{0,80}(?:=|\bso\b|\bleav))"
    r"|(?:with|without|if|had) [^\n.]{0,60}\b(?:would|could)(?:n't)? (?:only|not|be too)\b"
    r"|[^\n.]{0,80}\b(?:irrelevant|unnecessary|(?:not|n't) (?:need|needed|relevant|matter|used|required))\b"
    r"|the (?:trick|key|idea|point)\b|(?:note|remember|recall|keep in mind)\b(?![^\n.]{0,100}(?:\b(?:so"
    r"|thus|hence|therefore)\b|=))"
    r"|(?:i'd say )?(?:i'm|i am|we are)(?: about| roughly| very| quite| fairly)? "
    r"(?:\d{1,3} ?(?:%|percent)|confident|sure|certain)"
    r"|(?:the|this|our) (?:check|verification)s? (?:works|holds|passes|confirms|agrees)"
    r"|(?:it|everything) (?:checks out|adds up)"
    r"|for (?:reference|comparison|context)|(?:as a )?side note|incidentally|by the way|fun fact"
)
_ABOUT_THE_TEXT = (
    r"topic|category|tags|level|source|references?|bibliography|confidence|disclaimer|generated|difficulty|certainty"
)
_REMARK = re.compile(
    rf"\W*+(?:note|notice|{_ASIDE}|proof|(?:please )?let me know"
    r"|i hope|hope|feel free|if you|remember|explanation|this assumes|ps\b"
    r"|key (?:formula|insight|takeaway|point|idea|concept|step|fact)"
    rf"|(?:{_ABOUT_THE_TEXT})\b"
    r"|(?:would|do) you (?:like|want)|want me|shall i|should i|can i help)|\W*\([^()]*\)\W*\Z",
    re.IGNORECASE,
)
_CHECK = re.compile(r"\W*+(?:double[- ])?(?:check|verif)\w*\W*:", re.IGNORECASE)
_ASIDE_SENTENCE = re.compile(rf"\W*+(?:{_ASIDE})", re.IGNORECASE)
_SENTENCE_BEGINS = re.compile(r"(?<=[.!?)*✓✔]) (?=\S)")
# A last sentence in brackets, or of what was not asked for: The area would be 36, but the question asks for the other.
_LAST_ASIDE = re.compile(
    r"(?<=[.!?]) \([^()\n]{1,300}\)\s*\Z"
    r"|(?<=[.!?]) [^.!?\n]{1,120}, but (?:the (?:question|problem)|we (?:are|were|want|need)|that(?:'s| is) not)\b"
    r"[^.!?\n\d]{0,80}[.!]?\s*\Z"
)
# A line that is about the text.
_DETAIL = re.compile(rf"\W*+(?:{_ABOUT_THE_TEXT}|done|(?:the )?end(?=\W*\Z)|qed|q\.e\.d|thank)\b", re.IGNORECASE)
# What may hold the answer, but not where one stands in bold before it.
_AFTERTHOUGHT = re.compile(
    r"\W*+(?:(?:quick |main |final )?(?:summary|recap|breakdown)|reason|why|tip|fun fact|caveat"
    r"|in other words|(?:here's|here is) (?:how|why|the breakdown|a breakdown)|this (?:means|is because|makes)"
    r"|assuming|assumption|we (?:used|assumed)|[-*•])",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w")
_DIGIT = re.compile(r"\d")
_BOLD = re.compile(r"\*\*([^*\n]{1,120})\*\*")
_HEADING = re.compile(
    r"\s*(?:\d[\d,]*\.\s|(?:step|part|case|phase|stage|day|week|note|problem|question)\b)", re.IGNORECASE
)
_RESULT = re.compile(r"\s*[-$£€]*\s?\d|[^=:]{1,60}(?:=|:\s|\b(?:is|are|was|were)\s)\s*[-$£€]*\s?[\d.]")
_UNDETERMINED = re.compile(
    r"\b(?:don't|do not) (?:really |actually )?know\b[^.\d\n]{0,40}\.?\s*\Z|"
    r"\b(?:cannot|can't|can not|(?:unable|not able|impossible) to|don't know how to) (?:be )?"
    r"(?:answer|determine|solve|calculate|compute|know|fulfil|help|assist|provide|give|comply)"
    r"|\b(?:cannot|can't|can not) tell\b|\b(?:both|all|either) (?:are|is) possible\b"
    r"|(?:\A|(?<=[.!?\n] ))not (?:really|quite)\b[^\n]{0,200}\Z"
    r"|\b(?:(?:this|that|the|my|\w+'s) (?:solution|attempt|answer|result|calculation)(?: above)?|(?<=: )it) (?:is|was)"
    r" (?:wrong|incorrect|not (?:right|correct))\b[^\n]{0,200}\Z|\bmarked [^.\n]{1,40} as (?:wrong|incorrect)\b"
    r"|(?:\A|[.:\n] )(?:wrong|incorrect)\.[^\n]{0,200}\Z"
    r"|(?:\bnot (?:given )?|n't )(?:enough|sufficient) (?:information|data)\b|\binsufficient (?:information|data)\b"
    r"|\b(?:no (?:valid |possible )?(?:solution|answer)s?"
    r"|(?:is|are) (?:unsolvable|contradictory|inconsistent|impossible))\b"
    r"[^\d]{0,60}\Z"
    r"|(?:\A|(?<=[.!?\n] ))(?:how (?:many|much)|what (?:is|are|was|were))\b[^.?\n]{1,120}\?[\s\"')*]*\Z"
    r"|\b(?:we|i)(?: now| still)? (?:need|want|have) (?:to (?:find|know|determine|compute|calculate)|the [a-z]+)\b"
    r"[^.?\d\n]{0,80}\.?\s*\Z"
    r"|\b(?:could|can|would|will) you\b[^?\n]{1,120}\?\s*\Z"
    r"|(?:\bi(?:'m| am) (?:not sure|unsure|stuck)(?![^.\n]*\bbut\b)|\b(?:no|not a) (?:clear |obvious |simple )?pattern"
    r"|(?:\bnot|n't) (?:seem|appear) to)\b[^.\d\n$]{0,80}\.?\s*\Z"
    r"|(?:\A|(?<=[.!?\n] ))(?:(?:so|then|and|but) )?(?:is|are|was|were|does|do|did|could|would|should|can|will)\b"
    r"(?=[^.?\n]{0,120}\d)[^?\n]{1,120}\?\s*\Z",
    re.IGNORECASE,
)
# A sentence does not end on these: the text was cut off.
_CUT_OFF = re.compile(
    r"\b(?:by|the|an?|of|from|with|for|plus|minus|than|that|which|who|but|s?he|they|we"
    r"|you|i|are|(?<!it )is|was|were|be|because"
    r"|if|when|while|to"
    r"|on|at|as|his|their|its|this|these|those|whether)\s*\Z|\n\s*\d{1,2}[.)]\s*\Z",
    re.IGNORECASE,
)
# Behind the last number another clause begins, and does not end: "5 cookies, so she needs".
_ANOTHER_CLAUSE = re.compile(
    r"[^.!?\n]{0,80}?,? \b(?:so|then|thus|therefore|hence|but|and(?= (?:s?he|they|it|we|you|I|then|now|the)\b))"
    r" [a-z]+(?: [a-z]+)?",
    re.IGNORECASE,
)
# An answer is announced, and the text is at its end.
_ANNOUNCED = re.compile(
    r"(?:####|\\boxed(?:\{\s*\}?)?|\banswer(?: is)?:?(?: option| choice)?)[\s*_$:]*\Z", re.IGNORECASE
)
_SENTENCES = re.compile(r"(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})[.!?](?=\s)|\n")  # not of Mr. and Mrs.
_CLOSED = re.compile(r"[^\w\s:,;|-]\Z")


def without_remarks(text: str) -> str:
    """Return ``text`` without what it says after its answer: notes, checks, offers, and what explains one in bold."""
    paragraphs = text.split("\n\n")
    while len(paragraphs) > 1 and (not _WORD.search(paragraphs[-1]) or _is_remark(paragraphs[-1])):
        paragraphs.pop()
    lines = paragraphs[-1].rstrip().split("\n")
    while len(lines) > 1 and _DETAIL.match(lines[-1]):
        lines.pop()
    paragraphs[-1] = _LAST_ASIDE.sub("", _without_asides("\n".join(lines).rstrip()))
    end = len(paragraphs)
    while end > 1 and (not _WORD.search(paragraphs[end - 1]) or _AFTERTHOUGHT.match(paragraphs[end - 1])):
        end -= 1
    return "\n\n".join(paragraphs[:end] if results_in_bold(paragraphs[end - 1]) else paragraphs)


def _is_remark(paragraph: str) -> bool:
    return _REMARK.match(paragraph) is not None or _DETAIL.match(paragraph) is not None


def _without_asides(text: str) -> str:
    """Return ``text`` without the sentences at the end of its last line that check the answer or speak of others."""
    end = after = len(text)
    line = text.rfind("\n") + 1
    for begin in reversed([mark.end() for mark in _SENTENCE_BEGINS.finditer(text, line)]):
        if _ASIDE_SENTENCE.match(text, begin):
            end = begin
        elif _DIGIT.search(text, begin, after):
            break
        after = begin
    return text[:end].rstrip()


def without_checks(text: str) -> str:
    """Return ``text`` without paragraphs at its end that check its answer."""
    paragraphs = text.rstrip().split("\n\n")
    while len(paragraphs) > 1 and _CHECK.match(paragraphs[-1]):
        paragraphs.pop()
    return "\n\n".join(paragraphs)


def results_in_bold(paragraph: str) -> list[str]:
    """Return the passages in bold that come to a number, without headings."""
    return [held for held in _BOLD.findall(paragraph) if _RESULT.match(held) and not _HEADING.match(held)]


def gives_no_answer(text: str) -> bool:
    """Whether ``text`` says so in its last paragraph."""
    return _UNDETERMINED.search(text, text.rfind("\n\n") + 1) is not None


def ends_before_its_answer(text: str) -> bool:
    """Whether ``text`` announces an answer, and ends."""
    return _ANNOUNCED.search(text[-40:]) is not None


def ends_within_a_sentence(text: str) -> bool:
    """Whether ``text`` ends on a word that ends no sentence."""
    return _CUT_OFF.search(text[-20:]) is not None


def is_cut_off(text: str) -> bool:
    """Whether ``text`` ends within a calculation or sentence: on a word that ends none, or on one without a number."""
    if breaks_off(text) or ends_within_a_sentence(text):
        return True
    last = max(text.rfind(digit) for digit in "0123456789")
    rest = text[last + 1 :].rstrip("*_ \n\t")
    sentence = _SENTENCES.split(rest)[-1]
    if last >= 0 and _ANOTHER_CLAUSE.fullmatch(rest):
        return True
    begun = len(sentence) < len(rest) and _WORD.search(sentence) is not None and not _DETAIL.match(sentence)
    return rest.endswith(":") or (begun and not _CLOSED.search(rest))
