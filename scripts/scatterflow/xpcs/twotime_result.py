"""What the two-time correlation of a dynamic bin gives; what reads results needs no more of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TwoTimeResult:
    """The two-time correlation of one dynamic bin; lags and ages in processed frames.

    bin: 0-based number of the dynamic bin, None for a map from elsewhere. frames N, pixels. step: frames
    along a cell of c2 (n, n) float32: its upper triangle, 0 below it; NaN where there is no C2. Cells of
    several frames are means of C2, on the diagonal of the elements above it.
    g2, error, variance: (N,) float64 by lag; pairs: (N,) int64; chi4: (N,) or None.
    partial, partial_error: (windows, lags), partial_edges: (windows + 1,) frames.
    age_g2, age_error: (ages, N), age_centres: (ages,), age_width.
    half_g2, half_error: (2, N), g2 of the first and the second half of all ages.
    stationarity, stationarity_noise: see `stationarity`.
    invalid_frames; empty_frames: valid ones without a photon in the bin; empty_static: how often a static bin
    was left out of a frame for want of photons.
    """

    bin: int | None
    frames: int
    pixels: int
    smoothing: str
    step: int
    c2: np.ndarray
    g2: np.ndarray
    error: np.ndarray
    pairs: np.ndarray
    variance: np.ndarray
    chi4: np.ndarray | None
    partial: np.ndarray
    partial_error: np.ndarray
    partial_edges: np.ndarray
    age_g2: np.ndarray
    age_error: np.ndarray
    age_centres: np.ndarray
    age_width: float
    half_g2: np.ndarray
    half_error: np.ndarray
    stationarity: float
    stationarity_noise: float
    invalid_frames: int = 0
    empty_frames: int = 0
    empty_static: int = 0
