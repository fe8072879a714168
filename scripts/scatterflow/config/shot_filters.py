"""`reductions.NAME.filters`, `variables` (technique `shots`) - which shots count, and what is computed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from scatterflow.config.base import Exponent, Model, Number, Text, on_or_off
from scatterflow.config.expressions import ExpressionError, compile_expression

Variable = Annotated[Text, Field(min_length=1)]
"""A value per shot: path in the small data (`ipm2/sum`), or the name of a computed variable."""


def _check_expression(text: str) -> str:
    try:
        compile_expression(text)
    except ExpressionError as error:
        raise ValueError(f"bad expression {text!r}: {error}") from None
    return text


ExpressionText = Annotated[Text, AfterValidator(_check_expression)]


class RangeFilter(Model):
    """Shots with a value within limits."""

    type: Literal["range"]
    """Within limits."""
    variable: Variable
    """What is looked at."""
    minimum: Number | None = None
    """Lowest value that passes; left out: none."""
    maximum: Number | None = None
    """Highest value that passes; left out: none."""
    strict: bool = False
    """The limits themselves do not pass."""

    @model_validator(mode="after")
    def _limits_ascend(self) -> RangeFilter:
        if self.minimum is None and self.maximum is None:
            raise ValueError("give `minimum`, `maximum` or both")
        if None not in (self.minimum, self.maximum) and not self.minimum <= self.maximum:  # type: ignore[operator]
            raise ValueError(f"nothing lies between {self.minimum:g} and {self.maximum:g}")
        return self


class EqualFilter(Model):
    """Shots with a certain value."""

    type: Literal["equal"]
    """A certain value."""
    variable: Variable
    """What is looked at."""
    value: Number
    """The value."""
    tolerance: Annotated[float, Field(ge=0), Exponent] = 0.0
    """How far from it still passes."""


class LaserFilter(Model):
    """Shots with the optical laser on, or off."""

    type: Literal["laser"]
    """Optical laser on or off."""
    state: Annotated[Literal["on", "off"], BeforeValidator(on_or_off)]
    """Which shots pass."""
    variable: Variable = "lightStatus/laser"
    """1 on, 0 off, -1 not known."""


class ShutterFilter(Model):
    """Shots with a shutter open."""

    type: Literal["shutter"]
    """Shutter open."""
    variable: Variable
    """Open where it is above 0."""


class MotionFilter(Model):
    """Shots that see a motor at rest, or moving."""

    type: Literal["still", "moving"]
    """Motor at rest, or moving."""
    variable: Variable
    """Position of the motor."""
    speed: Annotated[float, Field(ge=0), Exponent] | None = None
    """Speed per shot above which it moves; left out: five standard deviations of its readback."""
    window: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Shots before and after over which its way is measured."""


class ExpressionFilter(Model):
    """Shots for which a condition holds."""

    type: Literal["expression"]
    """Condition."""
    expression: ExpressionText
    """Condition over values per shot; `/` in their names is written `_`."""


class GroupFilter(Model):
    """Shots that pass all, or any, of several filters."""

    type: Literal["all", "any"]
    """All must pass, or any."""
    filters: Annotated[list[Filter], Field(min_length=1)]
    """The filters."""


class NotFilter(Model):
    """Shots that do not pass a filter."""

    type: Literal["not"]
    """Must not pass."""
    filter: Filter
    """The filter."""


Filter = Annotated[
    RangeFilter
    | EqualFilter
    | LaserFilter
    | ShutterFilter
    | MotionFilter
    | ExpressionFilter
    | GroupFilter
    | NotFilter,
    Field(discriminator="type"),
]
FILTERS: dict[str, type[Model]] = {
    "range": RangeFilter,
    "equal": EqualFilter,
    "laser": LaserFilter,
    "shutter": ShutterFilter,
    "still, moving": MotionFilter,
    "expression": ExpressionFilter,
    "all, any": GroupFilter,
    "not": NotFilter,
}


class StagePosition(Model):
    """Delay by a stage with mirrors."""

    variable: Variable
    """Position of the stage, mm."""
    zero: Number = 0.0
    """Position of no delay, mm."""
    passes: int = 2
    """Passes of the beam along the stage; negative: it shortens the path."""


class DelayVariable(Model):
    """Delay between laser and X-ray pulse, corrected by the time tool."""

    type: Literal["delay"]
    """Delay, corrected by the time tool, ps."""
    nominal: Variable | None = None
    """Nominal delay, ps."""
    stage: StagePosition | None = None
    """Stage that makes the nominal delay."""
    correction: Variable | None = None
    """What is added, `tt/ttCorr`; left out: nothing."""
    valid: Variable | None = None
    """Above 0 where the correction is good; left out: `tt/valid` for `tt/ttCorr`, else everywhere."""
    laser: Variable | None = None
    """Above 0 where the laser was on; shots without keep the nominal delay, those of which nobody knows (NaN,
    -1) have none. Left out: all had it."""

    @model_validator(mode="after")
    def _one_origin(self) -> DelayVariable:
        if (self.nominal is None) == (self.stage is None):
            raise ValueError("give either `nominal` or `stage`")
        return self


class ExpressionVariable(Model):
    """A value computed from others, shot by shot."""

    type: Literal["expression"]
    """Computed from other values."""
    expression: ExpressionText
    """Expression over values per shot; `/` in their names is written `_`."""
    unit: Text = ""
    """Unit of the result."""


ComputedVariable = Annotated[DelayVariable | ExpressionVariable, Field(discriminator="type")]
