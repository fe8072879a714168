"""A result with a monitor normalisation, errors, a frame that is missing and a bin without a value."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

FLUX = {
    "monitor": "i0",
    "dwell_time": None,
    "reference": 1000.0,
    "minimum": 0.0,
    "uncertainty": "counting",
    "on_violation": "error",
}


@pytest.fixture
def result(small_run) -> Path:
    with h5py.File(small_run.folder / "run.h5", "a") as file:
        del file["entry/data/data"]
        data = file.create_dataset(
            "entry/data/data", shape=(10, 40, 50), dtype="uint32", chunks=(1, 40, 50), fillvalue=0
        )
        data[:9] = small_run.frames[:9]
    small_run.missing = "nan"
    small_run.flux = FLUX
    return small_run.assemble(small_run.integrate(4))
