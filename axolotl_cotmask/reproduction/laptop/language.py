"""The small language of the laptop reproduction: its words, and a tokenizer with a token for each."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

from axolotl_cotmask.reproduction.laptop.problems import draw_irrelevant, draw_problem, with_irrelevant
from axolotl_cotmask.reproduction.laptop.tiny_model import SPECIAL, like_llama

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

#: The context in tokens: the longest problem with its solution takes about 140.
MAX_TOKENS = 256
# So many problems hold every word many times over.
_PROBLEMS_FOR_WORDS = 4000


@cache
def known_words() -> tuple[str, ...]:
    """Return every word of the language in alphabetical order, the numbers 0 to 99 among them."""
    rng = random.Random("words")
    known = {str(number) for number in range(100)}
    for _ in range(_PROBLEMS_FOR_WORDS):
        problem = draw_problem(rng)
        known.update(with_irrelevant(problem, draw_irrelevant(rng, problem)).split())
        known.update(problem.solution.split())
    return tuple(sorted(known))


def build_word_tokenizer() -> PreTrainedTokenizerFast:
    """Return a word-level tokenizer, otherwise like that of `axolotl_cotmask.reproduction.laptop.tiny_model`."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *known_words()))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return like_llama(tokenizer, MAX_TOKENS)
