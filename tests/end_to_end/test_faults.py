"""Every mistake ends in one clear message, a non-zero exit code and no partial output.

One of each kind goes through snakemake; their variants are in the tests of what reads these files.
"""

from __future__ import annotations

import os
import subprocess

import fabio
import h5py
import numpy as np
import pytest

from scatterflow.config.load import read_yaml
from scatterflow.errors import UserError
from scatterflow.plan.build import build_plan

from .conftest import Project

ONE = "results/one/x/result.nxs"
TWO = "results/two/x/result.nxs"


def refused(project: Project, target: str, *words: str) -> str:
    """The output of a call that must fail with a message that holds these words."""
    found = project.snakemake(target)
    assert found.code != 0, found.text
    assert "Traceback" not in found.text, found.text
    lines = found.text.splitlines()
    errors = [i for i, line in enumerate(lines) if line.lstrip().startswith("error: ")]
    assert errors, found.text
    message = "\n".join(lines[errors[0] : errors[0] + 3])
    assert "where: " in message
    assert "mend:  " in message
    for word in words:
        assert word in message, (word, message)
    assert not project.path(target).exists()
    assert not list(project.folder.rglob("*.tmp")), "half-written files are left"
    return message


def test_missing_raw_file(project):
    project.path("raw/one_004.tif").unlink()
    refused(project, ONE, "one_004.tif", "one")


def test_missing_hdf5_file(project):
    project.path("raw/two.h5").unlink()
    refused(project, TWO, "two.h5", "two")


def test_truncated_tiff(project):
    path = project.path("raw/one_003.tif")
    path.write_bytes(path.read_bytes()[:3000])
    refused(project, ONE, "one_003.tif", "3")


def test_truncated_hdf5(project):
    path = project.path("raw/two.h5")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(project, TWO, "two.h5")


@pytest.mark.parametrize(("frames", "target"), [("5", TWO), ("9", ONE)])
def test_wrong_number_of_frames(project, frames, target):
    row = project.rows[0 if target == ONE else 1]
    row["frames"] = frames
    project.write()
    refused(project, target, row["run"])


def test_frame_of_wrong_shape(project):
    fabio.tifimage.TifImage(np.ones((10, 10), np.int32)).write(str(project.path("raw/one_002.tif")))
    refused(project, ONE, "one_002.tif", "10", "44")


def test_dataset_of_wrong_shape(project):
    with h5py.File(project.path("raw/two.h5"), "r+") as file:
        del file["entry/data/data"]
        file["entry/data/data"] = np.ones((6, 8, 9), np.uint16)
    refused(project, TWO, "8 x 9", "30 x 64", "run two")


def configured(project: Project, change) -> None:
    change(project.config, project.rows)
    project.write()


WRONG = [
    (
        lambda c, r: c["reductions"]["x"].update(integration=1),
        ["'integration'", "'integrations'"],
    ),
    (lambda c, r: c.update(detctors={}), ["'detctors'", "'detectors'"]),
    (
        lambda c, r: c["reductions"]["x"]["integrations"]["azimuthal"].update(bins="many"),
        ["bins", "many"],
    ),
    (
        lambda c, r: c["reductions"]["x"]["integrations"]["azimuthal"].update(unit="q_mm^-1"),
        ["q_mm^-1", "q_nm^-1"],
    ),
    (lambda c, r: c["sources"]["nexus"]["scalars"]["i0"].update(unit="conuts"), ["conuts"]),
    (
        lambda c, r: c["sources"]["nexus"]["scalars"].update(
            t={"type": "expression", "name": "i0.__class__"}
        ),
        ["i0.__class__"],
    ),
    (
        lambda c, r: c["sources"]["nexus"]["scalars"].update(
            t={"type": "expression", "name": "i1 / 2"}
        ),
        ["'i1'", "i0"],
    ),
    (lambda c, r: r.append(dict(r[0])), ["'one'", "twice"]),
    (lambda c, r: r[1].update(run="../x"), ["../x", "name"]),
    (lambda c, r: r[1].update(run="/abs"), ["/abs", "name"]),
    (lambda c, r: r[1].update(run="y" * 300), ["yyy", "name"]),
    (lambda c, r: c["reductions"].update({"a\nb": c["reductions"]["x"]}), ["a\\nb", "name"]),
    (lambda c, r: r[1].update(reduction="y"), ["'y'", "x"]),
    (lambda c, r: r[1].update(source="nxs"), ["'nxs'", "nexus"]),
    (lambda c, r: r[0].update(raw="../../etc/passwd"), [".."]),
    (lambda c, r: r[1].update(raw="/etc/passwd"), ["/etc/passwd"]),
    (
        lambda c, r: c["reductions"]["x"]["corrections"]["flux"].update(monitor="ic9"),
        ["'ic9'", "i0"],
    ),
]


