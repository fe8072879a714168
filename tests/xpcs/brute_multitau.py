"""Multi-tau sums by the definition, and blocks of both forms."""

from __future__ import annotations

import numpy as np

from scatterflow.xpcs.blocks import Block


def brute_sums(
    values: np.ndarray, valid: np.ndarray, level: int, delay: int, scale: np.ndarray | None = None
) -> tuple[int, np.ndarray]:
    """Number of pairs, and (3, pixels) G2, IP, IF of one delay, pair by pair."""
    factors = np.ones(len(values)) if scale is None else scale
    length = 2**level
    number = len(values) // length
    found, pairs = np.zeros((3, values.shape[1])), 0
    for s in range(number):
        later = s + delay // length
        first = slice(s * length, (s + 1) * length)
        second = slice(later * length, (later + 1) * length)
        if later >= number or not valid[first].all() or not valid[second].all():
            continue
        a = (values[first].astype(float) * factors[first, None]).sum(axis=0)
        b = (values[second].astype(float) * factors[second, None]).sum(axis=0)
        found += a * b, a, b
        pairs += 1
    return pairs, found


def dense_block(values: np.ndarray, first: int = 0) -> Block:
    """Values (N, pixels) as a block of positions from `first` on."""
    last = first + values.shape[1]
    return Block(first, last, len(values), "frames", values=np.ascontiguousarray(values))


def event_block(values: np.ndarray, first: int = 0) -> Block:
    """The same as events."""
    pixel, frame = np.nonzero(values.T)
    starts = np.searchsorted(pixel, np.arange(values.shape[1] + 1)).astype(np.int64)
    last, counts = first + values.shape[1], values[frame, pixel]
    return Block(
        first,
        last,
        len(values),
        "events",
        starts=starts,
        frame=frame.astype(np.int32),
        count=np.ascontiguousarray(counts),
    )
