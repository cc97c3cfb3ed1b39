"""Samples of training questions: all is in `axolotl_cotmask.evaluation.benchmarks.sampling`."""

from axolotl_cotmask.evaluation.benchmarks.sampling import load_documents, process_results, prompt

__all__ = ["load_documents", "process_results", "prompt"]
