"""Droplets and photons of single frames: settings and constants made ready once, memory for each thread.

The settings are those that scatterflow.shots.photon_reductions names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.droplets import (
    Droplets,
    Workspace,
    droplet_shapes,
    find_droplets,
    new_droplets,
    new_workspace,
    pixel_limits,
)
from scatterflow.kernels.photon_fits import (
    Cloud,
    FitSpace,
    Placed,
    charge_cloud,
    count_fitted,
    fit_photons,
    new_fit_space,
    new_placed,
)
from scatterflow.kernels.photons import (
    Fractions,
    Photons,
    count_guessed,
    count_pixels,
    guess_photons,
    new_fractions,
    new_photons,
)

THRESHOLD = 5.0
CLASSES = 11
"""Of `prob`: pixels with 0..10 photons."""
MOST_PHOTONS = 2**26
"""In a frame; more come of damaged pixels."""
LEAST_DENSITY = 1e-6


@dataclass(frozen=True)
class PhotonSettings:
    """How photons are found in droplets; cloud: None for the greedy guess."""

    adu_per_photon: float
    probabilities: bool
    cloud: Cloud | None = None
    noise: float = 0.0
    density: float | None = None


@dataclass(frozen=True)
class FrameDroplets:
    """Droplets of one frame, and its photons. found: droplets before the faint ones are left out."""

    found: int
    droplets: dict[str, np.ndarray]
    photons: dict[str, np.ndarray]
    probabilities: np.ndarray


@dataclass
class Memory:
    """What one thread works in; photons and placed grow."""

    space: Workspace
    droplets: Droplets
    photons: Photons
    placed: Placed
    fractions: Fractions | None
    fit: FitSpace | None
    map: np.ndarray


class DropletFinder:
    """Finds the droplets of frames of one detector."""

    def __init__(
        self, frames: np.ndarray, good: np.ndarray, settings: Mapping[str, Any],
        noise: np.ndarray | None,
    ) -> None:  # fmt: skip
        """frames, good: as in `as_tiles`; noise: of each pixel in ADU, or None. Raises UserError."""
        self.frames, self.good = as_tiles(frames, good)
        _, self.tiles, self.rows, self.columns = self.frames.shape
        flat = (self.tiles * self.rows, self.columns)
        self._flat_good = self.good.reshape(flat)
        low, high = _thresholds(settings, self.good.shape, frames.shape[1:], noise)
        dtype = self.frames.dtype
        self._low = pixel_limits(low, self.good, dtype).reshape(flat)
        self._lowest = self._low.min(axis=1)
        self._high = pixel_limits(high, np.array(True), dtype).reshape(-1, high.shape[-1])
        self._least = _optional(settings, "least_adu", -np.inf)
        largest = float(np.finfo(dtype).max)
        self._maximum = min(_optional(settings, "most_adu", largest), largest)
        self._shapes = bool(settings.get("shapes", False))
        given = settings.get("photons")
        self.photons = None if given is None else photon_settings(given)
        self._good_pixels = int(self.good.sum())
        if not self._good_pixels:
            raise UserError("no pixel is good", "droplets", "check the masks of the detector")

    def memory(self) -> Memory:
        """Memory of a thread."""
        pixels = self.good.size
        photons = self.photons
        fitted = photons is not None and photons.cloud is not None
        return Memory(
            new_workspace(self.tiles * self.rows, self.columns),
            new_droplets(pixels, self.frames.dtype),
            new_photons(0),
            new_placed(0),
            None if photons is None or fitted else new_fractions(pixels),
            new_fit_space(self.good, photons.cloud) if photons and photons.cloud else None,
            np.zeros(self.good.shape, np.int32),
        )

    def find(self, memory: Memory, shot: int) -> FrameDroplets:
        """Droplets and photons of a frame."""
        frame = self.frames[shot].reshape(self._flat_good.shape)
        lists = memory.droplets
        found, kept, pixels = find_droplets(
            frame,
            self.rows,
            self._lowest,
            self._low,
            self._high,
            self._maximum,
            self._least,
            memory.space,
            lists,
        )
        one = FrameDroplets(found, self._droplet_lists(lists, kept), {}, np.empty(0))
        if self.photons is None:
            return one
        number = self._find_photons(memory, frame, kept, pixels, shot)
        row, col, tile = (part[:number].copy() for part in memory.photons)
        data = np.ones(number, np.int64)
        one = replace(one, photons={"row": row, "col": col, "tile": tile, "data": data})
        if not self.photons.probabilities:
            return one
        return replace(one, probabilities=self._probabilities(memory, number))

    def empty(self) -> FrameDroplets:
        """What is found in a frame without droplets."""
        none: dict[str, np.ndarray] = {"row": np.empty(0), "col": np.empty(0)}
        none |= {"tile": np.empty(0, np.int32), "data": np.empty(0, np.int64)}
        lists = self._droplet_lists(new_droplets(0, self.frames.dtype), 0)
        return FrameDroplets(0, lists, none, np.empty(0))

    def _droplet_lists(self, lists: Droplets, kept: int) -> dict[str, np.ndarray]:
        named = {
            "data": lists.adu, "npix": lists.npix, "row": lists.row, "col": lists.col,
            "tile": lists.tile,
        }  # fmt: skip
        named = {name: values[:kept].copy() for name, values in named.items()}
        if self._shapes:
            named["box"], named["moments"] = np.empty((kept, 4), np.int32), np.empty((kept, 3))
            droplet_shapes(lists, 0, kept, self.rows, self.columns, named["box"], named["moments"])
        return named

    def _find_photons(
        self, memory: Memory, frame: np.ndarray, kept: int, pixels: int, shot: int
    ) -> int:
        """Fill memory.photons; returns their number."""
        settings, lists = self.photons, memory.droplets
        assert settings is not None
        adu = settings.adu_per_photon
        if settings.cloud is None:
            number = count_guessed(lists, kept, adu)
        else:
            number = count_fitted(lists, pixels, adu)
        if not number <= MOST_PHOTONS:
            raise UserError(
                f"{number:.3g} photons in frame {shot} of a chunk",
                "droplets: photons: adu_per_photon",
                "mask the damaged pixels, or set most_adu to what a pixel can hold",
            )
        if number > memory.photons.row.size:
            memory.photons = new_photons(int(1.5 * number))
        if settings.cloud is None:
            return guess_photons(
                lists, kept, adu, self.rows, self.columns, memory.fractions, memory.photons
            )
        if number > memory.placed.pixel.size:
            memory.placed = new_placed(int(1.5 * number))
        density = settings.density or lists.adu[:kept].sum() / adu / self._good_pixels
        return fit_photons(
            frame, self._flat_good, self.rows, self._maximum, lists, pixels, adu, settings.noise,
            min(max(density, LEAST_DENSITY), 1.0), settings.cloud, memory.fit, memory.placed, memory.photons,
        )  # fmt: skip

    def _probabilities(self, memory: Memory, number: int) -> np.ndarray:
        pixels = np.zeros(CLASSES, np.int64)
        pixels[0] = self._good_pixels
        photons = count_pixels(memory.photons, number, self.good, memory.map, pixels)
        return np.append(pixels, photons) / self._good_pixels


def as_tiles(frames: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, tiles, rows, columns) of a floating type and their mask (tiles, rows, columns), bool.

    frames: (n, rows, columns) or (n, tiles, rows, columns); integers become a floating type that holds them.
    Raises UserError for a mask of another shape.
    """
    _same_shape("good pixels", good, frames.shape[1:])
    dtype = np.result_type(frames.dtype, np.float32)
    tiles = frames.shape[1:] if frames.ndim == 4 else (1, *frames.shape[1:])
    values = np.ascontiguousarray(frames, dtype).reshape(-1, *tiles)
    return values, np.ascontiguousarray(good, np.bool_).reshape(tiles)


