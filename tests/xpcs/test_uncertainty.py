"""Errors of g2 against the scatter of repeated simulations; speckle size and neighbours by definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.xpcs.brute_multitau import dense_block, event_block
from tests.xpcs.runs_in_memory import random_qmap, small_qmap

from scatterflow.kernels.lags import multitau_lags
from scatterflow.kernels.speckle_size import half_plane, neighbour_sums
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames, radius_pixels
from scatterflow.xpcs.correlate import correlate_block, time_windows
from scatterflow.xpcs.g2 import G2Result
from scatterflow.xpcs.merge import merge_blocks
from scatterflow.xpcs.multitau_file import write_block_sums
from scatterflow.xpcs.uncertainty import jackknife_error, measure_speckles, speckle_variance


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(1, 4), st.floats(1, 4), st.integers(0, 99))
def test_sums_over_neighbours_by_definition(rows, columns, down, right, seed):
    rng = np.random.default_rng(seed)
    image, bins = rng.normal(size=(rows, columns)), rng.integers(0, 3, (rows, columns))
    displacements = half_plane(down, right)
    sums = np.empty((bins.max() + 1, len(displacements)))
    neighbour_sums(image, bins.astype(np.int32), displacements, sums)
    both_halves = {(0, 0)}
    for k, (dy, dx) in enumerate(displacements):
        expected = np.zeros(bins.max() + 1)
        for y, x in np.ndindex(rows, columns):
            inside = 0 <= y + dy < rows and 0 <= x + dx < columns
            if inside and bins[y, x] > 0 and bins[y + dy, x + dx] == bins[y, x]:
                expected[bins[y, x]] += image[y, x] * image[y + dy, x + dx]
        np.testing.assert_allclose(sums[:, k], expected, atol=1e-12)
        both_halves |= {(int(dy), int(dx)), (-int(dy), -int(dx))}
    assert len(both_halves) == 2 * len(displacements) + 1
    inside = {
        (y, x)
        for y in range(-4, 5)
        for x in range(-4, 5)
        if (y / down) ** 2 + (x / right) ** 2 <= 1
    }
    assert both_halves == inside


def smooth_noise(rng, shape, width_rows, width_columns) -> np.ndarray:
    """Intensity of a Gaussian field whose intensity correlates with these full widths at half maximum."""
    field = rng.normal(size=(2, *shape))
    frequency = [np.fft.fftfreq(n) for n in shape]
    # |mu|^2 of width F comes of a field filtered by a Gaussian of sigma F / (2 sqrt(2 ln 2)).
    for axis, width in enumerate((width_rows, width_columns)):
        sigma = width / (2 * np.sqrt(2 * np.log(2)))
        filter_ = np.exp(-2 * (np.pi * frequency[axis] * sigma) ** 2)
        spectrum = np.fft.fft(field, axis=axis + 1)
        spectrum *= filter_.reshape((1, -1, 1) if axis == 0 else (1, 1, -1))
        field = np.fft.ifft(spectrum, axis=axis + 1).real
    intensity = (field**2).sum(axis=0)
    return intensity / intensity.mean()


@pytest.mark.parametrize("widths", [(3.0, 3.0), (2.0, 5.0)])
def test_the_size_of_smooth_speckles_is_found(widths):
    rng = np.random.default_rng(3)
    shape = (150, 160)
    qmap = small_qmap(np.ones(shape, int), np.ones(shape, int))
    early, late = (
        rng.poisson(30 * smooth_noise(rng, shape, *widths)).reshape(-1)
        * (1.0 + np.arange(24000) % 3)
        for _ in range(2)
    )
    speckles = measure_speckles(early, late, qmap.pixels, qmap.dynamic, qmap.static)
    assert speckles.size[0] == pytest.approx(np.sqrt(widths[0] * widths[1]), rel=0.12)
    for reach, width in zip(speckles.reach, widths, strict=True):
        assert reach == pytest.approx(1.5 * width + 0.5, rel=0.2)


def test_independent_pixels_have_no_measurable_size_however_their_gains_vary():
    rng = np.random.default_rng(4)
    shape = (100, 100)
    qmap = small_qmap(np.ones(shape, int), np.ones(shape, int))
    slope = np.linspace(50, 500, 10000)
    early, late = (rng.poisson(slope).astype(float) for _ in range(2))
    speckles = measure_speckles(early, late, qmap.pixels, qmap.dynamic, qmap.static)
    assert np.isnan(speckles.size[0])
    assert speckles.reach == (1.5, 1.5)


def test_the_variance_of_independent_pixels_is_theirs_at_least():
    rng = np.random.default_rng(5)
    qmap = random_qmap(rng, (20, 20))
    pixels = qmap.pixels.size
    flat = np.ones(pixels)
    speckles = measure_speckles(flat, flat, qmap.pixels, qmap.dynamic, qmap.static)
    influence = rng.normal(size=pixels)
    static = qmap.static_of_position
    influence -= (np.bincount(static, influence) / np.bincount(static))[static]
    variance, independent = speckle_variance(influence, static, qmap.parent, speckles)
    for d in range(qmap.dynamic_bins):
        own = influence[qmap.dynamic_of_position == d]
        least = own.size / (own.size - 1) * (own**2).sum()
        assert variance[d] >= least * (1 - 1e-12)
        assert independent[d] == pytest.approx(own.size * least / variance[d])


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(6).normal(size=(9, 2))
    left_out = np.stack([np.delete(values, w, axis=0).mean(axis=0) for w in range(9)])
    expected = values.std(axis=0, ddof=1) / 3
    np.testing.assert_allclose(jackknife_error(left_out, 1.0), expected, rtol=1e-12)
    assert np.isnan(jackknife_error(left_out[:2], 1.0)).all()


def rings(run: SpeckleRun, dynamic: int = 3, static: int = 3):
    edges = np.linspace(run.beamstop_pixels, run.shape[0] / 2, dynamic * static + 1)
    numbers = np.digitize(radius_pixels(run), edges)
    numbers[numbers > dynamic * static] = 0
    return small_qmap((numbers + static - 1) // static, numbers)


def simulated(run: SpeckleRun, qmap, seed: int, folder, form, windows: int = 0) -> G2Result:
    frames = np.concatenate([frames for _, frames in photon_frames(run, seed)])
    values = frames.reshape(run.frames, -1)[:, qmap.pixels]
    valid, lags = np.ones(run.frames, bool), multitau_lags(run.frames, 4)
    parts = time_windows(run.frames, windows) if windows else ()
    sums = correlate_block(form(values), valid, None, lags, 1, parts, qmap.static_of_position)
    write_block_sums(folder / "0.h5", sums, {})
    return merge_blocks([folder / "0.h5"], qmap, "static_bins", valid)


def true_g2(run: SpeckleRun, delay: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Of one tau for all pixels, averaged over the frames of a level, (T, 1)."""
    length, rate = 2.0**level, 2 / run.tau_frames
    averaged = (np.sinh(length * rate / 2) / (length * np.sinh(rate / 2))) ** 2
    return (1 + run.contrast * np.exp(-delay * rate) * averaged)[:, None]


