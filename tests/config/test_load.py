"""Reading YAML without its traps; overrides by run."""

from __future__ import annotations

import copy
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.config.load import RunConfigurations, read_yaml, validate
from scatterflow.config.runs import RunRow
from scatterflow.errors import UserError


@pytest.fixture
def yaml_file(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal_of(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert str(path) in caught.value.where
    return caught.value


def row(run: str, **columns: str) -> RunRow:
    columns = {
        "run": run,
        "reduction": "swaxs",
        "source": "tiff",
        "raw": "x",
        "frames": "3",
        **columns,
    }
    return RunRow(run, ("swaxs",), "tiff", "x", 3, columns.get("sample", ""), columns)


# --- YAML -------------------------------------------------------------------------------------------


def test_plain_yaml_is_read(yaml_file):
    path = yaml_file("\ufeffa: {b: [1, 2.5, x, null, true]}\nc: '0012'\nd: 0.5\ne: 0\nf: -0.1\n")
    assert read_yaml(path) == {
        "a": {"b": [1, 2.5, "x", None, True]},
        "c": "0012",
        "d": 0.5,
        "e": 0,
        "f": -0.1,
    }


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is given twice"),
        ("x:\n  a: {b: 1, b: 2}\n", 2, "the key 'b' is given twice"),
        ("- {a: 1, 'a': 2}\n", 1, "the key 'a' is given twice"),
        ("x: !!python/object/apply:os.system ['true']\n", 1, "could not determine a constructor"),
        ("x: !!python/name:os.system\n", 1, "could not determine a constructor"),
        ("x: !include secret.yaml\n", 1, "could not determine a constructor"),
        ("a: [1, 2\nb: 3\n", 2, "did not find expected"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ("a:\n\t- 1\n", 2, "cannot start any token"),
        ("a: *nowhere\n", 1, "undefined alias"),
        ("a: 0012\n", 1, "base 8 or 60"),
        ("runs: [1, 012]\n", 1, "base 8 or 60"),
        ("a: 12:30\n", 1, "base 8 or 60"),
        ("a: 1:30.5\n", 1, "base 8 or 60"),
        ("a: &a [*a]\n", 1, "contains itself"),
    ],
)
def test_malformed_yaml_is_refused_with_its_line(yaml_file, text, line, message):
    error = refusal_of(yaml_file(text))
    assert message.lower() in error.what.lower() or "expected" in error.what
    assert f"line {line}, column" in error.where


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment\n",
        "- a\n- b\n",
        "just text\n",
        "a: 2024-99-99\n",  # looks like a date, is none
        "a: !!int abc\n",
        "a: !!float {}\n",
        "a: !!bool maybe\n",
        "a: !!timestamp soon\n",
        "? [a, b]\n: c\n",  # a key that no dict can hold
        "a: " + "9" * 5000 + "\n",
        "[" * 3000,
        "a: 1\n---\nb: 2\n",
        b"a: \xff\xfe\n",
        b"a: \x00\n",
    ],
)
def test_whatever_is_no_mapping_of_plain_values_is_refused(yaml_file, text):
    refusal_of(yaml_file(text))


def test_aliases_cannot_blow_a_small_file_up(yaml_file):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "aliases written out" in refusal_of(yaml_file("\n".join(lines))).what


def test_aliases_and_merged_keys_are_fine(yaml_file):
    text = """
    base:
      - &mask {type: circle, radius: 3}
      - &large {<<: *mask, radius: 5}
    used: {<<: *large, name: stop}
    """
    assert read_yaml(yaml_file(text))["used"] == {"type": "circle", "radius": 5, "name": "stop"}


def test_a_file_that_cannot_be_opened_is_one_message(tmp_path):
    assert "does not exist" in refusal_of(tmp_path / "missing.yaml").what
    assert "folder" in refusal_of(tmp_path).what
    (tmp_path / "file").write_text("")
    assert "file stands where a folder" in refusal_of(tmp_path / "file" / "config.yaml").what


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="abc:-[]{}&*!<>|'\"\n\t 019?#%@", max_size=40))
def test_any_text_is_read_or_refused_never_a_crash(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text(text, encoding="utf-8")
    with suppress(UserError):
        assert isinstance(read_yaml(path), dict)


# --- scalars ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("i0 +", "bad expression"),
        ("__import__('os')", "bad expression"),
        ("i0.real", "bad expression"),
        ("rati * 2", "known: i0, other"),
        ("ratio * 2", "uses its own value"),
        ("other + 1", "uses its own value"),
        ("i0 ** 1000", "bad expression"),
        ("x" * 600, "bad expression"),
    ],
)
def test_bad_expressions_are_refused_at_the_start(data, expression, message):
    scalars = data["sources"]["tiff"]["scalars"]
    scalars["ratio"]["name"] = expression
    scalars["other"] = {"type": "expression", "name": "ratio + 1"}
    with pytest.raises(UserError) as caught:
        validate(data, "c.yaml")
    assert message in str(caught.value)
    assert "key sources.tiff.scalars." in caught.value.where


@pytest.mark.parametrize(("unit", "meant"), [("cts", "counts"), ("sec", "s"), ("1/A", "angstrom")])
def test_wrong_units_are_refused_with_the_right_one(data, unit, meant):
    data["sources"]["tiff"]["scalars"]["i0"]["unit"] = unit
    with pytest.raises(UserError) as caught:
        validate(data, "c.yaml")
    assert meant in caught.value.what
    assert caught.value.where.endswith("key sources.tiff.scalars.i0.unit")


# --- overrides --------------------------------------------------------------------------------------


def bins(configuration: Any) -> int:
    return configuration.reductions["swaxs"].integrations["azimuthal"].bins


BINS = "reductions.swaxs.integrations.azimuthal.bins"


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({"runs": "20-22"}, ["20", "0021", "22"]),
        ({"runs": "21"}, ["0021"]),
        ({"runs": 21}, ["0021"]),
        ({"runs": "0021"}, ["0021"]),
        ({"runs": "lab6*"}, ["lab6_1", "lab6_2"]),
        ({"runs": "lab6_?,23"}, ["23", "lab6_1", "lab6_2"]),
        ({"runs": "LAB6*"}, []),
        ({"runs": "*"}, ["20", "0021", "22", "23", "lab6_1", "lab6_2"]),
        ({"where": {"sample": "water"}}, ["20", "0021"]),
        ({"where": {"temperature": 300}}, ["20", "22"]),
        ({"where": {"temperature": 300.0, "sample": "water"}}, ["20"]),
        ({"where": {"temperature": "300"}}, ["20"]),
        ({"where": {"temperature": 10**400}}, []),
        ({"where": {"frozen": True}}, ["22"]),
        ({"where": {"frozen": False}}, ["20"]),
        ({"runs": "0-100", "where": {"sample": "water"}}, ["20", "0021"]),
    ],
)
def test_runs_are_chosen_by_number_name_pattern_and_column(data, selection, chosen):
    rows = [
        row("20", sample="water", temperature="300", frozen="no"),
        row("0021", sample="water", temperature="warm", frozen="?"),
        row("22", sample="ice", temperature="300.0", frozen="yes"),
        row("23", sample="", temperature="", frozen=""),
        row("lab6_1", sample="LaB6", temperature="nan", frozen="0"),
        row("lab6_2", sample="LaB6", temperature="-", frozen="1"),
    ]
    data["overrides"] = [{**selection, "set": {BINS: 7}}]
    configurations = RunConfigurations(data, "c.yaml")
    found = [item.run for item in rows if bins(configurations.for_run(item)) == 7]
    assert found == chosen
    untouched = [item for item in rows if item.run not in chosen]
    assert all(bins(configurations.for_run(item)) == 100 for item in untouched)


def test_the_last_override_wins_and_the_base_stays(data):
    data["overrides"] = [
        {"runs": "1-3", "set": {BINS: 5}},
        {"runs": "2", "set": {BINS: 6}},
    ]
    before = copy.deepcopy(data)
    configurations = RunConfigurations(data, "c.yaml")
    assert [bins(configurations.for_run(row(name))) for name in "1234"] == [5, 6, 5, 100]
    assert bins(configurations.base) == 100
    assert data == before


def test_runs_alike_share_one_configuration(data):
    data["overrides"] = [{"runs": "1-2", "set": {BINS: 5}}]
    configurations = RunConfigurations(data, "c.yaml")
    assert configurations.for_run(row("1")) is configurations.for_run(row("2"))
    assert configurations.for_run(row("3")) is configurations.base


def test_an_override_reaching_into_what_another_set_leaves_that_one_alone(data):
    data["overrides"] = [
        {"runs": "1-2", "set": {"reductions.swaxs.corrections": {"flux": {"monitor": "i0"}}}},
        {"runs": "1", "set": {"reductions.swaxs.corrections.flux.minimum": 9}},
    ]
    configurations = RunConfigurations(data, "c.yaml")

    def minimum(run: str) -> float:
        return configurations.for_run(row(run)).reductions["swaxs"].corrections.flux.minimum

    assert [minimum("1"), minimum("2")] == [9, 0]


def test_what_can_be_overridden(data):
    data["reductions"]["v1.2"] = copy.deepcopy(data["reductions"]["swaxs"])
    data["overrides"] = [
        {
            "runs": "1",
            "set": {
                "detectors.saxs.masks.stop.radius": 9,
                "detectors.waxs.masks": [
                    {"type": "circle", "name": "c", "centre": [1, 2], "radius": 1}
                ],
                "detectors.saxs.valid.maximum": 1000,  # the block is not there before
                "sources.tiff.missing": "nan",
                "sources.tiff.scalars.t": {"type": "column", "name": "T"},
                "chunks.frames": 3,  # neither is this one
                "reductions.v1.2.integrations.azimuthal.bins": 8,  # a name with a dot
            },
        }
    ]
    found = RunConfigurations(data, "c.yaml").for_run(row("1"))
    assert [mask.name for mask in found.detectors["saxs"].masks] == ["gaps", "stop"]
    assert found.detectors["saxs"].masks[1].radius == 9
    assert found.detectors["waxs"].masks[0].name == "c"
    assert found.detectors["saxs"].valid.maximum == 1000
    assert found.sources["tiff"].missing == "nan"
    assert found.sources["tiff"].scalars["t"].name == "T"
    assert found.chunks.frames == 3
    assert found.reductions["v1.2"].integrations["azimuthal"].bins == 8
    assert found.reductions["swaxs"].integrations["azimuthal"].bins == 100


