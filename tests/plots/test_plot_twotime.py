"""Two-time figures: what is drawn is what was found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.xpcs.made_results import made_correlation

from scatterflow.errors import UserError
from scatterflow.plots.twotime import (
    MOST_BINS,
    binned,
    log_bins,
    plot_twotime,
    shown_map,
    twotime_figure,
)
from scatterflow.xpcs.blocks import Block
from scatterflow.xpcs.correlation import Correlation
from scatterflow.xpcs.result import write_result
from scatterflow.xpcs.twotime import TwoTimeSettings, correlate_bin


@pytest.fixture(scope="module")
def correlation() -> Correlation:
    found = made_correlation()
    frames = len(found.frames.valid)
    values = np.random.default_rng(2).poisson(2.0, (frames, 60)).astype(np.uint8)
    asked = TwoTimeSettings("none", ages=3, partial=2, chi4=True)
    valid = np.arange(frames) != 17
    maps = [
        correlate_bin(
            Block(0, 60, frames, "frames", values=values),
            np.zeros(60, int),
            valid,
            np.ones(frames),
            asked,
            number,
        )
        for number in range(found.qmap.dynamic_bins)
    ]
    return replace(found, twotime=maps)


def test_a_row_per_bin_with_map_g2_and_variance(correlation):
    figure = twotime_figure(correlation, [2, 1])
    panels = [axes for axes in figure.axes if axes.get_xlabel()]
    assert len(panels) == 6
    item = correlation.twotime[1]
    (image,) = panels[0].get_images()
    end = item.frames * correlation.frame_step_s
    assert image.get_extent() == [0, end, 0, end]
    drawn = np.ma.filled(image.get_array(), np.nan)
    assert np.array_equal(drawn, shown_map(item.c2), equal_nan=True)
    low, high = np.percentile(drawn[np.isfinite(drawn)], (1, 99))
    assert image.get_clim() == pytest.approx((low, high))
    assert np.isnan(drawn[17]).all()
    points, _, _ = panels[1].containers[0]
    edges = log_bins(item.frames)
    assert np.array_equal(points.get_ydata(), binned(item.g2, edges))
    assert points.get_xdata()[0] == pytest.approx(correlation.frame_step_s)
    chi4 = panels[2].get_lines()[-1]
    assert np.array_equal(
        chi4.get_ydata(), binned(item.chi4, log_bins(item.frames // 2)), equal_nan=True
    )


def test_bins_are_spread_or_refused(correlation):
    panels = [axes for axes in twotime_figure(correlation).axes if axes.get_xlabel()]
    assert len(panels) == 3 * MOST_BINS
    with pytest.raises(UserError, match="no two-time map of dynamic bin 9"):
        twotime_figure(correlation, [9])
    with pytest.raises(UserError, match="no two-time correlation"):
        twotime_figure(replace(correlation, twotime=()))


def test_the_diagonal_is_replaced_for_display_only():
    c2 = np.triu(np.arange(16.0).reshape(4, 4)).astype(np.float32)
    c2[2, 2:], c2[:2, 2] = np.nan, np.nan
    kept = c2.copy()
    shown = shown_map(c2)
    assert np.array_equal(c2, kept, equal_nan=True)
    assert np.array_equal(shown, shown.T, equal_nan=True)
    # Frame 2 has no C2; frame 1 has one neighbour left, frame 3 none.
    assert shown[0, 0] == shown[1, 1] == c2[0, 1]
    assert np.isnan(shown[2]).all()
    assert np.isnan(shown[3, 3])
    assert shown[3, 0] == c2[0, 3]


def test_long_maps_are_thinned_by_means():
    c2 = np.triu(np.random.default_rng(1).normal(size=(1500, 1500))).astype(np.float32)
    shown = shown_map(c2)
    assert shown.shape == (750, 750)
    assert shown[3, 700] == pytest.approx(c2[6:8, 1400:1402].mean(dtype=float))


def test_means_over_bins_of_lags_leave_out_what_is_missing():
    edges = log_bins(1000)
    assert edges[0] == 1
    assert edges[-1] == 1000
    assert (np.diff(edges) > 0).all()
    values = np.array([9.0, 1.0, np.nan, 3.0, np.nan])
    assert np.array_equal(
        binned(values, np.array([1, 2, 4, 5])), [1.0, 3.0, np.nan], equal_nan=True
    )


def test_a_map_without_values_says_so(correlation):
    item = correlation.twotime[0]
    nothing = replace(
        item,
        c2=np.full_like(item.c2, np.nan),
        g2=np.full_like(item.g2, np.nan),
        variance=np.full_like(item.variance, np.nan),
    )
    figure = twotime_figure(replace(correlation, twotime=[nothing]))
    notes = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert notes == ["no value"] * 3


def test_the_figure_of_a_result_file(correlation, tmp_path):
    write_result(tmp_path / "result.nxs", correlation)
    plot_twotime(tmp_path / "result.nxs", tmp_path / "a.png", tmp_path / "a.svg", [1])
    plot_twotime(tmp_path / "result.nxs", tmp_path / "b.png", tmp_path / "b.svg", [1])
    for kind in ("png", "svg"):
        first, second = (tmp_path / f"{name}.{kind}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()
