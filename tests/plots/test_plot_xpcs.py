"""Figures of an xpcs result: what is drawn is what was found."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from tests.xpcs.made_results import AVERAGE, STRIDE, made_correlation, made_counts, made_qmap

from scatterflow.errors import UserError
from scatterflow.plots.axes import few_log_labels
from scatterflow.plots.correlation_panels import (
    all_panels,
    bin_label,
    chosen_panels,
    coordinates_label,
    g2_limits,
)
from scatterflow.plots.g2 import g2_figure, plot_g2
from scatterflow.plots.partial_g2 import partial_g2_figure, plot_partial_g2
from scatterflow.plots.scattering import plot_scattering, scattering_figure
from scatterflow.plots.speckle_statistics import plot_speckle_statistics, speckle_statistics_figure
from scatterflow.plots.stability import intensity_spectrum, plot_stability, stability_figure
from scatterflow.xpcs.blocks import Block
from scatterflow.xpcs.correlation import Correlation, g2_error
from scatterflow.xpcs.photon_histograms import count_photons
from scatterflow.xpcs.result import write_result


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return made_counts()


@pytest.fixture(scope="module")
def correlation(counts) -> Correlation:
    found = made_correlation()
    used = counts.reshape(len(counts), -1)[:, found.qmap.pixels].astype(np.uint16)
    block = Block(0, used.shape[1], len(used), "frames", values=np.ascontiguousarray(used))
    photons = count_photons(
        block,
        np.ones(len(used), bool),
        found.qmap.static_of_position,
        found.qmap.static_bins,
        {"exposures": [1, 2, 4], "segments": 4, "most_photons": 60},
    )
    return replace(found, photons=photons)


@pytest.fixture(scope="module")
def sectors() -> Correlation:
    return made_correlation(4)


def errorbar_values(container) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and length of the bars of an error bar plot."""
    points, _, (bars,) = container
    segments = np.array(bars.get_segments())
    return points.get_xdata(), points.get_ydata(), segments[:, 1, 1] - segments[:, 0, 1]


def test_g2_has_a_panel_per_ring_with_values_and_errors(correlation):
    figure = g2_figure(correlation)
    assert len(figure.axes) == 6  # two rows of three, one of them empty
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == correlation.qmap.dynamic_bins
    for number, axes in enumerate(shown):
        delay, g2, bars = errorbar_values(axes.containers[0])
        np.testing.assert_allclose(delay, correlation.delay_s)
        np.testing.assert_array_equal(g2, correlation.g2.g2[:, number])
        np.testing.assert_allclose(bars, 2 * g2_error(correlation)[:, number])
        assert axes.get_xscale() == "log"
        assert axes.get_title(loc="left") == bin_label(correlation.qmap, number)
        low, high = axes.get_ylim()
        assert low < np.percentile(g2, 2)
        assert high > g2.max()


def test_the_first_delay_of_a_fast_decay_is_seen():
    g2 = np.ones((40, 1))
    g2[0], g2[-1] = 1.5, 3.0
    errors = np.full((40, 1), 0.01)
    errors[-1] = 1.0
    axes = Figure().subplots()
    g2_limits(axes, g2, errors)
    low, high = axes.get_ylim()
    assert low < 1 < 1.5 < high < 2


def test_a_coordinate_that_all_bins_share_is_not_told():
    values = np.array([[0.001, 0.0], [0.002, 0.0]])
    names, units = ("q", "phi"), ("1/angstrom", "degree")
    assert coordinates_label(names, values, units, 1) == "q = 0.002 Å⁻¹"
    values[1, 1] = 90.0
    assert coordinates_label(names, values, units, 1) == "q = 0.002 Å⁻¹, φ = 90°"


def test_labels_of_a_log_axis_are_few():
    for values, labels in (([2e-3, 6e-3], 2), ([1e-5, 3e-4], 5), ([1e-4, 10.0], 6)):
        axes = Figure().subplots()
        axes.plot(values, values)
        axes.set_xscale("log")
        few_log_labels(axes.xaxis, np.array(values))
        low, high = axes.get_xlim()
        ticks = axes.xaxis.get_majorticklocs()
        assert np.count_nonzero((ticks >= low) & (ticks <= high)) == labels


