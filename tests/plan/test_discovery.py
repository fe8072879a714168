"""Discovery in raw folders made by hand; what it writes into run tables that users have edited."""

from __future__ import annotations

import fabio
import h5py
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.config.base import check_name
from scatterflow.config.runs import read_run_table
from scatterflow.config.sources import SourceConfig
from scatterflow.errors import UserError
from scatterflow.plan.discovery import discover, extend_run_table, free_name, valid_name
from scatterflow.plan.raw_folder import PatternReader, list_files, numbered_series
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_source
from scatterflow.sources.patterns import fill

PIXELS = np.arange(12, dtype=np.int32).reshape(3, 4)


def images(*entries, **more):
    return {"format": "images", "frames": dict(entries), **more}


SERIES = images(("saxs", "{raw}_{frame:04d}.tif"))
PAIR = images(("saxs", "{raw}_s_{frame:04d}.tif"), ("waxs", "{raw}_w_{frame:04d}.tif"))
SPEC = {"format": "spec", "frames": {"waxs": "PIL9"}}
HDF5 = {"format": "hdf5", "frames": {"saxs": "auto"}}


def write_images(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        fabio.tifimage.TifImage(data=PIXELS).write(str(folder / name))


def write_stack(path, frames, name="entry/data/data"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "a") as file:
        file[name] = np.zeros((frames, 3, 4), np.uint16)


def spec_scan(number, points, command=None):
    lines = [f"#S {number}  {command or f'ascan phi 0 1 {points - 1} 1'}"]
    lines += ["#P0 3", "#N 1", "#L phi", *map(str, range(points)), ""]
    return "\n".join(lines) + "\n"


def spec_file(path, *scans):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#F x\n#E 1\n#O0 phi\n\n" + "".join(scans))


def found(root, shapes=None, **sources):
    return discover(root, sources, shapes)


def only(rows):
    assert len(rows) == 1, rows
    return rows[0]


# What is found


def test_image_series(tmp_path):
    write_images(tmp_path / "day1", *(f"water_{i:04d}.tif" for i in range(4)))
    row = only(found(tmp_path, series=SERIES))
    expected = {"run": "water", "source": "series", "raw": "day1/water", "frames": 4}
    assert {key: row[key] for key in expected} == expected
    assert row["notes"] == []


def test_gaps_are_counted_and_told(tmp_path):
    write_images(tmp_path, *(f"water_{i:04d}.tif" for i in (0, 1, 4, 9)))
    row = only(found(tmp_path, series=SERIES))
    assert row["frames"] == 10
    assert row["notes"] == ["6 files of detector saxs are missing: number 2, 3, 5, 6, 7, ..."]


def test_dates_in_the_names_are_no_numbers_of_frames(tmp_path):
    """They are far apart: to count what lies between takes no time, and a run of so many is no run."""
    write_images(tmp_path, "ice_0.tif", "ice_20260115120000.tif")
    rows = found(tmp_path, series=SERIES | {"frames": {"saxs": "{raw}_{frame}.tif"}})
    assert only(rows)["notes"] == [
        "20260115119999 files of detector saxs are missing: number 1, 2, 3, 4, 5, ..."
    ]
    added, _, notes = extend_run_table(tmp_path / "runs.tsv", rows)
    assert added == []
    assert "ice: 20260115120001 frames cannot be one run; not added" in notes


def test_series_from_another_number_is_not_this_source(tmp_path):
    write_images(tmp_path, "water_0001.tif", "water_0002.tif")
    row = only(found(tmp_path, series=SERIES))
    assert row["source"] == ""
    snippet = yaml.safe_load(row["notes"][0].split("config.yaml:\n")[1])
    assert snippet["sources"]["NAME"]["first_frame"] == 1
    row = only(found(tmp_path, series=SERIES | {"first_frame": 1}))
    assert (row["source"], row["frames"]) == ("series", 2)


def test_detectors_that_belong_together(tmp_path):
    write_images(tmp_path, *(f"a_{d}_{i:04d}.tif" for d in "sw" for i in range(3)))
    write_images(tmp_path, "b_s_0000.tif", "b_w_0000.tif", "b_w_0001.tif", "c_s_0000.tif")
    rows = {row["raw"]: row for row in found(tmp_path, single=SERIES, pair=PAIR)}
    assert (rows["a"]["source"], rows["a"]["frames"]) == ("pair", 3)
    assert (rows["b"]["source"], rows["b"]["frames"]) == ("pair", 2)
    assert "saxs 1, waxs 2" in rows["b"]["notes"][0]
    assert rows["c_s"]["source"] == "single"  # its other detector has no files
    assert len(rows) == 3


def test_files_of_several_frames(tmp_path):
    source = SERIES | {"frames_per_file": 10}
    write_images(tmp_path, "water_0000.tif", "water_0001.tif")  # the last one holds one frame
    assert only(found(tmp_path, series=source))["frames"] == 11


def test_run_named_by_its_path(tmp_path):
    write_images(tmp_path / "r7", "x_0000.tif")
    row = only(found(tmp_path, s=images(("saxs", "{run}/x_{frame:04d}.tif"))))
    assert (row["run"], row["raw"], row["named_by_path"]) == ("r7", "r7", True)


def test_snippet_for_what_no_source_reads(tmp_path):
    write_images(tmp_path / "a", "x_001.tiff", "x_002.tiff", "x_003.tiff")
    write_images(tmp_path / "b", "y_001.tiff", "y_002.tiff")
    row = only(found(tmp_path, series=SERIES))
    text, snippet = row["notes"][0].split("; add to config.yaml:\n")
    assert text.startswith("a/x, b/y: no source")
    entry = yaml.safe_load(snippet)["sources"]["NAME"]
    assert entry == {
        "format": "images",
        "frames": {"DETECTOR": "{raw}_{frame:03d}.tiff"},
        "first_frame": 1,
    }
    # The snippet works as it is.
    rows = found(tmp_path, new=SourceConfig.model_validate(entry).model_dump())
    assert {(row["raw"], row["frames"], row["source"]) for row in rows} == {
        ("a/x", 3, "new"),
        ("b/y", 2, "new"),
    }


def test_what_discovery_finds_opens(tmp_path):
    write_images(tmp_path, *(f"water_{i:04d}.tif" for i in range(3)))
    write_stack(tmp_path / "oil.h5", 5)
    spec_file(tmp_path / "sample", spec_scan(4, 2))
    write_images(tmp_path / "sample_004", "sample_PIL9_004_000.tiff", "sample_PIL9_004_001.tiff")
    sources = {"series": SERIES, "stack": HDF5, "spec": SPEC}
    rows = discover(tmp_path, sources, {"saxs": (3, 4), "waxs": (3, 4)})
    assert {(row["run"], row["source"], row["frames"]) for row in rows} == {
        ("water", "series", 3),
        ("oil", "stack", 5),
        ("sample_004", "spec", 2),
    }
    for row in rows:
        recipe = SourceConfig.model_validate(sources[row["source"]]).model_dump()
        detector = next(iter(recipe["frames"]))
        opened = open_source(
            RunLocation("r", row["raw"], str(tmp_path), row["frames"], recipe, {detector: (3, 4)})
        )
        assert opened.read(detector, 0, row["frames"]).shape == (row["frames"], 3, 4)


def test_spec_scans(tmp_path):
    spec_file(
        tmp_path / "d" / "sample",
        spec_scan(1, 2),  # no folder: no frames were taken
        spec_scan(2, 3),
        spec_scan(3, 2, "ascan phi 0 1 9 1"),  # aborted after two of ten points
    )
    for number, points in ((2, 2), (3, 2)):
        folder = tmp_path / "d" / f"sample_{number:03d}"
        write_images(folder, *(f"sample_PIL9_{number:03d}_{i:03d}.tiff" for i in range(points)))
    second, third = found(tmp_path, spec=SPEC, series=SERIES)
    assert (second["raw"], second["run"], second["frames"]) == ("d/sample::2", "sample_002", 3)
    assert second["notes"] == ["1 of 3 points have no file of detector waxs (points 2)"]
    assert (third["raw"], third["frames"], third["notes"]) == ("d/sample::3", 2, [])


def test_spec_scan_of_another_detector(tmp_path):
    spec_file(tmp_path / "sample", spec_scan(1, 1), spec_scan(2, 1))
    write_images(tmp_path / "sample_001", "sample_PIL99_001_000.tiff", "sample_LAM_2_001_000.tiff")
    (tmp_path / "sample_002").mkdir()
    first, second = found(tmp_path, spec=SPEC)
    entry = yaml.safe_load(first["notes"][0].split("config.yaml:\n")[1])["sources"]["NAME"]
    assert entry["format"] == "spec"
    assert list(entry["frames"].values()) == ["LAM_2", "PIL99"]
    assert second["notes"] == ["sample::2: no frames in the scan's folder"]


def test_spec_scan_number_used_twice(tmp_path):
    spec_file(tmp_path / "sample", spec_scan(1, 5), spec_scan(1, 1))
    write_images(tmp_path / "sample_001", "sample_PIL9_001_000.tiff")
    row = only(found(tmp_path, spec=SPEC))
    assert (row["raw"], row["frames"]) == ("sample::1.2", 1)
    assert "occurs 2 times" in row["notes"][0]


def test_damaged_spec_scan_does_not_hide_the_others(tmp_path):
    spec_file(tmp_path / "sample", spec_scan(1, 3).replace("\n1\n", "\nx\n"), spec_scan(2, 1))
    for number in (1, 2):
        write_images(tmp_path / f"sample_{number:03d}", f"sample_PIL9_{number:03d}_000.tiff")
    rows = found(tmp_path, spec=SPEC)
    assert [row["raw"] for row in rows if row["source"]] == ["sample::2"]
    assert "cannot be read" in next(row for row in rows if not row["source"])["notes"][0]


def test_eiger_master_is_one_run_and_its_data_files_none(tmp_path):
    with h5py.File(tmp_path / "e_7_master.h5", "w") as master:
        for i, frames in ((1, 10), (2, 4)):
            name = f"e_7_data_{i:06d}.h5"
            write_stack(tmp_path / name, frames)
            master[f"entry/data/data_{i:06d}"] = h5py.ExternalLink(name, "entry/data/data")
    row = only(found(tmp_path, stack=HDF5))
    assert (row["raw"], row["run"], row["frames"]) == ("e_7_master.h5", "e_7", 14)
    (tmp_path / "e_7_data_000002.h5").unlink()
    row = only(found(tmp_path, stack=HDF5))
    assert row["source"] == ""
    assert "number of frames cannot be told" in row["notes"][0]


def test_hdf5_by_dataset_and_shape(tmp_path):
    write_stack(tmp_path / "a.nxs", 6, "entry/saxs/data")
    write_stack(tmp_path / "a.nxs", 6, "entry/waxs/data")
    write_stack(tmp_path / "b.nxs", 6, "entry/saxs/data")
    pair = {"format": "hdf5", "frames": {"saxs": "entry/saxs/data", "waxs": "entry/waxs/data"}}
    rows = {row["raw"]: row for row in found(tmp_path, one=HDF5, pair=pair)}
    assert rows["a.nxs"]["source"] == "pair"
    assert rows["b.nxs"]["source"] == "one"
    row = only([r for r in found(tmp_path, {"saxs": (9, 9)}, one=HDF5) if r["raw"] == "b.nxs"])
    assert row["source"] == ""


def test_hdf5_that_no_source_reads(tmp_path):
    write_stack(tmp_path / "a.nxs", 6, "entry/saxs/data")
    write_stack(tmp_path / "a.nxs", 7, "entry/waxs/data")
    with h5py.File(tmp_path / "log.h5", "w") as file:
        file["temperature"] = np.zeros(100)
    (tmp_path / "broken.h5").write_bytes(b"no HDF5")
    rows = {row["raw"]: row for row in found(tmp_path, series=SERIES)}
    snippet = yaml.safe_load(rows["a.nxs"]["notes"][0].split("config.yaml:\n")[1])
    assert list(snippet["sources"]["NAME"]["frames"].values()) == [
        "/entry/saxs/data",
        "/entry/waxs/data",
    ]
    assert "log.h5" not in rows
    assert "cannot be read" in rows["broken.h5"]["notes"][0]


def test_nothing_outside_the_folder_is_looked_at(tmp_path):
    raw, outside = tmp_path / "raw", tmp_path / "outside"
    write_images(outside, "secret_0000.tif")
    write_images(raw / ".hidden", "h_0000.tif")
    write_images(raw, "water_0000.tif", ".thumb_0000.tif")
    (raw / "folder").symlink_to(outside)
    (raw / "circle").symlink_to(raw)
    (raw / "link_0000.tif").symlink_to(outside / "secret_0000.tif")
    (raw / "good_0000.tif").symlink_to(raw / "water_0000.tif")
    (raw / "gone_0000.tif").symlink_to(raw / "nothing")
    assert list_files(raw) == ["good_0000.tif", "water_0000.tif"]


def test_depth_is_bounded(tmp_path):
    write_images(tmp_path / "a" / "b", "x_0000.tif")
    assert list_files(tmp_path, deepest=2) == []
    assert list_files(tmp_path, deepest=3) == ["a/b/x_0000.tif"]


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        discover(tmp_path / "nowhere", {"s": SERIES})


def test_same_file_name_in_two_folders(tmp_path):
    for folder in ("day1", "Day2"):
        write_images(tmp_path / folder, "water_0000.tif")
    assert {row["run"] for row in found(tmp_path, s=SERIES)} == {"water", "day1_water"}


def test_measured_data(real_data):
    root = real_data("ssrl-bl15-swaxs")
    frames = {"saxs": "/entry/saxs/data", "waxs": "/entry/waxs/data"}
    shapes = {"saxs": (1043, 981), "waxs": (195, 487)}
    rows = found(root, shapes, both={"format": "hdf5", "frames": frames})
    row = next(row for row in rows if row["source"])
    assert (row["raw"], row["frames"]) == ("swaxs_runs04-09.h5", 6)
    unread = {row["raw"] for row in rows if not row["source"]}
    assert unread == {"saxs_agbh"}  # images alike share one entry
    rows = found(root, shapes, one=images(("saxs", "{raw}.edf.gz")))
    assert {row["run"]: row["frames"] for row in rows if row["source"]} == dict.fromkeys(
        ["saxs_agbh", "saxs_glassy_carbon_30s", "saxs_mask", "waxs_lab6", "waxs_mask"], 1
    )


# Patterns backwards, series, names

TEXT = st.text("ab0_19.", min_size=1, max_size=6).filter(lambda t: "." not in (t[0], t[-1]))


@settings(max_examples=100, deadline=None)
@given(
    raw=TEXT,
    number=st.integers(0, 123456),
    pattern=st.sampled_from(
        ["{raw}_{frame:04d}.tif", "{raw}/{raw}-{frame}.tif", "d/{raw}_x{frame:06d}.cbf.gz"]
    ),
)
def test_pattern_read_backwards(raw, number, pattern):
    meaning = PatternReader(pattern).read(fill(pattern, "", raw, number))
    assert (meaning.raw, meaning.number) == (raw, number)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{raw}_{frame:04d}.tif", "a_001.tif"),
        ("{raw}_{frame:04d}.tif", "a_00001.tif"),
        ("{raw}_{frame:04d}.tif", "a_0001.tiff"),
        ("{raw}_{frame}.tif", "a_01.tif"),
        ("{raw}/{raw}_{frame}.tif", "a/b_1.tif"),
        ("fixed_{frame}.tif", "fixed_1.tif"),
        ("{run}/x.tif", ".hidden/x.tif"),
    ],
)
def test_paths_that_a_pattern_does_not_mean(pattern, path):
    assert PatternReader(pattern).read(path) is None


