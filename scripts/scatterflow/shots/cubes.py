"""Cubes: scalars, spectra and images of a run's shots, averaged in bins of scanned variables.

Each shot falls into one cell, told by its labels (laser on or off, ...) and its bin along each axis, or
into none. Per cell: shots, and of each quantity the count, mean, variance and standard error of the mean
(`moments`), and, where it is normalised by a monitor, the ratio of the sums and the mean of the ratios
(`ratios`). Results have the labels first, then the axes, then the shape of the quantity; an empty cell has
count 0 and mean NaN. What falls into no cell is counted by reason. Chunks merge exactly, whatever their
size and order.

Pump-probe signal, per cell (difference):

    on - off,            sigma^2 = sigma_on^2 + sigma_off^2
    (on - off) / off,    sigma^2 = (sigma_on^2 + (on / off)^2 sigma_off^2) / off^2
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.shots.cube_axes import Axis, Label
from scatterflow.shots.moments import Moments, Statistics
from scatterflow.shots.ratios import Ratio, RatioSums


@dataclass(frozen=True)
class CubeResult:
    """What a cube holds in the end; the first axes of every array are the labels', then the axes'.

    shots: int64 per cell. quantities: statistics by name. ratio_of_sums, mean_of_ratios: of those that are
    normalised. left_out: shots that are in no cell, by the first reason that applies: `filters`, the name
    of a label, the name of an axis.
    """

    axes: tuple[Axis, ...]
    labels: tuple[Label, ...]
    shots: np.ndarray
    quantities: dict[str, Statistics]
    ratio_of_sums: dict[str, Ratio]
    mean_of_ratios: dict[str, Statistics]
    left_out: dict[str, int]


@dataclass(frozen=True)
class Difference:
    """Signal of pumped less unpumped shots, shape as the cube's without the label; NaN where a side is empty.

    relative: (on - off) / off.
    """

    difference: np.ndarray
    standard_error: np.ndarray
    relative: np.ndarray
    relative_error: np.ndarray


class Cube:
    """Sums of shots in bins.

    axes, labels: as `cube_axes` makes them, either may be empty, not both; normalised: monitor by name of the
    quantity that it normalises.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        labels: Sequence[Label] = (),
        normalised: Mapping[str, str] | None = None,
    ) -> None:
        self.axes, self.labels = tuple(axes), tuple(labels)
        names = [part.name for part in self._parts]
        if not names or len(set(names)) < len(names):
            raise UserError(
                f"a cube along {', '.join(names) or 'nothing'}",
                "axes and labels of the cube",
                "give one or more, each once",
            )
        self.normalised = dict(normalised or {})
        self.shots = np.zeros(math.prod(self.shape), dtype=np.int64)
        self.left_out = np.zeros(len(names) + 1, dtype=np.int64)
        self.moments: dict[str, Moments] = {}
        self.ratio_sums: dict[str, RatioSums] = {}
        self.ratio_moments: dict[str, Moments] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Kinds of each label, bins of each axis."""
        return (*(len(label.values) for label in self.labels), *(axis.bins for axis in self.axes))

    @property
    def _parts(self) -> list[Axis | Label]:
        return [*self.labels, *self.axes]

    def update(
        self,
        coordinates: Mapping[str, np.ndarray],
        quantities: Mapping[str, np.ndarray],
        passed: np.ndarray | None = None,
        monitors: Mapping[str, np.ndarray] | None = None,
        *,
        threads: int = 1,
    ) -> None:
        """Add a chunk of shots.

        coordinates: (n,) of each label and axis, by name; quantities: (n, ...) by name; passed: (n,) bool
        of the filters; monitors: (n,) by name. Raises UserError for a name that is missing.
        """
        cell = self.cells(coordinates, passed)
        inside = cell[cell >= 0]
        self.shots += np.bincount(inside, minlength=self.shots.size)
        for name, values in quantities.items():
            self._moments(self.moments, name).update(values, cell, threads=threads)
            if name in self.normalised:
                monitor = _named(monitors or {}, self.normalised[name], "monitor")
                self._add_ratios(name, np.asarray(values), np.asarray(monitor), cell, threads)

    def cells(
        self, coordinates: Mapping[str, np.ndarray], passed: np.ndarray | None = None
    ) -> np.ndarray:
        """(n,) int64 cell of each shot, -1: none; counts those by reason."""
        given = [np.asarray(_named(coordinates, one.name, "variable")) for one in self._parts]
        cell = np.zeros(len(given[0]), dtype=np.int64)
        if passed is not None:
            cell[~np.asarray(passed, dtype=bool)] = -1
            self.left_out[0] += int((cell < 0).sum())
        for i, (part, values) in enumerate(zip(self._parts, given, strict=True)):
            place = part.places(values)
            self.left_out[1 + i] += int(((cell >= 0) & (place < 0)).sum())
            cell = np.where((cell >= 0) & (place >= 0), cell * self.shape[i] + place, -1)
        return cell

    def merge(self, other: Cube) -> None:
        """Add the shots of another cube with the same cells."""
        if other.shape != self.shape or other.normalised != self.normalised:
            raise ValueError(f"a cube of {other.shape} cells cannot go into one of {self.shape}")
        self.shots += other.shots
        self.left_out += other.left_out
        for name, moments in other.moments.items():
            self._moments(self.moments, name).merge(moments)
        for name, moments in other.ratio_moments.items():
            self._moments(self.ratio_moments, name).merge(moments)
        for name, sums in other.ratio_sums.items():
            self.ratio_sums.setdefault(name, RatioSums(self.shots.size)).merge(sums)

    def finalize(self) -> CubeResult:
        """Statistics of every cell."""
        reasons = ["filters", *(part.name for part in self._parts)]
        return CubeResult(
            self.axes,
            self.labels,
            self.shots.reshape(self.shape),
            {name: self._shaped(one.finalize()) for name, one in self.moments.items()},
            {name: self._shaped(one.finalize()) for name, one in self.ratio_sums.items()},
            {name: self._shaped(one.finalize()) for name, one in self.ratio_moments.items()},
            dict(zip(reasons, map(int, self.left_out), strict=True)),
        )

    def pooled(self, name: str, of: str = "mean") -> Statistics:
        """Statistics of a quantity (or of its ratio) over all bins, labels kept: (labels..., ...)."""
        kinds = math.prod(self.shape[: len(self.labels)])
        cells = np.arange(self.shots.size).reshape(kinds, -1)
        found = _statistics(self._of(name, of).combined(cells.tolist()))
        return _reshaped(found, self.shape[: len(self.labels)])

    def difference(
        self,
        name: str,
        label: str = "laser",
        on: int = 1,
        off: int = 0,
        pooled_off: bool = False,
        of: str = "mean",
    ) -> Difference:
        """Signal on - off of a quantity.

        on, off: which kinds of the label. pooled_off: the unpumped shots of all bins are the reference of
        each; more precise where the unpumped signal does not know the scan, but it makes the bins' errors
        correlate. of: `mean`, or `ratio`: of the sums of quantity and monitor. Raises UserError for a label
        or quantity that the cube does not have.
        """
        names = [one.name for one in self.labels]
        if label not in names:
            raise UserError(
                f"the cube has no label {label!r}", "difference", suggestion(label, names)
            )
        where = names.index(label)
        found = _reshaped(_statistics(self._of(name, of)), self.shape)
        reference = found
        if pooled_off:
            every = self.pooled(name, of)
            bins = (1,) * len(self.axes)
            kinds = self.shape[: len(self.labels)]
            reference = _reshaped(every, (*kinds, *bins), len(kinds))
        return difference(_kind(found, where, on), _kind(reference, where, off))

    def state(self) -> dict[str, np.ndarray]:
        """Sums by name (a/b for sum b of part a), for a file; axes and labels are not in it."""
        found = {"shots": self.shots, "left_out": self.left_out}
        for kind, parts in self._groups().items():
            for name, part in parts.items():
                found |= {f"{kind}/{name}/{key}": value for key, value in part.state().items()}
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over sums that `state` of a cube with the same axes and labels told of."""
        if np.shape(state["shots"]) != self.shots.shape:
            raise ValueError(f"{np.shape(state['shots'])} cells, {self.shots.shape} here")
        self.shots, self.left_out = np.array(state["shots"]), np.array(state["left_out"])
        for kind, parts in self._groups().items():
            parts.clear()
            sort = RatioSums if kind == "ratio_sums" else Moments
            own = [key.split("/", 1)[1] for key in state if key.startswith(f"{kind}/")]
            for name in dict.fromkeys(key.rsplit("/", 1)[0] for key in own):
                start = f"{kind}/{name}/"
                keys = [
                    key for key in state if key.startswith(start) and "/" not in key[len(start) :]
                ]
                parts[name] = sort.from_state({key[len(start) :]: state[key] for key in keys})

    def _groups(self) -> dict[str, dict[str, Any]]:
        return {
            "moments": self.moments,
            "ratio_moments": self.ratio_moments,
            "ratio_sums": self.ratio_sums,
        }

    def _of(self, name: str, of: str) -> Any:
        """Sums of a quantity, or of it and its monitor."""
        parts: dict[str, Any] = self.ratio_sums if of == "ratio" else self.moments
        if name not in parts:
            raise UserError(f"the cube has no quantity {name!r}", "cube", suggestion(name, parts))
        return parts[name]

    def _moments(self, group: dict[str, Moments], name: str) -> Moments:
        return group.setdefault(name, Moments(self.shots.size))

    def _add_ratios(
        self, name: str, values: np.ndarray, monitor: np.ndarray, cell: np.ndarray, threads: int
    ) -> None:
        sums = self.ratio_sums.setdefault(name, RatioSums(self.shots.size))
        sums.update(values, monitor, cell, threads=threads)
        m = monitor.astype(np.float64).reshape(-1, *(1,) * (values.ndim - 1))
        quotient = np.full(values.shape, np.nan)
        np.divide(values, m, out=quotient, where=(m != 0) & np.isfinite(m))
        self._moments(self.ratio_moments, name).update(quotient, cell, threads=threads)

    def _shaped(self, result: Any) -> Any:
        return _reshaped(result, self.shape)


