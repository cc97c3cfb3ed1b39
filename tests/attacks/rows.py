"""Mutated rows through our prompt strategies, with real and small tokenizers: prepared as they stand, or refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import datasets
from support.small_tokenizers import byte_level, mistral, sentencepiece_like

from attacks.outcomes import FINE, Counts, outcome
from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.marks import IGNORE_INDEX
from axolotl_cotmask.prompt_strategies.strategy import MarkedStrategy

_KINDS = ("gsm8k", "math", "metamath", "query_response", "instruction_output", "mathinstruct")
#: What is put somewhere into a field, or in its place.
TEXTS = (
    "</s>", "<s>", "<unk>", "<mask>", "<|im_end|>", "<|endoftext|>", "[INST]", "▁", "Ġ", "\x00", "\x1b[31m", "\u2028", "\u200b",
    "\r\n", "\n\n\n", "\t", "é", "数", "🙂", "e\u0301", "\ufeff", "####", "#### 7", "<<1+1=2>>", "\\", ":\\", " ", "###", "{x}", "\ud800",
    "x" * 3000, "### Response:", "\\boxed{", "\ufffd", "١٢",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (None, 0, 7, 1.5, True, [], ["x"], {}, {"a": "b"}, "", " ", "\n", "\u00a0")
#: Of a row, which is then refused or is prepared otherwise.
WRONG = "silently otherwise"


def tokenizers() -> dict[str, Any]:
    """The tokenizers by name."""
    return {"mistral": mistral(), "sentencepiece": sentencepiece_like(), "bytes": byte_level(("<|im_end|>",))}


def strategy(kind: str, tokenizer: Any, protect: tuple[str, ...] = ()) -> MarkedStrategy:
    """A strategy of ours as a run makes it."""
    module = import_module(f"axolotl_cotmask.prompt_strategies.{kind}")
    return MarkedStrategy(module.ROW_FORMAT, tokenizer, "rows.jsonl", frozenset(protect), 2048, None)


def cases(seed: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (kind, tokenizer's name, row) without end; the same for the same seed."""
    draw = random.Random(seed)
    while True:
        kind = draw.choice(_KINDS)
        row_format = import_module(f"axolotl_cotmask.prompt_strategies.{kind}").ROW_FORMAT
        fields = (*row_format.required, *row_format.optional)
        row: dict[str, Any] = dict.fromkeys(fields, "How many apples are 3 + 4? It is 7.\n#### 7")
        for _ in range(draw.choice((1, 1, 2, 3))):
            field = draw.choice(fields)
            if draw.random() < 0.15:
                row[field] = draw.choice(_VALUES)
            elif draw.random() < 0.03:
                row.pop(field, None)
            elif isinstance(row.get(field), str):
                place = draw.choice((0, len(row[field]), draw.randrange(len(row[field]) + 1)))
                row[field] = row[field][:place] + draw.choice(TEXTS) + row[field][place:]
        yield kind, draw.choice(("mistral", "sentencepiece", "bytes")), row


def prepared(kind: str, tokenizer: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return the tokens of one row."""
    try:
        data = datasets.Dataset.from_list([row])
    # Such rows come from no file: reading refuses it.
    except UnicodeEncodeError as error:
        raise CoTMaskError("half a character") from error
    # As `wrap_dataset` maps it, without the look for an earlier result, for which the whole tokenizer is hashed.
    batch = strategy(kind, tokenizer).tokenize_rows(data[:], [0])
    return {name: list(values[0]) for name, values in batch.items()}


def fault(sample: dict[str, Any], tokenizer: Any, row: dict[str, Any], name: str) -> str | None:
    """Return what of a prepared row is not as promised."""
    ids, labels, weights = sample["input_ids"], sample["labels"], sample["mask_weight"]
    if not len(ids) == len(labels) == len(weights) == len(sample["attention_mask"]):
        return "columns of several lengths"
    if any(label not in (IGNORE_INDEX, token) for label, token in zip(labels, ids, strict=True)):
        return "a label that is not its token"
    if any(weight and label == IGNORE_INDEX for weight, label in zip(weights, labels, strict=True)):
        return "a mark outside the target"
    if all(label == IGNORE_INDEX for label in labels):
        return "nothing to learn"
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    if ids[0] != tokenizer.bos_token_id or ids[-1] != tokenizer.eos_token_id or special & set(ids[1:-1]):
        return "a special token within the text"
    text = tokenizer.decode(ids[1:-1], clean_up_tokenization_spaces=False)
    for value in row.values() if name == "bytes" else ():
        # What is stripped or ends in EOS is another text by the rules of the formats, and MetaMath's parts a query at its
        # first line; SentencePiece keeps no such signs.
        lines = value.strip().removesuffix("</s>").split("\n") if isinstance(value, str) else []
        if any(line.strip() not in text for line in lines):
            return f"another text than {value[:80]!r}"
    return None


def attack(count: int, seed: int, directory: Path, model: Path) -> Counts:
    """Try so many rows."""
    counts, known = Counts(), tokenizers()
    for number, (kind, name, row) in zip(range(count), cases(seed), strict=False):
        samples: list[dict[str, Any]] = []

        def run(into: list[Any] = samples, args: Any = (kind, known[name], row)) -> None:
            into.append(prepared(*args))

        end, text = outcome(run)
        if end == FINE and (wrong := fault(samples[0], known[name], row, name)):
            end, text = WRONG, wrong
        counts.add(end, f"{number}: {kind}, {name}, {str(row)[:300]!r}", text)
    return counts