def test_series_of_names():
    paths = ["a/x_1.tif", "a/x_2.tif", "a/x_10.tif", "b/x_01.tif.gz", "b/x_02.tif.gz"]
    paths += ["dark.edf", "lab6.edf", "x_.tif", "a/x_.tif"]
    series = numbered_series(paths)
    assert [(s.raw, s.pattern, s.numbers) for s in series] == [
        ("a/x", "{raw}_{frame}.tif", (1, 2, 10)),
        ("a/x_", "{raw}.tif", ()),
        ("b/x", "{raw}_{frame:02d}.tif.gz", (1, 2)),
        ("dark", "{raw}.edf", ()),
        ("lab6", "{raw}.edf", ()),
        ("x_", "{raw}.tif", ()),
    ]


@given(st.text(max_size=100))
def test_any_text_makes_a_valid_name(text):
    assert check_name(valid_name(text)) == valid_name(text)


def test_names_that_are_taken():
    assert free_name(["a", "b_a"], {"x"}) == "a"
    assert free_name(["A", "b_a"], {"a"}) == "b_a"
    assert free_name(["a"], {"a", "a_2"}) == "a_3"
    assert free_name(["x" * 64], {"x" * 64}) == "x" * 62 + "_2"


# The run table


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    write_images(folder, *(f"water_{i:04d}.tif" for i in range(4)), "oil_0000.tif")
    return folder


