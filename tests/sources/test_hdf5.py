"""HDF5 sources: layouts found, missing frames never made up."""

from __future__ import annotations

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import FrameError, UserError
from scatterflow.files.hdf5 import unit_of
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5 import Hdf5Source
from scatterflow.sources.writers import write_eiger

SHAPE = (6, 8)


def counts(n, dtype=np.uint32, shape=SHAPE):
    return np.random.default_rng(n).poisson(5, (n, *shape)).astype(dtype)


def source(root, raw, frames, wanted="auto", shape=SHAPE, **recipe):
    recipe = {"format": "hdf5", "frames": {"d": wanted}, **recipe}
    shapes = {"d": shape} if shape else {}
    return Hdf5Source(RunLocation("r1", raw, str(root), frames, recipe, shapes))


def plain(path, frames, name="entry/data/data", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=frames, **options)
    return path


# Layouts


def test_an_eiger_master_with_its_data_files(tmp_path):
    frames = counts(7)
    write_eiger(tmp_path / "x/run_master.h5", frames, frames_per_data_file=3)
    it = source(tmp_path, "x/run_master.h5", 7)
    it.check()
    assert it.frames == 7
    assert it.detectors["d"].shape == SHAPE
    assert it.detectors["d"].dtype == np.uint32
    for start in range(8):
        for stop in range(start, 8):
            np.testing.assert_array_equal(it.read("d", start, stop), frames[start:stop])
    names = ["run_master.h5", "run_data_000001.h5", "run_data_000002.h5", "run_data_000003.h5"]
    assert [p.name for p in it.files()] == names
    assert [p.name for p in it.files("d", 3, 6)] == ["run_master.h5", "run_data_000002.h5"]
    assert it.metadata()["/entry/instrument/detector/detectorSpecific/nimages"] == 7


def test_eiger_links_follow_in_the_order_of_their_numbers(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for number in (10, 9, 1000000):
            file[f"entry/data/data_{number:06d}"] = np.full((1, *SHAPE), number, np.uint32)
    read = source(tmp_path, "m.h5", 3).read("d", 0, 3)
    assert list(read[:, 0, 0]) == [9, 10, 1000000]


@pytest.mark.parametrize("name", ["entry/data/data", "entry/instrument/detector/data", "deep/x/y"])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "i4", "f4", "u8"])
def test_plain_datasets_are_found_and_keep_their_type(tmp_path, name, dtype):
    frames = counts(4, dtype)
    plain(tmp_path / "a.h5", frames, name)
    read = source(tmp_path, "a.h5", 4).read("d", 1, 3)
    assert read.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(read, frames[1:3])


@pytest.mark.parametrize(
    ("dtype", "gap"),
    [("u1", 2**8 - 1), ("u2", 2**16 - 1), ("u4", 2**32 - 1), ("i4", -1), ("i4", -2)],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_values_of_gaps_and_bad_pixels_are_read_as_they_are(tmp_path, dtype, gap, compressed):
    """Eiger: the largest value, Pilatus: -1 and -2; the mask leaves them out, not the reader."""
    import hdf5plugin

    frames = counts(3, dtype)
    frames[:, 1, 2] = gap
    frames[2, 0, 0] = np.iinfo(dtype).max - 1
    filters = dict(hdf5plugin.Bitshuffle(cname="lz4")) if compressed else {}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("entry/data/data", data=frames, chunks=(1, *SHAPE), **filters)
    run = source(tmp_path, "a.h5", 3)
    read = run.read("d", 0, 3)
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, frames)
    assert (read[:, 1, 2] == gap).all()
    assert run.events("d", 0, 3) is None


def test_the_default_plot_of_a_nexus_file(tmp_path):
    frames = counts(3)
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["scan/other"] = counts(3)
        file["scan/measured/counts"] = frames
        file.attrs["default"] = "scan"
        file["scan"].attrs["default"] = "measured"
        file["scan/measured"].attrs["signal"] = "counts"
    np.testing.assert_array_equal(source(tmp_path, "a.nxs", 3).read("d", 0, 3), frames)


