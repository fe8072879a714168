"""The ingest document of Globus Search: its form, its fields, what is unknown, what is too large."""

from __future__ import annotations

import json
import math
import struct
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scatterflow.catalogue import publish_globus
from scatterflow.catalogue.publish import Publication
from scatterflow.config.publication_targets import GlobusTarget
from scatterflow.errors import UserError

from .published import good_record, published

COLLECTION = "0a1b2c3d-0000-4000-8000-0123456789ab"
GROUP = "urn:globus:groups:id:0a1b2c3d-0000-4000-8000-00000000beef"
TARGET = GlobusTarget(
    collection=COLLECTION,
    path="/8ID/results",
    https_address="https://g-1.example.org",
    visible_to=[GROUP],
).model_dump()


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(json.loads(publish_globus.SCHEMA_FILE.read_text()))


def test_an_entry_holds_what_the_portal_reads(tmp_path):
    result = published(tmp_path)
    made = publish_globus.entry(result, TARGET)
    assert made["subject"] == f"globus://{COLLECTION}/8ID/results/run_0001/dynamics/"
    assert (made["id"], made["visible_to"]) == ("metadata", [GROUP])
    assert set(made["content"]) == {"dc", "files", "project_metadata"}

    dc = made["content"]["dc"]
    assert dc["creators"] == [{"name": "Max von Laue"}]
    assert (dc["publisher"], dc["publicationYear"]) == ("Example Light Source", "2025")
    assert dc["identifiers"][0]["identifierType"] == "GlobusSearchSubject"

    metadata = made["content"]["project_metadata"]
    assert metadata["parent"] == "P-1000"
    assert metadata["reprocessing"]["suffix"] == "dynamics"
    assert metadata["reprocessing"]["qmap"]["name"] == "rings of q"
    assert (metadata["energy_keV"], metadata["exposure_time_s"]) == (9.0, 0.002)
    assert (metadata["sample"], metadata["cycle"]) == ("lysozyme", "2025-1")
    assert metadata["masks"][0]["sha256"] == result.record["masks"][0]["sha256"]


def test_files_have_addresses_sizes_and_checksums_of_the_files(tmp_path):
    import hashlib

    result = published(tmp_path)
    files = publish_globus.entry(result, TARGET)["content"]["files"]
    assert len(files) == len(result.files)
    for file in files:
        path = result.folder / file["filename"]
        assert file["length"] == path.stat().st_size
        assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        remote = f"/8ID/results/run_0001/dynamics/{file['filename']}"
        assert unquote(file["url"]) == f"globus://{COLLECTION}{remote}"
        assert unquote(file["https_url"]) == f"https://g-1.example.org{remote}"
        if file["mime_type"] == "image/png":
            size = struct.unpack(">II", path.read_bytes()[16:24])
            assert (file["width"], file["height"]) == size == (32, 24)


def test_what_is_unknown_is_left_out_and_never_zero(tmp_path):
    record = good_record(
        2, sample=None, energy=None, q_range=None, exposure_time=None, masks=[], qmap=None
    )
    record["experiment"] |= {"cycle": None, "proposal": None}
    record["times"] |= {"run_start": None, "run_end": None, "reduced": None}
    record["metadata"]["raw"]["nothing"] = {"value": None, "unit": "mA"}
    text = json.dumps(publish_globus.entry(published(tmp_path, record), TARGET))
    made = json.loads(text)["content"]["project_metadata"]
    unknown = {"sample", "energy_keV", "q_low_per_angstrom", "exposure_time_s", "cycle", "proposal"}
    assert not unknown & set(made)
    assert not {"run_start", "run_end", "reduced", "technique_term"} & set(made)
    assert "qmap" not in made["reprocessing"]
    assert "nothing" not in [item["name"] for item in made["metadata"]]
    assert "null" not in text


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)


@given(st.dictionaries(st.text(min_size=1, max_size=10), VALUES, max_size=8))
@settings(max_examples=50, deadline=None)
def test_a_field_has_one_type_whatever_the_instrument_wrote(values):
    raw = {name: {"value": value, "unit": None} for name, value in values.items()}
    made = publish_globus._metadata({"run_table": {}, "raw": raw})
    kinds = {"number": (int, float), "text": str, "flag": bool}
    found = {}
    for item in made:
        ((kind, value),) = [(key, item[key]) for key in kinds if key in item]
        assert isinstance(value, kinds[kind])
        assert kind != "number" or (not isinstance(value, bool) and math.isfinite(value))
        found[item["name"]] = value
    assert found == {name: v for name, v in values.items() if v is not None and v != ""}


def test_a_text_that_an_index_would_not_take_is_refused_by_name(tmp_path):
    record = good_record(sample="x" * 9_999)
    publish_globus.entry(published(tmp_path / "fits", record), TARGET)
    long = {**TARGET, "path": "/" + "ü" * 400}
    with pytest.raises(UserError, match="subject"):
        publish_globus.entry(published(tmp_path / "long"), long)


def test_hostile_text_stays_text_in_one_json(tmp_path):
    hostile = '</script><script>alert(1)</script>"\\ \u2028 {"@datatype": "GMetaEntry"}'
    result = published(tmp_path, good_record(sample=hostile))
    (text,) = publish_globus.documents([publish_globus.entry(result, TARGET)])
    document = json.loads(text)
    publish_globus.document_validator().validate(document)
    assert len(document["ingest_data"]["gmeta"]) == 1
    assert document["ingest_data"]["gmeta"][0]["content"]["project_metadata"]["sample"] == hostile


def test_documents_keep_below_the_size_of_a_request(tmp_path, monkeypatch):
    result = published(tmp_path)
    record = result.record
    entries = []
    for number in range(25):
        each = Publication(
            result.folder, {**record, "id": f"r{number}/x", "run": f"r{number}"}, result.files
        )
        entries.append(publish_globus.entry(each, TARGET))
    size = len(json.dumps(entries[0]))
    monkeypatch.setattr(publish_globus, "LARGEST_DOCUMENT", 8 * size)
    path = tmp_path / "ingest.json"
    for old in ("ingest-7.json", "ingest-notes.json", "ingest.json"):
        (tmp_path / old).write_text("old")
    paths = publish_globus.write_documents(path, entries)
    assert len(paths) > 1
    assert sorted(p.name for p in tmp_path.glob("ingest*")) == sorted(
        [*(p.name for p in paths), "ingest-notes.json"]
    )
    found = []
    for each in paths:
        assert each.stat().st_size < 8 * size
        document = json.loads(each.read_text())
        publish_globus.document_validator().validate(document)
        found += document["ingest_data"]["gmeta"]
    assert found == entries
    monkeypatch.undo()
    assert publish_globus.write_documents(path, entries[:3]) == [path]
    assert sorted(p.name for p in tmp_path.glob("ingest*")) == ["ingest-notes.json", "ingest.json"]


def test_the_same_record_gives_the_same_document(tmp_path):
    result = published(tmp_path)
    first, second = (
        publish_globus.documents([publish_globus.entry(result, TARGET)]) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"visible_to": []}, "at least 1"),
        ({"visible_to": ["everybody"]}, "names nobody"),
        ({"collection": "../x"}, "UUID"),
        ({"path": "/a/../../b"}, "absolute path"),
        ({"https_address": "https://user:pw@host"}, "no key, password"),
        ({"https_address": "https://host?api_key=x"}, "no key, password"),
        ({"https_address": "http://example.org"}, "unencrypted"),
    ],
)
def test_targets_that_cannot_be_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        GlobusTarget(**{**TARGET, **changed})
