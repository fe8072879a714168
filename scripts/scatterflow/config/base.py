"""The base of all configuration models, and the kinds of text and number that they share.

Unknown keys are refused with a suggestion, and nothing is converted silently: `yes` is no number,
`"5"` is no number, 2.0 is no count. The one exception are `1e-10` and `1.0e5`, which YAML 1.1 reads as text
although everybody means the number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from scatterflow.errors import shortened, suggestion
from scatterflow.names import NAME_LENGTH as NAME_LENGTH
from scatterflow.names import NAME_PATTERN, check_name

# Stands for the detector in the names of integrations that join several; no detector is called so.
MERGED = "merged"
_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]{1,3}\Z")
_LONGEST_PATH = 500
_LONGEST_TEXT = 10_000


def check_text(text: str) -> str:
    """Text that every file format can hold: no control characters but line ends and tabs."""
    if any(not character.isprintable() and character not in "\n\t" for character in text):
        raise ValueError(f"{shortened(text)} contains control characters: remove them")
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"text of {len(text)} characters; at most {_LONGEST_TEXT} are allowed")
    return text


def check_path(path: str) -> str:
    """A path of the user's choice: not empty, printable, not too long; raises ValueError."""
    if not path.strip():
        raise ValueError("a path is empty: give one, or leave the key out")
    if not path.isprintable() or len(path) > _LONGEST_PATH:
        raise ValueError(
            f"{shortened(path)} cannot be a path: no control characters, "
            f"at most {_LONGEST_PATH} characters"
        )
    return path


def check_relative_path(path: str) -> str:
    """A path or pattern below a folder: not absolute, no `..`, no control characters."""
    if path.startswith(("/", "~")) or ".." in path.split("/"):
        raise ValueError(
            f"{shortened(path)} must be a path below the raw folder: not absolute, without '..'"
        )
    return check_path(path)


def refuse_alike(names: Iterable[str], what: str) -> None:
    """Raise ValueError for names that differ in case only: some file systems hold them for one."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            first = seen[name.lower()]
            raise ValueError(f"{what} {first!r} and {name!r} differ in case only: rename one")
        seen[name.lower()] = name


def refuse_truth_value(value: Any) -> Any:
    """Stop yes and no where Python takes them for 1 and 0; raises ValueError."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, got {value}")
    return value


def _exponent(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _EXPONENT.match(value) else value


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def on_or_off(value: Any) -> Any:
    """on and off, which YAML reads as true and false, as the words that were written."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def check_limits(minimum: float | None, maximum: float | None) -> None:
    """Raise ValueError unless limits ascend; None: there is none."""
    if minimum is not None and maximum is not None and not minimum < maximum:
        raise ValueError(f"minimum ({minimum:g}) must be below maximum ({maximum:g})")


def _check_edges(edges: list[float]) -> list[float]:
    for low, high in pairwise(edges):
        if not low < high:
            raise ValueError(f"edges must ascend, got {low:g} before {high:g}")
    return edges


Exponent = BeforeValidator(_exponent)  # stands last, so that limits act on the number
Number = Annotated[float, Exponent]
Positive = Annotated[float, Field(gt=0), Exponent]
Name = Annotated[
    str,
    AfterValidator(check_name),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"}),
]
Text = Annotated[str, AfterValidator(check_text)]
_PATH_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1, "format": "path"})
FilePath = Annotated[str, AfterValidator(check_path), _PATH_SCHEMA]
RelativePath = Annotated[str, AfterValidator(check_relative_path), _PATH_SCHEMA]
Edges = Annotated[list[Number], Field(min_length=2), AfterValidator(_check_edges)]
AsTuple = BeforeValidator(_as_tuple)  # YAML has lists only
Pair = Annotated[tuple[Number, Number], AsTuple]


class Model(BaseModel):
    """A part of the configuration: unknown keys refused with a suggestion, immutable once read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        # A model is built with the one that holds it, not once more by itself.
        defer_build=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for key in data:
            if key not in cls.model_fields:
                raise ValueError(
                    f"unknown key {shortened(key)}: {suggestion(str(key), cls.model_fields)}"
                )
        return data
