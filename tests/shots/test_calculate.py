"""Calculations on the small data of a run, from the settings to the file, against numpy."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import h5py
import numpy as np
import pytest
from pydantic import TypeAdapter

from scatterflow.config.calculations import CalculationSettings
from scatterflow.errors import UserError
from scatterflow.shots import per_shot
from scatterflow.shots.calculate import calculate
from scatterflow.shots.calculation_file import write_calculations

from .pumped_run import BAD, SHAPE, SHOTS, PumpedRun, Q, pumped_run

GIVEN: dict[str, dict[str, Any]] = {
    "spectrum": {"type": "histogram", "variable": "ccd/ring_sum", "bins": 6},
    "edges": {"type": "histogram", "variable": "ccd/map_nPhot", "edges": [0.0, 3.0, 6.0, 9.0]},
    "pairs": {
        "type": "histogram2d",
        "x": {"variable": "ipm2/sum", "bins": 3, "minimum": 1.0, "maximum": 2.5},
        "y": {"variable": "ccd/ring_sum", "bins": 4},
    },
    "curve": {
        "type": "binned_statistics",
        "variable": "ccd/azimuthal_azav",
        "along": "delay",
        "edges": [-1.0, 0.0, 2.0],
    },
    "best": {"type": "top_shots", "variable": "ccd/ring_sum", "number": 4, "images": ["ccd"]},
    "worst": {"type": "top_shots", "variable": "ccd/ring_sum", "number": 3, "lowest": True},
    "some": {"type": "random_shots", "number": 6, "images": ["ccd"]},
    "cov": {"type": "covariance", "variable": "ccd/azimuthal_azav"},
    "mean": {"type": "moments", "variable": "ccd/map_nPhot"},
    "range": {"type": "extremes", "variable": "ccd/azimuthal_azav"},
    "median": {
        "type": "quantiles",
        "variable": "ccd/ring_sum",
        "fractions": [0.25, 0.5],
        "bins": 4000,
    },
    "weighted": {"type": "weighted_mean", "variable": "ccd/ring_sum", "weight": "ipm2/sum"},
    "last": {"type": "running_mean", "variable": "ccd/ring_sum", "lifetime": 10.0},
}
DESCRIPTION = {
    "run": "7",
    "reduction": "pumpprobe",
    "sample": "water",
    "experiment": {"title": "Test", "proposal": "", "creators": []},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> PumpedRun:
    return pumped_run(tmp_path_factory.mktemp("run"))


def configured(given: dict[str, Any]) -> dict[str, Any]:
    return (
        TypeAdapter(CalculationSettings)
        .validate_python({"filters": ["light"], **given})
        .model_dump()
    )


@pytest.fixture(scope="module")
def entry(run, tmp_path_factory) -> h5py.Group:
    path = tmp_path_factory.mktemp("analysis") / "analysis.nxs"
    small, detectors = run.small(), {"ccd": run.detector()}
    settings = {name: configured(given) for name, given in GIVEN.items()}
    results = {
        name: calculate(small, own, detectors, f"calculations.{name}")
        for name, own in settings.items()
    }
    write_calculations(path, small, results, settings, DESCRIPTION, {"masks": {}})
    return h5py.File(path, locking=False)["entry"]


def test_histograms_are_numpys(run, entry):
    signal = run.signal[run.light & run.there]
    counts, edges = np.histogram(signal, 6, (signal.min(), signal.max()))
    group = entry["spectrum"]
    assert np.array_equal(group["counts"], counts)
    np.testing.assert_allclose(group["value_edges"], edges)
    assert group["missing"][()] == (run.light & ~run.there).sum()
    assert group["value"].attrs["units"] == "photons"
    photons = run.photons[run.light & run.there]
    group = entry["edges"]
    assert np.array_equal(group["counts"], np.histogram(photons, [0, 3, 6, 9])[0])
    assert group["above"][()] == (photons > 9).sum()
    assert group["missing"][()] == (run.light & ~run.there).sum()


def test_histogram_of_pairs_is_numpys(run, entry):
    y_all = run.signal[run.light & run.there]
    known = run.light & run.there & np.isfinite(run.i0)
    limits = [(1.0, 2.5), (y_all.min(), y_all.max())]
    counts, *_ = np.histogram2d(run.i0[known], run.signal[known], [3, 4], limits)
    assert np.array_equal(entry["pairs/counts"], counts)
    assert entry["pairs/missing"][()] == (run.light & ~known).sum()


def test_profiles_in_bins_of_the_delay(run, entry):
    group = entry["curve"]
    for bin_, (low, high) in enumerate(((-1.0, 0.0), (0.0, 2.0))):
        with np.errstate(invalid="ignore"):
            inside = (run.delay >= low) & ((run.delay < high) | ((run.delay == high) & (high == 2)))
        own = run.profile[run.light & inside]
        np.testing.assert_allclose(group["mean"][bin_], np.nanmean(own, axis=0))
        count = np.isfinite(own).sum(axis=0)
        error = np.nanstd(own, axis=0, ddof=1) / np.sqrt(count)
        np.testing.assert_allclose(group["mean_errors"][bin_], error)
        assert np.array_equal(group["counts"][bin_], count)
    assert list(group.attrs["axes"]) == ["along", ".", "q"]
    np.testing.assert_array_equal(group["q"], Q)
    assert group["missing"][()] == (run.light & np.isnan(run.delay)).sum()


def test_best_and_worst_shots_with_their_images(run, entry):
    known = np.flatnonzero(run.light & run.there)
    order = known[np.argsort(run.signal[known])]
    for name, positions in (("best", order[::-1][:4]), ("worst", order[:3])):
        group = entry[name]
        assert np.array_equal(group["positions"], positions)
        assert np.array_equal(group["tags"], run.tags[positions])
        assert np.array_equal(group["keys"], run.signal[positions])
        assert group["seen"][()] == len(known)
    images = entry["best_ccd/data"]
    np.testing.assert_allclose(images, run.images[order[::-1][:4]], rtol=1e-6)
    assert images.attrs["units"] == "photons"
    assert np.isnan(images[(slice(None), *BAD)]).all()


def test_shots_drawn_at_random(run, entry):
    positions = entry["some/positions"][()]
    assert len(set(positions.tolist())) == 6
    assert run.light[positions].all()
    for image, position in zip(entry["some_ccd/data"][()], positions, strict=True):
        expected = run.images[position] if run.there[position] else np.full(SHAPE, np.nan)
        np.testing.assert_allclose(image, expected, rtol=1e-6)


def test_covariance_is_numpys(run, entry):
    profiles = run.profile[run.light, 0]
    whole = profiles[np.isfinite(profiles).all(axis=1)]
    np.testing.assert_allclose(entry["cov/covariance"], np.cov(whole.T))
    np.testing.assert_allclose(entry["cov/correlation"], np.corrcoef(whole.T))
    assert entry["cov/missing"][()] == len(profiles) - len(whole)


def test_statistics_over_shots(run, entry):
    photons = run.photons[run.light & run.there]
    assert entry["mean/mean"][()] == pytest.approx(photons.mean())
    assert entry["mean/standard_deviation"][()] == pytest.approx(photons.std(ddof=1))
    error = photons.std(ddof=1) / np.sqrt(len(photons))
    assert entry["mean/mean_errors"][()] == pytest.approx(error)
    profiles = run.profile[run.light]
    np.testing.assert_array_equal(entry["range/minimum"], np.nanmin(profiles, axis=0))
    np.testing.assert_array_equal(entry["range/maximum"], np.nanmax(profiles, axis=0))
    signal = run.signal[run.light & run.there]
    width = np.ptp(signal) / 4000
    expected = np.quantile(signal, [0.25, 0.5], method="inverted_cdf")
    np.testing.assert_allclose(entry["median/quantiles"], expected, atol=0.51 * width)
    known = run.light & run.there & np.isfinite(run.i0)
    weighted = np.average(run.signal[known], weights=run.i0[known])
    assert entry["weighted/mean"][()] == pytest.approx(weighted)
    ages = np.arange(run.light.sum())[::-1]
    weights = np.where(run.there[run.light], 0.9**ages, 0)
    running = np.nansum(weights * run.signal[run.light]) / weights.sum()
    assert entry["last/mean"][()] == pytest.approx(running)


def test_blocks_of_shots_change_nothing(run, entry, monkeypatch):
    """But rounding, of what is not a sum of integers; see `accumulators`."""
    monkeypatch.setattr(per_shot, "MOST_SHOTS", 7)
    small = run.small()
    for name, field, attribute in (
        ("spectrum", "counts", "counts"),
        ("pairs", "counts", "counts"),
        ("best", "positions", "shots.values"),
        ("median", "quantiles", "quantile"),
        ("mean", "mean", "mean"),
    ):
        found = calculate(small, configured(GIVEN[name]), {"ccd": run.detector()}, name)
        assert np.array_equal(entry[name][field], attrgetter(attribute)(found))


def test_default_plots_and_units(entry):
    assert entry.attrs["default"] == "spectrum"
    for name, given in GIVEN.items():
        group = entry[name]
        assert group.attrs["NX_class"] == "NXdata"
        signal = group[group.attrs["signal"]]
        axes = list(group.attrs["axes"])
        assert len(axes) == signal.ndim
        for size, axis in zip(signal.shape, axes, strict=True):
            assert axis == "." or group[axis].shape == (size,)
        assert "units" in signal.attrs
        assert group.attrs["type"] == given["type"]
    nxdata = pytest.importorskip("silx.io.nxdata")
    groups = [g for g in entry.values() if g.attrs.get("NX_class") == "NXdata"]
    assert all(nxdata.NXdata(group).is_valid for group in groups)
    assert nxdata.get_default(entry.file).signal.name == "/entry/spectrum/counts"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"type": "moments", "variable": "ccd/ring_sun"}, "no value 'ccd/ring_sun'"),
        ({"type": "moments", "variable": "ccd/ring_sum", "filters": ["never"]}, "no shot of 90"),
        ({"type": "histogram", "variable": "scan/constant", "bins": 3}, "no bins of scan/constant"),
        ({"type": "histogram", "variable": "scan/unknown", "bins": 3}, "no value in any"),
        (
            {"type": "top_shots", "variable": "ccd/azimuthal_azav"},
            r"array of \(1, 4\) per shot",
        ),
        ({"type": "covariance", "variable": "ccd/ring_sum"}, "no covariance"),
    ],
)
def test_mistakes_are_told(run, given, text):
    with pytest.raises(UserError, match=text) as caught:
        calculate(run.small(), configured(given), {}, "run 7, key calculations.x")
    assert "run 7, key calculations.x" in caught.value.where
    assert caught.value.how


def test_all_shots_are_looked_at(run):
    own = configured({"type": "moments", "variable": "lightStatus/laser", "filters": []})
    assert calculate(run.small(), own, {}, "x").count == SHOTS
