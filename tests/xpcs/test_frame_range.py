"""begin, end, stride, average."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.xpcs.frame_range import frame_range


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(0, 59), st.integers(1, 60), st.integers(1, 4), st.integers(1, 4))
def test_raw_frames_are_those_of_the_definition(raw, begin, end, stride, average):
    expected = []
    at = begin
    while at + stride * average <= min(end, raw):
        expected.append([at + j * stride for j in range(average)])
        at += stride * average
    if end > raw or not expected:
        with pytest.raises(UserError):
            frame_range(
                {"begin": begin, "end": end, "stride": stride, "average": average}, raw, "frames"
            )
        return
    chosen = frame_range(
        {"begin": begin, "end": end, "stride": stride, "average": average}, raw, "frames"
    )
    assert chosen.frames == len(expected)
    assert chosen.raw_frames(0, chosen.frames).tolist() == expected
    assert chosen.raw_frames(chosen.frames // 2, chosen.frames).tolist() == expected[chosen.frames // 2 :]


def test_negative_numbers_count_from_the_end_and_nothing_means_all():
    assert frame_range({"begin": -4, "end": -1}, 10, "").raw_frames(0, 3)[:, 0].tolist() == [6, 7, 8]
    assert frame_range({"begin": None, "end": None}, 10, "").frames == 10


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"begin": 7, "end": 3}, "no frame lies from begin 7 to end 3"),
        ({"begin": 5, "end": 5}, "no frame lies from begin 5 to end 5"),
        ({"begin": -11}, "begin -11 lies outside the run, which has 10 frames"),
        ({"end": 11}, "end 11 lies outside the run"),
        ({"begin": 10}, "no frame lies from begin 10"),
        ({"stride": 3, "average": 4}, "10 raw frames do not make one frame of stride 3 times average 4"),
        ({"average": -1}, "must be 1 or more"),
    ],
)
def test_what_leaves_no_frame_is_refused(asked, message):
    with pytest.raises(UserError, match=message) as error:
        frame_range(asked, 10, "reduction x, frames")
    assert error.value.where == "reduction x, frames"
    assert error.value.how


def test_frames_outside_the_range_are_a_mistake_of_the_caller():
    with pytest.raises(IndexError):
        frame_range({}, 10, "").raw_frames(5, 11)
