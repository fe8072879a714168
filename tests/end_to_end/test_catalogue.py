"""Records and index of a small project, by the real snakemake."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from scatterflow.files.json import write_json

from .conftest import Project, environment

pytestmark = pytest.mark.end_to_end


def scatterflow(project: Project, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "scripts/scatterflow", *arguments],
        cwd=project.folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_records_are_made_found_and_made_again_only_when_outdated(project) -> None:
    integration = project.config["reductions"]["x"]["integrations"]["azimuthal"]
    project.config["reductions"]["x"]["integrations"] = {"azimuthal": integration}
    project.rows = project.rows[:1]
    project.rows[0]["sample"] = "<b>{water}</b> 'x' OR 1"
    project.config["publication"] = {"licence": "CC-BY-4.0", "cycle": "2026-1"}
    project.config["experiment"]["creators"] = []
    project.write()
    verdict = {"run": "one", "reduction": "x", "verdict": "pass", "checks": []}
    write_json(project.path("results/one/x/quality.json"), verdict)
    refused = project.snakemake("results/catalogue/index.sqlite")
    assert refused.code == 1
    assert "where: key experiment.creators" in refused.text
    assert not project.path("results/one/x/record.json").exists()

    project.config["experiment"]["creators"] = ["Curie, Marie"]
    project.write()
    project.run("results/catalogue/index.sqlite")
    folder = project.path("results/one/x")
    record = json.loads((folder / "record.json").read_text())
    assert record["sample"] == "<b>{water}</b> 'x' OR 1"
    assert record["datacite"]["creators"] == [{"name": "Curie, Marie"}]
    assert record["q_range"]["unit"] == "1/angstrom"
    paths = {item["path"] for item in record["files"]}
    assert {"result.nxs", "thumbnail.png", "quality.json", "plots/saxs_azimuthal_mean.svg"} <= paths
    for item in record["files"]:
        assert hashlib.sha256((folder / item["path"]).read_bytes()).hexdigest() == item["sha256"]
    steps = {step["rule"]: step for step in record["processing"]["steps"]}
    assert steps["integrate_chunk"]["jobs"] == 3
    assert {"build_mask", "prepare_integration", "assemble_result"} <= steps.keys()
    assert all(step["started"] and step["host_kind"] for step in steps.values())

    assert scatterflow(project, "search", "x' OR 1", "--json").count('"id": "one/x"') == 1
    assert "1 found" in scatterflow(
        project, "search", "--cycle", "2026-1", "--creator", "Curie, Marie"
    )
    assert "0 added, 0 changed" in scatterflow(project, "index")
    assert project.plan("results/catalogue/index.sqlite").jobs == []

    project.config["publication"]["keywords"] = ["colloid"]
    project.write()
    outdated = project.plan("results/catalogue/index.sqlite").rules()
    assert outdated == {"describe_result", "build_catalogue"}
    project.run("results/catalogue/index.sqlite")
    assert "1 found" in scatterflow(project, "search", "colloid")
