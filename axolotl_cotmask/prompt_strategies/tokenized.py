"""A tokenised text and where its characters lie among its tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TokenizedText:
    """One text of a tokenised batch: the text at ``place`` in what the tokenizer returned.

    ``tokenize`` gives the ids of another text in the way that gave ``ids``: with BOS or without, without EOS.
    """

    text: str
    ids: Sequence[int]
    encoded: Any
    place: int
    tokenize: Callable[[str], Sequence[int]]

    def first_touching(self, character: int) -> int:
        """Return the index of the first token that holds the character at ``character`` or a later one."""
        if self._has_offsets:
            tokens = (self.encoded.char_to_token(self.place, i) for i in range(character, len(self.text)))
            first = next((token for token in tokens if token is not None), len(self.ids))
            # Llama-3's tokenizer trims offsets: a token of spaces alone holds no character, and stands where they end.
            while first and (span := self.encoded.token_to_chars(self.place, first - 1)) and span.start > character:
                first -= 1
            return first
        # The tokens that do not change when the rest of the text is cut off.
        prefix = self.tokenize(self.text[:character])
        changed = (i for i, (a, b) in enumerate(zip(prefix, self.ids, strict=False)) if a != b)
        return next(changed, min(len(prefix), len(self.ids)))

    def first_after(self, character: int) -> int:
        """Return the index of the first token that holds nothing before ``character``.

        It is the number of tokens of the text up to ``character``, unless its last word splits in another way there.
        """
        if not self._has_offsets:
            return min(len(self.tokenize(self.text[:character])), len(self.ids))
        token = self.first_touching(character)
        spans = token < len(self.ids) and self.encoded.token_to_chars(self.place, token).start < character
        return token + 1 if spans else token

    @property
    def _has_offsets(self) -> bool:
        return getattr(self.encoded, "is_fast", False)