def test_a_default_that_is_no_text_is_passed_over(tmp_path):
    plain(tmp_path / "a.h5", frames := counts(3))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["default"] = np.bytes_(b"\xb5")
    np.testing.assert_array_equal(source(tmp_path, "a.h5", 3).read("d", 0, 3), frames)


def test_one_frame_without_a_frame_axis(tmp_path):
    frame = counts(1)
    plain(tmp_path / "a.h5", frame[0])
    np.testing.assert_array_equal(source(tmp_path, "a.h5", 1).read("d", 0, 1), frame)


def test_two_detectors_are_told_apart_by_their_shape(tmp_path):
    saxs, waxs = counts(2), counts(2, shape=(3, 9))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/saxs/data"], file["entry/waxs/data"] = saxs, waxs
        file["entry/saxs/mask"] = np.zeros(SHAPE, np.uint8)
    recipe = {"format": "hdf5", "frames": {"saxs": "auto", "waxs": "auto"}}
    shapes = {"saxs": SHAPE, "waxs": (3, 9)}
    it = Hdf5Source(RunLocation("r1", "a.h5", str(tmp_path), 2, recipe, shapes))
    np.testing.assert_array_equal(it.read("saxs", 0, 2), saxs)
    np.testing.assert_array_equal(it.read("waxs", 0, 2), waxs)


def test_several_candidates_are_listed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"], file["two"] = counts(2), counts(2)
    with pytest.raises(UserError) as caught:
        source(tmp_path, "a.h5", 2).read("d", 0, 1)
    assert "/one" in caught.value.what
    assert "/two" in caught.value.what
    assert "a.h5" in caught.value.where
    np.testing.assert_array_equal(source(tmp_path, "a.h5", 2, "two").read("d", 0, 2), counts(2))


def test_a_detector_with_its_own_file(tmp_path):
    plain(tmp_path / "s_saxs.h5", counts(2), "x")
    it = source(tmp_path, "s", 2, "{raw}_saxs.h5::/x")
    np.testing.assert_array_equal(it.read("d", 0, 2), counts(2))
    assert it.files() == [tmp_path / "s_saxs.h5"]


def test_a_series_of_files_follows_in_the_order_of_numbers(tmp_path):
    frames = counts(6)
    for number, rows in [(2, frames[:1]), (9, frames[1:3]), (10, frames[3:])]:
        plain(tmp_path / f"lambda_part{number}.nxs", rows, "entry/instrument/detector/data")
    it = source(tmp_path, "lambda_part*.nxs", 6)
    it.check()
    np.testing.assert_array_equal(it.read("d", 0, 6), frames)
    assert [p.name for p in it.files("d", 2, 4)] == ["lambda_part9.nxs", "lambda_part10.nxs"]


def test_modules_of_one_image_are_not_taken_for_parts_of_a_series(tmp_path):
    for module in (1, 2):
        plain(tmp_path / f"scan_m{module:02d}.nxs", counts(2))
    with pytest.raises(UserError, match="2 modules"):
        source(tmp_path, "scan_m*.nxs", 4).read("d", 0, 1)


def test_soft_links_and_groups_in_other_files(tmp_path):
    frames = counts(3)
    plain(tmp_path / "sub/d.h5", frames, "a/b/data")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["there"] = h5py.ExternalLink("sub/d.h5", "/a")
        file["entry/data/data"] = h5py.SoftLink("/there/b/data")
    np.testing.assert_array_equal(source(tmp_path, "m.h5", 3).read("d", 0, 3), frames)


def test_a_master_reached_by_a_symbolic_link(tmp_path):
    write_eiger(tmp_path / "store/run_master.h5", counts(2))
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/run_master.h5").symlink_to(tmp_path / "store/run_master.h5")
    # h5py itself resolves relative to the link's folder first: data files beside either are inside.
    (tmp_path / "raw/run_data_000001.h5").symlink_to(tmp_path / "store/run_data_000001.h5")
    it = source(tmp_path / "raw", "run_master.h5", 2)
    np.testing.assert_array_equal(it.read("d", 0, 2), counts(2))


# Missing and damaged frames


