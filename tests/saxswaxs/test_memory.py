"""The largest memory of a chunk job in a process of its own, against the plan and the promised bound."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from pyFAI.detectors import Detector
from pyFAI.integrator.azimuthal import AzimuthalIntegrator

from scatterflow.plan.build import (
    BYTES_PER_BIN,
    SUM_BYTES_PER_PIXEL,
    THREAD_BYTES_PER_BIN,
    THREAD_BYTES_PER_PIXEL,
    WEIGHTS_BYTES_PER_PIXEL,
)
from scatterflow.plan.chunks import FrameLoad, memory_estimate_mb, stored_frames
from scatterflow.saxswaxs.container import setup_container
from scatterflow.saxswaxs.weights import prepare_weights, write_weights

from .conftest import BASE, VALID

SHAPE = (1000, 1100)
FRAMES = 64
BINS = {"azimuthal": (500,), "cake": (180, 200)}
STORAGE = {"contiguous": {}, "gzip": {"compression": "gzip", "compression_opts": 1}, "bslz4": {}}

JOB = """
import json, sys
from scatterflow.saxswaxs.integrate import Calibration, integrate_chunk
from scatterflow.saxswaxs.tasks import read_tasks
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_source

job = json.loads(sys.argv[1])
integrate_chunk(
    job["container"],
    open_source(RunLocation.from_fields(job["location"])),
    0,
    job["frames"],
    read_tasks(job["tasks"], job["weights"]),
    {"area": Calibration(job["valid"])},
    threads=job["threads"],
)
with open("/proc/self/status") as status:  # ru_maxrss would count the process that started this one
    print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("memory")
    detector = Detector(75e-6, 75e-6, max_shape=SHAPE)
    geometry = AzimuthalIntegrator(0.2, 0.03, 0.04, detector=detector, wavelength=1e-10)
    settings = {
        "azimuthal": {"kind": "azimuthal", "bins": BINS["azimuthal"][0]},
        "cake": {
            "kind": "cake",
            "azimuthal_bins": BINS["cake"][0],
            "radial_bins": BINS["cake"][1],
        },
    }
    for name, own in settings.items():
        weights = prepare_weights(geometry, np.ones(SHAPE, bool), {**BASE, **own})
        write_weights(folder / f"{name}.h5", weights)
    return folder


@pytest.mark.parametrize("storage", list(STORAGE))
def test_a_chunk_job_stays_within_its_memory(folder, storage):
    path = folder / f"{storage}.h5"
    frame = np.random.default_rng(1).poisson(1, SHAPE).astype(np.uint32)
    options = {**STORAGE[storage], **({"chunks": (1, *SHAPE)} if storage != "contiguous" else {})}
    if storage == "bslz4":
        options |= dict(hdf5plugin.Bitshuffle())
    with h5py.File(path, "w") as file:
        data = file.create_dataset("d", (FRAMES, *SHAPE), np.uint32, **options)
        for i in range(FRAMES):
            data[i] = frame
    stored = {name: stored_frames(FRAMES, 8 * int(np.prod(b)), FRAMES) for name, b in BINS.items()}
    container = folder / f"{storage}.zarr"
    setup_container(
        container,
        frames=FRAMES,
        chunk_frames=FRAMES,
        tasks=[
            {
                "name": f"area_{name}",
                "detector": "area",
                "bins": bins,
                "stored_frames": stored[name],
                "robust": None,
            }
            for name, bins in BINS.items()
        ],
        shapes={"area": SHAPE},
    )
    job = {
        "container": str(container),
        "location": {
            "run": "r",
            "raw": path.name,
            "root": str(folder),
            "frames": FRAMES,
            "recipe": {"format": "hdf5", "frames": {"area": "d"}, "missing": "error"},
            "shapes": {"area": SHAPE},
        },
        "frames": FRAMES,
        "tasks": [
            {
                "name": f"area_{n}",
                "detector": "area",
                "weights": n,
                "error_model": "poisson",
                "robust": None,
            }
            for n in BINS
        ],
        "weights": {name: str(folder / f"{name}.h5") for name in BINS},
        "valid": VALID,
        "threads": 2,
    }
    done = subprocess.run(
        [sys.executable, "-c", JOB, json.dumps(job)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "scripts"), "PATH": "/usr/bin:/bin"},
    )
    peak = int(done.stdout) * 1024
    pixels, bins = int(np.prod(SHAPE)), sum(int(np.prod(b)) for b in BINS.values())
    raw = frame.nbytes
    weights = sum((folder / f"{name}.h5").stat().st_size for name in BINS)
    assert peak <= 2 * FRAMES * raw + weights + 500e6
    load = FrameLoad(
        pixels=2 * pixels,
        raw_bytes=raw,
        result_bytes=BYTES_PER_BIN * bins,
        sum_bytes=SUM_BYTES_PER_PIXEL * pixels,
        weights_bytes=2 * WEIGHTS_BYTES_PER_PIXEL * pixels,
        thread_bytes=THREAD_BYTES_PER_PIXEL * pixels + THREAD_BYTES_PER_BIN * bins,
        threads=2,
    )
    assert peak <= memory_estimate_mb(load, FRAMES) * 1e6
