"""Which raw frames are correlated: begin, end, stride, and how many are added up to one.

Frame i of the correlation is the sum of the raw frames begin + i * stride * average + j * stride,
j = 0 .. average - 1; what does not fill a last one is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from scatterflow.errors import UserError


@dataclass(frozen=True)
class FrameRange:
    """begin: first raw frame. frames: number of frames after adding up."""

    begin: int
    stride: int
    average: int
    frames: int

    @property
    def step(self) -> int:
        """Raw frames from one frame to the next."""
        return self.stride * self.average

    def raw_range(self, start: int, stop: int) -> tuple[int, int]:
        """(first, after the last) raw frame that frames start..stop-1 are made of."""
        last = self.begin + (stop - 1) * self.step + (self.average - 1) * self.stride
        return self.begin + start * self.step, last + 1


def frame_range(
    raw_frames: int, begin: int, end: int | None, stride: int, average: int, where: str
) -> FrameRange:
    """The frames of a run of `raw_frames`; negative begin and end count from the end.

    Raises UserError, placed at `where`, for limits outside the run, and if no frame is left.
    """
    first = begin + raw_frames if begin < 0 else begin
    last = raw_frames if end is None else end + raw_frames if end < 0 else end
    for key, given, value in (("begin", begin, first), ("end", end, last)):
        if not 0 <= value <= raw_frames:
            raise UserError(
                f"{key} {given} lies outside the run, which has {raw_frames} raw frames",
                where,
                f"give a number between {-raw_frames} and {raw_frames}",
            )
    if first >= last:
        raise UserError(
            f"no frame is left: begin {first} is not below end {last}", where, "correct them"
        )
    frames = (last - first) // (stride * average)
    if frames < 2:
        raise UserError(
            f"{last - first} raw frames with stride {stride} and average {average} leave {frames} "
            "frames; a correlation takes two",
            where,
            "lower stride or average, or use more frames",
        )
    return FrameRange(first, stride, average, frames)
