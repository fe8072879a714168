"""The configuration reference: complete, up to date, and its examples valid."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel

from scatterflow.config.descriptions import field_texts
from scatterflow.config.document import (
    SECTIONS,
    configuration_schema,
    function_table,
    key_tables,
    updated,
)
from scatterflow.config.expressions import FUNCTIONS, REDUCTIONS
from scatterflow.config.load import RunConfigurations, read_yaml, validate
from scatterflow.config.model import Configuration
from scatterflow.config.runs import REQUIRED_COLUMNS, read_run_table
from scatterflow.plan.build import build_plan
from scatterflow.plan.targets import result_files

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "config" / "README.md"
RENEW = "renew it: python scripts/scatterflow keys --write config/README.md"


def models() -> set[type[BaseModel]]:
    """All models that can be reached from the configuration."""
    found: set[type[BaseModel]] = set()

    def visit(annotation: object) -> None:
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if is_model and annotation not in found:
            found.add(annotation)
            for field in annotation.model_fields.values():
                visit(field.annotation)
        for argument in typing.get_args(annotation):
            visit(argument)

    visit(Configuration)
    return found


def between(name: str) -> str:
    text = README.read_text(encoding="utf-8")
    return text.partition(f"<!-- {name}: begin -->\n")[2].partition(f"<!-- {name}: end -->")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_walk_finds_the_models():
    names = {model.__name__ for model in models()}
    assert {"Configuration", "Scalar", "CircleMask", "CakeIntegration", "Demo"} <= names


def test_every_key_of_every_model_is_described():
    undescribed = [
        f"{model.__name__}.{key}"
        for model in models()
        for key, text in field_texts(model).items()
        if not text.strip()
    ]
    assert undescribed == []


def test_every_model_has_its_section_and_every_key_its_row():
    assert models() <= {model for _, model, _ in SECTIONS}
    text = key_tables()
    sections = dict(re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", text, re.DOTALL | re.MULTILINE))
    for title, model, base in SECTIONS:
        told = re.findall(r"^\| `(\w+)` \|", sections[title], re.MULTILINE)
        own = set(model.model_fields) - set(base.model_fields if base else ())
        assert set(told) == own, title
        assert len(told) == len(own)


def test_required_keys_and_defaults_are_those_of_the_models():
    rows = {
        (title, key): default
        for title, section in re.findall(
            r"^### (.*?)\n(.*?)(?=^### |\Z)", key_tables(), re.DOTALL | re.MULTILINE
        )
        for key, default in re.findall(r"^\| `(\w+)` \| .*? \| (\S+) \| ", section, re.MULTILINE)
    }
    for title, model, _ in SECTIONS:
        for key, field in model.model_fields.items():
            if (title, key) in rows:
                assert (rows[title, key] == "**required**") == field.is_required(), (title, key)
    assert rows["chunks", "memory_mb"] == "`4000`"
    assert rows["detectors.NAME.valid", "maximum"] == "`auto`"
    assert rows["detectors.NAME", "dark"] == "-"


@pytest.mark.parametrize(
    "row",
    [
        "| `distance_m` | number > 0 | **required** | Sample to detector distance along the normal, m. |",
        "| `shape` | list of 2 whole numbers 1 to 100000 | **required** |",
        "| `missing` | one of `error`, `nan` | `error` |",
        "| `geometry` | path or block | - |",
        "| `axis` | name | - |",
        "| `solid_angle` | `true` or `false` | `true` |",
        "| `sources` | blocks by name | **required** |",
        "| `corners` | list of at least 3 lists of 2 numbers | **required** |",
    ],
)
def test_types_read_as_people_say_them(row):
    assert row in key_tables()


def test_no_word_of_the_library_behind_the_models_is_left():
    words = set(re.findall(r"[\w$]+", key_tables()))
    assert not words & {"Annotated", "Optional", "NoneType", "Literal", "anyOf", "$ref", "pydantic"}
    assert not words & {"str", "int", "float", "bool", "dict", "tuple", "None", "True", "False"}


def test_the_reference_in_the_repository_is_up_to_date():
    assert between("keys") == key_tables(), RENEW
    assert between("functions") == function_table(), RENEW
    text = README.read_text(encoding="utf-8")
    assert updated(text) == text, RENEW


def test_all_functions_of_the_expressions_are_told():
    told = re.findall(r"`(\w+)\(", between("functions"))
    assert sorted(told) == sorted([*FUNCTIONS, *REDUCTIONS])


def test_all_columns_of_the_run_table_are_told():
    text = README.read_text(encoding="utf-8").partition("## Run table")[2].partition("\n## ")[0]
    for column in (*REQUIRED_COLUMNS, "sample", "background", "dark"):
        assert f"`{column}`" in text


def test_the_examples_are_valid(tmp_path):
    whole = blocks("yaml")
    assert len(whole) == 3
    for number, text in enumerate(whole):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        validate(read_yaml(path), str(path))


def test_the_example_of_overrides_applies_to_the_first_example(tmp_path):
    (overrides,) = blocks("yaml override")
    table = blocks("tsv")[0]
    path = tmp_path / "config.yaml"
    path.write_text(blocks("yaml")[0] + overrides, encoding="utf-8")
    runs = tmp_path / "runs.tsv"
    runs.write_text(table.replace("\tsilica\t298", "\twater\t298"), encoding="utf-8")
    data = read_yaml(path)
    data["detectors"]["saxs"]["masks"] = [
        {"type": "circle", "name": "beamstop", "centre": "beam", "radius": 3}
    ]
    configurations = RunConfigurations(data, str(path))
    rows = read_run_table(runs)
    assert [row.columns["temperature_K"] for row in rows] == ["298", "310"]
    found = [configurations.for_run(row) for row in rows]
    assert [c.reductions["saxs"].integrations["azimuthal"].bins for c in found] == [500, 1000]
    assert [c.detectors["saxs"].masks[0].radius for c in found] == [20, 3]
    assert {c.detectors["saxs"].geometry for c in found} == {"config/geometry/saxs_moved.poni"}


def test_the_example_of_maps_fits_the_first_example(tmp_path):
    (maps,) = blocks("yaml map")
    for name, text in (("first.yaml", blocks("yaml")[0]), ("maps.yaml", maps)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    data, added = read_yaml(tmp_path / "first.yaml"), read_yaml(tmp_path / "maps.yaml")
    data["reductions"]["saxs"] |= added["reductions"]["saxs"]
    configuration = validate(data | {"maps": added["maps"]}, "example")
    assert configuration.reductions["saxs"].map.axes[0].tolerance == 0.002
    assert configuration.maps["whole_sample"].runs == "12-18"


def test_the_example_of_a_calibrant_is_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/runs.tsv").write_text(blocks("tsv")[1], encoding="utf-8")
    (tmp_path / "config.yaml").write_text(blocks("yaml")[2], encoding="utf-8")
    plan = build_plan(read_yaml("config.yaml"))
    files = result_files(plan.find("lab6", "calibration"))
    assert "results/lab6/calibration/waxs_azimuthal_rings.tsv" in files


def test_the_commands_that_the_reference_names_exist():
    told = re.findall(r"python scripts/scatterflow (\w+)", README.read_text(encoding="utf-8"))
    named = {"plan", "discover", "geometry", "keys", "registry", "search", "publish", "schema"}
    assert set(told) == named


# --- JSON Schema ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator():
    schema = configuration_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(json.loads(json.dumps(schema)))


def test_the_schema_accepts_what_the_models_accept(validator, data):
    validate(data, "c.yaml")
    validator.validate(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"detetcors": {}},
        {"chunks": {"frame": 3}},
        {"chunks": {"minutes": 0}},
        {"chunks": {"frames": "3"}},
        {"experiment": {"title": "t", "facility": "f"}},
        {"detectors": {"saxs": {"shape": [1], "geometry": "x"}}},
        {"detectors": {"saxs": {"shape": [1, 1], "geometry": "x", "masks": [{"type": "gap"}]}}},
        {"overrides": [{"runs": "1", "set": {}}]},
        {
            "reductions": {
                "x": {
                    "technique": "saxswaxs",
                    "integrations": {"a": {"kind": "azimuthal", "unit": "q"}},
                }
            }
        },
    ],
)
def test_the_schema_refuses_what_the_models_refuse(validator, data, wrong):
    assert not validator.is_valid(data | wrong)


def test_the_schema_refuses_hostile_names(validator, data):
    data["detectors"]["../x"] = data["detectors"]["saxs"]
    assert not validator.is_valid(data)


def test_the_command_line_prints_tables_and_schema(tmp_path):
    def printed(command: str) -> str:
        return subprocess.run(
            [sys.executable, str(REPOSITORY / "scripts" / "scatterflow"), command],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        ).stdout

    assert printed("keys").rstrip("\n") == key_tables().rstrip("\n")
    assert json.loads(printed("schema")) == configuration_schema()
