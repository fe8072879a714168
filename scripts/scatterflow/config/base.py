"""The base of all configuration models: unknown keys are refused with a suggestion."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from scatterflow.errors import suggestion

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_NAME = re.compile(NAME_PATTERN + r"\Z")


def check_name(name: str) -> str:
    """A name that is safe as a folder name, a wildcard and a NeXus group; raises ValueError."""
    if not _NAME.match(name) or ".." in name:
        shown = name if len(name) <= 40 else name[:40] + "..."
        raise ValueError(
            f"{shown!r} cannot be a name: use 1 to 64 of the characters A-Z a-z 0-9 _ . - "
            "and start with a letter or digit"
        )
    return name


def check_relative_path(path: str) -> str:
    """A path or pattern below a folder: not absolute, no `..`, no control characters."""
    if not path or path.startswith(("/", "~")) or ".." in path.split("/"):
        raise ValueError(f"{path!r} must be a path below the raw folder: not absolute, without '..'")
    if any(ord(character) < 32 for character in path) or len(path) > 500:
        raise ValueError("a path has no control characters and at most 500 characters")
    return path


Name = Annotated[str, AfterValidator(check_name)]
RelativePath = Annotated[str, AfterValidator(check_relative_path)]


class Model(BaseModel):
    """A part of the configuration: unknown keys refused with a suggestion, immutable once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for key, value in data.items():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key {key!r}: {suggestion(str(key), cls.model_fields)}")
            # YAML's yes/no/true would silently become 1 or 0 where a number is expected.
            if isinstance(value, bool) and "bool" not in str(cls.model_fields[key].annotation):
                raise ValueError(f"{key!r} is {value}, but no yes/no is expected here")
        return data
