"""The workflow as a module of another one, which lies in a folder of its own and has rules of its own."""

from __future__ import annotations

import shutil

import h5py
import pytest

from .conftest import REPOSITORY, Project, make_project

SNAKEFILE = """\
configfile: "config/config.yaml"


module scatterflow:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from scatterflow


rule summary:
    input:
        "results/one/x/result.nxs",
    output:
        "summary.txt",
    shell:
        "ls -s {{input}} > {{output}}"
"""


@pytest.fixture
def other(tmp_path) -> Project:
    """A small project whose folder holds none of the workflow's files."""
    project = make_project(tmp_path / "other")
    for name in ("rules", "scripts", "profiles", "envs"):
        shutil.rmtree(project.path(name))
    project.config["reductions"]["x"]["integrations"] = {"azimuthal": {"kind": "azimuthal"}}
    project.config["chunks"] = {"frames": 6}
    project.rows = project.rows[:1]
    project.write()
    text = SNAKEFILE.format(snakefile=REPOSITORY / "Snakefile")
    project.path("Snakefile").write_text(text)
    return project


def test_the_workflow_is_used_as_a_module(other):
    other.run("summary.txt")
    assert other.path("summary.txt").read_text().split()[1] == "results/one/x/result.nxs"
    with h5py.File(other.path("results/one/x/result.nxs")) as file:
        assert file["entry/saxs_azimuthal/data/I"].shape == (6, 1000)
    # Everything else that the module makes is planned as well, and nothing is made twice.
    planned = other.plan("results/one/x/plots/saxs_frames.png")
    assert planned.rules() == {"plot_frames"}
    # Its mistakes are told as in the workflow itself.
    other.config["detetcors"] = other.config.pop("detectors")
    other.write()
    refused = other.snakemake("-n")
    assert refused.code == 1
    assert "did you mean 'detectors'?" in refused.text
    assert "Traceback" not in refused.text


def test_a_module_without_its_library_is_refused(other):
    """As it would be from a web address, from which Snakemake fetches single files."""
    shutil.copytree(REPOSITORY / "rules", other.path("elsewhere/rules"))
    shutil.copy(REPOSITORY / "Snakefile", other.path("elsewhere/Snakefile"))
    text = SNAKEFILE.format(snakefile="elsewhere/Snakefile")
    other.path("Snakefile").write_text(text)
    refused = other.snakemake("-n")
    assert refused.code == 1
    assert "error: there is no library beside" in refused.text
    assert "mend:  clone the repository" in refused.text
    assert "Traceback" not in refused.text
