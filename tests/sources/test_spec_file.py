"""SPEC files written by hand, read back; commands against positions worked out by hand."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.sources.spec_command import (
    commanded_positions,
    parse_command,
    runs_as_snake,
    step_indices,
)
from scatterflow.sources.spec_dates import iso_local, seconds_since_1970
from scatterflow.sources.spec_file import (
    find_scan,
    is_spec_file,
    parse_scan,
    read_spec_file,
    scan_lines,
)

TWO_HEADERS = r"""#F sample
#E 1790000000
#D Mon Sep 21 10:13:20 2026
#C powder run  User = anna
#O0 Two Theta  Theta     Sample X
#O1 slit
#o0 tth th samx
#o1 slit

#S 1  ascan  samx 0 1 2 0.5
#D Mon Sep 21 10:15:00 2026
#T 0.5  (Seconds)
#G0 0 0 1
#P0 10.5 5.25 -3
#P1 0.2
#N 3
#L Sample X  Ion Chamber 1  Epoch
0 1000 101.5
@A 1 2 3\
 4 5 6\
 7 8
0.5 1001.25 102.5
#C Mon Sep 21 10:15:01 2026.  Beam came back.
1 nan 103.5

#S 2  loopscan 3 1
#D Mon Sep 21 10:16:00 2026
#M 50000  (I0)
#P0 10.5 5.25 1
#P1 0.2
#N 2
#L Time  I0
1 5e3
2 -7

#F sample
#E 1790003600
#D Mon Sep 21 11:13:20 2026
#O0 phi

