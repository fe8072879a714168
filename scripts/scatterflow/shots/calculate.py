"""Calculations on the small data of a run: histograms, statistics over shots, the best shots' images.

    histogram, histogram2d      counts in fixed bins
    binned_statistics           mean, error, count of a variable in bins of another
    moments, extremes, quantiles, weighted_mean, running_mean      of every element over shots
    covariance                  of the elements of a profile
    top_shots, random_shots     with calibrated images, read from the raw data

All are accumulators (`accumulators`) fed block by block, so that memory does not grow with the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots.accumulators import Extreme, Maximum, Minimum
from scatterflow.shots.calculators import BinnedStatistics, Histogram1D, Histogram2D
from scatterflow.shots.covariance import Covariance
from scatterflow.shots.moments import Variance
from scatterflow.shots.per_shot import (
    check_names,
    check_scalars,
    measured,
    passing,
    scalar,
    shot_blocks,
)
from scatterflow.shots.quantiles import linear_sketch
from scatterflow.shots.samples import KeptShots, Reservoir, TopShots
from scatterflow.shots.weighted import RunningMean, WeightedMean

if TYPE_CHECKING:
    from scatterflow.shots.calibrated import CalibratedDetector
    from scatterflow.shots.small_data import SmallData


@dataclass(frozen=True)
class KeptImages:
    """shots: kept ones, whose values are their positions in the run; images: by detector, (k, *shape) float32
    in the unit given, NaN where a pixel is bad or the shot has no image."""

    shots: KeptShots
    images: dict[str, np.ndarray] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Selected:
    """The shots of a run that a calculation is about. passed: (n,) bool; where: for messages."""

    small: SmallData
    passed: np.ndarray
    where: str


Images = Mapping[str, "CalibratedDetector"]


def calculate(
    small: SmallData,
    settings: Mapping[str, Any],
    detectors: Images,
    where: str,
) -> Any:
    """The result of one calculation: what the accumulator's `finalize` gives, or `KeptImages`.

    settings: of the calculation, plain values; detectors: those whose images are wanted; where: its place
    in the configuration. Raises UserError: a variable that the run lacks, no shot that passes the filters,
    nothing to make bins of.
    """
    passed = passing(small, settings["filters"], f"{where}.filters")
    return _KINDS[settings["type"]](Selected(small, passed, where), settings, detectors)


def _fed(shots: Selected, accumulator: Any, names: Sequence[str]) -> Any:
    """An accumulator that has seen the named values of all shots that pass."""
    check_names(shots.small, names, shots.where)
    for start, stop in shot_blocks(shots.small, names):
        own = shots.passed[start:stop]
        accumulator.update(*(measured(shots.small, name, start, stop)[own] for name in names))
    return accumulator


def _edges(shots: Selected, name: str, settings: Mapping[str, Any]) -> np.ndarray:
    """Edges of bins as given, or equal ones from limits, given or found in the data."""
    if settings["edges"] is not None:
        return np.asarray(settings["edges"], dtype=np.float64)
    low, high = _limits(shots, name, settings)
    return np.linspace(low, high, settings["bins"] + 1)


def _limits(shots: Selected, name: str, settings: Mapping[str, Any]) -> tuple[float, float]:
    low, high = settings["minimum"], settings["maximum"]
    if low is None or high is None:
        lowest, highest = (_over_all(_extreme(shots, name, kind)) for kind in (Minimum, Maximum))
        if not len(lowest):
            raise UserError(
                f"{name} has no value in any of {int(shots.passed.sum())} shots",
                shots.where,
                "choose another variable, or loosen the filters",
            )
        low = float(lowest.min()) if low is None else low
        high = float(highest.max()) if high is None else high
    if not low < high:
        raise UserError(
            f"no bins of {name} lie between {low:g} and {high:g}",
            shots.where,
            "give minimum and maximum, or the edges",
        )
    return low, high


def _over_all(extreme: Extreme) -> np.ndarray:
    """Values of the elements that have one."""
    return extreme.value[extreme.count > 0]


def _extreme(shots: Selected, name: str, kind: type[Minimum]) -> Extreme:
    return _fed(shots, kind(), [name]).finalize()


def _histogram(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    name = settings["variable"]
    return _fed(shots, Histogram1D(_edges(shots, name, settings)), [name]).finalize()


def _histogram2d(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    names = [settings[axis]["variable"] for axis in ("x", "y")]
    check_scalars(shots.small, names, shots.where)
    x, y = (_edges(shots, settings[axis]["variable"], settings[axis]) for axis in ("x", "y"))
    return _fed(shots, Histogram2D(x, y), names).finalize()


def _binned(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    along = settings["along"]
    check_scalars(shots.small, [along], shots.where)
    edges = _edges(shots, along, settings)
    return _fed(shots, BinnedStatistics(edges), [along, settings["variable"]]).finalize()


def _moments(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    return _fed(shots, Variance(), [settings["variable"]]).finalize()


def _extremes(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    return tuple(_extreme(shots, settings["variable"], kind) for kind in (Minimum, Maximum))


def _quantiles(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    name = settings["variable"]
    sketch = linear_sketch(*_limits(shots, name, settings), settings["bins"])
    return _fed(shots, sketch, [name]).finalize(settings["fractions"])


def _weighted_mean(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    check_scalars(shots.small, [settings["weight"]], shots.where)
    return _fed(shots, WeightedMean(), [settings["variable"], settings["weight"]]).finalize()


def _running_mean(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    return _fed(shots, RunningMean(settings["lifetime"]), [settings["variable"]]).finalize()


def _covariance(shots: Selected, settings: Mapping[str, Any], _: Images) -> Any:
    name = settings["variable"]
    check_names(shots.small, [name], shots.where)
    if not shots.small.shape(name):
        raise UserError(
            f"{name!r} is a single number per shot: it has a variance, no covariance",
            shots.where,
            "choose a profile, or type: moments",
        )
    covariance = Covariance()
    for start, stop in shot_blocks(shots.small, [name]):
        values = measured(shots.small, name, start, stop)[shots.passed[start:stop]]
        covariance.update(values.reshape(len(values), int(np.prod(values.shape[1:]))))
    return covariance.finalize()


def _top_shots(shots: Selected, settings: Mapping[str, Any], detectors: Images) -> KeptImages:
    keys = scalar(shots.small, settings["variable"], shots.where).astype(np.float64)
    own = np.flatnonzero(shots.passed)
    best = TopShots(settings["number"])
    sign = -1 if settings["lowest"] else 1
    best.update(own, sign * keys[own], shots.small.tags[own])
    found = best.finalize()
    kept = KeptShots(sign * found.keys, found.tags, found.values, found.seen, found.missing)
    return _with_images(kept, settings, detectors)


def _random_shots(shots: Selected, settings: Mapping[str, Any], detectors: Images) -> KeptImages:
    own = np.flatnonzero(shots.passed)
    drawn = Reservoir(settings["number"], seed=settings["seed"])
    drawn.update(own, shots.small.tags[own])
    return _with_images(drawn.finalize(), settings, detectors)


def _with_images(kept: KeptShots, settings: Mapping[str, Any], detectors: Images) -> KeptImages:
    images, units = {}, {}
    for name in settings["images"]:
        detector = detectors[name]
        images[name] = np.full((len(kept.values), *detector.shape), np.nan, np.float32)
        units[name] = detector.unit
        for place, position in enumerate(kept.values.tolist()):
            for _, _, frames, _ in detector.blocks(position, position + 1):
                if len(frames):
                    images[name][place] = np.where(detector.good, frames[0], np.nan)
    return KeptImages(kept, images, units)


_KINDS: dict[str, Callable[[Selected, Mapping[str, Any], Images], Any]] = {
    "histogram": _histogram,
    "histogram2d": _histogram2d,
    "binned_statistics": _binned,
    "moments": _moments,
    "extremes": _extremes,
    "quantiles": _quantiles,
    "weighted_mean": _weighted_mean,
    "running_mean": _running_mean,
    "covariance": _covariance,
    "top_shots": _top_shots,
    "random_shots": _random_shots,
}
