"""record.json put together from a result file, its companions and the configuration."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.catalogue.record import Described, describe_result
from scatterflow.catalogue.record_file import read_record
from scatterflow.catalogue.result_facts import utc
from scatterflow.detectors.good_mask import GoodMask, write_mask
from scatterflow.errors import UserError
from scatterflow.files.json import write_json

DESCRIBED = Described(
    run="r",
    reduction="x",
    technique="saxswaxs",
    sample="",
    experiment={
        "title": "Silica",
        "facility": "ESRF",
        "facility_type": "Synchrotron X-ray Source",
        "beamline": "ID02",
        "proposal": "",
        "creators": ["Curie, Marie"],
    },
    publication={
        **{"publisher": None, "creators": None, "year": None, "licence": None, "keywords": []},
        "cycle": "2026-1",
    },
    run_table={"run": "r", "operator": "Ada"},
    frames=3,
    shapes={"saxs": [4, 5]},
    geometries={"saxs": {"shape": [4, 5], "geometry": "saxs.poni", "orientation": None}},
    qmap=None,
    exposure="seconds",
    shared=[],
    chunks=[[0, 3]],
    configuration_sha256="0" * 64,
    reprocess={"command": "snakemake", "configuration": ""},
)


def note(group: h5py.Group, name: str, value: object) -> None:
    group[f"{name}/data"] = np.frombuffer(json.dumps(value).encode(), np.uint8)


def write_saxswaxs(path: Path) -> None:
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry["start_time"] = "2026-01-15T16:00:00+01:00"
        entry["processed_time"] = "2026-01-16T00:00:00.5+00:00"
        entry["instrument/monochromator/energy"] = 12_000.0
        entry["instrument/monochromator/energy"].attrs["units"] = "eV"
        entry["instrument/monochromator/wavelength"] = 1.0
        entry["scalars/seconds"] = [500.0, np.nan, 700.0]
        entry["scalars/seconds"].attrs["units"] = "ms"
        for name, axis, unit in (
            ("saxs_a", [0.1, 2.0], "1/nm"),
            ("waxs_b", [10.0, 60.0], "degree"),
            ("saxs_r", [1.0, 900.0], "mm"),
        ):
            group = entry.create_group(name)
            group.attrs["NX_class"] = "NXsubentry"
            group["data/radial_axis"] = axis
            group["data/radial_axis"].attrs["units"] = unit
        notes = entry.create_group("provenance")
        note(notes, "geometry", {"saxs": {"sha256": "a" * 64, "distance_m": 1.0}})
        note(notes, "software", {"scatterflow": "0.1.0", "commit": None})
        note(notes, "parameters", {"technique": "saxswaxs", "bins": 5})
        note(notes, "raw_files", [{"path": "a", "size": 10}, {"path": "b", "size": 5}])
        raw = {
            "temperature": float("nan"),
            "motors": {"samx": 0.0},
            "user": "<b>x</b>",
            "none": None,
        }
        note(notes, "raw_metadata", raw)


@pytest.fixture
def folder(tmp_path) -> Path:
    found = tmp_path / "results/r/x"
    (found / "plots").mkdir(parents=True)
    write_saxswaxs(found / "result.nxs")
    (found / "plots/a.png").write_bytes(b"png")
    quality = {
        "run": "r",
        "reduction": "x",
        "verdict": "fail",
        "checks": [
            {"name": "structure", "verdict": "pass"},
            {"name": "drift", "verdict": "warn"},
            {"name": "dark", "verdict": "fail"},
            {"name": "rings", "verdict": "not_applicable"},
        ],
    }
    write_json(found / "quality.json", quality)
    good = np.ones((4, 5), bool)
    good[0, 0] = False
    members = [
        {"name": "gaps", "type": "gaps", "path": None, "sha256": "b" * 64},
        {
            **{"name": "beamstop", "type": "registry", "path": None, "sha256": "c" * 64},
            **{"uid": "saxs-beamstop-2", "version": 2, "detector": "saxs", "good_sha256": "d" * 64},
        },
    ]
    write_mask(
        tmp_path / "mask.h5", GoodMask(good, np.where(good, 0, 1).astype(np.uint32), members)
    )
    return found


def describe(folder: Path, described: Described = DESCRIBED) -> dict:
    describe_result(
        described,
        {"saxs": str(folder.parents[2] / "mask.h5")},
        str(folder / "quality.json"),
        [str(folder / "result.nxs"), str(folder / "plots/a.png")],
        str(folder / "record.json"),
        str(folder.parents[2] / "logs"),
    )
    return read_record(folder.parents[1], "r/x")


def test_everything_is_in_the_record(folder) -> None:
    record = describe(folder)
    assert record["energy"] == {"value": 12.0, "unit": "keV"}
    assert record["exposure_time"] == {"value": 0.6, "unit": "s"}
    # 4 pi sin(30 deg) / 1 angstrom; what is against r is no q.
    assert record["q_range"]["low"] == pytest.approx(0.01)
    assert record["q_range"]["high"] == pytest.approx(2 * np.pi)
    assert record["times"]["run_start"] == "2026-01-15T15:00:00Z"
    assert record["times"]["run_end"] is None
    assert record["times"]["reduced"] == "2026-01-16T00:00:00.500000Z"
    assert record["technique"]["term"].endswith("PaNET01184")
    assert record["sample"] is None
    assert record["experiment"]["proposal"] is None
    assert record["experiment"]["cycle"] == "2026-1"
    assert record["geometry"] == [{"detector": "saxs", "sha256": "a" * 64, "file": "saxs.poni"}]
    assert [(mask["name"], mask["uid"], mask["version"]) for mask in record["masks"]] == [
        ("gaps", None, None),
        ("beamstop", "saxs-beamstop-2", 2),
    ]
    assert record["masks"][1]["sha256"] == "c" * 64
    assert record["quality"] == {"verdict": "fail", "failed": ["dark"], "warned": ["drift"]}
    assert record["processing"]["raw_files"] == 2
    assert record["processing"]["raw_bytes"] == 15
    assert record["processing"]["parameters"]["bins"] == 5
    assert record["metadata"]["run_table"]["operator"] == "Ada"
    assert record["datacite"]["publicationYear"] == 2026
    (result,) = [item for item in record["files"] if item["role"] == "result"]
    assert result["sha256"] == hashlib.sha256((folder / "result.nxs").read_bytes()).hexdigest()
    assert {item["path"] for item in record["files"]} == {
        "result.nxs",
        "plots/a.png",
        "quality.json",
    }


def test_what_results_of_shots_say(folder) -> None:
    with h5py.File(folder / "result.nxs", "r+") as file:
        for name in ("saxs_a", "waxs_b"):
            del file[f"entry/{name}"]
        file["entry/q_range"] = [0.25, 1.5]
        file["entry/q_range"].attrs["units"] = "1/angstrom"
        note(file["entry/provenance"], "slow", {"laser/delay": 2.5, "user": "of the slow ones"})
    record = describe(folder)
    assert record["q_range"] == {"low": 0.25, "high": 1.5, "unit": "1/angstrom"}
    assert record["metadata"]["raw"]["laser.delay"] == {"value": 2.5, "unit": None}
    assert record["metadata"]["raw"]["user"]["value"] == "<b>x</b>"


def test_null_is_not_zero_and_zero_is_not_null(folder) -> None:
    record = describe(folder)
    assert record["metadata"]["raw"] == {
        "temperature": {"value": None, "unit": None},
        "motors.samx": {"value": 0.0, "unit": None},
        "user": {"value": "<b>x</b>", "unit": None},
        "none": {"value": None, "unit": None},
    }
    assert record["notes"] == ["metadata not finite, unknown here: temperature"]


def test_a_result_that_says_little_makes_a_record_of_nulls(folder) -> None:
    with h5py.File(folder / "result.nxs", "w") as file:
        file["entry/start_time"] = "unknown"
        file["entry/instrument/incident_beam/incident_energy"] = np.nan
        file["entry/instrument/incident_beam/incident_energy"].attrs["units"] = "keV"
        note(file.create_group("entry/provenance"), "geometry", {"saxs": {"sha256": "a" * 64}})
    record = describe(folder)
    for field in ("energy", "q_range", "exposure_time", "qmap"):
        assert record[field] is None
    assert record["times"]["run_start"] is None
    assert record["times"]["reduced"] is None
    assert len(record["notes"]) == 1


def test_creators_are_needed(folder) -> None:
    nobody = replace(DESCRIBED, experiment={**DESCRIBED.experiment, "creators": []})
    with pytest.raises(UserError) as caught:
        describe(folder, nobody)
    assert caught.value.where == "key experiment.creators"
    assert not (folder / "record.json").exists()


def test_the_verdict_of_another_result_is_refused(folder) -> None:
    other = json.loads((folder / "quality.json").read_text())
    write_json(folder / "quality.json", {**other, "run": "another"})
    with pytest.raises(UserError, match="no quality assessment of r/x"):
        describe(folder)
    write_json(folder / "quality.json", [1])
    with pytest.raises(UserError, match="no quality assessment of r/x"):
        describe(folder)


# Attack 6: a result file that shows another file's bytes.
@pytest.mark.parametrize("place", ["provenance", "start_time"])
def test_a_result_that_leads_out_of_itself_is_refused(folder, tmp_path, place) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = "secret"
    with h5py.File(folder / "result.nxs", "a") as file:
        del file[f"entry/{place}"]
        file[f"entry/{place}"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    with pytest.raises(UserError, match="leads out of the file"):
        describe(folder)
    assert not (folder / "record.json").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-15T15:00:00+00:00", "2026-01-15T15:00:00Z"),
        ("2026-01-15T00:30:00+01:00", "2026-01-14T23:30:00Z"),
        ("2026-01-15T15:00:00.25-05:30", "2026-01-15T20:30:00.250000Z"),
        ("2026-01-15T15:00:00", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("unknown", None),
        (None, None),
    ],
)
def test_times_are_utc_or_unknown(text, expected) -> None:
    assert utc(text) == expected