#S 2  ascan phi 0 90 3 1
#D Mon Sep 21 11:15:00 2026
#T 1  (Seconds)
#P0 7
#N 2
#L phi  I0
0 1
30 2
60
"""


@pytest.fixture
def spec_path(tmp_path):
    path = tmp_path / "sample"
    path.write_text(TWO_HEADERS)
    return path


def scan_of(path, name):
    return parse_scan(path, find_scan(read_spec_file(path), name))


def test_first_scan(spec_path):
    scan = scan_of(spec_path, "1")
    assert (scan.number, scan.order, scan.command) == (1, 1, "ascan  samx 0 1 2 0.5")
    assert scan.labels == ("Sample X", "Ion Chamber 1", "Epoch")
    expected = [[0, 1000, 101.5], [0.5, 1001.25, 102.5], [1, np.nan, 103.5]]
    np.testing.assert_array_equal(scan.data, expected)
    assert scan.motors == {"Two Theta": 10.5, "Theta": 5.25, "Sample X": -3.0, "slit": 0.2}
    assert scan.mnemonics["samx"] == "Sample X"
    assert (
        set(scan.motor_names("samx")) == {"samx", "Sample X"} == set(scan.motor_names("Sample X"))
    )
    assert scan.count_time_s == 0.5
    assert scan.comments == ("Mon Sep 21 10:15:01 2026.  Beam came back.",)
    assert (scan.header.title, scan.header.user) == ("powder run", "anna")
    assert scan.header.epoch == 1790000000


def test_each_scan_has_the_header_before_it(spec_path):
    later = scan_of(spec_path, "2.2")
    assert later.header.epoch == 1790003600
    assert later.motors == {"phi": 7.0}
    assert later.header.user == ""
    assert scan_of(spec_path, "2.1").motors["Sample X"] == 1.0
    assert scan_of(spec_path, "2.1").count_time_s is None  # it counted to a monitor


def test_point_that_was_being_written_is_not_done(spec_path):
    np.testing.assert_array_equal(scan_of(spec_path, "2.2").data, [[0, 1], [30, 2]])


def test_number_that_occurs_twice_must_be_chosen(spec_path):
    with pytest.raises(UserError) as error:
        scan_of(spec_path, "2")
    lines = TWO_HEADERS.split("\n")  # the line numbers are those of an editor
    first, second = (i + 1 for i, line in enumerate(lines) if line.startswith("#S 2"))
    assert f"2.1 (line {first}): loopscan 3 1" in error.value.how
    assert f"2.2 (line {second}): ascan phi" in error.value.how


@pytest.mark.parametrize(
    ("scan", "words"),
    [("3", "scans 1-2"), ("2.3", "2.2"), ("x", "12.2"), ("", "12.2"), ("2.0", "2.2"), ("-1", "12")],
)
def test_scan_that_is_not_there(spec_path, scan, words):
    with pytest.raises(UserError) as error:
        scan_of(spec_path, scan)
    assert words in error.value.how


def test_damaged_line_is_named(spec_path):
    spec_path.write_text(TWO_HEADERS.replace("0.5 1001.25 102.5", "0.5 10x01.25 102.5"))
    with pytest.raises(UserError) as error:
        scan_of(spec_path, "1")
    assert "10x01.25" in error.value.what
    assert "line 22" in error.value.where
    assert TWO_HEADERS.split("\n")[21] == "0.5 1001.25 102.5"


def test_short_line_in_the_middle_is_an_error(spec_path):
    spec_path.write_text(TWO_HEADERS.replace("0.5 1001.25 102.5", "0.5 1001.25"))
    with pytest.raises(UserError, match="no line of 3 numbers"):
        scan_of(spec_path, "1")


def test_columns_that_do_not_fit_their_names(spec_path):
    spec_path.write_text(TWO_HEADERS.replace("#N 3", "#N 7"))
    with pytest.raises(UserError, match="3 column names"):
        scan_of(spec_path, "1")


def test_names_one_space_apart_and_windows_line_ends(tmp_path):
    path = tmp_path / "old"
    path.write_bytes(
        b"#F old\r\n#E 5\r\n#O0 a b\r\n\r\n#S 7 ascan a 0 1 1 2\r\n#P0 3 4\r\n#N 2\r\n"
        b"#L a I0\r\n0 5\r\n1 6\r\n"
    )
    scan = scan_of(path, "7")
    assert scan.labels == ("a", "I0")
    assert scan.motors == {"a": 3.0, "b": 4.0}
    np.testing.assert_array_equal(scan.data, [[0, 5], [1, 6]])


def test_scan_without_points_and_file_without_header(tmp_path):
    path = tmp_path / "bare"
    path.write_text("#S 1 ascan a 0 1 1 2\n#N 2\n#L a  I0\n#C aborted\n")
    scan = scan_of(path, "1")
    assert scan.points_done == 0
    assert scan.data.shape == (0, 2)
    assert scan.motors == {}
    assert scan.header.epoch is None


def test_positions_that_do_not_fit_their_names_are_left_out(spec_path):
    # Positions shifted against their names would be worse than none.
    spec_path.write_text(TWO_HEADERS.replace("#P0 10.5 5.25 -3\n", "#P0 10.5 5.25\n"))
    assert scan_of(spec_path, "1").motors == {"slit": 0.2}


def test_changed_file_is_read_anew(spec_path):
    assert scan_of(spec_path, "1").points_done == 3
    with spec_path.open("a") as file:
        file.write("\n#S 3  ascan phi 0 1 1 1\n#N 1\n#L phi\n0\n1\n")
    assert scan_of(spec_path, "3").points_done == 2
    status = spec_path.stat()
    # Of equal length: the time of the last change tells.
    spec_path.write_text(spec_path.read_text().replace("#S 3  ascan", "#S 4  ascan"))
    os.utime(spec_path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert scan_of(spec_path, "4").points_done == 2


def test_file_that_changes_between_finding_and_reading(spec_path):
    found = find_scan(read_spec_file(spec_path), "2.2")
    spec_path.write_text("#F sample\n" + TWO_HEADERS)
    with pytest.raises(UserError, match="changed while it was read"):
        parse_scan(spec_path, found)
    spec_path.write_text("")
    with pytest.raises(UserError, match="changed while it was read"):
        parse_scan(spec_path, found)


def test_file_is_searched_once_for_all_its_scans(tmp_path, monkeypatch):
    path = tmp_path / "many"
    path.write_text("#F many\n" + "".join(f"#S {i}  ct 1\n#N 1\n#L a\n{i}\n" for i in range(50)))
    searched = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda p: searched.append(p) or read_bytes(p))
    for i in range(50):
        assert scan_of(path, str(i)).data.tolist() == [[i]]
    assert len(searched) == 1


def test_lines_that_only_look_like_scans(tmp_path):
    path = tmp_path / "odd"
    path.write_bytes(
        b"#F odd\n#Some remark\n#S without number\n#O0 a\n\n#S 1 ct 1\n#P0 5\n#N 1\n#L x\n1\n"
        b"#SPECIAL\n #S 9 not at the beginning\n#S\n2\n#S 2"
    )
    spec = read_spec_file(path)
    assert [(scan.number, scan.line) for scan in spec.scans] == [(1, 6), (2, 15)]
    assert spec.scans[0].header.motor_lines == ("a",)
    assert find_scan(spec, "2").command == ""
    assert parse_scan(path, find_scan(spec, "2")).points_done == 0


def test_text_of_a_scan_does_not_end_with_blank_lines(spec_path):
    lines = scan_lines(spec_path, find_scan(read_spec_file(spec_path), "1"))
    assert lines[0] == "#S 1  ascan  samx 0 1 2 0.5"
    assert lines[-1] == "1 nan 103.5"
    assert read_spec_file(spec_path).scans[0].header.text == TWO_HEADERS.split("\n\n")[0]


@pytest.mark.parametrize("content", [b"", b"hello", b"#Format: x\n", b"\x89HDF\r\n"])
def test_other_files_are_not_spec_files(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    assert not is_spec_file(path)
    with pytest.raises(UserError, match="no SPEC file"):
        read_spec_file(path)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="not found"):
        read_spec_file(tmp_path / "nothing")


# Positions in order of acquisition, worked out by hand.
POSITIONS = [
    ("ascan x 0 1 4 0.1", {"x": [0, 0.25, 0.5, 0.75, 1]}),
    ("dscan x -1 1 2 1", {"x": [-1, 0, 1]}),
    ("lup x -1 1 2 1", {"x": [-1, 0, 1]}),
    ("flyscan x 4 2 2 1", {"x": [4, 3, 2]}),
    ("a2scan x 0 2 y 5 7 2 1", {"x": [0, 1, 2], "y": [5, 6, 7]}),
    ("d2scan x 0 2 y 5 7 2 1", {"x": [0, 1, 2], "y": [5, 6, 7]}),
    ("a3scan x 0 2 y 5 7 z 1 -1 2 1", {"x": [0, 1, 2], "y": [5, 6, 7], "z": [1, 0, -1]}),
    ("mesh x 0 2 2 y 5 6 1 0.1", {"x": [0, 1, 2, 0, 1, 2], "y": [5, 5, 5, 6, 6, 6]}),
    ("flymesh x 0 2 2 0.1 y 5 6 1", {"x": [0, 1, 2, 0, 1, 2], "y": [5, 5, 5, 6, 6, 6]}),
    ("flydmesh x 0 2 2 y 5 6 1 0.1", {"x": [0, 1, 2, 0, 1, 2], "y": [5, 5, 5, 6, 6, 6]}),
    ("snakemesh x 0 2 2 y 5 6 1 0.1", {"x": [0, 1, 2, 2, 1, 0], "y": [5, 5, 5, 6, 6, 6]}),
    (
        "flymesh3d x 0 1 1 0.1 y 5 6 1 z 8 9 1",
        {"x": [0, 1] * 4, "y": [5, 5, 6, 6] * 2, "z": [8] * 4 + [9] * 4},
    ),
]


@pytest.mark.parametrize(("text", "positions"), POSITIONS)
def test_positions(text, positions):
    command = parse_command(text)
    assert command.points == len(next(iter(positions.values())))
    assert [motor.name for motor in command.motors] == list(positions)
    for name, expected in positions.items():
        found = commanded_positions(command, command.motor(name), command.points, command.snake)
        np.testing.assert_allclose(found, expected, atol=1e-15)
    relative = {"dscan", "lup", "d2scan", "dmesh", "flydscan", "flydmesh"}
    assert command.relative == (command.macro in relative)


@pytest.mark.parametrize("macro", ["mesh", "dmesh", "flymesh", "flydmesh"])
def test_old_and_new_argument_order_agree(macro):
    old = parse_command(f"{macro} x 0 2 2 y 5 6 1 0.3")
    new = parse_command(f"{macro} x 0 2 2 0.3 y 5 6 1")
    assert (old.motors, old.shape, old.relative) == (new.motors, new.shape, new.relative)
    assert old.count_time_s == new.count_time_s == 0.3


def test_map_of_the_readme_has_351_by_51_points():
    assert parse_command("flymesh sx 0 35 350 0.5 sz 0 5 50").points == 17901


@pytest.mark.parametrize("text", ["tseries 10 1", "loopscan 100 0.5", "timescan 1"])
def test_time_series_are_as_long_as_their_lines(text):
    command = parse_command(text)
    assert command.recognised
    assert command.points is None
    assert command.motors == ()


def test_flyscan_without_motor_counts_points_not_intervals():
    command = parse_command("flyscan 20 0.5")
    assert (command.points, command.motors, command.count_time_s) == (20, (), 0.5)


def test_unknown_macro():
    command = parse_command("wbslew_scan ome 0 180 0.1")
    assert not command.recognised
    assert command.points is None


@pytest.mark.parametrize(
    "text",
    [
        "ascan x 0 1 4",
        "ascan x 0 one 4 1",
        "ascan x 0 1 4.5 1",
        "ascan x 0 1 -4 1",
        "ascan 3 0 1 4 1",
        "a2scan x 0 1 4 1",
        "a0scan 4 1",
        "mesh x 0 2 2 y 5 6 1",
        "mesh",
        "flymesh3d x 0 1 1 y 5 6 1 z 8 9 1 0.1",
        "flyscan",
        "flyscan inf 1",
    ],
)
def test_arguments_that_do_not_fit(text):
    with pytest.raises(UserError) as error:
        parse_command(text, "file, scan 3")
    assert text in error.value.what
    assert error.value.where == "file, scan 3"


@settings(max_examples=50, deadline=None)
@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=2),
    snake=st.booleans(),
    data=st.data(),
)
def test_steps_visit_every_grid_point_once(shape, snake, data):
    points = int(np.prod(shape))
    steps = np.stack(step_indices(tuple(shape), points, snake), axis=1)
    assert len({tuple(step) for step in steps}) == points
    assert (steps.max(axis=0) == np.array(shape) - 1).all()
    # A snake moves by one step at a time, a raster jumps back at the end of each row.
    jumps = np.abs(np.diff(steps, axis=0)).sum(axis=1)
    if snake:
        assert (jumps == 1).all()
    done = data.draw(st.integers(0, points))  # an aborted scan is the beginning of the whole one
    np.testing.assert_array_equal(
        np.stack(step_indices(tuple(shape), done, snake), axis=1), steps[:done]
    )


def test_snake_in_three_dimensions_is_refused():
    with pytest.raises(UserError, match="three axes"):
        step_indices((2, 2, 2), 8, snake=True)


def test_snake_is_seen_in_the_measured_positions():
    mesh = parse_command("flymesh x 0 2 2 y 5 6 1 0.1")
    assert runs_as_snake(mesh, np.array([0.01, 1.0, 2.02, 1.99, 1.0, 0.02]))
    assert not runs_as_snake(mesh, np.array([0.01, 1.0, 2.02, 0.0, 1.0, 2.0]))
    assert runs_as_snake(mesh, np.array([0.01, 1.0, 2.02, 1.99, 1.0]))  # aborted in the second row
    assert not runs_as_snake(mesh, np.array([0.01, 1.0, 2.02, 1.99]))  # too early to tell
    assert not runs_as_snake(mesh, np.array([0.0, 2.0, 1.0, 2.0, 0.0, 1.0]))  # follows no motor
    assert not runs_as_snake(mesh, None)
    assert not runs_as_snake(parse_command("ascan x 0 1 4 1"), np.array([0, 1, 0, 1, 0.0]))


def test_dates_are_local_time():
    # 10:15 in New York is 14:15 UTC in summer, 15:15 UTC in winter.
    summer = seconds_since_1970("Mon Sep 21 10:15:00 2026", "America/New_York", "")
    winter = seconds_since_1970("Tue Jan  5 10:15:00 2027", "America/New_York", "")
    assert summer == datetime(2026, 9, 21, 14, 15, tzinfo=UTC).timestamp()
    assert winter == datetime(2027, 1, 5, 15, 15, tzinfo=UTC).timestamp()
    grenoble = seconds_since_1970("Mon Sep 21 10:15:00 2026", "Europe/Paris", "")
    assert grenoble == datetime(2026, 9, 21, 8, 15, tzinfo=UTC).timestamp()


def test_local_time_with_offset():
    # 2026-01-15 14:00 UTC is 9:00 in New York in winter; half an hour matters in India.
    seconds = datetime(2026, 1, 15, 14, tzinfo=UTC).timestamp()
    assert iso_local(seconds, "America/New_York", "") == "2026-01-15T09:00:00-05:00"
    assert iso_local(seconds, "Asia/Kolkata", "") == "2026-01-15T19:30:00+05:30"
    with pytest.raises(UserError, match="is no date"):
        iso_local(1e15, "UTC", "file")


@pytest.mark.parametrize(
    ("date", "zone", "words"),
    [
        ("", "UTC", "no date"),
        ("21.9.2026", "UTC", "cannot read"),
        ("Mon Sep 31 10:15:00 2026", "UTC", "there is no date"),
        ("Mon Sep 21 10:15:00 2026", "Mars/Olympus", "not known"),
        ("Mon Sep 21 10:15:00 2026", "../../etc/passwd", "not known"),
    ],
)
def test_dates_that_cannot_be(date, zone, words):
    with pytest.raises(UserError, match=words):
        seconds_since_1970(date, zone, "file")
