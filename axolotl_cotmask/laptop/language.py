"""The small language of the laptop reproduction: its words, and a tokenizer with a token for each."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

from axolotl_cotmask.laptop.problems import draw_irrelevant, draw_problem, with_irrelevant
from axolotl_cotmask.tiny_model import prompt_parts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
#: The context in tokens: the longest problem with its solution takes about 140.
MAX_TOKENS = 256
# So many problems hold every word many times over.
_PROBLEMS_FOR_WORDS = 4000


@cache
def words() -> tuple[str, ...]:
    """Return every word of the language in alphabetical order, the numbers 0 to 99 among them."""
    rng = random.Random("words")
    found = {str(number) for number in range(100)}
    for _ in range(_PROBLEMS_FOR_WORDS):
        problem = draw_problem(rng)
        found.update(with_irrelevant(problem, draw_irrelevant(rng, problem)).split())
        found.update(problem.solution.split())
    return tuple(sorted(found))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return a word-level tokenizer that adds ``<s>`` in front; each constant part of the paper's prompt is a token."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *words()))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_tokens([AddedToken(part, normalized=False) for part in prompt_parts()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )
