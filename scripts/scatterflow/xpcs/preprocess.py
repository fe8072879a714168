"""From stored pixel values to what is correlated: valid range, dark, lower level, flat field, q-map order.

    x = g * max(v - d, 0) where that is above L + n * s, else 0

v: stored value; d, s: dark image, or mean and standard deviation of dark frames of the run; L: lower
level; n: dark_sigma; g = 1 / flat. (XPCS-Eigen's `lld` and `sigma`; its flat field multiplies.) Each raw
frame is corrected, then averages are summed. A value outside the detector's valid range, or in a pixel that
dark or flat do not know, measured nothing: it counts 0 and is reported by pixel and by frame.

Without dark and flat counts stay integers, in the smallest unsigned type that holds them, and all sums
are exact. With them x has fractions: it is computed in float64 and rounded once to float32, before any sum,
so that everything is made from the same numbers. That changes x by less than 6e-8 of itself, where
counting noise is 1 / sqrt(x); sums are float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.detectors.crop import crop_window
from scatterflow.detectors.valid_range import valid_limits
from scatterflow.errors import UserError
from scatterflow.kernels.sorting import PIECE

if TYPE_CHECKING:
    from scatterflow.detectors.qmap import QMap
    from scatterflow.sources.base import Source

# More than any pixel counts, and far enough from 2**63 that frames can be added up.
MOST_COUNTS = 2**48
_DARK_BLOCK = 16


@dataclass(frozen=True)
class Preprocessing:
    """How values are corrected; images are (rows, columns) float64 of the whole detector, NaN: not known.

    valid: the configuration's valid range; lower_level: L; level: L + n * s per pixel where there are dark
    frames, else None; dark, flat: None where there is none.
    """

    valid: dict[str, Any]
    lower_level: float = 0.0
    level: np.ndarray | None = None
    dark: np.ndarray | None = None
    flat: np.ndarray | None = None

    def makes_fractions(self, dtype: np.dtype) -> bool:
        """Whether values of frames stored as `dtype` are no integers any more."""
        return dtype.kind == "f" or self.dark is not None or self.flat is not None

    def limits(self, dtype: np.dtype) -> tuple[Any, Any]:
        """Smallest and largest valid value; counts are never negative."""
        low, high = valid_limits(self.valid, dtype)
        if dtype.kind == "f":
            return low, high
        return max(int(low), 0), min(int(high), MOST_COUNTS)


@dataclass(frozen=True)
class PixelOrder:
    """The order in which pixels are sorted: those of the q-map, then the other good ones, then the rest.

    pixels: (all,) int64, flat index of each position in a stored frame; image: (all,) int64, the same in
    the images of the q-map's shape; positions: number of those of the q-map. pieces: (pieces, 2) int64,
    runs of positions of one bin each, at most PIECE long; bins: (pieces,) int64, their static bin;
    static_bins: those of no bin, other_good: of pixels outside the map; other_good + 1: not good.
    """

    pixels: np.ndarray
    image: np.ndarray
    shape: tuple[int, int]
    positions: int
    static_bins: int
    pieces: np.ndarray
    bins: np.ndarray

    @property
    def other_good(self) -> int:
        """Bin of the good pixels that the q-map does not use."""
        return self.static_bins

    @property
    def good_pixels(self) -> int:
        """Number of good pixels, in the map or not."""
        first, last = self.pieces[self.bins <= self.other_good].T
        return int((last - first).sum())

    def position_of_pixel(self, pixels: int) -> np.ndarray:
        """Position of each of a stored frame's pixels, (pixels,) int32; -1 outside the crop."""
        found = np.full(pixels, -1, np.int32)
        found[self.pixels] = np.arange(len(self.pixels), dtype=np.int32)
        return found

    def as_image(self, values: np.ndarray) -> np.ndarray:
        """Values by position as an image of the q-map's shape."""
        image = np.zeros(self.shape[0] * self.shape[1], values.dtype)
        image[self.image] = values
        return image.reshape(self.shape)


def pixel_order(
    qmap: QMap,
    detector_shape: tuple[int, int],
    good: np.ndarray | None = None,
    crop: dict[str, Any] | None = None,
    where: str = "",
) -> PixelOrder:
    """The order for frames of `detector_shape`.

    good: (rows, columns) bool of the detector's or the q-map's shape, True = good; None: the pixels of the
    q-map. crop: rows and columns [a, b) of the frames that are used; the q-map is of the whole detector
    or of the cut.
    Raises UserError for a q-map of another shape, or with pixels outside the crop.
    """
    rows, columns = crop_window(crop, detector_shape, where)
    whole = np.arange(detector_shape[0] * detector_shape[1], dtype=np.int64).reshape(detector_shape)
    inside = np.zeros(detector_shape, bool)
    inside[rows, columns] = True
    if qmap.mask.shape != tuple(detector_shape):
        if qmap.mask.shape != inside[rows, columns].shape:
            raise UserError(
                f"the q-map has {_sides(qmap.mask.shape)} pixels, "
                f"the frames {_sides(inside[rows, columns].shape)}",
                where,
                "give the q-map of this detector, or of the part that `crop` cuts out of it",
            )
        whole, inside = whole[rows, columns], inside[rows, columns]
        if good is not None and good.shape == tuple(detector_shape):
            good = good[rows, columns]
    if (qmap.mask & ~inside).any():
        raise UserError(
            f"{np.count_nonzero(qmap.mask & ~inside)} pixels of the q-map lie outside the crop",
            where,
            "make the q-map with the same crop, or widen the crop",
        )
    good = qmap.mask if good is None else (good | qmap.mask)
    used = np.asarray(qmap.pixels)
    others = np.flatnonzero(good & ~qmap.mask & inside)
    rest = np.flatnonzero(~good & inside)
    image = np.concatenate([used, others, rest]).astype(np.int64)
    bins = np.concatenate(
        [
            qmap.static_of_position,
            np.full(len(others), qmap.static_bins),
            np.full(len(rest), qmap.static_bins + 1),
        ]
    )
    pieces = _pieces(bins)
    return PixelOrder(
        whole.reshape(-1)[image],
        image,
        tuple(qmap.mask.shape),
        len(used),
        qmap.static_bins,
        pieces,
        bins[pieces[:, 0]].astype(np.int64),
    )


