"""What a YAML of the laptop's plans says: laptop.yaml, demo.yaml, tiny.yaml, or a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from axolotl_cotmask.common.errors import CoTMaskError, closest
from axolotl_cotmask.reproduction.recipes import parse_yaml, recipe_path

BaseName = Literal["copying", "plain"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Data(_Settings):
    seed: int
    train_rows: PositiveInt
    test_rows: PositiveInt


class _Training(_Settings):
    steps: PositiveInt
    learning_rate: PositiveFloat = Field(allow_inf_nan=False)


class _Base(_Training):
    drills: bool


class _TinySettings(_Settings):
    """As the comments in laptop.yaml say; what is run is the rows of a table, whatever ``runs`` there is."""

    data: _Data
    common: _Training
    bases: dict[BaseName, _Base]
    steps: PositiveInt
    tasks: list[Literal["cotmask_gsm8k", "cotmask_gsm_ic", "cotmask_corrupted_step"]] = Field(min_length=1)
    runs: Any = None
    dependency_rows: PositiveInt | None = None


class _PlanSettings(_TinySettings):
    """With what is run, and measured beside its scores."""

    runs: Annotated[dict[BaseName, Annotated[dict[str, PositiveInt], Field(min_length=1)]], Field(min_length=1)]
    dependency_rows: PositiveInt


def settings_path(name: str) -> Path:
    """Return where a YAML lies; ``name`` is its name beside this module, or its path."""
    return Path(name) if Path(name).suffix else Path(__file__).with_name(f"{name}.yaml")


def read_settings(name: str, *, runs: bool) -> dict[str, Any]:
    """Return the settings of a YAML.

    Args:
        name: as for `settings_path`.
        runs: whether it has to say what is run.

    Raises:
        CoTMaskError: it is no YAML, a key is missing, unknown or of a wrong value, or a base or recipe is not there.
    """
    path = settings_path(name)
    settings: dict[str, Any] = parse_yaml(path.read_bytes(), str(path))
    try:
        (_PlanSettings if runs else _TinySettings).model_validate(settings)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(str(part) for part in detail["loc"] if part != "[key]")
        message = f"{detail['msg'][0].lower()}{detail['msg'][1:]}"
        example = f"`axolotl-cotmask repro laptop` runs {settings_path('laptop')}, which is an example"
        raise CoTMaskError(f"{path}: {key or 'the file'}: {message}; {example}") from error
    for base, recipes in settings["runs"].items() if runs else ():
        if base not in settings["bases"]:
            raise CoTMaskError(f"{path}: runs.{base}: bases has no {base}: add it, or leave out its runs")
        for recipe in recipes:
            if not recipe_path(f"laptop/{recipe}").is_file():
                known = sorted(file.stem for file in recipe_path("laptop/sft").parent.glob("*.yaml"))
                raise CoTMaskError(f"{path}: runs.{base}: no recipe is named {recipe}{closest(recipe, known)}")
    return settings
