"""What the models of the options share: no key is dropped, and yes is no number."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

#: Type of the error of pydantic about a boolean where something else belongs, which it would take for 1 or 0.
BOOLEAN = "no_boolean"


class Options(BaseModel):
    """A block of options in a config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_boolean(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise PydanticCustomError(BOOLEAN, "it is neither true nor false")
        return value
