"""lm-eval tasks that ask each question twice: for a program, and for a chain of thought (`evaluation.programs`).

Both are asked for at once, since lm-eval generates before it scores. With greedy decoding the score is that of asking
for the second only where it is needed, with any backend, and generation and execution can be parted.
"""

from __future__ import annotations

from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from axolotl_cotmask.common.errors import CoTMaskError, one_sentence
from axolotl_cotmask.data.prompts import ASK_FOR_PROGRAM, alpaca_prompt
from axolotl_cotmask.evaluation import tasks
from axolotl_cotmask.evaluation.answers import Rule
from axolotl_cotmask.evaluation.programs import chosen, executed, program_in
from axolotl_cotmask.evaluation.sandbox import detect_isolation


class GenerationTask(ConfigurableTask):
    """Asks for both, and runs nothing: `axolotl cotmask execute` makes up for that. Documents have a ``question``."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config={key: value for key, value in config.items() if key != "class"})

    @one_sentence
    def construct_requests(self, doc: dict[str, Any], ctx: str, **kwargs: Any) -> list[Instance]:
        """Return the request for a program and, after it, the one for a chain of thought.

        Raises:
            SystemExit: a chat template or examples change the prompt, which the models were not trained on.
        """
        if ctx != alpaca_prompt(doc["question"]):
            raise CoTMaskError(
                f"{self.config.task} asks with the prompt of MAmmoTH's training rows: leave out --apply_chat_template, "
                "--system_instruction and --num_fewshot"
            )
        program = super().construct_requests(doc, alpaca_prompt(doc["question"] + ASK_FOR_PROGRAM), **kwargs)
        chain = super().construct_requests(doc, ctx, **kwargs)
        chain.idx = 1
        return [program, chain]

    def apply_filters(self) -> None:
        """Put what is to be scored into ``filtered_resps`` of each request."""
        texts = self.read([instance.resps[0] for instance in self.instances])
        for instance, text in zip(self.instances, texts, strict=True):
            instance.filtered_resps["none"] = text

    def read(self, generations: list[str]) -> list[str]:
        """Return ``generations`` as they are."""
        return generations


class HybridTask(GenerationTask):
    """Runs the programs among the generations; its YAML says ``unsafe_code: true``.

    Raises:
        SystemExit: programs cannot be run on this machine.
    """

    @one_sentence
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._isolation = detect_isolation()
        # lm-eval copies the metadata to the results before it generates.
        self.config.metadata["signature"]["sandbox"] = self._isolation

    @one_sentence
    def read(self, generations: list[str]) -> list[str]:
        """Return ``generations``, what the programs among them answer in their place."""
        return executed(generations, self._isolation)


def hybrid_scores(
    gold: str | float, texts: list[str], exact: Rule, robust: Rule, question: str | None = None
) -> dict[str, float]:
    """Return the metrics of one question.

    Args:
        texts: the answers to the two prompts, programs replaced by what they printed (`programs.executed`).

    Returns:
        The metrics of `tasks.scores`, and ``program_answered``: 1 where the answer to the first prompt was read.
    """
    robust = robust.about(question)
    scores = tasks.scores(chosen(texts, exact), gold, exact, exact)
    return scores | {
        "robust_match": tasks.scores(chosen(texts, robust), gold, robust, robust)["exact_match"],
        "program_answered": float(exact.extract(texts[0]) is not None),
    }


def generation_scores(generations: list[str]) -> dict[str, float]:
    """Return what can be said without running anything: whether the first prompt got a program."""
    return {"program": float(program_in(generations[0]) is not None)}
