"""Noises by their name: options, sentences for wrong ones, and noises of other packages."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support.noise_batches import (
    MASK,
    RANDOM_IDS,
    batch,
    tiny,
)
from torch import Tensor

from axolotl_cotmask.common.errors import CoTMaskError
from axolotl_cotmask.masking.noise import Noise, NoiseContext, build
from axolotl_cotmask.masking.noise.catalogue import BUILT_IN
from axolotl_cotmask.masking.noise.embeddings import EmbeddingDropout, UniformNoise
from axolotl_cotmask.masking.noise.sampling import ScheduledSampling
from axolotl_cotmask.masking.noise.tokens import TokenNoise

CONTEXT = NoiseContext(mask_token_id=MASK, random_ids=RANDOM_IDS)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("mask", {}, TokenNoise(1.0, MASK, RANDOM_IDS)),
        ("random", {}, TokenNoise(0.0, None, RANDOM_IDS)),
        ("dropout", {"q": 0.95}, EmbeddingDropout(0.95)),
        ("dropout", {"q": 1}, EmbeddingDropout(1.0)),
        ("uniform", {"alpha": 100}, UniformNoise(100.0)),
        ("scheduled_sampling", {"tau": 0.1}, ScheduledSampling(0.1)),
    ],
)
def test_builds_by_name(name: str, options: dict[str, Any], expected: Noise) -> None:
    assert build(name, options, CONTEXT) == expected


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("dropuot", {}, "cotmask.noise is dropuot: did you mean dropout?"),
        ("zzz", {}, f"cotmask.noise is zzz: the options are {', '.join(BUILT_IN)}"),
        ("dropout", {}, "cotmask.noise.dropout.q is missing: it is the probability that a component is dropped, give a number above 0 and up to 1"),
        ("dropout", {"q": 1.4}, "cotmask.noise.dropout.q is 1.4: it is the probability that a component is dropped, give a number above 0 and up to 1"),
        ("dropout", {"q": 0}, "cotmask.noise.dropout.q is 0: it is the probability that a component is dropped, give a number above 0 and up to 1"),
        ("dropout", {"q": True}, "cotmask.noise.dropout.q is True: it is the probability that a component is dropped, give a number above 0 and up to 1"),
        ("dropout", {"p": 0.5}, "cotmask.noise.dropout.p is not an option: the options are q"),
        ("uniform", {"alpha": "big"}, "cotmask.noise.uniform.alpha is big: it is the magnitude of the noise, give a number above 0"),
        ("uniform", {"alpha": math.inf}, "cotmask.noise.uniform.alpha is inf: it is the magnitude of the noise, give a number above 0"),
        ("uniform", {"alpha": 5, "alhpa": 5}, "cotmask.noise.uniform.alhpa is not an option: did you mean alpha?"),
        ("scheduled_sampling", {"tau": -1}, "cotmask.noise.scheduled_sampling.tau is -1: it is the temperature of the sampling, give a number above 0"),
        ("mask", {"q": 1}, "cotmask.noise.mask.q is not an option: mask takes none, leave it out"),
        ("random", {"m": 1}, "cotmask.noise.random.m is not an option: random takes none, leave it out"),
    ],
)  # fmt: skip
def test_wrong_names_and_options_meet_a_sentence(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CoTMaskError) as error:
        build(name, options, CONTEXT)
    assert str(error.value) == sentence


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with noises of its own."""
    (tmp_path / "silence.py").write_text(
        "from contextlib import nullcontext\n\n\n"
        "class Silence:\n"
        "    def __init__(self, options, context):\n"
        "        self.options, self.context = options, context\n\n"
        "    def applied(self, model, inputs, noised):\n"
        "        return nullcontext({**inputs, 'input_ids': inputs['input_ids'] * 0})\n"
    )
    metadata = tmp_path / "silence-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: silence\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[axolotl_cotmask.noises]\n"
        "silence = silence:Silence\nmask = silence:Silence\nbroken = silence_that_is_not_there:Noise\nname = silence:__name__\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("other_package")
def test_noises_of_other_packages() -> None:
    noise: Any = build("silence", {"depth": 3}, CONTEXT)
    assert noise.options == {"depth": 3}
    assert noise.context is CONTEXT
    data = batch("right")
    entered: AbstractContextManager[dict[str, Tensor]] = noise.applied(tiny(), data.inputs, data.noised)
    with entered as inputs:
        assert (inputs["input_ids"] == 0).all()
    with pytest.raises(CoTMaskError, match=r"^cotmask\.noise is silenec: did you mean silence\?$"):
        build("silenec", {}, CONTEXT)
    with pytest.raises(CoTMaskError, match=r"^the noise broken \(silence_that_is_not_there:Noise\) cannot .*anew$"):
        build("broken", {}, CONTEXT)
    with pytest.raises(CoTMaskError, match=r"^the noise name \(silence:__name__\) is a str: its entry point has to"):
        build("name", {}, CONTEXT)
    assert isinstance(build("mask", {}, CONTEXT), TokenNoise), "our names cannot be taken"
