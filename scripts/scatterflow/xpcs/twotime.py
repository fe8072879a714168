"""Two-time correlation of a run: maps C2(t1, t2) per dynamic bin, and what they say of stationarity.

Per bin (see `twotime_weights` for C2 and its smoothing; frames are processed frames):

    g2(lag)         mean of C2 along the diagonal t2 - t1 = lag; lag 0 holds the shot noise of a photon
                    paired with itself and is kept as it is
    error           from the scatter of the means over blocks of age (t1 + t2) / 2: blocks are made longer
                    until the error grows no more, so that neighbouring ages need not be independent. What
                    fluctuates more slowly than an eighth of the run is not in it; ageing is.
    partials        g2 of the windows that the run is cut into, both frames within the window
    ages            g2 of pairs with an age within `age_width` of one another, centred evenly over the run;
                    by default the cuts touch. Constant t1 instead of constant age mixes ages.
    variance        <C2^2> - <C2>^2 over age per lag, with the noise of finitely many speckles
    chi4            covariance over age of the C2 of two halves of the pixels (of each static bin: those
                    first and last on the detector). The noise of a finite number of speckles is independent
                    in the two and drops out; what the whole sample does at once stays. For halves it is
                    the same as extrapolating the variance to infinitely many pixels.
    stationarity    see `stationarity`

A. Duri, H. Bissig, V. Trappe, L. Cipelletti, Phys. Rev. E 72 (2005) 051401 (variance of the two-time
correlation, its noise and the extrapolation); L. Cipelletti and others, J. Phys.: Condens. Matter 15 (2003)
S257;
H. Flyvbjerg, H. G. Petersen, J. Chem. Phys. 91 (1989) 461 (errors from blocks).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.kernels.twotime import TILE
from scatterflow.xpcs.blocks import Block, Form
from scatterflow.xpcs.twotime_result import TwoTimeResult
from scatterflow.xpcs.twotime_sums import (
    AGE_BLOCKS,
    LagSums,
    MapSums,
    add_tile,
    divided,
    empty_map_sums,
    stored_map,
)
from scatterflow.xpcs.twotime_tiles import Counts, map_tiles, places, prepare_counts
from scatterflow.xpcs.twotime_weights import SMOOTHING, Parts, Weights, make_parts, make_weights

if TYPE_CHECKING:
    from scatterflow.detectors.qmap import QMap
    from scatterflow.xpcs.frames import Frames

# Blocks of age of which errors are made: the longest still leaves a handful of them.
_BLOCKINGS = (1, 2, 4)
_ENOUGH = 0.9


@dataclass(frozen=True)
class TwoTimeSettings:
    """How maps are made and what is made of them.

    smoothing: one of SMOOTHING; ages: cuts at constant age; age_width: frames, None: cuts touch; partial:
    windows; largest_map: most cells along a side of the stored map; chi4: whether to make it, which takes the
    maps of two halves; form: events or frames, None for the faster.
    """

    smoothing: str = "static"
    ages: int = 0
    age_width: float | None = None
    partial: int = 0
    largest_map: int = 2000
    chi4: bool = False
    form: Form | None = None


def correlate_twotime(
    read: Callable[[int, int], Block],
    qmap: QMap,
    frames: Frames,
    settings: TwoTimeSettings,
    bins: Sequence[int],
    threads: int = 1,
) -> Iterator[TwoTimeResult]:
    """Two-time correlation of dynamic bins (0-based), one by one.

    read(first, last): the Block of these positions, whole in memory. frames: valid and scale are used.
    threads: of the compiled code; BLAS takes its own from the environment.

    Raises UserError for an unknown smoothing and for fewer than two valid frames.
    """
    check_settings(settings)
    if np.count_nonzero(frames.valid) < 2:
        raise UserError(
            "fewer than two frames are valid",
            "two-time correlation",
            "check frames.bad and the raw data",
        )
    edges = np.searchsorted(qmap.dynamic_of_position, np.arange(qmap.dynamic_bins + 1))
    for number in bins:
        first, last = int(edges[number]), int(edges[number + 1])
        block = read(first, last)
        group_of = np.asarray(qmap.static_of_position[first:last])
        yield correlate_bin(block, group_of, frames.valid, frames.scale, settings, number, threads)


def bins_of_part(
    chosen: Sequence[int] | None, bins: int, part: int, parts: int, where: str = ""
) -> list[int]:
    """The dynamic bins of a part, 0-based.

    chosen: numbers from 1, None: all `bins`. Raises UserError for a bin that the q-map has not.
    """
    numbers = sorted(set(range(1, bins + 1) if chosen is None else chosen))
    for number in numbers:
        if not 1 <= number <= bins:
            raise UserError(
                f"there is no dynamic bin {number}",
                f"{where}.bins" if where else "twotime.bins",
                f"the q-map has bins 1 to {bins}",
            )
    first, last = (edge * len(numbers) // parts for edge in (part, part + 1))
    return [number - 1 for number in numbers[first:last]]


def check_settings(settings: TwoTimeSettings) -> None:
    """Raises UserError for what no map can be made with."""
    if settings.smoothing not in SMOOTHING:
        raise UserError(
            f"unknown smoothing {settings.smoothing!r}",
            "twotime.smoothing",
            suggestion(settings.smoothing, SMOOTHING),
        )
    for name in ("ages", "partial"):
        if getattr(settings, name) < 0:
            raise UserError(f"{name} is below 0", f"twotime.{name}", "give 0 for none")
    if settings.largest_map < 1:
        raise UserError("a map needs a cell", "twotime.largest_map", "give 1 or more, such as 2000")


def correlate_bin(
    block: Block,
    group_of: np.ndarray,
    valid: np.ndarray,
    scale: np.ndarray,
    settings: TwoTimeSettings,
    number: int | None = None,
    threads: int = 1,
) -> TwoTimeResult:
    """Two-time correlation of one dynamic bin.

    group_of: (pixels,) static bin of each, ascending; valid, scale: (frames,).
    """
    by_static = settings.chi4 or settings.smoothing in ("static", "time_average")
    if not by_static:
        group_of = np.zeros(block.pixels, np.int64)
    parts = make_parts(group_of, settings.chi4)
    counts = prepare_counts(block, parts, threads, settings.form)
    maps = make_maps(parts, counts, valid, scale, settings)
    starts, stops = age_cuts(block.frames, settings)
    sums = empty_map_sums(
        block.frames, starts, stops, settings.partial, settings.largest_map, settings.chi4
    )
    with ThreadPoolExecutor(threads) as pool:
        for place, tiles in map_tiles(counts, maps, threads):
            add_tile(sums, place.rows[0], place.columns[0], tiles, pool)
    whole = maps[0]
    empty_static = 0
    if whole.occupied is not None:
        empty_static = _left_out(whole, parts)
    return finish(
        sums,
        bin=number,
        pixels=block.pixels,
        smoothing=settings.smoothing,
        invalid_frames=int(np.count_nonzero(~valid)),
        empty_frames=int(np.count_nonzero(valid & ~whole.good)),
        empty_static=empty_static,
    )


def _left_out(weights: Weights, parts: Parts) -> int:
    """How often a static bin is empty in a frame that is not; parts of one bin are counted once."""
    assert weights.occupied is not None
    of_bins = weights.occupied[np.unique(parts.group, return_index=True)[1]]
    return int(np.count_nonzero(~of_bins[:, weights.good]))


def make_maps(
    parts: Parts, counts: Counts, valid: np.ndarray, scale: np.ndarray, settings: TwoTimeSettings
) -> list[Weights]:
    """Weights of the bin's map, and with chi4 of the maps of its halves."""
    uses = [np.ones(len(parts), bool)]
    if settings.chi4:
        uses += [parts.half == half for half in (0, 1)]
    sums = counts.part_sums()
    return [make_weights(parts, use, sums, valid, scale, settings.smoothing) for use in uses]


