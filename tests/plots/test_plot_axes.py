"""Which bins are drawn, and where: gaps, rims, and the cut through the azimuth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb

from scatterflow.errors import UserError
from scatterflow.plots.axes import around_data, continued, in_order, label_of, too_few_pixels
from scatterflow.plots.cake import cake_figure
from scatterflow.plots.drawn import select_bins, steady_bins
from scatterflow.plots.mean_profile import mean_profile_figure, plot_mean_profile
from scatterflow.plots.profiles import (
    Series,
    heat_map_figure,
    line_colours,
    lines_figure,
    plot_profiles,
)
from scatterflow.plots.results import Integration, PlotAxis, read_norm, read_wavelength

CHI = np.arange(-179.0, 180.0, 2.0)  # a full circle in bins of 2 degrees
AZIMUTH = PlotAxis(CHI, "chi", "deg", "chi_deg")
RADIUS = PlotAxis(np.linspace(1.0, 4.0, 50), "q", "1/angstrom", "q_A^-1")


def around(kind: str = "radial", axis: PlotAxis = AZIMUTH, frames: int = 1) -> Integration:
    return Integration("r · s", kind, (axis,), frames, "intensity (counts per pixel)")


def series(profiles: np.ndarray) -> Series:
    return Series(profiles, np.arange(len(profiles), dtype=float), "frame number", 1)


def bands(axes) -> list[tuple[float, float]]:
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]


# --- too few pixels


def test_bins_below_half_of_the_median_and_their_slopes_are_too_few() -> None:
    norm = np.full(20, 100.0)
    norm[8:13] = [80.0, 40.0, 0.0, 49.0, 90.0]
    assert np.flatnonzero(too_few_pixels(norm)).tolist() == [8, 9, 10, 11, 12]
    norm[8:13] = 100.0
    assert not too_few_pixels(norm).any()
    norm[3] = 51.0  # more than half of the median, but half of what the bins nearby have
    assert np.flatnonzero(too_few_pixels(norm)).tolist() == [2, 3, 4]


def test_the_median_is_that_of_the_bins_with_pixels() -> None:
    norm = np.zeros(100)
    norm[40:50] = 10.0
    assert np.flatnonzero(~too_few_pixels(norm)).tolist() == list(range(41, 49))
    norm[:30] = np.nan
    assert np.flatnonzero(~too_few_pixels(norm)).tolist() == list(range(41, 49))
    assert too_few_pixels(np.zeros(4)).all()


def test_slow_changes_of_the_radial_range_are_no_gap() -> None:
    norm = 100.0 * (1 + 0.4 * np.cos(np.radians(2 * CHI)))  # corners of a square detector
    assert not too_few_pixels(norm).any()


# --- the azimuth


def test_strips_at_both_ends_are_joined() -> None:
    valid = np.abs(CHI) >= 150
    axis, order = continued(AZIMUTH, valid)
    np.testing.assert_allclose(np.diff(axis.values), 2.0)
    place = np.flatnonzero(in_order(valid, order))
    np.testing.assert_allclose(axis.values[place[[0, -1]]], [151.0, 209.0])
    assert place[-1] - place[0] + 1 == valid.sum(), "in one piece"
    assert label_of(axis) == "χ (°), from 0 to 360"
    np.testing.assert_allclose((in_order(CHI, order) - axis.values) % 360, 0.0)


def test_a_part_of_the_circle_that_no_bin_covers_stays_empty() -> None:
    chi = np.arange(-175.0, 176.0, 2.0)  # as pyFAI's axis ends with the last pixel
    valid = np.abs(chi) >= 150
    axis, order = continued(PlotAxis(chi, "chi", "deg"), valid)
    assert (order == -1).sum() == 4  # 177, 179, 181, 183 degrees
    np.testing.assert_allclose(axis.values[order == -1], [177.0, 179.0, 181.0, 183.0])
    assert np.isnan(in_order(np.ones(chi.size), order)).sum() == 4
    np.testing.assert_allclose(np.diff(axis.values), 2.0)


def test_an_axis_from_0_to_360_is_drawn_around_zero() -> None:
    chi = np.arange(1.0, 360.0, 2.0)
    valid = (chi < 30) | (chi > 330)
    axis, order = continued(PlotAxis(chi, "chi", "deg"), valid)
    drawn = axis.values[in_order(valid, order) == 1]
    np.testing.assert_allclose(drawn[[0, -1]], [-29.0, 29.0])
    assert label_of(axis).endswith("from −180 to 180")


def test_radians_are_a_turn_of_two_pi() -> None:
    axis, _ = continued(PlotAxis(np.radians(CHI), "chi", "rad", "chi_rad"), np.abs(CHI) >= 150)
    assert label_of(axis) == "χ (rad), from 0 to 2π"
    np.testing.assert_allclose(np.diff(axis.values), np.radians(2.0))


@pytest.mark.parametrize(
    "valid",
    [
        np.ones(CHI.size, dtype=bool),  # a full circle
        np.abs(CHI) <= 30,  # one strip, in the middle
        np.abs(CHI) >= 40,  # the gap is less than a quarter of a turn
        (np.abs(CHI) >= 60) & (np.abs(CHI) <= 120),  # two wings that reach no end
        np.zeros(CHI.size, dtype=bool),
        CHI == 1.0,
    ],
)
def test_other_detectors_keep_their_axis(valid: np.ndarray) -> None:
    axis, order = continued(AZIMUTH, valid)
    assert axis is AZIMUTH
    np.testing.assert_array_equal(order, np.arange(CHI.size))


@given(start=st.integers(0, 179), length=st.integers(2, 130))
@settings(max_examples=60, deadline=None)
def test_no_bin_is_lost_or_moved_on_the_circle(start: int, length: int) -> None:
    valid = np.zeros(CHI.size, dtype=bool)
    valid[(start + np.arange(length)) % CHI.size] = True
    axis, order = continued(AZIMUTH, valid)
    assert sorted(order[order >= 0]) == list(range(CHI.size))
    np.testing.assert_allclose((axis.values - CHI[order]) % 360 % 360, 0.0, atol=1e-9)
    places = np.flatnonzero(valid[order])
    assert np.all(np.diff(places) == 1) or 360 - 2 * length <= 90


def test_margin_around_data() -> None:
    valid = np.zeros(20, dtype=bool)
    assert around_data(valid) == slice(0, 20)
    valid[[8, 12]] = True
    assert np.arange(20)[around_data(valid)].tolist() == list(range(5, 16))
    valid[0] = True
    assert np.arange(20)[around_data(valid)].tolist() == list(range(16))


# --- figures of I(chi)


def gapped() -> tuple[np.ndarray, np.ndarray]:
    """Intensity and norm of a circle with a module gap at 91 degrees."""
    norm = np.full(CHI.size, 50.0)
    norm[CHI == 91.0] = 5.0
    profile = np.full(CHI.size, 15.0) + np.cos(np.radians(CHI))
    profile[CHI == 91.0] = 2.5
    return profile, norm


@pytest.mark.parametrize("kind", ["radial", "azimuthal"])
def test_gaps_are_grey_bands_in_intensity_over_azimuth_only(kind: str) -> None:
    profile, norm = gapped()
    shown = around(kind, AZIMUTH if kind == "radial" else PlotAxis(CHI + 200, "q", "", "q_nm^-1"))
    mean = mean_profile_figure(shown, profile, 0.1 * profile, "d, i", norm=norm)
    lines = lines_figure(shown, series(np.stack([profile, 2 * profile])), "d, i", norm)
    legends = [[text.get_text() for legend in figure.legends for text in legend.get_texts()]
               for figure in (mean, lines)]  # fmt: skip
    for axes in (mean.axes[0], *lines.axes):
        drawn = axes.lines[-1].get_ydata()
        assert drawn.size == CHI.size
        if kind == "radial":
            assert np.flatnonzero(np.isnan(drawn)).tolist() == [134, 135, 136]  # 91 and beside
            np.testing.assert_allclose(bands(axes), [(88.0, 94.0)])
        else:
            assert np.isfinite(drawn).all()
            assert bands(axes) == []
    assert all(("too few pixels" in texts) == (kind == "radial") for texts in legends)
    if kind == "radial":
        assert mean.axes[0].get_ylim()[0] > 10, "what is left out sets no limit"


def test_gaps_are_empty_columns_of_a_heat_map() -> None:
    profile, norm = gapped()
    figure = heat_map_figure(around(frames=20), series(np.tile(profile, (20, 1))), "d", norm)
    (mesh,) = [item for item in figure.axes[0].collections if isinstance(item, QuadMesh)]
    assert mesh.get_array().mask.sum() == 3 * 20
    assert mesh.get_array().mask[:, 134:137].all()
    (label,) = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "too few pixels" in label


def test_errors_move_with_their_bins() -> None:
    profile = np.where(np.abs(CHI) >= 150, np.arange(CHI.size, dtype=float) + 1, np.nan)
    drawn = select_bins(around(), profile[None], None, 2 * profile[None])
    np.testing.assert_array_equal(drawn.errors, 2 * drawn.profiles)
    assert np.isfinite(drawn.profiles).sum() == np.isfinite(profile).sum()
    assert drawn.x.values.size == drawn.profiles.shape[1] == 30 + 2 * 3


def test_norm_and_wavelength_are_read_from_the_result(
    result: Callable[..., Path], tmp_path: Path
) -> None:
    norm = np.full(36, 20.0)
    norm[10] = 1.0
    path = result(norm=norm)
    np.testing.assert_array_equal(read_norm(path, "waxs", "radial", (36,)), norm)
    assert read_norm(path, "waxs", "azimuthal", (200,)) is None
    with pytest.raises(UserError, match="norm of shape"):
        read_norm(path, "waxs", "radial", (35,))
    for number, draw in enumerate((plot_mean_profile, plot_profiles)):
        svg = tmp_path / f"{number}.svg"
        draw(path, "waxs", "radial", tmp_path / f"{number}.png", svg)
        assert svg.stat().st_size > 1000

    assert read_wavelength(path, "waxs") is None
    with h5py.File(path, "a") as file:
        file["entry/instrument/monochromator/wavelength"] = 1.5
    assert read_wavelength(path, "waxs") == pytest.approx(1.5e-10)
    with h5py.File(path, "a") as file:
        file["entry/instrument/waxs/wavelength"] = 0.7
    assert read_wavelength(path, "waxs") == pytest.approx(0.7e-10)
    assert read_wavelength(path, "saxs") == pytest.approx(1.5e-10)


# --- limits and colours


def test_the_noisy_rim_sets_no_limits() -> None:
    q = np.linspace(0.01, 0.2, 400)
    profile = q**-2
    norm = np.minimum(np.linspace(2, 4000, 400), 10 * (400 - np.arange(400)))
    noisy = profile.copy()
    norm[-8:] = 1.0
    noisy[-8::2], noisy[-7::2] = 3e4, 1e-5  # above and below all that is known
    axis = PlotAxis(q, "q", "1/angstrom", "q_A^-1")
    steady = steady_bins(noisy[None], norm)
    assert steady[:-8].all(), "few pixels at small angles have many counts"
    assert not steady[-7::2].any()
    figure = lines_figure(around("azimuthal", axis), series(profile[None]), "d", norm)
    whole = figure.axes[0].get_ylim()
    noisy[-8::2] = 1e3
    limits = lines_figure(around("azimuthal", axis), series(noisy[None]), "d", norm)
    low, high = limits.axes[0].get_ylim()
    assert low == pytest.approx(whole[0], rel=0.2)
    assert high == pytest.approx(whole[1], rel=0.2)


def test_curves_beyond_the_ratio_panel_are_marked_at_its_edge() -> None:
    profiles = np.ones((3, 50))
    profiles[2, 20] = 30.0
    figure = lines_figure(around("azimuthal", RADIUS), series(profiles), "d", None)
    ratio = figure.axes[1]
    low, high = ratio.get_ylim()
    assert low < 1 < high < 2
    marks = {line.get_marker(): line for line in ratio.lines if line.get_marker() in ("^", "v")}
    assert marks["^"].get_xydata().tolist() == [[RADIUS.values[20], 1.0]]
    assert marks["^"].get_color() == pytest.approx(line_colours(3)[2])
    assert marks["v"].get_xydata().tolist() == [[RADIUS.values[20], 0.0]]


@pytest.mark.parametrize("rows", [2, 6, 12])
def test_neighbouring_colours_differ_from_the_first_on(rows: int) -> None:
    steps = np.linalg.norm(np.diff(line_colours(rows)[:, :3], axis=0), axis=1)
    assert line_colours(rows).shape == (rows, 4)
    assert steps[0] > 0.6 * np.median(steps)
    lightest = line_colours(rows)[-1, :3]
    assert np.linalg.norm(lightest - to_rgb("white")) > 0.5


# --- cake


def test_a_cake_is_cropped_to_its_data() -> None:
    intensity = np.full((CHI.size, 50), np.nan)
    intensity[60:80, 10:20] = 1.0 + np.arange(10)
    shown = Integration("r", "cake", (AZIMUTH, RADIUS), 1, "I")
    axes = cake_figure(shown, intensity, "d").axes[0]
    (mesh,) = [item for item in axes.collections if isinstance(item, QuadMesh)]
    np.testing.assert_array_equal(mesh.get_array().filled(np.nan), intensity[57:83, 7:23])
    edges = mesh.get_coordinates()
    step = 3.0 / 49
    np.testing.assert_allclose(edges[[0, -1], 0, 1], [CHI[57] - 1, CHI[82] + 1])
    np.testing.assert_allclose(edges[0, [0, -1], 0], 1 + step * np.array([6.5, 22.5]))


def test_a_cake_at_the_side_is_one_piece() -> None:
    intensity = np.full((CHI.size, 50), np.nan)
    side = np.abs(CHI) >= 160
    intensity[side] = (CHI[side] % 360)[:, None] + np.zeros(50)
    shown = Integration("r", "cake", (AZIMUTH, RADIUS), 1, "I")
    axes = cake_figure(shown, intensity, "d").axes[0]
    (mesh,) = [item for item in axes.collections if isinstance(item, QuadMesh)]
    rows = mesh.get_array()[:, 25].compressed()
    np.testing.assert_allclose(rows, np.arange(161.0, 200.0, 2.0))
    np.testing.assert_allclose(mesh.get_coordinates()[[0, -1], 0, 1], [154.0, 206.0])
    assert axes.get_ylabel() == "χ (°), from 0 to 360"


def test_a_cake_without_data_is_drawn_whole() -> None:
    shown = Integration("r", "cake", (AZIMUTH, RADIUS), 1, "I")
    figure = cake_figure(shown, np.full((CHI.size, 50), np.nan), "d")
    assert figure.axes[0].get_ylim() == (-180.0, 180.0)
    assert [text.get_text() for text in figure.axes[0].texts] == ["no valid data in any frame"]
