"""Cubes against brute force over shots, however they are cut into chunks, and against known signals."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.cube_axes import Label, axis_from_edges, make_axis
from scatterflow.shots.cubes import Cube
from scatterflow.shots.default_detectors import corrected_time
from scatterflow.shots.delay import corrected_delay
from scatterflow.sources.simulated_pump_probe import PUMP_PROBE, expected_photons

SHOTS = 80
LASER = Label("laser", (0.0, 1.0), ("off", "on"))
DELAY, POWER = np.array([-1.0, 0.0, 1.0, 3.0]), np.array([0.0, 1.0, 2.0])


def empty() -> Cube:
    axes = [axis_from_edges("delay", DELAY), axis_from_edges("power", POWER)]
    return Cube(axes, [LASER], {"signal": "i0"})


def simulated(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    spectrum = rng.normal(size=(SHOTS, 3))
    spectrum[rng.random(spectrum.shape) < 0.1] = np.nan
    i0 = rng.uniform(1, 3, SHOTS)
    i0[5], i0[6] = np.nan, 0
    return {
        "coordinates": {
            "delay": np.where(rng.random(SHOTS) < 0.05, np.nan, rng.uniform(-1.5, 3.5, SHOTS)),
            "power": rng.integers(0, 3, SHOTS),
            "laser": rng.choice([0, 1, 1, -1], SHOTS),
        },
        "quantities": {
            "signal": rng.poisson(5, SHOTS),
            "spectrum": spectrum,
            "image": rng.poisson(2, (SHOTS, 2, 4)).astype(np.uint16),
        },
        "passed": rng.random(SHOTS) < 0.8,
        "monitors": {"i0": i0},
    }


def part_of(run: dict[str, Any], part: slice) -> dict[str, Any]:
    groups = ("coordinates", "quantities", "monitors")
    cut = {group: {name: v[part] for name, v in run[group].items()} for group in groups}
    return cut | {"passed": run["passed"][part]}


def chunked(run: dict[str, Any], cuts: list[int]) -> Cube:
    """A cube for each chunk, stored, read and merged."""
    merged = empty()
    for start, stop in pairwise([0, *sorted(cuts), SHOTS]):
        own, read = empty(), empty()
        own.update(**part_of(run, slice(start, stop)))
        read.restore(own.state())
        merged.merge(read)
    return merged


def members(run: dict[str, Any], laser: int, i: int, j: int) -> list[int]:
    """Shots of one cell, shot by shot."""
    found = []
    for shot in range(SHOTS):
        delay, power = (run["coordinates"][name][shot] for name in ("delay", "power"))
        inside = DELAY[i] <= delay and (delay < DELAY[i + 1] or (i == 2 and delay == DELAY[3]))
        inside &= POWER[j] <= power and (power < POWER[j + 1] or (j == 1 and power == POWER[2]))
        if run["passed"][shot] and run["coordinates"]["laser"][shot] == laser and inside:
            found.append(shot)
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, SHOTS), max_size=4))
def test_every_cell_against_brute_force(seed, cuts):
    run = simulated(seed)
    found = chunked(run, cuts).finalize()
    assert found.shots.shape == (2, 3, 2)
    for cell in np.ndindex(2, 3, 2):
        shots = members(run, *cell)
        assert found.shots[cell] == len(shots)
        for name, values in run["quantities"].items():
            own = values[shots].astype(float)
            count = (~np.isnan(own)).sum(axis=0)
            result = found.quantities[name]
            assert np.array_equal(result.count[cell], count)
            for pixel in np.ndindex(values.shape[1:]):
                column = own[:, *pixel]
                column = column[~np.isnan(column)]
                mean, error = result.mean[cell][pixel], result.standard_error[cell][pixel]
                assert np.isnan(mean) == (len(column) == 0)
                assert np.isnan(error) == (len(column) < 2)
                if len(column):
                    assert mean == pytest.approx(column.mean(), rel=1e-12, abs=1e-12)
                if len(column) > 1:
                    expected = column.std(ddof=1) / np.sqrt(len(column))
                    assert error == pytest.approx(expected, rel=1e-9, abs=1e-12)
        check_ratios(run, found, cell, shots)
    left = sum(found.left_out.values())
    assert left + found.shots.sum() == SHOTS
    assert found.left_out["filters"] == (~run["passed"]).sum()
    unlabelled = run["passed"] & (run["coordinates"]["laser"] < 0)
    assert found.left_out["laser"] == unlabelled.sum()


def check_ratios(run, found, cell, shots) -> None:
    x, m = run["quantities"]["signal"][shots], run["monitors"]["i0"][shots]
    x, m = x[~np.isnan(m)].astype(float), m[~np.isnan(m)]
    sums, means = found.ratio_of_sums["signal"], found.mean_of_ratios["signal"]
    assert sums.count[cell] == len(x)
    assert means.count[cell] == (m > 0).sum()
    if m.sum() > 0:
        r = x.sum() / m.sum()
        assert sums.ratio[cell] == pytest.approx(r)
        assert means.mean[cell] == pytest.approx((x[m > 0] / m[m > 0]).mean())
        if len(x) > 1:
            n = len(x)
            error = np.sqrt(n / (n - 1) * np.sum((x - r * m) ** 2)) / m.sum()
            assert sums.standard_error[cell] == pytest.approx(error, rel=1e-6, abs=1e-7)


def test_chunks_and_order_change_no_bit_of_what_is_stored_in_pairs():
    run = simulated(1)
    one, many = chunked(run, []).finalize(), chunked(run, [7, 30, 31, 66]).finalize()
    order = np.random.default_rng(0).permutation(SHOTS)
    mixed = empty()
    mixed.update(**part_of(run, order))
    for other in (many, mixed.finalize()):
        for name, statistics in one.quantities.items():
            for field in ("count", "mean", "standard_error"):
                a, b = getattr(statistics, field), getattr(other.quantities[name], field)
                assert np.array_equal(a, b, equal_nan=True)


def test_the_difference_signal():
    run = simulated(2)
    cube = chunked(run, [40])
    found = cube.finalize().quantities["spectrum"]
    change = cube.difference("spectrum")
    off, on = found.mean
    np.testing.assert_allclose(change.difference, on - off)
    errors = np.sqrt(found.standard_error[0] ** 2 + found.standard_error[1] ** 2)
    np.testing.assert_allclose(change.standard_error, errors)
    np.testing.assert_allclose(change.relative, on / off - 1, rtol=1e-9)
    # The error of a quotient by small changes of either side.
    small = 1e-6
    by_on = ((on + small) / off - on / off) / small * found.standard_error[1]
    by_off = (on / (off + small) - on / (off - small)) / (2 * small) * found.standard_error[0]
    np.testing.assert_allclose(change.relative_error, np.hypot(by_on, by_off), rtol=1e-3)


def test_a_reference_pooled_over_all_bins():
    run = simulated(3)
    cube = chunked(run, [])
    shots = [s for i in range(3) for j in range(2) for s in members(run, 0, i, j)]
    image = run["quantities"]["image"][shots].astype(float)
    pooled = cube.pooled("image")
    np.testing.assert_allclose(pooled.mean[0], image.mean(axis=0))
    on = cube.finalize().quantities["image"].mean[1]
    change = cube.difference("image", pooled_off=True)
    np.testing.assert_allclose(change.difference, on - image.mean(axis=0))
    error = image.std(axis=0, ddof=1) / np.sqrt(len(image))
    own = cube.finalize().quantities["image"].standard_error[1]
    np.testing.assert_allclose(change.standard_error, np.hypot(own, error))


def test_a_pump_probe_scan_gives_back_its_signal():
    """Delay curve with time-tool jitter: within 4.5 errors in every bin, chi-square fair (fixed seed)."""
    rng = np.random.default_rng(11)
    shots = 20000
    nominal = np.repeat(np.linspace(-1, 2, 13), shots // 13 + 1)[:shots]
    jitter = 0.2 * rng.normal(size=shots)
    edge = (jitter + 0.5) / 2e-3
    bad = rng.random(shots) < 0.05
    edge[bad] = 0
    laser = rng.random(shots) < 0.6
    truth = nominal + jitter
    i0 = rng.gamma(20, 1, shots)
    change = np.where(truth > 0, 0.1 * (1 - np.exp(-np.maximum(truth, 0) / 0.4)), 0)
    signal = rng.poisson(i0 * 10 * (1 + laser * change))
    correction, found = corrected_time(edge, [-0.5, 2e-3])
    delay = corrected_delay(nominal, np.where(found, correction, np.nan), laser)
    assert np.array_equal(np.isnan(delay), laser & bad)
    assert np.array_equal(found, ~bad)
    axis = make_axis("delay", {"type": "edges", "edges": np.linspace(-1, 2, 31)}, delay)
    cube = Cube([axis], [LASER], {"signal": "i0"})
    cube.update({"delay": delay, "laser": laser}, {"signal": signal}, None, {"i0": i0})
    ratio = cube.finalize().ratio_of_sums["signal"]
    on = [laser & (axis.places(delay) == k) for k in range(30)]
    expected = [10 * (1 + np.average(change[k], weights=i0[k])) for k in on]
    pulls = (ratio.ratio[1] - expected) / ratio.standard_error[1]
    assert np.abs(pulls).max() < 4.5
    assert 0.5 < np.mean(pulls**2) < 1.7
    off = ratio.ratio[0][ratio.count[0] > 0]
    errors = ratio.standard_error[0][ratio.count[0] > 0]
    assert np.abs((off - 10) / errors).max() < 4.5


@pytest.mark.parametrize("pooled_off", [False, True])
def test_errors_of_a_delay_curve_over_many_runs(pooled_off):
    """The simulated run of the demo 150 times: 22 pumped shots in a bin, so pulls are a little wide.

    The bin around time zero is left out: there the delays of its own shots make them scatter, which is in
    its error, and not in what is expected for these very delays.
    """
    run, edges, pulls = PUMP_PROBE, np.linspace(-1.25, 3.75, 11), []
    whole = expected_photons(run, np.ones(1), np.zeros(1), np.zeros(1, bool))[0]
    for seed in range(150):
        rng = np.random.default_rng([17, seed])
        delay = np.repeat(run.steps, run.shots // len(run.steps)) + rng.normal(0, 0.2, run.shots)
        laser = rng.permutation(run.shots) % 3 != 2
        energy = rng.gamma(16, 1 / 16, run.shots)
        expected = expected_photons(run, np.ones(run.shots), delay, laser)
        cube = Cube([axis_from_edges("delay", edges)], [LASER], {"signal": "i0"})
        place = {"delay": np.where(laser, delay, np.round(2 * delay) / 2), "laser": laser}
        i0 = energy * rng.normal(1, run.monitor_error, run.shots)
        cube.update(place, {"signal": rng.poisson(energy * expected)}, None, {"i0": i0})
        found = cube.difference("signal", pooled_off=pooled_off, of="ratio")
        chosen = [laser & (cube.axes[0].places(delay) == k) for k in range(10)]
        truth = [np.average(expected[k], weights=energy[k]) / whole - 1 for k in chosen]
        pulls.append(np.delete((found.relative - truth) / found.relative_error, 2))
    # 1350 pulls: their mean square is known to 0.05, their mean to 0.03, less so if bins share a reference.
    assert np.mean(np.square(pulls)) == pytest.approx(1.08, abs=0.2)
    assert abs(np.mean(pulls)) < 0.2


def test_a_cube_without_labels_and_one_without_axes():
    axis = axis_from_edges("x", np.array([0.0, 1.0, 2.0]))
    cube = Cube([axis])
    cube.update({"x": np.array([0.5, 1.5, 1.7, 9.0])}, {"y": np.array([1.0, 2.0, 4.0, 8.0])})
    assert cube.finalize().quantities["y"].mean.tolist() == [1, 3]
    assert cube.finalize().left_out == {"filters": 0, "x": 1}
    cube = Cube([], [LASER])
    cube.update({"laser": np.array([1, 0, 1])}, {"y": np.array([1.0, 2.0, 3.0])})
    assert cube.difference("y").difference == 0
    assert cube.finalize().quantities["y"].mean.tolist() == [2, 2]


def test_mistakes_are_told():
    axis = axis_from_edges("x", np.array([0.0, 1.0]))
    with pytest.raises(UserError, match="nothing"):
        Cube([])
    with pytest.raises(UserError, match="x, x"):
        Cube([axis, axis])
    cube = Cube([axis], normalised={"y": "i0"})
    with pytest.raises(UserError, match="variable 'x'"):
        cube.update({"z": np.ones(3)}, {})
    with pytest.raises(UserError, match="monitor 'i0'"):
        cube.update({"x": np.ones(3)}, {"y": np.ones(3)})
    with pytest.raises(UserError, match="no label"):
        cube.difference("y")
    with pytest.raises(UserError, match="no quantity"):
        cube.pooled("z")
    with pytest.raises(ValueError, match="cells"):
        cube.merge(empty())
