"""Frames of a camera from stored words to ADU or photons: pedestal, common mode, gain, bad pixels.

    value = (stored - pedestal - offset - common mode) gain / adu_per_photon

The arithmetic is that of `scatterflow.kernels.frame_calibration`. Constants are arrays of a frame's shape, or
(modes, *shape) for cameras with several gains: `pedestal`, `offset` (0), `gain` (1), `rms` and `good` (True).
Settings, all optional:

    adu_per_photon  float; None: results in ADU (times gain)
    gain_bits       mask: bits that tell the gain; modes: gain mode of each value of them, -1 for none. Of a
                    Jungfrau {mask: 0xC000, modes: [0, 1, -1, 2]}; the bits below it are the value
    common_mode     steps: blocks [rows, columns] whose medians are taken off one after the other, 0 for all:
                    [1, 0] rows, [0, 1] columns, [1, 96] rows of banks; level_adu, level_rms: pixels beyond
                    either do not count; neighbours (False): nor do the four beside brighter ones;
                    least_fraction (0.25) of a block's pixels, and least_pixels (10), that must count;
                    largest_adu (inf): larger medians are not taken off

What smalldata_tools' own correction of ePix100 (codes 45 to 47) does is steps [[352, 1], [1, 96]],
level_adu 30, level_rms 10, neighbours, least_fraction 0.25, largest_adu 30.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.frame_calibration import calibrate_frames
from scatterflow.shots.settings import above_zero, needed, refuse_unknown

CONSTANTS = ("pedestal", "offset", "gain", "rms", "good")
LEAST_FRACTION = 0.25
LEAST_PIXELS = 10
MOST_GAIN_BITS = 8


@dataclass(frozen=True)
class GainBits:
    """value_mask, mask, shift: of the stored word; modes: (2^bits,) int8, -1 none."""

    value_mask: int
    mask: int
    shift: int
    modes: np.ndarray


@dataclass(frozen=True)
class CommonMode:
    """blocks: (steps, 2) int64; least: (steps,) int64; level: (tiles, rows, columns) float32, ADU;
    largest: ADU."""

    blocks: np.ndarray
    least: np.ndarray
    level: np.ndarray
    neighbours: bool
    largest: float

    def list_size(self, columns: int) -> int:
        """Values of the blocks that lie side by side, for the step that has most."""
        sizes = [-(-columns // wide) * wide * high for high, wide in self.blocks.tolist()]
        return max(sizes, default=0)


@dataclass(frozen=True)
class Calibration:
    """Constants and settings made ready.

    shape: of a frame. pedestal, factor: (modes, tiles, rows, columns) float32. good: (tiles, rows,
    columns) bool, those without constants out.
    """

    shape: tuple[int, ...]
    pedestal: np.ndarray
    factor: np.ndarray
    good: np.ndarray
    bits: GainBits
    common_mode: CommonMode

    @property
    def good_pixels(self) -> np.ndarray:
        """`good` in the shape of a frame."""
        return self.good.reshape(self.shape)


@dataclass(frozen=True)
class CalibratedFrames:
    """frames: (n, *shape) float32, bad pixels 0; invalid: (n,) int64, good pixels that are NaN in a frame;
    uncorrected: (n,) int64, blocks of the common mode that were left as they are."""

    frames: np.ndarray
    invalid: np.ndarray
    uncorrected: np.ndarray


def prepare_calibration(
    constants: Mapping[str, np.ndarray], settings: Mapping[str, Any], shape: Sequence[int]
) -> Calibration:
    """Calibration of a detector.

    shape: (rows, columns) or (tiles, rows, columns) of a frame, (samples,) of a waveform, which is one row.
    Constants are rounded to float32, 24 bits: a pedestal of 10^4 ADU to 5e-4. Raises UserError for constants
    of another shape, or settings that cannot be.
    """
    shape = tuple(int(size) for size in shape)
    refuse_unknown(constants, CONSTANTS, "calibration constants")
    refuse_unknown(settings, ("adu_per_photon", "gain_bits", "common_mode"), "calibration")
    bits = gain_bits(settings.get("gain_bits"))
    modes = int(bits.modes.max()) + 1
    pedestal = _constant(constants, "pedestal", 0.0, modes, shape)
    pedestal = pedestal + _constant(constants, "offset", 0.0, modes, shape)
    factor = _constant(constants, "gain", 1.0, modes, shape)
    if settings.get("adu_per_photon") is not None:
        factor = factor / above_zero(settings, "adu_per_photon", "calibration")
    good = np.array(_of_shape(np.asarray(constants.get("good", True), bool), "good", shape))
    good &= np.isfinite(pedestal[0]) & np.isfinite(factor[0])
    noise = None
    if constants.get("rms") is not None:
        noise = _constant(constants, "rms", 0.0, modes, shape)[0]
    return Calibration(
        shape,
        np.ascontiguousarray(pedestal, dtype=np.float32),
        np.ascontiguousarray(factor, dtype=np.float32),
        good,
        bits,
        _common_mode(settings.get("common_mode"), noise, good.shape),
    )


def calibrate(
    frames: np.ndarray, calibration: Calibration, *, threads: int = 1
) -> CalibratedFrames:
    """Calibrated frames.

    frames: (n, *shape), as stored. Raises UserError for another shape, or gain bits of numbers that are no
    integers.
    """
    frames = np.asarray(frames)
    if frames.shape[1:] != calibration.shape:
        raise UserError(
            f"frames of {_times(frames.shape[1:])} pixels and constants of {_times(calibration.shape)}",
            "calibration",
            "choose the constants of this detector, made with the same region read out",
        )
    _check_stored(frames.dtype, calibration.bits)
    native = np.ascontiguousarray(frames, dtype=frames.dtype.newbyteorder("="))
    stored = native.reshape(len(frames), *calibration.good.shape)
    out = np.empty(stored.shape, dtype=np.float32)
    invalid, uncorrected = (np.zeros(len(frames), dtype=np.int64) for _ in range(2))
    bits, common = calibration.bits, calibration.common_mode
    rows, columns = stored.shape[2:]

    def work(first: int, last: int) -> None:
        mode, usable = np.empty((rows, columns), np.int8), np.empty((rows, columns), bool)
        lists, counts = np.empty(common.list_size(columns), np.float32), np.empty(columns, np.int64)
        calibrate_frames(
            stored, first, last, bits.value_mask, bits.mask, bits.shift, bits.modes,
            calibration.pedestal, calibration.factor, calibration.good, common.level, common.neighbours,
            common.blocks, common.least, common.largest, mode, usable, lists, counts,
            np.empty(columns), out, invalid, uncorrected,
        )  # fmt: skip

    edges = [part * len(frames) // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))
    return CalibratedFrames(out.reshape(frames.shape), invalid, uncorrected)


def _check_stored(dtype: np.dtype, bits: GainBits) -> None:
    if dtype.kind not in "iuf" or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
        raise UserError(
            f"frames of type {dtype}", "calibration", "frames are integers, float32 or float64"
        )
    if bits.mask and dtype.kind == "f":
        raise UserError(
            "gain bits of frames that are floats",
            "calibration: gain_bits",
            "leave gain_bits out for frames that the facility has calibrated",
        )
    if bits.mask >> 8 * dtype.itemsize:
        raise UserError(
            f"gain bits {bits.mask:#x} of frames of type {dtype}",
            "calibration: gain_bits",
            "give a mask within the stored words",
        )


def gain_bits(settings: Mapping[str, Any] | None) -> GainBits:
    """Bits of the stored words from the settings `gain_bits`; None: none. Raises UserError."""
    if settings is None:
        return GainBits(-1, 0, 0, np.zeros(1, np.int8))
    place = "calibration: gain_bits"
    refuse_unknown(settings, ("mask", "modes"), place)
    mask = int(needed(settings, "mask", place))
    modes = np.asarray(needed(settings, "modes", place), dtype=np.int64)
    if mask <= 0:
        raise UserError(f"a mask of {mask}", place, "give the bits that tell the gain, 0xC000 say")
    shift = (mask & -mask).bit_length() - 1
    count = mask.bit_length() - shift
    if mask >> shift != (1 << count) - 1 or count > MOST_GAIN_BITS:
        raise UserError(
            f"a mask of {mask:#x}", place, f"give 1 to {MOST_GAIN_BITS} bits beside each other"
        )
    if modes.shape != (1 << count,) or modes.min() < -1 or modes.max() < 0 or modes.max() > 126:
        raise UserError(
            f"modes {modes.tolist()} of {count} bits",
            place,
            f"give {1 << count} gain modes, counted from 0; -1 where the bits mean nothing",
        )
    value_mask = (1 << (mask.bit_length() - count)) - 1
    return GainBits(value_mask, mask, shift, modes.astype(np.int8))


def _common_mode(
    settings: Mapping[str, Any] | None, noise: np.ndarray | None, shape: tuple[int, ...]
) -> CommonMode:
    if settings is None:
        none = np.zeros((0, 2), np.int64)
        return CommonMode(none, none[:, 0], np.zeros((1, 1, 1), np.float32), False, math.inf)
    place = "calibration: common_mode"
    known = (
        "steps", "level_adu", "level_rms", "neighbours", "least_fraction", "least_pixels", "largest_adu",
    )  # fmt: skip
    refuse_unknown(settings, known, place)
    steps = np.asarray(settings.get("steps", []), dtype=np.int64)
    if steps.ndim != 2 or steps.shape[1] != 2 or (steps < 0).any():
        raise UserError(
            f"steps {settings.get('steps')}",
            place,
            "give blocks [rows, columns], 0 for all of them",
        )
    whole = np.array(shape[1:])
    blocks = np.where(steps == 0, whole, np.minimum(steps, whole))
    fraction = float(settings.get("least_fraction", LEAST_FRACTION))
    pixels = np.ceil(fraction * blocks.prod(axis=1)).astype(np.int64)
    least = np.maximum(pixels, int(settings.get("least_pixels", LEAST_PIXELS)))
    largest = settings.get("largest_adu")
    return CommonMode(
        np.ascontiguousarray(blocks),
        np.minimum(least, np.maximum(blocks.prod(axis=1), 1)),
        _level(settings, noise, shape),
        bool(settings.get("neighbours", False)),
        math.inf if largest is None else float(largest),
    )


def _level(
    settings: Mapping[str, Any], noise: np.ndarray | None, shape: tuple[int, ...]
) -> np.ndarray:
    """(tiles, rows, columns) float32, ADU beyond which a pixel may hold a photon."""
    place = "calibration: common_mode"
    level = np.full(shape, np.inf, dtype=np.float32)
    if settings.get("level_adu") is None and settings.get("level_rms") is None:
        raise UserError(
            "no level beyond which pixels do not count",
            place,
            "give level_adu or level_rms: photons must not pull the medians",
        )
    if settings.get("level_adu") is not None:
        level = np.minimum(level, np.float32(settings["level_adu"]))
    if settings.get("level_rms") is not None:
        if noise is None:
            raise UserError(
                "level_rms without the noise of the pixels",
                place,
                "give the constant rms of a dark run",
            )
        # A pixel of unknown noise does not count.
        scaled = float(settings["level_rms"]) * noise
        level = np.minimum(level, np.where(np.isfinite(scaled), scaled, -1)).astype(np.float32)
    return np.ascontiguousarray(level)


def _constant(
    constants: Mapping[str, np.ndarray],
    name: str,
    default: float,
    modes: int,
    shape: tuple[int, ...],
) -> np.ndarray:
    """(modes, tiles, rows, columns) float64. A number serves all modes, a frame of it just one."""
    values = np.asarray(constants.get(name, default), dtype=np.float64)
    if values.ndim == len(shape) + 1 and values.shape[0] >= modes:
        return np.stack([_of_shape(value, name, shape) for value in values[:modes]])
    if values.ndim > 0 and modes > 1:
        raise UserError(
            f"the constant {name} is {_times(values.shape)}, for {modes} gain modes of {_times(shape)}",
            "calibration constants",
            "give it for each gain mode, (modes, *frame), or as one number",
        )
    return np.stack([_of_shape(values, name, shape)] * modes)


def _of_shape(values: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    tiles = (math.prod(shape[:-2]), *((1, 1, *shape)[-2:]))
    if values.ndim == 0:
        return np.broadcast_to(values, tiles)
    if values.shape != shape:
        raise UserError(
            f"the constant {name} is {_times(values.shape)}, a frame {_times(shape)}",
            "calibration constants",
            "choose constants of this detector; for several gains they are (modes, *frame)",
        )
    return values.reshape(tiles)


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(int(size)) for size in shape) or "no"
