"""Scheduled sampling: worked by hand, by its probabilities, and what its first forward may see and change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support.noise_batches import (
    EPOCH,
    PROMPT,
    SAMPLES,
    SEED,
    VOCABULARY,
    batch,
    run,
    tiny,
)
from support.noise_references import uniform
from torch import Tensor, nn
from transformers import (
    LlamaForCausalLM,
)

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.draws import Stream, token_keys
from axolotl_cotmask.masking.noise import Noised
from axolotl_cotmask.masking.noise.sampling import ScheduledSampling
from axolotl_cotmask.masking.sample_ids import sample_numbers


def test_scheduled_sampling_by_hand() -> None:
    """Six tokens, worked by hand: a model that knows only the token before, over the vocabulary {0, 1, 2, 3}."""
    after = torch.tensor(
        [
            [0.1, 0.2, 0.3, 0.4],
            [0.7, 0.1, 0.1, 0.1],
            [0.25, 0.25, 0.25, 0.25],
            [0.05, 0.05, 0.1, 0.8],
        ]
    )
    model = tiny(
        vocab_size=4, hidden_size=4, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1, rms_norm_eps=1e-12
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(4))
        # The norm makes the one-hot embedding of four components twice as long.
        model.lm_head.weight.copy_(after.log().T / 2)
    ids = torch.tensor([[2, 0, 3, 1, 1, 2]])
    keys = token_keys(ids[0])[None]
    uniforms = [uniform(key, Stream.SAMPLE) for key in keys[0].tolist()]
    assert [round(u, 3) for u in uniforms] == UNIFORMS
    where = Noised(torch.tensor([[True, True, True, False, True, True]]), keys, torch.zeros_like(ids), SEED, EPOCH)
    for tau, expected in BY_HAND.items():
        with ScheduledSampling(tau).applied(model, {"input_ids": ids}, where) as inputs:
            assert inputs["input_ids"].tolist() == [expected]


# One draw per place: 2 0 3 1 1 2, of which the fourth is clean and the first has nothing before it.
UNIFORMS = [0.181, 0.567, 0.305, 0.453, 0.692, 0.98]
BY_HAND = {
    # after 2: .25 .50 .75 passes .567 at 2;  after 0: .1 .3 .6 passes .305 at 2;  after 1: .7 passes .692 at 0;
    # after 1: .7 .8 .9 1 passes .98 at 3
    1.0: [2, 2, 2, 1, 0, 3],
    # The probabilities to the power of 10, for tau = 0.1: after 2 all alike; after 0: .4 has 0.94 and .3 has 0.05 of the
    # whole, so that .305 falls to 3; after 1: .7 has all but 1e-8 of it.
    0.1: [2, 2, 3, 1, 0, 0],
    # The roots, for tau = 2: after 0: .316 .447 .548 .632 of 1.944 are .163 .393 .. : 1;  after 1: .837 .316 .316 .316 of
    # 1.785 are .469 .646 .823 1: .692 falls to 2 and .98 to 3.
    2.0: [2, 2, 1, 1, 2, 3],
}


def test_scheduled_sampling_draws_by_the_tempered_probabilities() -> None:
    model, tau = tiny(), 3.0
    ids = torch.randint(4, 48, (2000, 2), generator=torch.Generator().manual_seed(0))
    # One token before, so that all places share one distribution.
    ids[:, 0] = 7
    keys = torch.arange(4000).reshape(2000, 2) * 7919 + 1
    selected = torch.tensor([False, True]).expand(2000, 2)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with ScheduledSampling(tau).applied(model, inputs, Noised(selected, keys, sample_numbers(inputs), 0, 0)) as result:
        counts = torch.bincount(result["input_ids"][:, 1], minlength=VOCABULARY)
    with torch.no_grad():
        expected = 2000 * (model(torch.tensor([[7]])).logits[0, 0] / tau).softmax(-1)
    assert ((counts - expected).abs() < 6 * expected**0.5 + 3).all()


def test_scheduled_sampling_never_looks_across_samples() -> None:
    for layout in ("right", "left", "packed"):
        data = batch(layout, ratio=1.0, prompt=0)
        ids, _, _ = run(ScheduledSampling(50.0), tiny(), data)
        for sample, (row, span) in zip(SAMPLES, data.spans, strict=True):
            assert data.noised.selected[row, span].all()
            assert ids[row, span][0] == sample[0], "no logits before the first token of a sample"
            assert (ids[row, span][1:] != sample[1:]).float().mean() > 0.5


def test_scheduled_sampling_takes_all_logits_where_it_has_to() -> None:
    class OldModel(LlamaForCausalLM):
        def forward(self, input_ids: Tensor, use_cache: bool, **inputs: Any) -> Any:  # type: ignore[override]
            return super().forward(input_ids=input_ids, use_cache=use_cache, **inputs)

    torch.manual_seed(0)
    data = batch("right")
    old, noise = OldModel(tiny().config), ScheduledSampling(1.0)
    new = LlamaForCausalLM(old.config)
    new.load_state_dict(old.state_dict())
    with noise.applied(old, data.inputs, data.noised) as first, noise.applied(new, data.inputs, data.noised) as second:
        assert torch.equal(first["input_ids"], second["input_ids"])
        assert not torch.equal(first["input_ids"], data.inputs["input_ids"])


def test_scheduled_sampling_runs_the_first_forward_in_evaluation_mode() -> None:
    model = get_peft_model(tiny(attention_dropout=0.5), LoraConfig(target_modules=["q_proj"], lora_dropout=0.5)).train()
    norm = model.get_base_model().model.norm.eval()
    data, state = batch("right", ratio=1.0), torch.get_rng_state()
    modes = {name: module.training for name, module in model.named_modules()}
    seen = []

    def look(module: nn.Module, arguments: Any, logits: Tensor) -> None:
        seen.append((norm.training, model.training, torch.is_grad_enabled(), logits.shape[1]))

    hook = model.get_base_model().lm_head.register_forward_hook(look)
    drawn = []
    for _ in range(2):
        with ScheduledSampling(1.0).applied(model, data.inputs, data.noised) as inputs:
            drawn.append(inputs["input_ids"])
            assert modes == {name: module.training for name, module in model.named_modules()}
    hook.remove()
    # Of the places 0 to 13 the last is before no token, and those before the last one of a prompt before no noised one.
    assert seen == [(False, False, False, 14 - PROMPT)] * 2
    assert torch.equal(*drawn), "no dropout"
    assert torch.equal(torch.get_rng_state(), state)


def test_scheduled_sampling_on_a_part_of_the_batch_stops() -> None:
    class Half(LlamaForCausalLM):
        def forward(self, input_ids: Tensor, **inputs: Any) -> Any:  # type: ignore[override]
            return super().forward(input_ids=input_ids[:, :7], use_cache=inputs["use_cache"])

    data = batch("right")
    with (
        pytest.raises(CoTMaskError, match=r"gave logits of shape \[3, 7\] for \[3, 14\] tokens"),
        ScheduledSampling(1.0).applied(Half(tiny().config), data.inputs, data.noised),
    ):
        pass
