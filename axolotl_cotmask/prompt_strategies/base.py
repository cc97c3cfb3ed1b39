"""What all prompt strategies share: joint tokenisation, labels and marks, and the checks on rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from axolotl.prompt_tokenizers import DatasetWrappingStrategy

from axolotl_cotmask.errors import CoTMaskError, one_sentence
from axolotl_cotmask.marks import IGNORE_INDEX, MASK_WEIGHT, weights_from_labels

#: What a data set's ``protect:`` may name.
PROTECTABLE = ("final_answer", "eos")
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

    ``to_example`` raises CoTMaskError with a sentence about the row; data set and row number are put before it.
    """

    required: tuple[str, ...]
    to_example: Callable[[Mapping[str, Any]], Example]
    optional: tuple[str, ...] = ()


@one_sentence
def load_strategy(row_format: RowFormat, tokenizer: Any, cfg: Any, ds_cfg: Any) -> MarkedStrategy:
    """Return the strategy of ``row_format`` for one data set of an Axolotl config.

    Raises:
        SystemExit: the plugin is not registered, so that training would silently be plain SFT.
    """
    from axolotl.integrations.base import PluginManager

    from axolotl_cotmask.plugin import CoTMaskPlugin

    plugins = PluginManager.get_instance().plugins.values()
    if not any(isinstance(plugin, CoTMaskPlugin) for plugin in plugins) or not cfg.get("cotmask"):
        raise CoTMaskError(
            f"datasets: type {ds_cfg['type']} needs the plugin, which is not registered, so nothing would be masked: "
            "add `plugins: [axolotl_cotmask.CoTMaskPlugin]` and a `cotmask:` block (mask_ratio: 0 for plain SFT)"
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

    Prompt and continuation are tokenised jointly, as the authors' code does; a token that covers any character of the
    continuation belongs to the target. BOS comes from the tokenizer's own defaults, EOS is appended.
    """

    row_format: RowFormat
    tokenizer: Any
    dataset_path: str
    protect: frozenset[str]
    sequence_len: int
    excess_length_strategy: str | None

    def wrap_dataset(
        self, dataset: Any, process_count: int | None = None, keep_in_memory: bool | None = False, **kwargs: Any
    ) -> Any:
        """Tokenise ``dataset`` (one row per example); the result has none of its columns.

        Raises:
            CoTMaskError: a column is missing, or a row has an empty or wrong field or is too long; the sentence names
                data set, row (counted from 1) and field.
        """
        missing = [field for field in self.row_format.required if field not in dataset.column_names]
        if missing:
            raise CoTMaskError(
                f"{self.dataset_path}: the field '{missing[0]}' is missing (there are: "
                f"{', '.join(dataset.column_names)}): rename the column, or choose the `type` that fits the data"
            )
        return dataset.map(
            self.tokenize_rows,
            batched=True,
            with_indices=True,
            remove_columns=dataset.column_names,
            num_proc=process_count,
            keep_in_memory=bool(keep_in_memory),
            desc="Tokenizing and marking",
        )

    def tokenize_rows(self, columns: Mapping[str, list[Any]], indices: list[int]) -> dict[str, list[Any]]:
        """Tokenise a batch of rows, given by column; ``indices`` are their places in the data set, from 0."""
        examples = []
        for place, index in enumerate(indices):
            row = {name: values[place] for name, values in columns.items()}
            examples.append(self._checked_example(row, index))
        texts = [example.prompt + example.continuation for example in examples]
        fast = getattr(self.tokenizer, "is_fast", False)
        encoded = self.tokenizer(
            texts, return_attention_mask=False, **({"return_offsets_mapping": True} if fast else {})
        )
        batch: dict[str, list[Any]] = {"input_ids": [], "attention_mask": [], "labels": [], MASK_WEIGHT: []}
        for place, example in enumerate(examples):
            ids = list(encoded["input_ids"][place])
            ends = [end for _, end in encoded["offset_mapping"][place]] if fast else None
            if ids[-1] == self.tokenizer.eos_token_id:
                ids.pop()
            self._append(batch, example, ids, ends, indices[place])
        return batch

    def _append(
        self, batch: dict[str, list[Any]], example: Example, ids: list[int], ends: list[int] | None, index: int
    ) -> None:
        target = self._first_token_after(len(example.prompt), example, ids, ends)
        length = len(ids) + 1
        if length > self.sequence_len and not self.excess_length_strategy:
            raise CoTMaskError(
                f"{self._place(index)}: the example has {length} tokens, and sequence_len is {self.sequence_len}: "
                "raise sequence_len, or say what to do with long rows (excess_length_strategy: drop | truncate)"
            )
        if target >= self.sequence_len and self.excess_length_strategy == "truncate":
            raise CoTMaskError(
                f"{self._place(index)}: the prompt alone has {target} tokens, and sequence_len is {self.sequence_len}, "
                "so nothing to learn would be left: raise sequence_len, or set excess_length_strategy: drop"
            )
        labels = [IGNORE_INDEX] * target + ids[target:] + [self.tokenizer.eos_token_id]
        weights = weights_from_labels(labels)
        if "final_answer" in self.protect:
            answer = len(example.prompt) + self._answer_start(example, index)
            weights[self._first_token_after(answer, example, ids, ends) : -1] = 0
        if "eos" in self.protect:
            weights[-1] = 0
        batch["input_ids"].append([*ids, self.tokenizer.eos_token_id])
        batch["attention_mask"].append([1] * length)
        batch["labels"].append(labels)
        batch[MASK_WEIGHT].append(np.asarray(weights))

    def _first_token_after(self, character: int, example: Example, ids: list[int], ends: list[int] | None) -> int:
        """Index of the first token that covers a character at or after ``character`` of the text."""
        if ends is not None:
            return next((i for i, end in enumerate(ends) if end > character), len(ids))
        # A tokenizer without offsets: the tokens that do not change when the rest of the text is cut off.
        prefix = self.tokenizer((example.prompt + example.continuation)[:character])["input_ids"]
        return next(
            (i for i, (a, b) in enumerate(zip(prefix, ids, strict=False)) if a != b), min(len(prefix), len(ids))
        )

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
            if not isinstance(value, str):
                kind = "missing" if value is None else f"a {type(value).__name__}, not text"
                raise CoTMaskError(f"{self._place(index)}: the field '{field}' is {kind}: mend or remove the row")
            if required and not value.strip():
                raise CoTMaskError(f"{self._place(index)}: the field '{field}' is empty: mend or remove the row")
        try:
            return self.row_format.to_example(row)
        except CoTMaskError as error:
            raise CoTMaskError(f"{self._place(index)}: {error}") from error

    def _place(self, index: int) -> str:
        return f"{self.dataset_path}, row {index + 1}"
