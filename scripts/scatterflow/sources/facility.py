"""What sources have in common that read through a facility's own package (psana, dbpy and stpy).

Such a package is never required: without it there is one message. Whether a shot has an image is only
known once it is read.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import FrameError, UserError, shortened
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_scalars import scalar_table, wanted_scalars
from scatterflow.sources.shots import (
    ShotDetectorInfo,
    absent_frames,
    detector_of,
    shot_range,
    unknown_times,
)

if TYPE_CHECKING:
    import pandas as pd


def facility_package(name: str, location: RunLocation, how: str) -> Any:
    """An optional package; raises UserError, with `how` to get it or do without, if it is absent."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"format {location.recipe['format']!r} needs the package {name}, which is not installed"
            if isinstance(error, ModuleNotFoundError)
            else f"the package {name} cannot be used ({error})",
            f"run {location.run}",
            how,
        ) from error


def needed(location: RunLocation, key: str, what: str) -> Any:
    """A key of the recipe; raises UserError if it is missing."""
    if key not in location.recipe:
        raise UserError(f"`{key}` is missing", f"run {location.run}, source", f"set {what}")
    return location.recipe[key]


def run_number(location: RunLocation) -> int:
    """`run_number` of the recipe, else the run table's `raw`; raises UserError if that is no number."""
    number = location.recipe.get("run_number", location.raw)
    try:
        return int(number)
    except ValueError:
        raise UserError(
            f"{shortened(number)} is no number of a run",
            f"run {location.run}, column raw of the run table",
            "write the number there, or give the source its `run_number`",
        ) from None


class FacilitySource:
    """Part of a `ShotSource`; what remains for each package: tags, images, values.

    `_images(detector, start, stop)` gives an array or None per shot, `_numbers(name, start, stop)` (n,)
    float64, `_first_image(detector)` the first image of a run (None: none).
    """

    notes: list[str]
    detectors: dict[str, ShotDetectorInfo]
    tags: np.ndarray

    def __init__(self, location: RunLocation) -> None:
        self.location = location
        self.notes = ["whether a shot has an image is known once it is read"]

    @property
    def shots(self) -> int:
        """Number of shots."""
        return len(self.tags)

    @property
    def scalar_names(self) -> list[str]:
        """Names of the recipe's scalars; a package does not list what it could read."""
        return list(self.location.recipe.get("scalars") or {})

    def read(self, detector: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """See `ShotSource.read`."""
        info = detector_of(self.detectors, detector, self.location.run)
        start, stop = shot_range(start, stop, self.shots)
        frames = absent_frames(stop - start, info.shape, info.dtype)
        present = np.zeros(stop - start, bool)
        for shot, image in enumerate(self._images(detector, start, stop)):
            if image is None:
                continue
            if image.shape != info.shape or image.dtype != info.dtype:
                raise FrameError(
                    f"an image of {image.dtype} {image.shape} among {info.dtype} {info.shape}",
                    f"run {self.location.run}, detector {detector}, tag {self.tags[start + shot]}",
                    "the detector was changed within the run; leave these shots out",
                )
            frames[shot], present[shot] = image, True
        return frames, present

    def scalars(
        self, start: int = 0, stop: int | None = None, names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """See `ShotSource.scalars`."""
        start, stop = shot_range(start, stop, self.shots)
        recipe = self.location.recipe
        known = set(self.scalar_names) | set(names or ())
        known |= {
            e if isinstance(e, str) else e["name"] for e in recipe.get("scalars", {}).values()
        }
        wanted = wanted_scalars(recipe, known, names, f"run {self.location.run}")
        first, last = start, stop
        return scalar_table(
            self.tags[first:last], wanted, lambda name: (self._numbers(name, first, last), "")
        )

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """See `ShotSource.times`; not known."""
        start, stop = shot_range(start, stop, self.shots)
        return unknown_times(stop - start)

    def slow(self) -> dict[str, Any]:
        """Nothing: these values are read per shot."""
        return {}

    def files(self) -> list[Path]:
        """None: the package knows where its files are."""
        return []

    def close(self) -> None:
        """Nothing is kept open."""

    def _open_detectors(self, names: Sequence[str]) -> None:
        self.detectors = {}
        for name in names:
            first = self._first_image(name)
            if first is None:
                self.notes.append(f"detector {name}: no image in the run, left out")
                continue
            everywhere = np.ones(self.shots, bool)
            self.detectors[name] = ShotDetectorInfo(first.shape, first.dtype, everywhere)

    def _images(self, detector: str, start: int, stop: int) -> list[np.ndarray | None]:
        raise NotImplementedError

    def _numbers(self, name: str, start: int, stop: int) -> np.ndarray:
        raise NotImplementedError

    def _first_image(self, detector: str) -> np.ndarray | None:
        raise NotImplementedError
