"""Dead time through a chunk job: its own exposure for each frame, from a scalar or a number."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.saxswaxs.container import open_container
from scatterflow.saxswaxs.dead_time import dead_time_fraction
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_source

from .test_result import dense_matrix


@pytest.mark.parametrize("chunk", [3, 10])
@pytest.mark.parametrize("exposure", ["i0", 0.5])
def test_counts_are_those_of_a_counter_that_is_never_dead(small_run, chunk, exposure):
    small_run.dead_time = {"seconds": 1e-3, "exposure": exposure}
    seconds = small_run.monitor if exposure == "i0" else np.full(len(small_run.frames), exposure)
    if exposure == "i0":
        small_run.dead_time["seconds"] = 5.0  # `i0` is about 1000: 20 counts are dead for a tenth
    share = small_run.dead_time["seconds"] / seconds[:, None]
    dense, weight = dense_matrix(small_run)
    flat = small_run.frames.reshape(len(small_run.frames), -1).astype(np.float64)
    alive = (flat < 2**32 - 1) & (share * flat < 1)
    live = np.where(alive, 1 - share * np.where(alive, flat, 0), 1)
    counts = np.where(alive, flat / live, 0)
    variance = np.where(alive, np.maximum(flat, 1) / live**4, 0)
    norm = (alive * weight) @ dense.T
    path = small_run.assemble(small_run.integrate(chunk))
    with h5py.File(path) as file:
        told = json.loads(file["entry/process_1_integration/input/detectors"].asstr()[()])
        assert told["area"]["dead_time"] == small_run.dead_time
        data = file["entry/area_azimuthal/data"]
        with np.errstate(invalid="ignore", divide="ignore"):
            np.testing.assert_allclose(data["I"][()], counts @ dense.T / norm, rtol=1e-9)
            expected = np.sqrt(variance @ (dense**2).T) / norm
            np.testing.assert_allclose(data["I_errors"][()], expected, rtol=1e-9)


def test_no_exposure_no_correction(small_run):
    small_run.dead_time = {"seconds": 1e-6, "exposure": "i0"}
    with h5py.File(small_run.folder / "run.h5", "a") as file:
        file["entry/i0"][4] = 0.0
    with pytest.raises(UserError, match="exposure 'i0' is 0 in frame 4"):
        small_run.integrate(10)


def test_an_exposure_in_milliseconds_is_not_taken_for_seconds(small_run):
    location = small_run.location()
    location["recipe"]["scalars"]["i0"]["unit"] = "ms"
    source = open_source(RunLocation.from_fields(location))
    with pytest.raises(UserError, match="'i0' is in ms"):
        dead_time_fraction({"seconds": 1e-6, "exposure": "i0"}, source, 0, 10, "run r1")


def test_chunks_of_another_dead_time_are_refused(small_run):
    receipts = small_run.integrate(10)
    small_run.dead_time = {"seconds": 1e-6, "exposure": 1.0}
    with pytest.raises(UserError, match="another dead time of area"):
        small_run.assemble(receipts)


def test_the_exposure_of_a_missing_frame_may_be_missing_too(small_run):
    with h5py.File(small_run.folder / "run.h5", "a") as file:
        del file["entry/data/data"]
        data = file.create_dataset(
            "entry/data/data",
            shape=small_run.frames.shape,
            dtype=np.uint32,
            chunks=(1, *small_run.frames.shape[1:]),
        )
        data[:4], data[6:] = small_run.frames[:4], small_run.frames[6:]
        file["entry/i0"][4:6] = np.nan
    small_run.missing, small_run.dead_time = "nan", {"seconds": 1e-6, "exposure": "i0"}
    small_run.integrate(10)
    found = open_container(small_run.container)["area_azimuthal/signal"][()]
    assert np.isnan(found).all(axis=1).tolist() == [False] * 4 + [True] * 2 + [False] * 4
    with h5py.File(small_run.folder / "run.h5", "a") as file:
        file["entry/i0"][7] = np.nan
    with pytest.raises(UserError, match="no exposure above 0 is known of frame 7"):
        small_run.integrate(10)
