"""The functions of GSM-IC's YAML files: see `axolotl_cotmask.evaluation.benchmarks.gsm_ic`."""

from axolotl_cotmask.evaluation.benchmarks.gsm_ic import (
    accuracy,
    load_documents,
    macro_accuracy,
    normalised_accuracy,
    pool,
    process_results,
    prompt,
)

__all__ = [
    "accuracy",
    "load_documents",
    "macro_accuracy",
    "normalised_accuracy",
    "pool",
    "process_results",
    "prompt",
]
