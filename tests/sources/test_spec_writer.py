"""SPEC files as written: against their text, and through an independent reading by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.sources.spec_file import find_scan, parse_scan, read_spec_file
from scatterflow.sources.spec_writer import write_spec_scan

START = datetime(2026, 7, 1, 12, 0, 5, tzinfo=UTC)


def write(path, number=1, **changes):
    arguments = {
        "command": "ascan samx 0 1 1 0.5",
        "motors": {"samx": 0.1, "Sample Y": 2},
        "columns": {"samx": [0.0, 1.0], "Ion 1": np.array([5, 6], dtype=np.uint32)},
        "start": START,
    }
    write_spec_scan(path, number, **(arguments | changes))


def test_text(tmp_path):
    write(tmp_path / "s", title="demo", user="me", count_time_s=0.5)
    assert (tmp_path / "s").read_text() == (
        "#F s\n#E 1782907205\n#D Wed Jul 01 08:00:05 2026\n#C demo  User = me\n"
        "#O0 samx  Sample Y\n#o0 samx Sample_Y\n\n"
        "#S 1  ascan samx 0 1 1 0.5\n#D Wed Jul 01 08:00:05 2026\n#T 0.5  (Seconds)\n"
        "#P0 0.1 2\n#N 2\n#L samx  Ion 1\n0.0 5\n1.0 6\n\n"
    )
    assert START.timestamp() == 1782907205


def test_silx_reads_the_same(tmp_path):
    """An independent reader of the format."""
    specfile = pytest.importorskip("silx.io.specfile")
    write(tmp_path / "s", motors={"samx": 0.1, "phi": -2})
    scan = specfile.SpecFile(str(tmp_path / "s"))["1.1"]
    assert scan.labels == ["samx", "Ion 1"]
    np.testing.assert_array_equal(scan.data, [[0.0, 1.0], [5, 6]])
    assert scan.motor_position_by_name("samx") == 0.1
    assert scan.motor_position_by_name("phi") == -2
    assert scan.scan_header_dict["D"] == "Wed Jul 01 08:00:05 2026"


def test_scans_are_appended_and_bytes_do_not_depend_on_chance(tmp_path):
    for path in (tmp_path / "a" / "s", tmp_path / "b" / "s"):
        write(path)
        before = path.read_bytes()
        write(path, 2)
        assert path.read_bytes().startswith(before)
    assert (tmp_path / "a" / "s").read_bytes() == (tmp_path / "b" / "s").read_bytes()
    text = (tmp_path / "a" / "s").read_text()
    assert (text.count("#F"), text.count("#S")) == (1, 2)


def test_other_motors_get_a_new_header(tmp_path):
    path = tmp_path / "s"
    write(path)
    write(path, 2, motors={"phi": 1.5})
    write(path, 3, motors={"phi": 2.5})
    text = path.read_text()
    assert (text.count("#F"), text.count("#S")) == (2, 3)
    spec = read_spec_file(path)
    assert parse_scan(path, find_scan(spec, "1")).motors == {"samx": 0.1, "Sample Y": 2.0}
    assert parse_scan(path, find_scan(spec, "3")).motors == {"phi": 2.5}


def test_many_motors_stand_eight_in_a_line(tmp_path):
    motors = {f"m{i}": i / 8 for i in range(19)}
    write(tmp_path / "s", motors=motors)
    lines = (tmp_path / "s").read_text().splitlines()
    assert "#O1 m8  m9  m10  m11  m12  m13  m14  m15" in lines
    assert "#P2 2.0 2.125 2.25" in lines
    spec = read_spec_file(tmp_path / "s")
    assert parse_scan(tmp_path / "s", find_scan(spec, "1")).motors == motors


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(width=64), st.integers(-(2**53), 2**53)), min_size=1, max_size=5)
)
def test_numbers_read_back_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("exact") / "s"
    floats, integers = (np.array(column) for column in zip(*rows, strict=True))
    write(path, columns={"a": floats, "b": integers})
    data = parse_scan(path, find_scan(read_spec_file(path), "1")).data
    np.testing.assert_array_equal(data[:, 0], floats)
    np.testing.assert_array_equal(data[:, 1], integers)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": datetime(2026, 7, 1)}, "no time zone"),
        ({"columns": {"a": [1], "b": [1, 2]}}, "one common length"),
        ({"columns": {}}, "one common length"),
        ({"columns": {"a  b": [1]}}, "cannot be a name"),
        ({"motors": {" a": 1}}, "cannot be a name"),
        ({"command": "ascan\n#S 99"}, "line break"),
        ({"command": ""}, "empty command"),
        ({"title": "a\nb"}, "line break"),
    ],
)
def test_what_the_format_cannot_hold(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        write(tmp_path / "s", **changes)
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_not_overwritten(tmp_path):
    (tmp_path / "s").write_text("mine")
    with pytest.raises(UserError, match="no SPEC file"):
        write(tmp_path / "s")
    assert (tmp_path / "s").read_text() == "mine"
