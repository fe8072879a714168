"""Statistics of a detector's pixels over shots, by settings: which accumulator, how it is fed, what it gives.

mean, variance    `moments.Moments`: mean, its error, variance, counts
minimum, maximum  `accumulators`
count             shots with a value
weighted_mean     `weighted.WeightedMean`; weights: a scalar of the shots
quantiles         `quantiles`: fractions, low, high, bins
reservoir         `samples.Reservoir`: shots, seed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.shots.accumulators import Count, Maximum, Minimum
from scatterflow.shots.moments import Moments
from scatterflow.shots.quantiles import QuantileSketch, linear_sketch
from scatterflow.shots.samples import Reservoir
from scatterflow.shots.weighted import WeightedMean

KINDS: dict[str, Any] = {
    "mean": Moments,
    "variance": Moments,
    "minimum": Minimum,
    "maximum": Maximum,
    "count": Count,
    "weighted_mean": WeightedMean,
    "quantiles": QuantileSketch,
    "reservoir": Reservoir,
}


def new_statistic(settings: Mapping[str, Any]) -> Any:
    """An accumulator that has seen nothing. Raises UserError for settings that cannot be."""
    kind = settings["kind"]
    if kind == "quantiles":
        return linear_sketch(settings["low"], settings["high"], settings["bins"])
    if kind == "reservoir":
        return Reservoir(settings["shots"], seed=settings["seed"])
    return KINDS[kind]()


def statistic_from_state(settings: Mapping[str, Any], state: Mapping[str, Any]) -> Any:
    """The accumulator that `state` told of."""
    return KINDS[settings["kind"]].from_state(state)


def update_statistic(
    statistic: Any,
    settings: Mapping[str, Any],
    frames: np.ndarray,
    scalars: Mapping[str, np.ndarray],
    tags: np.ndarray,
    rows: np.ndarray,
    threads: int,
) -> None:
    """Let an accumulator see frames (m, ...); rows: (m,) their shots, into scalars and tags of the run."""
    kind = settings["kind"]
    if kind == "reservoir":
        statistic.update(frames, tags[rows])
    elif kind == "weighted_mean":
        name = settings["weights"]
        if name not in scalars:
            raise UserError(
                f"the run has no scalar {name!r}", "statistics: weights", suggestion(name, scalars)
            )
        statistic.update(frames, scalars[name][rows], threads=threads)
    elif kind == "count":
        statistic.update(frames)
    else:
        statistic.update(frames, threads=threads)


def arrays_of(statistic: Any, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a statistic gives, arrays by name; `mean` comes with its error and the count of every pixel."""
    kind = settings["kind"]
    if kind == "quantiles":
        found = statistic.finalize(settings["fractions"])
        names: tuple[str, ...] = ("quantile", "fractions", "count", "below", "above")
    else:
        found = statistic.finalize()
        names = {
            "mean": ("mean", "standard_error", "count"),
            "variance": (
                "sample_variance",
                "standard_deviation",
                "mean",
                "standard_error",
                "count",
            ),
            "minimum": ("value", "count"),
            "maximum": ("value", "count"),
            "count": ("count", "missing"),
            "weighted_mean": ("mean", "standard_error", "weight", "effective_count", "count"),
            "reservoir": ("values", "tags"),
        }[kind]
    cells = kind in ("mean", "variance")
    return {
        name: getattr(found, name)[0] if cells else np.asarray(getattr(found, name))
        for name in names
    }
