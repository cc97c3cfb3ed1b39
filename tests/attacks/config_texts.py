"""Mutated texts of configs: YAML that says things twice, elsewhere, in another encoding, or nothing at all."""

from __future__ import annotations

import random
from collections.abc import Callable

_OTHER = (
    "", " \n", "# nothing\n", "---\n", "---\n---\n", "null\n", "5\n", "text\n", "[]\n", "{}\n", "- a\n", "\t\n", "{", "'", "&a\n",
    "*a\n", "!!set {a}\n", "? \n", "<<: 5\n", "plugins:\n", "a: b: c\n", "%YAML 9.9\n---\na: 1\n", "@\n", "`\n", "- - - -\n",
)  # fmt: skip
#: Lines at the end, which YAML reads as something else than a text or number, or not at all.
_MORE = (
    "seed: 1\nseed: 2", "cotmask: {mask_ratio: 0.1}", "tokens: &t [*t]", "special_tokens: &s {a: *s}", "datasets: &d [*d]",
    "cotmask: &c {noise: *c}", "seed: *nowhere", "tokenizer_config: &b x\nrevision_of_model: *b", "seed: !!binary aGVsbG8=",
    "tokens: !!set {a, b}", "seed: 2026-02-03", "seed: 2026-02-31", "seed: 2026-02-03 04:05:06", "tokens: [2026-02-03]",
    "special_tokens: {pad_token: 2026-02-03}", "seed: !!python/name:os.system", "seed: !!float x", "seed: !!int ''",
    "seed: !unknown 5", "seed: 0x1F", "seed: 1_000", "seed: 1:30", "seed: .inf", "seed: 0o17", "seed: " + "9" * 5000,
    "tokens: !!pairs [a: 1]", "special_tokens: !!omap [a: 1]", "? [a, b]\n: 1", "? {a: 1}\n: 2", "1: 2", "null: 1", "2026-02-03: 5",
    "!!binary aGk=: 1", "~: ~", "yes: no", "<<: {seed: 3}", "<<: [{seed: 3}, {seed: 4}]", "<<: 5", "<<: [5]", "<<: null",
    "seed: |\n  5\n", "seed: >-\n  5\n", "seed: '5", 'seed: "\\ud800"', 'output_dir: "\\ud800"', 'tokens: ["\\ud800"]', 'seed: "\\x00"',
    "tokens: " + "[" * 90 + "]" * 90, "tokens: " + "[" * 3000 + "]" * 3000, "special_tokens: " + "{a: " * 90 + "1" + "}" * 90,
    "axolotl_config_path: nowhere.yaml", "axolotl_config_path: [1]", "strict: true", "a: &a [x, x]\nb: &b [*a, *a]\ntokens: [*b, *b]",
)  # fmt: skip

#: Within a line.
_SIGNS = (
    "\t", ":", ": ", " #", "'", '"', "{", "]", "&a ", "*a ", "!!x ", "%", "\x00", "\x85", "\ufeff", "\x1b", "\ud7ff",
)  # fmt: skip


def mutate(draw: random.Random, text: str) -> tuple[str, bytes]:
    """Return what was done with a config's text, and the bytes of its file."""
    return draw.choice(_MUTATIONS)(draw, text)


def _other(draw: random.Random, text: str) -> tuple[str, bytes]:
    other = draw.choice(_OTHER)
    return f"text {other!r}", other.encode()


def _more(draw: random.Random, text: str) -> tuple[str, bytes]:
    more = draw.choice(_MORE)
    return f"with {more[:60]!r}", f"{text}{more}\n".encode()


def _lines(change: Callable[[random.Random, list[str], int], str]) -> Callable[[random.Random, str], tuple[str, bytes]]:
    """Make a mutation of one that changes the lines at a place."""

    def mutation(draw: random.Random, text: str) -> tuple[str, bytes]:
        lines = text.splitlines()
        number = draw.randrange(len(lines))
        told = change(draw, lines, number)
        return f"line {number + 1}: {told}", ("\n".join(lines) + "\n").encode()

    return mutation


def _again(draw: random.Random, lines: list[str], number: int) -> str:
    lines.insert(draw.randrange(len(lines) + 1), lines[number])
    return "again elsewhere"


def _away(draw: random.Random, lines: list[str], number: int) -> str:
    return f"without {lines.pop(number)!r}"


def _indented(draw: random.Random, lines: list[str], number: int) -> str:
    before = draw.choice(("\t", " ", "  ", "   ", "- ", "? ", ": ", "# ", "& ", "| "))
    lines[number] = before + lines[number]
    return f"after {before!r}"


def _inside(draw: random.Random, lines: list[str], number: int) -> str:
    put = draw.choice(_SIGNS)
    place = draw.randrange(len(lines[number]) + 1)
    lines[number] = lines[number][:place] + put + lines[number][place:]
    return f"with {put!r} at {place}"


def _document(draw: random.Random, lines: list[str], number: int) -> str:
    mark = draw.choice(("---", "...", "--- {}", "---\n---", "...\n---"))
    lines.insert(number + draw.choice((0, 1)), mark)
    return f"with {mark!r}"


def _shared(draw: random.Random, lines: list[str], number: int) -> str:
    # An option of the block by a merge key, of which the block's own wins.
    merged = draw.choice(
        ("mask_ratio: yes", "mask_ratio: 0.2", "noise: [1]", "schedule: cosine", "warmpu: 1", "<<: {a: 1}")
    )
    lines.insert(0, f"shared: &shared {{{merged}}}")
    if "cotmask:" in lines:
        lines.insert(lines.index("cotmask:") + 1, "  <<: *shared")
    return f"merged {merged}"


def _cut(draw: random.Random, text: str) -> tuple[str, bytes]:
    place = draw.randrange(len(text))
    return f"cut at {place}", text[:place].encode()


def _encoded(draw: random.Random, text: str) -> tuple[str, bytes]:
    name = draw.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp500", "utf-7"))
    return f"in {name}", f"{text}# é\n".encode(name, errors="replace")


def _byte(draw: random.Random, text: str) -> tuple[str, bytes]:
    raw, place = bytearray(text.encode()), draw.randrange(len(text))
    raw[place] = draw.randrange(256)
    return f"byte {raw[place]:#x} at {place}", bytes(raw)


def _ends(draw: random.Random, text: str) -> tuple[str, bytes]:
    end = draw.choice(("\r\n", "\r", "\u2028", "\n\n"))
    return f"lines end with {end!r}", text.replace("\n", end).encode()


_MUTATIONS = (
    _other,
    _more,
    _more,
    _more,
    *map(_lines, (_again, _away, _indented, _indented, _inside, _inside, _document, _shared)),
    _cut,
    _encoded,
    _byte,
    _ends,
)
