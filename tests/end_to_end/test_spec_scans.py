"""Scans of one SPEC file: a scan appended later, at a beamline every few minutes, outdates nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import fabio
import numpy as np
import pytest

from scatterflow.sources.spec_writer import write_spec_scan

from .conftest import SHAPES, Project, make_project

POINTS = 3
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add_scan(project: Project, number: int) -> None:
    """Scan `number` of raw/chess/sample, with its frames."""
    spec = project.path("raw/chess/sample")
    folder = project.path(f"raw/chess/sample_{number:03d}")
    folder.mkdir(parents=True)
    rng = np.random.default_rng(number)
    for point in range(POINTS):
        frame = rng.poisson(20, SHAPES["saxs"]).astype(np.int32)
        name = f"sample_PIL1_{number:03d}_{point:03d}.tiff"
        fabio.tifimage.TifImage(frame).write(str(folder / name))
    positions = np.linspace(0, 1, POINTS)
    write_spec_scan(
        spec,
        number,
        f"ascan samx 0 1 {POINTS - 1} 1",
        {"samx": 0.0},
        {"samx": positions, "ic1": 1000.0 + np.arange(POINTS)},
        START + timedelta(minutes=number),
    )


def row(number: int) -> dict[str, str]:
    return {
        "run": f"scan{number}",
        "reduction": "x",
        "source": "chess",
        "raw": f"chess/sample::{number}",
        "frames": str(POINTS),
    }


def results(project: Project) -> list[str]:
    return [f"results/{row['run']}/x/result.nxs" for row in project.rows]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    project = make_project(tmp_path_factory.mktemp("spec") / "project")
    project.config["sources"]["chess"] = {
        "format": "spec",
        "frames": {"saxs": "PIL1"},
        "scalars": {
            "i0": {"type": "scan_column", "name": "ic1", "unit": "counts"},
            "samx": {"type": "spec_motor_absolute", "name": "samx", "unit": "mm"},
        },
    }
    project.config["reductions"]["x"]["integrations"] = {
        "azimuthal": {"kind": "azimuthal", "bins": 40}
    }
    project.rows = [row(1), row(2)]
    for number in (1, 2):
        add_scan(project, number)
    project.write()
    project.run(*results(project))
    return project


def test_an_appended_scan_plans_nothing_and_then_only_itself(project):
    assert project.plan(*results(project)).jobs == []
    add_scan(project, 3)
    assert project.plan(*results(project)).jobs == []
    project.rows.append(row(3))
    project.write()
    assert {job.run for job in project.plan(*results(project)).jobs if job.rule != "all"} == {
        "scan3"
    }
    project.rows.pop()
    project.write()


def test_a_changed_scan_outdates_its_own_result(project):
    spec = project.path("raw/chess/sample")
    before = spec.read_text()
    first = before.index("1000")
    spec.write_text(before[:first] + "1009" + before[first + 4 :])
    plan = project.plan(*results(project))
    assert {job.run for job in plan.jobs if job.rule != "all"} == {"scan1"}
    assert "assemble_result" in plan.rules("scan1")
    assert "integrate_chunk" not in plan.rules("scan1")
    spec.write_text(before)
    assert project.plan(*results(project)).jobs == []
