"""A run in one HDF5 file that is still being written: the watcher has its first chunk integrated, once, by a
cluster that is given after `--`."""

from __future__ import annotations

import json
import signal

import h5py
import numpy as np
import psutil

from scatterflow.live.growing import keep_chunks
from scatterflow.live.wanted import Wanted
from scatterflow.plan.build import build_plan

from ..live.appending import Detector
from .conftest import SHAPES
from .test_watch import command, kill_everything, until

RESULT = "results/two/x/result.nxs"
CHUNK = "work/two/x/chunks/000000-000003.json"
PROFILE = """
executor: cluster-generic
cluster-generic-submit-cmd: sh toy/submit
jobs: 2
seconds-between-status-checks: 1
"""
SUBMIT = """
echo "$1" >> toy/submitted
sh "$1" > /dev/null 2>&1 &
echo $!
"""


def test_a_chunk_of_a_growing_file_is_integrated_once(project, monkeypatch):
    monkeypatch.chdir(project.folder)
    project.config["chunks"] = {"frames": 3}
    azimuthal = project.config["reductions"]["x"]["integrations"]["azimuthal"]
    project.config["reductions"]["x"]["integrations"] = {"azimuthal": azimuthal}
    project.config["live"] = {"settle_s": 1000, "look_every_s": 0.5}
    project.rows = project.rows[1:]
    project.write()
    for path in project.path("raw").iterdir():
        path.unlink()
    project.path("toy").mkdir()
    project.path("toy/config.yaml").write_text(PROFILE)
    project.path("toy/submit").write_text(SUBMIT)
    chunk = project.path(CHUNK)
    log = project.path("logs/integrate_chunk/two/x/000000-000003.log")
    with Detector(project.path("raw/two.h5"), "entry/data/data", SHAPES["waxs"]) as detector:
        detector.append(3, 4, 5, 6, 7)
        watcher = command(project, "watch", "--", "--profile", "toy")
        try:
            calls = psutil.Process(watcher.pid).children
            until(lambda: chunk.exists() and not calls(), "the first chunk, the end of the call")
            watcher.send_signal(signal.SIGTERM)
            assert watcher.wait() == 0, watcher.communicate()[0]
        finally:
            kill_everything(project)
        first, early = log.read_text(), json.loads(chunk.read_text())["checksums"]
        detector.append(8)
        detector.close()
    # Jobs were submitted: the mask, the weights, the chunk; the container is made without the cluster.
    assert len(project.path("toy/submitted").read_text().split()) == 3
    assert "integrate_chunk" in project.plan(CHUNK).rules()  # the file is newer than the receipt
    plan = build_plan(project.config, "config.yaml")
    keep_chunks(plan, Wanted([("two", "x")], []))
    project.run(RESULT)
    assert json.loads(chunk.read_text())["checksums"] == early
    assert log.read_text() == first
    # All pixels of frame i hold i + 3 counts, the monitor 500 + i.
    with h5py.File(project.path(RESULT)) as file:
        intensity = file["entry/waxs_azimuthal/data/I"][()]
    per_count = intensity * ((500 + np.arange(6)) / (3 + np.arange(6)))[:, None]
    np.testing.assert_allclose(per_count, per_count[:1].repeat(6, axis=0), rtol=1e-9)
