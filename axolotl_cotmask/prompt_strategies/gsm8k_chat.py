"""GSM8K rows (``question``, ``answer``) in the tokenizer's own chat template: for bases newer than the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.prompt_strategies.gsm8k import check_answer
from axolotl_cotmask.prompt_strategies.strategy import Example, MarkedStrategy, RowFormat, load_strategy

#: Arguments of ``apply_chat_template`` that the strategy gives itself.
_OWN_ARGUMENTS = ("conversation", "tokenize", "add_generation_prompt", "continue_final_message", "return_dict")


@one_sentence
def load(tokenizer: Any, cfg: Any, ds_cfg: Any = None) -> MarkedStrategy:
    """Axolotl's entry point for ``type: axolotl_cotmask.prompt_strategies.gsm8k_chat``.

    The template is filled in with the config's ``chat_template_kwargs``.

    Raises:
        SystemExit: the tokenizer has no chat template, or its turns do not end with the EOS token.
    """
    options = dict(cfg.get("chat_template_kwargs") or {})
    _check_template(tokenizer, options)

    def to_example(row: Mapping[str, Any]) -> Example:
        check_answer(row["answer"])
        return Example(chat_prompt(tokenizer, row["question"], **options), row["answer"])

    # The template writes BOS itself.
    row_format = RowFormat(required=("question", "answer"), to_example=to_example, add_special_tokens=False)
    return load_strategy(row_format, tokenizer, cfg, ds_cfg)


def chat_prompt(tokenizer: Any, question: str, **options: Any) -> str:
    """Return the text up to the answer: the user's turn and the beginning of the assistant's.

    Args:
        tokenizer: with a chat template.
        question: the user's turn.
        options: what the template knows beside the turns, such as ``enable_thinking``.
    """
    turns = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, **options)


def _check_template(tokenizer: Any, options: Mapping[str, Any]) -> None:
    if not tokenizer.chat_template:
        raise CoTMaskError(
            "the type gsm8k_chat needs a chat template, and the tokenizer has none: set chat_template: in the config, "
            "or use the type gsm8k"
        )
    for name in _OWN_ARGUMENTS:
        if name in options:
            raise CoTMaskError(f"chat_template_kwargs.{name} is what the type gsm8k_chat decides itself: take it out")
    prompt = chat_prompt(tokenizer, "question", **options)
    turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
    whole = tokenizer.apply_chat_template(turns, tokenize=False, **options)
    if not whole.startswith(prompt + "answer"):
        raise CoTMaskError(
            "the chat template writes an answer in another place than it asks for one (it may add thinking): set "
            "options of it, such as chat_template_kwargs: {enable_thinking: false}, or another chat_template: in the "
            "config, or use the type gsm8k"
        )
    end = whole.removeprefix(prompt + "answer")
    if not end.startswith(tokenizer.eos_token):
        mend = f"special_tokens: {{eos_token: {end.strip()!r}}}" if end.strip() else "another chat_template:"
        raise CoTMaskError(
            f"the chat template ends a turn with {end!r}, and the EOS token is {tokenizer.eos_token!r}, so a trained "
            f"model would not stop there: set {mend} in the config"
        )
