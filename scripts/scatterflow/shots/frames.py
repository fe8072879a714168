"""Stored frames of shots, those that cannot be read left out where that is asked for."""

from __future__ import annotations

import numpy as np

from scatterflow.errors import FrameError
from scatterflow.sources.shots import ShotSource, absent_frames


def read_frames(
    source: ShotSource, detector: str, start: int, stop: int, *, skip_missing: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Stored frames of shots start..stop-1, (n, *shape), and which are there, (n,) bool.

    skip_missing: take frames that cannot be read for absent; else they raise FrameError.
    """
    try:
        return source.read(detector, start, stop)
    except FrameError:
        if not skip_missing:
            raise
        if stop - start == 1:
            info = source.detectors[detector]
            return absent_frames(1, info.shape, info.dtype), np.zeros(1, bool)
    parts = [
        read_frames(source, detector, shot, shot + 1, skip_missing=True)
        for shot in range(start, stop)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([p[1] for p in parts])
