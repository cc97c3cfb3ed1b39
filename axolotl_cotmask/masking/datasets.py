"""What a config masks in each of its data sets: the `cotmask:` block, and what an entry of `datasets:` says instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from axolotl_cotmask.common.errors import Key
from axolotl_cotmask.masking.config import CoTMaskConfig, NoiseSpec, parse_noise
from axolotl_cotmask.masking.experimental.selectors import EVERY_TOKEN
from axolotl_cotmask.masking.marks import Marking
from axolotl_cotmask.masking.mask_token import base_token_ids, mask_token_id
from axolotl_cotmask.masking.noise import Noise, NoiseContext, build
from axolotl_cotmask.masking.noise.tokens import TokenNoise

#: Key of an entry that holds its `Marking` as plain data: there once the plugin was registered.
PREPARED_AS = "cotmask"


def dataset_entries(cfg: Mapping[str, Any]) -> list[tuple[Key, Any]]:
    """Return (place in the config, entry) for every data set, such as ``(("datasets", 0), {...})``."""
    return [
        ((key, index), entry)
        for key in ("datasets", "test_datasets")
        for index, entry in enumerate(_list(cfg.get(key)))
        if isinstance(entry, Mapping)
    ]


def _list(value: Any) -> list[Any]:
    # What is none is refused by its name, see `axolotl_cotmask.training.faults`.
    return value if isinstance(value, list) else []


def marking_of(entry: Mapping[str, Any]) -> Marking:
    """Return how an entry's data are marked, from what `RunMasking.describe` put into it."""
    return Marking(**{name: entry[PREPARED_AS][name] for name in Marking.__dataclass_fields__})


@dataclass(frozen=True)
class DatasetMasking:
    """The masking of one data set: its p_max, which of its tokens, and with what. ``name`` is unique in the run."""

    name: str
    ratio: float
    select: str
    noise: NoiseSpec


class RunMasking:
    """The masking of each data set of a run, in the order of its entries."""

    def __init__(self, config: CoTMaskConfig, entries: Iterable[Mapping[str, Any]] | None) -> None:
        """Read the entries.

        Args:
            config: the ``cotmask:`` block.
            entries: of ``datasets:`` (or of ``test_datasets:``), as they were written or validated.

        Raises:
            ValueError: an entry's ``noise`` has no known form.
        """
        self.config = config
        self.datasets: list[DatasetMasking] = []
        for entry in entries or ():
            self.datasets.append(self._dataset(entry))

    def _dataset(self, entry: Mapping[str, Any]) -> DatasetMasking:
        name = str(entry.get("path"))
        if any(other.name == name for other in self.datasets):
            name = f"{name}#{len(self.datasets)}"
        ratio, noise = entry.get("mask_ratio"), entry.get("noise")
        return DatasetMasking(
            name=name,
            ratio=self.config.mask_ratio if ratio is None or not self.config.mask_ratio else float(ratio),
            select=entry.get("select") or self.config.select,
            noise=parse_noise(self.config.noise if noise is None else noise),
        )

    @property
    def uses_mask_token(self) -> bool:
        """Whether any noise of the run masks with a token; not when ``mask_ratio`` is 0."""
        noises = [dataset.noise for dataset in self.datasets] or [parse_noise(self.config.noise)]
        return self.config.mask_ratio > 0 and any(noise.mask_share > 0 for noise in noises)

    @property
    def has_units(self) -> bool:
        """Whether some tokens share their draw, so that the prepared data needs the column ``mask_unit``."""
        return any(dataset.select != EVERY_TOKEN for dataset in self.datasets)

    @property
    def tells_datasets_apart(self) -> bool:
        """Whether the step has to know a token's data set, so that it needs the column ``mask_group``."""
        noises = [dataset.noise for dataset in self.datasets]
        return any(noise != noises[0] for noise in noises)

    def describe(self, number: int, sha256: str | None, *, trains: bool) -> dict[str, Any]:
        """Return the `Marking` of data set ``number``, from 0, as plain data.

        Schedule and noise stay out of it: changing them must not prepare the data again.

        Args:
            number: its place among the entries.
            sha256: of its files.
            trains: whether it is trained on; evaluation never masks, so that its rows may be what they are.
        """
        dataset = self.datasets[number]
        masks = trains and dataset.ratio > 0
        marking = Marking(
            weight=dataset.ratio / self.config.mask_ratio if self.config.mask_ratio else 1.0,
            sha256=sha256,
            scope=self.config.scope if masks else "target",
            select=dataset.select if self.has_units else None,
            group=number if self.tells_datasets_apart else None,
        )
        return asdict(marking)

    def noises(self, tokenizer: Any) -> list[Noise]:
        """Return the noise of each data set, in the ids of ``tokenizer``; one object for all with the same noise.

        Raises:
            CoTMaskError: a noise is not known or has wrong options, or the tokenizer lacks the mask token.
        """
        has_token = self.uses_mask_token or self.config.mask_token is not None
        context = NoiseContext(
            mask_token_id=mask_token_id(tokenizer, self.config) if has_token else None,
            random_ids=base_token_ids(tokenizer),
        )
        if self.config.mask_ratio == 0:
            # Plain SFT: whatever the noise is, it has nothing to do, and maybe no token.
            return [TokenNoise(0.0, None, context.random_ids)] * len(self.datasets)
        built: list[tuple[NoiseSpec, Noise]] = []
        for dataset in self.datasets:
            if all(spec != dataset.noise for spec, _ in built):
                built.append((dataset.noise, _build(dataset.noise, context)))
        return [next(noise for spec, noise in built if spec == dataset.noise) for dataset in self.datasets]


def _build(spec: NoiseSpec, context: NoiseContext) -> Noise:
    if spec.name is None:
        return TokenNoise(spec.mask_share, context.mask_token_id, context.random_ids)
    return build(spec.name, spec.options, context)
