"""RO-Crates of results: loaded back with rocrate, and held against what the profiles require."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from base64 import urlsafe_b64decode
from pathlib import Path
from urllib.parse import unquote

import pytest

from scatterflow.catalogue import crate_files
from scatterflow.catalogue.crate_files import configuration_files, raw_files, workflow_files
from scatterflow.catalogue.publish import Publication
from scatterflow.catalogue.publish_rocrate import CrateContents, write_crate
from scatterflow.errors import UserError

from .published import SECRET, good_record, published

pytest.importorskip("rocrate", reason="rocrate is not installed")
RESULT = "results/run_0001/dynamics"


def project(folder: Path) -> Path:
    """A project's configuration, with what must not leave it."""
    (folder / "config/masks").mkdir(parents=True)
    (folder / "config/config.yaml").write_text("raw: raw\n")
    (folder / "config/runs.tsv").write_text("run\treduction\n")
    (folder / "config/masks/stop.npy").write_bytes(b"mask")
    (folder / "config/.env").write_text(SECRET)
    (folder / "config/notes.txt").write_text(SECRET)
    return folder


SETTINGS = {
    "raw": "raw",
    "registry": "registry",
    "runs": "config/runs.tsv",
    "detectors": {"d": {"masks": [{"path": "config/masks/stop.npy"}], "geometry": {"x": 1.0}}},
}


def contents(result: Publication, folder: Path) -> CrateContents:
    raw, notes = raw_files(result, "raw", folder, hash_all=True)
    assert notes == []
    named = configuration_files("config/config.yaml", SETTINGS, result.record, folder)
    return CrateContents(workflow_files(), named, tuple(raw))


@pytest.fixture
def made(tmp_path) -> tuple[Path, Publication]:
    """A crate, and the result in it."""
    result = published(project(tmp_path))
    path = tmp_path / "crate.zip"
    assert write_crate(path, result, contents(result, tmp_path)) == "written"
    return path, result


def graph(path: Path) -> dict[str, dict]:
    with zipfile.ZipFile(path) as archive:
        metadata = json.loads(archive.read("ro-crate-metadata.json"))
    assert metadata["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in metadata["@graph"]}
    assert len(entities) == len(metadata["@graph"]), "an identifier stands twice"
    return entities


def ids(value) -> list[str]:
    return [item["@id"] for item in (value if isinstance(value, list) else [value])]


def types(entity: dict) -> list[str]:
    kind = entity["@type"]
    return kind if isinstance(kind, list) else [kind]


# --- the profiles ---------------------------------------------------------------------------------


def test_what_the_profiles_require_is_there(made):
    """https://w3id.org/ro/wfrun/workflow/0.5, process/0.5, and Workflow RO-Crate 1.0: every MUST."""
    entities = graph(made[0])
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["about"] == {"@id": "./"}
    assert set(ids(descriptor["conformsTo"])) == {
        "https://w3id.org/ro/crate/1.1",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
    }
    profiles = ids(root["conformsTo"])
    assert {
        "https://w3id.org/ro/wfrun/process/0.5",
        "https://w3id.org/ro/wfrun/workflow/0.5",
    } <= set(profiles)
    assert all(types(entities[profile]) == ["CreativeWork"] for profile in profiles)
    for required in ("name", "description", "datePublished", "license"):
        assert root[required]
    assert entities[root["license"]["@id"]]["name"] == "CC-BY-4.0"

    workflow = entities[root["mainEntity"]["@id"]]
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} == set(types(workflow))
    assert workflow["name"]
    assert "ComputerLanguage" in types(entities[workflow["programmingLanguage"]["@id"]])

    action = entities["#run"]
    assert types(action) == ["CreateAction"]
    assert action["instrument"] == root["mainEntity"]
    assert set(ids(root["mentions"])) == {e for e in entities if e.startswith(("#run", "#step"))}


def test_every_reference_has_an_entity_and_every_file_is_a_part(made):
    entities = graph(made[0])
    parts = ids(entities["./"]["hasPart"])
    outside = ("https://w3id.org/", "https://doi.org/", "https://snakemake.", "http")
    for entity in entities.values():
        for name, value in entity.items():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict) and name not in ("conformsTo", "identifier", "url"):
                    assert item["@id"] in entities or item["@id"].startswith(outside), (name, item)
    files = [identity for identity, entity in entities.items() if "File" in types(entity)]
    assert set(files) <= set(parts)


