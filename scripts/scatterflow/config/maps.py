"""`map:` of a reduction and `maps:` over several runs - frames placed on the grid that was scanned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from scatterflow.config.base import Exponent, Model, Name, Number, Text
from scatterflow.config.selectors import parse_selector

# Fields and groups beside which the quantities of a map stand in its file.
RESERVED_QUANTITIES = {
    *("frames", "title", "provenance", "process_1_map", "unplaced_frames", "unplaced_positions"),
    *("unplaced_runs", "entry_identifier", "reduction_name", "processed_time", "grid"),
}
# And those beside which its axes stand.
RESERVED_AXES = {
    *("data", "data_errors", "I", "I_errors", "title", "source", "radial_axis", "azimuthal_axis"),
    *("frame_index", "frame_count", "run_index", "run"),
}
MOST_POINTS = 100_000_000


class GridRange(Model):
    """Evenly spaced grid values."""

    start: Number
    """First value, in the scalar's unit."""
    stop: Number
    """Last value, included, in the scalar's unit."""
    points: Annotated[int, Field(ge=1, le=MOST_POINTS)]
    """Number of values."""

    @model_validator(mode="after")
    def _spans(self) -> GridRange:
        if (self.points > 1) == (self.start == self.stop):
            raise ValueError(f"{self.points} points from {self.start:g} to {self.stop:g}")
        return self

    @property
    def values(self) -> list[float]:
        """The grid values, first to last."""
        if self.points == 1:
            return [self.start]
        step = (self.stop - self.start) / (self.points - 1)
        return [self.start + step * i for i in range(self.points - 1)] + [self.stop]


class MapAxis(Model):
    """One axis of a map: a scalar and how its readings become grid values."""

    scalar: Name
    """Name of the scalar that was scanned (a motor, a temperature)."""
    tolerance: Literal["auto"] | Annotated[float, Field(gt=0), Exponent] = "auto"
    """Largest distance of a reading from its grid value, in the scalar's unit; `auto`: found from the gaps
    between the readings. Take several times the jitter, and well below half a step."""
    values: Annotated[list[Number], Field(min_length=1)] | GridRange | None = None
    """The grid values, a list or `{start, stop, points}`, in the scalar's unit; left out: found from the
    readings."""

    @model_validator(mode="after")
    def _values_differ(self) -> MapAxis:
        if isinstance(self.values, list) and len(set(self.values)) != len(self.values):
            raise ValueError("values: one of them stands twice")
        return self

    @property
    def grid(self) -> list[float] | None:
        """The given grid values, None if they are to be found."""
        return self.values.values if isinstance(self.values, GridRange) else self.values


class MapSettings(Model):
    """Frames on a grid: which axes, what is mapped, what happens to repeated and stray frames."""

    axes: list[MapAxis] = Field(default=[])
    """Scanned axes, the slowest first. May be left out with `shape`."""
    shape: (
        Annotated[list[Annotated[int, Field(ge=1, le=MOST_POINTS)]], Field(min_length=1)] | None
    ) = None
    """Points along each axis, slowest first, for scans whose readings are useless: frames are placed by their
    order alone, and an axis counts 0, 1, 2, ... where it has no `values`."""
    snake: bool = False
    """With `shape`: every second row of the fast axis runs backwards."""
    unfinished: bool = False
    """With `shape`: fewer frames than points are right, the scan was stopped."""
    quantities: list[Name] = Field(default=[])
    """Numbers per frame to map: scalars of the run, `total_signal` (counts in all bins of the main
    integration; `DETECTOR_INTEGRATION_total_signal` of any other), `transmission` if it is corrected for,
    and what fits and figures of merit found."""
    profiles: list[Name] = Field(default=[])
    """Integrations whose profiles or cakes are put onto the grid."""
    duplicates: Literal["mean", "last", "error"] = "mean"
    """Several frames on one grid point: `mean` (of numbers with errors the weighted mean), `last` (the frame
    acquired last), `error` (stop)."""
    unplaced: Literal["leave_out", "error"] = "leave_out"
    """Frames farther than the tolerance from every grid value: `leave_out` (listed in the map) or `error`
    (stop)."""

    @model_validator(mode="after")
    def _axes_or_shape(self) -> MapSettings:
        if self.shape is None:
            if not self.axes:
                raise ValueError("give `axes`, or `shape` for a scan without readings")
            for key in ("snake", "unfinished"):
                if getattr(self, key):
                    raise ValueError(f"{key}: only for frames that are placed by `shape`")
            return self
        if self.axes and len(self.axes) != len(self.shape):
            raise ValueError(f"{len(self.axes)} axes for a shape of {len(self.shape)} numbers")
        for axis, points in zip(self.axes, self.shape, strict=False):
            if axis.tolerance != "auto":
                raise ValueError(f"axis {axis.scalar}: a tolerance has no meaning with `shape`")
            if axis.grid is not None and len(axis.grid) != points:
                raise ValueError(
                    f"axis {axis.scalar}: {len(axis.grid)} values for {points} points of `shape`"
                )
        if self.snake and len(self.shape) < 2:
            raise ValueError("snake: a scan along one axis has no rows that run backwards")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> MapSettings:
        for key, names in (
            ("axes", [axis.scalar for axis in self.axes]),
            ("quantities", self.quantities),
            ("profiles", self.profiles),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{key}: one is named twice ({', '.join(names)})")
        for axis in self.axes:
            if axis.scalar in RESERVED_AXES:
                raise ValueError(f"axes: {axis.scalar!r} has a meaning in map files; rename it")
        for name in self.quantities:
            if name in RESERVED_QUANTITIES:
                raise ValueError(f"quantities: {name!r} has a meaning in map files")
        if not self.quantities and not self.profiles:
            raise ValueError("nothing is mapped: give `quantities`, `profiles` or both")
        return self


class JointMap(MapSettings):
    """One map of the frames of several runs."""

    runs: Text
    """Runs by name, number range or pattern: `12-18,scan*`."""
    reduction: Name
    """The reduction whose results are joined; every run must have it."""

    @model_validator(mode="after")
    def _runs_are_a_selection(self) -> JointMap:
        parse_selector(self.runs)
        return self
