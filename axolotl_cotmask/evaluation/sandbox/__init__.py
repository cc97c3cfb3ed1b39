"""Programs that a language model wrote, run apart from the process that asks for it: docs/sandbox.md.

`run_programs` runs many in parallel and keeps results, `run_program` runs one. Nothing here asks for consent: whoever
calls it has it.
"""

from axolotl_cotmask.evaluation.sandbox.execution import DEFAULT_LIMITS, Execution, Isolation, Limits, Status
from axolotl_cotmask.evaluation.sandbox.many import run_programs
from axolotl_cotmask.evaluation.sandbox.one import detect_isolation, run_program

__all__ = [
    "DEFAULT_LIMITS",
    "Execution",
    "Isolation",
    "Limits",
    "Status",
    "detect_isolation",
    "run_program",
    "run_programs",
]
