"""Masks proposed by the workflow from frames: found, drawn, accepted, used."""

from __future__ import annotations

import re

import h5py
import numpy as np
import pytest

from scatterflow.config.load import read_yaml
from scatterflow.errors import UserError
from scatterflow.plan.build import build_plan
from scatterflow.registry import accept, find, get_record, load_mask

from .conftest import SHAPES, make_project


@pytest.fixture
def project(tmp_path):
    """A project with a dark run of the waxs detector: two hot pixels, one flickering."""
    project = make_project(tmp_path / "project")
    frames = np.random.default_rng(5).poisson(0.05, (40, *SHAPES["waxs"])).astype(np.uint16)
    frames[:, 3, 7] += 4
    frames[:, 20, 50] += 9
    frames[::8, 11, 11] += 200
    with h5py.File(project.path("raw/dark.h5"), "w") as file:
        file.create_dataset("entry/data/data", data=frames, chunks=(1, *SHAPES["waxs"]))
        file["entry/i0"] = np.ones(40)
    row = {"run": "dark", "reduction": "", "source": "nexus", "raw": "dark.h5", "frames": "40"}
    project.rows.append(row)
    project.config["proposals"] = {"hot": {"type": "hot", "detector": "waxs", "run": "dark"}}
    project.write()
    return project


def test_a_proposal_is_found_drawn_accepted_and_used(project):
    project.run("proposals")
    registry = project.folder / "registry"
    (proposal,) = find(kind="proposal", registry=registry)
    assert find(kind="mask", registry=registry) == []
    good, reasons = load_mask(proposal, registry=registry)
    assert set(map(tuple, np.argwhere(~good))) == {(3, 7), (20, 50), (11, 11)}
    assert set(reasons[~good]) == {1 << 4}
    assert proposal.source["found by"] == {"type": "hot", "threshold": 6.0}
    assert proposal.source["run"] == "dark"
    assert proposal.source["frames"] == [0, 40]
    assert project.path("resources/proposals/hot.png").stat().st_size > 1000
    assert project.plan("proposals").jobs == []

    accepted = accept("waxs", "hot", registry=registry)
    project.config["detectors"]["waxs"]["masks"] = [{"type": "registry", "name": "hot"}]
    project.write()
    project.run("results/two/x/result.nxs")
    with h5py.File(project.path("results/two/x/result.nxs")) as file:
        pixel_mask = file["entry/instrument/waxs/pixel_mask"][()]
    np.testing.assert_array_equal(pixel_mask, reasons)
    assert get_record("mask", "waxs", "hot", registry=registry) == accepted

    project.config["proposals"]["hot"]["threshold"] = 1e6
    project.write()
    refused = project.snakemake("proposals")
    assert refused.code != 0
    assert "no pixel was found" in refused.text
    assert len(find(kind="proposal", registry=registry, all_versions=True)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": "wax"}, "is not in `detectors`"),
        ({"threshold": -1}, "must be above 0"),
        ({"type": "hott"}, "did you mean 'hot'?"),
    ],
    ids=str,
)
def test_a_proposal_that_cannot_be_planned(project, monkeypatch, change, message):
    project.config["proposals"]["hot"].update(change)
    project.write()
    monkeypatch.chdir(project.folder)
    with pytest.raises(UserError, match=re.escape(message)):
        build_plan(read_yaml("config/config.yaml"), "config/config.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": "drak"}, "did you mean 'dark'?"),
        ({"detector": "saxs"}, "has no frames of detector 'saxs'"),
    ],
    ids=str,
)
def test_a_wrong_proposal_is_one_message(project, change, message):
    project.config["proposals"]["hot"].update(change)
    project.write()
    refused = project.snakemake("-n", "proposals")
    assert refused.code != 0
    assert message in refused.text
    assert "Traceback" not in refused.text
