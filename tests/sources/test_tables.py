"""Tables beside the frames, and scalars gathered from all sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.patterns import fill, has_frame, path_below
from scatterflow.sources.tables import read_table, resolve_scalars, table_getter


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def location(tmp_path, frames=3, table="{raw}.csv", scalars=None):
    recipe = {"format": "images", "frames": {}, "table": table, "scalars": scalars or {}}
    return RunLocation("r1", "scan7", str(tmp_path), frames, recipe)


# Tables


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "frame,ic1,T\n0,10,1.5\n1,20,nan\n"),
        ("a.csv", "# taken by night\nframe;ic1;T\n0;10;1.5\n\n1;20;nan\n"),
        ("a.tsv", "frame\tic1\tT\n0\t10\t1.5\n1\t20\tnan\n"),
        ("a.dat", "frame   ic1 T\n0  10 1.5\n1  20   nan\n"),
        ("a.csv", "\ufeffframe, ic1 ,T\r\n0, 10, 1.5\r\n1,20,nan\r\n"),
        ("a.csv", '"frame","ic1","T"\n"0","10","1.5"\n1,20,nan\n'),
    ],
)
def test_tables_of_every_kind_read_alike(tmp_path, name, text):
    table = read_table(write(tmp_path, name, text))
    assert list(table.columns) == ["frame", "ic1", "T"]
    assert table["ic1"].dtype == np.int64
    assert list(table["ic1"]) == [10, 20]
    assert table["T"].dtype == np.float64
    np.testing.assert_array_equal(table["T"], [1.5, np.nan])


def test_numbers_are_read_exactly(tmp_path):
    table = read_table(write(tmp_path, "a.csv", "big,small\n9007199254740993,0.1\n1,1e-300\n"))
    assert table["big"].iloc[0] == 9007199254740993  # not a float64
    assert table["small"].iloc[0] == 0.1
    assert table["small"].iloc[1] == 1e-300


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_floats_survive_being_text(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("t") / "a.tsv"
    path.write_text("x\ty\n" + "".join(f"{value!r}\t1\n" for value in values))
    np.testing.assert_array_equal(read_table(path)["x"].astype(float), values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("1,2\n3,4\n", "not a header"),
        ("a,,c\n1,2,3\n", "not a header"),
        ("a,a\n1,2\n", "two columns"),
        ("a,b\n1,2\n3\n", "1 entries, the header 2"),
        ("a,b\n1,2\n3,4,5\n", "3 entries, the header 2"),
    ],
)
def test_bad_tables_say_what_is_wrong_and_where(tmp_path, text, words):
    path = write(tmp_path, "a.csv", text)
    with pytest.raises(UserError) as caught:
        read_table(path)
    assert words in caught.value.what
    assert str(path) in caught.value.where


def test_row_errors_name_the_line_of_the_file(tmp_path):
    path = write(tmp_path, "a.csv", "# one\n\na,b\n1,2\n# two\n3\n")
    with pytest.raises(UserError, match="line 6"):
        read_table(path)


def test_a_table_that_is_missing_or_no_text(tmp_path):
    with pytest.raises(UserError, match="missing"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"a,b\n\xff\xfe\n")
    with pytest.raises(UserError, match="UTF-8"):
        read_table(tmp_path / "b.csv")


def test_the_number_of_rows_must_be_the_number_of_frames(tmp_path):
    write(tmp_path, "scan7.csv", "ic1\n1\n2\n")
    with pytest.raises(UserError) as caught:
        table_getter(location(tmp_path))("ic1")
    assert "2 rows" in caught.value.what
    assert "3 frames" in caught.value.what
    assert "r1" in caught.value.where
    assert "`frames`" in caught.value.how


def test_an_unknown_column_is_suggested_and_a_word_is_no_number(tmp_path):
    write(tmp_path, "scan7.csv", "ic1,temp\n1,20\n2,\n3,22\n")
    getter = table_getter(location(tmp_path))
    with pytest.raises(UserError, match="did you mean 'ic1'"):
        getter("ic2")
    with pytest.raises(UserError) as caught:
        getter("temp")
    assert "line 3, frame 1" in caught.value.where
    np.testing.assert_array_equal(getter("ic1"), [1, 2, 3])


def test_no_table_given(tmp_path):
    with pytest.raises(UserError, match="no table"):
        table_getter(location(tmp_path, table=None))("ic1")


# Scalars


def scalar(kind, name=None, unit=""):
    return {"type": kind, "name": name, "unit": unit}


def test_scalars_keep_order_type_and_unit():
    getters = {
        "column": {"a": np.array([1, 2, 3]), "b": np.array([0.5, 1, 2])}.get,
        "dataset": lambda name: (np.float32(2.5), "mm"),
    }
    scalars = {
        "z": scalar("column", "b", "s"),
        "thickness": scalar("dataset", "t"),
        "a": scalar("column", "a", "counts"),
    }
    table = resolve_scalars(scalars, 3, getters)
    assert list(table.columns) == ["z", "thickness", "a"]
    assert table["a"].dtype == np.int64
    assert table["thickness"].dtype == np.float32
    assert list(table["thickness"]) == [2.5] * 3  # one number holds for all frames
    assert table.attrs["units"] == {"z": "s", "thickness": "mm", "a": "counts"}


def test_no_scalars_still_has_one_row_per_frame():
    table = resolve_scalars({}, 4, {})
    assert table.shape == (4, 0)
    assert table.attrs["units"] == {}


def test_units_that_contradict_are_refused_and_equal_ones_are_not():
    getters = {"dataset": lambda name: (np.arange(2.0), "um")}
    with pytest.raises(UserError, match=r"'mm'.*'um'") as caught:
        resolve_scalars({"x": scalar("dataset", "x", "mm")}, 2, getters, "run r1")
    assert caught.value.where == "run r1, key scalars.x of the source"
    assert caught.value.how == "leave `unit` out: the file's own is used"
    table = resolve_scalars({"x": scalar("dataset", "x", "um")}, 2, getters)
    assert table.attrs["units"] == {"x": "um"}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.arange(2), "3 frames"),
        (np.arange(1), "3 frames"),
        (np.zeros((3, 2)), "3 frames"),
        (np.array(["a", "b", "c"]), "not numbers"),
        (np.array([1, "b", None], dtype=object), "not numbers"),
    ],
)
def test_values_that_are_not_one_number_per_frame(values, words):
    with pytest.raises(UserError, match=words) as caught:
        resolve_scalars({"m": scalar("column", "m")}, 3, {"column": lambda _: values}, "run r1")
    assert caught.value.where == "run r1, key scalars.m of the source"


def test_expressions_use_scalars_and_each_other_in_any_order():
    getters = {"column": {"i0": np.array([2.0, 4.0]), "i1": np.array([1.0, 1.0])}.get}
    scalars = {
        "double": scalar("expression", "2 * transmission", "1"),
        "transmission": scalar("expression", "i1 / i0"),
        "i0": scalar("column", "i0", "counts"),
        "i1": scalar("column", "i1", "counts"),
        "constant": scalar("expression", "3 + 4"),
    }
    table = resolve_scalars(scalars, 2, getters)
    np.testing.assert_allclose(table["transmission"], [0.5, 0.25])
    np.testing.assert_allclose(table["double"], [1.0, 0.5])
    np.testing.assert_allclose(table["constant"], [7, 7])
    assert list(table.columns) == list(scalars)


@pytest.mark.parametrize(
    ("expressions", "words"),
    [
        ({"a": "b + 1", "b": "a + 1"}, "circle"),
        ({"a": "a + 1"}, "circle"),
        ({"a": "ic0 * 2"}, "no scalar of this source"),
        ({"a": "ic1 +"}, "error"),
        ({"a": "__import__('os')"}, "error"),
    ],
)
def test_expressions_that_cannot_be_computed(expressions, words):
    scalars = {name: scalar("expression", text) for name, text in expressions.items()}
    scalars["ic1"] = scalar("column", "ic1")
    with pytest.raises(UserError, match=words) as caught:
        resolve_scalars(scalars, 2, {"column": lambda _: np.ones(2)}, "run r1")
    assert "run r1, key scalars." in caught.value.where


# Patterns


def test_patterns_are_filled_in():
    pattern = "{raw}/{run}_{frame:05d}.tif"
    assert has_frame(pattern)
    assert not has_frame("{raw}.edf")
    assert fill(pattern, "r1", "a/b", 12) == "a/b/r1_00012.tif"
    assert fill("{frame}{{x}}", "r", "r", 7) == "7{x}"


@pytest.mark.parametrize(
    "pattern",
    ["{raw.x}", "{raw[0]}", "{0}", "{}", "{os}", "{raw!r}", "{raw:>9}", "{frame:1000000d}", "{raw",
     "{frame:{run}}", "{frame:x}"],
)  # fmt: skip
def test_nothing_but_the_known_fields_is_accepted(pattern):
    with pytest.raises(UserError) as caught:
        fill(pattern, "r", "r", 1)
    assert pattern in caught.value.where


@pytest.mark.parametrize("relative", ["../x", "a/../../x", "/etc/passwd", "~/x", "", "a\0b"])
def test_paths_stay_below_the_raw_folder(tmp_path, relative):
    with pytest.raises(UserError):
        path_below(tmp_path, relative, "here")


def test_errors_of_a_column_name_the_key_and_the_run_once(tmp_path):
    write(tmp_path, "s.csv", "i0,i1\n1,2\n3,4\n")
    recipe = {"table": "s.csv"}
    place = RunLocation("r1", "s", str(tmp_path), 2, recipe)
    for name, frames in (("io", 2), ("i0", 3)):
        place = RunLocation("r1", "s", str(tmp_path), frames, recipe)
        with pytest.raises(UserError) as caught:
            resolve_scalars(
                {"m": scalar("column", name)}, frames, {"column": table_getter(place)}, "run r1"
            )
        expected = f"{tmp_path}/s.csv, run r1, key scalars.m of the source"
        assert caught.value.where == expected
    with pytest.raises(UserError) as caught:
        read_table(tmp_path / "s.tsv")
    assert caught.value.how.startswith(f"in {tmp_path} there is s.csv; ")
