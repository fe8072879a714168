"""Contrast and mean of photon counts against known distributions and simulated speckles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom, poisson

from scatterflow.errors import UserError
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames
from scatterflow.xpcs.blocks import Block, as_events
from scatterflow.xpcs.contrast_decay import fit_contrast_decay
from scatterflow.xpcs.negative_binomial import contrast_by_likelihood, log_probability
from scatterflow.xpcs.photon_histograms import (
    chosen_exposures,
    count_photons,
    merge_histograms,
    read_histograms,
    write_histograms,
)
from scatterflow.xpcs.speckle_statistics import speckle_statistics

SETTINGS = {"exposures": [1, 2, 5], "segments": 3, "most_photons": 6}


def block_of(values: np.ndarray, first: int = 0) -> Block:
    frames, pixels = values.shape
    return Block(first, first + pixels, frames, "frames", values=np.ascontiguousarray(values))


def brute_force(values, valid, static, bins):
    frames = len(values)
    counts = np.zeros((3, bins, 3, 7), np.int64)
    photons, pairs = np.zeros((3, bins, 3), np.int64), np.zeros((3, bins, 3), np.int64)
    for place, exposure in enumerate(SETTINGS["exposures"]):
        for segment in range(3):
            start, stop = segment * frames // 3, (segment + 1) * frames // 3
            for first in range(start, stop - exposure + 1, exposure):
                if not valid[first : first + exposure].all():
                    continue
                totals = values[first : first + exposure].sum(axis=0, dtype=np.int64)
                for total, own in zip(totals, static, strict=True):
                    counts[place, own, segment, min(total, 6)] += 1
                    photons[place, own, segment] += total
                    pairs[place, own, segment] += total * (total - 1)
    return counts, photons, pairs


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_histograms_are_those_of_counting_and_add_up_over_blocks(seed):
    random = np.random.default_rng(seed)
    frames, pixels = int(random.integers(15, 60)), int(random.integers(2, 20))
    values = random.poisson(random.choice([0.1, 1.5]), (frames, pixels)).astype(np.uint8)
    valid = random.random(frames) > 0.1
    values[~valid] = 0
    static = np.sort(random.integers(0, 4, pixels)).astype(np.int32)
    expected = brute_force(values, valid, static, 4)
    whole = count_photons(block_of(values), valid, static, 4, SETTINGS, threads=2)
    cut = int(random.integers(0, pixels + 1))
    parts = [block_of(values[:, :cut]), as_events(block_of(values[:, cut:], cut))]
    merged = merge_histograms(count_photons(part, valid, static, 4, SETTINGS) for part in parts)
    for found in (whole, merged):
        for own, true in zip((found.counts, found.photons, found.pairs), expected, strict=True):
            assert np.array_equal(own, true)


def test_histograms_survive_their_file(tmp_path):
    values = np.random.default_rng(1).poisson(0.5, (30, 5)).astype(np.uint16)
    static = np.zeros(5, np.int32)
    found = count_photons(block_of(values), np.ones(30, bool), static, 1, SETTINGS)
    write_histograms(tmp_path / "0.h5", found)
    again = read_histograms(tmp_path / "0.h5")
    for name in ("exposures", "sums", "counts", "photons", "pairs"):
        assert np.array_equal(getattr(again, name), getattr(found, name)), name


@pytest.mark.parametrize(
    ("mean", "contrast"), [(0.01, 0.2), (1.5, 1.0), (4.0, 0.05), (0.3, 1e-9), (30.0, 0.5)]
)
def test_probabilities_are_those_of_the_negative_binomial(mean, contrast):
    found = log_probability(np.array(mean), contrast, 40)
    modes = 1 / contrast
    expected = nbinom.logpmf(np.arange(40), modes, modes / (modes + mean))
    if contrast < 1e-6:
        expected = poisson.logpmf(np.arange(40), mean)
    assert found == pytest.approx(expected, abs=1e-7, rel=1e-7)


@pytest.mark.parametrize("most", [4, 40])
def test_the_likeliest_contrast_has_the_highest_likelihood(most):
    random = np.random.default_rng(2)
    means = np.array([[0.5, 0.6], [1.0, 1.2]])
    counts = np.zeros((2, 2, most + 1), np.int64)
    for row, column in np.ndindex(2, 2):
        mean = means[row, column]
        drawn = np.minimum(random.negative_binomial(4, 4 / (4 + mean), 4000), most)
        counts[row, column] = np.bincount(drawn, minlength=most + 1)

    def likelihood(contrast):
        modes, total = 1 / contrast, 0.0
        for place in np.ndindex(2, 2):
            law = nbinom(modes, modes / (modes + means[place]))
            chances = np.append(law.pmf(np.arange(most)), law.sf(most - 1))
            seen = counts[place] > 0
            total += np.sum(counts[place][seen] * np.log(chances[seen]))
        return total

    found, influence = contrast_by_likelihood(counts, means)
    assert likelihood(found) > likelihood(found * 1.002)
    assert likelihood(found) > likelihood(found * 0.998)
    step = 0.01
    curvature = (
        likelihood(found + step) - 2 * likelihood(found) + likelihood(found - step)
    ) / step**2
    error = 1 / np.sqrt(-curvature)
    assert abs(found - 0.25) < 3 * error
    # Of independent counts the scatter of the cells is that of the likelihood, up to chance of 4 cells.
    assert influence.sum() == pytest.approx(0.0, abs=1e-9)
    assert 0.2 < np.sqrt((influence**2).sum()) / error < 2.5


def test_a_last_class_of_many_photons_misleads_no_search():
    # Of these few large counts nothing is left of the probability where the search begins.
    drawn = np.random.default_rng(4).negative_binomial(1, 1 / 31, (5, 4, 3000))
    counts = np.array(
        [[np.bincount(np.minimum(own, 60), minlength=61) for own in row] for row in drawn]
    )
    found, _ = contrast_by_likelihood(counts, drawn.mean(axis=2))
    assert found == pytest.approx(1.0, abs=0.05)
    whole = np.array([[np.bincount(own, minlength=600) for own in row] for row in drawn])
    assert contrast_by_likelihood(whole, drawn.mean(axis=2))[0] == pytest.approx(found, abs=0.02)


def simulated(seed, run, settings, static_bins=12):
    """Statistics of a run of uniform intensity, its pixels cut into static bins of neighbouring rows."""
    frames = np.concatenate([frames for _, frames in photon_frames(run, seed)])
    static = np.repeat(np.arange(static_bins), run.shape[0] // static_bins * run.shape[1])
    values = frames.reshape(run.frames, -1)
    valid = np.ones(run.frames, bool)
    found = count_photons(block_of(values), valid, static.astype(np.int32), static_bins, settings)
    return speckle_statistics(found, np.zeros(static_bins, int))


RUN = SpeckleRun(
    shape=(48, 24),
    frames=400,
    photons=0.4,
    beamstop_pixels=-1.0,
    beam_row=23.3,
    intensity_exponent=0.0,
    tau_frames=2.0,
    tau_exponent=0.0,
    modes=3,
    speckle_block=2,
)


@pytest.mark.parametrize("photons", [0.02, 0.4])
def test_errors_hold_in_simulation(photons):
    run = replace(RUN, photons=photons)
    setting = {"exposures": [1, 4], "segments": 5, "most_photons": 12}
    times = np.arange(4)
    # Sums of four instants of an exponential decay.
    truth = np.array([1, np.exp(-np.abs(times[:, None] - times)).mean()]) / 3
    found = [simulated(seed, run, setting) for seed in range(60)]
    for name in ("contrast", "moment_contrast"):
        values = np.stack([getattr(own, name)[:, 0] for own in found])
        error = name.replace("moment_contrast", "moment").replace("contrast", "contrast") + "_error"
        errors = np.stack([getattr(own, error)[:, 0] for own in found])
        pulls = (values - truth) / errors
        # 60 runs: standard errors of 0.09 of the width and 0.13 of the mean.
        assert pulls.std(axis=0, ddof=1) == pytest.approx([1, 1], abs=0.25), name
        assert np.abs(pulls.mean(axis=0)).max() < 0.45, name
    means = np.stack([own.mean[:, 0] for own in found])
    assert means.mean(axis=0) == pytest.approx([photons, 4 * photons], rel=0.02)
    errors = np.stack([own.mean_error[:, 0] for own in found])
    pulls = (means - photons * np.array([1, 4])) / errors
    # Of 5 segments: Student's distribution of 4 degrees of freedom is sqrt(2) wide.
    assert pulls.std(axis=0, ddof=1) == pytest.approx([1.41, 1.41], abs=0.5)


def test_contrast_falls_with_exposure_as_the_relaxation_says():
    setting = {"exposures": [1, 2, 4, 8, 16], "segments": 5, "most_photons": 40}
    found = [simulated(100 + seed, RUN, setting) for seed in range(40)]
    decays = [fit_contrast_decay(own, 0.01, 0.0) for own in found]
    for name, truth in (("tau", 0.02), ("contrast", 1 / 3)):
        values = np.array([getattr(own, name)[0] for own in decays])
        errors = np.array([getattr(own, f"{name}_error")[0] for own in decays])
        pulls = (values - truth) / errors
        assert pulls.std(ddof=1) == pytest.approx(1.0, abs=0.35), name
        assert abs(pulls.mean()) < 0.6, name
        assert values.mean() == pytest.approx(truth, rel=0.03), name


def test_a_slope_and_a_drifting_beam_are_no_contrast():
    random = np.random.default_rng(3)
    static = np.repeat(np.arange(10), 50).astype(np.int32)
    mean = np.linspace(0.5, 2.0, 10)[static] * np.linspace(1.5, 0.5, 300)[:, None]
    values = random.poisson(mean).astype(np.uint16)
    setting = {"exposures": [1], "segments": 30, "most_photons": 20}
    counted = count_photons(block_of(values), np.ones(300, bool), static, 10, setting)
    found = speckle_statistics(counted, np.zeros(10, int))
    # Each segment still spans a 30th of the drift: (1/30)^2 / 12 of contrast.
    assert abs(found.contrast[0, 0]) < 4 * found.contrast_error[0, 0] + 1e-4
    assert found.contrast_error[0, 0] < 0.01
    assert found.mean[0, 0] == pytest.approx(1.25, rel=0.01)
    assert found.expected[0, 0].sum() == pytest.approx(1.0)
    pull = (found.probability - found.expected)[0, 0] / np.sqrt(found.expected[0, 0] / values.size)
    assert np.abs(pull).max() < 4


def test_bins_without_photons_have_no_value_and_harm_no_other():
    values = np.random.default_rng(1).poisson(0.5, (60, 20)).astype(np.uint8)
    values[:, 10:] = 0
    static = np.repeat(np.arange(4), 5).astype(np.int32)
    counted = count_photons(block_of(values), np.ones(60, bool), static, 4, SETTINGS)
    found = speckle_statistics(counted, np.array([0, 0, 1, 1]))
    assert np.isfinite(found.contrast[:, 0]).all()
    assert np.isnan(found.contrast[:, 1]).all()
    assert np.isnan(found.contrast_error[:, 1]).all()
    decay = fit_contrast_decay(found, 1.0, 0.0)
    assert np.isnan(decay.tau[1])


def test_exposures_are_chosen_or_refused():
    assert chosen_exposures(None, 1000, 5).tolist() == [1, 2, 4, 8, 16]
    assert chosen_exposures([4, 1, 4], 1000, 5).tolist() == [1, 4]
    with pytest.raises(UserError, match="of which 200 are in a segment"):
        chosen_exposures([1, 201], 1000, 5)


def test_counts_that_are_no_photons_are_refused():
    static, valid = np.zeros(2, np.int32), np.ones(30, bool)
    with pytest.raises(UserError, match="whole photons"):
        count_photons(block_of(np.full((30, 2), 0.5, np.float32)), valid, static, 1, SETTINGS)
    # Of the last one K^2 fits into 63 bits, but not the sum over all pixels.
    for pixels, value in ((2, 2**32 - 1), (200, 2**29)):
        full = np.full((30, pixels), value, np.uint32)
        static = np.zeros(pixels, np.int32)
        with pytest.raises(UserError, match="photons in a frame"):
            count_photons(block_of(full), valid, static, 1, SETTINGS)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.001, 0.05, 2.0, 50.0]))
def test_few_photons_or_many_end_in_numbers_or_nothing(seed, rate):
    random = np.random.default_rng(seed)
    frames, pixels = int(random.integers(15, 40)), int(random.integers(3, 30))
    values = random.poisson(rate * random.random((frames, pixels))).astype(np.uint16)
    static = np.sort(random.integers(0, 3, pixels)).astype(np.int32)
    valid = random.random(frames) > 0.2
    counted = count_photons(block_of(values), valid, static, 3, SETTINGS)
    found = speckle_statistics(counted, np.array([0, 0, 1]))
    paired = np.array([[counted.pairs[e, own].any() for own in ([0, 1], [2])] for e in range(3)])
    assert np.array_equal(np.isfinite(found.contrast), paired)
    assert np.array_equal(np.isfinite(found.moment_contrast), paired)
    assert not (found.contrast_error < 0).any()
    decay = fit_contrast_decay(found, 1.0, 1.0)
    assert np.array_equal(np.isfinite(decay.tau), np.isfinite(decay.contrast))