def age_cuts(frames: int, settings: TwoTimeSettings) -> tuple[np.ndarray, np.ndarray]:
    """Ranges of t1 + t2 of the cuts at constant age, (ages,) int64 each: starts and stops."""
    width = frames / max(1, settings.ages) if settings.age_width is None else settings.age_width
    centres = (np.arange(settings.ages) + 0.5) * frames / max(1, settings.ages)
    # An age is half of t1 + t2; a cut holds its lower edge.
    starts = np.ceil(2 * centres - width - 1e-9).astype(np.int64)
    stops = np.ceil(2 * centres + width - 1e-9).astype(np.int64)
    return starts, np.maximum(stops, starts + 1)


def analyse_map(c2: np.ndarray, settings: TwoTimeSettings) -> TwoTimeResult:
    """The same quantities of a given map (N, N), of which the upper triangle is read; NaN: no value.

    There is no chi4 of it. Raises UserError if it is not square.
    """
    check_settings(settings)
    if c2.ndim != 2 or c2.shape[0] != c2.shape[1]:
        raise UserError(
            f"a two-time map is square, not {' x '.join(map(str, c2.shape))}", "", "give all times"
        )
    frames = len(c2)
    starts, stops = age_cuts(frames, settings)
    sums = empty_map_sums(frames, starts, stops, settings.partial, settings.largest_map, False)
    with ThreadPoolExecutor(1) as pool:
        for place in places(frames, TILE, TILE):
            tile = np.ascontiguousarray(c2[slice(*place.rows), slice(*place.columns)], np.float64)
            add_tile(sums, place.rows[0], place.columns[0], [tile], pool)
    return finish(sums, bin=None, pixels=0, smoothing="none")


