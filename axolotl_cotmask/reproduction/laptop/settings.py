"""What a YAML of the laptop's plans says: laptop.yaml, demo.yaml, tiny.yaml, or a user's own."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from axolotl_cotmask.common.errors import CoTMaskError, closest, reason
from axolotl_cotmask.reproduction.laptop.bases import find_base
from axolotl_cotmask.reproduction.recipes import load_recipe, parse_yaml, recipe_path

T = TypeVar("T")


def _each_once(items: list[T]) -> list[T]:
    if len(set(items)) < len(items):
        raise ValueError("something is named twice")
    return items


_List = Annotated[list[T], Field(min_length=1), AfterValidator(_each_once)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ChainSettings(_Settings):
    """An arm whose data are made of samples of another one's model: rft for SFT, or preference pairs of a rule for DPO.

    ``source`` is that arm (``from`` in the YAML), ``arm`` the recipe that is trained on the data, for so many ``steps``
    instead of its own.
    """

    source: str = Field(alias="from")
    augment: Literal["rft", "cot", "answer", "wrong"]
    arm: str
    steps: PositiveInt | None = None


class Group(_Settings):
    """Runs that are compared: every arm from every base on every set of problems.

    ``bases`` are names from `bases.BASES`, ``problems`` the seeds of the sets, ``arms`` the recipes of recipes/laptop;
    if not ``crossed`` each base has only the set in its place. ``steps`` are for all arms, instead of a recipe's own.
    With ``curve`` every checkpoint is scored, a tenth of the steps apart (the paper's Fig. 2). ``chains`` are further
    arms by name, made of ``samples`` answers to each of ``questions`` further problems.
    """

    bases: _List[str]
    problems: _List[NonNegativeInt]
    arms: _List[str]
    train_rows: PositiveInt
    crossed: bool = True
    steps: PositiveInt | None = None
    curve: bool = False
    chains: dict[str, ChainSettings] = {}
    questions: PositiveInt = 1000
    samples: PositiveInt = 10

    @model_validator(mode="after")
    def _each_base_has_a_set(self) -> Group:
        if not self.crossed and len(self.bases) != len(self.problems):
            raise ValueError(
                f"crossed: false gives each base a set of its own, but there are {len(self.bases)} bases and "
                f"{len(self.problems)} problems: name as many"
            )
        return self

    def pairs(self) -> list[tuple[int, str]]:
        """Return the pairs of a set of problems and a base that every arm is run on."""
        if self.crossed:
            # Sets that are added later do not change what a seed stands for.
            return list(product(self.problems, self.bases))
        return list(zip(self.problems, self.bases, strict=True))


class _Common(_Settings):
    test_rows: PositiveInt
    tasks: _List[Literal["cotmask_gsm8k", "cotmask_gsm_ic", "cotmask_corrupted_step"]]


class TinySettings(_Common):
    """The size of the tiny version of a plan, whose rows say what is masked: seed N is trained on problems N."""

    base: str
    train_rows: PositiveInt
    steps: PositiveInt


class PlanSettings(_Common):
    """What is run, by the name of the group; and on how many test problems the dependency is measured, if it is."""

    groups: Annotated[dict[str, Group], Field(min_length=1)]
    dependency_rows: PositiveInt | None = None


S = TypeVar("S", bound=_Common)


def settings_path(name: str) -> Path:
    """Return where a YAML lies; ``name`` is its name beside this module, or its path."""
    return Path(name) if Path(name).suffix else Path(__file__).with_name(f"{name}.yaml")


def is_settings(content: Any) -> bool:
    """Tell whether the content of a YAML is that of a plan of the laptop, and no recipe."""
    return isinstance(content, dict) and "groups" in content


def read_settings(name: str, kind: type[S]) -> S:
    """Return the settings of a YAML.

    Args:
        name: as for `settings_path`.
        kind: of a plan, or of the tiny version of one.

    Raises:
        CoTMaskError: it is no YAML, a key is missing, unknown or of a wrong value, or a base or recipe is not there.
    """
    path = settings_path(name)
    try:
        settings = kind.model_validate(parse_yaml(path.read_bytes(), str(path)))
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"] if part != "[key]")
        example = f"`axolotl-cotmask repro laptop` runs {settings_path('laptop')}, which is an example"
        raise CoTMaskError(f"{path}: {key or 'the file'}: {reason(detail)}; {example}") from error
    for place, base in _bases(settings):
        try:
            find_base(base)
        except CoTMaskError as error:
            raise CoTMaskError(f"{path}: {place}: {error}") from error
    for place, group in settings.groups.items() if isinstance(settings, PlanSettings) else ():
        _check_arms(f"{path}: groups.{place}", group)
    return settings


def _check_arms(place: str, group: Group) -> None:
    known = sorted(file.stem for file in recipe_path("laptop/sft").parent.glob("*.yaml"))
    for arm in group.arms:
        if arm not in known:
            raise CoTMaskError(f"{place}.arms: no recipe is named {arm}{closest(arm, known)}")
    for name, chain in group.chains.items():
        if chain.arm not in known:
            raise CoTMaskError(f"{place}.chains.{name}.arm: no recipe is named {chain.arm}{closest(chain.arm, known)}")
        if chain.source not in group.arms:
            known_here = closest(chain.source, group.arms)
            raise CoTMaskError(f"{place}.chains.{name}.from: {chain.source} is none of the group's arms{known_here}")
        if name in group.arms:
            raise CoTMaskError(f"{place}.chains.{name}: an arm has this name: give it another")
        if (chain.augment == "rft") == ("rl" in load_recipe(f"laptop/{chain.arm}")):
            wanted = "one without rl:" if chain.augment == "rft" else "one with rl: dpo, such as dpo"
            raise CoTMaskError(f"{place}.chains.{name}.arm: {chain.arm} does not train on such data: name {wanted}")


def _bases(settings: _Common) -> list[tuple[str, str]]:
    """Return the bases that settings name, each with its key."""
    if isinstance(settings, TinySettings):
        return [("base", settings.base)]
    assert isinstance(settings, PlanSettings)
    return [(f"groups.{name}.bases", base) for name, group in settings.groups.items() for base in group.bases]
