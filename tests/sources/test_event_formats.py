"""What holds for all event formats: what is written is read, chunked as whole, the same in each."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sources.event_runs import FORMATS, opened, photons, written

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.events import dense_frames

EVENTS = [name for name in FORMATS if name != "imm dense"]
TRACELESS = [name for name in EVENTS if name != "imm sparse"]


@pytest.mark.parametrize("name", FORMATS)
def test_written_frames_are_read_back(tmp_path, name):
    stack = photons(name)
    source = written(tmp_path, name, stack)
    found = source.read("d", 0, len(stack))
    assert found.dtype == source.detectors["d"].dtype
    np.testing.assert_array_equal(found, stack)
    assert source.encoded("d", 0, 1) is None
    assert source.shared_files() == []
    assert source.fingerprint(scalars=True) is None
    assert len(source.scalars()) == len(stack)


@pytest.mark.parametrize("name", EVENTS)
def test_events_are_what_the_frames_hold(tmp_path, name):
    stack = photons(name)
    events = written(tmp_path, name, stack).events("d", 2, 7)
    frame, row, column = np.nonzero(stack[2:7])
    np.testing.assert_array_equal(events.frame, frame)
    np.testing.assert_array_equal(events.pixel, row * stack.shape[2] + column)
    np.testing.assert_array_equal(events.count, stack[2:7][frame, row, column])
    assert (events.frame.dtype, events.pixel.dtype, events.count.dtype) == ("i8", "i8", "u4")


def test_dense_imm_has_no_events(tmp_path):
    assert written(tmp_path, "imm dense", photons("imm dense")).events("d", 0, 2) is None


@pytest.fixture(scope="module", params=EVENTS)
def long_run(request, tmp_path_factory):
    return written(tmp_path_factory.mktemp("run"), request.param, photons(request.param, frames=9))


@given(cuts=st.lists(st.integers(0, 9), max_size=4))
@settings(max_examples=15, deadline=None)
def test_chunks_are_the_whole(long_run, cuts):
    edges = [0, *sorted(cuts), 9]
    parts = [long_run.events("d", *edge) for edge in pairwise(edges)]
    whole = long_run.events("d", 0, 9)
    starts = np.repeat(edges[:-1], [part.frame.size for part in parts])
    np.testing.assert_array_equal(
        np.concatenate([part.frame for part in parts]) + starts, whole.frame
    )
    np.testing.assert_array_equal(np.concatenate([part.pixel for part in parts]), whole.pixel)
    np.testing.assert_array_equal(np.concatenate([part.count for part in parts]), whole.count)


def test_the_same_photons_in_all_formats(tmp_path):
    """Few enough for all: 32 x 48 pixels in the corner of each detector, counts to 3."""
    few = np.random.default_rng(3).integers(0, 4, (5, 32, 48)).astype(np.uint16)
    few[:, 0, 0] = few[:, 1, 4] = 0  # pixels for digital tests of a Timepix4
    found = {}
    for name, (recipe, shape, _, write) in FORMATS.items():
        root = tmp_path / name.replace(" ", "_")
        root.mkdir()
        stack = np.zeros((5, *shape), np.uint16)
        stack[:, :32, :48] = few
        write(root / "a.x", stack)
        source = opened(root, recipe, 5, shape)
        read = source.read("d", 0, 5)
        assert read.sum() == few.sum()
        found[name] = read[:, :32, :48].astype(np.int64)
        events = source.events("d", 0, 5)
        if events is not None:
            np.testing.assert_array_equal(dense_frames(events, 5, shape), read)
    for name, frames in found.items():
        np.testing.assert_array_equal(frames, few, err_msg=name)


@pytest.mark.parametrize("name", FORMATS)
def test_equal_arguments_give_equal_bytes(tmp_path, name):
    _, _, _, write = FORMATS[name]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.x", photons(name))
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("name", TRACELESS)
def test_empty_frames_at_the_end_are_those_of_the_run_table(tmp_path, name):
    stack = photons(name).copy()
    stack[-1] = 0
    source = written(tmp_path, name, stack, frames=20)
    found = source.read("d", 0, 20)
    np.testing.assert_array_equal(found[:7], stack)
    assert not found[7:].any()
    assert source.events("d", 15, 20).frame.size == 0
    assert source.found("d")[0] == np.flatnonzero(stack.any(axis=(1, 2)))[-1] + 1


@pytest.mark.parametrize("name", ["rigaku", "rigaku 3m", "ufxc"])
def test_a_run_without_photons(tmp_path, name):
    source = written(tmp_path, name, photons(name, hits=0))
    assert source.events("d", 0, 7).frame.size == 0
    assert source.found("d") == (0, "")


@pytest.mark.parametrize("name", FORMATS)
def test_more_frames_than_the_run_table_says(tmp_path, name):
    with pytest.raises(UserError, match="the run table says 4 frames") as caught:
        written(tmp_path, name, photons(name), frames=4).read("d", 0, 1)
    assert not isinstance(caught.value, FrameError)
    assert "r1" in caught.value.where
    assert "a.x" in caught.value.where
    assert "column `frames`" in caught.value.how


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_file(tmp_path, name):
    recipe, shape, _, write = FORMATS[name]
    with pytest.raises(FrameError, match="missing") as caught:
        opened(tmp_path, recipe, 7, shape)
    assert "a.x" in caught.value.where
    stack = photons(name)
    source = opened(tmp_path, recipe, 7, shape, check=False, missing="nan")
    source.check()
    with pytest.raises(FrameError, match="missing"):
        source.read("d", 0, 1)
    # What comes later is read: nothing of the failure is kept.
    write(tmp_path / "a.x", stack)
    np.testing.assert_array_equal(source.read("d", 0, 7), stack)


@pytest.mark.parametrize("name", FORMATS)
def test_a_source_closes_more_than_once_and_reads_again(tmp_path, name):
    stack = photons(name)
    source = written(tmp_path, name, stack)
    for _ in range(2):
        np.testing.assert_array_equal(source.read("d", 0, 7), stack)
        source.close()
        source.close()


@pytest.mark.parametrize("name", FORMATS)
def test_files_are_named_without_looking(tmp_path, name):
    recipe, shape, _, write = FORMATS[name]
    source = opened(tmp_path, recipe, 7, shape, check=False)
    names = [path.relative_to(tmp_path).as_posix() for path in source.files()]
    assert source.files("d", 3, 3) == []
    write(tmp_path / "a.x", photons(name))
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_frames_and_detectors_that_are_not_there(tmp_path, name):
    source = written(tmp_path, name, photons(name))
    for read in (source.read, source.events):
        with pytest.raises(IndexError):
            read("d", 0, 8)
        with pytest.raises(UserError, match="no detector 'e'"):
            read("e", 0, 1)


def test_a_shape_that_is_not_the_detectors(tmp_path):
    for name in ("imm sparse", "imm dense", "ufxc"):
        recipe, _, _, write = FORMATS[name]
        write(tmp_path / "a.x", photons(name))
        with pytest.raises(UserError, match="the configuration says 11 x 12"):
            opened(tmp_path, recipe, 7, (11, 12))


def test_a_table_gives_the_scalars(tmp_path):
    stack = photons("rigaku")
    (tmp_path / "a.csv").write_text("i0\n" + "\n".join(map(str, range(7))))
    FORMATS["rigaku"][3](tmp_path / "a.x", stack)
    scalars = {"i0": {"type": "column", "name": "i0", "unit": "counts"}}
    more = {"scalars": scalars, "table": "{raw}.csv"}
    source = opened(tmp_path, {"format": "rigaku"}, 7, (64, 96), **more)
    assert source.scalars()["i0"].tolist() == list(range(7))
    assert tmp_path / "a.csv" in source.scalar_files()
