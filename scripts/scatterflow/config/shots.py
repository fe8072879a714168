"""`reductions:` of technique `shots` - X-ray laser runs, shot by shot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from scatterflow.config.base import (
    AsTuple,
    Exponent,
    FilePath,
    Model,
    Name,
    Number,
    Pair,
    Positive,
    Text,
    refuse_alike,
)
from scatterflow.config.calculations import CalculationSettings, check_calculations
from scatterflow.config.cubes import CubeSettings
from scatterflow.config.shot_filters import ComputedVariable, Filter, Variable
from scatterflow.config.shot_functions import ShotFunction
from scatterflow.errors import UserError, suggestion
from scatterflow.sum_names import recipe

RESERVED = ("sums", "userdatacfg", "provenance", "filters", "variables", "damage", "tag")
"""Groups of the small data file that detectors stand beside, in lower case."""

Count = Annotated[int, Field(ge=1, le=1_000_000)]
StoredName = Annotated[Text, Field(min_length=1)]


BlockSize = Annotated[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], AsTuple]


class LightRuleSettings(Model):
    """When a beam is on."""

    codes: list[int] = Field(default=[])
    """Event codes: above 0 drops the beam, below 0 is required for it."""
    required: list[StoredName] = Field(default=[])
    """Scalars that must be above 0."""
    dropped: list[StoredName] = Field(default=[])
    """Scalars that must not be above 0."""


class Light(Model):
    """When X-rays and laser are on; left out: as the facility's table says."""

    xray: LightRuleSettings | None = None
    """X-rays."""
    laser: LightRuleSettings | None = None
    """Optical laser."""


class FourDiodes(Model):
    """Intensity and position monitor of four diodes."""

    left: StoredName
    """Scalar."""
    right: StoredName
    """Scalar."""
    top: StoredName
    """Scalar."""
    bottom: StoredName
    """Scalar."""


class TimeTool(Model):
    """Polynomial correction of the time tool."""

    position: StoredName = "tt/FLTPOS"
    """Position of the edge, pixels; 0 or NaN where there was none."""
    coefficients: Annotated[list[Number], Field(min_length=2)]
    """c0, c1, c2, ...: correction = c0 + c1 x + c2 x^2 ..."""
    unit: Text = "ps"
    """Unit of the correction."""


class DefaultDetectorSettings(Model):
    """What is taken from every shot besides detectors: light, monitors, time tool, encoders, scan."""

    facility: Literal["lcls", "sacla", "euxfel"]
    """Whose names the scalars have."""
    hutch: Name | None = None
    """Hutch, for the event codes of its light (`lcls`)."""
    light: Light | None = None
    """When X-rays and laser are on."""
    columns: dict[StoredName, StoredName] = Field(default={})
    """Further columns: path in the small data, and scalar."""
    monitors: dict[Name, FourDiodes] = Field(default={})
    """Monitors of four diodes, by name."""
    time_tool: TimeTool | None = None
    """Correction of the time tool."""
    drop: list[Name] = Field(default=[])
    """Groups of columns to leave out."""


class DarkRun(Model):
    """Pedestal, noise and bad pixels from a run without light."""

    run: Text
    """Run of the run table."""
    rms: Pair | None = None
    """Lowest and highest noise of a good pixel, ADU."""
    mean: Pair | None = None
    """Lowest and highest pedestal of a good pixel, ADU."""
    adu: Pair | None = None
    """Single values beyond these, ADU, are outliers."""
    fraction: Annotated[float, Field(ge=0, le=1), Exponent] = 0.01
    """Fraction of outliers, or of shots in another gain mode, that a good pixel may have."""
    register_as: Name | None = None
    """Also write pedestal, noise and bad pixels into the registry, under this name."""


class GainBitSettings(Model):
    """Gain mode in the stored words."""

    mask: Annotated[int, Field(ge=1)]
    """Bits that tell the gain mode, 0xC000."""
    modes: list[int]
    """Gain mode of each value of these bits, -1 for none."""