@pytest.mark.parametrize(
    ("change", "words"), WRONG, ids=["-".join(words)[:30].replace("/", "_") for _, words in WRONG]
)
def test_wrong_configuration(project, monkeypatch, change, words):
    """As the Snakefile makes its plan; `test_a_wrong_configuration_ends_the_call` goes through snakemake."""
    configured(project, change)
    monkeypatch.chdir(project.folder)
    with pytest.raises(UserError) as caught:
        build_plan(read_yaml("config/config.yaml"), "config/config.yaml")
    message = str(caught.value)
    assert "where: " in message
    assert "mend:  " in message
    for word in words:
        assert word in message, (word, message)


@pytest.mark.parametrize(
    ("change", "target", "word"),
    [
        (lambda c, r: c.update(detctors={}), TWO, "'detectors'"),
        (lambda c, r: r[0].update(raw="../../etc/passwd"), ONE, ".."),
        (lambda c, r: c["detectors"]["waxs"].update(geometry="nowhere.poni"), TWO, "nowhere.poni"),
    ],
    ids=["key", "table", "file"],
)
def test_a_wrong_configuration_ends_the_call(project, change, target, word):
    configured(project, change)
    refused(project, target, word)
    assert not project.path("work").exists()
    assert not project.path("results").exists()


def test_duplicate_key(project):
    path = project.path("config/config.yaml")
    path.write_text(path.read_text() + "\nraw: other\n")
    refused(project, TWO, "'raw'", "twice")


def test_mask_of_wrong_shape(project):
    np.save(project.path("saxs_mask.npy"), np.zeros((9, 9), np.uint8))
    refused(project, ONE, "saxs_mask.npy", "9", "44")


def test_mask_that_looks_inverted(project):
    np.save(project.path("saxs_mask.npy"), np.load(project.path("saxs_mask.npy")) == 0)
    refused(project, ONE, "inverted")


def test_poni_that_is_not_one(project):
    project.path("saxs.poni").write_text("Distance: nan\n")
    refused(project, ONE, "saxs.poni")


def test_monitor_of_zero(project):
    path = project.path("raw/one.csv")
    path.write_text(path.read_text().replace("1030", "0"))
    refused(project, ONE, "'i0'", "frame 3")


def test_monitor_that_is_not_in_the_file(project):
    with h5py.File(project.path("raw/two.h5"), "r+") as file:
        del file["entry/i0"]
    refused(project, TWO, "entry/i0")


def test_one_broken_run_does_not_stop_the_others(project):
    np.save(project.path("saxs_mask.npy"), np.zeros((9, 9), np.uint8))
    found = project.snakemake(ONE, TWO)
    assert found.code != 0
    assert not project.path(ONE).exists()
    assert project.path(TWO).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("folder", ["work", "results"])
def test_disk_full(project, folder):
    target = project.path(folder)
    target.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(target)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        refused(project, TWO, "disk is full")
    finally:
        subprocess.run(["umount", "-l", str(target)], check=True)
    project.run(TWO)
    assert project.path(TWO).exists()
