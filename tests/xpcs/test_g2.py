"""g2 against the peers' formulas written out, its linearisation, and the bias at few photons."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tests.xpcs.brute_multitau import brute_sums, dense_block
from tests.xpcs.runs_in_memory import small_qmap

from scatterflow.kernels.lags import Lags, multitau_lags
from scatterflow.xpcs.correlate import correlate_block, time_windows
from scatterflow.xpcs.g2 import StaticBins, normalise, per_frame, shared_photons
from scatterflow.xpcs.merge import merge_blocks
from scatterflow.xpcs.multitau_file import write_block_sums

FRAMES = 90
HOW = ("static_bins", "dynamic_bins", "bias_corrected")


def rings(rows: int = 12, columns: int = 10):
    """Two dynamic bins of two static ones each, side by side, some pixels unused."""
    static = np.repeat(np.arange(1, 5), -(-columns // 4))[:columns] * np.ones((rows, 1), int)
    static[0] = 0
    return small_qmap((static + 1) // 2, static)


def photons(qmap, mean=1.0, seed=0) -> np.ndarray:
    """(frames, positions), twice as bright in every other static bin."""
    rng = np.random.default_rng(seed)
    brightness = mean * (1 + qmap.static_of_position % 2)
    field = rng.gamma(2.0, 0.5, (FRAMES // 3, brightness.size)).repeat(3, axis=0)
    return rng.poisson(brightness * field).astype(np.uint8)


def merged(tmp_path, qmap, values, how, valid=None, scale=None, blocks=1, windows=0):
    valid = np.ones(len(values), bool) if valid is None else valid
    lags = multitau_lags(len(values), 4)
    cuts = [b * values.shape[1] // blocks for b in range(blocks + 1)]
    paths = []
    for number, (a, b) in enumerate(pairwise(cuts)):
        sums = correlate_block(
            dense_block(values[:, a:b], a), valid, scale, lags, 1,
            time_windows(len(values), windows) if windows else (), qmap.static_of_position,
        )  # fmt: skip
        paths.append(tmp_path / f"{number}.h5")
        write_block_sums(paths[-1], sums, {})
    counted = np.stack(
        [np.bincount(qmap.static_of_position, row, qmap.static_bins) for row in values]
    )
    return merge_blocks(paths, qmap, how, valid, scale, counted, threads=2)


def by_hand(qmap, values, how, valid, scale=None):
    """g2 of all delays, (T, Nd), from the definitions."""
    lags, out = multitau_lags(len(values), 4), []
    for level, delay in zip(lags.level, lags.delay, strict=True):
        pairs, sums = brute_sums(values, valid, int(level), int(delay), scale)
        sums = sums / pairs / np.array([[4.0**level], [2.0**level], [2.0**level]])
        row = []
        for d in range(qmap.dynamic_bins):
            bins = np.flatnonzero(qmap.parent == d)
            own = [sums[:, qmap.static_of_position == s] for s in bins]
            if how == "dynamic_bins":
                mean = np.concatenate(own, axis=1).mean(axis=1)
                row.append(mean[0] / mean[1] / mean[2])
            else:
                means = [part.mean(axis=1) for part in own]
                row.append(np.mean([g / a / b for g, a, b in means]))
        out.append(row)
    return np.array(out)


@pytest.mark.parametrize("how", ["static_bins", "dynamic_bins"])
def test_g2_by_definition(tmp_path, how):
    qmap = rings()
    values = photons(qmap)
    valid = np.arange(FRAMES) % 31 != 7
    scale = np.random.default_rng(1).uniform(0.8, 1.2, FRAMES)
    for factors in (None, scale):
        found = merged(tmp_path, qmap, values, how, valid, factors)
        np.testing.assert_allclose(found.g2, by_hand(qmap, values, how, valid, factors), rtol=1e-12)
        assert not found.empty.any()
        assert (found.error > 0).all()


def test_bias_corrected_by_definition(tmp_path):
    """The shared photons are counted frame by frame."""
    qmap = rings()
    values, valid = photons(qmap, 0.1), np.arange(FRAMES) % 31 != 7
    scale = np.random.default_rng(2).uniform(0.8, 1.2, FRAMES)
    found = merged(tmp_path, qmap, values, "bias_corrected", valid, scale)
    lags = multitau_lags(FRAMES, 4)
    for i, (level, delay) in enumerate(zip(lags.level, lags.delay, strict=True)):
        length, lag, number = 2**level, delay >> level, FRAMES >> level
        good = [valid[s * length : (s + 1) * length].all() for s in range(number)]
        in_both = [
            s for s in range(lag, number - lag) if good[s] and good[s - lag] and good[s + lag]
        ]
        pairs, sums = brute_sums(values, valid, int(level), int(delay), scale)
        for d in range(qmap.dynamic_bins):
            above = below = 0.0
            for s in np.flatnonzero(qmap.parent == d):
                own = qmap.static_of_position == s
                g, a, b = sums[:, own].sum(axis=1)
                shared = sum(
                    (values[t, own].astype(float) * scale[t] ** 2).sum()
                    for sample in in_both
                    for t in range(sample * length, (sample + 1) * length)
                )
                above += g / pairs / 4.0**level
                below += (a * b - shared) / own.sum() / (pairs * 2.0**level) ** 2
            assert found.g2[i, d] == pytest.approx(above / below, rel=1e-11)


@pytest.mark.parametrize("how", HOW)
def test_the_linearisation_is_that_of_g2(how):
    """By finite differences in the sums of single pixels; and it adds up to 0."""
    rng = np.random.default_rng(4)
    static = np.array([0] * 5 + [1] * 7 + [2] * 4)
    bins = StaticBins(np.bincount(static), np.array([0, 0, 1]), 2)
    pixels = rng.uniform(0.5, 2.0, (3, static.size))
    shared = np.array([0.05, 0.02, 0.04])

    def g2(values: np.ndarray):
        means = np.stack([np.bincount(static, row) for row in values]) / bins.pixels
        return normalise(means, shared, bins, how)

    at = g2(pixels)
    factors = at.coefficients[:, static]
    influence = (factors[:3] * pixels).sum(axis=0) + factors[3]
    for d in range(2):
        assert abs(influence[bins.parent[static] == d].sum()) < 1e-12
    step = 1e-6
    for p in (0, 6, 13):
        for kind in range(3):
            moved = pixels.copy()
            moved[kind, p] += step
            slope = (g2(moved).g2 - at.g2) / step
            expected = np.zeros(2)
            expected[bins.parent[static[p]]] = factors[kind, p]
            np.testing.assert_allclose(slope, expected, atol=2e-6)


@pytest.mark.parametrize("how", HOW)
def test_bins_without_photons_are_counted_and_left_out(tmp_path, how):
    qmap = rings()
    values = photons(qmap)
    values[:, qmap.static_of_position == 0] = 0
    found = merged(tmp_path, qmap, values, how)
    assert (found.empty == [1, 0]).all()
    assert np.isfinite(found.g2).all()
    if how == "static_bins":
        alone = rings()
        only = by_hand(
            alone, np.where(qmap.static_of_position == 0, 1, values), how, np.ones(FRAMES, bool)
        )
        # The constant bin has g2 = 1: the mean of both gives the other one.
        np.testing.assert_allclose(found.g2[:, 0], 2 * only[:, 0] - 1, rtol=1e-12)
    values[:, qmap.dynamic_of_position == 0] = 0
    dark = merged(tmp_path, qmap, values, how)
    assert np.isnan(dark.g2[:, 0]).all()
    assert np.isnan(dark.error[:, 0]).all()
    assert (dark.empty[:, 0] == 2).all()
    assert np.isfinite(dark.g2[:, 1]).all()


@pytest.mark.parametrize("how", HOW)
def test_results_do_not_depend_on_blocks(tmp_path, how):
    qmap = rings()
    values = photons(qmap)
    one = merged(tmp_path, qmap, values, how, windows=4)
    five = merged(tmp_path, qmap, values, how, blocks=5, windows=4)
    for name in ("g2", "error", "error_time", "partial", "independent_pixels", "speckle_size"):
        assert getattr(one, name).tobytes() == getattr(five, name).tobytes(), name


@pytest.mark.parametrize("how", HOW)
def test_partial_g2_is_that_of_the_frames_of_the_window(tmp_path, how):
    qmap = rings()
    values = photons(qmap)
    found = merged(tmp_path, qmap, values, how, windows=3)
    assert found.partial_labels == ("0-29", "30-59", "60-89")
    alone = merged(tmp_path, qmap, values[30:60], how)
    with_pairs = np.isfinite(found.partial[1, :, 0])
    np.testing.assert_array_equal(found.delay[with_pairs], alone.delay)
    np.testing.assert_allclose(found.partial[1, with_pairs], alone.g2, rtol=1e-12)
    assert np.isnan(found.error_time[found.delay > 15]).all()
    assert (found.error_time[found.delay <= 15] > 0).all()


def test_frames_that_are_all_bad_give_nan_and_no_warning(tmp_path):
    qmap = rings()
    found = merged(tmp_path, qmap, photons(qmap), "static_bins", np.zeros(FRAMES, bool))
    assert np.isnan(found.g2).all()
    assert np.isnan(found.error).all()


def test_no_bias_at_few_photons():
    """0.003 photons per pixel and frame, uncorrelated: g2 is 1, in dynamic bins of 10 x 20 pixels."""
    rng = np.random.default_rng(11)
    frames, runs, inside, per_bin, mean = 256, 2000, 10, 20, 0.003
    bins = StaticBins(np.full(runs * inside, per_bin), np.arange(runs * inside) // inside, runs)
    pixels = runs * inside * per_bin
    drawn = rng.integers(0, frames * pixels, rng.poisson(mean * frames * pixels))
    values = np.zeros(frames * pixels, np.uint8)
    np.add.at(values, drawn, 1)
    values = values.reshape(frames, pixels)
    # Of level 3, delay 64: 192 frames are past, 192 are future, 128 both.
    lags = Lags(frames, np.arange(4), np.array([1, 2, 4, 64]))
    number, level = 3, 3
    valid = np.ones(frames, bool)
    sums = correlate_block(dense_block(values), valid, None, lags, 1)
    photons_of_bins = values.reshape(frames, -1, per_bin).sum(axis=2)
    shared = list(shared_photons(photons_of_bins, valid, None, lags))
    totals = np.stack(
        [own[number].reshape(-1, per_bin).sum(axis=1) for own in (sums.G2, sums.IP, sums.IF)]
    )
    means = per_frame(totals, level, int(sums.pairs[number]), bins.pixels)
    common = shared[number] / (sums.pairs[number] * per_bin * 2.0**level) ** 2
    bias, error = {}, {}
    for how in ("static_bins", "bias_corrected"):
        g2 = normalise(means, common, bins, how).g2
        bias[how], error[how] = g2.mean() - 1, g2.std() / np.sqrt(runs)
    # Photons of both, over those of past and future: what their covariance takes away.
    expected = -128 * mean * per_bin / (192 * mean * per_bin) ** 2
    assert abs(bias["bias_corrected"]) < 3 * error["bias_corrected"]
    assert error["bias_corrected"] < -expected / 4
    assert bias["static_bins"] == pytest.approx(expected, abs=3 * error["static_bins"])
