"""The signature of a result: one line with all that moves a score besides the model, in the manner of sacreBLEU.

What only the evaluating process knows (data, versions) the tasks `record` into their metadata, which lm-eval writes to
the results file; `compose` makes the line from there and from what lm-eval notes itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.versions import DISTRIBUTION, installed, package_version
from axolotl_cotmask.evaluation.results_file import model_arguments

_DIGITS = 8  # of a hash, in hex
_RECORDED_VERSIONS = ("torch", "math-verify")

# The parts in their order, and what each is called in a warning.
_PARTS = {
    "task": "the task",
    "v": "the task's version",
    "shots": "the number of few-shot examples",
    "prompt": "the prompt of the first question",
    "chat": "the chat template",
    "system": "the system instruction",
    "bos": "the BOS token",
    "stops": "the stops",
    "max": "the most new tokens",
    "decoding": "the decoding",
    "backend": "the backend",
    "args": "the model arguments",
    "batch": "the batch size",
    "dtype": "the dtype",
    "data": "the data",
    "n": "the number of questions",
    "lm-eval": "the version of lm-eval",
    "transformers": "the version of transformers",
    "torch": "the version of torch",
    "math-verify": "the version of math-verify",
    DISTRIBUTION: f"the version of {DISTRIBUTION}",
}
# In full precision the padding of a batch does not show in the tokens; in half precision it may turn a greedy choice.
_FULL_PRECISION = ("float32", "float64")

# The model arguments that do not appear under `args`.
_NO_SETTINGS = {
    # the model itself
    *("pretrained", "peft", "delta", "revision", "subfolder", "tokenizer", "gguf_file", "trust_remote_code"),
    # parts of their own
    *("dtype", "add_bos_token", "batch_size", "max_batch_size"),
    # hardware
    *("device", "device_map", "parallelize", "tensor_parallel_size", "data_parallel_size", "gpu_memory_utilization"),
    *("max_memory_per_gpu", "max_cpu_memory", "offload_folder", "swap_space", "download_dir"),
}

# Generation arguments that have a part of their own, or make up the first word of the decoding.
_GENERATION_PARTS = ("until", "max_gen_toks", "do_sample", "temperature")


class Signature(dict[str, str]):
    """The parts by name, in order; ``str()`` is the line. What is not known is not a part."""

    def __str__(self) -> str:
        return "|".join(f"{name}:{value}" for name, value in self.items())


def record(entry: dict[str, Any] | None, *, source: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write into ``entry`` what the results file would not hold: data with fingerprint, and versions.

    A task may add entries of its own, as parts of the signature.

    Args:
        entry: the mapping ``signature`` in the metadata of the task's YAML. lm-eval passes it to the task's
            ``custom_dataset`` function, and dumps it with the results after the evaluation.
        source: the name of the data set.
        rows: its rows, in order.

    Raises:
        CoTMaskError: the metadata have no such mapping.
    """
    if entry is None:
        raise CoTMaskError(
            f"the metadata of the task on {source} have no signature: write `metadata: {{version: 1.0, "
            "signature: {}}` (those of a YAML replace the included ones as a whole)"
        )
    entry["data"] = f"{source}@{fingerprint(rows)}"
    for package in _RECORDED_VERSIONS:
        version = installed(package)
        if version is not None:
            entry[package] = version
    entry[DISTRIBUTION] = package_version()


def fingerprint(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return 8 hex digits of the SHA-256 over the rows' canonical JSON, in their order.

    A null field counts like one that is missing: `datasets` fills up columns with nulls.
    """
    digest = hashlib.sha256()
    for row in rows:
        present = {field: value for field, value in row.items() if value is not None}
        digest.update(json.dumps(present, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()[:_DIGITS]


def compose(content: Mapping[str, Any], task: str, samples: Iterable[Mapping[str, Any]] = ()) -> Signature:
    """Compose the signature of one task.

    Args:
        content: a results file of lm-eval.
        task: one of the tasks in it; not a group.
        samples: lm-eval's samples of the task, for the fingerprint of the prompt: that of the first question.

    Raises:
        CoTMaskError: the task is not in it.
    """
    if task not in content.get("configs", {}):
        raise CoTMaskError(f"the results hold no task {task}: name one of {', '.join(content.get('configs', {}))}")
    task_config = content["configs"][task]
    config = content.get("config", {})
    arguments = model_arguments(content)
    generation = task_config.get("generation_kwargs") or {}
    until = generation.get("until")
    task_metadata = task_config.get("metadata") or {}
    recorded = task_metadata.get("signature") or {}
    first = min(samples, key=lambda sample: sample["doc_id"], default={})
    parts = {
        "task": task,
        "v": task_metadata.get("version"),
        "shots": content.get("n-shot", {}).get(task),
        "prompt": _short(first.get("prompt_hash")),
        "chat": _short(content.get("chat_template_sha")) or "no",
        "system": _short(content.get("system_instruction_sha")),
        "bos": {None: "default", "true": "yes", "false": "no"}.get(_lower(arguments.get("add_bos_token"))),
        "stops": ",".join(["eos", *map(json.dumps, [until] if isinstance(until, str) else until or [])]),
        "max": generation.get("max_gen_toks"),
        "decoding": _decoding(generation, config.get("torch_seed")),
        "backend": config.get("model"),
        "args": ",".join(f"{name}={value}" for name, value in sorted(arguments.items()) if name not in _NO_SETTINGS),
        "batch": config.get("batch_size"),
        "dtype": str(config.get("model_dtype") or arguments.get("dtype") or "auto").removeprefix("torch."),
        "data": None,
        "n": _questions(content.get("n-samples", {}).get(task)),
        "lm-eval": content.get("lm_eval_version"),
        "transformers": content.get("transformers_version"),
        **dict.fromkeys((*_RECORDED_VERSIONS, DISTRIBUTION)),
        **recorded,
    }
    return Signature({name: str(parts[name]) for name in {**_PARTS, **parts} if parts[name] not in (None, "")})


def differences(a: Signature, b: Signature) -> list[str]:
    """Return what differs between A and B and may move scores, such as ``the dtype: float32 in A, bfloat16 in B``.

    That is every part but the batch size where both ran in full precision. A part that is known on one side only
    counts as different; one that is known on none does not.
    """
    full_precision = all(signature.get("dtype") in _FULL_PRECISION for signature in (a, b))
    return [
        f"{_PARTS.get(name, f'the {name}')}: {a.get(name, 'not recorded')} in A, {b.get(name, 'not recorded')} in B"
        for name in {**_PARTS, **a, **b}
        if a.get(name) != b.get(name) and not (name == "batch" and full_precision)
    ]


def _decoding(generation: Mapping[str, Any], seed: Any) -> str:
    others = [f"{name}={value}" for name, value in sorted(generation.items()) if name not in _GENERATION_PARTS]
    sampled = generation.get("do_sample", bool(generation.get("temperature")))
    if not sampled:
        return ",".join(["greedy", *others])
    return ",".join(["sampled", f"temperature={generation.get('temperature', 1.0)}", *others, f"seed={seed}"])


def _questions(counts: Mapping[str, int] | None) -> str | None:
    if counts is None:
        return None
    scored, available = counts["effective"], counts["original"]
    return str(available) if scored == available else f"{scored} of {available}"


def _lower(value: Any) -> str | None:
    return None if value is None else str(value).lower()


def _short(digest: Any) -> str | None:
    return None if digest is None else str(digest)[:_DIGITS]