class CommonModeSettings(Model):
    """Medians of blocks of pixels that are taken off each shot."""

    steps: Annotated[list[BlockSize], Field(min_length=1)]
    """Blocks [rows, columns], 0 for all, one after the other: [1, 0] rows, [1, 96] rows of banks."""
    level_adu: Positive | None = None
    """Pixels beyond this do not count (photons), ADU."""
    level_rms: Positive | None = None
    """The same in units of each pixel's noise."""
    neighbours: bool = False
    """Nor do the four beside them."""
    least_fraction: Annotated[float, Field(ge=0, le=1), Exponent] | None = None
    """Fraction of a block's pixels that must count; 0.25."""
    least_pixels: Count | None = None
    """Pixels of a block that must count; 10."""
    largest_adu: Positive | None = None
    """Larger medians are not taken off, ADU."""


class CalibrationSettings(Model):
    """From stored words to ADU or photons."""

    adu_per_photon: Positive | None = None
    """ADU of a photon: results are in photons; left out: in ADU."""
    gain_bits: GainBitSettings | None = None
    """Gain mode in the stored words; left out: one gain."""
    common_mode: CommonModeSettings | None = None
    """Common mode; left out: not corrected."""


class StatisticBase(Model):
    """Statistics of all pixels over shots."""

    filters: list[Name] = Field(default=[])
    """Filters that a shot must pass; they may use scalars, not results of functions."""


class SimpleStatistic(StatisticBase):
    """Mean, variance, extremes."""

    kind: Literal["mean", "variance", "minimum", "maximum", "count"]
    """`mean` and `variance` come with the error of the mean."""


class WeightedStatistic(StatisticBase):
    """Mean with weights."""

    kind: Literal["weighted_mean"]
    """Mean, shots weighted."""
    weights: Variable
    """Weight of each shot."""


class QuantileStatistic(StatisticBase):
    """Quantiles of each pixel."""

    kind: Literal["quantiles"]
    """Quantiles."""
    fractions: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)] = Field(
        default=[0.25, 0.5, 0.75]
    )
    """Which ones."""
    low: Number
    """Lowest value of the bins that they are taken from."""
    high: Number
    """Highest value."""
    bins: Annotated[int, Field(ge=2, le=65536)] = 256
    """Number of bins: the error of a quantile is half of one."""

    @model_validator(mode="after")
    def _range_ascends(self) -> QuantileStatistic:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        return self


class ReservoirStatistic(StatisticBase):
    """Some shots drawn at random."""

    kind: Literal["reservoir"]
    """Shots drawn at random, kept whole."""
    shots: Annotated[int, Field(ge=1, le=10_000)] = 10
    """How many."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Another one, other shots."""


Statistic = Annotated[
    SimpleStatistic | WeightedStatistic | QuantileStatistic | ReservoirStatistic,
    Field(discriminator="kind"),
]


STATISTICS: dict[str, type[StatisticBase]] = {
    "mean, variance, minimum, maximum, count": SimpleStatistic,
    "weighted_mean": WeightedStatistic,
    "quantiles": QuantileStatistic,
    "reservoir": ReservoirStatistic,
}


def _check_sum(name: str) -> str:
    try:
        recipe(name)
    except UserError as error:
        raise ValueError(f"{error.what}: {error.how}") from None
    return name


class ShotDetector(Model):
    """What is done with one detector, shot by shot."""

    dark: DarkRun | None = None
    """Dark run; left out: no pedestal, or that of `constants`."""
    constants: FilePath | None = None
    """HDF5 file with `pedestal`, `offset`, `gain`, `rms`, `good`, as many as there are."""
    calibration: CalibrationSettings = CalibrationSettings()
    """From stored words to ADU or photons."""
    functions: dict[Name, ShotFunction] = Field(default={})
    """What is made of each shot, by name."""
    sums: list[Annotated[Text, AfterValidator(_check_sum)]] = Field(default=[])
    """Sums over the run by recipe: `calib`, `calib_dropped`, `calib_thresADU1`, `calib_max`, ..."""
    statistics: dict[Name, Statistic] = Field(default={})
    """Statistics of all pixels, by name."""

    @model_validator(mode="after")
    def _names_differ(self) -> ShotDetector:
        if len(set(self.sums)) < len(self.sums):
            raise ValueError("sums: one stands twice")
        refuse_alike(self.functions, "the functions")
        refuse_alike(self.statistics, "the statistics")
        _check_results(_result_names(self.functions))
        return self


