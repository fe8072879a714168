"""SPEC scans with many frames per HDF5 file: frames that tell which they are, some files lost."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.spec import SpecSource
from scatterflow.sources.spec_stacks import place_stacks

SHAPE = (3, 4)
EIGER = "s_EIG1_012_data_{:06d}.h5"


def write_scan(root, points, command="ascan phi 0 1 {} 1", asked=None):
    lines = "\n".join(str(i) for i in range(points))
    command = command.format((asked or points) - 1)
    (root / "s").write_text(f"#F s\n\n#S 12 {command}\n#N 1\n#L phi\n{lines}\n")


def write_stacks(root, names, sizes):
    """Files of these numbers of frames; frame i of the scan holds i throughout."""
    paths = [root / "s_012" / name for name in names]
    paths[0].parent.mkdir(exist_ok=True)
    first = 0
    for path, size in zip(paths, sizes, strict=True):
        values = np.arange(first, first + size, dtype=np.uint32)
        with h5py.File(path, "w") as file:
            file["entry/data/data"] = np.broadcast_to(values[:, None, None], (size, *SHAPE))
        first += size
    return paths


def cut(path):
    """The file as a copy that stopped leaves it."""
    path.write_bytes(path.read_bytes()[:-100])


def opened(root, points, missing="nan"):
    recipe = {"format": "spec", "frames": {"saxs": "EIG1"}, "scalars": {}, "missing": missing}
    if any("LAMBDA" in path.name for path in (root / "s_012").iterdir()):
        recipe["frames"] = {"saxs": "LAMBDA"}
    return SpecSource(RunLocation("r", "s::12", str(root), points, recipe, {"saxs": SHAPE}))


def found_at(root, points):
    """Per point the number of the frame that is read for it, None if none can be."""
    source = opened(root, points)
    found = []
    for i in range(points):
        try:
            pixels = source.read("saxs", i, i + 1)[0]
        except FrameError:
            found.append(None)
        else:
            assert (pixels == pixels[0, 0]).all()
            found.append(int(pixels[0, 0]))
    return found


@pytest.fixture
def three_files(tmp_path):
    """Six points in three Eiger files of two frames."""
    write_scan(tmp_path, 6)
    return write_stacks(tmp_path, [EIGER.format(k) for k in (1, 2, 3)], (2, 2, 2))


LOSSES = pytest.mark.parametrize("lose", [cut, Path.unlink], ids=["cut", "deleted"])


@LOSSES
@pytest.mark.parametrize("lost", [(0,), (1,), (2,), (0, 1), (1, 2)])
def test_frames_keep_their_points(tmp_path, three_files, lost, lose):
    for k in lost:
        lose(three_files[k])
    assert found_at(tmp_path, 6) == [None if i // 2 in lost else i for i in range(6)]


def test_file_in_the_middle_alone_does_not_tell_where_it_belongs(tmp_path, three_files):
    """Two frames in file 2 of 6 points: between two files of two, or the rest after four."""
    three_files[0].unlink()
    three_files[2].unlink()
    with pytest.raises(UserError, match="tell which points are missing"):
        found_at(tmp_path, 6)
    write_stacks(tmp_path, [EIGER.format(k) for k in (1, 2, 3)], (2, 2, 2))
    cut(three_files[0])
    cut(three_files[2])  # there, so that file 2 is not the last
    assert found_at(tmp_path, 6) == [None, None, 2, 3, None, None]


@LOSSES
def test_lost_frames_are_named(tmp_path, three_files, lose):
    lose(three_files[1])
    source = opened(tmp_path, 6, missing="error")
    np.testing.assert_array_equal(source.read("saxs", 4, 6)[:, 0, 0], [4, 5])
    with pytest.raises(FrameError) as error:
        source.read("saxs", 0, 6)
    assert "frame 2" in error.value.where
    assert ("data_000002" in error.value.where) == (lose is cut)


@LOSSES
def test_last_file_may_be_shorter(tmp_path, lose):
    write_scan(tmp_path, 7)
    paths = write_stacks(tmp_path, [EIGER.format(k) for k in (1, 2, 3)], (3, 3, 1))
    lose(paths[1])
    assert found_at(tmp_path, 7) == [0, 1, 2, None, None, None, 6]


@LOSSES
@pytest.mark.parametrize("sizes", [(2, 1), (2, 2, 1)])
def test_the_rest_of_a_scan_alone_does_not_tell_where_it_belongs(tmp_path, sizes, lose):
    """One frame in file 2 of 3 points: one frame per file, or the rest after a file of two."""
    write_scan(tmp_path, sum(sizes))
    paths = write_stacks(tmp_path, [EIGER.format(k + 1) for k in range(len(sizes))], sizes)
    for path in paths[:-1]:
        lose(path)
    with pytest.raises(UserError, match="tell which points are missing") as error:
        found_at(tmp_path, sum(sizes))
    assert "detector saxs" in error.value.where


def test_all_files_cut(tmp_path, three_files):
    for path in three_files:
        cut(path)
    with pytest.raises(FrameError) as error:
        opened(tmp_path, 6).read("saxs", 0, 6)
    assert "data_000001.h5" in error.value.where
    assert "frame 0" in error.value.where


def test_one_file_for_the_whole_scan_cut(tmp_path):
    write_scan(tmp_path, 3)
    cut(write_stacks(tmp_path, ["s_EIG1_012.h5"], (3,))[0])
    with pytest.raises(FrameError) as error:
        opened(tmp_path, 3).read("saxs", 0, 3)
    assert "s_EIG1_012.h5" in error.value.where


def test_files_of_different_sizes(tmp_path):
    write_scan(tmp_path, 8)
    paths = write_stacks(tmp_path, [EIGER.format(k) for k in (1, 2, 3)], (3, 2, 3))
    assert found_at(tmp_path, 8) == list(range(8))
    cut(paths[2])
    assert found_at(tmp_path, 8) == [0, 1, 2, 3, 4, None, None, None]


def test_lost_among_files_of_different_sizes(tmp_path):
    write_scan(tmp_path, 11)
    paths = write_stacks(tmp_path, [EIGER.format(k) for k in (1, 2, 3, 4)], (3, 3, 2, 3))
    cut(paths[1])
    with pytest.raises(UserError, match="tell which points are missing"):
        found_at(tmp_path, 11)


def test_aborted_scan_with_its_first_file_lost_and_the_detector_ahead(tmp_path):
    """8 points asked for, 4 done, 6 frames taken: as many frames as points are left."""
    write_scan(tmp_path, 4, asked=8)
    paths = write_stacks(tmp_path, [EIGER.format(k) for k in (1, 2, 3)], (2, 2, 2))
    paths[0].unlink()
    assert found_at(tmp_path, 4) == [None, None, 2, 3]


@pytest.mark.parametrize("first", [0, 1])
def test_other_detectors_count_from_0_or_1(tmp_path, first):
    write_scan(tmp_path, 6)
    names = [f"s_LAMBDA_012_{first + k:05d}.nxs" for k in range(3)]
    paths = write_stacks(tmp_path, names, (2, 2, 2))
    assert found_at(tmp_path, 6) == [0, 1, 2, 3, 4, 5]
    cut(paths[1])
    assert found_at(tmp_path, 6) == [0, 1, None, None, 4, 5]
    paths[0].unlink()
    paths[1].unlink()
    if first == 1:  # a file 3 cannot be the fourth of three
        assert found_at(tmp_path, 6) == [None, None, None, None, 4, 5]
    else:
        with pytest.raises(UserError, match="tell which points are missing"):
            found_at(tmp_path, 6)


@LOSSES
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_one_file_per_row_of_a_mesh(tmp_path, lost, lose):
    write_scan(tmp_path, 12, "flymesh x 0 1 3 0.1 y 0 1 2")
    names = [f"s_EIG1_012_{row:03d}_data_000001.h5" for row in range(3)]
    paths = write_stacks(tmp_path, names, (4, 4, 4))
    lose(paths[lost])
    assert found_at(tmp_path, 12) == [None if i // 4 == lost else i for i in range(12)]


def test_only_the_second_row_of_a_mesh_is_left(tmp_path):
    write_scan(tmp_path, 8, "flymesh x 0 1 3 0.1 y 0 1 1")
    names = [f"s_EIG1_012_{row:03d}_data_000001.h5" for row in range(2)]
    write_stacks(tmp_path, names, (4, 4))[0].unlink()
    assert found_at(tmp_path, 8) == [None] * 4 + [4, 5, 6, 7]


def test_several_files_per_row_are_taken_only_if_none_is_lost(tmp_path):
    write_scan(tmp_path, 8, "flymesh x 0 1 3 0.1 y 0 1 1")
    names = [f"s_EIG1_012_{row:03d}_data_{k:06d}.h5" for row in range(2) for k in (1, 2)]
    paths = write_stacks(tmp_path, names, (2, 2, 2, 2))
    assert found_at(tmp_path, 8) == list(range(8))
    cut(paths[1])
    with pytest.raises(UserError, match="tell which points are missing"):
        found_at(tmp_path, 8)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), size=st.integers(2, 5), files=st.integers(1, 6))
def test_no_frame_ever_moves(data, size, files):
    """Whatever is lost, each frame is placed at its own point, or the files are refused."""
    points = data.draw(st.integers((files - 1) * size + 1, files * size))
    fate = data.draw(
        st.lists(st.sampled_from(["kept", "cut", "gone"]), min_size=files, max_size=files)
    )
    left = [k for k in range(files) if fate[k] != "gone"]
    lengths = [min(size, points - k * size) for k in range(files)]
    counts = [lengths[k] if fate[k] == "kept" else None for k in left]
    if not any(counts):
        return
    paths = [Path(str(k)) for k in left]
    numbers = [(k + 1,) for k in left]
    try:
        places = place_stacks(paths, counts, numbers, True, points, points, "")
    except UserError:
        assert counts[:-1] == [None] * (len(counts) - 1)  # only the last file can be read
        return
    for point, place in enumerate(places):
        k, i = divmod(point, size)
        assert place == ((Path(str(k)), i) if fate[k] != "gone" else None)
