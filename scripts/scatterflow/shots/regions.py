"""Regions of interest and what is made of them shot by shot: the functions of SLAC's smalldata_tools.

    region      roi [[row, row], [column, column]], of cameras with tiles [tile, tile] first, ends not
                included, None: all; threshold; saturation (None). sum, mean (over GOOD pixels), max, com (row
                and column in the region), npix, with saturation nsat, with area True area, the region itself
    projection  axis to sum over, counted in the frame, or -1: one number; mean (False), of the good pixels;
                threshold, threshold_rms; single_photon (False): 1 above the threshold, else 0. data
    lineout     axis, index: the values at that index. data
    spectrum    range [low, high] with bins (a number, 1) or step, or edges. data, (n, bins) int64
    rebin       shape, which divides the frame's: mean of the good pixels of each block. data
    threshold   threshold, threshold_rms; hands on frames, has no result of its own

threshold: a number, or [low, high]: values below low or above high count as 0. threshold_rms: the same in
units of the noise. A pixel that is masked or NaN takes no part; where no pixel is left, results are NaN.

Results are named `<name>_<key>`. Each function hands its output on to its own `functions`, whose results are
`<name>_<sub>_<key>`, to any depth; those of `scatterflow.shots.functions` (droplets, azimuthal averages) are
given as further `kinds`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.kernels.region_sums import add_histograms, add_regions
from scatterflow.shots.settings import above_zero, needed, refuse_unknown
from scatterflow.shots.thresholds import above_threshold, thresholds


@dataclass(frozen=True)
class Frames:
    """What functions work on.

    values: (n, ...); good: (...) bool; noise: (...) rms in the same unit, or None; positions: x, y and z of
    the pixels, mm, (...) each, or None.
    """

    values: np.ndarray
    good: np.ndarray
    noise: np.ndarray | None = None
    positions: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def cut(self, where: tuple[slice, ...]) -> Frames:
        """A part of each frame."""
        x_y_z = self.positions
        return Frames(
            self.values[(slice(None), *where)],
            self.good[where],
            None if self.noise is None else self.noise[where],
            None if x_y_z is None else (x_y_z[0][where], x_y_z[1][where], x_y_z[2][where]),
        )


@dataclass(frozen=True)
class Fixed:
    """A result that is the same for all shots: bins, edges. values: array; unit: of them."""

    values: np.ndarray
    unit: str = ""


Results = dict[str, Any]
Kind = Callable[[Frames, Mapping[str, Any]], tuple[Results, Frames]]


def apply_functions(
    functions: Mapping[str, Mapping[str, Any]],
    frames: Frames,
    kinds: Mapping[str, Kind] | None = None,
) -> Results:
    """Results of named functions, and of those nested in them, (n, ...) each, lists (`Ragged`) or `Fixed`.

    functions: settings by name, `kind` among them, left out: the name is the kind. kinds: further ones.
    Raises UserError for kinds that are not known and settings that cannot be.
    """
    known = {**KINDS, **(kinds or {})}
    results: Results = {}
    if functions and not frames.good.ndim:
        raise UserError(
            "a function of a single number per shot",
            next(iter(functions)),
            "it may stand inside of what hands on frames or profiles; numbers go into expressions",
        )
    for name, settings in functions.items():
        kind = str(settings.get("kind", name))
        if kind not in known:
            raise UserError(f"no function is called {kind!r}", name, suggestion(kind, known))
        own = {key: value for key, value in settings.items() if key not in ("kind", "functions")}
        try:
            found, output = known[kind](frames, own)
            found = found | apply_functions(settings.get("functions", {}), output, kinds)
        except UserError as error:
            raise error.inside(name) from error
        results |= {f"{name}_{key}": value for key, value in found.items()}
    return results


def region(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
    """Sum, mean, largest value, centre of mass of a region; hands on the region, below threshold 0."""
    refuse_unknown(settings, ("roi", "threshold", "saturation", "area"), "settings")
    frames = frames.cut(_cut(settings.get("roi"), frames.good.shape))
    values, good = frames.values, frames.good
    low, high = thresholds(settings.get("threshold"))
    saturation = settings.get("saturation")
    sums, counts = np.empty((len(values), 4)), np.empty((len(values), 2), np.int64)
    tiles = (-1, *_rows_and_columns(good.shape))
    add_regions(
        values.reshape(len(values), *good.reshape(tiles).shape), np.ascontiguousarray(good).reshape(tiles),
        low, high, math.inf if saturation is None else float(saturation), sums, counts,
    )  # fmt: skip
    pixels = counts[:, 0]
    results: Results = {
        "sum": np.where(pixels > 0, sums[:, 0], np.nan),
        "mean": np.where(pixels > 0, sums[:, 0] / np.maximum(pixels, 1), np.nan),
        "max": np.where(pixels > 0, sums[:, 1], np.nan),
        "com": _centre_of_mass(sums),
        "npix": pixels,
    }
    if saturation is not None:
        results["nsat"] = counts[:, 1]
    if settings.get("area"):
        results["area"] = values
    if settings.get("threshold") is not None:
        values = above_threshold(values, settings, None)
    return results, replace(frames, values=values)


def projection(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
    """Sum or mean over an axis, or over the whole frame."""
    refuse_unknown(
        settings, ("axis", "mean", "threshold", "threshold_rms", "single_photon"), "settings"
    )
    axis = int(settings.get("axis", -1))
    _check_axis(axis, frames.good.ndim, -1)
    limits = {key: value for key, value in settings.items() if key.startswith("threshold")}
    values = above_threshold(frames.values, limits, frames.noise)
    if settings.get("single_photon"):
        values = np.where(np.isnan(values), np.nan, values > 0)
    used = frames.good & ~np.isnan(values)
    axes = tuple(range(1, values.ndim)) if axis < 0 else (axis + 1,)
    pixels = used.sum(axis=axes)
    total = np.where(used, values, 0).sum(axis=axes, dtype=np.float64)
    divisor = np.maximum(pixels, 1) if settings.get("mean") else 1
    data = np.where(pixels > 0, total / divisor, np.nan)
    good = np.any(frames.good) if axis < 0 else frames.good.any(axis=axis)
    return {"data": data}, Frames(data, np.asarray(good))


def lineout(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
    """The values at one index of an axis, those of masked pixels NaN."""
    refuse_unknown(settings, ("axis", "index"), "settings")
    axis, index = int(settings.get("axis", 0)), int(settings.get("index", 0))
    _check_axis(axis, frames.good.ndim, 0)
    if not 0 <= index < frames.good.shape[axis]:
        raise UserError(
            f"index {index} of an axis of {frames.good.shape[axis]} pixels", "index", "correct it"
        )
    good = frames.good.take(index, axis)
    data = np.where(good, frames.values.take(index, axis + 1), np.nan)
    noise = None if frames.noise is None else frames.noise.take(index, axis)
    return {"data": data}, Frames(data, good, noise)


def spectrum(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
    """Histogram of the good pixels of each frame."""
    refuse_unknown(settings, ("range", "bins", "step", "edges"), "settings")
    edges = spectrum_edges(settings)
    counts = np.zeros((len(frames.values), edges.size - 1), np.int64)
    rows = np.ascontiguousarray(frames.values).reshape(len(counts), frames.good.size)
    add_histograms(rows, np.ascontiguousarray(frames.good).reshape(-1), edges, counts)
    found: Results = {"data": counts, "edges": Fixed(edges)}
    return found, Frames(counts, np.ones(counts.shape[1], bool))


def spectrum_edges(settings: Mapping[str, Any]) -> np.ndarray:
    """(bins + 1,) float64 edges that settings of `spectrum` ask for. Raises UserError."""
    low, high = (float(value) for value in settings.get("range", (0, 0)))
    if settings.get("edges") is not None:
        edges = np.asarray(settings["edges"], dtype=np.float64)
    elif settings.get("step") is not None:
        edges = _stepped(low, high, above_zero(settings, "step", "spectrum"))
    else:
        edges = np.linspace(low, high, int(settings.get("bins", 1)) + 1)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0):
        raise UserError(
            "edges of a spectrum that do not ascend",
            "spectrum",
            "give range [low, high] with bins or step, or edges",
        )
    return edges


def _stepped(low: float, high: float, step: float) -> np.ndarray:
    """Edges from low by steps, the last at high and maybe nearer; empty for what cannot be."""
    if not high > low:
        return np.empty(0)
    whole = math.ceil((high - low) / step * (1 - 1e-12))
    return np.append(low + step * np.arange(whole), high)


def rebin(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
    """Mean of the good pixels of blocks; NaN where a block has none."""
    refuse_unknown(settings, ("shape",), "settings")
    old, new = frames.good.shape, tuple(int(size) for size in needed(settings, "shape", "rebin"))
    if len(new) != len(old) or any(n < 1 or o % n for o, n in zip(old, new, strict=True)):
        raise UserError(
            f"frames of {old} pixels to {new}", "shape", "each size must divide that of the frame"
        )
    used = frames.good & ~np.isnan(frames.values)
    pixels = _block_sums(used, new)
    data = _block_sums(np.where(used, frames.values, 0), new) / np.maximum(pixels, 1)
    data = np.where(pixels > 0, data, np.nan)
    return {"data": data}, Frames(data, _block_sums(frames.good[None], new)[0] > 0)


def threshold(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
    """Values below or above limits become 0."""
    refuse_unknown(settings, ("threshold", "threshold_rms"), "settings")
    values = above_threshold(frames.values, settings, frames.noise)
    return {}, replace(frames, values=values)


KINDS: dict[str, Kind] = {
    "region": region,
    "projection": projection,
    "lineout": lineout,
    "spectrum": spectrum,
    "rebin": rebin,
    "threshold": threshold,
}


def _block_sums(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    for axis, size in enumerate(shape, start=1):
        cut = (*values.shape[:axis], size, values.shape[axis] // size, *values.shape[axis + 1 :])
        values = values.reshape(cut).sum(axis=axis + 1, dtype=np.float64)
    return values


def _centre_of_mass(sums: np.ndarray) -> np.ndarray:
    """(n, 2) row and column; NaN where the sum is not above 0, for then it may lie anywhere."""
    total = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    return sums[:, 2:] / total[:, None]


def _rows_and_columns(shape: tuple[int, ...]) -> tuple[int, int]:
    return (1, shape[-1]) if len(shape) == 1 else (shape[-2], shape[-1])


def _cut(roi: Sequence[Sequence[int]] | None, shape: tuple[int, ...]) -> tuple[slice, ...]:
    if roi is None:
        return (slice(None),) * len(shape)
    limits = np.asarray(roi)
    if limits.shape != (len(shape), 2):
        raise UserError(
            f"a region {list(roi)} of frames of {len(shape)} dimensions",
            "roi",
            "give [first, last + 1] for each of them: [[row, row], [column, column]]",
        )
    for (first, last), size in zip(limits.tolist(), shape, strict=True):
        if not 0 <= first < last <= size:
            raise UserError(
                f"a region from {first} to {last} of {size} pixels",
                "roi",
                "it must lie in the frame and hold a pixel",
            )
    return tuple(slice(int(first), int(last)) for first, last in limits)


def _check_axis(axis: int, dimensions: int, lowest: int) -> None:
    if not lowest <= axis < dimensions:
        raise UserError(
            f"axis {axis} of frames of {dimensions} dimensions",
            "axis",
            f"give {lowest} to {dimensions - 1}",
        )
