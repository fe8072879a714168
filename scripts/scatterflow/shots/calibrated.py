"""A detector of a run as jobs see it: constants, mask and positions made ready, calibrated frames by blocks.

    value = calibrated (scatterflow.shots.calibrate), bad pixels 0; noise: rms of the dark in the same unit

Constants come from the dark (pedestal, rms, good pixels), from a file that may replace or add to them
(`constants`: pedestal, offset, gain, rms, good), the good mask of the detector, and bad regions of a CrystFEL
geometry. A pixel is good if it is so in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from scatterflow.detectors.good_mask import read_mask
from scatterflow.detectors.positions import load_positions, marked_good
from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import reading
from scatterflow.geometry_kind import has_plane
from scatterflow.shots.calibrate import CONSTANTS, Calibration, calibrate, prepare_calibration
from scatterflow.shots.dark_file import read_dark
from scatterflow.shots.frames import read_frames
from scatterflow.shots.regions import Frames
from scatterflow.sources.shots import (
    ShotDetectorInfo,
    ShotSource,
    detector_of,
)

BLOCK_BYTES = 200_000_000
"""Of a block of frames, as float32."""


@dataclass(frozen=True)
class CalibratedDetector:
    """One detector of a run.

    info: of the stored frames. calibration: constants made ready. good: (*shape) bool; noise: (*shape)
    float32 in the frames' unit, or None; positions: x, y, z in mm, (*shape) each, or None. constants: as
    they were given, by name, for the record. unit: of the frames, ADU or photons. skip_missing: take frames
    that cannot be read for absent.
    """

    name: str
    source: ShotSource
    info: ShotDetectorInfo
    calibration: Calibration
    good: np.ndarray
    noise: np.ndarray | None
    positions: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    constants: dict[str, np.ndarray]
    unit: str
    skip_missing: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame."""
        return tuple(self.info.shape)

    def block_shots(self) -> int:
        """Shots of a block; apart from the number of threads, so that blocks are always the same."""
        return max(1, min(256, BLOCK_BYTES // max(4 * int(np.prod(self.shape)), 1)))

    def blocks(
        self, start: int, stop: int, wanted: np.ndarray | None = None, *, threads: int = 1
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """Calibrated frames of shots start..stop-1, block by block.

        wanted: (stop - start,) bool, which shots are to be read; None: all. Yields the number of the block's
        first shot, which of its shots have a frame that was wanted, (n,) bool, these frames (m, *shape)
        float32, and of each the number of good pixels that are NaN, (m,) int64. Raises FrameError for a frame
        that cannot be read, unless skip_missing.
        """
        size = self.block_shots()
        for first in range(start, stop, size):
            last = min(first + size, stop)
            kept = self.info.present[first:last].copy()
            if wanted is not None:
                kept &= wanted[first - start : last - start]
            if not kept.any():
                yield first, kept, np.empty((0, *self.shape), np.float32), np.empty(0, np.int64)
                continue
            # Nothing is read before the first and behind the last of them.
            inside = np.flatnonzero(kept)
            begin, end = int(inside[0]), int(inside[-1]) + 1
            stored, present = read_frames(
                self.source, self.name, first + begin, first + end, skip_missing=self.skip_missing
            )
            kept[begin:end] &= present
            found = calibrate(stored[kept[begin:end]], self.calibration, threads=threads)
            yield first, kept, found.frames, found.invalid

    def frames(self, values: np.ndarray) -> Frames:
        """Frames (n, *shape) with what functions need to know of them."""
        return Frames(values, self.good, self.noise, self.positions)


def calibrated_detector(
    source: ShotSource,
    name: str,
    settings: Mapping[str, Any],
    *,
    mask: str | None,
    dark: str | None,
    run: str,
    skip_missing: bool = False,
) -> CalibratedDetector:
    """The detector `name` of a run, made ready.

    settings: `calibration`, `constants` (a file, or None) and `geometry` (settings of the detector, or None).
    mask, dark: files of the good mask and of the dark, or None. skip_missing: as there. Raises UserError: the
    run lacks the detector, constants of another shape or gain modes, a geometry that cannot be read.
    """
    info = detector_of(source.detectors, name, run)
    shape = tuple(info.shape)
    constants = _constants(settings.get("constants"), dark)
    where = f"run {run}, detector {name}"
    good = np.ones(shape, bool)
    if mask is not None:
        pixels = read_mask(mask).good
        if pixels.size != good.size:
            raise UserError(
                f"a mask of {pixels.shape} for frames of {shape}",
                where,
                "correct the detector's shape",
            )
        good = pixels.reshape(shape)
    good = good & marked_good(settings.get("geometry") or {}, shape, name)
    stated = np.asarray(constants.get("good", True), bool)
    if stated.shape not in ((), shape):
        raise UserError(
            f"the constant good is of shape {stated.shape}, a frame of {shape}",
            where,
            "choose constants of this detector",
        )
    try:
        calibration = prepare_calibration(
            {**constants, "good": good & stated}, settings["calibration"], shape
        )
    except UserError as error:
        raise error.inside(where) from error
    per_photon = settings["calibration"].get("adu_per_photon")
    return CalibratedDetector(
        name,
        source,
        info,
        calibration,
        calibration.good_pixels,
        _noise(constants, calibration),
        _positions(settings.get("geometry"), shape, name, source),
        constants,
        "ADU" if per_photon is None else "photons",
        skip_missing,
    )


def _constants(path: str | None, dark: str | None) -> dict[str, np.ndarray]:
    """Constants of the dark, those of the file in their place."""
    found: dict[str, np.ndarray] = {}
    if dark is not None:
        made = read_dark(dark)
        found = {"pedestal": made.pedestal, "rms": made.rms, "good": made.good}
        if len(made.pedestal) == 1:
            found |= {"pedestal": made.pedestal[0], "rms": made.rms[0]}
    if path is None:
        return found
    with reading(path, "correct the path") as file:
        for name in file:
            if name not in CONSTANTS:
                raise UserError(f"{path} holds {name!r}", "constants", suggestion(name, CONSTANTS))
            stored = file[name][()] if isinstance(file[name], h5py.Dataset) else np.empty(0, object)
            if np.asarray(stored).dtype.kind not in "biuf":
                raise UserError(
                    f"{path}: {name!r} is no array of numbers",
                    "constants",
                    "store one number, or one for each pixel",
                )
            if name == "good":
                # Both know bad pixels.
                stored = _both_good(found.get("good"), np.asarray(stored, bool), path)
            found[name] = stored
    return found


def _both_good(of_dark: np.ndarray | None, stored: np.ndarray, path: str) -> np.ndarray:
    if of_dark is None:
        return stored
    if stored.shape not in ((), of_dark.shape):
        raise UserError(
            f"{path}: the constant good is of shape {stored.shape}, the dark of {of_dark.shape}",
            "constants",
            "choose constants of this detector",
        )
    return of_dark & stored


def _noise(constants: Mapping[str, np.ndarray], calibration: Calibration) -> np.ndarray | None:
    """rms of the dark in the unit of the frames, of the first gain mode."""
    if constants.get("rms") is None:
        return None
    rms = np.asarray(constants["rms"], np.float64)
    rms = rms[0] if rms.ndim > len(calibration.shape) else rms
    factor = calibration.factor[0].reshape(calibration.shape)
    return np.broadcast_to(rms * factor, calibration.shape).astype(np.float32)


def _positions(
    geometry: Mapping[str, Any] | None, shape: tuple[int, ...], name: str, source: ShotSource
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    if geometry is None or geometry["geometry"] is None:
        return None
    if has_plane(geometry["geometry"]):
        # One plane: the tiles lie one above the other, as they are stacked.
        stacked = tuple(geometry["shape"])
        x, y, z = load_positions(geometry, stacked, name)
        return x.reshape(shape), y.reshape(shape), z.reshape(shape)
    metadata = source.metadata().get("detectors", {}).get(name)
    return load_positions(geometry, shape, name, metadata)
