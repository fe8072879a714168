"""The profile of a background or dark: frames of one or several runs pooled, weighted by their exposures.

    B = sum_b (S_b - a_b N_b D) / sum_b N_b e_b        var(B) = sum_b var(S_b) / (sum_b N_b e_b)^2

S_b counts, N_b normalisation of a bin; e_b the exposure of frame b: I0_b / r for a background, seconds or 1
for a dark. This is the mean of the normalised frames with weights N_b e_b: those of the inverse variance of
counts from one and the same intensity, but from the monitors. Weights from the counts' own variances prefer
frames that happened to count little, and come out low where counts are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.saxswaxs.corrections import Pooled
from scatterflow.saxswaxs.merge import sums
from scatterflow.saxswaxs.tasks import ResultTask


@dataclass(frozen=True)
class PoolRun:
    """A run to be pooled. exposure, dark_factor: (frames,) float64; used: (frames,) bool.

    dark: its dark profile, None if none is taken off; own_dark: whether the sample has another one.
    """

    container: Any
    exposure: np.ndarray
    used: np.ndarray
    dark_factor: np.ndarray
    dark: Pooled | None = None
    own_dark: bool = False


def pool(runs: Sequence[PoolRun], task: ResultTask, where: str) -> Pooled:
    """The pooled profile of one integration; frames stream from the containers, one after the other.

    Bins that no frame holds are NaN. Raises UserError if no frame is left.
    """
    bins = task.bin_shape
    signal, variance, exposure, dark_share, other_dark = (np.zeros(bins) for _ in range(5))
    frames = 0
    for run in runs:
        own_share = np.zeros(bins)
        for part in sums(run.container, task):
            for offset in range(len(part.signal)):
                frame = part.first + offset
                norm = part.normalisation[offset]
                there = np.isfinite(part.signal[offset]) & (norm > 0)
                if not run.used[frame] or not there.any():
                    continue
                frames += 1
                net = part.signal[offset]
                if run.dark is not None:
                    net = net - run.dark_factor[frame] * norm * run.dark.intensity
                    own_share += np.where(there, run.dark_factor[frame] * norm, 0.0)
                signal += np.where(there, net, 0.0)
                variance += np.where(there, part.variance[offset], 0.0)
                exposure += np.where(there, run.exposure[frame] * norm, 0.0)
        if run.dark is not None and run.own_dark:
            other_dark += own_share**2 * run.dark.variance
        else:
            dark_share += own_share
    if frames == 0:
        raise UserError(
            "no valid frame is left to average",
            where,
            "choose other frames, or another run in the run table",
        )
    exposure = np.where(exposure > 0, exposure, np.nan)
    return Pooled(signal / exposure, (variance + other_dark) / exposure**2, dark_share / exposure)
