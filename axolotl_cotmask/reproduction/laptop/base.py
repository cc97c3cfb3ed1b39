"""Trains the base models of the laptop reproduction, in plain PyTorch: what a pre-trained model would bring along.

The first stage of training reads documents of sums, recall and one-step problems without annotations. In the second a
``copying`` base goes on with *drills*: annotated steps without any question, ``Ben has 5 + 3 = << 5 + 3 = 8 >> 8 apples
.``, where the numbers of the annotation can only be copied from their neighbours. So it gets the local copying habit
that large models have; a ``plain`` base goes on as before, for as many steps.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.common.files import whole_model
from axolotl_cotmask.reproduction.laptop.language import build_word_tokenizer
from axolotl_cotmask.reproduction.laptop.problems import (
    CALCULATE,
    LARGEST,
    PEOPLE,
    THINGS,
    Problem,
    annotated,
    draw_problem,
)
from axolotl_cotmask.reproduction.laptop.tiny_model import Shape, new_llama

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

BATCH, LENGTH = 64, 96
_SHAPE = Shape(hidden_size=96, intermediate_size=256, layers=4, heads=4)
_WARMUP = 100
#: A sum's result is one token among many, and the hardest: in the second half of a stage it counts so many times.
_RESULT_WEIGHT = 4.0
_ANNOTATION = re.compile(r"<<.*?>> ")


def _draw_sum(rng: random.Random) -> tuple[int, str, int]:
    sign = rng.choice("++--*")
    if sign == "+":
        left = rng.randint(1, LARGEST - 1)
        return left, sign, rng.randint(1, LARGEST - left)
    if sign == "-":
        left = rng.randint(2, LARGEST)
        return left, sign, rng.randint(1, left - 1)
    right = rng.randint(2, 5)
    return rng.randint(1, LARGEST // right), sign, right


def _sums(rng: random.Random) -> str:
    drawn = (_draw_sum(rng) for _ in range(8))
    return " ".join(f"{left} {sign} {right} = {CALCULATE[sign](left, right)} ." for left, sign, right in drawn)


def _recall(rng: random.Random) -> str:
    facts = [f"{person} {rng.randint(1, LARGEST)}" for person in rng.sample(PEOPLE, 5)]
    return " . ".join((" ".join(facts), *rng.sample(facts, 3))) + " ."


def _one_step_problem(rng: random.Random) -> str:
    """Draw a question about one of up to three stories, told at once, so that it takes reading to find its numbers."""
    stories: list[Problem] = []
    for _ in range(rng.choice((1, 2, 2, 3))):
        told = {person for story in stories for person in story.people}
        while told & set((story := draw_problem(rng, n_steps=1)).people):
            pass
        stories.append(story)
    turns = [story for story in stories for _ in story.context]
    rng.shuffle(turns)
    sentences = {id(story): iter(story.context) for story in stories}
    asked = rng.choice(stories)
    step = _ANNOTATION.sub("", asked.steps[0])
    return " ".join((*(next(sentences[id(story)]) for story in turns), asked.question, step))


def _drill(rng: random.Random) -> str:
    steps = (f"{rng.choice(PEOPLE)} has {annotated(*_draw_sum(rng))} {rng.choice(THINGS)} ." for _ in range(3))
    return " ".join(steps)


def draw_document(rng: random.Random, drills: bool) -> str:
    """Draw one document for the training of a base; with ``drills`` every other one is a drill."""
    if drills and rng.random() < 0.5:
        return _drill(rng)
    kinds: list[Callable[[random.Random], str]] = [_sums, _recall, _one_step_problem]
    return rng.choices(kinds, (0.30, 0.12, 0.58))[0](rng)


def _batches(tokenizer: PreTrainedTokenizerFast, seed: int, drills: bool) -> Iterator[torch.Tensor]:
    """Yield batches of documents, one after the other with ``</s>`` between them: [BATCH, LENGTH] int64."""
    import torch

    rng = random.Random(f"{seed} {drills}")
    ids: list[int] = []
    while True:
        while len(ids) < BATCH * LENGTH:
            ids += tokenizer(draw_document(rng, drills))["input_ids"] + [tokenizer.eos_token_id]
        yield torch.tensor(ids[: BATCH * LENGTH]).view(BATCH, LENGTH)
        del ids[: BATCH * LENGTH]


@dataclass(frozen=True)
class Stage:
    """A stage of a base's training: batches of 64 x 96 tokens, and the peak of the learning rate."""

    steps: int
    learning_rate: float


