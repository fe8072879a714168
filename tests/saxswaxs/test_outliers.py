"""Outlier-robust integrations through a chunk job and into the result file."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.kernels.robust import clip_frames, trim_frames
from scatterflow.saxswaxs.container import open_container
from scatterflow.saxswaxs.weights import read_weights

CLIP = {"method": "sigma_clip", "threshold": 4.0, "iterations": 3, "spread": "observed"}
TRIM = {"method": "trimmed", "quantiles": [0.2, 0.7]}
MEDIAN = {"method": "median"}


@pytest.mark.parametrize("robust", [CLIP, TRIM, MEDIAN], ids=lambda item: item["method"])
def test_the_result_is_the_kernels_and_no_chunking_changes_it(small_run, robust):
    small_run.robust = robust
    found = []
    for chunk_frames in (10, 4):
        path = small_run.assemble(small_run.integrate(chunk_frames))
        with h5py.File(path) as file:
            group = file["entry/area_azimuthal"]
            found.append(
                {
                    "I": group["data/I"][()],
                    "I_errors": group["data/I_errors"][()],
                    "rejected": group["data/rejected_pixels"][()],
                    "image": group["rejected_area/frames"][()],
                }
            )
            assert robust["method"] in group["reduction/input/robust"].asstr()[()]
    for name, values in found[0].items():
        assert values.tobytes() == found[1][name].tobytes()

    weights = read_weights(small_run.weights()["azimuthal"])
    matrix = (weights.indptr, weights.indices, weights.coefficients, weights.weight)
    limits = (0, 2**32 - 2)
    if robust is CLIP:
        sums = clip_frames(small_run.frames, limits, *matrix, threshold=4.0, iterations=3)
    else:
        quantiles = (0.2, 0.7) if robust is TRIM else (0.5, 0.5)
        sums = trim_frames(small_run.frames, limits, *matrix, quantiles=quantiles)
    there = sums.normalisation > 0
    intensity = sums.signal[there] / sums.normalisation[there]
    np.testing.assert_allclose(found[0]["I"][there], intensity, rtol=1e-12)
    sigma = np.sqrt(sums.variance[there]) / sums.normalisation[there]
    np.testing.assert_allclose(found[0]["I_errors"][there], sigma, rtol=1e-12)
    assert found[0]["rejected"].tolist() == sums.rejected_pixels.tolist()
    assert found[0]["image"].ravel().tolist() == sums.rejected_frames.tolist()


def test_what_is_kept_whole_loses_nothing(small_run):
    """Nothing is rejected at a high threshold: exactly the plain sums, and no normalisation lost."""
    small_run.integrate(10)
    plain = open_container(small_run.container)["area_cake/signal"][()]
    small_run.robust = {**CLIP, "threshold": 1000.0}
    small_run.integrate(10)
    container = open_container(small_run.container)
    np.testing.assert_allclose(container["area_cake/signal"][()], plain, rtol=1e-12)
    assert container["area_azimuthal/rejected_pixels"][()].tolist() == [0.0] * 10
    # Frame 3 has a saturated pixel, which is no outlier but invalid.
    lost = container["area_cake/lost"][()]
    assert not np.delete(lost, 3, axis=0).any()
    assert lost[3].any()


def test_missing_frames_are_flagged(small_run):
    with h5py.File(small_run.folder / "run.h5", "w") as file:
        data = file.create_dataset(
            "entry/data/data",
            shape=small_run.frames.shape,
            dtype=np.uint32,
            chunks=(1, *small_run.frames.shape[1:]),
        )
        data[:4], data[6:] = small_run.frames[:4], small_run.frames[6:]
        file["entry/i0"] = small_run.monitor
    small_run.missing, small_run.robust = "nan", CLIP
    small_run.integrate(5)
    container = open_container(small_run.container)
    found = container["area_azimuthal/rejected_pixels"][()]
    assert np.isnan(found).tolist() == [False] * 4 + [True] * 2 + [False] * 4
    assert (
        np.isnan(container["area_azimuthal/signal"][()]).all(axis=1).tolist()
        == np.isnan(found).tolist()
    )


@pytest.mark.parametrize("chunk_frames", [10, 3])
def test_dead_time_is_corrected_here_as_well(small_run, chunk_frames):
    """Where nothing is an outlier, the sums are those of the plain integration."""
    small_run.dead_time = {"seconds": 5.0, "exposure": "i0"}
    found = []
    for robust in (None, {**CLIP, "threshold": 1000.0}):
        small_run.robust = robust
        with h5py.File(small_run.assemble(small_run.integrate(chunk_frames))) as file:
            data = file["entry/area_azimuthal/data"]
            found.append((data["I"][()], data["I_errors"][()]))
    for plain, clipped in zip(*found, strict=True):
        np.testing.assert_allclose(clipped, plain, rtol=1e-9)