def test_labels_of_short_times_do_not_run_into_each_other(correlation):
    fast = replace(correlation.acquisition, frame_time_s=20e-6 / STRIDE / AVERAGE)
    figure = stability_figure(replace(correlation, acquisition=fast))
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        boxes = [
            label.get_window_extent()
            for label, place in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
            if low <= place <= high
        ]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_bins_of_phi_lie_over_each_other(sectors):
    figure = g2_figure(sectors)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 5
    assert [len(axes.containers) for axes in shown] == [4] * 5
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "φ = -135°",
        "φ = -45°",
        "φ = 45°",
        "φ = 135°",
    ]


def test_a_value_that_is_missing_is_flagged(correlation):
    values = correlation.g2.g2.copy()
    values[3, 1] = np.nan
    values[:, 2] = np.nan
    figure = g2_figure(replace(correlation, g2=replace(correlation.g2, g2=values)))
    assert figure.axes[1].get_title(loc="right") == "1 without value"
    assert figure.axes[2].texts[0].get_text() == "no value"


def test_a_bin_that_is_missing_shifts_no_colours(sectors):
    """The first interval of phi has no pixel in the first ring."""
    qmap, g2 = sectors.qmap, sectors.g2
    cut = replace(
        sectors,
        qmap=replace(
            qmap,
            dynamic_index=qmap.dynamic_index[1:],
            dynamic_values=qmap.dynamic_values[1:],
        ),
        g2=replace(g2, g2=g2.g2[:, 1:], error=g2.error[:, 1:], error_time=None),
    )
    figure = g2_figure(cut)
    colours = [
        [container[0].get_color() for container in axes.containers] for axes in figure.axes[:5]
    ]
    assert len(set(colours[1])) == 4
    assert colours[0] == colours[1][1:]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        f"φ = {angle:g}°" for angle in (-135, -45, 45, 135)
    ]
    assert [to_hex(handle.get_color()[0]).upper() for handle in legend.legend_handles] == colours[1]


def test_panels_are_chosen_or_spread():
    qmap = made_qmap(4)
    panels = all_panels(qmap)
    assert sorted(number for panel in panels for number in panel.bins) == list(range(20))
    chosen, note = chosen_panels(qmap, [2, 5])
    assert [panel.bins for panel in chosen] == [panels[1].bins, panels[4].bins]
    assert note == ", 2 of 5 panels"
    spread, note = chosen_panels(qmap, None, most=3)
    assert [panel.label for panel in spread] == [panels[n].label for n in (0, 2, 4)]
    assert chosen_panels(qmap, None)[1] == ""
    with pytest.raises(UserError, match="no panel 6"):
        chosen_panels(qmap, [6])


def test_partial_g2_lies_over_the_whole(correlation):
    figure = partial_g2_figure(correlation)
    lines = figure.axes[2].get_lines()
    np.testing.assert_array_equal(lines[0].get_ydata(), correlation.g2.g2[:, 2])
    for window in range(3):
        drawn = lines[window + 1].get_ydata()
        np.testing.assert_array_equal(drawn, correlation.g2.partial[window, :, 2])


def test_stability_shows_ratios_and_bad_frames(correlation):
    figure = stability_figure(correlation)
    segments, time, _ = figure.axes
    frames = correlation.frames
    for number in range(4):
        drawn = segments.get_lines()[number].get_ydata()
        np.testing.assert_allclose(drawn, frames.segments[number] / frames.static_mean)
    good, bad = time.get_lines()
    assert np.isnan(good.get_ydata()).sum() == 2
    assert bad.get_xdata().tolist() == pytest.approx([17 * 0.06, 90 * 0.06])
    assert "2 of them bad" in figure.get_suptitle()
    # A frame far off does not hide the others.
    total = frames.total.copy()
    total[17] *= 50
    again = stability_figure(replace(correlation, frames=replace(frames, total=total))).axes[1]
    assert again.get_ylim() == time.get_ylim()
    assert again.get_lines()[1].get_ydata()[0] == again.get_ylim()[1]