def _pieces(bins: np.ndarray) -> np.ndarray:
    changes = np.flatnonzero(np.diff(bins)) + 1
    edges = np.concatenate([[0], changes, [len(bins)]])
    pieces = [
        (at, min(at + PIECE, last))
        for first, last in pairwise(edges.tolist())
        for at in range(first, last, PIECE)
    ]
    return np.array(pieces, np.int64).reshape(-1, 2)


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)


@dataclass(frozen=True)
class Corrections:
    """What compiled code needs, each (all,) float64 in the order of positions."""

    dark: np.ndarray
    level: np.ndarray
    gain: np.ndarray


def corrections(preprocessing: Preprocessing, order: PixelOrder) -> Corrections:
    """The images of a preprocessing in the order of positions."""

    def ordered(image: np.ndarray | None, default: float) -> np.ndarray:
        if image is None:
            return np.full(len(order.pixels), default)
        return np.ascontiguousarray(image.reshape(-1)[order.pixels], np.float64)

    return Corrections(
        ordered(preprocessing.dark, 0.0),
        ordered(preprocessing.level, float(preprocessing.lower_level)),
        1.0 / ordered(preprocessing.flat, 1.0),
    )


def preprocessing_of(
    settings: dict[str, Any],
    valid: dict[str, Any],
    source: Source,
    detector: str,
    dark: np.ndarray | None = None,
    flat: np.ndarray | None = None,
    where: str = "",
) -> Preprocessing:
    """The preprocessing that a reduction asks for.

    settings: dark_frames ([a, b): raw frames, or None), dark_sigma, lower_level; valid: of the detector;
    dark, flat: its images. Raises UserError for two darks, or too few dark frames.
    """
    lower_level = float(settings.get("lower_level") or 0.0)
    sigmas = float(settings.get("dark_sigma") or 0.0)
    if settings.get("dark_frames") is None:
        if sigmas:
            raise UserError(
                "dark_sigma needs dark frames, whose standard deviation it multiplies",
                where,
                "give dark_frames, or leave dark_sigma at 0",
            )
        return Preprocessing(valid, lower_level, None, dark, flat)
    if dark is not None:
        raise UserError(
            "a dark image and dark frames are both given", where, "leave out one of them"
        )
    first, last = settings["dark_frames"]
    mean, deviation = dark_statistics(source, detector, first, last, valid, where)
    if sigmas and last - first < 2:
        raise UserError("one dark frame has no standard deviation", where, "give more dark frames")
    return Preprocessing(valid, lower_level, lower_level + sigmas * deviation, mean, flat)


def dark_statistics(
    source: Source, detector: str, first: int, last: int, valid: dict[str, Any], where: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (unbiased) of raw frames first..last-1, (rows, columns) float64.

    Only valid values count; NaN where a pixel has none. With one frame the deviation is 0.
    """
    if not 0 <= first < last <= source.frames:
        raise UserError(
            f"dark frames {first} to {last} are not in the run, which has {source.frames} frames",
            where,
            "give them as [first, one after the last], counted from 0",
        )
    info = source.detectors[detector]
    low, high = valid_limits(valid, info.dtype)
    count = np.zeros(info.shape, np.int64)
    total, squares = np.zeros(info.shape), np.zeros(info.shape)
    for frames in _blocks(source, detector, first, last):
        usable = (frames >= low) & (frames <= high)
        values = np.where(usable, frames, 0).astype(np.float64)
        count += usable.sum(axis=0)
        total += values.sum(axis=0)
        squares += (values**2).sum(axis=0)
    known = count > 0
    mean = np.divide(total, count, out=np.full(info.shape, np.nan), where=known)
    scatter = np.maximum(squares - total * np.where(known, mean, 0.0), 0.0)
    variance = np.where(known, 0.0, np.nan)
    np.divide(scatter, count - 1, out=variance, where=count > 1)
    return mean, np.sqrt(variance)


def _blocks(source: Source, detector: str, first: int, last: int) -> Iterator[np.ndarray]:
    for start in range(first, last, _DARK_BLOCK):
        yield source.read(detector, start, min(start + _DARK_BLOCK, last))
