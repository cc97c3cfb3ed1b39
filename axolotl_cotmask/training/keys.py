"""Which of Axolotl's keys about data the plugin and our prompt strategies honour: any other stops the run.

The tables decide for every field of an entry of ``datasets:`` (Axolotl's ``SFTDataset``), and for every key of the
config that Axolotl's prompt strategies, its reading of data or its tokenizer loader read; a test holds them to
its code.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from axolotl_cotmask.common.errors import Fault, Key, closest, key_name
from axolotl_cotmask.masking.config import DATASET_KEYS, CoTMaskConfig
from axolotl_cotmask.masking.datasets import PREPARED_AS, dataset_entries

#: Begins the ``type:`` of a data set that a strategy of ours prepares.
OUR_STRATEGIES = "axolotl_cotmask.prompt_strategies."


def _by_key(keys_by_reason: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {key: reason for reason, keys in keys_by_reason.items() for key in keys}


#: Fields of an entry that Axolotl honours as it reads the data, whatever the type.
ENTRY_HONOURED = frozenset(
    {"path", "split", "type", "name", "data_files", "ds_type", "revision", "trust_remote_code"}
    | {"shards", "shards_idx", "preprocess_shards"}
)
#: Fields of an entry that a type of ours cannot honour, and why.
ENTRY_REFUSED = _by_key(
    {
        "the type names the fields of a row: rename the columns of the data instead": (
            "field_human", "field_model", "field_messages", "field_tools", "field_thinking", "conversation",
            "message_field_role", "message_field_content", "message_property_mappings", "roles",
        ),
        "it names the text of `type: completion`, and no rows within a file, which Axolotl does not read": (
            "field",
        ),
        "a row is one question and one answer, and has no turns to choose from": (
            "message_field_training", "message_field_training_detail", "drop_system_message", "split_thinking",
            "template_thinking_key",
        ),
        "the whole target and its EOS token are trained on, and nothing of the prompt": (
            "roles_to_train", "train_on_eos", "train_on_eot",
        ),
        "the type says how a row becomes a prompt": ("input_format", "input_transform"),
        "a template is the tokenizer's, which evaluation asks by: set it at the top level of the config instead": (
            "chat_template", "chat_template_jinja",
        ),
        "it belongs to distillation": ("logprobs_field", "temperature"),
    }
)  # fmt: skip

#: Keys of the config that no run with the plugin can have, and why.
NEVER = {
    "rl": "preference or reinforcement training has no single target, and is a stage of its own: a config without the "
    "plugin that begins with the trained model (docs/augmentation.md)",
    "reward_model": "a reward model has no target tokens",
    "process_reward_model": "a process reward model has no target tokens",
    "pretraining_dataset": "pre-training data has no prompt and target",
    "streaming": "streamed data sets are not supported",
    "trainer_cls": "it would be replaced by the plugin's trainer",
}
#: Keys of the config that no run with a data set of our types can have, and why.
NEVER_WITH_OURS = {
    "train_on_inputs": "their loss counts the target alone, as the paper's does",
    "skip_prepare_dataset": "they are what prepares the rows",
    "eval_sequence_len": "they hold the rows of test_datasets, too, to sequence_len",
    "tokenizer_use_mistral_common": "they need a tokenizer that takes text",
}
#: Keys of the config that mean nothing where all data sets are of our types, and why; Axolotl's own types may honour
#: them.
NEVER_WITH_OURS_ALONE = {
    "chat_template_kwargs": "only gsm8k_chat fills in a chat template",
    "eot_tokens": "a target ends with the EOS token, and a prompt has no turns of its own",
    "default_system_message": "none of them adds a system message",
}
#: Our types that honour a key of `NEVER_WITH_OURS_ALONE` all the same.
HONOURED_BY = {"chat_template_kwargs": OUR_STRATEGIES + "gsm8k_chat"}
#: Keys of the config that act on rows of our types as on any others.
CONFIG_HONOURED = frozenset(
    # What the rows are, how they are put together and kept.
    {"datasets", "test_datasets", "val_set_size", "dataset_shard_num", "dataset_shard_idx", "hf_use_auth_token"}
    | {"shuffle_merged_datasets", "shuffle_before_merging_datasets", "curriculum_sampling", "seed"}
    | {"dataset_exact_deduplication", "dataset_keep_in_memory", "dataset_num_proc", "dataset_prepared_path"}
    | {"num_dataset_shards_to_save", "push_dataset_to_hub", "is_preprocess"}
    # How long they may be, and how they are packed.
    | {"sequence_len", "excess_length_strategy", "min_sample_len", "group_by_length"}
    | {"sample_packing", "sample_packing_bin_size", "eval_sample_packing"}
    | {"micro_batch_size", "batch_size", "num_epochs", "max_steps"}
    # Which tokenizer it is, and what is added to it.
    | {"tokenizer_config", "tokenizer_type", "tokenizer_use_fast", "tokenizer_legacy", "trust_remote_code"}
    | {"special_tokens", "tokens", "added_tokens_overrides", "chat_template", "chat_template_jinja"}
    | {"revision_of_model", "is_mistral_derived_model", "is_qwen_derived_model", "adapter", "lora_modules_to_save"}
    | {"attn_implementation", "output_dir"}
)


def key_faults(cfg: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the keys about data that would be ignored, and the types of ours that do not exist.

    Args:
        cfg: the config, as it was written or validated.
    """
    for name, reason in NEVER.items():
        if cfg.get(name):
            yield Fault(
                (name,), f"{name} is set, and {reason}: take out {name}, or the plugin axolotl_cotmask.CoTMaskPlugin"
            )
    entries = dataset_entries(cfg)
    types = [str(entry.get("type")) for _, entry in entries]
    ours = [(key, entry) for key, entry in entries if is_ours(entry)]
    for key, entry in ours:
        if entry["type"] in our_types():
            yield from _entry_faults(key, entry)
        else:
            sentence = f"{key_name(key)}.type is {entry['type']}, and there is no such type"
            yield Fault((*key, "type"), sentence + closest(entry["type"], our_types()))
    alone = ours and len(ours) == len(entries)
    for name, reason in {**(NEVER_WITH_OURS if ours else {}), **(NEVER_WITH_OURS_ALONE if alone else {})}.items():
        if cfg.get(name) and HONOURED_BY.get(name) not in types:
            yield Fault(
                (name,),
                f"{name} is set, which the types {OUR_STRATEGIES}* do not honour, since {reason}: take it out",
            )


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether a strategy of ours prepares the data set."""
    return str(entry.get("type")).startswith(OUR_STRATEGIES)


@cache
def our_types() -> list[str]:
    """Return every ``type:`` of ours."""
    package = import_module(OUR_STRATEGIES.rstrip("."))
    names = [OUR_STRATEGIES + module.name for module in pkgutil.iter_modules(package.__path__)]
    return [name for name in names if hasattr(import_module(name), "load")]


def _entry_faults(key: Key, entry: Mapping[str, Any]) -> Iterator[Fault]:
    from axolotl.utils.schemas.datasets import SFTDataset

    # What Axolotl's validation fills in is nothing that somebody chose.
    filled_in = SFTDataset.model_validate({}).model_dump()
    known = (*ENTRY_HONOURED, *DATASET_KEYS)
    for name, value in entry.items():
        if name in known or name == PREPARED_AS or not value or value == filled_in.get(name):
            continue
        place = (*key, name)
        if name in ENTRY_REFUSED:
            yield Fault(
                place,
                f"{key_name(place)} is set, which the type {entry['type']} does not honour, since "
                f"{ENTRY_REFUSED[name]}: take it out",
            )
        elif isinstance(name, str) and name not in CoTMaskConfig.model_fields:
            yield Fault(place, f"{key_name(place)} is not an option{closest(name, known)}")
