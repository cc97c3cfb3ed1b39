"""The logged sums against plain loops, and the stop when nothing is masked."""

from __future__ import annotations

import math

import pytest
import torch

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.metrics import Totals, summarise, token_losses

BATCH, SEQ, VOCABULARY = 3, 700, 11
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(BATCH, SEQ, VOCABULARY, generator=GENERATOR)
LABELS = torch.where(
    torch.rand(BATCH, SEQ, generator=GENERATOR) < 0.4,
    -100,
    torch.randint(0, VOCABULARY, (BATCH, SEQ), generator=GENERATOR),
)
WEIGHT = (LABELS != -100).float() * 0.5
SELECTED = (torch.rand(BATCH, SEQ, generator=GENERATOR) < 0.3) & (WEIGHT > 0)
PREDICTS = torch.nn.functional.pad(LABELS[:, 1:], (0, 1), value=-100) != -100
FIRST = torch.ones_like(SELECTED)


def totals() -> Totals:
    sums = Totals.zero(torch.device("cpu"))
    sums.count(0.4, WEIGHT, FIRST, SELECTED, LABELS)
    sums.count_losses(token_losses(LOGITS, LABELS), PREDICTS, SELECTED)
    return sums


def test_losses_are_those_of_plain_loops() -> None:
    sums = {True: [0.0, 0], False: [0.0, 0]}
    for row in range(BATCH):
        for i in range(SEQ - 1):
            label = int(LABELS[row, i + 1])
            if label == -100:
                continue
            logits = LOGITS[row, i].tolist()
            loss = math.log(sum(math.exp(x) for x in logits)) - logits[label]
            part = sums[bool(SELECTED[row, i])]
            part[0] += loss
            part[1] += 1
    metrics = summarise(totals().stacked(), 0.4, 1)
    assert metrics["cotmask/loss_noised"] == pytest.approx(sums[True][0] / sums[True][1], rel=1e-5)
    assert metrics["cotmask/loss_clean"] == pytest.approx(sums[False][0] / sums[False][1], rel=1e-5)
    assert metrics["cotmask/realised_ratio"] == pytest.approx(int(SELECTED.sum()) / int((WEIGHT > 0).sum()))
    assert metrics["cotmask/maskable_share"] == pytest.approx(int((WEIGHT > 0).sum()) / WEIGHT.numel())
    assert metrics["cotmask/scheduled_ratio"] == 0.4


def test_sums_add_up_over_batches_and_processes() -> None:
    once, twice = totals().stacked(), Totals.zero(torch.device("cpu"))
    for _ in range(2):
        twice.count(0.4, WEIGHT, FIRST, SELECTED, LABELS)
        twice.count_losses(token_losses(LOGITS, LABELS), PREDICTS, SELECTED)
    torch.testing.assert_close(twice.stacked(), 2 * once)
    assert summarise(2 * once, 0.4, 1) == pytest.approx(summarise(once, 0.4, 1))


def test_without_logits_the_ratios_remain() -> None:
    sums = Totals.zero(torch.device("cpu"))
    sums.count(0.4, WEIGHT, FIRST, SELECTED, LABELS)
    names = {"scheduled_ratio", "realised_ratio", "maskable_share"}
    assert summarise(sums.stacked(), 0.4, 1).keys() == {f"cotmask/{name}" for name in names}


def test_masking_that_does_not_happen_stops() -> None:
    nothing = Totals.zero(torch.device("cpu"))
    nothing.count(0.4, WEIGHT, FIRST, torch.zeros_like(SELECTED), LABELS)
    with pytest.raises(CoTMaskError, match=r"up to step 7 about \d+ tokens should have been masked and none was"):
        summarise(nothing.stacked(), 0.4, 7)
    no_marks = Totals.zero(torch.device("cpu"))
    no_marks.count(0.4, torch.zeros_like(WEIGHT), FIRST, torch.zeros_like(SELECTED), LABELS)
    with pytest.raises(CoTMaskError, match="up to step 7 no token was maskable"):
        summarise(no_marks.stacked(), 0.4, 7)
    assert summarise(no_marks.stacked(), 0.4, 7, certain=False)["cotmask/maskable_share"] == 0


def test_a_step_that_may_well_mask_nothing_goes_on() -> None:
    few = Totals.zero(torch.device("cpu"))
    few.count(0.01, WEIGHT, FIRST, torch.zeros_like(SELECTED), LABELS)
    assert summarise(few.stacked(), 0.01, 1)["cotmask/realised_ratio"] == 0
    before_warm_up = Totals.zero(torch.device("cpu"))
    before_warm_up.count(0.0, WEIGHT, FIRST, torch.zeros_like(SELECTED), LABELS)
    assert summarise(before_warm_up.stacked(), 0.0, 1)["cotmask/realised_ratio"] == 0
