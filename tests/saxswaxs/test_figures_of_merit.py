"""Areas, positions and heights against exact integrals, with the scatter of simulated frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.saxswaxs.figures_of_merit import (
    SIMPLE_FIGURES,
    centroid,
    integral,
    maximum,
    overlapping_bins,
    peak_position,
)
from scatterflow.saxswaxs.fits import STATUS, Profiles

EDGES = np.linspace(0.0, 2.0, 101)
X = 0.5 * (EDGES[1:] + EDGES[:-1])


def profiles(intensity: np.ndarray, sigma: np.ndarray | None = None) -> Profiles:
    return Profiles(X, EDGES, np.atleast_2d(intensity), sigma)


def settings_of(limits=None, subtract: str = "none") -> dict:
    return {"name": "v", "range": limits, "subtract": subtract}


def bump(centre: float = 1.0, width: float = 0.2) -> np.ndarray:
    return 50 * np.exp(-0.5 * ((X - centre) / width) ** 2)


@settings(max_examples=40, deadline=None)
@given(low=st.floats(0, 0.8), length=st.floats(0.2, 1.1), level=st.floats(-5, 5))
def test_bins_are_cut_where_the_range_ends(low, length, level):
    bins = overlapping_bins(settings_of((low, low + length)), EDGES, "")
    own = Profiles(
        X[bins],
        EDGES[bins.start : bins.stop + 1],
        np.full((1, bins.stop - bins.start), level),
        None,
    )
    found = integral(settings_of((low, low + length)), own)
    assert found.values["v"][0] == pytest.approx(level * length, abs=1e-12)


@pytest.mark.parametrize("limits", [(-0.1, 1.0), (1.0, 2.1)])
def test_a_range_that_the_profile_does_not_cover_is_refused(limits):
    with pytest.raises(UserError) as caught:
        overlapping_bins(settings_of(limits), EDGES, "here")
    assert "is not covered by the profile" in caught.value.what
    assert caught.value.how == "the profile's axis runs from 0 to 2"


def test_area_and_centroid_of_a_peak_on_a_slope():
    data = bump(width=0.1) + 10 + 5 * X
    found = integral(settings_of(subtract="linear"), profiles(data))
    assert found.values["v"][0] == pytest.approx(50 * 0.1 * np.sqrt(2 * np.pi), rel=1e-4)
    position = centroid(settings_of(subtract="linear"), profiles(bump(1.07, 0.1) + 10 + 5 * X))
    assert position.values["v"][0] == pytest.approx(1.07, abs=2e-4)
    whole = integral(settings_of(), profiles(10 + 5 * X))
    assert whole.values["v"][0] == pytest.approx(30.0)


@pytest.mark.parametrize("name", ["integral", "centroid", "maximum", "peak_position"])
def test_errors_are_the_scatter_of_simulated_frames(name):
    rng = np.random.default_rng(8)
    truth = bump(1.013) + 20
    sigma = np.broadcast_to(0.2 * np.sqrt(truth), (1500, X.size))
    if name == "maximum":
        truth = truth + 200 * (np.arange(X.size) == 50)  # one bin that is always the highest
    found = SIMPLE_FIGURES[name](
        settings_of(subtract="linear"), profiles(rng.normal(truth, sigma), sigma)
    )
    assert found.success.all()
    expected = SIMPLE_FIGURES[name](settings_of(subtract="linear"), profiles(truth)).values["v"][0]
    pulls = (found.values["v"] - expected) / found.errors["v"]
    # Which bins are the top of a peak depends on the noise, which the parabola's error leaves out.
    tolerance = 0.3 if name == "peak_position" else 0.1
    assert abs(pulls.mean()) < 0.1
    assert abs(pulls.std() - 1) < tolerance


def test_gaps_are_interpolated():
    data = 10 + 5 * X
    data[30:36] = np.nan
    assert integral(settings_of(), profiles(data)).values["v"][0] == pytest.approx(30.0)
    sigma = np.where(np.isfinite(data), 0.1, np.nan)[None]
    found = integral(settings_of(), profiles(data, sigma))
    # The two bins beside the gap stand for it: their coefficients are larger, the others one bin wide.
    width = EDGES[1]
    assert found.errors["v"][0] > 0.1 * width * np.sqrt(94)
    assert found.errors["v"][0] < 0.1 * width * np.sqrt(92 + 2 * 4.0**2 + 1)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (slice(0, 1), "missing at the ends"),
        (slice(20, 75), "missing at the ends of the range, or in more than half"),
        (slice(None), "no data"),
    ],
)
def test_missing_bins_that_cannot_be_interpolated(missing, words):
    data = np.stack([bump(), bump()])
    data[1, missing] = np.nan
    found = integral(settings_of(), profiles(data, np.ones_like(data)))
    assert found.success.tolist() == [True, False]
    assert words in STATUS[found.status[1]]
    assert np.isnan(found.values["v"][1])
    assert np.isnan(found.errors["v"][1])


def test_a_centroid_needs_intensity():
    found = centroid(settings_of(), profiles(np.stack([bump(), -bump()])))
    assert found.success.tolist() == [True, False]
    assert "not above 0" in STATUS[found.status[1]]


def test_maximum_takes_the_highest_bin_and_its_error():
    data = bump()
    data[3] = np.nan
    sigma = np.linspace(1, 2, X.size)[None]
    found = maximum(settings_of(), profiles(data, sigma))
    top = np.nanargmax(data)
    assert found.values["v"][0] == data[top]
    assert found.errors["v"][0] == sigma[0, top]


@settings(max_examples=30, deadline=None)
@given(centre=st.floats(0.4, 1.6), curvature=st.floats(10, 1000), ground=st.floats(-100, 1000))
def test_the_vertex_of_a_parabola_is_exact(centre, curvature, ground):
    data = ground - curvature * (X - centre) ** 2
    found = peak_position(settings_of(), profiles(data))
    assert found.values["v"][0] == pytest.approx(centre, abs=1e-8)


@pytest.mark.parametrize("data", [X, -X, np.ones(X.size), np.full(X.size, np.nan)])
def test_no_peak_no_position(data):
    found = peak_position(settings_of(), profiles(data))
    assert not found.success.any()
    assert np.isnan(found.values["v"]).all()


def test_frames_do_not_depend_on_one_another():
    rng = np.random.default_rng(2)
    data = bump() + rng.normal(0, 3, (17, X.size))
    data[4, 20:25] = np.nan
    sigma = np.full(data.shape, 3.0)
    for name, figure in SIMPLE_FIGURES.items():
        together = figure(settings_of(subtract="linear"), profiles(data, sigma))
        for frame in range(17):
            alone = figure(
                settings_of(subtract="linear"), profiles(data[frame], sigma[frame : frame + 1])
            )
            assert alone.values["v"][0] == together.values["v"][frame], name
            assert alone.errors["v"][0] == together.errors["v"][frame], name
