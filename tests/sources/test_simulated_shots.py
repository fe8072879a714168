"""The simulated pump-probe run: its physics against formulas, both layouts against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import curve_fit

from scatterflow.errors import UserError
from scatterflow.shots.default_detectors import find_default_detectors, read_default_detectors
from scatterflow.shots.run import open_run
from scatterflow.sources.base import RunLocation
from scatterflow.sources.simulated_shots import (
    PUMP_PROBE,
    expected_photons,
    known_shot_answers,
    response,
    simulate_shot_run,
    simulate_shots,
    simulated_shot_defaults,
    simulated_shot_files,
    simulated_shot_recipe,
)

RUNS = {"sacla": "shots/sacla/1001.h5", "euxfel": "shots/euxfel/r0002"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    root = tmp_path_factory.mktemp("raw")
    for name in simulated_shot_files():
        simulate_shot_run(name, root, 4)
    return root


@pytest.fixture(scope="module")
def truth():
    return simulate_shots(PUMP_PROBE, 4)


def opened(raw, layout, name=None):
    name = name or RUNS[layout]
    recipe = simulated_shot_recipe(layout)
    return open_run(RunLocation(name, name, str(raw), PUMP_PROBE.shots, recipe))


def test_the_files_are_those_foretold(raw):
    foretold = {raw / path for paths in simulated_shot_files().values() for path in paths}
    assert {path for path in raw.rglob("*") if path.is_file()} == foretold
    with pytest.raises(UserError, match="no simulated run"):
        simulate_shot_run("shots/sacla/1002.h5", raw, 4)


def test_equal_seeds_give_equal_bytes(raw, tmp_path):
    for name in RUNS.values():
        simulate_shot_run(name, tmp_path, 4)
        for path in simulated_shot_files()[name]:
            assert (tmp_path / path).read_bytes() == (raw / path).read_bytes()


def test_response_is_a_decay_seen_through_a_gaussian():
    s, tau = PUMP_PROBE.response_ps, PUMP_PROBE.decay_ps
    t = np.linspace(0, 60, 600_001)
    for delay in (-1.0, -0.2, 0.0, 0.05, 0.3, 2.0, 9.0):
        seen = np.exp(-t / tau) * np.exp(-((delay - t) ** 2) / 2 / s**2) / s / np.sqrt(2 * np.pi)
        expected = np.trapezoid(seen, t)
        assert response(PUMP_PROBE, delay) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    far = response(PUMP_PROBE, np.array([-1e4, 1e4]))
    assert far.tolist() == [0, 0]


@pytest.mark.parametrize("layout", RUNS)
def test_layouts_hold_what_was_simulated(raw, truth, layout):
    run = opened(raw, layout)
    frames, present = run.images("ccd")
    assert present.tolist() == truth.present.all(axis=1).tolist()
    np.testing.assert_array_equal(frames[present], truth.frames[present])
    for name, values in truth.scalars.items():
        np.testing.assert_array_equal(run.scalars[name].to_numpy(), values)
    notes = " | ".join(run.notes)
    assert f"in {known_shot_answers()['lost_images']} of 360 shots" in notes
    assert "missing" in notes


@pytest.mark.parametrize("layout", RUNS)
@pytest.mark.parametrize("size", [1, 7, 50])
def test_chunks_are_parts_of_the_whole(raw, layout, size):
    source = opened(raw, layout).source
    found = find_default_detectors(source, simulated_shot_defaults(layout))
    whole = source.read("ccd", 0, 120)[0], source.scalars(0, 120)
    defaults = read_default_detectors(source, found, 0, 120)
    source.close()
    for start in range(0, 120, size):
        stop = min(start + size, 120)
        np.testing.assert_array_equal(source.read("ccd", start, stop)[0], whole[0][start:stop])
        for part, table in (
            (source.scalars(start, stop), whole[1]),
            (read_default_detectors(source, found, start, stop), defaults),
        ):
            np.testing.assert_array_equal(part.to_numpy(), table.iloc[start:stop].to_numpy())
            assert part.dtypes.tolist() == table.dtypes.tolist()


def test_layouts_give_the_same_default_detectors(raw):
    tables = []
    for layout in RUNS:
        source = opened(raw, layout).source
        found = find_default_detectors(source, simulated_shot_defaults(layout))
        tables.append(read_default_detectors(source, found))
    shared = [name for name in tables[0] if name in tables[1] and name != "event_time"]
    assert {"lightStatus/xray", "lightStatus/laser", "ipm2/sum", "tt/ttCorr", "scan/delay"} <= set(
        shared
    )
    for name in shared:
        np.testing.assert_array_equal(tables[0][name], tables[1][name], err_msg=name)


def test_photons_are_poisson_around_what_is_expected(truth):
    found = truth.photons.sum(axis=(1, 2, 3), dtype=np.int64)
    laser = truth.scalars["laser"] == 1
    expected = expected_photons(PUMP_PROBE, truth.energy, truth.delay, laser)
    lit = expected > 0
    assert 0.9 < lit.mean() < 1
    assert found[~lit].sum() == 0
    pull = (found[lit] - expected[lit]) / np.sqrt(expected[lit])
    # 340 shots: mean 0 +- 0.054, variance 1 +- 0.077.
    assert abs(pull.mean()) < 0.22
    assert pull.var() == pytest.approx(1, abs=0.31)
    answers = known_shot_answers()
    assert expected_photons(PUMP_PROBE, 1.0, 0.0, False) == pytest.approx(
        answers["photons_per_shot"]
    )


def test_charge_is_that_of_the_photons():
    run = replace(PUMP_PROBE, noise=0.0, common_mode=0.0, gain_spread=0.0, trains_per_step=1)
    shots = simulate_shots(run, 2)
    charge = (shots.frames - shots.pedestal) / run.adu_per_photon
    # Rounding of 6144 pixels: +- 0.29 ADU each, 0.15 photons in all; nothing lies at the edges.
    inner = shots.photons.copy()
    inner[:, :, 1:-1, 1:-1] = 0
    photons = shots.photons.sum(axis=(1, 2, 3), dtype=np.int64)
    lost = photons - charge.sum(axis=(1, 2, 3))
    assert np.all(lost > -1)
    assert np.all(lost <= inner.sum(axis=(1, 2, 3)) + 1)
    # A cloud of 0.2 pixels leaves its pixel along one axis with probability 2 x 0.2 / sqrt(2 pi).
    alone = (shots.photons == 1) & (_neighbours(shots.photons) == 0)
    alone[:, :, [0, -1], :] = alone[:, :, :, [0, -1]] = False
    stays = (1 - 2 * run.cloud / np.sqrt(2 * np.pi)) ** 2
    kept = charge[alone]
    error = kept.std() / np.sqrt(len(kept))
    assert len(kept) > 2000
    assert kept.mean() == pytest.approx(stays, abs=4 * error)


def _neighbours(photons):
    padded = np.pad(photons.astype(np.int64), ((0, 0), (0, 0), (2, 2), (2, 2)))
    rows, columns = photons.shape[2:]
    around = sum(padded[:, :, i : i + rows, j : j + columns] for i in range(5) for j in range(5))
    return around - photons


def test_pedestal_noise_and_common_mode(raw):
    frames, present = opened(raw, "sacla", "shots/sacla/1000.h5").images("ccd")
    assert present.all()
    truth = simulate_shots(PUMP_PROBE, 4, dark=True)
    answers = known_shot_answers()
    sigma = np.hypot(answers["noise_adu"], answers["common_mode_adu"])
    mean_error = frames.mean(axis=0) - truth.pedestal
    assert abs(mean_error).max() < 6 * sigma / np.sqrt(len(frames))
    common = (frames - truth.pedestal).mean(axis=(2, 3))
    assert common.std() == pytest.approx(answers["common_mode_adu"], rel=0.12)
    rest = frames - truth.pedestal - common[:, :, None, None]
    # Rounding to whole ADU adds 1/12.
    assert rest.var() == pytest.approx(answers["noise_adu"] ** 2 + 1 / 12, rel=0.01)
    assert truth.photons.sum() == 0


@pytest.mark.parametrize("layout", RUNS)
def test_the_delay_curve_is_recovered(raw, truth, layout):
    """Photons per pulse energy against the corrected delay: amplitude and decay as put in."""
    source = opened(raw, layout).source
    found = find_default_detectors(source, simulated_shot_defaults(layout))
    table = read_default_detectors(source, found)
    answers = known_shot_answers()
    counts = truth.photons.sum(axis=(1, 2, 3), dtype=np.int64)
    lit = (table["lightStatus/xray"] == 1).to_numpy() & (table["damage/ccd"] == 1).to_numpy()
    on = lit & (table["lightStatus/laser"] == 1).to_numpy() & (table["tt/valid"] == 1).to_numpy()
    off = lit & (table["lightStatus/laser"] == 0).to_numpy()
    energy = table["ipm2/sum"].to_numpy()
    delay = (table["scan/delay"] + table["tt/ttCorr"]).to_numpy()
    # The time tool is right within its error.
    assert (delay - truth.delay)[on].std() == pytest.approx(PUMP_PROBE.time_tool_error_ps, rel=0.2)
    per_energy = counts[off].sum() / energy[off].sum()
    error = np.sqrt(counts[off].sum()) / energy[off].sum()
    assert per_energy == pytest.approx(answers["photons_per_shot"], abs=4 * error)
    change = counts[on] / energy[on] / per_energy - 1
    errors = np.sqrt(counts[on]) / energy[on] / per_energy

    def curve(t, amplitude, decay):
        run = replace(PUMP_PROBE, decay_ps=decay)
        return answers["ring_fraction"] * amplitude * response(run, t)

    fitted, covariance = curve_fit(curve, delay[on], change, (0.3, 1.0), errors)
    limits = 4 * np.sqrt(np.diag(covariance))
    assert limits[0] < 0.2
    assert fitted[0] == pytest.approx(answers["amplitude"], abs=limits[0])
    assert fitted[1] == pytest.approx(answers["decay_ps"], abs=limits[1])
