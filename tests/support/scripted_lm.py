"""An lm-eval model that answers each prompt with a given text, and lm-eval's command line with that model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partialmethod
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model


@register_model("scripted")
class ScriptedLM(LM):
    """``generations`` maps prompts to texts, or names a JSON file that does."""

    def __init__(self, generations: Mapping[str, str] | str, **_: Any) -> None:
        super().__init__()
        if isinstance(generations, str):
            generations = json.loads(Path(generations).read_text(encoding="utf-8"))
        self.generations = generations
        self.requests: list[Instance] = []

    def generate_until(self, requests: list[Instance]) -> list[str]:
        self.requests = requests
        for request in requests:
            assert request.args[0] in self.generations, f"no answer is scripted for this prompt: {request.args[0]!r}"
        return [self.generations[request.args[0]] for request in requests]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        raise NotImplementedError


def main() -> None:
    """Run lm-eval's command line, with its own models beside this one, and without its own tasks.

    It reads the thirteen thousand files of these at each start, for several seconds, before it looks for ours.
    """
    import lm_eval.models  # noqa: F401
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.tasks import TaskManager

    TaskManager.__init__ = partialmethod(TaskManager.__init__, include_defaults=False)  # type: ignore[method-assign]
    cli_evaluate()
