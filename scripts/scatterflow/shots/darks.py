"""Pedestals, noise and bad pixels from dark runs, by sums that merge exactly.

Per pixel and gain mode: pedestal, the mean of the stored values; rms, their standard deviation
(n - 1); status, bits that are set where a pixel is not what it should be. The bits are those of the
pedestal pages of LCLS:

    1 rms high, 2 rms low, 4 / 8 too often above / below the ADU limits, 0x10 / 0x20 mean high / low,
    0x40 in another gain mode than the run was taken in, too often

and one of our own, 0x80: no pedestal, for there are no two frames of it. Cameras with several gains
have a run for each, with the gain held: their sums are merged, or each is finalized with its own `mode`.
Settings:

    gain_bits  as in scatterflow.shots.calibrate
    rms, mean, adu  [low, high], None: no limit; ADU. adu: of single values
    fraction   of frames that may lie beyond adu, or in another gain mode; 0.01
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.dark_sums import add_dark_frames
from scatterflow.shots.calibrate import gain_bits
from scatterflow.shots.settings import refuse_unknown

RMS_HIGH, RMS_LOW, ADU_HIGH, ADU_LOW = 0x1, 0x2, 0x4, 0x8
MEAN_HIGH, MEAN_LOW, OTHER_GAIN, NO_PEDESTAL = 0x10, 0x20, 0x40, 0x80
STATUS = {
    "rms high": RMS_HIGH,
    "rms low": RMS_LOW,
    "ADU too often high": ADU_HIGH,
    "ADU too often low": ADU_LOW,
    "mean high": MEAN_HIGH,
    "mean low": MEAN_LOW,
    "other gain": OTHER_GAIN,
    "no pedestal": NO_PEDESTAL,
}
FRACTION = 0.01
KNOWN = ("gain_bits", "rms", "mean", "adu", "fraction")
ARRAYS = ("count", "total", "squares", "below", "above", "unknown")


@dataclass(frozen=True)
class Dark:
    """Constants of a dark run.

    pedestal, rms: (modes, *shape) float64, ADU, NaN where there are no (two) frames. status: (modes, *shape)
    uint8, see STATUS, 0 good. frames: (modes, *shape) int64, that each pixel was in that mode.
    """

    pedestal: np.ndarray
    rms: np.ndarray
    status: np.ndarray
    frames: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """(*shape) bool, pixels good in all gain modes."""
        return (self.status == 0).all(axis=0)


class DarkSums:
    """Sums over the frames of dark runs; mergeable."""

    def __init__(
        self, shape: Sequence[int], dtype: np.dtype | type, settings: Mapping[str, Any]
    ) -> None:
        """shape, dtype: of the stored frames. Raises UserError for settings that cannot be."""
        refuse_unknown(settings, KNOWN, "darks")
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.settings = dict(settings)
        self._limits = {name: _limits(settings, name) for name in ("rms", "mean", "adu")}
        self._bits = gain_bits(settings.get("gain_bits"))
        if self.dtype.kind not in "iuf":
            raise UserError(f"dark frames of type {self.dtype}", "darks", "frames are numbers")
        exact = self.dtype.kind in "iu" and self.dtype.itemsize <= 2
        size = (int(self._bits.modes.max()) + 1, math.prod(self.shape))
        kind = np.int64 if exact else np.float64
        self.count, self.below, self.above = (np.zeros(size, np.int64) for _ in range(3))
        self.total, self.squares = np.zeros(size, kind), np.zeros(size, kind)
        self.unknown = np.zeros(size[1], np.int64)

    def update(self, frames: np.ndarray, threads: int = 1) -> None:
        """Add frames (n, *shape), as stored. Raises UserError for others."""
        if frames.shape[1:] != self.shape or frames.dtype != self.dtype:
            raise UserError(
                f"dark frames {frames.shape[1:]} of {frames.dtype}, others {self.shape} of {self.dtype}",
                "darks",
                "a dark is made of runs with the same region read out",
            )
        native = np.ascontiguousarray(frames, dtype=self.dtype.newbyteorder("="))
        rows = native.reshape(len(frames), self.unknown.size)
        bits, (low, high) = self._bits, self._limits["adu"]

        def work(start: int, stop: int) -> None:
            add_dark_frames(
                rows, start, stop, bits.value_mask, bits.mask, bits.shift, bits.modes, low, high, self.count,
                self.total, self.squares, self.below, self.above, self.unknown,
            )  # fmt: skip

        edges = [part * rows.shape[1] // threads for part in range(threads + 1)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, edges[:-1], edges[1:]))

    def merge(self, other: DarkSums) -> None:
        """Add what another has summed. Raises ValueError unless it is of the same kind."""
        if (self.shape, self.dtype, self.settings) != (other.shape, other.dtype, other.settings):
            raise ValueError("sums of darks of other frames or settings")
        for name in ARRAYS:
            getattr(self, name)[:] += getattr(other, name)

    def state(self) -> dict[str, np.ndarray]:
        """The sums by name, for a file."""
        return {name: getattr(self, name) for name in ARRAYS}

    @classmethod
    def from_state(
        cls,
        shape: Sequence[int],
        dtype: np.dtype | type,
        settings: Mapping[str, Any],
        state: Mapping[str, np.ndarray],
    ) -> DarkSums:
        """The sums that `state` told of."""
        sums = cls(shape, dtype, settings)
        for name in ARRAYS:
            getattr(sums, name)[:] = state[name]
        return sums

    def finalize(self, mode: int | None = None) -> Dark:
        """Constants; mode: the gain that was held, None: any, or runs of several gains merged."""
        few = self.count < 1
        count = np.where(few, 1, self.count).astype(np.float64)
        mean = np.where(few, np.nan, self.total / count)
        status = np.zeros(self.count.shape, np.uint8)
        rms = self._rms()
        for values, name, high, low in (
            (rms, "rms", RMS_HIGH, RMS_LOW),
            (mean, "mean", MEAN_HIGH, MEAN_LOW),
        ):
            least, most = self._limits[name]
            status |= np.where(values > most, high, 0).astype(np.uint8)
            status |= np.where(values < least, low, 0).astype(np.uint8)
        allowed = float(self.settings.get("fraction", FRACTION)) * count
        status |= np.where(self.above > allowed, ADU_HIGH, 0).astype(np.uint8)
        status |= np.where(self.below > allowed, ADU_LOW, 0).astype(np.uint8)
        status |= np.where(self.count < 2, NO_PEDESTAL, 0).astype(np.uint8)
        status |= self._elsewhere(mode)
        shape = (-1, *self.shape)
        kept = slice(None) if mode is None else slice(mode, mode + 1)
        return Dark(*(a[kept].reshape(shape) for a in (mean, rms, status, self.count)))

    def _rms(self) -> np.ndarray:
        """Sample standard deviation, NaN of fewer than two values."""
        count = np.maximum(self.count, 2).astype(np.float64)
        mean = self.total / count
        # n sum x^2 - (sum x)^2 would overflow int64; this loses 1e-16 of the mean square only.
        variance = np.maximum(self.squares / count - mean * mean, 0) * count / (count - 1)
        return np.where(self.count < 2, np.nan, np.sqrt(variance))

    def _elsewhere(self, mode: int | None) -> np.ndarray:
        """Bit of pixels that were too often in a gain mode that was not asked for, or in none."""
        frames = self.count.sum(axis=0) + self.unknown
        others = self.unknown if mode is None else frames - self.count[mode]
        allowed = float(self.settings.get("fraction", FRACTION)) * frames
        return np.where(others > allowed, OTHER_GAIN, 0).astype(np.uint8)


def status_counts(dark: Dark) -> list[dict[str, int]]:
    """Of each gain mode how many pixels have each bit of their status, by name."""
    return [
        {name: int(np.count_nonzero(status & bit)) for name, bit in STATUS.items()}
        for status in dark.status
    ]


def compare_darks(new: Dark, old: Dark) -> list[dict[str, float]]:
    """What changed since an earlier dark, for each gain mode.

    Medians and 99 % of the size of differences of pedestal and rms, ADU, over pixels good in both;
    pixels that turned bad and good. NaN where no pixel is good in both. Raises UserError for other shapes.
    """
    if new.pedestal.shape != old.pedestal.shape:
        raise UserError(
            f"darks of {new.pedestal.shape} and {old.pedestal.shape}",
            "comparison of darks",
            "compare darks of the same detector, read out alike",
        )
    return [_compared(new, old, mode) for mode in range(len(new.pedestal))]


def _compared(new: Dark, old: Dark, mode: int) -> dict[str, float]:
    good, was_good = new.status[mode] == 0, old.status[mode] == 0
    both = good & was_good
    found: dict[str, float] = {
        "turned_bad": int(np.count_nonzero(was_good & ~good)),
        "turned_good": int(np.count_nonzero(good & ~was_good)),
    }
    for name in ("pedestal", "rms"):
        change = (getattr(new, name)[mode] - getattr(old, name)[mode])[both]
        found[f"{name}_median_change"] = float(np.median(change)) if change.size else math.nan
        found[f"{name}_largest_change"] = (
            float(np.quantile(np.abs(change), 0.99)) if change.size else math.nan
        )
    return found


def _limits(settings: Mapping[str, Any], name: str) -> tuple[float, float]:
    given = settings.get(name)
    if given is None:
        return -math.inf, math.inf
    if len(given) != 2 or not float(given[0]) < float(given[1]):
        raise UserError(f"limits {given}", f"darks: {name}", "give [low, high], low below high")
    return float(given[0]), float(given[1])
