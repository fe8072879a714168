"""The result file: what is written comes back, and stands where APS 8-ID's programs look for it."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.xpcs.made_results import (
    AVERAGE,
    FRAME_TIME_S,
    RUN,
    SETTINGS,
    STRIDE,
    diagonal_means,
    made_correlation,
    made_counts,
    made_qmap,
    made_twotime,
    multitau_delays,
    pixel_means,
)

from scatterflow.errors import UserError
from scatterflow.files.nexus import read_note
from scatterflow.xpcs.correlation import Correlation, with_geometry
from scatterflow.xpcs.photon_histograms import PhotonHistograms
from scatterflow.xpcs.result import read_result, write_result


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return made_counts()


@pytest.fixture(scope="module")
def correlation() -> Correlation:
    generator = np.random.default_rng(3)
    histograms = PhotonHistograms(
        exposures=np.array([1, 2]),
        sums=np.full((2, 4), 60),
        counts=generator.integers(0, 99, (2, 15, 4, 6)),
        photons=generator.integers(0, 99, (2, 15, 4)),
        pairs=generator.integers(0, 99, (2, 15, 4)),
    )
    return replace(made_correlation(), photons=histograms)


@pytest.fixture(scope="module")
def result(tmp_path_factory, correlation, counts) -> Path:
    path = tmp_path_factory.mktemp("result") / "made_0001_results.hdf"
    used = counts.reshape(len(counts), -1)[:, correlation.qmap.pixels]
    lags = multitau_delays(len(counts))
    write_result(path, correlation, lambda number: pixel_means(used, *lags[number]))
    return path


def same(first: Any, second: Any, where: str) -> None:
    """Equal field by field, arrays bit for bit."""
    if hasattr(first, "__dataclass_fields__"):
        assert type(first) is type(second), where
        for field in fields(first):
            same(getattr(first, field.name), getattr(second, field.name), f"{where}.{field.name}")
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype, where
        np.testing.assert_array_equal(first, second, err_msg=where)
    elif isinstance(first, tuple) and first and hasattr(first[0], "__dataclass_fields__"):
        for number, (one, other) in enumerate(zip(first, second, strict=True)):
            same(one, other, f"{where}[{number}]")
    else:
        assert first == second, where


def test_everything_comes_back(result, correlation):
    found = read_result(result)
    # Means are kept, the sums of every frame are not.
    frames = replace(found.frames, static_sums=correlation.frames.static_sums)
    found = replace(found, frames=frames)
    for name in ("frames", "g2", "twotime", "photons", "acquisition", "description", "settings"):
        same(getattr(correlation, name), getattr(found, name), name)
    assert found.provenance == correlation.provenance
    assert found.qmap.digest == correlation.qmap.digest
    np.testing.assert_array_equal(found.qmap.pixels, correlation.qmap.pixels)


def test_maps_can_be_left_in_the_file(result, correlation):
    found = read_result(result, maps=False).twotime
    assert [item.c2.shape for item in found] == [(0, 0), (0, 0)]
    np.testing.assert_array_equal(found[1].g2, correlation.twotime[1].g2)


def test_what_was_not_made_is_not_there(tmp_path):
    bare = replace(made_correlation(4), twotime=(), g2=None)
    write_result(tmp_path / "r.nxs", bare)
    found = read_result(tmp_path / "r.nxs")
    assert (found.g2, found.photons, found.twotime) == (None, None, ())
    with h5py.File(tmp_path / "r.nxs") as file:
        assert sorted(file["xpcs"]) == ["qmap", "rawdata_path", "spatial_mean", "temporal_mean"]


def test_correlations_of_the_aps_layout(result, correlation, counts):
    with h5py.File(result) as file:
        multitau, twotime = file["xpcs/multitau"], file["xpcs/twotime"]
        delays = [delay for _, delay in multitau_delays(len(counts))]
        assert multitau["delay_list"][()].tolist() == delays
        assert multitau["normalized_g2"].shape == (len(delays), 5)
        assert multitau["normalized_g2_partial"].shape == (3, len(delays), 5)
        assert multitau["config/stride_frame"][()] == STRIDE
        assert multitau["config/avg_frame"][()] == AVERAGE
        assert file["xpcs/qmap"].attrs["hash"] == correlation.qmap.digest
        assert file["xpcs/rawdata_path"].asstr()[()] == "raw/made.imm"
        # The number of a map is that of its bin, not a running one.
        assert list(twotime["correlation_map"]) == ["c2_00002", "c2_00004"]
        assert twotime["processed_bins"][()].tolist() == [2, 4]
        c2 = made_twotime(counts, correlation.qmap, 4)
        found = twotime["correlation_map/c2_00004"][()]
        np.testing.assert_allclose(found, np.triu(c2), rtol=1e-6)
        np.testing.assert_allclose(twotime["normalized_g2"][:, 1], diagonal_means(c2), rtol=1e-12)
        second = diagonal_means(c2[80:160, 80:160])
        np.testing.assert_allclose(twotime["normalized_g2_segments"][:, 1, 1], second, rtol=1e-12)


def test_means_of_the_aps_layout(result, correlation, counts):
    qmap = correlation.qmap
    with h5py.File(result) as file:
        xpcs = file["xpcs"]
        np.testing.assert_allclose(xpcs["temporal_mean/scattering_2d"][0], counts.mean(axis=0))
        static = [counts[:, qmap.static == n + 1].mean() for n in range(qmap.static_bins)]
        np.testing.assert_allclose(xpcs["temporal_mean/scattering_1d"][0], static)
        second = [counts[60:120, qmap.static == n + 1].mean() for n in range(qmap.static_bins)]
        np.testing.assert_allclose(xpcs["temporal_mean/scattering_1d_segments"][1], second)
        number, intensity = xpcs["spatial_mean/intensity_vs_time"][()]
        assert number.tolist() == list(range(RUN.frames))
        np.testing.assert_allclose(intensity, counts[:, qmap.mask].mean(axis=1))


def test_pixels_of_the_aps_layout(result, correlation, counts):
    mask = correlation.qmap.mask
    with h5py.File(result) as file:
        saved = file["xpcs/multitau/unnormalized_G2"]
        assert saved.shape == (len(multitau_delays(len(counts))), 3, *RUN.shape)
        for number in (0, 9, -1):
            expected = pixel_means(counts, *multitau_delays(len(counts))[number])
            np.testing.assert_allclose(saved[number], expected * mask, rtol=1e-12)


def test_delays_in_seconds_count_stride_and_average(correlation):
    expected = [delay * FRAME_TIME_S * STRIDE * AVERAGE for _, delay in multitau_delays(240)]
    np.testing.assert_allclose(correlation.delay_s, expected)


def test_the_chosen_error_is_the_one_that_others_read(tmp_path):
    chosen = {**SETTINGS["multitau"], "errors": "time_blocks"}
    correlation = made_correlation(multitau=chosen)
    # Too few windows of time have the last delay: there it is that of the speckles.
    correlation.g2.error_time[-1] = np.nan
    # Windows that are short beside the dynamics repeat one another, and their scatter is too small.
    correlation.g2.error_time[0] = 0.3 * correlation.g2.error[0]
    write_result(tmp_path / "r.nxs", correlation)
    with h5py.File(tmp_path / "r.nxs") as file:
        shown = file["xpcs/multitau/normalized_g2_err"][()]
        np.testing.assert_array_equal(shown[1:-1], correlation.g2.error_time[1:-1])
        np.testing.assert_array_equal(shown[[0, -1]], correlation.g2.error[[0, -1]])
        np.testing.assert_array_equal(file["entry/g2/g2_errors"][()], shown.T)
        # The other one is kept.
        other = file["entry/correlation/g2/error"][()]
        np.testing.assert_array_equal(other, correlation.g2.error)


def test_maps_of_cells_are_not_shown_as_maps_of_frames(tmp_path):
    correlation = made_correlation()
    coarse = [replace(item, step=2, c2=item.c2[::2, ::2]) for item in correlation.twotime]
    write_result(tmp_path / "r.nxs", replace(correlation, twotime=tuple(coarse)))
    with h5py.File(tmp_path / "r.nxs") as file:
        assert "twotime" not in file["xpcs"]
        assert "twotime" not in file["entry"]
        own = file["entry/correlation/c2_00004"]
        assert own["c2"].shape == (120, 120)
        # The middle of frames 0 and 1, 2 and 3, ...
        np.testing.assert_allclose(own["time_1"][:3], np.array([0.5, 2.5, 4.5]) * 0.06)
    found = read_result(tmp_path / "r.nxs")
    assert [item.step for item in found.twotime] == [2, 2]
    np.testing.assert_array_equal(found.twotime[0].c2, coarse[0].c2)


def test_without_a_frame_time_there_is_no_result(tmp_path):
    correlation = made_correlation()
    unknown = replace(correlation.acquisition, frame_time_s=None)
    with pytest.raises(UserError, match="time between frames"):
        write_result(tmp_path / "r.nxs", replace(correlation, acquisition=unknown))
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_knows_is_said_to_be_unknown(tmp_path):
    correlation = made_correlation()
    acquisition = replace(correlation.acquisition, count_time_s=None, start_time=None)
    write_result(tmp_path / "r.nxs", replace(correlation, acquisition=acquisition))
    with h5py.File(tmp_path / "r.nxs") as file:
        count_time = file["entry/instrument/detector_1/count_time"]
        assert np.isnan(count_time[()])
        assert "not known" in count_time.attrs["note"]
        assert file["entry/start_time"].asstr()[()] == "unknown"
    assert read_result(tmp_path / "r.nxs").acquisition.count_time_s is None


def test_the_qmap_takes_what_it_lacks_from_the_metadata():
    qmap, acquisition = made_qmap(), made_correlation().acquisition
    bare = replace(qmap, attributes={"energy": 7.0})
    found = with_geometry(bare, acquisition).attributes
    assert found == {**qmap.attributes, "energy": 7.0}


def test_another_file_is_no_result(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["entry/data"] = 1
    with pytest.raises(UserError, match="no xpcs result"):
        read_result(tmp_path / "other.h5")
    with pytest.raises(UserError, match="file not found"):
        read_result(tmp_path / "missing.nxs")


def test_provenance_and_steps(result):
    with h5py.File(result) as file:
        notes = {name: read_note(note) for name, note in file["entry/provenance"].items()}
        steps = [name for name in file["entry"] if name.startswith("process_")]
        assert file["entry/process_2_multitau/input/delays_per_level"][()] == 4
    assert steps == ["process_1_frames", "process_2_multitau", "process_3_twotime"]
    assert notes["raw_files"] == [{"path": "raw/made.imm", "size": 1, "sha256": None}]
    assert notes["settings"]["twotime"]["smoothing"] == "none"
    assert notes["software"]["packages"]["numpy"]
