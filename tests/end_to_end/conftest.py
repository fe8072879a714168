"""A small project like a user's clone, run through the real snakemake."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fabio
import h5py
import numpy as np
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PONI = """\
# test geometry
poni_version: 2.1
Detector: Detector
Detector_config: {{"pixel1": 0.000172, "pixel2": 0.000172, "max_shape": [{rows}, {columns}]}}
Distance: {distance}
Poni1: 0.004
Poni2: 0.005
Rot1: 0.02
Rot2: 0.01
Rot3: 0.0
Wavelength: 1e-10
"""
SHAPES = {"saxs": (44, 52), "waxs": (30, 64)}
INTEGRATIONS = {
    "azimuthal": {"kind": "azimuthal", "bins": 40},
    "cake": {"kind": "cake", "radial_bins": 20, "azimuthal_bins": 18},
    "radial": {"kind": "radial", "bins": 24, "radial_bins": 10},
}


@dataclass
class Job:
    """A planned job, as `snakemake -n` prints it."""

    rule: str
    outputs: list[str]

    @property
    def run(self) -> str:
        """The run that the job belongs to, from its first output."""
        parts = self.outputs[0].split("/")
        return parts[1] if parts[0] in ("work", "results") else ""


@dataclass
class Finished:
    """A finished call of snakemake."""

    code: int
    text: str
    jobs: list[Job] = field(default_factory=list)

    def rules(self, run: str | None = None) -> set[str]:
        """Planned rules (of one run), `all` left out."""
        return {job.rule for job in self.jobs if run is None or job.run == run} - {"all"}


@dataclass
class Project:
    """A folder with a copy of the workflow, raw data and a configuration.

    described: results are checked and described as well; only the demo's are, to save time.
    """

    folder: Path
    config: dict[str, Any]
    rows: list[dict[str, str]]
    described: bool = False

    def write(self) -> None:
        (self.folder / "config").mkdir(exist_ok=True)
        self.path("config/config.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False))
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        lines = ["\t".join(columns)]
        lines += ["\t".join(row.get(column, "") for column in columns) for row in self.rows]
        self.path("config/runs.tsv").write_text("\n".join(lines) + "\n")

    def path(self, name: str) -> Path:
        return self.folder / name

    def command(self, *arguments: str) -> list[str]:
        without = [] if self.described else ["--omit-from", "assess_quality", "build_catalogue"]
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, *without]

    def snakemake(self, *arguments: str, timeout: float = 1200) -> Finished:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout,
        )
        return Finished(done.returncode, done.stdout, planned_jobs(done.stdout))

    def plan(self, *arguments: str) -> Finished:
        found = self.snakemake("-n", *arguments)
        assert found.code == 0, found.text
        return found

    def run(self, *arguments: str) -> Finished:
        found = self.snakemake(*arguments)
        assert found.code == 0, found.text
        return found

    def results(self) -> dict[str, dict[str, np.ndarray]]:
        """All numbers of all result files, but for dates."""
        return {
            str(path.relative_to(self.folder)): numbers(path)
            for path in sorted(self.folder.glob("results/*/*/result.nxs"))
        }


def environment() -> dict[str, str]:
    """The tests' environment without what would change how snakemake behaves."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
    kept.pop("PYTHONPATH", None)
    return {**kept, "NUMBA_CACHE_DIR": str(REPOSITORY / ".numba_cache")}


def planned_jobs(text: str) -> list[Job]:
    """Jobs in the output of `snakemake -n`."""
    jobs = []
    for block in re.split(r"\n(?=\[|rule |localrule )", text):
        rule = re.search(r"^(?:local)?rule (\w+):", block, re.MULTILINE)
        outputs = re.search(r"^    output: (.*)$", block, re.MULTILINE)
        if rule:
            jobs.append(Job(rule[1], outputs[1].split(", ") if outputs else [""]))
    return jobs


def numbers(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if (
            isinstance(item, h5py.Dataset)
            and item.dtype.kind in "iufb"
            and "provenance" not in name
        ):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def same_numbers(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for path, values in a.items():
        assert values.keys() == b[path].keys()
        for name, value in values.items():
            assert np.asarray(value).tobytes() == np.asarray(b[path][name]).tobytes(), (path, name)


def write_raw(folder: Path, frames: int = 6) -> None:
    """Run `one`: TIFF series with a CSV of monitors (saxs); run `two`: HDF5 (waxs)."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(frames):
        frame = rng.poisson(30, SHAPES["saxs"]).astype(np.int32)
        fabio.tifimage.TifImage(frame).write(str(folder / f"one_{i:03d}.tif"))
    lines = ["i0,samx", *(f"{1000 + 10 * i},{0.5 * i}" for i in range(frames))]
    (folder / "one.csv").write_text("\n".join(lines) + "\n")
    with h5py.File(folder / "two.h5", "w") as file:
        data = rng.poisson(12, (frames, *SHAPES["waxs"])).astype(np.uint16)
        file.create_dataset("entry/data/data", data=data, chunks=(1, *SHAPES["waxs"]))
        file["entry/i0"] = 500.0 + 5 * np.arange(frames)


def copy_workflow(folder: Path) -> None:
    for name in ("rules", "scripts", "profiles", "envs"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / "Snakefile", folder / "Snakefile")


def make_project(folder: Path) -> Project:
    copy_workflow(folder)
    write_raw(folder / "raw")
    for name, (rows, columns) in SHAPES.items():
        text = PONI.format(rows=rows, columns=columns, distance=0.2)
        (folder / f"{name}.poni").write_text(text)
    masked = np.zeros(SHAPES["saxs"], np.uint8)
    masked[20:24, 25:30] = 1
    np.save(folder / "saxs_mask.npy", masked)
    config: dict[str, Any] = {
        "experiment": {"title": "Test", "facility": "Lab", "beamline": "B1", "creators": ["A. P."]},
        "runs": "config/runs.tsv",
        "raw": "raw",
        "sources": {
            "tiffs": {
                "format": "images",
                "frames": {"saxs": "{raw}_{frame:03d}.tif"},
                "table": "{raw}.csv",
                "scalars": {
                    "i0": {"type": "column", "name": "i0", "unit": "counts"},
                    "samx": {"type": "column", "name": "samx", "unit": "mm"},
                },
            },
            "nexus": {
                "format": "hdf5",
                "frames": {"waxs": "entry/data/data"},
                "scalars": {"i0": {"type": "dataset", "name": "entry/i0", "unit": "counts"}},
            },
        },
        "detectors": {
            "saxs": {
                "shape": list(SHAPES["saxs"]),
                "geometry": "saxs.poni",
                "masks": [
                    {"type": "file", "name": "bad", "path": "saxs_mask.npy", "true_means": "masked"}
                ],
            },
            "waxs": {"shape": list(SHAPES["waxs"]), "geometry": "waxs.poni"},
        },
        "reductions": {
            "x": {
                "technique": "saxswaxs",
                "integrations": copy.deepcopy(INTEGRATIONS),
                "corrections": {"flux": {"monitor": "i0"}},
            }
        },
        "chunks": {"frames": 2},
    }
    rows = [
        {
            "run": "one",
            "reduction": "x",
            "source": "tiffs",
            "raw": "one",
            "frames": "6",
            "sample": "water",
        },
        {
            "run": "two",
            "reduction": "x",
            "source": "nexus",
            "raw": "two.h5",
            "frames": "6",
            "sample": "air",
        },
    ]
    project = Project(folder, config, rows)
    project.write()
    return project


@pytest.fixture
def project(tmp_path) -> Project:
    """A fresh project; nothing has run."""
    return make_project(tmp_path / "project")