#: What the bases that travel with the package were made by: 20 minutes of one core.
STAGES = Stage(4000, 6e-3), Stage(400, 2e-3)


def train_base(directory: Path, seed: int, drills: bool, stages: tuple[Stage, Stage] = STAGES) -> None:
    """Train a base model of 0.46 million parameters and save it, with its tokenizer, as a whole or not at all.

    Its weights are rounded to bfloat16, and saved so: half as much to carry.

    Args:
        directory: where to save; must not exist.
        seed: decides weights and documents.
        drills: whether every other document of the second stage is a drill: the habit of copying.
        stages: lengths and learning rates; the learning rate ends at a tenth, after a cosine.

    Raises:
        CoTMaskError: the directory exists, or the loss is no number any more.
    """
    import torch

    if directory.exists():
        raise CoTMaskError(f"{directory} exists: name a directory that does not exist yet")
    tokenizer = build_word_tokenizer()
    torch.manual_seed(seed)
    model: Any = new_llama(tokenizer, _SHAPE, spread=0.05)
    model.train()
    threads = torch.get_num_threads()
    try:
        # Sums in another number of threads round otherwise, and make another model.
        torch.set_num_threads(1)
        _train(model, tokenizer, stages[0], seed, drills=False)
        _train(model, tokenizer, stages[1], seed, drills)
    finally:
        torch.set_num_threads(threads)
    model.to(torch.bfloat16)
    with whole_model(directory) as built:
        model.save_pretrained(built)
        tokenizer.save_pretrained(built)


def _train(model: Any, tokenizer: PreTrainedTokenizerFast, stage: Stage, seed: int, drills: bool) -> None:
    import torch

    steps = stage.steps
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    warmup = min(_WARMUP, steps // 10 + 1)

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / warmup) * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    equals: Any = tokenizer.convert_tokens_to_ids("=")
    for step, batch in zip(range(steps), _batches(tokenizer, seed, drills), strict=False):
        logits, labels = model(batch, use_cache=False).logits[:, :-1], batch[:, 1:]
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
        results = batch[:, :-1].eq(equals)
        weights = 1 + (_RESULT_WEIGHT - 1) * (step >= steps // 2) * results.float()
        loss = (losses * weights).sum() / weights.sum()
        if not loss.isfinite():
            raise CoTMaskError(f"the loss of the base model is {loss.item()} at step {step}: lower the learning rate")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            right = (logits.argmax(-1)[results] == labels[results]).float().mean().item()
            print(f"step {step:5d}  loss {losses.mean().item():.3f}  numbers after '=' right {right:.3f}", flush=True)


#: Documents of each kind that a base's abilities are measured on.
_MEASURED = 600


@dataclass(frozen=True)
class Abilities:
    """What a base does right on documents that it was not trained on, as shares from 0 to 1.

    ``sums``: results of sums. ``recall``: a number that was stated beside a name, from four others, when the name comes
    again. ``one_step``: the result of a question's single step. ``copying``: the first number of an annotation without
    a question, which can only be copied from before it.
    """

    sums: float
    recall: float
    one_step: float
    copying: float


def measure_base(directory: Path) -> Abilities:
    """Return what the base in a directory can do, on newly drawn documents."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = build_word_tokenizer()
    model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    equals, stop, opens = map(tokenizer.get_vocab().__getitem__, ("=", ".", "<<"))
    numbers = torch.tensor([token for word, token in tokenizer.get_vocab().items() if word.isdigit()])

    def right(kind: Callable[[random.Random], str], asked: Callable[[torch.Tensor], torch.Tensor]) -> float:
        rng = random.Random(f"measured {kind.__name__}")
        documents = [kind(rng) for _ in range(_MEASURED)]
        ids = tokenizer(documents, padding=True, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            predicted = torch.cat([model(part).logits.argmax(-1) for part in ids.split(50)])
        counted = asked(ids[:, :-1]) & torch.isin(ids[:, 1:], numbers)
        return float((predicted[:, :-1] == ids[:, 1:])[counted].float().mean())

    def after_equals(ids: torch.Tensor) -> torch.Tensor:
        return ids == equals

    def of_repeated_names(ids: torch.Tensor) -> torch.Tensor:
        # The five facts come first, and the repeated ones after the first full stop.
        return (ids == stop).cumsum(1) > 0

    return Abilities(
        sums=right(_sums, after_equals),
        recall=right(_recall, of_repeated_names),
        one_step=right(_one_step_problem, after_equals),
        copying=right(_drill, lambda ids: ids == opens),
    )
