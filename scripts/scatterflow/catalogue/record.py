"""record.json of one reduction of one run, put together from its files and the configuration.

The record is all that search, portal and publishers read: what the result is (DataCite, technique, sample),
how it was made (masks, geometry, software, steps, parameters), which files it has, and how to make it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scatterflow.catalogue.datacite import datacite_field, technique_field
from scatterflow.catalogue.delivered import delivered_files
from scatterflow.catalogue.record_file import write_record
from scatterflow.catalogue.result_facts import Facts, read_facts
from scatterflow.catalogue.steps import run_steps
from scatterflow.detectors.good_mask import read_mask
from scatterflow.errors import UserError
from scatterflow.files.checksums import file_sha256, value_digest
from scatterflow.files.hdf5 import reading
from scatterflow.files.json import plain, read_json
from scatterflow.geometry_kind import SOURCE, has_plane


@dataclass(frozen=True)
class Described:
    """What the configuration says of a result; plain values, as they come through rule parameters.

    experiment, publication: blocks of the configuration. run_table: the run's row. shapes: per detector;
    geometries: settings of each detector (`shape`, `geometry`, `orientation`); qmap: key or None.
    exposure: the scalar that is the exposure time. shared, chunks: see `run_steps`. reprocess: command and
    configuration that make the result again.
    """

    run: str
    reduction: str
    technique: str
    sample: str
    experiment: Mapping[str, Any]
    publication: Mapping[str, Any]
    run_table: Mapping[str, str]
    frames: int
    shapes: Mapping[str, Sequence[int]]
    geometries: Mapping[str, Mapping[str, Any]]
    qmap: str | None
    exposure: str | None
    shared: Sequence[str]
    chunks: Sequence[Sequence[int]] | None
    configuration_sha256: str
    reprocess: Mapping[str, str]


def describe_result(
    described: Described,
    masks: Mapping[str, str],
    quality: str,
    files: Sequence[str],
    record: str,
    logs: str = "logs",
) -> None:
    """Write record.json beside the result file.

    masks: mask file per detector; quality: quality.json; files: all files of the result, quality.json and
    thumbnail among them; logs: folder of the logs.
    Raises UserError for anything that is missing, most often `experiment.creators`.
    """
    folder = Path(record).parent
    notes: list[str] = []
    with reading(folder / "result.nxs") as file:
        facts = read_facts(file, described.exposure, notes)
    delivered = delivered_files(folder, [*files, quality], notes)
    identity = f"{described.run}/{described.reduction}"
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    experiment = described.experiment
    write_record(
        record,
        {
            "schema": "scatterflow-record-1",
            "id": identity,
            "run": described.run,
            "reduction": described.reduction,
            "datacite": datacite_field(
                identity,
                experiment,
                described.publication,
                described.technique,
                q_range=facts.q_range,
                collected=(facts.start, facts.end),
                created=facts.reduced or now,
                formats=[item["mime"] for item in delivered],
            ),
            "technique": technique_field(described.technique, facts.q_range),
            "sample": described.sample or None,
            "experiment": {
                **{key: experiment[key] for key in ("title", "facility", "facility_type")},
                "beamline": experiment["beamline"],
                "proposal": experiment["proposal"] or None,
                "cycle": described.publication["cycle"],
            },
            "detectors": [
                {"name": name, "shape": list(shape)} for name, shape in described.shapes.items()
            ],
            "energy": _quantity(facts.energy, "keV"),
            "q_range": _q_range(facts),
            "exposure_time": _quantity(facts.exposure, "s"),
            "frames": described.frames,
            "times": {
                "run_start": facts.start,
                "run_end": facts.end,
                "reduced": facts.reduced,
                "described": now,
            },
            "masks": [item for name, path in masks.items() for item in _mask_members(name, path)],
            "qmap": _qmap(described.qmap, facts),
            "geometry": [
                _geometry(name, settings, facts)
                for name, settings in described.geometries.items()
                if settings["geometry"] not in (None, SOURCE)
            ],
            "quality": _quality(quality, described),
            "processing": {
                "software": plain(facts.software),
                "steps": run_steps(
                    logs, described.run, described.reduction, described.shared, described.chunks
                ),
                "parameters": plain(facts.parameters),
                "raw_files": len(facts.raw_files),
                "raw_bytes": sum(item["size"] for item in facts.raw_files),
                "configuration_sha256": described.configuration_sha256,
            },
            "metadata": {"run_table": dict(described.run_table), "raw": facts.raw},
            "files": delivered,
            "reprocess": dict(described.reprocess),
            "notes": notes,
        },
    )


def _quantity(value: float | None, unit: str) -> dict[str, Any] | None:
    return None if value is None else {"value": value, "unit": unit}


def _q_range(facts: Facts) -> dict[str, Any] | None:
    if facts.q_range is None:
        return None
    return {"low": facts.q_range[0], "high": facts.q_range[1], "unit": "1/angstrom"}


def _mask_members(detector: str, path: str) -> list[dict[str, Any]]:
    """The members of a composite mask; uid and version of those of the registry."""
    return [
        {
            "detector": detector,
            "name": member["name"],
            "uid": member.get("uid"),
            "version": member.get("version"),
            "sha256": member["sha256"],
        }
        for member in read_mask(path).members
    ]


def _qmap(key: str | None, facts: Facts) -> dict[str, Any] | None:
    if key is None or facts.qmap is None:
        return None
    name = facts.qmap.get("source_file") or " x ".join(facts.qmap["coordinates"]) or key
    return {"key": key, "sha256": facts.qmap["digest"], "name": str(name)}


def _geometry(name: str, settings: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    geometry = settings["geometry"]
    file = geometry if isinstance(geometry, str) else None
    sha256 = facts.geometry.get(name)
    if sha256 is None and has_plane(geometry):
        # Results of xpcs keep the q-map, not the geometry that it was made with.
        from scatterflow.detectors.geometry import geometry_sha256, load_geometry

        sha256 = geometry_sha256(load_geometry(dict(settings), name))
    elif sha256 is None and file is not None:
        sha256 = file_sha256(file.partition("::")[0])
    elif sha256 is None:
        sha256 = value_digest(geometry, length=64)
    return {"detector": name, "sha256": sha256, "file": file}


def _quality(path: str, described: Described) -> dict[str, Any]:
    found = read_json(path)
    try:
        if [found["run"], found["reduction"]] != [described.run, described.reduction]:
            raise ValueError("it is of another result")
        checks = [(check["name"], check["verdict"]) for check in found["checks"]]
        verdict = found["verdict"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"no quality assessment of {described.run}/{described.reduction} ({error})",
            path,
            "delete it and run snakemake again",
        ) from None
    return {
        "verdict": verdict,
        "failed": [name for name, each in checks if each == "fail"],
        "warned": [name for name, each in checks if each == "warn"],
    }
