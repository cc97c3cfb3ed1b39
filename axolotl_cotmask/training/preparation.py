"""What the plugin changes in Axolotl's data preparation: local files, weights, the marks, the cache hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from pyarrow import compute

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.data import sources
from axolotl_cotmask.masking.config import CoTMaskConfig, parse_config
from axolotl_cotmask.masking.datasets import PREPARED_AS, RunMasking, dataset_entries, marking_of
from axolotl_cotmask.masking.experimental.chat import CHAT_SCOPES
from axolotl_cotmask.masking.marks import (
    BATCH_MARKS,
    MARKS,
    MASK_UNIT,
    MASK_WEIGHT,
    brought_fault,
    mark_rows,
)
from axolotl_cotmask.training import faults, reading, starting_again, vocabulary
from axolotl_cotmask.training.chat_roles import check_messages, message_fault
from axolotl_cotmask.training.fingerprint import data_files, fingerprint, template_file, tokenizer_files
from axolotl_cotmask.training.keys import OUR_STRATEGIES
from axolotl_cotmask.training.labels import check_labels, maskable_rows, rows_with


def use_local_files(cfg: Any) -> None:
    """Point data sets that `data.sources.SOURCES` knows to their file in ``COTMASK_DATA_DIR``, when it is set.

    Raises:
        CoTMaskError: the directory or the file in it is missing, or the file is not the one that was fetched.
    """
    if sources.data_dir() is None:
        return
    for _, entry in dataset_entries(cfg):
        name = sources.meant_by(entry)
        if name is None:
            continue
        entry["path"] = str(sources.local_file(name))
        if sources.SOURCES[name].url is None:
            entry["name"] = None
            # A single file has only this split, whatever it holds.
            _, _, part = str(entry.get("split")).partition("[")
            entry["split"] = f"train[{part}" if part else "train"


def describe_datasets(cfg: Any, config: CoTMaskConfig) -> None:
    """Give every data set the `Marking` of its tokens, and with it what the cache hash has to cover."""
    from axolotl.utils.schemas.datasets import SFTDataset

    tokenizer = tokenizer_files(cfg)
    for key in ("datasets", "test_datasets"):
        entries = [entry for place, entry in dataset_entries(cfg) if place[0] == key]
        run = RunMasking(config, entries)
        for number, entry in enumerate(entries):
            made_of = fingerprint(data_files(entry), tokenizer, template_file(entry))
            entry[PREPARED_AS] = run.describe(number, made_of, trains=key == "datasets")
            # Axolotl's schema cannot write out mappings of Axolotl's own kind under keys that it does not know.
            for name, value in entry.to_dict().items():
                if name not in SFTDataset.model_fields:
                    entry[name] = value


def patch_axolotl() -> None:
    """Let our keys through Axolotl's data set schema and hash, and mark every data set that it prepares. Idempotent.

    The preview goes this way, too.
    """
    from axolotl import train
    from axolotl.cli import config
    from axolotl.utils.data import sft, shared, utils
    from axolotl.utils.schemas.datasets import SFTDataset

    if SFTDataset.model_config.get("extra") != "allow":
        SFTDataset.model_config["extra"] = "allow"
        SFTDataset.model_rebuild(force=True)
    shared.DATASET_HASH_DATASET_EXTRA_FIELDS = _with(shared.DATASET_HASH_DATASET_EXTRA_FIELDS, "protect", PREPARED_AS)
    # `tokens` changes how text is split; `excess_length_strategy` what happens to long rows.
    shared.DATASET_HASH_CONFIG_EXTRA_FIELDS = _with(
        shared.DATASET_HASH_CONFIG_EXTRA_FIELDS, "tokens", "excess_length_strategy"
    )
    for module, name, wrapped in (
        (config, "validate_config", faults.in_sentences),
        (config, "normalize_config", faults.after_validation),
        (config, "prepare_optim_env", faults.after_validation),
        (sft, "get_dataset_wrapper", _marking),
        (sft, "load_dataset_with_config", reading.in_one_sentence),
        (shared, "_load_from_local_path", _reading_anew),
        (sft, "_prepare_standard_dataset", reading.after_a_look_at_the_files),
        (sft, "save_preprocessed_dataset", starting_again.saved_whole),
        (sft, "load_preprocessed_dataset", starting_again.loaded_whole),
        (train, "determine_last_checkpoint", starting_again.from_whole_checkpoints),
        (sft, "handle_long_seq_in_dataset", reading.with_rows_left),
        (sft, "_handle_train_dataset_split", reading.with_rows_to_train_on),
        (utils, "_deduplicate_dataset", _without_marks),
    ):
        if not hasattr(getattr(module, name), "__wrapped__"):
            setattr(module, name, wrapped(getattr(module, name)))


def _with(fields: tuple[str, ...], *more: str) -> tuple[str, ...]:
    return (*fields, *(field for field in more if field not in fields))


def _reading_anew(load_from_local_path: Any) -> Any:
    """Wrap Axolotl's function that reads local files: `datasets` has a cache that tells them by name and time alone."""

    @wraps(load_from_local_path)
    def wrapper(dataset_config: Any, load_dataset_kwargs: dict[str, Any]) -> Any:
        from datasets.config import HF_DATASETS_CACHE

        content = fingerprint(data_files(dataset_config)) or "unknown"
        cache = Path(HF_DATASETS_CACHE, "axolotl-cotmask", content[:16])
        return load_from_local_path(dataset_config, {**load_dataset_kwargs, "cache_dir": str(cache)})

    return wrapper


