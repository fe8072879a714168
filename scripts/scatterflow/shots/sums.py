"""Sums of a detector's shots, pixel by pixel, by name: what SLAC's smalldata_tools keeps in `Sums/`.

A name is a recipe (`scatterflow.sum_names`). A value that is NaN is left out, and how many are left in is
counted. Sums and largest values are the accumulators `Mean` and `Maximum`: the same for any chunks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots.accumulators import Maximum
from scatterflow.shots.moments import Mean
from scatterflow.sum_names import Recipe, recipe


class ShotSums:
    """Named sums of one detector; mergeable."""

    def __init__(self, names: Sequence[str], shape: Sequence[int]) -> None:
        """shape: of a frame. Raises UserError for names that are no recipe."""
        self.shape = tuple(shape)
        self.recipes = {name: recipe(name) for name in names}
        self.sums = {
            name: Maximum() if chosen.largest else Mean() for name, chosen in self.recipes.items()
        }
        self.update(np.empty((0, *self.shape), np.float32))

    def update(
        self, frames: np.ndarray, xray: np.ndarray | None = None, *, threads: int = 1
    ) -> None:
        """Add frames (n, *shape), calibrated; xray: (n,) whether a shot had X-rays, None: all had.

        Raises UserError for frames of another shape.
        """
        if frames.shape[1:] != self.shape:
            raise UserError(
                f"frames of {frames.shape[1:]} pixels after others of {self.shape}",
                "sums",
                "sum shots of one detector, read out alike",
            )
        without = np.zeros(len(frames), bool) if xray is None else ~np.asarray(xray, dtype=bool)
        for name, chosen in self.recipes.items():
            kept = frames[without] if chosen.dropped else frames
            self.sums[name].update(_prepared(kept, chosen), threads=threads)

    def merge(self, other: ShotSums) -> None:
        """Add what another has summed. Raises ValueError unless it has the same names and shape."""
        if list(self.recipes) != list(other.recipes) or self.shape != other.shape:
            raise ValueError("sums of other names or frames")
        for name, added in other.sums.items():
            own: Any = self.sums[name]
            own.merge(added)

    def finalize(self) -> dict[str, np.ndarray]:
        """(*shape) float64 each: sums, 0 where nothing was added; largest values, NaN there."""
        return {
            name: total.finalize().value if isinstance(total, Maximum) else total.finalize().total
            for name, total in self.sums.items()
        }

    def counts(self) -> dict[str, np.ndarray]:
        """(*shape) int64 each: values that went into a sum; divided by it, a sum is a mean."""
        return {name: total.finalize().count for name, total in self.sums.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Arrays by name, for a file."""
        return {
            f"{name}/{key}": array
            for name, total in self.sums.items()
            for key, array in total.state().items()
        }

    @classmethod
    def from_state(
        cls, names: Sequence[str], shape: Sequence[int], state: Mapping[str, np.ndarray]
    ) -> ShotSums:
        """The sums that `state` told of."""
        sums = cls(names, shape)
        for name, total in sums.sums.items():
            own = {
                key.rpartition("/")[2]: v for key, v in state.items() if key.startswith(f"{name}/")
            }
            sums.sums[name] = type(total).from_state(own)
        return sums


def _prepared(frames: np.ndarray, chosen: Recipe) -> np.ndarray:
    """Values that a recipe adds, floats."""
    values = frames if frames.dtype.kind == "f" else frames.astype(np.float64)
    if chosen.threshold is not None:
        values = np.where(values < chosen.threshold, values.dtype.type(0), values)
    if chosen.hits:
        values = np.where(np.isnan(values), values, values > 0).astype(values.dtype)
    if chosen.square:  # exact, of float32
        values = np.square(values, dtype=np.float64)
    return values
