"""Profiles, mean profile and cake: what is drawn against values computed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm

from scatterflow.errors import UserError
from scatterflow.plots.axes import bin_edges
from scatterflow.plots.cake import cake_figure, plot_cake
from scatterflow.plots.mean_profile import mean_profile_figure, plot_mean_profile
from scatterflow.plots.profiles import (
    Series,
    group_frames,
    heat_map_figure,
    lines_figure,
    plot_profiles,
    position_texts,
    row_edges,
)
from scatterflow.plots.results import (
    Integration,
    PlotAxis,
    read_grouped_frames,
    read_integration,
    read_mean,
)

Q = np.linspace(0.1, 4.0, 200)  # the axes of the result that the fixture writes
CHI = np.linspace(-175.0, 175.0, 36)
WAXS = PlotAxis(np.linspace(1.0, 4.0, 50), "q", "1/angstrom", "q_A^-1")
SAXS = PlotAxis(np.linspace(0.004, 0.2, 50), "q", "1/nm", "q_nm^-1")


def ring_profile(q: np.ndarray) -> np.ndarray:
    """The profile of the first frame in that result."""
    return 500.0 * np.exp(-0.5 * ((q - 1.51153) / 0.03) ** 2) + 40.0 / (0.2 + q)


def shown(frames: int, axis: PlotAxis = WAXS, kind: str = "azimuthal") -> Integration:
    return Integration("r · s", kind, (axis,), frames, "intensity (counts per pixel)")


def series(profiles: np.ndarray, positions: np.ndarray | None = None) -> Series:
    positions = np.arange(len(profiles), dtype=float) if positions is None else positions
    return Series(profiles, positions, "frame number", 1)


def mesh(axes) -> QuadMesh:
    (found,) = [item for item in axes.collections if isinstance(item, QuadMesh)]
    return found


@given(
    values=st.lists(st.floats(allow_infinity=False), min_size=1, max_size=60),
    most=st.integers(1, 20),
)
def test_every_frame_is_in_one_row_in_order_of_value(values: list[float], most: int) -> None:
    values = np.array(values)
    rows = group_frames(values, most)
    sizes = np.bincount(rows)
    assert sizes.size == min(values.size, most)
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1
    for row in range(sizes.size - 1):  # nothing in a later row is smaller; unknown values last
        here, next_row = values[rows == row], values[rows == row + 1]
        assert np.isnan(next_row).all() or np.nanmax(here) <= np.nanmin(next_row)


def test_frames_are_averaged_in_their_groups(result: Callable[..., Path]) -> None:
    profiles = np.arange(6.0)[:, None] + np.zeros(200)
    profiles[4, 7] = np.nan
    profiles[1] = np.nan
    path = result(frames=6, profiles=profiles)
    found = read_grouped_frames(path, "waxs", "azimuthal", np.array([1, 0, 1, 0, 2, 2]))
    np.testing.assert_array_equal(found[:, 0], [3.0, 1.0, 4.5])  # frame 1 has no value
    np.testing.assert_array_equal(found[:, 7], [3.0, 1.0, 5.0])  # nor has bin 7 of frame 4


def test_a_group_without_any_value_is_nan(result: Callable[..., Path]) -> None:
    profiles = np.ones((3, 200))
    profiles[1] = np.nan
    found = read_grouped_frames(
        result(frames=3, profiles=profiles), "waxs", "azimuthal", np.arange(3)
    )
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


def test_few_frames_are_lines_with_their_ratio_to_the_mean() -> None:
    profiles = ring_profile(WAXS.values) * np.array([[0.9], [1.0], [1.1]])
    figure = lines_figure(shown(3), series(profiles), "waxs, azimuthal")
    top, bottom = figure.axes
    for line, profile in zip(top.lines, profiles, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), profile)
        np.testing.assert_array_equal(line.get_xdata(), WAXS.values)
    ratios = [line.get_ydata() for line in bottom.lines if len(line.get_xdata()) == 50]
    np.testing.assert_allclose(ratios, np.array([[0.9], [1.0], [1.1]]) * np.ones(50))
    assert top.get_ylabel() == "intensity (counts per pixel)"
    assert bottom.get_xlabel() == "q (Å⁻¹)"
    assert (top.get_xscale(), top.get_yscale()) == ("linear", "log")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2"]
    assert len({line.get_color() if isinstance(line.get_color(), str) else tuple(line.get_color())
                for line in top.lines}) == 3  # fmt: skip


def test_small_angle_data_is_log_log() -> None:
    figure = lines_figure(shown(1, SAXS), series(SAXS.values[None] ** -4.0), "saxs")
    (axes,) = figure.axes  # one frame: no ratio panel
    assert figure.legends == [], "one frame needs no legend"
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_xlabel() == "q (nm⁻¹)"
    assert axes.get_xlim() == (0.004, 0.2)


@pytest.mark.parametrize(
    "values", [np.linspace(100, 120, 50), np.linspace(-50, 50, 50), np.zeros(50)]
)
def test_flat_and_negative_data_is_linear(values: np.ndarray) -> None:
    figure = lines_figure(shown(1), series(values[None]), "waxs")
    axes = figure.axes[0]
    assert axes.get_yscale() == "linear"
    low, high = axes.get_ylim()
    assert low < values.min() + 1
    assert high > values.max()


def test_many_frames_are_a_heat_map_over_the_frame_number() -> None:
    profiles = ring_profile(WAXS.values) * np.linspace(1, 2, 20)[:, None]
    profiles[3] = np.nan
    figure = heat_map_figure(shown(20), series(profiles), "waxs, azimuthal")
    axes = figure.axes[0]
    drawn = mesh(axes)
    assert drawn.get_array().mask.sum() == 50, "a missing frame is an empty row, not a dropped one"
    np.testing.assert_array_equal(drawn.get_array()[4], profiles[4])
    edges = drawn.get_coordinates()
    np.testing.assert_allclose(edges[:, 0, 1], np.arange(21) - 0.5)
    assert isinstance(drawn.norm, LogNorm)
    assert axes.get_ylabel() == "frame number"
    assert axes.get_ylim() == (-0.5, 19.5)
    assert figure.axes[1].get_ylabel() == "intensity (counts per pixel)"


def test_heat_map_over_an_uneven_axis_is_to_scale() -> None:
    positions = np.array([20.0, 21.0, 23.0, 26.0, 30.0])
    figure = heat_map_figure(shown(5), series(np.ones((5, 50)), positions), "waxs")
    edges = mesh(figure.axes[0]).get_coordinates()[:, 0, 1]
    np.testing.assert_allclose(edges, [19.5, 20.5, 22.0, 24.5, 28.0, 32.0])


@pytest.mark.parametrize(
    "positions",
    [
        [1.0, 1.0, 1.0],  # never moved
        [0.0, 0.0, 1.0, 1.0],  # repeated steps
        [0.0, 1.0, np.nan],  # unknown
        [-1.0, 1e-9, 2e-9, 5.0],  # rows too thin to see
        [7.0],
    ],
)
def test_axes_that_cannot_be_to_scale_fall_back_on_order(positions: list[float]) -> None:
    positions = np.array(positions)
    assert row_edges(positions) == (None, "linear")
    frames = positions.size
    figure = heat_map_figure(shown(frames), series(np.ones((frames, 50)), positions), "waxs")
    axes = figure.axes[0]
    np.testing.assert_allclose(mesh(axes).get_coordinates()[:, 0, 1], np.arange(frames + 1) - 0.5)
    assert axes.get_ylabel() == "frame number, in order of value"
    texts = [label.get_text() for label in axes.get_yticklabels()]
    assert texts == [f"{value:.4g}" if np.isfinite(value) else "unknown" for value in positions]


def test_a_logarithmic_delay_axis_is_drawn_logarithmically() -> None:
    edges, scale = row_edges(np.geomspace(1e-3, 1e3, 25))
    assert scale == "log"
    ratio = 10 ** (6 / 24)
    np.testing.assert_allclose(edges, 1e-3 * ratio ** (np.arange(26) - 0.5))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30, unique=True))
def test_bin_edges_enclose_their_centres(centres: list[float]) -> None:
    centres = np.sort(np.array(centres))
    edges = bin_edges(centres)
    assert edges.size == centres.size + 1
    assert np.all(edges[:-1] <= centres)
    assert np.all(centres <= edges[1:])


def test_position_texts_tell_clock_times_apart() -> None:
    assert position_texts(np.array([1763735001.0, 1763735002.0])) == ["1763735001", "1763735002"]
    assert position_texts(np.array([0.5, np.nan])) == ["0.5", "unknown"]


def test_scanned_axis_orders_the_rows(result: Callable[..., Path], tmp_path: Path) -> None:
    temperature = np.linspace(90.0, 20.0, 15)  # cooled: the last frame is the lowest row
    path = result(frames=15, scalars={"temperature": (temperature, "K")})
    groups = group_frames(temperature)
    assert groups.tolist() == list(range(14, -1, -1))
    plot_profiles(
        path, "waxs", "azimuthal", tmp_path / "p.png", tmp_path / "p.svg", axis="temperature"
    )
    assert (tmp_path / "p.png").stat().st_size > 5000


@pytest.mark.parametrize("frames", [0, 1, 2, 12, 13])
@pytest.mark.parametrize("integration", ["azimuthal", "radial"])
def test_any_number_of_frames_is_drawn(
    frames: int, integration: str, result: Callable[..., Path], tmp_path: Path
) -> None:
    path = result(frames=frames, profiles=np.ones((frames, 200)))
    plot_profiles(path, "waxs", integration, tmp_path / "p.png", tmp_path / "p.svg")
    assert (tmp_path / "p.svg").read_text().startswith("<?xml")


def test_mean_profile_has_its_band_and_rings(result: Callable[..., Path]) -> None:
    path = result()
    found = read_integration(path, "waxs", "azimuthal", ("azimuthal",))
    intensity, errors = read_mean(path, "waxs", "azimuthal", (200,))
    np.testing.assert_allclose(intensity, 1.02 * ring_profile(Q))  # factors 1.00 ... 1.04
    figure = mean_profile_figure(found, intensity, errors, "waxs, azimuthal", "LaB6")
    axes = figure.axes[0]
    (band,) = axes.collections
    outline = band.get_paths()[0].vertices
    at_end = outline[np.isclose(outline[:, 0], 4.0)][:, 1]
    np.testing.assert_allclose([at_end.min(), at_end.max()], intensity[-1] * np.array([0.95, 1.05]))
    lines = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
    spacing = 4.156826 / np.sqrt([1, 2, 3, 4, 5, 6])  # LaB6 is primitive cubic: 100 ... 211
    np.testing.assert_allclose(lines, 2 * np.pi / spacing, rtol=1e-6)
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3", "4", "5", "6"]
    assert axes.get_xlabel() == "q (Å⁻¹)"
    assert axes.get_ylabel() == "intensity (counts per pixel / i0)"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["mean of 5 frames", "± 1 standard error", "rings of LaB6"]


def test_rings_on_a_two_theta_axis_need_the_wavelength(
    result: Callable[..., Path], tmp_path: Path
) -> None:
    path = result(q=np.linspace(10, 60, 200), unit="2th_deg")
    files = (tmp_path / "m.png", tmp_path / "m.svg")
    with pytest.raises(UserError, match="need the wavelength"):
        plot_mean_profile(path, "waxs", "azimuthal", *files, calibrant="LaB6")
    assert not files[0].exists()
    plot_mean_profile(path, "waxs", "azimuthal", *files, calibrant="LaB6", wavelength_m=1.5406e-10)
    assert files[0].exists()
    assert files[1].exists()


def test_rings_are_left_out_on_an_axis_in_millimetres(
    result: Callable[..., Path], tmp_path: Path
) -> None:
    path = result(unit="r_mm")
    found = read_integration(path, "waxs", "azimuthal", ("azimuthal",))
    figure = mean_profile_figure(found, Q, Q, "waxs", "LaB6")
    assert [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2] == []
    assert figure.axes[0].get_xlabel() == "r (mm)"
    plot_cake(path, "waxs", "cake", tmp_path / "c.png", tmp_path / "c.svg", calibrant="LaB6")
    assert (tmp_path / "c.png").exists()


def test_cake_is_drawn_with_units_and_grey_for_nothing(
    result: Callable[..., Path], tmp_path: Path
) -> None:
    path = result()
    found = read_integration(path, "waxs", "cake", ("cake",))
    intensity, _ = read_mean(path, "waxs", "cake", (36, 200))
    figure = cake_figure(found, intensity, "waxs, cake", "LaB6")
    axes = figure.axes[0]
    drawn = mesh(axes)
    assert drawn.get_array().mask.sum() == 4 * 50
    expected = 1.02 * ring_profile(Q)[60] * (1 + 0.3 * np.cos(np.radians(CHI[10])))
    assert drawn.get_array()[10, 60] == pytest.approx(expected)
    assert drawn.get_coordinates()[0, 0].tolist() == pytest.approx(
        [0.1 - 0.5 * (Q[1] - Q[0]), -180.0]
    )
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("q (Å⁻¹)", "χ (°)")
    assert isinstance(drawn.norm, LogNorm)
    assert axes.lines[0].get_xdata().size == 6, "one mark for each ring within the axis"
    plot_cake(path, "waxs", "cake", tmp_path / "c.png", tmp_path / "c.svg")
    svg = (tmp_path / "c.svg").read_text()
    assert svg.count("<image") >= 1, "the heat map is pixels"
    assert svg.count("<path") < 2000


@pytest.mark.parametrize("draw", [plot_mean_profile, plot_profiles, plot_cake])
def test_faults_are_user_errors(draw, result: Callable[..., Path], tmp_path: Path) -> None:
    path = result()
    files = (tmp_path / "p.png", tmp_path / "p.svg")
    own, other = ("cake", "azimuthal") if draw is plot_cake else ("azimuthal", "cake")
    with pytest.raises(UserError, match="is of kind"):
        draw(path, "waxs", other, *files)
    with pytest.raises(UserError, match="no integration 'azimutal'") as error:
        draw(path, "waxs", "azimutal", *files)
    assert "waxs_azimuthal" in error.value.how
    with pytest.raises(UserError, match="of detector 'saxs'"):
        draw(path, "saxs", own, *files)
    with h5py.File(path, "a") as file:
        del file[f"entry/waxs_{own}/data/radial_axis"]
    with pytest.raises(UserError, match="'radial_axis' is missing"):
        draw(path, "waxs", own, *files)
    with h5py.File(path, "a") as file:
        file[f"entry/waxs_{own}/data/radial_axis"] = np.arange(7.0)
    with pytest.raises(UserError, match="on axes of shape"):
        draw(path, "waxs", own, *files)
    assert not any(file.exists() for file in files)


def test_an_unknown_scalar_is_named_with_the_nearest(
    result: Callable[..., Path], tmp_path: Path
) -> None:
    path = result(scalars={"temperature": (np.arange(5.0), "K")})
    with pytest.raises(UserError, match="no scalar 'temprature'") as error:
        plot_profiles(
            path, "waxs", "azimuthal", tmp_path / "a.png", tmp_path / "a.svg", axis="temprature"
        )
    assert "'temperature'" in error.value.how


def test_scalars_of_another_length_are_refused(result: Callable[..., Path], tmp_path: Path) -> None:
    path = result()
    with h5py.File(path, "a") as file:
        del file["entry/scalars/frame_number"]
        file["entry/scalars/frame_number"] = np.arange(4)
    with pytest.raises(UserError, match="5 profiles, but 4 values"):
        plot_profiles(path, "waxs", "azimuthal", tmp_path / "a.png", tmp_path / "a.svg")


def test_damaged_data_is_a_user_error(tmp_path: Path, result: Callable[..., Path]) -> None:
    path = result()
    with h5py.File(path, "a") as file:
        signal = file["entry/waxs_azimuthal/data"]
        values = signal["I"][:]
        attributes = dict(signal["I"].attrs)
        del signal["I"]
        new = signal.create_dataset("I", data=values, chunks=(1, 200), fletcher32=True)
        new.attrs.update(attributes)
        offset = new.id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 16 : offset + 24] = b"\xff" * 8
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as error:
        plot_profiles(path, "waxs", "azimuthal", tmp_path / "a.png", tmp_path / "a.svg")
    assert "/entry/waxs_azimuthal/data/I" in error.value.where
