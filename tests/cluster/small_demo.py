"""Three runs of the demo, one of each technique, in chunks that take a second."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from scatterflow.sources.demo import simulate_demo_run
from tests.end_to_end.conftest import REPOSITORY, Project, copy_workflow

RUNS = {
    "series": ("series", "eiger", "demo/series_master.h5", 60, {"frames": 20}),
    "colloid": ("dynamics", "imm", "xpcs/imm/colloid.imm", 1000, {"frames": 334}),
    "pump": ("pumpprobe", "sacla", "shots/sacla/1001.h5", 360, {"frames": 120}),
    "dark_sacla": ("", "sacla", "shots/sacla/1000.h5", 360, {}),
}
CHUNK_RULES = ("integrate_chunk", "sort_chunk", "reduce_shots_chunk")
TARGETS = [f"results/{run}/{row[0]}/result.nxs" for run, row in RUNS.items() if row[0]]
FAST = {"seconds_between_looks": 1, "seconds_for_files": 5}


def make_small_demo(folder: Path) -> Project:
    """Raw data and configuration; nothing has run."""
    copy_workflow(folder)
    shutil.copytree(REPOSITORY / "config/geometry", folder / "config/geometry")
    project = Project(folder, _configuration(), [])
    for run, (reduction, source, raw, frames, chunks) in RUNS.items():
        simulate_demo_run(raw, folder / "raw", 1)
        row = {"run": run, "reduction": reduction, "source": source, "raw": raw}
        project.rows.append({**row, "frames": str(frames), "sample": "demo"})
        project.config["overrides"].append({"runs": run, "set": {"chunks": chunks}})
    project.write()
    return project


def copy_raw(project: Project, folder: Path, **site: object) -> Project:
    """The project with its raw data and without what was made of them, for a cluster of these settings."""
    copy_workflow(folder)
    for name in ("config", "raw"):
        shutil.copytree(project.path(name), folder / name)
    settings = folder / "profiles/site.yaml"
    settings.write_text(yaml.safe_dump({**yaml.safe_load(settings.read_text()), **FAST, **site}))
    return Project(folder, project.config, project.rows)


def _configuration() -> dict:
    """The demo's, with one integration and without what is computed besides the correlation."""
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    del config["demo"], config["chunks"]
    config["overrides"] = []
    for block, names in {
        "sources": ("eiger", "imm", "sacla"),
        "detectors": ("eiger", "speckles", "ccd"),
        "reductions": ("series", "dynamics", "pumpprobe"),
    }.items():
        config[block] = {name: config[block][name] for name in names}
    for reduction, key in (
        (config["reductions"]["series"]["integrations"], "cake"),
        (config["reductions"]["dynamics"], "twotime"),
        (config["reductions"]["dynamics"], "speckle_statistics"),
    ):
        del reduction[key]
    return config