def difference(on: Statistics, off: Statistics) -> Difference:
    """Signal on - off with error, both of shapes that broadcast."""
    assert on.standard_error is not None
    assert off.standard_error is not None
    change = on.mean - off.mean
    error = np.hypot(on.standard_error, off.standard_error)
    base = np.broadcast_to(off.mean, change.shape)
    relative, quotient = np.full(change.shape, np.nan), np.full(change.shape, np.nan)
    np.divide(change, base, out=relative, where=base != 0)
    np.divide(on.mean, base, out=quotient, where=base != 0)
    relative_error = np.full(change.shape, np.nan)
    spread = np.hypot(on.standard_error, quotient * off.standard_error)
    np.divide(spread, np.abs(base), out=relative_error, where=base != 0)
    return Difference(change, error, relative, relative_error)


def _statistics(sums: Any) -> Statistics:
    """Statistics of each cell; of a ratio its value and error, as mean and error of the mean."""
    found = sums.finalize()
    if not isinstance(found, Ratio):
        return found
    missing = np.zeros_like(found.count)
    return Statistics(
        found.count, missing, found.ratio, found.ratio, standard_error=found.standard_error
    )


def _named(values: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in values:
        raise UserError(
            f"the cube needs the {what} {name!r}, which the run does not have",
            "cube",
            suggestion(name, values),
        )
    return values[name]


def _kind(statistics: Statistics, axis: int, place: int) -> Statistics:
    """Statistics of one kind of a label."""

    def taken(array: Any) -> Any:
        return None if array is None else np.take(array, place, axis=axis)

    return Statistics(*(taken(getattr(statistics, field.name)) for field in fields(statistics)))


def _reshaped(result: Any, shape: tuple[int, ...], axes: int = 1) -> Any:
    """The same dataclass with the first axes of its arrays made into `shape`."""

    def shaped(array: Any) -> Any:
        return None if array is None else array.reshape(*shape, *array.shape[axes:])

    return type(result)(*(shaped(getattr(result, field.name)) for field in fields(result)))
