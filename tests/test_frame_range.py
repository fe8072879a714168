"""Which raw frames are correlated, against counting them one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.frame_range import frame_range


def listed(raw_frames, begin, end, stride, average):
    """The raw frames of each frame, taken out of a list of all."""
    used = list(range(raw_frames))[begin:end]
    together = stride * average
    blocks = [used[i : i + together] for i in range(0, len(used), together)]
    return [block[::stride] for block in blocks if len(block) == together]


@given(
    raw_frames=st.integers(1, 60),
    begin=st.integers(-60, 59),
    end=st.none() | st.integers(-59, 60),
    stride=st.integers(1, 4),
    average=st.integers(1, 4),
)
def test_frames_are_those_of_a_list(raw_frames, begin, end, stride, average):
    inside = -raw_frames <= begin < raw_frames and (end is None or -raw_frames < end <= raw_frames)
    expected = listed(raw_frames, begin, end, stride, average) if inside else []
    if len(expected) < 2:
        with pytest.raises(UserError):
            frame_range(raw_frames, begin, end, stride, average, "here")
        return
    found = frame_range(raw_frames, begin, end, stride, average, "here")
    assert found.frames == len(expected)
    for i, frames in enumerate(expected):
        assert found.raw_range(i, i + 1) == (frames[0], frames[-1] + 1)
        assert [found.begin + i * found.step + j * stride for j in range(average)] == frames
    assert found.raw_range(0, found.frames) == (expected[0][0], expected[-1][-1] + 1)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ((20, None, 1, 1), "begin 20 is not below end 20"),
        ((25, None, 1, 1), "begin 25 lies outside"),
        ((0, 21, 1, 1), "end 21 lies outside"),
        ((12, 7, 1, 1), "begin 12 is not below end 7"),
        ((0, None, 4, 3), "leave 1 frames"),
    ],
)
def test_message_says_what_is_left(limits, words):
    with pytest.raises(UserError, match=words) as caught:
        frame_range(20, *limits, "run a, key frames")
    assert caught.value.where == "run a, key frames"
