"""The functions of the YAML files beside: see `axolotl_cotmask.evaluation.benchmarks.corrupted_step_task`."""

from axolotl_cotmask.evaluation.benchmarks.corrupted_step_task import (
    corrupted_questions,
    corrupted_steps,
    janet,
    janet_consistent,
    process_corrupted_question,
    process_corrupted_step,
    process_janet,
    process_janet_consistent,
    prompt,
)
from axolotl_cotmask.evaluation.tasks import mean_of_concerned

__all__ = [
    "corrupted_questions",
    "corrupted_steps",
    "janet",
    "janet_consistent",
    "mean_of_concerned",
    "process_corrupted_question",
    "process_corrupted_step",
    "process_janet",
    "process_janet_consistent",
    "prompt",
]