def test_new_table(raw, tmp_path):
    table = tmp_path / "config" / "runs.tsv"
    result = extend_run_table(table, found(raw, s=SERIES), "swaxs")
    assert result == (["oil", "water"], [], [])
    assert table.read_text() == (
        "run\treduction\tsource\traw\tframes\tsample\n"
        "oil\tswaxs\ts\toil\t1\t\n"
        "water\tswaxs\ts\twater\t4\t\n"
    )
    assert [row.frames for row in read_run_table(table)] == [1, 4]
    again = table.read_bytes()
    assert extend_run_table(table, found(raw, s=SERIES), "swaxs") == ([], ["oil", "water"], [])
    assert table.read_bytes() == again


EDITED = (
    "# my runs, do not touch  \r\n"
    "sample\tframes\traw\tsource\treduction\trun\tnotes\r\n"
    "H2O \t 3\twater\ts\tswaxs, xpcs\tW1\t  thick\t\r\n"
    "\r\n"
    "#\t9\tbad\ts\t\tbad\t\r\n"
    "oil, 5 %\t7\tother\ts\t\toil\t"
)


def test_edited_table_is_kept_byte_for_byte(raw, tmp_path):
    table = tmp_path / "runs.tsv"
    content = EDITED.replace("thick\t\r\n", "thick\r\n").encode()
    table.write_bytes(content)
    write_images(raw, "bad_0000.tif")
    added, unchanged, notes = extend_run_table(table, found(raw, s=SERIES))
    # The name oil is taken, the row bad was commented out, water is W1 with another count.
    assert added == ["oil_2"]
    assert sorted(unchanged) == ["W1", "bad"]
    assert notes == ["run W1: the table says 3 frames, the folder holds 4"]
    after = table.read_bytes()
    assert after == content + b"\r\n" + b"\t1\toil\ts\t\toil_2\t\r\n"
    rows = {row.run: row for row in read_run_table(table)}
    assert rows["oil_2"].raw == "oil"
    assert rows["W1"].columns["notes"] == "thick"


