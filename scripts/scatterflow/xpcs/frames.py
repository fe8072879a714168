"""The frames of a run: which are good, how each is scaled, and the means over them.

From the sums of all sorted chunks. Frames that are listed as bad, and those whose total is below or
above a fraction of the median total, are taken out of all means; the reasons are kept as bits.

Means are sums over good frames divided by the number of values measured. Their errors:
    image     unbiased variance of a pixel over frames, divided by their number; frames count as independent
    profiles  from the scatter of the means over up to ten equal parts of the run, which holds for frames that
              are correlated, too, as they are where this is worth measuring
All sums of integers are exact, whatever the chunks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, write_array, writing
from scatterflow.frame_selection import ranges_text, selected_frames
from scatterflow.xpcs.blocks import ChunkHead, chunk_blocks, read_head, sorted_heads
from scatterflow.xpcs.sorted_chunk import FRAME_ARRAYS, FrameReason, FrameSums, read_frame_sums

if TYPE_CHECKING:
    from scatterflow.detectors.qmap import QMap

logger = logging.getLogger(__name__)

SEGMENTS = 10

REASONS = {
    reason.name.lower().replace("_", " "): int(reason) for reason in FrameReason if reason.name
}
"""Why a frame is not valid: the bits of `Frames.reason` by name."""

_EXACT = 2**62


@dataclass(frozen=True, eq=False)
class Frames:
    """The N frames of a reduction, and the means over the valid ones.

    valid: (N,) bool. scale: (N,) float64, factor of each frame's counts: mean total / total, or 1 without
    normalisation (unscaled), in frames that are not valid, and in those without a count.
    total, detector_total: (N,) int64 or float64, sums over the q-map's pixels and over all good ones (their
    number: good_pixels), of all frames that are there. reason: (N,) uint8, bits of `REASONS`.
    static_sums: (N, static bins), sums over the pixels of each bin; static_pixels: (static bins,) int64.
    mean, mean_variance: (rows, columns) float64, counts per frame and the variance of that mean; NaN where
    nothing was measured, and outside the q-map if frames were found bad after sorting.
    static_mean, static_error: (static bins,) float64, counts per pixel and frame, and error.
    segments: (up to 10, static bins) float64, static means over equal parts of the run; NaN for a
    part without a valid frame. None of the means is normalised.
    invalid: (rows, columns) uint32, in how many frames a pixel measured nothing; empty: in none. Where a
    frame that was found bad after sorting did so is not known: it stays counted.
    """

    valid: np.ndarray
    scale: np.ndarray
    total: np.ndarray
    detector_total: np.ndarray
    reason: np.ndarray
    static_sums: np.ndarray
    static_pixels: np.ndarray
    mean: np.ndarray
    mean_variance: np.ndarray
    static_mean: np.ndarray
    static_error: np.ndarray
    segments: np.ndarray
    unscaled: bool
    invalid: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint32))
    good_pixels: int = 0


def summarise_frames(
    paths: Sequence[str | Path],
    settings: dict[str, Any],
    qmap: QMap,
    where: str = "",
    identity: str = "",
) -> Frames:
    """The frames of a run from all its sorted chunks.

    settings: bad (text, frames as they are correlated), automatic_bad ({low, high}: fractions of the
    median total, or None), normalise (none | frame_sum). where: for messages; identity: see `sorted_heads`.
    Raises UserError for chunks that are not a whole run, a listed frame beyond it, if none is left, and for
    pixels of the q-map that measured nothing in any.
    """
    chunks = sorted_heads(paths, identity)
    run = _added_up(chunks)
    total, reason = run.total, run.reason
    reason[_listed(settings.get("bad"), len(total), where)] |= np.uint8(FrameReason.LISTED)
    reason |= _automatic(total, reason == 0, settings.get("automatic_bad"))
    valid = reason == 0
    if not valid.any():
        raise UserError(
            f"none of the {len(total)} frames is valid ({_described(reason)})",
            where,
            "check frames.bad and frames.automatic_bad, and the raw files",
        )
    if not valid.all():
        logger.warning(f"{where}: {_described(reason)}".removeprefix(": "))
    image, squares = _without(chunks, run, run.valid & ~valid, qmap)
    invalid = np.minimum(run.image_invalid, np.uint32(valid.sum()))
    _check_invalid(run, qmap, where)
    mean, variance = _image_means(image, squares, int(valid.sum()) - invalid.astype(np.int64))
    static_pixels = np.bincount(qmap.static_of_position, minlength=qmap.static_bins)
    unmeasured = np.bincount(
        qmap.static_of_position, invalid.reshape(-1)[qmap.pixels], qmap.static_bins
    )
    # Values that measured nothing are taken as spread evenly over the frames.
    pixels = static_pixels - unmeasured / valid.sum()
    static_mean, static_error, segments = profile_means(run.static_sums, pixels, valid)
    normalise = settings.get("normalise", "none") == "frame_sum"
    return Frames(
        valid,
        _scale(total, valid, normalise),
        total,
        run.detector_total,
        reason,
        run.static_sums,
        static_pixels,
        mean,
        variance,
        static_mean,
        static_error,
        segments,
        not normalise,
        invalid,
        run.good_pixels,
    )


def profile_means(
    sums: np.ndarray, pixels: np.ndarray, valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of bins, their errors, and means over equal parts of the run.

    sums: (N, bins) sums over the pixels of each bin; pixels: (bins,) how many measured; valid: (N,) bool.
    Returns (bins,), (bins,), (up to SEGMENTS, bins) float64. With parts s of n_s frames, n in all:
    error^2 = S / (S - 1) sum_s (n_s / n)^2 (mean_s - mean)^2; NaN if fewer than two parts have valid frames.
    """
    number = min(SEGMENTS, len(sums))
    edges = [part * len(sums) // number for part in range(number + 1)]
    parts = [slice(first, last) for first, last in pairwise(edges)]
    counts = np.array([np.count_nonzero(valid[part]) for part in parts])
    totals = np.stack([sums[part][valid[part]].sum(axis=0) for part in parts])
    mean = _divided(totals.sum(axis=0), counts.sum() * pixels)
    segments = _divided(totals, counts[:, None] * pixels)
    used = counts > 0
    error = np.full(len(mean), np.nan)
    if np.count_nonzero(used) > 1:
        share = (counts[used] / counts.sum())[:, None]
        scatter = ((share * (segments[used] - mean)) ** 2).sum(axis=0)
        error = np.sqrt(scatter * used.sum() / (used.sum() - 1))
    return mean, error, segments


def write_frames(path: str | Path, frames: Frames, provenance: dict[str, Any]) -> None:
    """Write them whole."""
    from scatterflow.files.json import to_json

    with writing(path) as file:
        for item in fields(Frames):
            write_array(file, item.name, getattr(frames, item.name))
        file["reason"].attrs.update(REASONS)
        for name in ("mean", "static_mean", "static_error", "segments"):
            file[name].attrs["units"] = "counts"
        file["mean_variance"].attrs["units"] = "counts^2"
        write_array(file, "provenance", to_json(provenance))


def read_frames(path: str | Path) -> Frames:
    """Read what `write_frames` wrote. Raises UserError for another file."""
    with reading(path) as file:
        try:
            values = {item.name: file[item.name][()] for item in fields(Frames)}
        except KeyError as error:
            raise UserError(
                f"not a summary of frames ({error})",
                str(path),
                "delete it and run snakemake again",
            ) from error
    values["unscaled"], values["good_pixels"] = bool(values["unscaled"]), int(values["good_pixels"])
    return Frames(**values)


def _listed(text: str | None, frames: int, where: str) -> np.ndarray:
    """Which frames are listed as bad, (frames,) bool."""
    listed = np.zeros(frames, bool)
    if text is None:
        return listed
    try:
        ranges = selected_frames(text)
    except ValueError as error:
        raise UserError(str(error), f"{where}, bad", "write `3,10-20`") from None
    for first, last in ranges if ranges is not None else [(0, frames - 1)]:
        if last >= frames:
            raise UserError(
                f"frame {last} is listed as bad, but there are {frames} frames",
                f"{where}, bad",
                "frames count from 0, after begin, stride and average",
            )
        listed[first : last + 1] = True
    return listed


def _automatic(
    total: np.ndarray, candidates: np.ndarray, limits: dict[str, Any] | None
) -> np.ndarray:
    """Reasons of frames whose total is far from the median of the candidates, (N,) uint8."""
    reason = np.zeros(len(total), np.uint8)
    if limits is None or not candidates.any():
        return reason
    median = np.median(total[candidates])
    if limits.get("low") is not None:
        reason[candidates & (total < limits["low"] * median)] |= np.uint8(FrameReason.TOO_DARK)
    if limits.get("high") is not None:
        reason[candidates & (total > limits["high"] * median)] |= np.uint8(FrameReason.TOO_BRIGHT)
    return reason


def _described(reason: np.ndarray) -> str:
    """`3 of 10 frames are not valid: missing 2; too dark 0,5`."""
    parts = [
        f"{name} {ranges_text(np.flatnonzero(reason & bit).tolist())}"
        for name, bit in REASONS.items()
        if (reason & bit).any()
    ]
    return f"{np.count_nonzero(reason)} of {len(reason)} frames are not valid: {'; '.join(parts)}"


def _check_invalid(run: FrameSums, qmap: QMap, where: str) -> None:
    """Raise UserError for pixels of the q-map without a value, warn of those without one in some frames.

    As 0 in all frames a pixel would make g2 of its bin too large.
    """
    dead = np.argwhere(qmap.mask & (run.image_invalid == run.image_frames))
    if len(dead):
        raise UserError(
            f"{len(dead)} pixels of the q-map measured nothing in any frame, the first in row {dead[0][0]}, "
            f"column {dead[0][1]}: their values are outside the detector's valid range",
            where,
            "mask them (detectors.NAME.masks), or correct detectors.NAME.valid",
        )
    if some := np.count_nonzero(qmap.mask & (run.image_invalid > 0)):
        logger.warning(
            f"{where}: {some} pixels of the q-map have values outside the detector's valid range in some "
            "frames; these count as 0".removeprefix(": ")
        )


def _scale(total: np.ndarray, valid: np.ndarray, normalise: bool) -> np.ndarray:
    scale = np.ones(len(total))
    if normalise:
        # A frame without a count stays without, whatever it is multiplied by.
        counted = valid & (total > 0)
        scale[counted] = total[valid].mean() / total[counted]
    return scale


def _added_up(chunks: Sequence[tuple[str | Path, ChunkHead]]) -> FrameSums:
    """The frames of all chunks, and their images added up; one chunk in memory at a time."""
    first = read_frame_sums(chunks[0][0])
    image, squares, invalid = first.image_sum, first.image_squares, first.image_invalid
    frames = {name: [getattr(first, name)] for name in FRAME_ARRAYS}
    image_frames = first.image_frames
    for path, _ in chunks[1:]:
        chunk = read_frame_sums(path)
        image, squares = _added(image, chunk.image_sum), _added(squares, chunk.image_squares)
        invalid = invalid + chunk.image_invalid
        image_frames += chunk.image_frames
        for name, parts in frames.items():
            parts.append(getattr(chunk, name))
    return FrameSums(
        start=0,
        stop=chunks[-1][1].stop,
        **{name: np.concatenate(parts) for name, parts in frames.items()},
        image_sum=image,
        image_squares=squares,
        image_invalid=invalid,
        image_frames=image_frames,
        good_pixels=first.good_pixels,
    )


def _without(
    chunks: Sequence[tuple[str | Path, ChunkHead]],
    run: FrameSums,
    excluded: np.ndarray,
    qmap: QMap,
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and sum of squares per pixel without frames that turned out bad, (N,) bool.

    They are taken out by what the blocks hold of them; other pixels, of which nothing is kept, become NaN.
    """
    image, squares = run.image_sum, run.image_squares
    if not excluded.any():
        return image, squares
    flat, flat_squares = image.reshape(-1), squares.reshape(-1)
    for path, head in chunks:
        own = excluded[head.start : head.stop]
        if not own.any():
            continue
        for first, last, total, total_squares in _sums_of(path, own, len(qmap.pixels)):
            flat[qmap.pixels[first:last]] -= total.astype(flat.dtype)
            flat_squares[qmap.pixels[first:last]] -= total_squares.astype(flat_squares.dtype)
    return np.where(qmap.mask, image, np.nan), np.where(qmap.mask, squares, np.nan)


def _added(image: np.ndarray, more: np.ndarray) -> np.ndarray:
    """The sum of two images, as float64 where int64 might not hold it."""
    if image.dtype == more.dtype == np.int64 and int(image.max()) + int(more.max()) > _EXACT:
        return image.astype(np.float64) + more
    return image + more


def _sums_of(
    path: str | Path, chosen: np.ndarray, positions: int
) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """(first, last, sum, sum of squares) over the chosen frames of a chunk, for each of its blocks."""
    found = []
    head = read_head(path)
    for block in chunk_blocks(path, head, 0, positions):
        if block.form == "frames":
            values = _wide(block.values[chosen])
            total, squares = values.sum(axis=0), (values**2).sum(axis=0)
        else:
            kept = chosen[block.frame - head.start]
            pixel = np.repeat(np.arange(block.pixels), np.diff(block.starts))[kept]
            values = _wide(block.count[kept])
            total = np.zeros(block.pixels, values.dtype)
            squares = np.zeros(block.pixels, values.dtype)
            np.add.at(total, pixel, values)
            np.add.at(squares, pixel, values**2)
        found.append((block.first, block.last, total, squares))
    return found


def _wide(values: np.ndarray) -> np.ndarray:
    """Counts as a type that holds their squares."""
    exact = values.dtype.kind == "u" and int(values.max(initial=0)) < 2**24
    return values.astype(np.int64 if exact else np.float64)


def _image_means(
    image: np.ndarray, squares: np.ndarray, measured: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and variance of the mean, of each pixel: (n sum x^2 - (sum x)^2) / (n^2 (n - 1))."""
    most = int(measured.max(initial=0))
    exact = image.dtype == squares.dtype == np.int64
    if not exact or most * int(squares.max(initial=0)) > _EXACT or int(image.max()) ** 2 > _EXACT:
        image, squares = image.astype(np.float64), squares.astype(np.float64)
    scatter = np.maximum(measured * squares - image**2, 0)
    return _divided(image, measured), _divided(
        scatter, measured.astype(float) ** 2 * (measured - 1)
    )


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where nothing was measured."""
    above, below = np.broadcast_arrays(above, below)
    found = np.full(above.shape, np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found
