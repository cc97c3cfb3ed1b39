"""Prompt texts of the Masked Thought paper: the one place for training, evaluation and analysis.

The prompts are the Alpaca texts without a newline after ``### Response:``. In training one space and the target
follow; in evaluation the prompt ends at the colon, so that the model writes the space itself.
"""

_INSTRUCTION = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
_INSTRUCTION_AND_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)

#: What stands between prompt and target in the GSM8K, MATH and RFT runs.
SEPARATOR = " "

#: What follows the prompt when MetaMath models are asked.
STEP_BY_STEP = " Let's think step by step."

#: What follows the question when MAmmoTH models are asked for a program, as in their training rows.
ASK_FOR_PROGRAM = " Let's write a program."


def alpaca_prompt(instruction: str, input: str = "") -> str:
    """Return the prompt for ``instruction`` (and ``input``, when it is not empty), ending in ``### Response:``."""
    # One pass over the template: braces inside the question are data, never placeholders.
    template = _INSTRUCTION_AND_INPUT if input else _INSTRUCTION
    return template.format_map({"instruction": instruction, "input": input})