def test_table_with_a_byte_order_mark(raw, tmp_path):
    table = tmp_path / "runs.tsv"
    content = b"\xef\xbb\xbfrun\treduction\tsource\traw\tframes\n"
    table.write_bytes(content)
    extend_run_table(table, found(raw, s=SERIES))
    assert table.read_bytes() == content + b"oil\t\ts\toil\t1\nwater\t\ts\twater\t4\n"


@pytest.mark.parametrize("content", ["", "\n", "# to be filled\n"])
def test_table_without_a_header_yet(raw, tmp_path, content):
    table = tmp_path / "runs.tsv"
    table.write_text(content)
    assert extend_run_table(table, found(raw, s=SERIES))[0] == ["oil", "water"]
    assert table.read_text().startswith(content + "run\treduction")
    assert len(read_run_table(table)) == 2


def test_file_that_is_part_of_a_run_of_several_files(tmp_path):
    for name in ("s_part0.nxs", "s_part1.nxs", "t.nxs"):
        write_stack(tmp_path / "raw" / name, 3)
    table = tmp_path / "runs.tsv"
    table.write_text("run\treduction\tsource\traw\tframes\ns\t\tstack\ts_part*.nxs\t6\n")
    result = extend_run_table(table, found(tmp_path / "raw", stack=HDF5))
    assert result == (["t"], ["s", "s"], [])


