"""Azimuthal integration of stored frames with prepared weights, sixteen frames at a time.

For bin b with pixels p and coefficients c (the fraction of p that falls into b):

    signal         S_b = sum_p c (n_p - d_p)
    variance       V_b = sum_p c^2 (v(n_p) + v_d,p)
    normalisation  N_b = sum_p c w_p - L_b      w: solid angle x polarisation x flat

and I_b = S_b / N_b, sigma_b = sqrt(V_b) / N_b: pyFAI's weighted average (Kieffer, Valls, Blanc &
Hennig, J. Synchrotron Rad. 27 (2020) 558), with sums in float64. Pixels outside the valid range add to
none of the three sums: L_b = sum c w is what a frame loses to them, 0 for most frames.

Dead time tau of a counter that is not paralysable (Knoll, Radiation Detection and Measurement, ch. 4):
a pixel of n counts in an exposure t has seen n / (1 - n tau / t), with variance v(n) / (1 - n tau / t)^4.

A block of frames is taken tile by tile (see `tiles`): its values go, frame beside frame, into a scratch
of float64 in the cache, from where all integrations are served; sixteen frames share each matrix entry.
A frame's sums do not depend on the frames beside it: lanes do not mix, empty lanes are zeros.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.lanes import aligned_zeros
from scatterflow.kernels.moments import PixelSums, comparable
from scatterflow.kernels.sizes import LANES, TILE
from scatterflow.kernels.tile_sums import add_tile
from scatterflow.kernels.tiles import Tiles

FLOORS = {"none": 0.0, "counting": 0.0, "poisson": 1.0}


@dataclass(frozen=True)
class Target:
    """One integration to be made of a detector's frames.

    normalisation: (bins) float64, of a frame in which all pixels of the matrix are valid; weight: (pixels)
    float64; error_model: `poisson` v(n) = max(1, n), `counting` v(n) = max(0, n), `none` (variance is NaN);
    dark, dark_variance: (pixels) float64, counts and counts^2.
    """

    tiles: Tiles
    normalisation: np.ndarray
    weight: np.ndarray
    error_model: str = "poisson"
    dark: np.ndarray | None = None
    dark_variance: np.ndarray | None = None


@dataclass(frozen=True)
class Sums:
    """What frames gave, float64 (frames, bins) each; lost: normalisation that invalid pixels took away,
    None where they took none. A bin that lost all its pixels has lost its whole normalisation, exactly."""

    signal: np.ndarray
    variance: np.ndarray
    lost: np.ndarray | None


class Integrator:
    """The accumulators of one thread, for all integrations of one detector.

    Frames go through `frames`, block by block, or through another kernel that calls `add_tile`; what they
    are summed to over frames, pixel by pixel, gathers in `pixel_sums`.
    """

    def __init__(self, targets: Sequence[Target], pixels: int, dtype: np.dtype) -> None:
        """dtype: of the stored values."""
        self.targets = list(targets)
        self.pixels = pixels
        self.pixel_sums = PixelSums(pixels, dtype)
        self.values = aligned_zeros((TILE, LANES))
        # Between tiles all factors are 1 and nothing is bad.
        self.factors = aligned_zeros((TILE, LANES))
        self.factors[:] = 1.0
        self.bad = np.zeros(TILE, np.uint32)
        self.beyond = np.zeros(TILE // LANES, dtype=bool)
        self.edge = aligned_zeros((LANES, TILE), dtype)
        self.used = np.zeros(pixels, dtype=bool)
        for target in self.targets:
            _mark_used(*target.tiles.arrays(), self.used)
        bins = [target.normalisation.size for target in self.targets]
        self.first_bins = np.cumsum([0, *bins])
        self.sums = aligned_zeros((int(self.first_bins[-1]), 2, LANES))
        # Pages of it are only taken from the system when a pixel is lost.
        self.lost = aligned_zeros(self.sums.shape)
        self.floors = np.array([FLOORS[target.error_model] for target in self.targets])
        self._static = [_StaticSums.of(target) for target in self.targets]
        self._arrays = [_arrays(target, pixels) for target in self.targets]
        self.table = np.array(
            [[0 if a is None else a.ctypes.data for a in arrays] for arrays in self._arrays],
            dtype=np.int64,
        ).reshape(len(self.targets), 8)

    def frames(
        self,
        frames: np.ndarray,
        limits: tuple[float, float],
        dead_time_fraction: np.ndarray | None = None,
    ) -> list[Sums]:
        """Sums of each target for frames (at most LANES, pixels or rows and columns), C-contiguous."""
        frames = frames.reshape(len(frames), math.prod(frames.shape[1:]))
        if frames.shape[1] != self.pixels:
            raise ValueError(f"frames of {frames.shape[1]} pixels, weights for {self.pixels}")
        low, high = comparable(limits, frames.dtype)
        found = _add_frames(
            frames, len(frames), low, high, self.dead_times(dead_time_fraction), *self.accumulators
        )
        return self.take(len(frames), found)

    @property
    def accumulators(self) -> tuple[np.ndarray, ...]:
        """Arguments of `add_tile` from `table` on."""
        sums = self.pixel_sums
        return (
            self.table, self.first_bins, self.floors, self.used, self.values, self.factors, self.bad,
            self.beyond, self.edge, self.sums, self.lost, sums.total, sums.rest, sums.invalid,
        )  # fmt: skip

    def dead_times(self, fraction: np.ndarray | None) -> np.ndarray:
        """tau / t of each lane, 0 where there is no frame."""
        dead = np.zeros(LANES)
        if fraction is not None:
            dead[: len(fraction)] = fraction
        return dead

    def take(self, frames: int, lost: bool) -> list[Sums]:
        """The sums of the block of `frames` frames just integrated; the accumulators are 0 again."""
        self.pixel_sums.frames += frames
        taken = []
        for i, target in enumerate(self.targets):
            own = slice(self.first_bins[i], self.first_bins[i + 1])
            shape = (frames, target.normalisation.size)
            signal, variance = np.empty(shape), np.empty(shape)
            gone = np.empty(shape) if lost else np.empty((0, 0))
            static = self._static[i]
            _deliver(
                self.sums[own], self.lost[own], lost, static.entries, target.normalisation,
                static.dark, static.dark_variance, signal, variance, gone,
            )  # fmt: skip
            if target.error_model == "none":
                variance[:] = np.nan
            taken.append(Sums(signal, variance, gone if lost and gone.any() else None))
        return taken

    def discard(self) -> None:
        """Forget a block that could not be finished; its share of `pixel_sums` must be cared for."""
        self.sums[:] = 0
        self.lost[:] = 0


@dataclass(frozen=True)
class _StaticSums:
    """Per bin, (bins) float64: number of matrix entries, dark counts, variance of the dark counts."""

    entries: np.ndarray
    dark: np.ndarray
    dark_variance: np.ndarray

    @classmethod
    def of(cls, target: Target) -> _StaticSums:
        tiles, bins = target.tiles, target.normalisation.size
        entries = np.bincount(
            tiles.group_bin, weights=np.diff(tiles.group_start), minlength=bins
        ).astype(np.float64)
        dark, dark_variance = np.zeros(bins), np.zeros(bins)
        matrix = tiles.arrays()
        if target.dark is not None:
            _add_static(*matrix, target.dark.reshape(-1), False, dark)
        if target.dark_variance is not None:
            _add_static(*matrix, target.dark_variance.reshape(-1), True, dark_variance)
        return cls(entries, dark, dark_variance)


@compiled
def _add_static(tile_start, group_bin, group_start, pixel, coefficient, values, squared, sums):
    """sums[b] += c x or, squared, c^2 x over all pixels."""
    for tile in range(tile_start.size - 1):
        for group in range(tile_start[tile], tile_start[tile + 1]):
            for k in range(group_start[group], group_start[group + 1]):
                share = np.float64(coefficient[k])
                value = np.float64(values[tile * TILE + pixel[k]])
                sums[group_bin[group]] += share * value * (share if squared else 1.0)


@compiled
def _mark_used(tile_start, group_bin, group_start, pixel, coefficient, used):
    """used[p] = True for every pixel of the matrix."""
    for tile in range(tile_start.size - 1):
        for k in range(group_start[tile_start[tile]], group_start[tile_start[tile + 1]]):
            used[tile * TILE + pixel[k]] = True


def _arrays(target: Target, pixels: int) -> list[np.ndarray | None]:
    """The arrays whose addresses the kernel gets, of the types that it takes them for."""
    tiles = target.tiles
    kinds = (
        np.int64,
        np.int32,
        np.int64,
        np.uint16,
        np.float32,
        np.float64,
        np.float64,
        np.float64,
    )
    arrays = (*tiles.arrays(), target.weight, target.dark, target.dark_variance)
    if tiles.tile_start.size != -(-pixels // TILE) + 1:
        raise ValueError(f"frames of {pixels} pixels, weights for others")
    for array in arrays[len(tiles.arrays()) :]:
        if array is not None and array.size != pixels:
            raise ValueError(f"frames of {pixels} pixels, weights for {array.size}")
    return [
        None if array is None else np.ascontiguousarray(array, dtype=kind).reshape(-1)
        for array, kind in zip(arrays, kinds, strict=True)
    ]


@compiled
def _add_frames(
    frames, count, low, high, dead, table, first_bins, floors, used, values, factors, bad, beyond,
    edge, sums, lost, total, rest, invalid,
):  # fmt: skip
    found = False
    pixels = frames.shape[1]
    for tile in range((pixels + TILE - 1) // TILE):
        at = tile * TILE
        found |= add_tile(
            frames, at, min(TILE, pixels - at), tile, count, low, high, dead, table, first_bins,
            floors, used, values, factors, bad, beyond, edge, sums, lost, total, rest, invalid,
        )  # fmt: skip
    return found


@compiled
def _deliver(
    sums, lost, any_lost, entries, normalisation, dark, dark_variance, signal, variance, gone
):
    """Accumulators, lane beside lane, to one row a frame; they are left 0."""
    frames = signal.shape[0]
    for b in range(signal.shape[1]):
        for lane in range(frames):
            signal[lane, b] = sums[b, 0, lane] - dark[b]
            variance[lane, b] = sums[b, 1, lane] + dark_variance[b]
        for lane in range(LANES):
            sums[b, 0, lane] = 0.0
            sums[b, 1, lane] = 0.0
    if not any_lost:
        return
    for b in range(signal.shape[1]):
        for lane in range(frames):
            gone[lane, b] = lost[b, 0, lane]
            if entries[b] > 0 and lost[b, 1, lane] == entries[b]:
                gone[lane, b] = normalisation[b]
                signal[lane, b] = 0.0
                variance[lane, b] = 0.0
        for lane in range(LANES):
            lost[b, 0, lane] = 0.0
            lost[b, 1, lane] = 0.0


def integrate_frames(
    frames: np.ndarray,
    limits: tuple[float, float],
    targets: Sequence[Target],
    *,
    dead_time_fraction: np.ndarray | None = None,
    threads: int = 1,
) -> list[Sums]:
    """Sums of each target for any number of frames.

    frames: (frames, pixels or rows, columns), any real dtype, C-contiguous, used as stored.
    limits: lowest and highest valid stored value, of the kind (integer, float) of the frames.
    dead_time_fraction: (frames) float64, dead time over exposure time; None or 0: not corrected. Pixels that
    count so fast that the counter was dead all the time are invalid.
    """
    frames = np.ascontiguousarray(frames).reshape(len(frames), math.prod(frames.shape[1:]))
    workers = [
        Integrator(targets, frames.shape[1], frames.dtype)
        for _ in range(max(1, min(threads, -(-len(frames) // LANES))))
    ]

    def work(number: int) -> list[tuple[int, list[Sums]]]:
        done = []
        for first in range(number * LANES, len(frames), len(workers) * LANES):
            part = slice(first, first + LANES)
            dead = None if dead_time_fraction is None else dead_time_fraction[part]
            done.append((first, workers[number].frames(frames[part], limits, dead)))
        return done

    with ThreadPoolExecutor(len(workers)) as pool:
        blocks = sorted(
            (item for part in pool.map(work, range(len(workers))) for item in part),
            key=lambda item: item[0],
        )
    return [_joined([sums[i] for _, sums in blocks], t) for i, t in enumerate(targets)]


def _joined(blocks: list[Sums], target: Target) -> Sums:
    if not blocks:
        empty = np.empty((0, target.normalisation.size))
        return Sums(empty, empty, None)
    lost = None
    if any(block.lost is not None for block in blocks):
        lost = np.concatenate(
            [np.zeros_like(b.signal) if b.lost is None else b.lost for b in blocks]
        )
    signal, variance = (
        np.concatenate([getattr(b, n) for b in blocks]) for n in ("signal", "variance")
    )
    return Sums(signal, variance, lost)