def positive(settings: Mapping[str, Any], key: str, where: str) -> float:
    """A setting that must be a number above 0. Raises UserError."""
    value = settings.get(key)
    if value is None or not 0 < float(value) < np.inf:
        raise UserError(f"{key} is {value}", f"{where}: {key}", "give a number above 0")
    return float(value)


def photon_settings(given: Mapping[str, Any]) -> PhotonSettings:
    """Checked settings of photons. Raises UserError."""
    where = "droplets: photons"
    adu = positive(given, "adu_per_photon", where)
    probabilities = bool(given.get("probabilities", True))
    method = given.get("method", "guess")
    if method == "guess":
        return PhotonSettings(adu, probabilities)
    if method != "fit":
        raise UserError(f"photons by {method!r}", f"{where}: method", 'give "guess" or "fit"')
    noise, cloud = (positive(given, key, where) for key in ("noise", "cloud"))
    density = None if given.get("density") is None else positive(given, "density", where)
    return PhotonSettings(adu, probabilities, charge_cloud(cloud, noise), noise, density)


def _thresholds(
    settings: Mapping[str, Any],
    tiles: tuple[int, ...],
    shape: tuple[int, ...],
    noise: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high threshold in ADU, float64: of each pixel (tiles, rows, columns), or (1, 1, 1)."""
    high = positive({"threshold": THRESHOLD, **settings}, "threshold", "droplets")
    given = settings.get("threshold_low")
    low = high if given is None else positive(settings, "threshold_low", "droplets")
    if low > high:
        raise UserError(
            f"threshold_low {low:g} is above threshold {high:g}",
            "droplets: threshold_low",
            "the pixels beside a droplet's bright ones need a lower threshold, or the same",
        )
    if not settings.get("in_noise", True):
        return np.full((1, 1, 1), low), np.full((1, 1, 1), high)
    if noise is None:
        raise UserError(
            "thresholds are in units of the pixels' noise, which is not known",
            "droplets: in_noise",
            "give the detector a dark run, or in_noise: false and thresholds in ADU",
        )
    _same_shape("the noise of the pixels", noise, shape)
    exact = np.asarray(noise, np.float64).reshape(tiles)
    return low * exact, high * exact


def _same_shape(what: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if np.shape(array) != tuple(shape):
        raise UserError(
            f"{what}: {np.shape(array)}, and frames of {tuple(shape)}",
            "droplets",
            "take the constants of this detector",
        )


def _optional(settings: Mapping[str, Any], key: str, absent: float) -> float:
    value = settings.get(key)
    return absent if value is None else float(value)
