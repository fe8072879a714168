"""`reductions.NAME.calculations` of technique `shots` - statistics of the small data, best shots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from scatterflow.config.base import (
    Edges,
    Exponent,
    Model,
    Name,
    Number,
    check_limits,
    refuse_alike,
)
from scatterflow.config.cubes import Bins
from scatterflow.config.shot_filters import Variable

Shots = Annotated[int, Field(ge=1, le=10_000)]


class FixedBins(Model):
    """Bins: their edges, or how many equal ones."""

    edges: Edges | None = None
    """Edges, ascending; the last one is included."""
    bins: Bins | None = None
    """Number of equal bins, instead of edges."""
    minimum: Number | None = None
    """Lowest edge of equal bins; left out: the lowest value of the shots that pass the filters."""
    maximum: Number | None = None
    """Highest edge of equal bins, included; left out: the highest value."""

    @model_validator(mode="after")
    def _bins_are_told_once(self) -> FixedBins:
        if (self.edges is None) == (self.bins is None):
            raise ValueError("bins: give either `bins` or `edges`")
        if self.edges is not None and (self.minimum is not None or self.maximum is not None):
            raise ValueError("edges: they have limits; leave minimum and maximum out")
        check_limits(self.minimum, self.maximum)
        return self


class BinnedVariable(FixedBins):
    """A variable and its bins."""

    variable: Variable
    """Value per shot."""


class Calculation(Model):
    """What all calculations have in common."""

    filters: list[Name] = Field(default=[])
    """Filters that a shot must pass."""


class HistogramCalculation(Calculation, FixedBins):
    """Histogram of a value per shot, or of all elements of an array per shot."""

    type: Literal["histogram"]
    """Histogram."""
    variable: Variable
    """Value or array per shot, as it is called in the small data: `ccd/ring_sum`."""


class Histogram2DCalculation(Calculation):
    """Histogram of pairs of values."""

    type: Literal["histogram2d"]
    """Histogram of pairs."""
    x: BinnedVariable
    """First value and its bins."""
    y: BinnedVariable
    """Second value and its bins."""


class BinnedCalculation(Calculation, FixedBins):
    """Mean, error of the mean and count of a value or array per shot in bins of another one."""

    type: Literal["binned_statistics"]
    """Statistics in bins of another value."""
    variable: Variable
    """Value or array per shot."""
    along: Variable
    """Value per shot that is cut into bins."""


class TopShotsCalculation(Calculation):
    """The shots with the highest values, with their images."""

    type: Literal["top_shots"]
    """Shots with the highest values."""
    variable: Variable
    """Value per shot."""
    number: Shots = 5
    """How many."""
    lowest: bool = False
    """The lowest values instead."""
    images: list[Name] = Field(default=[])
    """Detectors whose calibrated images of these shots are kept."""


class RandomShotsCalculation(Calculation):
    """Shots drawn at random, each set with the same chance, with their images."""

    type: Literal["random_shots"]
    """Shots drawn at random."""
    number: Shots = 5
    """How many."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Another one, other shots."""
    images: list[Name] = Field(default=[])
    """Detectors whose calibrated images of these shots are kept."""


class CovarianceCalculation(Calculation):
    """Mean, covariance and correlation of the elements of a profile over shots."""

    type: Literal["covariance"]
    """Covariance of the elements of a profile."""
    variable: Variable
    """Profile per shot, (n, elements)."""


class MomentsCalculation(Calculation):
    """Mean, error of the mean, standard deviation and count over shots."""

    type: Literal["moments"]
    """Mean and spread over shots."""
    variable: Variable
    """Value or array per shot."""


class ExtremesCalculation(Calculation):
    """Lowest and highest value over shots."""

    type: Literal["extremes"]
    """Lowest and highest value."""
    variable: Variable
    """Value or array per shot."""


class QuantilesCalculation(Calculation):
    """Quantiles over shots, to half the width of a bin."""

    type: Literal["quantiles"]
    """Quantiles over shots."""
    variable: Variable
    """Value or array per shot."""
    fractions: Annotated[
        list[Annotated[float, Field(ge=0, le=1), Exponent]], Field(min_length=1)
    ] = Field(default=[0.05, 0.25, 0.5, 0.75, 0.95])
    """Fractions of the shots that are at or below each."""
    bins: Annotated[int, Field(ge=1, le=2**20)] = 1000
    """Equal bins that values are counted in."""
    minimum: Number | None = None
    """Lowest edge; left out: the lowest value of the shots that pass the filters."""
    maximum: Number | None = None
    """Highest edge; left out: the highest value."""

    @model_validator(mode="after")
    def _limits_ascend(self) -> QuantilesCalculation:
        check_limits(self.minimum, self.maximum)
        return self


class WeightedMeanCalculation(Calculation):
    """Mean in which shots count by a weight."""

    type: Literal["weighted_mean"]
    """Mean in which shots count by a weight."""
    variable: Variable
    """Value or array per shot."""
    weight: Variable
    """Weight per shot, at least 0."""


class RunningMeanCalculation(Calculation):
    """Mean that forgets: what the last shots of the run were like."""

    type: Literal["running_mean"]
    """Mean that forgets."""
    variable: Variable
    """Value or array per shot."""
    lifetime: Annotated[float, Field(ge=1), Exponent]
    """Shots after which one counts 1/e."""


CalculationSettings = Annotated[
    HistogramCalculation
    | Histogram2DCalculation
    | BinnedCalculation
    | TopShotsCalculation
    | RandomShotsCalculation
    | CovarianceCalculation
    | MomentsCalculation
    | ExtremesCalculation
    | QuantilesCalculation
    | WeightedMeanCalculation
    | RunningMeanCalculation,
    Field(discriminator="type"),
]
"""What is calculated from the small data."""
CALCULATIONS: dict[str, type[Calculation]] = {
    "histogram": HistogramCalculation,
    "histogram2d": Histogram2DCalculation,
    "binned_statistics": BinnedCalculation,
    "top_shots": TopShotsCalculation,
    "random_shots": RandomShotsCalculation,
    "covariance": CovarianceCalculation,
    "moments": MomentsCalculation,
    "extremes": ExtremesCalculation,
    "quantiles": QuantilesCalculation,
    "weighted_mean": WeightedMeanCalculation,
    "running_mean": RunningMeanCalculation,
}


RESERVED_NAMES = (
    *("title", "sample", "provenance", "entry_identifier", "experiment_identifier"),
    *("reduction_name", "processed_time"),
)
"""Names in the file of calculations that none of them can have."""


def check_calculations(calculations: Mapping[str, Any]) -> None:
    """Raise ValueError for names that the file of calculations cannot hold beside one another."""
    refuse_alike(calculations, "the calculations")
    groups = {name.lower(): "something else" for name in RESERVED_NAMES}
    for name, settings in calculations.items():
        images = [f"{name}_{detector}" for detector in getattr(settings, "images", ())]
        for group in [name, *images]:
            if group.lower() in groups:
                raise ValueError(
                    f"calculations: {name!r} and {groups[group.lower()]} are both called {group!r} in the "
                    "file: rename one"
                )
            groups[group.lower()] = repr(name)