def test_checks_of_a_run_are_overridden_where_the_configuration_has_none(data):
    """`quality` is no block of names: what is left out has its defaults."""
    data["overrides"] = [
        {"runs": "1", "set": {"quality.xpcs.g2_baseline.on_violation": "fail"}},
        {"runs": "2", "set": {"quality.stops_publication": ["structure"]}},
    ]
    found = RunConfigurations(data, "c.yaml")
    assert found.for_run(row("1")).quality.xpcs.g2_baseline.on_violation == "fail"
    assert found.for_run(row("1")).quality.xpcs.g2_baseline.limit == (0.95, 1.05)
    assert found.for_run(row("2")).quality.stops_publication == ["structure"]
    assert found.for_run(row("3")) is found.base


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            {"runs": "1", "set": {"quality.xpsc.structure.on_violation": "fail"}},
            "did you mean 'xpcs'?",
        ),
        ({"runs": "1", "set": {"experiment.title": "x"}}, "cannot be overridden"),
        ({"runs": "1", "set": {"raw": "/elsewhere"}}, "cannot be overridden"),
        ({"runs": "1", "set": {"": 1}}, "cannot be overridden"),
        ({"runs": "1", "set": {"detectors.sax.shape": [1, 1]}}, "did you mean 'saxs'?"),
        ({"runs": "1", "set": {"detectors.sax": {}}}, "did you mean 'saxs'?"),
        ({"runs": "1", "set": {"detectors.saxs.shap": [1, 1]}}, "did you mean 'shape'?"),
        ({"runs": "1", "set": {"reductions.swaxs.corection.x": 1}}, "did you mean 'corrections'?"),
        ({"runs": "1", "set": {"detectors.saxs.masks.stopp.radius": 1}}, "did you mean 'stop'?"),
        ({"runs": "1", "set": {"detectors.saxs.masks.0.radius": 1}}, "no item is named '0'"),
        ({"runs": "1", "set": {"detectors.saxs.geometry.distance_m": 1}}, "no further keys"),
        ({"runs": "1", "set": {"detectors.saxs.shape.0": 1}}, "no item is named"),
        ({"runs": "1", "set": {"detectors..shape": [1, 1]}}, "there is no ''"),
        ({"runs": "1", "set": {BINS: "5"}}, "must be a whole number"),
        ({"runs": "1", "set": {"chunks": 5}}, "must be a block of keys"),
        ({"runs": "1,,2", "set": {BINS: 5}}, "empty item"),
        ({"runs": "", "set": {BINS: 5}}, "empty item"),
        ({"runs": "9-2", "set": {BINS: 5}}, "descends"),
        ({"where": {"samlpe": "x"}, "set": {BINS: 5}}, "did you mean 'sample'?"),
        ({"where": {"run": "2", "samlpe": "x"}, "set": {BINS: 5}}, "did you mean 'sample'?"),
        ({"runs": "9", "where": {"samlpe": "x"}, "set": {BINS: 5}}, "did you mean 'sample'?"),
    ],
)
def test_overrides_that_cannot_be_meant_are_refused(data, override, message):
    data["overrides"] = [override]
    with pytest.raises(UserError) as caught:
        RunConfigurations(data, "c.yaml").for_run(row("1", sample="water"))
    assert message in str(caught.value)
    assert "overrides[0]" in caught.value.where


def test_several_overrides_of_one_run_are_named_in_its_error(data):
    data["overrides"] = [{"runs": "*", "set": {BINS: 5}}, {"runs": "1", "set": {BINS: 0}}]
    with pytest.raises(UserError) as caught:
        RunConfigurations(data, "c.yaml").for_run(row("1"))
    assert "c.yaml with overrides[0], overrides[1] applied, key reductions" in caught.value.where


def test_the_same_overrides_give_the_same_configuration_in_any_order_of_runs(data):
    data["overrides"] = [
        {"runs": "1-3", "set": {BINS: 5}},
        {"runs": "3", "set": {"chunks.frames": 2}},
    ]
    names = ["1", "2", "3", "4"]
    forward = RunConfigurations(data, "c")
    backward = RunConfigurations(data, "c")
    found = {name: forward.for_run(row(name)).model_dump() for name in names}
    assert found == {name: backward.for_run(row(name)).model_dump() for name in reversed(names)}
