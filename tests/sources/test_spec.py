"""SPEC scans with frames in the CHESS layout: hand-written SPEC files, frames of known numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import fabio
import h5py
import numpy as np
import pytest

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_source
from scatterflow.sources.spec import SpecSource
from scatterflow.sources.spec_frames import detector_files, trailing_numbers

SHAPE = (3, 4)
HEADER = """#F sample
#E 1790000000
#D Mon Sep 21 10:13:20 2026
#C powder run  User = anna
#O0 Sample X  Sample Y  phi
#o0 samx samy phi
"""


def scan_text(number, command, columns, positions="10 20 30", date="Mon Sep 21 10:15:00 2026"):
    """A scan as SPEC writes it; columns: {label: values}."""
    rows = zip(*columns.values(), strict=True)
    lines = [f"#S {number}  {command}"]
    lines += [f"#D {date}"] if date else []
    lines += ["#T 0.5  (Seconds)", f"#P0 {positions}", f"#N {len(columns)}"]
    lines += ["#L " + "  ".join(columns), *(" ".join(map(str, row)) for row in rows)]
    return "\n" + "\n".join(lines) + "\n"


def frame(value, shape=SHAPE, dtype=np.int32):
    """A frame that tells which it is."""
    return (np.arange(shape[0] * shape[1]).reshape(shape) + 1000 * value).astype(dtype)


def write_image(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".tiff": fabio.tifimage.TifImage, ".cbf": fabio.cbfimage.CbfImage}.get(
        path.suffix, fabio.edfimage.EdfImage
    )
    kind(data=pixels).write(str(path))


def write_hdf5(path, pixels, name="entry/data/data"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file[name] = pixels


def source(root, raw="sample::12", frames=3, recipe=None, **names):
    names = names or {"waxs": "PIL9"}
    recipe = {"format": "spec", "frames": names, "scalars": {}, "missing": "error"} | (recipe or {})
    return SpecSource(RunLocation("r", raw, str(root), frames, recipe, dict.fromkeys(names, SHAPE)))


def scalars(root, frames, recipe=None, raw="sample::12", **wanted):
    wanted = {key: {"type": t, "name": n, "unit": ""} for key, (t, n) in wanted.items()}
    return source(root, raw, frames, {"scalars": wanted} | (recipe or {})).scalars()


@pytest.fixture
def line_scan(tmp_path):
    """Scan 12: three points of samx, frames of PIL9 (1, 2, 3) and PIL11 (7, 8, 9)."""
    columns = {"Sample X": [0.1, 0.6, 1.1], "I0": [1000, 1010, 1020], "Epoch": [90.5, 91.5, 92.5]}
    text = HEADER + scan_text(12, "ascan samx 0 1 2 0.5", columns)
    (tmp_path / "sample").write_text(text)
    for i in range(3):
        folder = tmp_path / "sample_012"
        write_image(folder / f"sample_PIL9_012_{i:03d}.tiff", frame(i + 1))
        write_image(folder / f"sample_PIL11_012_{i:03d}.tiff", frame(i + 7))
    return tmp_path


@pytest.fixture
def mesh_scan(tmp_path):
    """Scan 12: a mesh of 2 rows (samy) of 3 (samx), aborted after 5 points."""
    columns = {"Sample X": [0, 1, 2, 0, 1], "I0": [5, 6, 7, 8, 9]}
    text = HEADER + scan_text(12, "flymesh samx 0 2 2 0.5 samy 5 6 1", columns)
    (tmp_path / "sample").write_text(text)
    return tmp_path


# Frames


def test_frames_in_order(line_scan):
    location = source(line_scan, waxs="PIL9", saxs="PIL11").location
    opened = open_source(location)
    assert opened.frames == 3
    assert opened.detectors["waxs"].shape == SHAPE
    assert opened.detectors["waxs"].dtype == np.int32
    np.testing.assert_array_equal(opened.read("waxs", 1, 3), [frame(2), frame(3)])
    np.testing.assert_array_equal(opened.read("saxs", 0, 1), [frame(7)])
    names = [path.name for path in opened.files("waxs", 1, 3)]
    assert names == ["sample_PIL9_012_001.tiff", "sample_PIL9_012_002.tiff"]
    assert len(opened.files()) == 6
    assert opened.shared_files() == [line_scan / "sample"]
    assert opened.scalar_files() == []


def test_detector_names_are_whole_words(line_scan):
    with pytest.raises(FrameError, match="no frames of 'PIL1' in"):
        source(line_scan, waxs="PIL1").read("waxs", 0, 1)
    with pytest.raises(FrameError, match="no frames of 'pil9' in"):
        source(line_scan, waxs="pil9").read("waxs", 0, 1)
    for i in range(3):
        write_image(line_scan / "sample_012" / f"sample_PIL1_012_{i:03d}.tiff", frame(i + 20))
    pixels = source(line_scan, waxs="PIL1").read("waxs", 0, 3)
    np.testing.assert_array_equal(pixels, [frame(20), frame(21), frame(22)])


def test_spec_file_named_after_a_detector(tmp_path):
    (tmp_path / "PIL1").write_text(HEADER + scan_text(1, "ascan phi 0 1 1 1", {"phi": [0, 1]}))
    for i in range(2):
        write_image(tmp_path / "PIL1_001" / f"PIL1_PIL11_001_{i:03d}.tiff", frame(i))
    with pytest.raises(FrameError, match="no frames of 'PIL1'"):
        source(tmp_path, "PIL1::1", 2, waxs="PIL1").files()
    assert len(source(tmp_path, "PIL1::1", 2, waxs="PIL11").files()) == 2


def test_detector_name_of_two_words(tmp_path):
    names = ["s_LAMBDA_2_001_000.cbf", "s_LAMBDA_22_001_000.cbf", "s_LAMBDA_2_001_000.txt"]
    for name in [*names, ".s_LAMBDA_2_001_001.cbf", "s_LAMBDA_2_001.log"]:
        (tmp_path / name).touch()
    assert [path.name for path in detector_files(tmp_path, "LAMBDA_2", "s")] == [names[0]]


@pytest.mark.parametrize(
    ("name", "count", "numbers"),
    [
        ("spec_PIL9_012_000_004.tiff", 2, (0, 4)),
        ("spec_PIL9_012_000_004.cbf.gz", 2, (0, 4)),
        ("spec_EIG1_012_data_000005.h5", 1, (5,)),
        ("spec_EIG1_012_003_data_000005.h5", 2, (3, 5)),
        ("spec_PIL9_012_x.tiff", 1, None),
        ("004.tiff", 1, None),
    ],
)
def test_step_numbers_of_names(name, count, numbers):
    assert trailing_numbers(name, count) == numbers


def test_detector_ahead_of_an_aborted_scan_and_its_first_frame_lost(tmp_path):
    """5 points asked for, 4 done, frames 1 to 4 there: as many as points, but not of these."""
    text = scan_text(12, "ascan phi 0 4 4 1", {"phi": range(4)})
    (tmp_path / "sample").write_text(HEADER + text)
    for i in range(1, 5):
        write_image(tmp_path / "sample_012" / f"sample_PIL9_012_{i:03d}.tiff", frame(i))
    opened = source(tmp_path, frames=4)
    with pytest.raises(FrameError, match="no raw file for this point") as error:
        opened.read("waxs", 0, 4)
    assert "frame 0" in error.value.where
    np.testing.assert_array_equal(opened.read("waxs", 1, 4), [frame(1), frame(2), frame(3)])


def test_eiger_ahead_of_an_aborted_scan_and_its_first_frame_lost(tmp_path):
    text = scan_text(12, "ascan phi 0 5 5 1", {"phi": range(4)})
    (tmp_path / "sample").write_text(HEADER + text)
    for i in range(1, 5):  # frame 0 would be file 1
        write_hdf5(tmp_path / "sample_012" / f"s_EIG1_012_data_{i + 1:06d}.h5", frame(i)[None])
    opened = source(tmp_path, frames=4, waxs="EIG1")
    assert opened.places["waxs"][0] is None
    np.testing.assert_array_equal(opened.read("waxs", 1, 4), [frame(1), frame(2), frame(3)])


@pytest.mark.parametrize("steps", [[(0, 1), (0, 2)], [(1, 0), (1, 1)]])
def test_aborted_mesh_without_its_first_frame(mesh_scan, steps):
    columns = {"Sample X": [0, 1], "I0": [5, 6]}
    text = HEADER + scan_text(12, "flymesh samx 0 2 2 0.5 samy 5 6 1", columns)
    (mesh_scan / "sample").write_text(text)
    for slow, fast in steps:
        name = f"sample_PIL9_012_{slow:03d}_{fast:03d}.cbf"
        write_image(mesh_scan / "sample_012" / name, frame(10 * slow + fast))
    places = source(mesh_scan, frames=2).places["waxs"]
    assert places[0] is None
    assert (places[1] is not None) == ((0, 1) in steps)


def test_mesh_numbered_one_by_one_keeps_the_place_of_a_lost_frame(mesh_scan):
    for i in (0, 1, 3, 4):
        write_image(mesh_scan / "sample_012" / f"sample_PIL9_012_{i:05d}.edf", frame(i))
    opened = source(mesh_scan, frames=5)
    assert opened.places["waxs"][2] is None
    np.testing.assert_array_equal(opened.read("waxs", 3, 5), [frame(3), frame(4)])


def test_names_in_natural_order_count_from_anywhere(tmp_path):
    """Twelve files numbered 1 to 12 without leading zeros."""
    columns = {"phi": range(12)}
    (tmp_path / "sample").write_text(HEADER + scan_text(12, "ascan phi 0 11 11 1", columns))
    for i in range(12):
        write_image(tmp_path / "sample_012" / f"sample_PIL9_012_{i + 1}.tiff", frame(i))
    pixels = source(tmp_path, frames=12).read("waxs", 0, 12)
    np.testing.assert_array_equal(pixels, [frame(i) for i in range(12)])


def test_as_many_files_as_points_but_not_of_these_points(line_scan):
    """File 001 is lost, a file 003 too many: counting would shift the frames."""
    folder = line_scan / "sample_012"
    (folder / "sample_PIL9_012_001.tiff").rename(folder / "sample_PIL9_012_003.tiff")
    with pytest.raises(UserError, match="outside the scan's 3 points") as error:
        source(line_scan).read("waxs", 0, 3)
    assert "sample_PIL9_012_003.tiff" in error.value.where


def test_missing_frame_is_named_and_the_others_keep_their_places(line_scan):
    (line_scan / "sample_012" / "sample_PIL9_012_001.tiff").unlink()
    opened = source(line_scan)
    with pytest.raises(FrameError) as error:
        opened.read("waxs", 0, 3)
    assert "frame 1" in error.value.where
    assert "detector waxs" in error.value.where
    np.testing.assert_array_equal(opened.read("waxs", 2, 3), [frame(3)])
    assert [path.name[-8:] for path in opened.files("waxs")] == ["000.tiff", "002.tiff"]
    with pytest.raises(FrameError, match="no raw file for this point"):
        opened.check()
    source(line_scan, recipe={"missing": "nan"}).check()


@pytest.mark.parametrize("damage", ["cut", "empty", "other shape", "other type", "text"])
def test_damaged_frame_is_named(line_scan, damage):
    path = line_scan / "sample_012" / "sample_PIL9_012_002.tiff"
    if damage == "other shape":
        write_image(path, frame(1, shape=(4, 3)))
    elif damage == "other type":
        write_image(path, frame(1, dtype=np.uint16))
    else:
        whole = path.read_bytes()
        path.write_bytes({"cut": whole[:-20], "empty": b"", "text": b"hello"}[damage])
    opened = source(line_scan)
    with pytest.raises(FrameError) as error:
        opened.read("waxs", 0, 3)
    assert str(path) in error.value.where
    assert "frame 2" in error.value.where
    assert len(opened.read("waxs", 0, 2)) == 2


def test_all_frames_of_another_shape(line_scan):
    location = source(line_scan).location
    wrong = RunLocation("r", location.raw, location.root, 3, location.recipe, {"waxs": (9, 9)})
    with pytest.raises(FrameError, match=r"the configuration says \(9, 9\)"):
        open_source(wrong)


def test_mesh_by_steps_in_the_names(mesh_scan):
    """Slow axis first; more frames than points: the detector was ahead when the scan stopped."""
    for slow in range(2):
        for fast in range(3):
            name = f"sample_PIL9_012_{slow:03d}_{fast:03d}.cbf"
            write_image(mesh_scan / "sample_012" / name, frame(10 * slow + fast))
    (mesh_scan / "sample_012" / "sample_PIL9_012_000_001.cbf").unlink()
    opened = source(mesh_scan, frames=5)
    assert opened.places["waxs"][1] is None
    expected = [frame(0), frame(2), frame(10), frame(11)]
    found = [opened.read("waxs", i, i + 1)[0] for i in (0, 2, 3, 4)]
    np.testing.assert_array_equal(found, expected)


def test_eiger_counts_the_fast_axis_from_one(mesh_scan):
    for slow, fast in [(0, 1), (0, 3), (1, 1), (1, 2)]:  # (0, 2) is lost
        name = f"sample_EIG1_012_{slow:03d}_data_{fast:06d}.h5"
        write_hdf5(mesh_scan / "sample_012" / name, frame(10 * slow + fast)[None])
    opened = source(mesh_scan, frames=5, waxs="EIG1")
    assert opened.places["waxs"][1] is None
    found = [opened.read("waxs", i, i + 1)[0] for i in (0, 2, 3, 4)]
    np.testing.assert_array_equal(found, [frame(1), frame(3), frame(11), frame(12)])


def test_mesh_whose_steps_count_from_one(mesh_scan):
    """As many files as points, and their steps run on: the first name is the first point."""
    steps = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    for slow, fast in steps:
        name = f"sample_PIL9_012_{slow}_{fast}.edf"
        write_image(mesh_scan / "sample_012" / name, frame(10 * slow + fast))
    pixels = source(mesh_scan, frames=5).read("waxs", 0, 5)
    np.testing.assert_array_equal(pixels, [frame(10 * slow + fast) for slow, fast in steps])


def test_mesh_numbered_one_by_one(mesh_scan):
    for i in range(5):
        write_image(mesh_scan / "sample_012" / f"sample_PIL9_012_{i:05d}.edf", frame(i))
    pixels = source(mesh_scan, frames=5).read("waxs", 0, 5)
    np.testing.assert_array_equal(pixels, [frame(i) for i in range(5)])


@pytest.mark.parametrize("name", ["entry/data/data", "entry/instrument/detector/data"])
def test_hdf5_files_of_one_frame(line_scan, name):
    for i in range(3):
        path = line_scan / "sample_012" / f"sample_EIG1_012_data_{i + 1:06d}.h5"
        write_hdf5(path, frame(i, dtype=np.uint32)[None], name)
    opened = open_source(source(line_scan, waxs="EIG1").location)
    np.testing.assert_array_equal(opened.read("waxs", 0, 3), [frame(0), frame(1), frame(2)])
    assert opened.detectors["waxs"].dtype == np.uint32


def test_hdf5_file_that_should_hold_one_frame(line_scan):
    for i in range(3):
        path = line_scan / "sample_012" / f"sample_EIG1_012_data_{i + 1:06d}.h5"
        write_hdf5(path, np.stack([frame(i)] * (1 + i)))
    with pytest.raises(UserError, match="holds 2 frames, one expected"):
        source(line_scan, waxs="EIG1").read("waxs", 0, 3)


def test_one_hdf5_file_for_the_whole_scan(line_scan):
    pixels = np.stack([frame(i) for i in range(3)])
    write_hdf5(line_scan / "sample_012" / "sample_EIG1_012.h5", pixels)
    opened = source(line_scan, waxs="EIG1")
    np.testing.assert_array_equal(opened.read("waxs", 1, 3), pixels[1:])
    assert len(opened.files()) == 1


def eiger_master(folder, parts):
    """An Eiger master with data files of these numbers of frames; frame i is frame(i)."""
    first = 0
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "sample_EIG1_012_master.h5", "w") as master:
        group = master.create_group("entry/data")
        for k, count in enumerate(parts, start=1):
            name = f"sample_EIG1_012_data_{k:06d}.h5"
            write_hdf5(folder / name, np.stack([frame(first + i) for i in range(count)]))
            group[f"data_{k:06d}"] = h5py.ExternalLink(name, "entry/data/data")
            first += count


@pytest.mark.parametrize("parts", [(3,), (2, 1)])
def test_eiger_master_with_data_files_of_several_frames(line_scan, parts):
    eiger_master(line_scan / "sample_012", parts)
    pixels = source(line_scan, waxs="EIG1").read("waxs", 0, 3)
    np.testing.assert_array_equal(pixels, [frame(0), frame(1), frame(2)])


def test_short_whole_scan_file(line_scan):
    write_hdf5(line_scan / "sample_012" / "sample_EIG1_012.h5", np.stack([frame(0), frame(1)]))
    opened = source(line_scan, waxs="EIG1")
    assert len(opened.read("waxs", 0, 2)) == 2
    with pytest.raises(FrameError, match="no raw file") as error:
        opened.read("waxs", 0, 3)
    assert "frame 2" in error.value.where


def test_whole_scan_file_with_frames_left_over(line_scan):
    write_hdf5(line_scan / "sample_012" / "sample_EIG1_012.h5", np.zeros((5, *SHAPE), np.int32))
    with pytest.raises(UserError, match="hold 5 frames, the scan has 3 points"):
        source(line_scan, waxs="EIG1").read("waxs", 0, 3)


def test_cut_hdf5_file(line_scan):
    for i in range(3):
        path = line_scan / "sample_012" / f"sample_EIG1_012_data_{i + 1:06d}.h5"
        write_hdf5(path, frame(i)[None])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FrameError) as error:
        source(line_scan, waxs="EIG1").read("waxs", 0, 3)
    assert "frame 2" in error.value.where


# Run table against scan


def test_aborted_scan(mesh_scan):
    with pytest.raises(UserError, match="6 frames, the scan has 5 points of the 6 asked for"):
        source(mesh_scan, frames=6).files()


def test_scan_with_more_points_than_the_run_table_says(line_scan):
    with pytest.raises(UserError, match="2 frames, the scan has 3 points"):
        open_source(source(line_scan, frames=2).location)


def test_scan_without_lines_has_as_many_points_as_its_command(line_scan):
    text = HEADER + scan_text(12, "flyscan samx 0 1 2 0.5", {"I0": []})
    (line_scan / "sample").write_text(text)
    opened = open_source(source(line_scan).location)
    np.testing.assert_array_equal(opened.read("waxs", 2, 3), [frame(3)])
    with pytest.raises(UserError, match="no lines of numbers"):
        scalars(line_scan, 3, i0=("scan_column", "I0"))


@pytest.mark.parametrize("raw", ["sample", "::12", "../sample::12", "/etc/sample::12"])
def test_raw_that_names_no_scan_below_the_raw_folder(line_scan, raw):
    with pytest.raises(UserError, match=r"names no scan|is not a path below"):
        source(line_scan, raw)


def test_missing_folder(line_scan):
    (line_scan / "sample").write_text(HEADER + scan_text(13, "ascan phi 0 1 1 1", {"phi": [0, 1]}))
    with pytest.raises(FrameError, match="no such folder"):
        source(line_scan, "sample::13", 2).files()


# What other scans of the same file must not outdate


def digests(root, recipe=None, raw="sample::12", frames=3):
    opened = source(root, raw, frames, recipe)
    return opened.fingerprint(scalars=False), opened.fingerprint(scalars=True)


@pytest.mark.parametrize("header", ["", "\n#F sample\n#E 1790009999\n#O0 phi\n"])
def test_scan_appended_to_the_file_leaves_the_fingerprint_alone(line_scan, header):
    before = digests(line_scan)
    with (line_scan / "sample").open("a") as file:
        file.write("\n" + header + scan_text(13, "ascan phi 0 1 1 1", {"phi": [0, 1]}, "3 4 5"))
    assert digests(line_scan) == before
    assert digests(line_scan, raw="sample::13", frames=2) != before


@pytest.mark.parametrize(
    ("old", "new", "frames_too"),
    [
        ("ascan samx 0 1 2", "ascan samx 0 9 2", True),
        ("1010", "1011", False),
        ("#P0 10 20 30", "#P0 10 20 31", False),
        ("#T 0.5", "#T 0.7", False),
        ("#E 1790000000", "#E 1790000001", False),
        ("Sample Y", "Sample Z", False),
        ("User = anna", "User = otto", False),
    ],
)
def test_change_of_the_scan_or_its_header_changes_the_fingerprint(line_scan, old, new, frames_too):
    frames_before, scalars_before = digests(line_scan)
    text = (line_scan / "sample").read_text()
    assert text.count(old) == 1
    (line_scan / "sample").write_text(text.replace(old, new))
    frames_after, scalars_after = digests(line_scan)
    assert scalars_after != scalars_before
    assert (frames_after != frames_before) == frames_too


def test_point_more_and_rows_that_run_backwards_change_the_fingerprint(mesh_scan):
    before = digests(mesh_scan, frames=4)
    text = (mesh_scan / "sample").read_text()
    (mesh_scan / "sample").write_text(text + "2 10\n")
    more = digests(mesh_scan, frames=4)
    (mesh_scan / "sample").write_text(text.replace("0 8\n1 9\n", "2 8\n1 9\n"))
    backwards = digests(mesh_scan, frames=4)
    assert len({before[0], more[0], backwards[0]}) == 3
    assert len({before[1], more[1], backwards[1]}) == 3


def test_fingerprint_holds_the_scan_s_row_of_the_par_file_if_it_is_read(line_scan):
    rows = ["d 11 1.5 anna", "d 12 2.5 anna"]
    recipe = par_files(line_scan, rows)
    read = recipe | {"scalars": {"x": {"type": "smb_par", "name": "labx", "unit": ""}}}
    unread_before, before = digests(line_scan, recipe), digests(line_scan, read)
    par_files(line_scan, [*rows, "d 13 3.5 anna"])
    assert digests(line_scan, read) == before
    par_files(line_scan, ["d 11 1.5 anna", "d 12 2.6 anna"])
    assert digests(line_scan, recipe) == unread_before
    changed = digests(line_scan, read)
    assert changed[0] == before[0]
    assert changed[1] != before[1]
    par_files(line_scan, rows)
    names = (line_scan / "one.json").read_text()
    (line_scan / "one.json").write_text(names.replace("labx", "laby").replace("who", "labx"))
    assert digests(line_scan, read)[1] != before[1]


# Scalars and metadata


def test_columns_times_and_counts(line_scan):
    table = scalars(
        line_scan,
        3,
        i0=("scan_column", "I0"),
        since=("scan_column", "Epoch"),
        opened=("spec_epoch", None),
        time=("expression", "opened + since"),
        start=("scan_start_time", None),
        step=("scan_step_index", None),
        scan=("scan_number", None),
    )
    assert list(table.i0) == [1000, 1010, 1020]
    assert list(table.time) == [1790000090.5, 1790000091.5, 1790000092.5]
    # 10:15 in New York in September is 14:15 UTC.
    assert set(table.start) == {datetime(2026, 9, 21, 14, 15, tzinfo=UTC).timestamp()}
    assert list(table.step) == [0, 1, 2]
    assert list(table.scan) == [12, 12, 12]
    assert table.attrs["units"]["start"] == "s"


def test_time_zone_of_the_recipe(line_scan):
    table = scalars(line_scan, 3, {"time_zone": "Asia/Tokyo"}, start=("scan_start_time", None))
    assert table.start[0] == datetime(2026, 9, 21, 1, 15, tzinfo=UTC).timestamp()


MOTORS = {
    "relative": ("spec_motor", "samx"),
    "by_name": ("spec_motor", "Sample X"),
    "absolute": ("spec_motor_absolute", "samx"),
    "first": ("spec_motor_static", "samx"),
    "still": ("spec_motor", "phi"),
    "still_absolute": ("spec_motor_absolute", "phi"),
    "still_first": ("spec_motor_static", "phi"),
}


@pytest.mark.parametrize(
    ("command", "relative", "absolute"),
    [
        # samx stood at 10 before the scan.
        ("ascan samx 9 13 2 1", [-1, 1, 3], [9, 11, 13]),
        ("flyscan samx 9 13 2 1", [-1, 1, 3], [9, 11, 13]),
        ("dscan samx -1 3 2 1", [-1, 1, 3], [9, 11, 13]),
        ("flydscan samx -1 3 2 1", [-1, 1, 3], [9, 11, 13]),
        ("a2scan samy 0 1 samx 9 13 2 1", [-1, 1, 3], [9, 11, 13]),
    ],
)
def test_motors(line_scan, command, relative, absolute):
    columns = {"Sample X": [9.1, 11.1, 13.1]}
    (line_scan / "sample").write_text(HEADER + scan_text(12, command, columns))
    table = scalars(line_scan, 3, **MOTORS)
    np.testing.assert_allclose(table.relative, relative)
    np.testing.assert_allclose(table.by_name, relative)
    np.testing.assert_allclose(table.absolute, absolute)
    assert set(table["first"]) == {absolute[0]}
    assert set(table.still) == set(table.still_absolute) == set(table.still_first) == {30}


@pytest.mark.parametrize(
    ("command", "measured", "samx", "samy"),
    [
        ("mesh samx 0 2 2 samy 5 6 1 1", [0, 1, 2, 0, 1], [0, 1, 2, 0, 1], [5, 5, 5, 6, 6]),
        ("flymesh samx 0 2 2 1 samy 5 6 1", [0, 1, 2, 2, 1], [0, 1, 2, 2, 1], [5, 5, 5, 6, 6]),
        (
            "dmesh samx 0 2 2 samy 5 6 1 1",
            [0, 1, 2, 0, 1],
            [10, 11, 12, 10, 11],
            [25, 25, 25, 26, 26],
        ),
    ],
)
def test_mesh_positions(mesh_scan, command, measured, samx, samy):
    columns = {"Sample X": measured, "I0": range(5)}
    (mesh_scan / "sample").write_text(HEADER + scan_text(12, command, columns))
    wanted = {"x": ("spec_motor_absolute", "samx"), "y": ("spec_motor_absolute", "Sample Y")}
    table = scalars(mesh_scan, 5, **wanted)
    np.testing.assert_allclose(table.x, samx)
    np.testing.assert_allclose(table.y, samy)


def test_grid_for_maps(mesh_scan):
    columns = {"Sample X": [0, 1, 2, 2, 1], "I0": range(5)}
    (mesh_scan / "sample").write_text(
        HEADER + scan_text(12, "flymesh samx 0 2 2 1 samy 5 6 1", columns)
    )
    found = source(mesh_scan, frames=5).metadata()
    assert found["scan"] == {"axes": ["samy", "samx"], "shape": [2, 3], "snake": True}
    assert (found["points_asked"], found["points_done"]) == (6, 5)


def test_metadata(line_scan):
    found = source(line_scan).metadata()
    assert json.loads(json.dumps(found)) == found
    assert found["title"] == "powder run"
    assert found["user"] == "anna"
    assert found["command"] == "ascan samx 0 1 2 0.5"
    assert found["date"] == "2026-09-21T14:15:00+00:00"
    assert found["start_time"] == "2026-09-21T10:15:00-04:00"  # summer time in New York
    # `#E` is 10:13:20; the last point's Epoch is 92.5 s later.
    assert found["end_time"] == "2026-09-21T10:14:52.500000-04:00"
    assert found["motors"] == {"Sample X": 10, "Sample Y": 20, "phi": 30}
    assert found["count_time_s"] == 0.5
    assert found["scan"] == {"axes": ["samx"], "shape": [3], "snake": False}


def test_times_in_winter_and_in_another_zone(line_scan):
    columns = {"Sample X": [0, 1, 2], "Epoch": [1, 2, "nan"]}
    text = scan_text(12, "ascan samx 0 1 2 0.5", columns, date="Thu Jan 15 09:00:00 2026")
    (line_scan / "sample").write_text(HEADER + text)
    found = source(line_scan).metadata()
    assert found["start_time"] == "2026-01-15T09:00:00-05:00"
    assert "end_time" not in found
    found = source(line_scan, recipe={"time_zone": "Asia/Kolkata"}).metadata()
    assert found["start_time"] == "2026-01-15T09:00:00+05:30"


def test_metadata_of_a_time_series_without_date(line_scan):
    columns = {"Time": [1, 2, 3], "I0": [4, 5, 6]}
    (line_scan / "sample").write_text(HEADER + scan_text(12, "tseries 3 1", columns, date=""))
    found = source(line_scan).metadata()
    assert found["date"] == ""
    assert "start_time" not in found
    assert "end_time" not in found
    assert found["scan"] == {"axes": [], "shape": [], "snake": False}
    assert list(scalars(line_scan, 3, t=("scan_column", "Time")).t) == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("scan_column", "I1", "no column 'I1'"),
        ("spec_motor", "samz", "no position of motor 'samz'"),
        ("smb_par", "labx", "no .par file is given"),
        ("detector_log_timestamps", None, "no .log file of 'PIL9'"),
    ],
)
def test_scalars_that_are_not_there(line_scan, kind, name, words):
    with pytest.raises(UserError, match=words):
        scalars(line_scan, 3, value=(kind, name))


def test_scanned_motor_that_the_header_lacks(line_scan):
    (line_scan / "sample").write_text(
        HEADER + scan_text(12, "ascan furnace 300 400 2 1", {"furnace": [300, 350, 400]})
    )
    table = scalars(line_scan, 3, t=("spec_motor_absolute", "furnace"))
    assert list(table.t) == [300, 350, 400]
    with pytest.raises(UserError, match="no position of motor 'furnace'") as error:
        scalars(line_scan, 3, t=("spec_motor", "furnace"))
    assert "spec_motor_absolute" in error.value.how


def test_motor_of_an_unknown_macro(line_scan):
    (line_scan / "sample").write_text(
        HEADER + scan_text(12, "spiral samx 0 1 99", {"Sample X": [0, 1, 2]})
    )
    assert set(scalars(line_scan, 3, p=("spec_motor", "phi")).p) == {30}
    with pytest.raises(UserError, match="macro 'spiral' is not known"):
        scalars(line_scan, 3, x=("spec_motor", "Sample X"))


def par_files(folder, rows):
    (folder / "one.json").write_text('{"0": "date", "1": "SCAN_N", "2": "labx", "3": "who"}')
    (folder / "one.par").write_text("# comment\n" + "\n".join(rows) + "\n")
    return {"par_file": "one.par"}


def test_par_file(line_scan):
    rows = ['20260921 11 1.5 "a b"', "20260921 12 2.5 anna", "20260921 112 3.5 anna", "12 12"]
    recipe = par_files(line_scan, rows)
    assert set(scalars(line_scan, 3, recipe, x=("smb_par", "labx")).x) == {2.5}
    assert set(scalars(line_scan, 3, recipe, d=("smb_par", "date")).d) == {20260921}
    with (line_scan / "one.par").open("ab") as file:
        file.write(b"# in \xb5m\n")  # no UTF-8
    assert set(scalars(line_scan, 3, recipe, x=("smb_par", "labx")).x) == {2.5}
    recipe["scalars"] = {"x": {"type": "smb_par", "name": "labx", "unit": ""}}
    opened = source(line_scan, recipe=recipe)
    assert [p.name for p in opened.shared_files()] == ["sample", "one.par", "one.json"]
    assert opened.scalar_files() == []


@pytest.mark.parametrize(
    ("rows", "name", "words"),
    [
        (["20260921 11 1.5 anna"], "labx", "0 rows of scan 12"),
        (["d 12 1.5 anna", "d 12 1.6 anna"], "labx", "2 rows of scan 12, with different labx"),
        (["d 12 1.5 anna"], "laby", "no column 'laby'"),
        (["d 12 1.5 anna"], "who", "not a number"),
    ],
)
def test_par_files_that_do_not_tell(line_scan, rows, name, words):
    with pytest.raises(UserError, match=words):
        scalars(line_scan, 3, par_files(line_scan, rows), x=("smb_par", name))


@pytest.mark.parametrize("text", ["[1]", "{", '{"0": "SCAN_N", "7": "labx"}', None])
def test_par_columns_that_are_no_columns(line_scan, text):
    recipe = par_files(line_scan, ["d 12 1.5 anna"])
    path = line_scan / "one.json"
    path.write_text(text) if text else path.unlink()
    with pytest.raises(UserError) as error:
        scalars(line_scan, 3, recipe, x=("smb_par", "labx"))
    assert "one.json" in error.value.where


def test_times_of_the_detector_log(line_scan):
    log = line_scan / "sample_012" / "sample_PIL9_012.log"
    log.write_text(
        "camserver started\n"
        + "".join(f"2026-Sep-21T10:15:0{i}.250 image {i} done\n" for i in range(3))
    )
    (line_scan / "sample_012" / "sample_PIL99_012.log").write_text("2020-Sep-21T10:15:00.000\n")
    table = scalars(line_scan, 3, t=("detector_log_timestamps", None))
    start = datetime(2026, 9, 21, 14, 15, tzinfo=UTC).timestamp()
    assert list(table.t) == [start + 0.25, start + 1.25, start + 2.25]
    wanted = {"t": {"type": "detector_log_timestamps", "name": "waxs", "unit": "s"}}
    assert source(line_scan, recipe={"scalars": wanted}).scalar_files() == [log]
    assert source(line_scan).scalar_files() == []
    log.write_text("2026-Sep-21T10:15:00.250\n")
    with pytest.raises(UserError, match="1 times in the detector's log, the scan has 3 points"):
        scalars(line_scan, 3, t=("detector_log_timestamps", "waxs"))


def test_table_beside_the_frames(line_scan):
    (line_scan / "sample_012" / "furnace.csv").write_text("T\n300\n301\n302\n")
    recipe = {"table": "{raw}/furnace.csv"}
    assert list(scalars(line_scan, 3, recipe, t=("column", "T")).t) == [300, 301, 302]
    files = source(line_scan, recipe=recipe).scalar_files()
    assert files == [line_scan / "sample_012" / "furnace.csv"]
