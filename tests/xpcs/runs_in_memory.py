"""A source whose raw frames are in memory, dense or as events, and q-maps by plain numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.detectors.qmap import Partition, QMap, make_qmap
from scatterflow.errors import FrameError
from scatterflow.sources.base import DetectorInfo
from scatterflow.sources.events import Events, sparse_events


class MemorySource:
    """Frames (n, rows, columns) of detector `area`; missing: raw frames that raise FrameError."""

    def __init__(self, raw: np.ndarray, sparse: bool = False, missing: set[int] | None = None):
        self.raw, self.sparse, self.missing = raw, sparse, missing or set()
        self.frames = len(raw)
        self.detectors = {"area": DetectorInfo(raw.shape[1:], raw.dtype)}

    def read(self, detector: str, start: int, stop: int) -> np.ndarray:
        self._check(start, stop)
        return self.raw[start:stop].copy()

    def events(self, detector: str, start: int, stop: int) -> Events | None:
        if not self.sparse:
            return None
        self._check(start, stop)
        if start == stop:
            return Events(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint32))
        return sparse_events(self.raw[start:stop])

    def encoded(self, detector: str, start: int, stop: int) -> None:
        return None

    def files(self, *_: Any) -> list[Path]:
        return []

    def _check(self, start: int, stop: int) -> None:
        for frame in sorted(self.missing):
            if start <= frame < stop:
                raise FrameError("the frame is missing", f"frame {frame}", "")


def small_qmap(dynamic: np.ndarray, static: np.ndarray, good: np.ndarray | None = None) -> QMap:
    """The q-map of two arrays of bin numbers (0 = not used)."""

    def partition(numbers: np.ndarray) -> Partition:
        bins = int(numbers.max())
        centres = np.arange(1.0, bins + 1)
        return Partition(
            numbers.astype(np.uint32), np.arange(bins), centres[:, None], (bins, 1), (centres,)
        )

    good = np.ones(dynamic.shape, bool) if good is None else good
    return make_qmap(partition(dynamic), partition(static), good, ("q",), ("1/nm",), {}, "test")


def random_qmap(rng: np.random.Generator, shape: tuple[int, int]) -> QMap:
    """Up to 3 dynamic bins of 2 static bins each, scattered over the detector; some pixels unused."""
    static = rng.integers(0, 7, shape)
    static.flat[0] = 1
    return small_qmap((static + 1) // 2, static)