def test_frames_never_written_are_reported(tmp_path):
    frames = counts(5)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("entry/data/data", (5, *SHAPE), "u4", chunks=(1, 3, 8))
        dataset[:3] = frames[:3]
        dataset[4, :3] = frames[4, :3]  # half of frame 4
        file.create_dataset("contiguous", (5, *SHAPE), "u4")
    it = source(tmp_path, "a.h5", 5)
    np.testing.assert_array_equal(it.read("d", 0, 3), frames[:3])
    for start, stop, bad in [(0, 5, 3), (3, 4, 3), (4, 5, 4)]:
        with pytest.raises(FrameError, match="never written") as caught:
            it.read("d", start, stop)
        assert f"frame {bad}" in caught.value.where
    with pytest.raises(FrameError, match="never written"):
        source(tmp_path, "a.h5", 5, "contiguous").read("d", 0, 1)


def test_chunks_of_several_frames(tmp_path):
    frames = counts(10)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("entry/data/data", (10, *SHAPE), "u4", chunks=(4, *SHAPE))
        dataset[:8] = frames[:8]
    it = source(tmp_path, "a.h5", 10)
    np.testing.assert_array_equal(it.read("d", 3, 8), frames[3:8])
    with pytest.raises(FrameError, match="frame 8"):
        it.read("d", 3, 9)


@pytest.mark.parametrize(("lost", "frames"), [(1, "frames 0 to 2"), (2, "frames 3 to 5"),
                                              (3, "frame 6")])  # fmt: skip
def test_a_missing_data_file_is_named_with_its_frames(tmp_path, lost, frames):
    stack = counts(7)
    write_eiger(tmp_path / "run_master.h5", stack, frames_per_data_file=3)
    (tmp_path / f"run_data_00000{lost}.h5").unlink()
    it = source(tmp_path, "run_master.h5", 7)
    it.check()
    with pytest.raises(FrameError) as caught:
        it.read("d", 0, 7)
    assert f"run_data_00000{lost}.h5" in caught.value.where
    assert frames in caught.value.where
    assert tmp_path / f"run_data_00000{lost}.h5" in it.files()
    for i in range(7):
        if i // 3 + 1 != lost:
            np.testing.assert_array_equal(it.read("d", i, i + 1), stack[i : i + 1])


def test_links_to_files_that_were_never_needed(tmp_path):
    write_eiger(tmp_path / "run_master.h5", counts(4), frames_per_data_file=2)
    with h5py.File(tmp_path / "run_master.h5", "a") as file:
        file["entry/data/data_000003"] = h5py.ExternalLink("run_data_000003.h5", "/entry/data/data")
    it = source(tmp_path, "run_master.h5", 4)
    it.check()
    np.testing.assert_array_equal(it.read("d", 0, 4), counts(4))