def _result_names(functions: Mapping[str, Any], before: str = "") -> list[str]:
    """Beginnings of the names of all results, those of inner functions included."""
    found = []
    for name, function in functions.items():
        found += [f"{before}{name}"]
        found += _result_names(function.functions, f"{before}{name}_")
    return found


def _check_results(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"results of two functions would be called {name}_...: rename one")
        if name.startswith("var_"):
            raise ValueError(
                f"functions: {name!r} would be taken for a list of variable length: rename it"
            )


class ShotsReduction(Model):
    """X-ray laser data, shot by shot: calibrated, reduced, filtered, accumulated, binned."""

    technique: Literal["shots"]
    """The technique."""
    defaults: DefaultDetectorSettings
    """Light status, monitors, time tool, encoders, scan variables."""
    detectors: Annotated[dict[Name, ShotDetector], Field(min_length=1)]
    """Detectors, by name."""
    variables: dict[Name, ComputedVariable] = Field(default={})
    """Values that are computed shot by shot, by name."""
    filters: dict[Name, Filter] = Field(default={})
    """Which shots count, by name; used where they are named."""
    calculations: dict[Name, CalculationSettings] = Field(default={})
    """What is calculated from the small data, by name."""
    cubes: dict[Name, CubeSettings] = Field(default={})
    """Averages in bins of scanned variables, by name."""

    @model_validator(mode="after")
    def _places_differ(self) -> ShotsReduction:
        for name in self.detectors:
            if name.lower() in RESERVED:
                raise ValueError(
                    f"detectors: the small data file keeps something else under {name!r}: "
                    "give the detector another name here and in `sources`"
                )
        refuse_alike(self.detectors, "the detectors")
        places: set[str] = set()
        for detector, settings in self.detectors.items():
            for title in ["sums"] * bool(settings.sums) + list(settings.statistics):
                if f"{detector}_{title}" in places:
                    raise ValueError(
                        f"detectors.{detector}.statistics: something else is called "
                        f"{detector}_{title} in the result: rename {title!r}"
                    )
                places.add(f"{detector}_{title}")
        return self

    @model_validator(mode="after")
    def _images_are_of_detectors(self) -> ShotsReduction:
        refuse_alike(self.cubes, "the cubes")
        check_calculations(self.calculations)
        for block in ("calculations", "cubes"):
            for title, settings in getattr(self, block).items():
                for name in getattr(settings, "images", ()):
                    if name not in self.detectors:
                        raise ValueError(
                            f"{block}.{title}.images: there is no detector {name!r}; "
                            f"{suggestion(name, self.detectors)}"
                        )
        return self

    @model_validator(mode="after")
    def _filters_are_there(self) -> ShotsReduction:
        for place, names in self._named_filters():
            for name in names:
                if name not in self.filters:
                    raise ValueError(
                        f"{place}: there is no filter {name!r}; {suggestion(name, self.filters)}"
                    )
        return self

    def _named_filters(self) -> list[tuple[str, list[str]]]:
        """Every place that names filters, and what it names."""
        return [
            (f"detectors.{detector}.statistics.{title}.filters", statistic.filters)
            for detector, settings in self.detectors.items()
            for title, statistic in settings.statistics.items()
        ] + [
            (f"{block}.{title}.filters", settings.filters)
            for block in ("calculations", "cubes")
            for title, settings in getattr(self, block).items()
        ]

    def statistic_variables(self) -> dict[str, Any]:
        """The variables that chunk jobs may need: for filters and weights of statistics."""
        statistics = [
            item for settings in self.detectors.values() for item in settings.statistics.values()
        ]
        if not any(item.filters or item.kind == "weighted_mean" for item in statistics):
            return {}
        return {name: item.model_dump(exclude_none=True) for name, item in self.variables.items()}

    def statistic_filters(self) -> dict[str, Any]:
        """The filters that chunk jobs need, as plain values."""
        used = {
            name
            for settings in self.detectors.values()
            for statistic in settings.statistics.values()
            for name in statistic.filters
        }
        return {
            name: settings.model_dump(exclude_none=True)
            for name, settings in self.filters.items()
            if name in used
        }