def finish(sums: MapSums, **about: Any) -> TwoTimeResult:
    """The result that a map's sums give; about: its fields bin, pixels, smoothing, and numbers of frames."""
    pairs = sums.moments.pairs
    g2 = 1.0 + divided(sums.moments.sums[0], pairs)
    error = block_error(sums.blocks)
    half_g2, half_error = _halves(sums.blocks)
    index, noise = stationarity(g2, half_g2, half_error)
    windows = sums.windows.pairs.shape[1]
    return TwoTimeResult(
        frames=sums.frames,
        step=sums.step,
        c2=stored_map(sums),
        g2=g2,
        error=error,
        pairs=pairs,
        variance=sums.moments.covariance(),
        chi4=None if sums.halves is None else sums.halves.covariance(),
        partial=sums.windows.mean(),
        partial_error=_error_of_part(error[:windows], pairs[:windows], sums.windows.pairs),
        partial_edges=sums.window_edges,
        age_g2=sums.ages.mean(),
        age_error=_error_of_part(error, pairs, sums.ages.pairs),
        age_centres=(sums.age_starts + sums.age_stops) / 4,
        age_width=float((sums.age_stops - sums.age_starts).max(initial=0)) / 2,
        half_g2=half_g2,
        half_error=half_error,
        stationarity=index,
        stationarity_noise=noise,
        **about,
    )


def _halves(blocks: LagSums) -> tuple[np.ndarray, np.ndarray]:
    """g2 of the first and the second half of all ages, and its errors, (2, lags) each.

    The errors come from each half's own blocks, so that ageing between the halves is not in them.
    """
    middle = AGE_BLOCKS // 2
    both = [
        LagSums(blocks.sums[part], blocks.pairs[part])
        for part in (slice(middle), slice(middle, None))
    ]
    total = [LagSums(half.sums.sum(axis=0), half.pairs.sum(axis=0)) for half in both]
    return np.stack([half.mean() for half in total]), np.stack([block_error(half) for half in both])


def block_error(blocks: LagSums) -> np.ndarray:
    """Standard error of the mean per lag from the scatter of block means; blocks: (blocks, lags).

    One length of the blocks is taken for all lags: the shortest whose errors are, in the middle, 0.9 of the
    largest that any length gives. NaN where fewer than four blocks hold pairs.
    """
    found = []
    for join in _BLOCKINGS:
        shape = (len(blocks.sums) // join, join, -1)
        sums = blocks.sums.reshape(shape).sum(axis=1)
        pairs = blocks.pairs.reshape(shape).sum(axis=1)
        found.append(_scatter(sums, pairs))
    lags = slice(1, max(2, blocks.sums.shape[1] // 4))
    ratios = [_middle(divided(errors[lags], found[0][lags])) for errors in found]
    enough = _ENOUGH * max(ratios)
    return next(errors for errors, ratio in zip(found, ratios, strict=True) if ratio >= enough)


def _middle(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else 0.0


def _scatter(sums: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    total = pairs.sum(axis=0)
    mean = divided(sums.sum(axis=0), total)
    deviation = sums - pairs * np.nan_to_num(mean)
    weight = pairs.astype(np.float64)
    # Of equal blocks this is the number of blocks less one over that number.
    freedom = 1.0 - divided((weight**2).sum(axis=0), weight.sum(axis=0) ** 2)
    few = np.count_nonzero(pairs, axis=0) < 4
    variance = divided((deviation**2).sum(axis=0), total.astype(np.float64) ** 2 * freedom)
    return np.where(few, np.nan, np.sqrt(variance))


def _error_of_part(error: np.ndarray, pairs: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Errors of means over some of the pairs of each lag: they go as one over the root of the number."""
    return error * np.sqrt(divided(np.broadcast_to(pairs, part.shape).astype(float), part))


def stationarity(
    g2: np.ndarray, half_g2: np.ndarray, half_error: np.ndarray
) -> tuple[float, float]:
    """How much g2 of the second half of all ages differs from that of the first, and what noise alone gives.

    Root mean square of the difference over lags 1, 2, 4, ... up to a quarter of the run, divided by the
    range of g2 over them: 0 for a stationary sample, near 1 where one half is frozen and the other
    decays. The second number is the same of the differences' errors. NaN where g2 has no range.
    """
    lags = 2 ** np.arange(max(1, int(np.log2(max(2, len(g2) / 4))) + 1))
    lags = lags[lags < len(g2)]
    usable = lags[np.isfinite(half_g2[:, lags]).all(axis=0)]
    if usable.size < 2:
        return float("nan"), float("nan")
    span = float(np.ptp(g2[usable]))
    if span == 0:
        return float("nan"), float("nan")
    difference = half_g2[1, usable] - half_g2[0, usable]
    errors = (half_error[:, usable] ** 2).sum(axis=0)
    known = errors[np.isfinite(errors)]
    noise = np.sqrt(known.mean()) / span if known.size else float("nan")
    return float(np.sqrt(np.mean(difference**2)) / span), float(noise)
