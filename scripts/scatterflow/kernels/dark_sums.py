"""Sums over frames of a dark run, pixel by pixel and gain mode by gain mode.

Numbers of frames, sums, sums of squares, and how often a value was below or above given limits. All
are integers, or float64 where frames are floats; integers of 16 bits are exact for 2^31 frames and more.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled
from scatterflow.kernels.frame_calibration import split_word


@compiled
def add_dark_frames(
    stored, start, stop, value_mask, gain_mask, gain_shift, mode_of_bits, low, high, count, total, squares,
    below, above, unknown,
):  # fmt: skip
    """Add pixels start..stop-1 of all frames.

    stored: (n, pixels). value_mask, gain_mask, gain_shift, mode_of_bits: as in `calibrate_frames`. low,
    high: float64, ADU. count, below, above: (modes, pixels) int64; total, squares: (modes, pixels) int64
    or float64; unknown: (pixels,) int64, frames whose gain bits mean nothing or whose value is not finite.
    """
    for frame in range(stored.shape[0]):
        for pixel in range(start, stop):
            value, mode = np.float64(stored[frame, pixel]), np.int8(0)
            if gain_mask != 0:
                value, mode = split_word(
                    stored[frame, pixel], value_mask, gain_mask, gain_shift, mode_of_bits
                )
            if mode < 0 or not np.isfinite(value):
                unknown[pixel] += 1
                continue
            own = total.dtype.type(value)
            count[mode, pixel] += 1
            total[mode, pixel] += own
            squares[mode, pixel] += own * own
            if value < low:
                below[mode, pixel] += 1
            if value > high:
                above[mode, pixel] += 1