def test_notes_of_new_runs_and_of_what_is_not_read(raw, tmp_path):
    (raw / "water_0002.tif").unlink()
    write_images(raw, "x-1.tiff", "x-2.tiff")
    added, _, notes = extend_run_table(tmp_path / "runs.tsv", found(raw, s=SERIES))
    assert added == ["oil", "water"]
    assert notes[0].startswith("run water: 1 files of detector saxs are missing")
    assert notes[1].startswith("x: no source of format images reads this; add to config.yaml:")


def test_run_named_by_its_path_cannot_be_renamed(raw, tmp_path):
    write_images(raw / "W1", "x_0000.tif")
    table = tmp_path / "runs.tsv"
    table.write_text("run\treduction\tsource\traw\tframes\nw1\t\ts\tother\t1\n")
    rows = found(raw, s=images(("saxs", "{run}/x_{frame:04d}.tif")))
    added, _, notes = extend_run_table(table, rows)
    assert added == []
    assert "a run is named 'W1' already" in notes[0]


def test_paths_with_quotes_and_spaces(raw, tmp_path):
    write_images(raw / "my data", 'a "b"_0000.tif')
    table = tmp_path / "runs.tsv"
    extend_run_table(table, found(raw, s=SERIES))
    raws = {row.raw for row in read_run_table(table)}
    assert raws == {"oil", "water", 'my data/a "b"'}
    assert extend_run_table(table, found(raw, s=SERIES))[0] == []


def test_broken_table_is_left_alone(raw, tmp_path):
    table = tmp_path / "runs.tsv"
    table.write_text("run\traw\nx\ty\n")
    with pytest.raises(UserError, match="no column"):
        extend_run_table(table, found(raw, s=SERIES))
    assert table.read_text() == "run\traw\nx\ty\n"


def test_nothing_found_writes_nothing(tmp_path):
    (tmp_path / "raw").mkdir()
    assert extend_run_table(tmp_path / "runs.tsv", discover(tmp_path / "raw", {})) == ([], [], [])
    assert not (tmp_path / "runs.tsv").exists()