def test_files_are_the_projects_byte_for_byte(made, tmp_path):
    path, result = made
    entities = graph(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert len(names) == len(archive.namelist())
        for file in result.files:
            assert archive.read(f"{RESULT}/{file.name}") == file.path.read_bytes()
        assert json.loads(archive.read(f"{RESULT}/record.json")) == result.record
        assert archive.read("Snakefile") == (crate_files.CLONE / "Snakefile").read_bytes()
        assert archive.read("config/masks/stop.npy") == b"mask"
        for identity, entity in entities.items():
            if "File" in types(entity) and "://" not in identity and "sha256" in entity:
                content = archive.read(unquote(identity))
                assert entity["sha256"] == hashlib.sha256(content).hexdigest()
                assert entity["contentSize"] == str(len(content))
            elif "Dataset" in types(entity) and identity != "./":
                assert identity in names
    assert {"rules/xpcs.smk", "scripts/scatterflow/errors.py", "envs/workflow.yaml"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("/", "."))]


def test_the_official_library_reads_it(made):
    from rocrate.rocrate import ROCrate

    crate = ROCrate(made[0])
    assert crate.mainEntity.id == "Snakefile"
    assert [person.get("name") for person in [crate.root_dataset["author"]]] == ["Max von Laue"]
    results = [entity.id for entity in crate.get("#run")["result"]]
    assert {f"{RESULT}/{file.name}" for file in made[1].files} < set(results)
    assert len(crate.get("#run")["object"]) == 5  # three of the configuration, two raw files


def test_actions_have_the_times_and_people_of_the_record(made):
    entities = graph(made[0])
    steps = made[1].record["processing"]["steps"]
    for number, step in enumerate(steps):
        action = entities[f"#step-{number + 1}-{step['rule']}"]
        assert action["startTime"] == step["started"].replace("Z", "+00:00")
        assert action["endTime"] == step["finished"].replace("Z", "+00:00")
        assert action["instrument"] == {"@id": f"scripts/{step['rule']}.py"}
        assert entities[action["agent"]["@id"]]["name"] == "Max von Laue"
    run = entities["#run"]
    assert run["startTime"] == min(step["started"] for step in steps).replace("Z", "+00:00")
    assert run["endTime"] == made[1].record["times"]["reduced"].replace("Z", "+00:00")


# --- raw files and configuration ------------------------------------------------------------------


def test_raw_files_are_named_by_their_checksum_and_not_contained(made, tmp_path):
    path, _ = made
    entities = graph(path)
    raw = {e["name"]: (i, e) for i, e in entities.items() if i.startswith("ni:")}
    assert set(raw) == {"run_0001/frames.imm", "run_0001/large frames.imm"}
    for name, (identity, entity) in raw.items():
        content = (tmp_path / "raw" / name).read_bytes()
        code = identity.removeprefix("ni:///sha-256;")
        assert urlsafe_b64decode(code + "=") == hashlib.sha256(content).digest()
        assert entity["contentSize"] == str(len(content))
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".imm")]


def test_a_raw_file_that_changed_or_is_gone_is_not_hashed_as_if_it_were_the_one(tmp_path):
    result = published(tmp_path)
    large = tmp_path / "raw/run_0001/large frames.imm"
    large.write_bytes(b"0" * 5000)
    os.utime(large, ns=(0, 0))
    for _ in range(2):
        found, notes = raw_files(result, "raw", tmp_path, hash_all=True)
        assert [raw.sha256 is None for raw in found] == [False, True]
        assert len(notes) == 1
        assert "large frames.imm" in notes[0]
        large.unlink(missing_ok=True)
    assert raw_files(result, "raw", tmp_path, hash_all=False)[1] == []


def test_folders_outside_of_the_raw_folder_are_not_told(tmp_path):
    result = published(tmp_path)
    found, _ = raw_files(result, "elsewhere", tmp_path, hash_all=False)
    assert [raw.name for raw in found] == ["frames.imm", "large frames.imm"]


def test_only_what_the_configuration_names_leaves_the_project(made, tmp_path):
    with zipfile.ZipFile(made[0]) as archive:
        config = {name for name in archive.namelist() if name.startswith("config/")}
        assert config == {
            "config/config.yaml",
            "config/runs.tsv",
            "config/masks/stop.npy",
            "config/reprocess.yaml",
        }
        for name in archive.namelist():
            assert SECRET.encode() not in archive.read(name)
            assert str(tmp_path).encode() not in archive.read(name), name


