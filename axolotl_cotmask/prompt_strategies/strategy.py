"""What all prompt strategies share: joint tokenisation, labels and marks, and the checks on rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import dropwhile
from typing import Any

import numpy as np
from axolotl.prompt_tokenizers import DatasetWrappingStrategy
from axolotl.utils.logging import get_logger

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.masking.datasets import PREPARED_AS
from axolotl_cotmask.masking.marks import FORMAT_VERSION, IGNORE_INDEX, MASK_WEIGHT, weights_from_labels
from axolotl_cotmask.prompt_strategies.tokenized import TokenizedText

LOG = get_logger(__name__)

#: Begins the final answer in GSM8K's format.
_ANSWER_MARK = "####"


@dataclass(frozen=True)
class Example:
    """One row: the prompt carries no loss; the continuation (separator and target) does, and is followed by EOS."""

    prompt: str
    continuation: str


@dataclass(frozen=True)
class RowFormat:
    """A data format: the fields that must hold text, those that may, and how a row becomes an example.

    A field of ``required`` that ``may_be_empty`` names has to be there, and be text.
    ``to_example`` raises CoTMaskError with a sentence about the row; data set and row number are put before it. With
    ``target_tokens`` a long prompt is cut from the left, so that so many tokens of ``sequence_len`` are left.
    Without ``add_special_tokens`` the prompt holds BOS itself, and other special tokens: it is a chat template's.
    """

    required: tuple[str, ...]
    to_example: Callable[[Mapping[str, Any]], Example]
    optional: tuple[str, ...] = ()
    may_be_empty: tuple[str, ...] = ()
    target_tokens: int | None = None
    add_special_tokens: bool = True


@one_sentence
def load_strategy(row_format: RowFormat, tokenizer: Any, cfg: Any, ds_cfg: Any) -> MarkedStrategy:
    """Return the strategy of ``row_format`` for one data set of an Axolotl config.

    A module's ``load`` is this function with its row format: Axolotl passes ``ds_cfg`` to a ``load`` that names it.

    Raises:
        SystemExit: the plugin is not registered, so that training would silently be plain SFT; or ``sequence_len``
            leaves no room for a prompt.
    """
    # The plugin's `register` is what puts the description there.
    if PREPARED_AS not in ds_cfg:
        raise CoTMaskError(
            f"datasets: type {ds_cfg['type']} needs the plugin, which is not registered, so nothing would be masked: "
            "add `plugins: [axolotl_cotmask.CoTMaskPlugin]` and a `cotmask:` block (mask_ratio: 0 for plain SFT)"
        )
    if row_format.target_tokens is not None and cfg.sequence_len <= row_format.target_tokens:
        raise CoTMaskError(
            f"sequence_len is {cfg.sequence_len}, and {ds_cfg['type']} keeps {row_format.target_tokens} tokens for the "
            "target, so no room is left for the question: raise sequence_len (the paper's is 800)"
        )
    return MarkedStrategy(
        row_format=row_format,
        tokenizer=tokenizer,
        dataset_path=ds_cfg["path"],
        protect=frozenset(ds_cfg.get("protect") or ()),
        sequence_len=cfg.sequence_len,
        excess_length_strategy=cfg.get("excess_length_strategy"),
    )


@dataclass
class MarkedStrategy(DatasetWrappingStrategy):
    """Turns rows into ``input_ids``, ``attention_mask``, ``labels`` and ``mask_weight``.

    Prompt and continuation are tokenised jointly, as the authors' code does. The target begins with the first token
    that holds nothing of the prompt: a token that spans the boundary, such as Llama's ``:\\`` where a response without
    a space before it begins with ``\\``, belongs to the prompt, as when the tokens of the prompt alone are counted. BOS
    comes from the tokenizer's own defaults, EOS is appended. A row that spells a special token, such as ``</s>``, is
    read as text; where that cannot be, it is refused. docs/prompts.md has examples.
    """

    row_format: RowFormat
    tokenizer: Any
    dataset_path: str
    protect: frozenset[str]
    sequence_len: int
    excess_length_strategy: str | None
    #: `datasets` finds rows that it has tokenised before by the values of these fields, and not by the code.
    format: int = FORMAT_VERSION

    def wrap_dataset(
        self, dataset: Any, process_count: int | None = None, keep_in_memory: bool | None = False, **kwargs: Any
    ) -> Any:
        """Tokenise ``dataset`` (one row per example); the result has none of its columns.

        Raises:
            CoTMaskError: a column is missing, or a row has an empty or wrong field or is too long; the sentence names
                data set, row (counted from 1) and field. Or no row is left.
        """
        missing = [field for field in self.row_format.required if field not in dataset.column_names]
        if missing:
            raise CoTMaskError(
                f"{self.dataset_path}: {self._nested(dataset) or self._without(missing[0], dataset.column_names)}"
            )
        tokenised = dataset.map(
            self.tokenize_rows,
            batched=True,
            with_indices=True,
            remove_columns=dataset.column_names,
            num_proc=process_count,
            keep_in_memory=bool(keep_in_memory),
            desc="Tokenizing and marking",
        )
        if len(dataset) and not len(tokenised):
            raise CoTMaskError(
                f"{self.dataset_path}: no row is left, since every prompt alone fills the sequence_len of "
                f"{self.sequence_len}: raise sequence_len"
            )
        return tokenised

    @staticmethod
    def _without(field: str, columns: list[str]) -> str:
        there = ", ".join(columns)
        return f"the field '{field}' is missing (there are: {there}): rename the column, or choose the `type` that fits"

    def _nested(self, dataset: Any) -> str | None:
        """Return what is wrong with data whose rows do not stand by themselves, which Axolotl cannot unpack either."""
        for column, value in dataset[0].items() if len(dataset) else ():
            row = value[0] if isinstance(value, list) and value else value
            if isinstance(row, dict) and row.keys() >= set(self.row_format.required):
                inside = f".[{json.dumps(column)}]{'[]' if isinstance(value, list) else ''}"
                return (
                    f"its rows stand within '{column}', and Axolotl reads none there: write each as a line of its own "
                    f"(`jq -c '{inside}' FILE > rows.jsonl`)"
                )
        return None

    def tokenize_rows(self, columns: Mapping[str, list[Any]], indices: list[int]) -> dict[str, list[Any]]:
        """Tokenise a batch of rows, given by column; ``indices`` are their places in the data set, from 0."""
        examples = []
        for place, index in enumerate(indices):
            row = {name: values[place] for name, values in columns.items()}
            examples.append(self._cut(self._without_eos_text(self._checked_example(row, index))))
        texts = [example.prompt + example.continuation for example in examples]
        encoded = self._encode(texts)
        batch: dict[str, list[Any]] = {"input_ids": [], "attention_mask": [], "labels": [], MASK_WEIGHT: []}
        for place, example in enumerate(examples):
            ids = self._without_eos(encoded["input_ids"][place])
            self._check_special(ids, indices[place])
            text = TokenizedText(texts[place], ids, encoded, place, self._tokenize)
            self._append(batch, example, text, indices[place])
        return batch

    def _encode(self, texts: list[str]) -> Any:
        # A chat template writes special tokens by their texts; everywhere else they are the row's, and no tokens.
        as_text = self.row_format.add_special_tokens
        return self.tokenizer(
            texts, add_special_tokens=as_text, split_special_tokens=as_text, return_attention_mask=False
        )

    def _tokenize(self, text: str) -> list[int]:
        return self._without_eos(self._encode([text])["input_ids"][0])

    def _without_eos(self, ids: list[int]) -> list[int]:
        return ids[:-1] if ids[-1] == self.tokenizer.eos_token_id else ids

    def _without_eos_text(self, example: Example) -> Example:
        """Return ``example`` without the text of EOS at its end, which means the token that is appended."""
        return Example(example.prompt, example.continuation.removesuffix(self.tokenizer.eos_token or ""))

    @cached_property
    def _special(self) -> Mapping[int, str]:
        """The special tokens by id, without the one that stands for what the tokenizer does not know."""
        tokens = {self.tokenizer.convert_tokens_to_ids(token): token for token in self.tokenizer.all_special_tokens}
        # mistral-common's tokenizers have a method of this name that only raises.
        if isinstance(added := self.tokenizer.added_tokens_decoder, Mapping):
            tokens |= {index: str(token) for index, token in added.items() if token.special}
        tokens.pop(self.tokenizer.unk_token_id, None)
        return tokens

    def _check_special(self, ids: list[int], index: int) -> None:
        """Stop where the tokenizer has read a special token in a row all the same."""
        if not self.row_format.add_special_tokens:
            return
        # What the tokenizer itself has put before the text, such as BOS.
        rest = dropwhile(self._special.__contains__, ids)
        spelt = next((self._special[token] for token in rest if token in self._special), None)
        if spelt is not None:
            raise self._spelt(spelt, index)

    def _spelt(self, token: str, index: int) -> CoTMaskError:
        return CoTMaskError(
            f"{self._place(index)}: the text spells {token}, which this tokenizer reads as that special token, also "
            "where the prompt or the answer is meant to hold its characters: mend or remove the row"
        )

    def _cut(self, example: Example) -> Example:
        """Return ``example`` with the beginning of a long prompt taken off (the authors' ``cut_src``, for MATH)."""
        if self.row_format.target_tokens is None:
            return example
        room = self.sequence_len - self.row_format.target_tokens - self.tokenizer.num_special_tokens_to_add()
        ids = self.tokenizer(example.prompt, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        if len(ids) <= room:
            return example
        rest = self.tokenizer.decode(ids[-room:], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Example(rest, example.continuation)

    def _append(self, batch: dict[str, list[Any]], example: Example, text: TokenizedText, index: int) -> None:
        ids = list(text.ids)
        target = text.first_after(len(example.prompt))
        length = len(ids) + 1
        if length > self.sequence_len and self.excess_length_strategy not in ("drop", "truncate"):
            raise CoTMaskError(
                f"{self._place(index)}: the example has {length} tokens, and sequence_len is {self.sequence_len}: "
                "raise sequence_len, or say what to do with long rows (excess_length_strategy: drop | truncate)"
            )
        if target >= self.sequence_len and self.excess_length_strategy == "truncate":
            LOG.warning(
                f"{self._place(index)}: left out, since the prompt alone has {target} tokens, and sequence_len is "
                f"{self.sequence_len}: nothing to learn would be left"
            )
            return
        labels = [IGNORE_INDEX] * target + ids[target:] + [self.tokenizer.eos_token_id]
        weights = weights_from_labels(labels)
        if "final_answer" in self.protect:
            answer = len(example.prompt) + self._answer_start(example, index)
            weights[text.first_touching(answer) : -1] = 0
        if "eos" in self.protect:
            weights[-1] = 0
        batch["input_ids"].append([*ids, self.tokenizer.eos_token_id])
        batch["attention_mask"].append([1] * length)
        batch["labels"].append(labels)
        batch[MASK_WEIGHT].append(np.asarray(weights))

    def _answer_start(self, example: Example, index: int) -> int:
        start = example.continuation.rfind(_ANSWER_MARK)
        if start < 0:
            raise CoTMaskError(
                f"{self._place(index)}: protect names final_answer, and the target has no `{_ANSWER_MARK}`: add the "
                "final answer to the row, or take final_answer out of protect"
            )
        return start

    def _checked_example(self, row: Mapping[str, Any], index: int) -> Example:
        for field in (*self.row_format.required, *self.row_format.optional):
            value = row.get(field)
            required = field in self.row_format.required
            if value is None and not required:
                continue
            if value is None:
                raise CoTMaskError(f"{self._place(index)}: the field '{field}' is missing: mend or remove the row")
            if not isinstance(value, str):
                kind = type(value).__name__
                raise CoTMaskError(
                    f"{self._place(index)}: the field '{field}' is of type {kind}, not text: "
                    "make it a text in every row"
                )
            if required and field not in self.row_format.may_be_empty and not value.strip():
                raise CoTMaskError(f"{self._place(index)}: the field '{field}' is empty: mend or remove the row")
            if not self.row_format.add_special_tokens:
                text = value.removesuffix(self.tokenizer.eos_token or "")
                if (spelt := next((token for token in self._special.values() if token in text), None)) is not None:
                    raise self._spelt(spelt, index)
        try:
            return self.row_format.to_example(row)
        except CoTMaskError as error:
            raise CoTMaskError(f"{self._place(index)}: {error}") from error

    def _place(self, index: int) -> str:
        return f"{self.dataset_path}, row {index + 1}"