@pytest.mark.parametrize("part", ["master", "data_000002"])
def test_truncated_files(tmp_path, part):
    write_eiger(tmp_path / "run_master.h5", counts(4), frames_per_data_file=2)
    path = tmp_path / f"run_{part}.h5"
    content = path.read_bytes()
    for length in (0, 50, 500, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        it = source(tmp_path, "run_master.h5", 4)
        with pytest.raises(FrameError) as caught:
            it.read("d", 0, 4)
        assert path.name in caught.value.where
        it.close()


def test_a_corrupt_frame_is_named(tmp_path):
    frames = counts(4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset(
            "entry/data/data", data=frames, chunks=(1, *SHAPE), fletcher32=True
        )
        at = dataset.id.get_chunk_info_by_coord((2, 0, 0)).byte_offset
    with open(tmp_path / "a.h5", "r+b") as stream:
        stream.seek(at + 5)
        stream.write(b"\xff\x0f")
    it = source(tmp_path, "a.h5", 4)
    np.testing.assert_array_equal(it.read("d", 0, 2), frames[:2])
    with pytest.raises(FrameError, match="cannot be read") as caught:
        it.read("d", 0, 4)
    assert "frame 2" in caught.value.where


def test_a_truncated_bitshuffle_frame_is_named(tmp_path):
    frames = counts(3)
    filters = dict(hdf5plugin.Bitshuffle(cname="lz4"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset(
            "entry/data/data", (3, *SHAPE), "u4", chunks=(1, *SHAPE), **filters
        )
        dataset[:] = frames
        _, chunk = dataset.id.read_direct_chunk((1, 0, 0))
        dataset.id.write_direct_chunk((1, 0, 0), chunk[:20])
    it = source(tmp_path, "a.h5", 3)
    np.testing.assert_array_equal(it.read("d", 2, 3), frames[2:])
    with pytest.raises(FrameError) as caught:
        it.read("d", 0, 3)
    assert "frame 1" in caught.value.where


@pytest.mark.parametrize("stated", [0, 1, 100, 2**40, 2**63])
def test_a_bitshuffle_chunk_that_lies_about_its_size(tmp_path, stated):
    write_eiger(tmp_path / "r_master.h5", counts(3))
    path = tmp_path / "r_data_000001.h5"
    with h5py.File(path) as file:
        at = file["entry/data/data"].id.get_chunk_info_by_coord((1, 0, 0)).byte_offset
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(stated.to_bytes(8, "big"))
    it = source(tmp_path, "r_master.h5", 3)
    np.testing.assert_array_equal(it.read("d", 2, 3), counts(3)[2:])
    with pytest.raises(FrameError, match="damaged") as caught:
        it.read("d", 0, 3)
    assert "frame 1" in caught.value.where


def test_data_files_of_another_shape_or_type(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["entry/data/data_000001"] = counts(2)
        file["entry/data/data_000002"] = counts(2, shape=(5, 8))
        file["entry/data/data_000003"] = counts(2, "u2")
    it = source(tmp_path, "m.h5", 6)
    with pytest.raises(FrameError, match=r"\(5, 8\)") as caught:
        it.read("d", 0, 4)
    assert "frames 2 to 3" in caught.value.where
    with pytest.raises(FrameError, match="uint16"):
        it.read("d", 4, 6)


@pytest.mark.parametrize("said", [3, 6])
def test_a_wrong_count_says_both_numbers(tmp_path, said):
    plain(tmp_path / "a.h5", counts(4))
    with pytest.raises(UserError) as caught:
        source(tmp_path, "a.h5", said).check()
    assert f"{said} frames" in caught.value.what
    assert "hold 4" in caught.value.what
    assert "r1" in caught.value.where
    assert "`frames`" in caught.value.how


def test_what_cannot_be_frames(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["line"], file["four"] = np.arange(5), np.zeros((2, 2, 3, 4))
        file["words"] = np.array([[[b"a"]]])
    for name, words in [("line", "shape"), ("four", "shape"), ("/", "group"), ("nil", "nothing"),
                        ("words", "not numbers"), ("auto", "0 datasets")]:  # fmt: skip
        with pytest.raises(UserError, match=words):
            source(tmp_path, "a.h5", 2, name).read("d", 0, 1)
    (tmp_path / "b.h5").write_bytes(b"not HDF5 at all")
    for raw in ("b.h5", "none.h5", "none*.h5"):
        with pytest.raises(FrameError):
            source(tmp_path, raw, 2).read("d", 0, 1)


def test_a_bomb_is_seen_before_it_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("entry/data/data", (1, 60000, 60000), "u4", chunks=(1, 16384, 32768))
        file.create_dataset("m", (10**9,), "f8", chunks=(1000,))
    with pytest.raises(UserError, match="too large"):
        source(tmp_path, "a.h5", 1, "/entry/data/data", shape=None).read("d", 0, 1)
    scalars = {"m": {"type": "dataset", "name": "m", "unit": ""}}
    with pytest.raises(UserError, match="does not fit"):
        source(tmp_path, "a.h5", 1, scalars=scalars).scalars()


def test_files_of_a_run_that_is_not_there_yet(tmp_path):
    assert source(tmp_path, "x/run_master.h5", 9).files() == [tmp_path / "x/run_master.h5"]


@given(st.integers(1, 9), st.integers(1, 4), st.data())
@settings(max_examples=15, deadline=None)
def test_two_reads_are_one_read(tmp_path_factory, n, per_file, data):
    root = tmp_path_factory.mktemp("h")
    frames = counts(n)
    write_eiger(root / "r_master.h5", frames, per_file)
    it = source(root, "r_master.h5", n)
    cut = data.draw(st.integers(0, n))
    np.testing.assert_array_equal(
        np.concatenate([it.read("d", 0, cut), it.read("d", cut, n)]), frames
    )
    it.close()


# Scalars


def test_scalars_from_datasets_with_their_units(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data/data"] = counts(3)
        file["mon"] = np.array([1, 2, 3], np.int32)
        file["mon"].attrs["units"] = "counts"
        file["t"] = 0.25
        file["one"] = [7.0]
    scalars = {
        "mon": {"type": "dataset", "name": "mon", "unit": ""},
        "t": {"type": "dataset", "name": "/t", "unit": "s"},
        "one": {"type": "dataset", "name": "one", "unit": ""},
        "rate": {"type": "expression", "name": "mon / t", "unit": "counts/s"},
    }
    table = source(tmp_path, "a.h5", 3, scalars=scalars).scalars()
    assert table["mon"].dtype == np.int32
    assert list(table["t"]) == [0.25] * 3
    assert list(table["one"]) == [7.0] * 3
    assert list(table["rate"]) == [4.0, 8.0, 12.0]
    assert table.attrs["units"] == {"mon": "counts", "t": "s", "one": "", "rate": "counts/s"}
    scalars["mon"]["unit"] = "mm"
    with pytest.raises(UserError, match=r"'mm'.*'counts'"):
        source(tmp_path, "a.h5", 3, scalars=scalars).scalars()


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        (np.bytes_("µm".encode()), "µm"),
        (np.array([b"mm"]), "mm"),
        (np.bytes_(b"\xb5m"), "\N{REPLACEMENT CHARACTER}m"),  # Latin-1
        (np.array([], "S1"), ""),
    ],
)
def test_units_are_read_however_they_are_written(tmp_path, written, unit):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1.0
        file["x"].attrs["units"] = written
        assert unit_of(file["x"]) == unit


def test_scalars_of_a_series_of_files(tmp_path):
    for number, values in [(1, [1.0, 2.0]), (2, [3.0])]:
        with h5py.File(tmp_path / f"p{number}.h5", "w") as file:
            file["entry/data/data"] = counts(len(values))
            file["mon"], file["t"] = values, 0.5
    scalars = {n: {"type": "dataset", "name": n, "unit": ""} for n in ("mon", "t")}
    table = source(tmp_path, "p*.h5", 3, scalars=scalars).scalars()
    assert list(table["mon"]) == [1, 2, 3]
    assert list(table["t"]) == [0.5] * 3


def test_a_scalar_of_another_length(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data/data"], file["mon"] = counts(3), [1.0, 2.0]
    scalars = {"mon": {"type": "dataset", "name": "mon", "unit": ""}}
    with pytest.raises(UserError, match="3 frames"):
        source(tmp_path, "a.h5", 3, scalars=scalars).scalars()


# Real data


def test_a_real_series_of_two_detectors(real_data):
    recipe = {
        "format": "hdf5",
        "frames": {"saxs": "auto", "waxs": "/entry/waxs/data"},
        "scalars": {"i0": {"type": "dataset", "name": "/entry/monitor/i0", "unit": ""}},
    }
    shapes = {"saxs": (1043, 981), "waxs": (195, 487)}
    root = real_data("ssrl-bl15-swaxs")
    it = Hdf5Source(RunLocation("r", "swaxs_runs04-09.h5", str(root), 6, recipe, shapes))
    it.check()
    import fabio

    with fabio.open(str(root / "saxs_mask.edf.gz")) as image:
        good = np.asarray(image.data) == 0
    known = [1851246, 2206127, 1713822, 2445963, 1822889, 1732209]
    assert [int(it.read("saxs", i, i + 1)[0][good].sum()) for i in range(6)] == known
    known = [20179432, 17220555, 18626061, 17619508, 18267028, 19260486]
    assert it.read("waxs", 0, 6).sum(axis=(1, 2)).tolist() == known
    known = [20.963, 21.29209, 21.04121, 21.06958, 20.72388, 20.51147]
    np.testing.assert_allclose(it.scalars()["i0"], known)
