"""The questions of CSQA: see `axolotl_cotmask.evaluation.benchmarks.multiple_choice`."""

from axolotl_cotmask.evaluation.benchmarks.multiple_choice import load_documents, process_results, prompt

__all__ = ["load_documents", "process_results", "prompt"]
