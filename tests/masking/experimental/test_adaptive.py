"""The adaptive ratio: its law, how it settles, what it ignores, and that a real trainer's checkpoints keep it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainerState, TrainingArguments

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.draws import select_positions, token_keys
from axolotl_cotmask.masking.experimental.adaptive import STATE_KEY, AdaptiveRatios, AdaptiveState, loss_sums
from axolotl_cotmask.masking.experimental.config import AdaptiveConfig
from axolotl_cotmask.masking.schedule import MaskSchedule

CONFIG = AdaptiveConfig(target_gap=0.3, min_ratio=0.05, max_ratio=0.8)


def window(gap: float, noised: float = 40, clean: float = 60) -> list[float]:
    """The sums of an update with this gap."""
    return [(2 + gap) * noised, noised, 2.0 * clean, clean]


# The options.


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({}, "target_gap"),
        ({"target_gap": 0}, "greater than 0"),
        ({"target_gap": math.inf}, "finite"),
        ({"target_gap": 0.3, "rate": 0.3}, "less than or equal to 0.25"),
        ({"target_gap": 0.3, "max_ratio": 1}, "less than 1"),
        ({"target_gap": 0.3, "min_ratio": 0}, "greater than 0"),
        ({"target_gap": 0.3, "min_ratio": 0.8}, "min_ratio 0.8 is not below max_ratio 0.8: make it smaller"),
        ({"target_gap": 0.3, "speed": 1}, "speed"),
    ],
)
def test_wrong_options(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        AdaptiveConfig.model_validate(wrong)


def test_a_first_ratio_outside_of_the_bounds_says_so() -> None:
    with pytest.raises(CoTMaskError) as error:
        AdaptiveRatios(CONFIG, {"gsm8k": 0.4, "math": 0.9})
    assert str(error.value) == (
        "the mask_ratio of math is 0.9, outside of cotmask.adaptive's min_ratio 0.05 and max_ratio 0.8: move it in "
        "between, or give 0 to leave that data set unmasked"
    )


# The law.


def test_one_update_is_the_law() -> None:
    ratios = AdaptiveRatios(CONFIG, {"low": 0.4, "at": 0.4, "little": 0.4, "high": 0.4, "negative": 0.4})
    ratios.update([window(0.15), window(0.3), window(0.33), window(5.0), window(-1.0)])
    steps = [0.5, 0.0, -0.1, -1.0, 1.0]
    assert ratios.ratios == pytest.approx([0.4 * math.exp(0.02 * step) for step in steps])
    assert ratios.factors == pytest.approx([math.exp(0.02 * step) for step in steps])


def test_averages_are_weighted_by_tokens_and_forget() -> None:
    ratios = AdaptiveRatios(CONFIG, {"x": 0.4})
    ratios.update([window(0.1, noised=10)])
    ratios.update([window(0.7, noised=30)])
    kept = 1 - 4 * 0.02
    assert ratios.metrics()["cotmask/gap/x"] == pytest.approx((kept * 10 * 0.1 + 30 * 0.7) / (kept * 10 + 30))
    assert ratios.metrics()["cotmask/adaptive_updates/x"] == 2


def test_while_the_schedule_rises_only_the_averages_move() -> None:
    ratios = AdaptiveRatios(CONFIG, {"x": 0.4})
    ratios.update([window(0.1)], hold=True)
    assert ratios.metrics() == {
        "cotmask/adaptive_ratio/x": 0.4,
        "cotmask/adaptive_updates/x": 1,
        "cotmask/gap/x": pytest.approx(0.1),
    }


def test_a_data_set_at_zero_stays_there() -> None:
    ratios = AdaptiveRatios(CONFIG, {"plain": 0.0, "x": 0.4})
    for _ in range(3):
        ratios.update([window(0.1), window(0.1)])
    ratios.load_state_dict(ratios.state_dict())
    assert ratios.ratios[0] == 0 < 0.4 < ratios.ratios[1]
    assert ratios.factors[0] == 1


@pytest.mark.parametrize(
    "nothing",
    [
        [0, 0, 0, 0],
        [0, 0, 120.0, 60],
        [92.0, 40, 0, 0],
        [math.nan, 40, 120.0, 60],
        [92.0, 40, math.inf, 60],
        [-math.inf, 40, 120.0, 60],
        [92.0, math.nan, 120.0, 60],
    ],
)
def test_an_update_that_says_nothing_changes_nothing_for_its_data_set(nothing: list[float]) -> None:
    ratios = AdaptiveRatios(CONFIG, {"x": 0.4, "y": 0.4})
    ratios.update([window(0.1), window(0.1)])
    before = ratios.state_dict()["datasets"]
    ratios.update([nothing, window(0.1)])
    after = ratios.state_dict()["datasets"]
    assert after["x"] == before["x"]
    assert after["y"]["updates"] == 2


losses, counts = st.floats() | st.floats(0, 1e4), st.just(math.nan) | st.integers(0, 10**6).map(float)
windows = st.tuples(losses, counts, losses, counts)


@given(st.lists(st.tuples(windows, windows), max_size=20))
def test_whatever_comes_ratios_keep_their_bounds_and_their_pace(updates: list[Any]) -> None:
    ratios, twin = (AdaptiveRatios(CONFIG, {"x": 0.4, "y": 0.06}) for _ in range(2))
    for update in updates:
        before = ratios.ratios
        ratios.update(update)
        twin.update(update)
        for old, new in zip(before, ratios.ratios, strict=True):
            assert 0.05 <= new <= 0.8
            assert abs(math.log(new / old)) <= 0.02 + 1e-12
    assert ratios.state_dict() == twin.state_dict()
    json.dumps(ratios.state_dict(), allow_nan=False)


# How it settles: models whose gap is a known function of the ratio.

Gap = Callable[[float], float]


def simulate(
    gaps: dict[str, Gap], start: float, steps: int, noise: float = 0.0, tokens: int = 1000, config: Any = CONFIG
) -> np.ndarray:
    """Return ``[steps, datasets]`` ratios; ``noise`` is the standard deviation of the loss of one token."""
    ratios, rng = AdaptiveRatios(config, dict.fromkeys(gaps, start)), np.random.default_rng(0)
    path = []
    for _ in range(steps):
        update = []
        for gap, ratio in zip(gaps.values(), ratios.ratios, strict=True):
            noised = max(1, round(tokens * ratio))
            clean = tokens - noised
            loss_noised = 2 + gap(ratio) + noise * rng.normal() / math.sqrt(noised)
            loss_clean = 2 + noise * rng.normal() / math.sqrt(clean)
            update.append([loss_noised * noised, noised, loss_clean * clean, clean])
        ratios.update(update)
        path.append(ratios.ratios)
    return np.array(path)


# With the ratio at which each is 0.3.
GAPS: dict[str, Gap] = {"gsm8k": lambda p: 0.15 + 0.5 * p, "math": lambda p: 0.6 * math.sqrt(p)}
SETTLED = np.array([0.3, 0.25])


@pytest.mark.parametrize("start", [0.06, 0.75])
def test_each_data_set_settles_where_its_own_gap_is_the_target(start: float) -> None:
    path = simulate(GAPS, start, steps=1500)
    assert path[-1] == pytest.approx(SETTLED, rel=1e-3)
    # Straight there, from either side.
    steps = np.diff(path, axis=0) * (1 if start < 0.3 else -1)
    assert (steps > -1e-5).all()


@pytest.mark.parametrize("start", [0.06, 0.75])
@pytest.mark.parametrize("rate", [0.005, 0.02, 0.1, 0.25])
def test_a_gap_in_proportion_to_the_ratio_is_not_overshot_at_any_rate(start: float, rate: float) -> None:
    config = AdaptiveConfig(target_gap=0.3, rate=rate, min_ratio=0.05)
    path = simulate({"x": lambda p: p}, start, steps=round(20 / rate), config=config)
    # To one hundredth; the number of noised tokens is whole, and so a little off.
    assert path[-1] == pytest.approx(0.3, rel=0.01)
    assert (path < 0.303).all() if start < 0.3 else (path > 0.297).all()


def test_noise_does_not_make_it_swing() -> None:
    # The gap of one update is off by about 0.1, a third of the target.
    late = simulate(GAPS, 0.4, steps=4000, noise=1.5)[1000:]
    assert late.mean(0) == pytest.approx(SETTLED, rel=0.05)
    assert (np.log(late).std(0) < 0.12).all()
    # A swing would show as a negative correlation at half its period, within some averaging times of 12.5 updates.
    for column in np.log(late).T - np.log(late).mean(0)[:, None]:
        assert all((column[lag:] * column[:-lag]).mean() > -0.2 * column.var() for lag in range(1, 150))


def test_a_target_out_of_reach_ends_at_the_bound_and_comes_back() -> None:
    ratios = AdaptiveRatios(CONFIG, {"high": 0.4, "low": 0.4})
    for _ in range(2000):
        ratios.update([window(5.0), window(0.01)])
    assert ratios.ratios == [0.05, 0.8]
    # Nothing was wound up at the bound: as soon as the averages have turned the ratios do.
    for _ in range(60):
        ratios.update([window(0.01), window(5.0)])
    assert ratios.ratios[0] > 0.05
    assert ratios.ratios[1] < 0.8


def test_a_gap_that_falls_when_the_ratio_rises_ends_at_a_bound() -> None:
    # Known and documented: which bound depends on the side from which it began.
    falling: dict[str, Gap] = {"x": lambda p: 0.7 - p}
    assert simulate(falling, 0.35, steps=1500)[-1] == 0.05
    assert simulate(falling, 0.45, steps=1500)[-1] == 0.8


# The state.


def test_a_state_through_json_goes_on_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    updates = [[window(float(rng.normal(0.3, 0.2))) for _ in range(2)] for _ in range(60)]
    whole, first = (AdaptiveRatios(CONFIG, {"x": 0.4, "y": 0.1}) for _ in range(2))
    for update in updates:
        whole.update(update)
    for update in updates[:25]:
        first.update(update)
    # The order of the data sets is the config's.
    resumed = AdaptiveRatios(CONFIG, {"y": 0.1, "x": 0.4})
    resumed.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert resumed.ratios == first.ratios[::-1]
    for update in updates[25:]:
        resumed.update(update[::-1])
    assert resumed.state_dict()["datasets"] == whole.state_dict()["datasets"]


def test_loaded_ratios_keep_the_present_bounds() -> None:
    saved = AdaptiveRatios(CONFIG, {"x": 0.7}).state_dict()
    ratios = AdaptiveRatios(AdaptiveConfig(target_gap=0.3, max_ratio=0.5), {"x": 0.4})
    ratios.load_state_dict(saved)
    assert ratios.ratios == [0.5]


def test_a_state_is_not_touched_by_what_follows() -> None:
    ratios = AdaptiveRatios(CONFIG, {"x": 0.4})
    saved = ratios.state_dict()
    text = json.dumps(saved)
    ratios.load_state_dict(saved)
    ratios.update([window(0.1)])
    assert json.dumps(saved) == text


def test_a_state_of_other_data_sets_or_of_another_format_says_so() -> None:
    ratios = AdaptiveRatios(CONFIG, {"gsm8k": 0.4, "math": 0.2})
    with pytest.raises(CoTMaskError) as error:
        ratios.load_state_dict(AdaptiveRatios(CONFIG, {"gsm8k": 0.4}).state_dict())
    assert str(error.value) == (
        "the checkpoint holds adaptive mask ratios for the data sets gsm8k, and the config has gsm8k, math: resume "
        "with the data sets of the checkpoint, or begin a new run"
    )
    with pytest.raises(CoTMaskError, match="in format 9, and this version of axolotl-cotmask reads format 1: resume"):
        ratios.load_state_dict(ratios.state_dict() | {"format": 9})


# The sums.


def test_loss_sums_against_plain_loops_and_over_parts() -> None:
    generator = torch.Generator().manual_seed(0)
    loss = torch.rand(500, generator=generator) * 5
    kind = torch.randint(0, 3, (500,), generator=generator)
    # -1: padding.
    dataset = torch.randint(-1, 3, (500,), generator=generator)
    expected = torch.zeros(3, 4)
    for i in range(500):
        if dataset[i] >= 0 and kind[i] < 2:
            expected[dataset[i], 2 * kind[i]] += loss[i]
            expected[dataset[i], 2 * kind[i] + 1] += 1
    got = loss_sums(loss, kind == 0, kind == 1, dataset, 3)
    torch.testing.assert_close(got, expected)
    parts = [loss_sums(loss[p], (kind == 0)[p], (kind == 1)[p], dataset[p], 3) for p in (slice(200), slice(200, 500))]
    torch.testing.assert_close(sum(parts), got)


def test_a_loss_that_is_not_finite_stays_in_its_data_set() -> None:
    loss = torch.tensor([1.0, math.nan, 2.0, 3.0, math.inf])
    noised = torch.tensor([True, True, True, False, False])
    clean = torch.tensor([False, False, False, True, False])
    sums = loss_sums(loss, noised, clean, torch.tensor([0, 1, 0, 0, 0]), 2)
    assert sums[0].tolist() == [3.0, 2.0, 3.0, 1.0]
    assert sums[1, 0].isnan()


# In a real trainer.

VOCABULARY, MASK_ID, START = 24, 23, {"x": 0.3, "y": 0.5}


class Rows(torch.utils.data.Dataset):
    """Rows of two data sets: one whose next token is the last one plus 1, one of noise."""

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        ids = (torch.arange(24) + index) % 20 if index % 2 else torch.randint(0, 20, (24,), generator=generator)
        return {"input_ids": ids, "labels": ids.clone(), "dataset": torch.full((24,), index % 2)}


class MaskingTrainer(Trainer):
    """As little as masks by the ratios and feeds them."""

    ratios: AdaptiveRatios
    schedule = MaskSchedule(1.0, 0.2)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        ids, labels, dataset = inputs["input_ids"], inputs["labels"], inputs["dataset"]
        weight = torch.tensor(self.ratios.ratios)[dataset]
        keys = torch.stack([token_keys(row) for row in ids])
        share = self.schedule.share(self.state.global_step, self.state.max_steps)
        selected = select_positions(weight, keys, ratio=share, seed=0, epoch=self.state.global_step)
        logits = model(input_ids=torch.where(selected, MASK_ID, ids)).logits[:, :-1]
        loss = functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="none")
        noised = selected[:, :-1].flatten()
        self.sums = self.sums + loss_sums(loss.detach(), noised, ~noised, dataset[:, :-1].flatten(), 2)
        return loss.mean()

    def take_sums(self) -> torch.Tensor:
        sums, self.sums = self.accelerator.reduce(self.sums, "sum"), torch.zeros(2, 4)
        return sums


class Watch(TrainerCallback):
    """Notes the ratios after each step, and ends the process, so to say, at step ``dies``."""

    def __init__(self, ratios: AdaptiveRatios, dies: int | None) -> None:
        self.ratios, self.dies, self.seen = ratios, dies, {}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.dies:
            raise KeyboardInterrupt
        self.seen[state.global_step] = self.ratios.ratios


def train(
    output: Path,
    dies: int | None = None,
    resume: Path | None = None,
    start: dict[str, float] = START,
    adaptive: bool = True,
    **arguments: Any,
) -> dict[int, list[float]]:
    """Return the ratios after each step."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                    num_attention_heads=2, num_key_value_heads=2)
    )  # fmt: skip
    trainer = MaskingTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(output), max_steps=12, per_device_train_batch_size=4, gradient_accumulation_steps=2,
            learning_rate=1e-2, save_steps=5, report_to=[], disable_tqdm=True, use_cpu=True, seed=0,
            remove_unused_columns=False, **arguments,
        ),
        train_dataset=Rows(),
    )  # fmt: skip
    trainer.ratios, trainer.sums = AdaptiveRatios(AdaptiveConfig(target_gap=0.3), start), torch.zeros(len(start), 4)
    if adaptive:
        trainer.add_callback(AdaptiveState(trainer.ratios, trainer.schedule, trainer.take_sums))
    watch = Watch(trainer.ratios, dies)
    trainer.add_callback(watch)
    if dies is None:
        trainer.train(resume_from_checkpoint=resume and str(resume))
    else:
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
    return watch.seen


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint after 5 steps of a run that ended in the middle of its eighth."""
    output = tmp_path_factory.mktemp("killed")
    train(output, dies=8)
    return output / "checkpoint-5"


def test_ratios_move_once_the_schedule_has_risen(tmp_path: Path) -> None:
    seen = train(tmp_path)
    # The warm-up is 0.2 * 12 + 1 = 3.4 steps long: the updates after 0, 1, 2 and 3 steps are in it.
    assert [seen[step] for step in range(1, 5)] == [[0.3, 0.5]] * 4
    assert all(a != b for step in range(4, 12) for a, b in zip(seen[step], seen[step + 1], strict=True))
    # With the run's end in it, beside the model.
    saved = json.loads((tmp_path / "checkpoint-12" / "trainer_state.json").read_text())["stateful_callbacks"]
    assert [dataset["ratio"] for dataset in saved[STATE_KEY]["datasets"].values()] == seen[12]


@pytest.mark.parametrize("restores_callbacks", [False, True])
def test_a_killed_run_goes_on_with_the_same_ratios(killed: Path, tmp_path: Path, restores_callbacks: bool) -> None:
    whole = train(tmp_path / "whole")
    resumed = train(tmp_path / "resumed", resume=killed, restore_callback_states_from_checkpoint=restores_callbacks)
    assert resumed == {step: ratios for step, ratios in whole.items() if step > 5}


def test_a_new_attempt_in_the_same_process_begins_anew(tmp_path: Path) -> None:
    ratios = AdaptiveRatios(CONFIG, START)
    callback = AdaptiveState(ratios, MaskSchedule(1.0, 0), lambda: torch.tensor([window(0.1), window(0.1)]))
    first = _attempt(callback, ratios)
    assert first[0] > START["x"]
    assert _attempt(callback, ratios) == first


def _attempt(callback: AdaptiveState, ratios: AdaptiveRatios) -> list[float]:
    state = TrainerState(max_steps=3)
    callback.on_train_begin(None, state, None)
    for _ in range(3):
        state.global_step += 1
        callback.on_step_end(None, state, None)
    return ratios.ratios


def test_a_checkpoint_without_ratios_or_of_other_data_sets_stops(killed: Path, tmp_path: Path) -> None:
    with pytest.raises(CoTMaskError, match="for the data sets x, y, and the config has x, z: resume with"):
        train(tmp_path, resume=killed, start={"x": 0.3, "z": 0.5})
    train(tmp_path / "fixed", dies=6, adaptive=False)
    with pytest.raises(CoTMaskError, match=r"saved by a run without cotmask.adaptive: take cotmask.adaptive out, or"):
        train(tmp_path, resume=tmp_path / "fixed" / "checkpoint-5")
