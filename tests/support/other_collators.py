"""Axolotl plugins that set a data collator of their own once the trainer is made."""

from __future__ import annotations

from typing import Any

from axolotl.integrations.base import BasePlugin
from transformers import DataCollatorForSeq2Seq


class Replacing(BasePlugin):
    """Replaces the collator by transformers' own."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Set it."""
        trainer.data_collator = DataCollatorForSeq2Seq(trainer.processing_class)


class Wrapping(BasePlugin):
    """Wraps the collator."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Set it."""
        inner = trainer.data_collator
        trainer.data_collator = lambda features: inner(features)


class Reversing(BasePlugin):
    """Puts the rows of a batch in another order."""

    def post_trainer_create(self, cfg: Any, trainer: Any) -> None:
        """Set it."""
        inner = trainer.data_collator
        trainer.data_collator = lambda features: inner(features[::-1])