def _marking(get_dataset_wrapper: Any) -> Any:
    """Wrap Axolotl's function that tokenises one data set: its result gets the column ``mask_weight``."""

    from axolotl.utils.data.wrappers import _is_dataset_already_tokenized

    @wraps(get_dataset_wrapper)
    @one_sentence
    def wrapper(dataset_config: Any, tokenizer: Any, cfg: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        path, type_ = dataset_config["path"], dataset_config.get("type")
        if _is_dataset_already_tokenized(kwargs["dataset"]):
            _check_tokenized(kwargs["dataset"], path, type_)
        elif type_ is None:
            raise CoTMaskError(
                f"{path}: its entry has no type, and its rows are no tokens: say how a row becomes a prompt, such as "
                "type: axolotl_cotmask.prompt_strategies.gsm8k"
            )
        try:
            dataset, prompter = get_dataset_wrapper(dataset_config, tokenizer, cfg, *args, **kwargs)
        except UnicodeDecodeError as error:
            # Reading lets it pass, and the first look at the text does not.
            raise reading.unreadable(path, error) from error
        # Of the data; others may be those of an interruption.
        except (ValueError, TypeError, AttributeError, LookupError, TemplateError) as error:
            if not cfg.get("cotmask") or isinstance(error, CoTMaskError):
                raise
            raise _unprepared(dataset_config, kwargs["dataset"], error) from error
        if cfg.get("cotmask"):
            run = RunMasking(parse_config(cfg["cotmask"]), cfg["datasets"])
            token_id = vocabulary.new_token_id(cfg, run, tokenizer)
            # Of rows without tokens `mark_dataset` tells.
            has_ids = token_id is not None and "input_ids" in dataset.column_names
            if has_ids and rows_with(dataset, "input_ids", lambda ids: compute.equal(ids, token_id)).any():
                raise _spelt(run.config.token, dataset_config, kwargs["dataset"], vocabulary.existing_token(tokenizer))
            if (scope := marking_of(dataset_config).scope) in CHAT_SCOPES:
                check_messages(kwargs["dataset"], dataset_config, scope)
            dataset = mark_dataset(dataset, dataset_config, tokenizer, cfg.get("dataset_num_proc"))
            check_labels(dataset, kwargs["dataset"], dataset_config)
        return dataset, prompter

    return wrapper


def _unprepared(entry: Mapping[str, Any], rows: Any, error: Exception) -> CoTMaskError:
    """Return the error about rows that a type of Axolotl's or of another package cannot prepare."""
    if fault := message_fault(rows, entry):
        return CoTMaskError(f"{entry['path']}, {fault}")
    return CoTMaskError(
        f"{entry['path']}: its rows cannot be prepared by type {entry['type']} ({faults.first_line(error)}): mend the "
        "rows or the config, or take out the plugin for the traceback"
    )


def _spelt(token: str, entry: Mapping[str, Any], rows: Any, existing: str) -> CoTMaskError:
    """Return the error about a text that spells the new mask token; ``rows`` are those that were tokenised."""
    row = next((number for number, row in enumerate(rows, start=1) if token in str(row)), None)
    place = "the prompt or chat template" if row is None else f"row {row}"
    return CoTMaskError(
        f"{entry['path']}, {place}: the text spells {token}, which is read as the new mask token, so that other tokens "
        "would be learnt than without masking: mend or remove it, or set noise: random, or name "
        f"{existing}"
    )


def _without_marks(deduplicate: Any) -> Any:
    """Wrap Axolotl's function that keeps one of equal rows: rows are equal whatever their marks."""

    @wraps(deduplicate)
    def wrapper(dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return deduplicate(_Unmarked(dataset), *args, **kwargs)

    return wrapper


@dataclass(frozen=True)
class _Unmarked:
    """A data set that shows its rows without their marks, and of which a part has them."""

    dataset: Any

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.dataset.remove_columns([name for name in MARKS if name in self.dataset.column_names]))

    def select(self, numbers: list[int]) -> Any:
        return self.dataset.select(numbers)


def mark_dataset(dataset: Any, entry: Mapping[str, Any], tokenizer: Any, num_proc: int | None) -> Any:
    """Return the tokenised ``dataset`` with its marks: ``mask_weight``, and others where the run needs them.

    A data set of our own strategies has weights already; in any other, every token that carries a label gets 1.

    Raises:
        CoTMaskError: the data set has no labels, or nothing in it that ``scope`` names.
    """
    if "labels" not in dataset.column_names:
        raise CoTMaskError(
            f"{entry['path']}: the prepared rows have no labels (there are: {', '.join(dataset.column_names)}), so "
            "there is nothing to mask: use a `type` that makes input_ids and labels"
        )
    marking = marking_of(entry)
    if MASK_WEIGHT in dataset.column_names and marking.is_plain:
        return dataset
    marked = dataset.map(
        mark_rows,
        batched=True,
        fn_kwargs={"marking": marking, "tokenizer": tokenizer if marking.reads_text else None},
        num_proc=num_proc,
        desc="Marking maskable tokens",
    )
    if marking.scope in CHAT_SCOPES and not maskable_rows(marked).any():
        raise CoTMaskError(
            f"{entry['path']}: cotmask.scope is {marking.scope}, and no trained turn of its rows has any: look at what "
            "the chat template makes of a row (it may leave thinking out), or choose another scope, or set "
            "mask_ratio: 0 for this data set"
        )
    return marked


def _check_tokenized(dataset: Any, path: str, type_: Any) -> None:
    """Check rows that came as tokens, which Axolotl takes as they are, whatever the type.

    Raises:
        CoTMaskError: names the row, counted from 1, or the column.
    """
    if str(type_).startswith(OUR_STRATEGIES):
        raise CoTMaskError(
            f"{path}: its rows are tokens already, which the type {type_} does not make: leave `type:` empty"
        )
    names = dataset.column_names
    if reserved := next((name for name in (MASK_UNIT, *BATCH_MARKS) if name in names and name != MASK_WEIGHT), None):
        raise CoTMaskError(f"{path}: the column {reserved} is one that the plugin makes: rename or remove it")
    checked = [name for name in ("input_ids", "labels", "attention_mask", MASK_WEIGHT) if name in names]
    if "labels" not in checked:
        return
    rows = dataset.select_columns(checked).with_format(None)
    for number, row in enumerate(rows, start=1):
        if fault := brought_fault(row):
            raise CoTMaskError(f"{path}, row {number}: {fault}: mend or remove the row")
