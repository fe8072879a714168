"""Records as results have them, with their files on disk: for tests of index, portal and publishers.

    records = write_results(tmp_path / "results", 20)

makes 20 varied, valid records in results/RUN/REDUCTION/record.json, each with the files that it lists
(small, true to their checksums: HDF5 files that open, PNG that show something). `example_record(i)` makes one
without files.
"""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.catalogue.record_file import write_record
from scatterflow.files.json import write_json

CREATORS = ("Marie Curie", "Max von Laue", "Rosalind Franklin", "Dorothy Hodgkin", "Paul Scherrer")
SAMPLES = ("silica in water", "lysozyme", "LaB6", "gold nanorods", "block copolymer Größe 5", None)
TECHNIQUES: dict[str, dict[str, Any]] = {
    "saxswaxs": {
        "label": "small- and wide-angle X-ray scattering",
        "term": "http://purl.org/pan-science/PaNET/PaNET01188",
        "reduction": "swaxs",
        "detectors": ({"name": "saxs", "shape": [30, 32]}, {"name": "waxs", "shape": [19, 48]}),
    },
    "xpcs": {
        "label": "X-ray photon correlation spectroscopy",
        "term": "http://purl.org/pan-science/PaNET/PaNET01205",
        "reduction": "dynamics",
        "detectors": ({"name": "speckles", "shape": [32, 32]},),
    },
    "shots": {
        "label": "X-ray free-electron laser experiment, shot by shot",
        "term": None,
        "reduction": "pump_probe",
        "detectors": ({"name": "jungfrau", "shape": [64, 128]},),
    },
}
VERDICTS = ("pass", "pass", "pass", "warn", "fail")
START = datetime(2025, 3, 1, 8, tzinfo=UTC)
CHECKS = {"pass": ([], []), "warn": ([], ["intensity_drift"]), "fail": (["photons_per_bin"], [])}