@pytest.mark.parametrize(
    ("options", "form", "windows"),
    [
        ({"photons": 2.0, "speckle_block": 2}, dense_block, 0),
        ({"photons": 2.0, "speckle_sigma": 1.2}, dense_block, 0),
        ({"photons": 0.05, "speckle_block": 2}, event_block, 16),
    ],
)
def test_errors_are_the_scatter_of_repeated_runs(options, form, windows, tmp_path):
    """Pulls of 24 runs, 3 bins and the delays up to half a window; rms 1, to 0.1 of it or the statistics'."""
    run = SpeckleRun(
        shape=(80, 80), frames=192, beam_row=39.5, beam_column=39.5, tau_frames=3.0,
        tau_exponent=0.0, intensity_exponent=0.0, modes=2, **options,
    )  # fmt: skip
    qmap = rings(run)
    runs = [simulated(run, qmap, seed, tmp_path, form, windows) for seed in range(24)]
    few = runs[0].delay <= 48
    truth = true_g2(run, runs[0].delay, runs[0].level)
    off = np.stack([found.g2 - truth for found in runs])[:, few]
    error = np.stack([found.error for found in runs])[:, few]
    assert np.sqrt(np.mean((off / error) ** 2)) == pytest.approx(1, abs=0.1)
    if windows:
        error_time = np.stack([found.error_time for found in runs])[:, few]
        known = np.isfinite(error_time)
        # With m windows the pulls are those of Student's t: wider by (m - 1) / (m - 3).
        student = (windows - 1) / (windows - 3)
        pulls = off[known] / error_time[known]
        assert np.sqrt(np.mean(pulls**2) / student) == pytest.approx(1, abs=0.1)
    size = np.nanmedian([found.speckle_size for found in runs])
    expected = run.speckle_fwhm if run.speckle_sigma else 2.0
    assert size == pytest.approx(expected, rel=0.15)