@pytest.mark.parametrize(
    "named",
    [
        "/etc/hostname",
        "../private.txt",
        "config/link.txt",
        "linked/x.txt",
        "raw/run_0001/frames.imm",
    ],
)
def test_files_outside_links_and_raw_data_are_left_out(tmp_path, named):
    folder = project(tmp_path / "project")
    (tmp_path / "private.txt").write_text(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x.txt").write_text(SECRET)
    (folder / "config/link.txt").symlink_to(tmp_path / "private.txt")
    (folder / "linked").symlink_to(tmp_path / "outside")
    result = published(folder)
    found = configuration_files(
        "config/config.yaml", {**SETTINGS, "x": [named]}, result.record, folder
    )
    assert set(found) == {"config/config.yaml", "config/runs.tsv", "config/masks/stop.npy"}


def test_pins_of_the_masks_that_were_used_come_along(tmp_path):
    folder = project(tmp_path)
    result = published(folder)
    uid = result.record["masks"][0]["uid"]
    pins = folder / "resources/pins"
    (pins / "objects").mkdir(parents=True)
    (pins / "d").mkdir()
    for name, found in (("used", uid), ("other", "another")):
        (pins / f"objects/{name}sha").write_bytes(b"")
        (pins / f"d/{name}.json").write_text(json.dumps({"uid": found, "sha256": f"{name}sha"}))
    named = configuration_files("config/config.yaml", SETTINGS, result.record, folder)
    assert [name for name in named if name.startswith("resources")] == [
        "resources/pins/d/used.json",
        "resources/pins/objects/usedsha",
    ]


# --- again, refused -------------------------------------------------------------------------------


def test_the_same_again_is_the_same_file_and_is_not_touched_by_time(made, tmp_path):
    path, result = made
    again = tmp_path / "again.zip"
    for file in result.files:
        os.utime(file.path, ns=(0, 10**18))
    write_crate(again, result, contents(result, tmp_path))
    assert again.read_bytes() == path.read_bytes()
    assert write_crate(path, result, contents(result, tmp_path)) == "unchanged"


def test_a_record_without_a_licence_makes_no_crate(tmp_path):
    record = good_record()
    del record["datacite"]["rightsList"]
    result = published(project(tmp_path), record)
    with pytest.raises(UserError, match="licence"):
        write_crate(tmp_path / "crate.zip", result, contents(result, tmp_path))
    assert not (tmp_path / "crate.zip").exists()


def test_a_licence_of_ones_own_is_not_called_one_of_spdx(tmp_path):
    record = good_record()
    record["datacite"]["rightsList"] = [{"rights": "ask us first"}]
    result = published(project(tmp_path), record)
    write_crate(tmp_path / "crate.zip", result, contents(result, tmp_path))
    assert graph(tmp_path / "crate.zip")["./"]["license"] == {"@id": "#licence"}


def test_a_failure_leaves_nothing_and_the_old_crate_as_it_was(made, tmp_path):
    path, result = made
    before = path.read_bytes()
    shutil.rmtree(result.folder / "plots")
    with pytest.raises(OSError, match="plots"):
        write_crate(path, result, contents(result, tmp_path))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".crate")] == []


def test_hostile_names_stay_text(tmp_path):
    record = good_record(sample="../../x <script>alert(1)</script> \u2028")
    record["datacite"]["creators"] = [
        {"name": "#run"},
        {"name": "../../etc"},
        {"name": "A", "nameType": "Organizational", "affiliation": [{"name": "B"}]},
        {
            "name": "C",
            "nameIdentifiers": [
                {
                    "nameIdentifier": "https://orcid.org/0000-0002-1825-0097",
                    "nameIdentifierScheme": "ORCID",
                }
            ],
        },
    ]
    result = published(project(tmp_path), record)
    write_crate(tmp_path / "crate.zip", result, contents(result, tmp_path))
    entities = graph(tmp_path / "crate.zip")
    people = [entities[identity] for identity in ids(entities["./"]["author"])]
    assert [person["name"] for person in people] == ["#run", "../../etc", "A", "C"]
    assert [types(person)[0] for person in people] == ["Person", "Person", "Organization", "Person"]
    assert people[3]["@id"] == "https://orcid.org/0000-0002-1825-0097"
    assert types(entities["#run"]) == ["CreateAction"]
    assert record["sample"] in entities["./"]["description"]