def example_record(number: int = 0, **changed: Any) -> dict[str, Any]:
    """Record number `number` (technique, sample, creator, date... go round); changed: fields replaced."""
    name = list(TECHNIQUES)[number % 3]
    technique = TECHNIQUES[name]
    run, reduction = f"run_{number:04d}", technique["reduction"]
    started = START + timedelta(hours=29 * number)
    failed, warned = CHECKS[VERDICTS[number % 5]]
    sample = SAMPLES[number % 6]
    detectors = list(technique["detectors"])
    title = (
        f"{'Dynamics' if name == 'xpcs' else 'Structure'} of {sample or 'nothing in particular'}"
    )
    record = {
        "schema": "scatterflow-record-1",
        "id": f"{run}/{reduction}",
        "run": run,
        "reduction": reduction,
        "datacite": {
            "identifiers": [{"identifier": f"{run}/{reduction}", "identifierType": "local"}],
            "titles": [{"title": f"{title}: {run}"}],
            "creators": [
                {"name": CREATORS[number % 5]},
                *([{"name": CREATORS[(number + 2) % 5]}] if number % 4 == 0 else []),
            ],
            "publisher": "Example Light Source",
            "publicationYear": started.year,
            "types": {"resourceTypeGeneral": "Dataset", "resourceType": technique["label"]},
            "dates": [{"date": _time(started), "dateType": "Collected"}],
            "formats": ["application/x-hdf5", "image/png"],
            "subjects": [{"subject": technique["label"]}],
            "schemaVersion": "http://datacite.org/schema/kernel-4",
        },
        "technique": {"name": name, "label": technique["label"], "term": technique["term"]},
        "sample": sample,
        "experiment": {
            "title": title,
            "facility": "Example Light Source",
            "facility_type": "Synchrotron X-ray Source",
            "beamline": f"B{number % 4 + 1}",
            "proposal": None if number % 7 == 0 else f"P-{1000 + number // 10}",
            "cycle": None if number % 11 == 0 else f"{started.year}-{(started.month - 1) // 4 + 1}",
        },
        "detectors": detectors,
        "energy": None if number % 13 == 12 else {"value": 8.0 + number % 5, "unit": "keV"},
        "q_range": {"low": 0.0012, "high": 0.0052 + 0.01 * (number % 3), "unit": "1/angstrom"},
        "exposure_time": None
        if name == "shots"
        else {"value": 0.001 * (number % 9 + 1), "unit": "s"},
        "frames": 100 + 10 * number,
        "times": {
            "run_start": _time(started),
            "run_end": None if number % 8 == 7 else _time(started + timedelta(minutes=3)),
            "reduced": _time(started + timedelta(minutes=20)),
            "described": _time(started + timedelta(minutes=25)),
        },
        "masks": [
            {
                "detector": detector["name"],
                "name": "beamstop",
                "uid": f"{detector['name']}-beamstop-{number % 3 + 1}" if number % 2 else None,
                "version": number % 3 + 1 if number % 2 else None,
                "sha256": _sha256(f"{detector['name']} {number % 3}".encode()),
            }
            for detector in detectors
        ],
        "qmap": (
            {
                "key": f"speckles-{number % 2}",
                "sha256": _sha256(bytes([number % 2])),
                "name": f"rings of {'q' if number % 2 else 'q, phi'}",
            }
            if name == "xpcs"
            else None
        ),
        "geometry": [
            {
                "detector": detector["name"],
                "sha256": _sha256(detector["name"].encode()),
                "file": f"config/geometry/{detector['name']}.poni",
            }
            for detector in detectors
        ],
        "quality": {"verdict": VERDICTS[number % 5], "failed": failed, "warned": warned},
        "processing": {
            "software": {
                "scatterflow": "0.1.0",
                "commit": None,
                "python": "3.11.7",
                "packages": {},
            },
            "steps": [
                {
                    "rule": rule,
                    "started": _time(started + timedelta(minutes=minutes)),
                    "finished": _time(started + timedelta(minutes=minutes + 1)),
                    "seconds": 60.0,
                    "jobs": jobs,
                    "host_kind": "slurm" if number % 2 else "local",
                }
                for rule, minutes, jobs in (("integrate_chunk", 5, 4), ("assemble_result", 10, 1))
            ],
            "parameters": {"technique": name, "bins": 500},
            "raw_files": 3,
            "raw_bytes": 1_000_000 + number,
            "configuration_sha256": _sha256(str(number).encode()),
        },
        "metadata": {
            "run_table": {
                "run": run,
                "reduction": reduction,
                "sample": sample or "",
                "operator": "Ada",
            },
            "raw": {
                "instrument.temperature": {"value": 293.15 + number % 10, "unit": "K"},
                "instrument.monochromator.crystal": {"value": "Si 111", "unit": None},
                "instrument.shutter.open": {"value": True, "unit": None},
                "instrument.current": {"value": None, "unit": "mA"},
            },
        },
        "files": [],
        "reprocess": {
            "command": f"snakemake --cores all results/{run}/{reduction}/record.json",
            "configuration": f"overrides:\n- where: {{run: {run}}}\n  set: {{chunks.frames: 20}}\n",
        },
        "notes": ["metadata instrument.current was not finite"],
    }
    return {**record, **changed}


def write_results(results: str | Path, number: int) -> list[dict[str, Any]]:
    """Write `number` results with their files and records; returns the records."""
    return [write_result(results, example_record(each)) for each in range(number)]