def test_sectors_of_a_ring_are_drawn_as_one(sectors, counts):
    drawn = stability_figure(sectors).axes[0].get_lines()[1]
    qmap = sectors.qmap
    rings = [qmap.static_values[:, 0] == q for q in qmap.static_lists[0]]
    in_ring = [np.isin(qmap.static, np.flatnonzero(ring) + 1) for ring in rings]
    expected = [counts[60:120, ring].mean() / counts[:, ring].mean() for ring in in_ring]
    np.testing.assert_allclose(drawn.get_xdata(), qmap.static_lists[0])
    np.testing.assert_allclose(drawn.get_ydata(), expected)


def test_the_spectrum_finds_an_oscillation():
    step, frames = 0.01, 500
    time = np.arange(frames) * step
    total = 1000 * (1 + 0.05 * np.sin(2 * np.pi * 12.0 * time))
    valid = np.ones(frames, bool)
    frequency, amplitude = intensity_spectrum(total, valid, step)
    peak = np.argmax(amplitude)
    assert frequency[peak] == pytest.approx(12.0)
    assert amplitude[peak] == pytest.approx(0.05, rel=1e-3)
    alternating = 1000 * (1 + 0.05 * (-1.0) ** np.arange(frames))
    assert intensity_spectrum(alternating, valid, step)[1][-1] == pytest.approx(0.05)
    # A bad frame, whatever it counts, hardly matters.
    total[7], valid[7] = 1e6, False
    again = intensity_spectrum(total, valid, step)[1]
    assert again[peak] == pytest.approx(0.05, rel=0.02)
    assert np.delete(again, peak).max() < 1e-3


def test_scattering_shows_the_means(correlation, counts):
    figure = scattering_figure(correlation)
    mean, bins, *_ = figure.axes
    image = mean.get_images()[0].get_array()
    mask = correlation.qmap.mask
    np.testing.assert_allclose(image[mask], counts.mean(axis=0)[mask])
    assert image.mask[~mask].all()
    shown = bins.get_images()[0].get_array()
    np.testing.assert_array_equal(shown.filled(0), correlation.qmap.dynamic)
    profile = next(axes for axes in figure.axes if axes.get_legend() is not None)
    dynamic = profile.get_lines()[-1].get_ydata()
    qmap = correlation.qmap
    expected = [counts[:, qmap.dynamic == n + 1].mean() for n in range(qmap.dynamic_bins)]
    np.testing.assert_allclose(dynamic, expected)


def test_speckle_statistics_show_how_often_photons_came(correlation, counts):
    figure = speckle_statistics_figure(correlation)
    first = figure.axes[0]
    heights = [bar.get_height() for bar in first.patches]
    photons = counts[:, correlation.qmap.dynamic == 1]
    expected = [np.mean(photons == number) for number in range(20)]
    np.testing.assert_allclose(heights[:20], expected)
    curves = figure.axes[-1].containers
    assert len(curves) == 5
    np.testing.assert_allclose(curves[0][0].get_xdata(), [0.06, 0.12, 0.24])


PLOTS = [plot_g2, plot_partial_g2, plot_stability, plot_scattering, plot_speckle_statistics]


@pytest.fixture(scope="module")
def result(tmp_path_factory, correlation) -> Path:
    path = tmp_path_factory.mktemp("figures") / "result.nxs"
    write_result(path, correlation)
    return path


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.__name__)
def test_figures_are_drawn_from_the_file(tmp_path, result, plot):
    png, svg = (tmp_path / f"figure.{ending}" for ending in ("png", "svg"))
    plot(result, png, svg)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.read_bytes().rstrip().endswith(b"</svg>")


def test_what_the_result_lacks_is_said():
    bare = made_correlation()
    with pytest.raises(UserError, match="no speckle statistics"):
        speckle_statistics_figure(bare)
    with pytest.raises(UserError, match="no partial g2"):
        partial_g2_figure(replace(bare, g2=replace(bare.g2, partial=None)))
    with pytest.raises(UserError, match="no g2"):
        g2_figure(replace(bare, g2=None))
