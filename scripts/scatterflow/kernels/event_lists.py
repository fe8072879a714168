"""Photon events of a block of pixels as lists by pixel (compressed sparse rows), and as dense frames.

The events of pixel i are those from starts[i] to starts[i + 1]: `frame` ascending within a pixel, and
`count`, never 0. All kernels take C-contiguous arrays and fill preallocated ones.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled


@compiled
def append_events(
    starts: np.ndarray,
    frame: np.ndarray,
    count: np.ndarray,
    free: np.ndarray,
    frame_out: np.ndarray,
    count_out: np.ndarray,
) -> None:
    """Copy each pixel's events to where its list goes on; free: (pixels,) int64 next free place, moved on."""
    for pixel in range(free.size):
        at = free[pixel]
        for i in range(starts[pixel], starts[pixel + 1]):
            frame_out[at] = frame[i]
            count_out[at] = count[i]
            at += 1
        free[pixel] = at


@compiled
def fill_frames(
    starts: np.ndarray, frame: np.ndarray, count: np.ndarray, first: int, values: np.ndarray
) -> None:
    """Events into dense values (frames, pixels), zero before; first: number of the first frame."""
    for pixel in range(starts.size - 1):
        for i in range(starts[pixel], starts[pixel + 1]):
            values[frame[i] - first, pixel] = count[i]


@compiled
def count_occupied(values: np.ndarray, valid: np.ndarray, occupied: np.ndarray) -> None:
    """Add to occupied (pixels,) int64 how many values of each pixel in valid frames are not 0."""
    for row in range(values.shape[0]):
        if valid[row]:
            for pixel in range(values.shape[1]):
                occupied[pixel] += values[row, pixel] != 0


@compiled
def append_occupied(
    values: np.ndarray,
    valid: np.ndarray,
    first: int,
    free: np.ndarray,
    frame_out: np.ndarray,
    count_out: np.ndarray,
) -> None:
    """Append the values that are not 0, of valid frames first, first + 1, ..., to the pixels' lists."""
    for row in range(values.shape[0]):
        if valid[row]:
            for pixel in range(values.shape[1]):
                if values[row, pixel] != 0:
                    at = free[pixel]
                    frame_out[at] = first + row
                    count_out[at] = values[row, pixel]
                    free[pixel] = at + 1


@compiled
def keep_valid(starts: np.ndarray, frame: np.ndarray, count: np.ndarray, valid: np.ndarray) -> None:
    """Leave out, in place, the events of frames that are not valid; starts are moved accordingly."""
    kept = 0
    begin = starts[0]
    for pixel in range(starts.size - 1):
        end = starts[pixel + 1]
        starts[pixel] = kept
        for i in range(begin, end):
            if valid[frame[i]]:
                frame[kept] = frame[i]
                count[kept] = count[i]
                kept += 1
        begin = end
    starts[starts.size - 1] = kept
