"""Normalised correlation functions of dynamic bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class G2Result:
    """g2 of each dynamic bin (Nd of them) at each delay (T).

    delay: (T,) int64, frames; level: (T,) int64, of multi-tau; pairs: (T,) int64, valid pairs of samples.
    g2: (T, Nd), NaN where a bin has no photons; empty: (T, Nd) int64, static bins without photons, left out of
    it. error: (T, Nd), standard error from the scatter over speckles; error_time: from that over windows
    of time, NaN where fewer than three windows have the delay, or None. partial: (W, T, Nd) g2 of each
    window of time, with partial_error and partial_labels (frames), or None. speckle_size: (Nd,) pixels, full
    width at half maximum, NaN where neighbours are not seen to be correlated; independent_pixels: (T, Nd),
    pixels that would give `error` if each were independent of all others.
    """

    delay: np.ndarray
    level: np.ndarray
    pairs: np.ndarray
    g2: np.ndarray
    empty: np.ndarray
    error: np.ndarray
    error_time: np.ndarray | None
    partial: np.ndarray | None
    partial_error: np.ndarray | None
    partial_labels: tuple[str, ...] | None
    speckle_size: np.ndarray
    independent_pixels: np.ndarray
