"""pyXpcsViewer, by its own classes, reads our results and finds the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.xpcs.made_results import RUN, made_correlation, made_counts, multitau_delays, pixel_means

from scatterflow.xpcs.correlation import Correlation, g2_error
from scatterflow.xpcs.result import write_result

pyxpcsviewer = pytest.importorskip("pyxpcsviewer")


@pytest.fixture(scope="module", params=[1, 4], ids=["q", "q-phi"])
def correlation(request) -> Correlation:
    return made_correlation(request.param)


@pytest.fixture(scope="module")
def viewed(tmp_path_factory, correlation):
    path: Path = tmp_path_factory.mktemp("viewer") / "made_0001_results.hdf"
    counts = made_counts()
    used = counts.reshape(len(counts), -1)[:, correlation.qmap.pixels]
    lags = multitau_delays(len(counts))
    write_result(path, correlation, lambda number: pixel_means(used, *lags[number]))
    return pyxpcsviewer.XpcsFile(str(path))


def test_g2_errors_and_delays(viewed, correlation):
    assert set(viewed.atype) == {"Multitau", "Twotime"}
    np.testing.assert_array_equal(viewed.g2, correlation.g2.g2)
    np.testing.assert_array_equal(viewed.g2_err, g2_error(correlation))
    np.testing.assert_array_equal(viewed.tau, correlation.g2.delay)
    np.testing.assert_allclose(viewed.t_el, correlation.delay_s)
    np.testing.assert_array_equal(viewed.g2_partial, correlation.g2.partial)
    np.testing.assert_array_equal(viewed.g2_partial_err, correlation.g2.partial_error)


def test_bins_and_their_coordinates(viewed, correlation):
    qmap = correlation.qmap
    np.testing.assert_array_equal(viewed.dqmap, qmap.dynamic)
    np.testing.assert_array_equal(viewed.sqmap, qmap.static)
    np.testing.assert_array_equal(viewed.mask > 0, qmap.mask)
    for number, values in enumerate(qmap.dynamic_values):
        label = viewed.get_qbin_label(number + 1)
        assert f"q={values[0]:.5f}" in label
        assert len(values) == 1 or f"φ={values[1]:.1f}" in label
    bins, _ = viewed.qmap.get_qbin_in_qrange((9e-4, 1.3e-3))
    inside = (qmap.dynamic_values[:, 0] >= 9e-4) & (qmap.dynamic_values[:, 0] <= 1.3e-3)
    assert bins.tolist() == np.flatnonzero(inside).tolist()
    assert (viewed.bcx, viewed.bcy) == (RUN.beam_column, RUN.beam_row)
    # The viewer's own q (small angles) is that of the map, pixel by pixel.
    own = viewed.qmap.compute_qmap()[0]["q"][qmap.mask]
    centres = qmap.static_values[:, 0][qmap.static[qmap.mask].astype(int) - 1]
    assert np.abs(own - centres).max() < 0.51e-4 + 1e-6


def test_scattering_and_intensity(viewed, correlation):
    frames, qmap = correlation.frames, correlation.qmap
    np.testing.assert_array_equal(viewed.saxs_2d, frames.mean)
    phis = qmap.static_shape[1]
    full = np.full(qmap.static_shape, np.nan)
    full.reshape(-1)[qmap.static_index] = frames.static_mean
    np.testing.assert_allclose(viewed.saxs_1d["Iq"][0], np.nanmean(full, axis=1))
    assert viewed.saxs_1d["num_lines"] == phis
    np.testing.assert_array_equal(viewed.saxs_1d["q"], qmap.static_lists[0])
    assert viewed.Iqp.shape == (len(frames.segments), qmap.static_shape[0])
    np.testing.assert_allclose(viewed.Int_t[1], frames.total / qmap.pixels.size)
    assert viewed.Int_t_fft.shape == (2, frames.total.size // 2)


def test_two_time(viewed, correlation):
    assert viewed.c2_processed_bins.tolist() == [2, 4]
    for number, item in enumerate(correlation.twotime):
        found = viewed.get_twotime_c2(selection=number, correct_diag=False)
        whole = item.c2 + np.triu(item.c2, 1).T
        np.testing.assert_allclose(found["c2_mat"], whole, rtol=1e-6)
        np.testing.assert_array_equal(found["g2_full"], item.g2)
        np.testing.assert_array_equal(found["g2_partial"], item.partial)
        assert found["delta_t"] == pytest.approx(correlation.frame_step_s)


def test_g2_made_again_from_the_saved_pixels(viewed, correlation):
    saved = viewed.g2.copy()
    viewed.regroup_G2()
    np.testing.assert_allclose(viewed.g2, saved, rtol=1e-10)
    viewed.g2 = saved


def test_metadata_tree(viewed):
    tree = viewed.get_hdf_info()
    assert tree["/entry/instrument"]["detector_1"]["frame_time (s)"] == 0.01
    assert tree["/xpcs/multitau/config"]["normalisation"] == "static_bins"


@pytest.mark.parametrize("correlation", [1], indirect=True, ids=["q"])
def test_its_fit_finds_the_simulated_dynamics(viewed, correlation):
    """tau of every ring within 15 % (few speckles), its exponent within 0.15 of the simulated one."""
    # A parameter that is held, here the stretching exponent, is held at its upper bound.
    bounds = np.array([[0.5, 0.01, 0.5, 0.9], [1.5, 10.0, 1.0, 1.1]])
    fit = viewed.fit_g2(bounds=bounds, fit_flag=[True, True, False, True], t_range=(0.0, 5.0))
    assert all(line["success"] for line in fit["fit_line"])
    q, tau = correlation.qmap.dynamic_values[:, 0], fit["fit_val"][:, 0, 1]
    expected = RUN.tau_frames * (q / RUN.q_reference) ** -RUN.tau_exponent
    np.testing.assert_allclose(tau, expected * correlation.frame_step_s, rtol=0.15)
    np.testing.assert_allclose(fit["fit_val"][:, 0, 0], RUN.contrast, rtol=0.1)
    exponent = np.polyfit(np.log(q), np.log(tau), 1)[0]
    assert exponent == pytest.approx(-RUN.tau_exponent, abs=0.15)
