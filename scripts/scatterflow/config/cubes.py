"""`reductions.NAME.cubes` of technique `shots` - averages of shots in bins of scanned variables."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from scatterflow.config.base import (
    Edges,
    Exponent,
    Model,
    Name,
    Number,
    check_limits,
    on_or_off,
)
from scatterflow.config.shot_filters import Variable
from scatterflow.errors import suggestion
from scatterflow.names import identifier

Bins = Annotated[int, Field(ge=1, le=1_000_000)]


def _kind_names(value: Any) -> Any:
    return (
        {on_or_off(key): item for key, item in value.items()} if isinstance(value, dict) else value
    )


KindName = Annotated[Name, BeforeValidator(on_or_off)]


RESERVED_NAMES = {
    *("title", "sample", "shots", "left_out", "provenance", "process_1_bin", "reduction_name"),
    *("entry_identifier", "experiment_identifier", "processed_time"),
}
"""Names in the file of a cube that no quantity can have."""
RESERVED_FIELDS = {
    *("title", "shots", "counts", "counts_of_ratios", "q", "sector", "radius", "value"),
    *(
        f"{name}{ending}"
        for name in ("mean", "ratio", "mean_of_ratios", "difference", "relative")
        for ending in ("", "_errors")
    ),
}
"""Names beside a quantity's values that no axis or label can have."""


class CubeAxis(Model):
    """What all axes have in common."""

    variable: Variable | None = None
    """The scanned variable; left out: that of the axis's name."""


class LinearAxis(CubeAxis):
    """Equal bins."""

    type: Literal["linear"]
    """Equal bins."""
    bins: Bins
    """How many."""
    minimum: Number | None = None
    """Lowest edge; left out: the lowest value in the shots that pass the filters."""
    maximum: Number | None = None
    """Highest edge, included; left out: the highest value."""

    @model_validator(mode="after")
    def _limits_ascend(self) -> LinearAxis:
        check_limits(self.minimum, self.maximum)
        return self


class EdgesAxis(CubeAxis):
    """Bins between given edges."""

    type: Literal["edges"]
    """Bins between given edges."""
    edges: Edges
    """Edges, ascending; the last one is included."""


class QuantilesAxis(CubeAxis):
    """Bins with as many shots each."""

    type: Literal["quantiles"]
    """Bins with as many shots each."""
    bins: Bins
    """How many; those that equal values make empty are left out."""


class StepsAxis(CubeAxis):
    """A bin for each step of a step scan."""

    type: Literal["steps"]
    """A bin for each step of a step scan."""
    tolerance: Annotated[float, Field(ge=0), Exponent] | None = None
    """Distance up to which positions are one step; left out: 8 standard deviations of the readback."""
    least_shots: Bins | None = None
    """Positions with fewer shots are no step; left out: 3."""


Axis = Annotated[
    LinearAxis | EdgesAxis | QuantilesAxis | StepsAxis,
    Field(discriminator="type"),
]
AXES: dict[str, type[CubeAxis]] = {
    "linear": LinearAxis,
    "edges": EdgesAxis,
    "quantiles": QuantilesAxis,
    "steps": StepsAxis,
}


class CubeLabel(Model):
    """Kinds of shots that are binned apart, such as laser on and off."""

    variable: Variable
    """The variable that tells the kind, `lightStatus/laser`."""
    kinds: Annotated[
        dict[Name, Number], Field(min_length=1, max_length=1000), BeforeValidator(_kind_names)
    ] = Field(default={"off": 0.0, "on": 1.0})
    """Value of the variable by the name of the kind; shots with any other value are left out."""

    @model_validator(mode="after")
    def _values_differ(self) -> CubeLabel:
        if len(set(self.kinds.values())) < len(self.kinds):
            raise ValueError("kinds: two have the same value")
        return self


class CubeDifference(Model):
    """Signal of one kind of shots less that of another."""

    label: Name = "laser"
    """The label."""
    on: KindName = "on"
    """Kind with signal."""
    off: KindName = "off"
    """Kind that it is compared with."""
    pooled_off: bool = False
    """Compare with the `off` shots of all bins together: more precise where they do not know the scan, but
    makes the errors of the bins correlate."""

    @model_validator(mode="before")
    @classmethod
    def _read_on_and_off(cls, data: Any) -> Any:
        return _kind_names(data)


class CubeSettings(Model):
    """Mean, error of the mean and count of quantities and images in bins of scanned variables."""

    axes: dict[Name, Axis] = Field(default={})
    """Axes by name, the slowest first."""
    labels: dict[Name, CubeLabel] = Field(default={})
    """Kinds of shots that are binned apart, by name."""
    quantities: list[Variable] = Field(default=[])
    """Values per shot that are averaged, as they are called in the small data: `ccd/ring_sum`."""
    images: list[Name] = Field(default=[])
    """Detectors whose calibrated images are averaged; they are read a second time."""
    filters: list[Name] = Field(default=[])
    """Filters that a shot must pass."""
    normalise: dict[Variable, Variable] = Field(default={})
    """Monitor by the quantity or detector that it normalises: the ratio of the sums and the mean of the
    ratios are given as well."""
    difference: CubeDifference | None = None
    """Pump-probe signal; left out: none."""

    @model_validator(mode="after")
    def _has_cells_and_contents(self) -> CubeSettings:
        if not self.axes and not self.labels:
            raise ValueError("axes: give an axis, or a label")
        if not self.quantities and not self.images:
            raise ValueError("quantities: give one, or a detector in `images`")
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> CubeSettings:
        taken = dict.fromkeys(RESERVED_NAMES, "something else")
        for name in [*self.quantities, *self.images]:
            for ending in ("", "_ratio", "_difference"):
                key = f"{identifier(name)}{ending}".lower()
                if key in taken:
                    raise ValueError(
                        f"quantities: {name!r} and {taken[key]} have one name in the file, {key!r}"
                    )
                taken[key] = repr(name)
        used = dict.fromkeys(RESERVED_FIELDS, "something else")
        for name in [*self.labels, *self.axes]:
            for ending in ("", "_lower", "_upper") if name in self.axes else ("",):
                if (key := f"{name}{ending}".lower()) in used:
                    raise ValueError(
                        f"axes: {name!r} and {used[key]} have one name in the file, {key!r}"
                    )
                used[key] = repr(name)
        return self

    @model_validator(mode="after")
    def _names_are_there(self) -> CubeSettings:
        for name in self.normalise:
            known = [*self.quantities, *self.images]
            if name not in known:
                raise ValueError(
                    f"normalise: {name!r} is not in the cube; {suggestion(name, known)}"
                )
        if self.difference is None:
            return self
        label = self.difference.label
        if label not in self.labels:
            raise ValueError(
                f"difference.label: there is no label {label!r}; {suggestion(label, self.labels)}"
            )
        kinds = self.labels[label].kinds
        for key in ("on", "off"):
            name = getattr(self.difference, key)
            if name not in kinds:
                raise ValueError(f"difference.{key}: no kind {name!r}; {suggestion(name, kinds)}")
        if self.difference.on == self.difference.off:
            raise ValueError("difference: on and off are the same kind")
        return self
