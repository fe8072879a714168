"""Simulated speckles have the statistics that they claim, whichever way photons are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.sources.simulated_speckles import (
    SpeckleRun,
    expected_photons,
    lit,
    mean_photons,
    photon_events,
    photon_frames,
    q_of_pixels,
    relaxation_times,
)

UNIFORM = SpeckleRun(
    shape=(48, 48),
    frames=1500,
    photons=2.0,
    beamstop_pixels=-1.0,
    intensity_exponent=0.0,
    tau_frames=6.0,
    tau_exponent=0.0,
    beam_row=23.25,
    beam_column=23.25,
)


def stacked(run, seed, most_frames=64):
    return np.concatenate([frames for _, frames in photon_frames(run, seed, most_frames)])


@pytest.mark.parametrize("modes", [1, 4])
def test_intensities_decay_as_claimed(modes):
    run = replace(UNIFORM, modes=modes)
    intensity = np.stack(list(expected_photons(run, 3))).astype(np.float64)
    assert intensity.mean() == pytest.approx(run.photons, rel=0.01)
    # 2304 pixels times 1500 / 6 relaxation times: standard errors of g2 are about 0.3 % of the contrast.
    for lag in (0, 1, 3, 6, 12):
        product = (intensity[: len(intensity) - lag] * intensity[lag:]).mean()
        expected = np.exp(-2 * lag / run.tau_frames) / modes
        assert product / run.photons**2 - 1 == pytest.approx(expected, abs=0.02 / modes)


def test_dense_and_sparse_photons_follow_the_same_intensities():
    run = replace(UNIFORM, photons=0.3, frames=400)
    expected = np.stack(list(expected_photons(run, 5))).astype(np.float64)
    dense = stacked(run, 5).astype(np.float64)
    sparse = np.zeros_like(dense)
    for frame, pixels, photons in photon_events(run, 5):
        assert (np.diff(pixels) > 0).all()
        assert photons.min() > 0
        sparse[frame].reshape(-1)[pixels] = photons
    for photons in (dense, sparse):
        # Of a Poisson distribution both are 0: the mean's deviation, and the variance less the mean.
        deviation = photons - expected
        error = np.sqrt(expected.mean() / expected.size)
        assert abs(deviation.mean()) < 4 * error
        excess = (deviation**2 - expected).mean()
        assert abs(excess) < 4 * np.sqrt((2 * expected**2 + expected).mean() / expected.size)
    # Drawn apart: only the intensities are shared.
    correlation = ((dense - expected) * (sparse - expected)).mean()
    assert abs(correlation) < 4 * expected.mean() / np.sqrt(expected.size) * 1.5


def test_dark_pixels_get_no_photon():
    run = replace(UNIFORM, beamstop_pixels=6.0, photons=1.0, frames=40)
    dark = ~lit(run)
    assert dark.any()
    assert not stacked(run, 1)[:, dark].any()
    for _, pixels, _ in photon_events(run, 1):
        assert not dark.reshape(-1)[pixels].any()


def test_blocks_of_frames_do_not_matter_and_seeds_do():
    run = replace(UNIFORM, frames=50, jitter=0.1)
    whole = stacked(run, 7, 50)
    assert whole.tobytes() == stacked(run, 7, 7).tobytes()
    assert whole.tobytes() != stacked(run, 8, 50).tobytes()


def test_intensity_and_relaxation_follow_q():
    run = SpeckleRun(intensity_exponent=1.5, tau_exponent=2.0)
    q, mean = q_of_pixels(run), mean_photons(run)
    # Pixel (63, 103): 39.5 columns and half a row from the beam.
    assert q[63, 103] == pytest.approx(1e-4 * np.hypot(0.5, 39.5))
    assert mean[lit(run)].mean() == pytest.approx(run.photons)
    inner, outer = (63, 83), (63, 103)
    ratio = q[outer] / q[inner]
    assert mean[outer] / mean[inner] == pytest.approx(ratio**-1.5)
    times = relaxation_times(run, np.array([3e-3, 6e-3]))
    assert times == pytest.approx([20.0, 5.0])


def spatial_correlation(run, seed, distances):
    intensity = np.stack(list(expected_photons(run, seed))).astype(np.float64)
    deviation = intensity / run.photons - 1
    return [(deviation * np.roll(deviation, d, axis=2)).mean() for d in distances]


def test_speckles_have_their_size():
    quick = replace(UNIFORM, tau_frames=0.5, frames=150)
    square = spatial_correlation(replace(quick, speckle_block=2), 2, [0, 1, 2])
    # Half of the neighbours belong to the same block of two.
    assert square == pytest.approx([1.0, 0.5, 0.0], abs=0.04)
    smooth = replace(quick, speckle_sigma=1.5)
    distances = np.array([0, 1, 2, 3, 6])
    gaussian = np.exp(-(distances**2) / (2 * 1.5**2))
    assert spatial_correlation(smooth, 2, distances) == pytest.approx(gaussian, abs=0.05)
    assert smooth.speckle_area == pytest.approx(np.exp(-(np.arange(-20, 21) ** 2) / 4.5).sum() ** 2)
    assert np.exp(-((smooth.speckle_fwhm / 2) ** 2) / 4.5) == pytest.approx(0.5)


def test_beam_jitters_as_a_whole():
    run = replace(UNIFORM, jitter=0.2, frames=600, tau_frames=0.1)
    steady = [frame.mean(dtype=np.float64) for frame in expected_photons(replace(run, jitter=0), 4)]
    moving = [frame.mean(dtype=np.float64) for frame in expected_photons(run, 4)]
    beam = np.array(moving) / np.array(steady)
    assert beam.mean() == pytest.approx(1.0, abs=4 * 0.2 / np.sqrt(600))
    assert beam.std() == pytest.approx(0.2, rel=0.15)


def test_contradictory_speckles_are_refused():
    with pytest.raises(UserError, match="square and filtered"):
        SpeckleRun(speckle_block=2, speckle_sigma=1.0)