def write_result(results: str | Path, record: dict[str, Any]) -> dict[str, Any]:
    """Write the files of a record, list them in it (`files`), and write the record."""
    folder = Path(results) / record["run"] / record["reduction"]
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    technique, run = record["technique"]["name"], record["run"]
    files = [("result.nxs", "application/x-hdf5", "result")]
    _write_nexus(folder / "result.nxs", technique)
    if technique == "xpcs":
        _write_nexus(folder / "analysis.nxs", technique)
        _write_nexus(folder / f"{run}_results.hdf", technique)
        files.append(("analysis.nxs", "application/x-hdf5", "analysis"))
        files.append((f"{run}_results.hdf", "application/x-hdf5", "result"))
    if technique == "shots":
        _write_nexus(folder / f"{run}.h5", technique)
        _write_nexus(folder / "cube_delay.nxs", technique)
        files.append((f"{run}.h5", "application/x-hdf5", "small_data"))
        files.append(("cube_delay.nxs", "application/x-hdf5", "cube"))
    for name in {"xpcs": ("g2", "scattering", "twotime")}.get(technique, ("mean", "frames")):
        (folder / f"plots/{name}.png").write_bytes(_png(hash_of=f"{run} {name}"))
        (folder / f"plots/{name}.svg").write_text(_svg(name))
        files.append((f"plots/{name}.png", "image/png", "plot"))
        files.append((f"plots/{name}.svg", "image/svg+xml", "plot"))
    (folder / "thumbnail.png").write_bytes(_png(hash_of=run))
    files.append(("thumbnail.png", "image/png", "thumbnail"))
    write_json(folder / "quality.json", example_quality(record))
    files.append(("quality.json", "application/json", "quality"))
    record = {**record, "files": [_file(folder, *each) for each in files]}
    write_record(folder / "record.json", record)
    return record


def example_quality(record: dict[str, Any]) -> dict[str, Any]:
    """quality.json that agrees with a record."""
    verdicts = {
        **dict.fromkeys(record["quality"]["failed"], "fail"),
        **dict.fromkeys(record["quality"]["warned"], "warn"),
        "structure": "pass",
    }
    return {
        "schema": "scatterflow-quality-1",
        "run": record["run"],
        "reduction": record["reduction"],
        "technique": record["technique"]["name"],
        "verdict": record["quality"]["verdict"],
        "checks": [
            {
                "name": name,
                "title": name.replace("_", " "),
                "value": 0.5,
                "limit": 0.1,
                "unit": None,
                "verdict": verdict,
                "sentence": f"The {name.replace('_', ' ')} is 0.5; the limit is 0.1.",
                "details": {},
            }
            for name, verdict in verdicts.items()
        ],
        "assessed": record["times"]["described"],
        "software": record["processing"]["software"],
    }


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file(folder: Path, path: str, mime: str, role: str) -> dict[str, Any]:
    content = (folder / path).read_bytes()
    described = {"path": path, "bytes": len(content), "sha256": _sha256(content)}
    return {**described, "mime": mime, "role": role}


def _write_nexus(path: Path, technique: str) -> None:
    """A default plot with errors: g2 over the delay, else I over q, three curves."""
    signal, axis, unit = ("g2", "delay", "s") if technique == "xpcs" else ("I", "q", "1/angstrom")
    x = np.geomspace(1e-3, 1, 40)
    curves = np.array([1 + 0.2 * np.exp(-2 * x * rate) for rate in (1, 5, 20)])
    with h5py.File(path, "w", track_order=False) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry"})
        entry = file.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "data"})
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": signal, "axes": ["bin", axis]})
        data.attrs["interpretation"] = "spectrum"
        data.attrs["SILX_style"] = '{"axes_scale_types": ["log"], "axes_scale_type": ["log"]}'
        data[signal], data[f"{signal}_errors"] = curves, np.full(curves.shape, 0.01)
        data[axis], data["bin"] = x, np.arange(1, 4)
        data[axis].attrs["units"] = unit


def _png(hash_of: str) -> bytes:
    """A small picture, of another colour for every text."""
    from PIL import Image

    red, green, blue = hashlib.sha256(hash_of.encode()).digest()[:3]
    image = np.empty((24, 32, 3), np.uint8)
    image[:] = red, green, blue
    image[8:16, 8:24] = 255
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png")
    return stream.getvalue()


def _svg(name: str) -> str:
    shape = '<rect width="32" height="24" fill="steelblue"/>'
    start = '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="24">'
    return f"{start}{shape}<title>{name}</title></svg>\n"
