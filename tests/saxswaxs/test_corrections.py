"""The correction chain: numbers computed by hand for three frames, each case that is easily got wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.saxswaxs.chain import RunData

from .chains import corrected, run, settings, task

COUNTS = [[100.0, 40.0], [200.0, 90.0], [300.0, 100.0]]
I0 = [1000.0, 2000.0, 3000.0]
I1 = [400.0, 1000.0, 900.0]


def empty() -> RunData:
    """A background: 10 and 20 counts at I0 = 1000 over both frames; I1 / I0 = 0.5."""
    return run("empty", [[8, 30], [22, 30]], {"i0": [1000, 2000], "i1": [500, 1000]})


def test_nothing_configured_changes_nothing():
    intensity, errors, mean, corrections = corrected(run("a", COUNTS, {}, norm=[2.0, 4.0]))
    np.testing.assert_allclose(intensity, np.array(COUNTS) / [2, 4])
    np.testing.assert_allclose(errors, np.sqrt(COUNTS) / [2, 4])
    np.testing.assert_allclose(mean.intensity, [100, 230 / 12])
    np.testing.assert_allclose(mean.errors, [np.sqrt(600) / 3 / 2, np.sqrt(230) / 3 / 4])
    assert corrections.steps == ()


def test_flux_to_the_mean_reading_of_the_run():
    intensity, errors, _, corrections = corrected(run("a", COUNTS, {"i0": I0}, settings(flux={})))
    assert corrections.reference == 2000
    np.testing.assert_allclose(intensity, [[200, 80], [200, 90], [200, 200 / 3]])
    np.testing.assert_allclose(errors[0], [20, 2 * np.sqrt(40)])


def test_flux_to_the_mean_rate_of_the_run():
    """r = mean(I0) / mean(t), which is not the mean of I0 / t."""
    seconds = [1.0, 1.0, 4.0]
    data = run("a", COUNTS, {"i0": I0, "t": seconds}, settings(flux={"dwell_time": "t"}))
    intensity, _, _, corrections = corrected(data)
    assert corrections.reference == 1000  # mean of the ratios: 1250
    np.testing.assert_allclose(intensity[:, 0], [100, 100, 100])


def test_flux_to_a_number():
    flux = settings(flux={"reference": 10.0})
    intensity, *_ = corrected(run("a", COUNTS, {"i0": I0}, flux))
    np.testing.assert_allclose(intensity[:, 0], [1, 1, 1])


@pytest.mark.parametrize("stored", [1, 2, 3])
def test_no_number_depends_on_chunks(stored):
    """The reference belongs to the run, and sums over frames are taken in order."""
    steps = settings(flux={"uncertainty": "counting"}, absorption={}, background={})

    def numbers(stored):
        others = run("empty", [[8, 30], [22, 30]], {"i0": [1e3, 2e3], "i1": [5e2, 1e3]}, stored=1)
        data = run("a", COUNTS, {"i0": I0, "i1": I1}, steps, background=("empty",), stored=stored)
        intensity, errors, mean, _ = corrected(data, others)
        return [intensity, errors, mean.intensity, mean.errors]

    for one, other in zip(numbers(stored), numbers(2), strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_readings_of_missing_frames_do_not_count():
    counts = [[1.0], [np.nan], [1.0]]
    intensity, _, mean, corrections = corrected(
        run("a", counts, {"i0": [1, np.nan, 3]}, settings(flux={}))
    )
    assert corrections.reference == 2
    np.testing.assert_allclose(intensity[:, 0], [2, np.nan, 2 / 3])
    np.testing.assert_allclose(mean.intensity, [4 / 3])


def test_absorption_against_the_background():
    """T = (I1 / I0) / (I1b / I0b) = 0.8, 1, 0.6."""
    steps = settings(flux={"reference": 1000.0}, absorption={})
    data = run("a", COUNTS, {"i0": I0, "i1": I1}, steps, background=("empty",))
    intensity, _, _, corrections = corrected(data, empty())
    np.testing.assert_allclose(corrections.factors.transmission, [0.8, 1.0, 0.6])
    np.testing.assert_allclose(intensity[:, 0], [125, 100, 100 / 0.6])
    assert corrections.steps[1].parameters["open_beam_ratio_used"] == 0.5


def test_absorption_against_a_number():
    steps = settings(flux={"reference": 1000.0}, absorption={"reference": 0.8})
    data = run("a", COUNTS, {"i0": I0, "i1": [400, 800, 1200]}, steps)
    _, _, _, corrections = corrected(data)
    np.testing.assert_allclose(corrections.factors.transmission, 0.5)


def test_background_with_its_own_monitors():
    """10 and 20 counts at the reference of the sample, 1000."""
    steps = settings(flux={"reference": 1000.0}, background={"scale": 0.5})
    intensity, errors, mean, _ = corrected(
        run("a", COUNTS, {"i0": I0}, steps, background=("empty",)), empty()
    )
    np.testing.assert_allclose(
        intensity, np.array([[100, 40], [100, 45], [100, 100 / 3]]) - [5, 10]
    )
    background = np.array([30, 60]) / 9  # 30 and 60 counts over an exposure of 3
    np.testing.assert_allclose(errors[1] ** 2, np.array([200, 90]) / 4 + 0.25 * background)
    frames = np.array([[100, 40], [50, 22.5], [300 / 9, 100 / 9]]).sum(axis=0) / 9
    np.testing.assert_allclose(mean.errors**2, frames + 0.25 * background)
    np.testing.assert_allclose(mean.shared_variance, 0.25 * background)


def test_the_thickness_divides_both_terms():
    steps = settings(
        flux={"reference": 1000.0}, absorption={}, background={}, thickness={"cm": 0.1}
    )
    data = run("a", COUNTS, {"i0": I0, "i1": I1}, steps, background=("empty",))
    intensity, *_ = corrected(data, empty())
    np.testing.assert_allclose(intensity[:, 0], 10 * (np.array([125, 100, 100 / 0.6]) - 10))


def test_the_thickness_from_the_attenuation():
    """t = -ln(T) / mu, not -ln(T / mu)."""
    steps = settings(
        flux={"reference": 1000.0}, absorption={}, background={}, thickness={"mu_per_cm": 2.0}
    )
    data = run("a", COUNTS[:1], {"i0": I0[:1], "i1": I1[:1]}, steps, background=("empty",))
    intensity, _, _, corrections = corrected(data, empty())
    np.testing.assert_allclose(corrections.factors.thickness, [0.11157177565710486])  # -ln(0.8) / 2
    np.testing.assert_allclose(intensity[0, 0], (125 - 10) / 0.11157177565710486)


def test_all_background_runs_count_with_all_their_frames():
    """Two runs of different exposure: counts over exposures, monitors of both, the last frame included."""
    first = run("first", [[10.0], [30.0]], {"i0": [1000, 1000], "i1": [500, 700]})
    last = run("last", [[20.0], [40.0]], {"i0": [2000, 6000], "i1": [1000, 2800]})
    steps = settings(flux={"reference": 1000.0}, absorption={}, background={})
    data = run("a", [[50.0]], {"i0": [1000], "i1": [250]}, steps, background=("first", "last"))
    intensity, errors, _, corrections = corrected(data, first, last)
    ratio = (500 + 700 + 1000 + 2800) / (1000 + 1000 + 2000 + 6000)
    transmission = 0.25 / ratio
    np.testing.assert_allclose(intensity, [[50 / transmission - 100 / 10]])
    np.testing.assert_allclose(errors**2, [[50 / transmission**2 + 100 / 10**2]])
    assert corrections.steps[2].parameters["frames_used"] == {"first": [0, 1], "last": [0, 1]}


def test_some_frames_of_the_background_with_their_monitors():
    other = run("empty", [[8], [22], [500]], {"i0": [1000, 2000, 0], "i1": [500, 1000, np.nan]})
    steps = settings(flux={"reference": 1000.0}, absorption={}, background={"frames": "0-1"})
    data = run("a", [[100.0]], {"i0": [1000], "i1": [400]}, steps, background=("empty",))
    intensity, *_ = corrected(data, other)
    np.testing.assert_allclose(intensity, [[125 - 10]])


def test_frames_that_the_background_has_not():
    steps = settings(flux={}, background={"frames": "0,2"})
    data = run("a", COUNTS, {"i0": I0}, steps, background=("empty",))
    with pytest.raises(UserError, match="frame 2 does not exist: run empty has frames 0 to 1"):
        corrected(data, empty())


def test_a_missing_frame_of_the_background_is_passed_over():
    other = run("empty", [[10.0], [np.nan], [30.0]], {"i0": [1000, 1000, 1000]})
    steps = settings(flux={"reference": 1000.0}, background={})
    intensity, *_ = corrected(
        run("a", [[50.0]], {"i0": [1000]}, steps, background=("empty",)), other
    )
    np.testing.assert_allclose(intensity, [[30.0]])


def test_dark_by_exposure():
    """6 counts in 3 s: 2 per second, of 1 and 4 s; each run has its own dark."""
    steps = settings(dark={})
    dark = run("dark", [[2.0], [4.0]], {"t": [1, 2]})
    data = run("a", [[10.0], [10.0]], {"t": [1, 4]}, steps, dark=("dark",))
    intensity, errors, mean, _ = corrected(data, dark)
    np.testing.assert_allclose(intensity[:, 0], [8, 2])
    rate = 6 / 9
    np.testing.assert_allclose(errors[:, 0] ** 2, [10 + rate, 10 + 16 * rate])
    np.testing.assert_allclose(mean.errors**2, [20 / 4 + 2.5**2 * rate])


def test_dark_by_a_number():
    dark = run("dark", [[2.0], [4.0]], {})
    data = run("a", [[10.0]], {}, settings(dark={"scale": 0.5, "exposure": None}), dark=("dark",))
    np.testing.assert_allclose(corrected(data, dark)[0], [[8.5]])


def test_one_dark_for_sample_and_background_cancels_in_the_errors():
    """Sample and background hold the same share of one dark: what is uncertain of it drops out."""
    steps = settings(dark={}, background={})
    dark = run("dark", [[9.0]], {"t": [1]})
    own = run("other", [[9.0]], {"t": [1]})
    for name, variance in (("dark", 0.0), ("other", 18.0)):
        background = run("empty", [[10.0]], {"t": [1]}, settings(dark={}), dark=(name,))
        data = run("a", [[30.0]], {"t": [1]}, steps, dark=("dark",), background=("empty",))
        intensity, errors, *_ = corrected(data, dark, own, background)
        np.testing.assert_allclose(intensity, [[20.0]])
        np.testing.assert_allclose(errors**2, [[40 + variance]])


def test_the_incident_monitor_cancels_in_flux_and_absorption():
    """(1 / T) r / I0 = R r / I1: only I1 and R are uncertain."""
    steps = settings(
        flux={"reference": 1000.0, "uncertainty": 0.1},
        absorption={"reference": 0.5, "uncertainty": 0.02},
    )
    data = run("a", [[1e4]], {"i0": [1000], "i1": [250]}, steps, variance=0.0)
    intensity, errors, *_ = corrected(data)
    np.testing.assert_allclose(intensity, [[2e4]])
    np.testing.assert_allclose(errors, [[2e4 * 0.02]])


def test_what_frames_share_does_not_average_away():
    steps = settings(flux={"reference": 1000.0}, thickness={"cm": 0.1, "uncertainty": 0.05})
    data = run("a", [[100.0]] * 400, {"i0": [1000.0] * 400}, steps)
    _, errors, mean, _ = corrected(data)
    np.testing.assert_allclose(errors[0] ** 2, [100**2 + 50**2])
    np.testing.assert_allclose(mean.errors**2, [100**2 / 400 + 50**2])
    np.testing.assert_allclose(mean.shared_variance, [50**2])


@effort(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([{"cm": 0.2}, {"mu_per_cm": 1.5}]), st.booleans())
def test_coefficients_are_those_of_finite_differences(seed, thickness, relative):
    """Each shared quantity and reading, moved a little, moves the result by its coefficient."""
    rng = np.random.default_rng(seed)
    frames = 3
    scalars = {
        "i0": rng.uniform(900, 1100, frames),
        "i1": rng.uniform(300, 400, frames),
        "t": rng.uniform(1, 2, frames),
    }
    absorption = {"uncertainty": 0.02, "reference": "background" if relative else 0.9}
    steps = settings(
        dark={},
        flux={"reference": 1000.0, "uncertainty": 0.03},
        absorption=absorption,
        background={"scale": 0.7, "scale_uncertainty": 0.04},
        thickness={**thickness, "uncertainty": 0.05},
    )
    counts = rng.uniform(100, 300, (frames, 2))
    dark = {"counts": rng.uniform(1, 5, (2, 2)), "t": rng.uniform(1, 2, 2)}
    other = {
        "counts": rng.uniform(20, 60, (2, 2)),
        "i0": rng.uniform(900, 1100, 2),
        "i1": rng.uniform(800, 950, 2),
        "t": rng.uniform(1, 2, 2),
    }

    def result(change: str = "", by: float = 0.0):
        moved = {name: values.copy() for name, values in scalars.items()}
        beam = {name: values.copy() for name, values in other.items()}
        darks = dict(dark)
        these = {name: dict(values) if values else values for name, values in steps.items()}
        if change in ("i0", "i1"):
            moved[change][1] *= 1 + by
        elif change == "beam_i0":
            beam["i0"] *= 1 + by
        elif change == "beam_i1":
            beam["i1"] *= 1 + by
        elif change == "scale":
            these["background"]["scale"] *= 1 + by
        elif change == "thickness":
            key = next(iter(thickness))
            these["thickness"][key] *= 1 + by
        elif change == "dark":
            darks["counts"] = dark["counts"] + by * dark["t"][:, None]
        elif change == "background":
            beam["counts"] = other["counts"] + by * (other["i0"] / 1000)[:, None]
        dark_run = run("dark", darks["counts"], {"t": darks["t"]})
        background = run(
            "empty",
            beam["counts"],
            {key: beam[key] for key in ("i0", "i1", "t")},
            settings(dark={}),
            dark=("dark",),
        )
        data = run("a", counts, moved, these, dark=("dark",), background=("empty",), variance=0.0)
        return data, dark_run, background

    def intensity(change: str = "", by: float = 0.0) -> np.ndarray:
        return corrected(*result(change, by))[0]

    def slope(change: str) -> np.ndarray:
        return (intensity(change, 1e-4) - intensity(change, -1e-4)) / 2e-4

    _, errors, mean, corrections = corrected(*result())
    chain = corrections.chain(task(corrections.data))
    sums = {"i0": other["i0"], "i1": other["i1"]}
    beam_variance = {
        key: np.sum(values**2 * relative**2) / values.sum() ** 2
        for (key, values), relative in zip(sums.items(), (0.03, 0.02), strict=True)
    }
    shared = {
        "dark": chain.dark.variance,
        "background": chain.background.variance,
        "scale": 0.04**2,
        "thickness": 0.05**2,
        "beam_i0": beam_variance["i0"],
        "beam_i1": beam_variance["i1"] if relative else 0.0,
    }
    independent = slope("i0")[1] ** 2 * 0.03**2 + slope("i1")[1] ** 2 * 0.02**2
    expected = independent + sum(slope(name)[1] ** 2 * value for name, value in shared.items())
    np.testing.assert_allclose(errors[1] ** 2, expected, rtol=1e-5)
    common = sum(slope(name).mean(axis=0) ** 2 * value for name, value in shared.items())
    np.testing.assert_allclose(mean.shared_variance, common, rtol=1e-5)
