"""Which raw frames a processed frame is made of.

Processed frame n is the sum of `average` raw frames, begin + n * stride * average + j * stride for j from 0
to average - 1; what is left over at the end is not used. begin counts from 0, end is exclusive, and either
counts from the end of the run where it is negative (as in boost_corr; XPCS-Eigen counts from 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError


@dataclass(frozen=True)
class FrameRange:
    """begin, end: raw frames begin..end-1, not negative; stride, average: see the module's docstring."""

    begin: int
    end: int
    stride: int = 1
    average: int = 1

    @property
    def frames(self) -> int:
        """Number of processed frames."""
        return (self.end - self.begin) // self.raw_per_frame

    @property
    def raw_per_frame(self) -> int:
        """Raw frames from one processed frame to the next: seconds = delay * frame time * this."""
        return self.stride * self.average

    def raw_frames(self, start: int, stop: int) -> np.ndarray:
        """Raw frames of processed frames start..stop-1, (stop - start, average) int64."""
        if not 0 <= start <= stop <= self.frames:
            raise IndexError(f"frames {start}..{stop} of {self.frames}")
        first = self.begin + np.arange(start, stop, dtype=np.int64)[:, None] * self.raw_per_frame
        return first + np.arange(self.average, dtype=np.int64) * self.stride


def frame_range(settings: dict[str, Any], raw_frames: int, where: str) -> FrameRange:
    """The range that a reduction asks for, of a run with this many raw frames.

    settings: begin, end (None: the end of the run), stride, average. where: for messages.
    Raises UserError for a range that lies outside the run or leaves no frame.
    """
    stride, average = settings.get("stride") or 1, settings.get("average") or 1
    if stride < 1 or average < 1:
        raise UserError(
            f"stride {stride} and average {average} must be 1 or more", where, "correct them"
        )
    begin = _counted_from_start("begin", settings.get("begin") or 0, raw_frames, where)
    end = settings.get("end")
    end = raw_frames if end is None else _counted_from_start("end", end, raw_frames, where)
    if begin >= end:
        raise UserError(
            f"no frame lies from begin {settings.get('begin') or 0} to end {settings.get('end')} "
            f"(frames {begin} to {end} of {raw_frames})",
            where,
            "begin counts from 0 and must be below end, which is the first frame not used",
        )
    chosen = FrameRange(begin, end, stride, average)
    if chosen.frames == 0:
        raise UserError(
            f"{end - begin} raw frames do not make one frame of stride {stride} times average {average}",
            where,
            "lower stride or average, or take more frames",
        )
    return chosen


def _counted_from_start(name: str, value: int, raw_frames: int, where: str) -> int:
    counted = value + raw_frames if value < 0 else value
    if not 0 <= counted <= raw_frames:
        raise UserError(
            f"{name} {value} lies outside the run, which has {raw_frames} frames",
            where,
            "frames count from 0; negative numbers count from the end",
        )
    return counted
