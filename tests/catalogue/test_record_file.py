"""record.json: the schema, names, sizes, links."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from scatterflow.catalogue.record_file import (
    LARGEST_RECORD,
    check_record,
    delivered_file,
    read_record,
    record_schema,
    write_record,
)
from scatterflow.errors import UserError

from .example_records import example_record, write_results


def changed(path: str, value: object) -> dict:
    record = copy.deepcopy(example_record(1))
    *way, last = path.split("/")
    node = record
    for key in way:
        node = node[int(key) if isinstance(node, list) else key]
    node[last] = value
    return record


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(record_schema())


def test_examples_are_valid_and_read_back(tmp_path) -> None:
    for record in write_results(tmp_path, 12):
        assert read_record(tmp_path, record["id"]) == record


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("datacite/creators", []),
        ("datacite/creators", [{"name": " "}]),
        ("datacite/publisher", ""),
        ("datacite/titles", [{"title": "\t"}]),
        ("datacite/publicationYear", None),
        ("quality/verdict", "good"),
        ("technique/name", "saxs"),
        ("times/run_start", "2026-01-15 15:00"),
        ("times/run_start", "2026-01-15T15:00:00+01:00"),
        ("times/described", None),
        ("energy", 12.0),
        ("energy", {"value": 12000, "unit": "eV"}),
        ("energy", {"value": None, "unit": "keV"}),
        ("frames", -1),
        ("frames", 1.5),
        ("metadata/raw", {"a": {"value": [1, 2], "unit": None}}),
        ("metadata/raw", {"a": {"value": {"b": 1}, "unit": None}}),
        ("metadata/raw", {str(i): {"value": i, "unit": None} for i in range(2001)}),
        ("metadata/raw", {"a": {"value": "x" * 1001, "unit": None}}),
        ("run", "a\n"),
        ("run", "../a"),
        ("nonsense", 1),
    ],
)
def test_what_does_not_follow_the_schema_is_refused(path, value) -> None:
    with pytest.raises(UserError, match="does not follow its schema") as caught:
        check_record(changed(path, value), "record")
    assert path.split("/")[0] in caught.value.where + caught.value.what


@pytest.mark.parametrize("field", sorted(example_record()))
def test_every_field_is_needed(field) -> None:
    record = example_record()
    del record[field]
    with pytest.raises(UserError, match=field):
        check_record(record, "record")


# Attack 1: names that lead elsewhere.
@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "a/../../x", "plots/..", "./x", "a\nb", "a\x00b", "..", "a\\b", "x\n"],
)
def test_paths_of_files_stay_in_the_folder(name) -> None:
    file = {"path": name, "bytes": 1, "sha256": "0" * 64, "mime": "a/b", "role": "plot"}
    with pytest.raises(UserError):
        check_record(example_record(files=[file]), "record")


@pytest.mark.parametrize("name", ["a.b", "plots/x..y.png", "..x", "plots/.hidden", "Größe/x.nxs"])
def test_other_paths_are_allowed(name) -> None:
    file = {"path": name, "bytes": 1, "sha256": "0" * 64, "mime": "a/b", "role": "plot"}
    check_record(example_record(files=[file]), "record")


@pytest.mark.parametrize(
    "name", ["../x/y", "/etc/passwd", "a", "a/..", "a/b/c", "a\n/b", "-a/b", "é/b", ""]
)
def test_results_are_asked_for_by_name_only(tmp_path, name) -> None:
    with pytest.raises(UserError, match="name"):
        read_record(tmp_path, name)


def test_a_record_says_whose_it_is(tmp_path) -> None:
    record = write_results(tmp_path, 1)[0]
    with pytest.raises(UserError, match="not by its run and reduction"):
        check_record({**record, "id": "other/swaxs"}, "record")
    (tmp_path / "run_0001/swaxs").mkdir(parents=True)
    text = (tmp_path / record["id"] / "record.json").read_text()
    (tmp_path / "run_0001/swaxs/record.json").write_text(text)
    with pytest.raises(UserError, match="says that it is of run_0000/swaxs"):
        read_record(tmp_path, "run_0001/swaxs")


# Attacks 15 and 19: sizes, depth, numbers that are none.
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 5000 + "}",
        "\xff",
        "null",
        "[]",
    ],
)
def test_what_is_no_record_is_one_message(tmp_path, text) -> None:
    path = tmp_path / "run_0000/swaxs/record.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        read_record(tmp_path, "run_0000/swaxs")
    assert len(str(caught.value)) < 1000


def test_a_huge_record_is_not_read_and_not_written(tmp_path) -> None:
    path = tmp_path / "run_0000/swaxs/record.json"
    path.parent.mkdir(parents=True)
    with open(path, "wb") as stream:
        stream.truncate(LARGEST_RECORD + 1)
    with pytest.raises(UserError, match="at most"):
        read_record(tmp_path, "run_0000/swaxs")
    record = example_record()
    record["processing"]["parameters"] = {"text": "x" * LARGEST_RECORD}
    with pytest.raises(UserError, match="at most"):
        write_record(path, record)
    assert path.stat().st_size == LARGEST_RECORD + 1


def test_null_stays_null_and_other_times_stay_themselves(tmp_path) -> None:
    record = example_record(12)
    assert record["energy"] is None
    write_record(tmp_path / record["id"] / "record.json", record)
    text = json.loads((tmp_path / record["id"] / "record.json").read_text())
    assert text["energy"] is None
    assert text["metadata"]["raw"]["instrument.current"] == {"value": None, "unit": "mA"}


# Attack 16: links, and what is no file.
def test_a_record_that_is_a_link_is_not_read(tmp_path) -> None:
    record = write_results(tmp_path / "a", 1)[0]
    path = tmp_path / "b" / record["id"] / "record.json"
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "a" / record["id"] / "record.json")
    with pytest.raises(UserError, match="links are not followed"):
        read_record(tmp_path / "b", record["id"])


def test_a_pipe_is_not_waited_for(tmp_path) -> None:
    path = tmp_path / "run_0000/swaxs/record.json"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(UserError, match="regular file"):
        read_record(tmp_path, "run_0000/swaxs")


def test_files_of_a_record_are_regular_files_of_its_folder(tmp_path) -> None:
    results = tmp_path / "results"
    record = write_results(results, 1)[0]
    assert delivered_file(results, record, "result.nxs") == results / record["id"] / "result.nxs"
    with pytest.raises(UserError, match="does not exist"):
        delivered_file(results, record, "plots/none.png")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (results / record["id"] / "result.nxs").unlink()
    (results / record["id"] / "result.nxs").symlink_to(secret)
    with pytest.raises(UserError, match="link"):
        delivered_file(results, record, "result.nxs")
    (results / record["id"] / "linked").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(UserError, match="outside"):
        delivered_file(results, record, "linked/secret")


def test_a_schema_error_names_a_short_place() -> None:
    record = example_record()
    record["metadata"]["raw"]["x" * 400] = {"value": "y" * 5000, "unit": None}
    with pytest.raises(UserError) as caught:
        check_record(record, str(Path("record.json")))
    assert len(str(caught.value)) < 1000
