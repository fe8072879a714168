"""Map figures: what is drawn where, from map files."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import LogNorm
from tests.saxswaxs.test_maps import DESCRIPTION, mesh, wanted, write_result

from scatterflow.errors import UserError
from scatterflow.plots.maps import (
    MapAxisValues,
    MapQuantity,
    map_figure,
    map_norm,
    plot_map,
    read_map,
    to_scale,
)
from scatterflow.saxswaxs.map_input import MapRun
from scatterflow.saxswaxs.maps import structure_map

Z = MapAxisValues("samz", "mm", np.array([3.0, 2.0, 1.0]))
X = MapAxisValues("samx", "mm", np.array([0.0, 0.5, 1.5, 3.5]))


def image(values, slow=Z, fast=X, **changes) -> MapQuantity:
    return MapQuantity("area", "counts", np.asarray(values, float), None, (slow, fast), **changes)


def drawn(figure):
    """The panels of a figure without their colour bars."""
    return [axes for axes in figure.axes if axes.get_xlabel()]


def test_an_image_lies_on_its_true_positions():
    values = np.arange(12.0).reshape(3, 4)
    figure = map_figure("run", 0, [image(values)])
    (axes,) = drawn(figure)
    (mesh_drawn,) = axes.collections
    # Edges halfway between grid values; a descending axis is drawn upwards all the same.
    assert np.allclose(mesh_drawn.get_coordinates()[0, :, 0], [-0.25, 0.25, 1.0, 2.5, 4.5])
    assert np.allclose(mesh_drawn.get_coordinates()[:, 0, 1], [3.5, 2.5, 1.5, 0.5])
    assert axes.get_ylim() == (0.5, 3.5)
    assert np.array_equal(np.ravel(mesh_drawn.get_array()), np.arange(12.0))
    assert axes.get_aspect() == 1.0
    assert axes.get_xlabel() == "samx (mm)"
    assert axes.get_ylabel() == "samz (mm)"


def test_missing_points_are_hatched_and_explained():
    values = np.arange(12.0).reshape(3, 4)
    values[2, 1] = np.nan
    figure = map_figure("run", 3, [image(values), image(values)])
    assert "3 frames on no grid point" in figure.get_suptitle()
    (legend,) = figure.legends
    assert "no frame" in legend.get_texts()[0].get_text()
    coloured = drawn(figure)[0].collections[0].get_array()
    assert np.ma.getmaskarray(coloured).ravel().tolist().count(True) == 1
    assert any(item.get_hatch() for item in drawn(figure)[0].collections)
    assert not map_figure("run", 0, [image(np.ones((3, 4)))]).legends


@pytest.mark.parametrize(
    ("slow", "fast", "expected"),
    [
        (Z, X, True),
        (Z, MapAxisValues("samx", "um", X.values), False),
        (Z, MapAxisValues("samx", "mm", 100 * X.values), False),
        (MapAxisValues("T", "K", Z.values), MapAxisValues("t", "K", X.values), False),
    ],
)
def test_lengths_in_one_unit_are_to_scale(slow, fast, expected):
    assert to_scale(slow, fast) is expected


def test_a_line_has_error_bars_and_marks_what_is_missing():
    values = np.array([1.0, np.nan, 3.0, 2.0])
    quantity = MapQuantity("peak", "1/nm", values, np.full(4, 0.1), (X,))
    figure = map_figure("run", 0, [quantity])
    (axes,) = drawn(figure)
    assert axes.containers[0].has_yerr
    assert np.array_equal(axes.lines[0].get_xdata(), X.values)
    assert "1 without a value" in axes.get_title(loc="right")
    assert axes.get_ylabel() == "peak (nm⁻¹)"


def test_three_axes_are_drawn_in_slices():
    slow = MapAxisValues("T", "K", np.arange(20.0) + 300)
    values = np.arange(240.0).reshape(20, 3, 4)
    quantity = MapQuantity("area", "", values, None, (slow, Z, X))
    panels = drawn(map_figure("run", 0, [quantity]))
    assert len(panels) == 9
    assert panels[0].get_title(loc="right") == "T = 300 K"
    assert panels[-1].get_title(loc="right") == "T = 319 K"
    assert np.array_equal(np.ravel(panels[-1].collections[0].get_array()), values[19].ravel())
    assert len(drawn(map_figure("run", 0, [quantity, quantity]))) == 2


def test_colours_leave_out_outliers():
    values = np.append(np.linspace(10, 20, 400), [1e6])
    norm, extend = map_norm(values)
    assert 9.9 < norm.vmin < 10.5
    assert norm.vmax < 21
    assert extend == "both"
    norm, extend = map_norm(np.full(5, 7.0))
    assert norm.vmin < 7 < norm.vmax
    assert extend == "neither"
    assert isinstance(map_norm(np.logspace(0, 5, 300))[0], LogNorm)
    assert map_norm(np.full(3, np.nan))[1] == "neither"


def test_from_file_to_files(tmp_path):
    z, x, row, column = mesh()
    runs = [MapRun("r", write_result(tmp_path / "r.nxs", z, x))]
    structure_map(runs, wanted("samz", "samx"), [], DESCRIPTION, tmp_path / "map.nxs")
    heading, unplaced, (found,) = read_map(tmp_path / "map.nxs", ["i0"])
    assert heading == "Test: map r/x"
    assert unplaced == 0
    assert np.array_equal(found.values[row, column], 1000 + x)
    for name in ("a", "b"):
        plot_map(
            tmp_path / "map.nxs",
            ["i0", "total_signal"],
            tmp_path / f"{name}.png",
            tmp_path / f"{name}.svg",
        )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(UserError, match="no quantity 'io' in the map"):
        read_map(tmp_path / "map.nxs", ["io"])


def test_values_given_in_any_order_are_drawn_where_they_lie(tmp_path):
    z, x, row, column = mesh()
    runs = [MapRun("r", write_result(tmp_path / "r.nxs", z, x))]
    settings = wanted("samz", "samx")
    settings["axes"][1]["grid"] = [-1.0, -2.0, 0.0, -1.5, -0.5]
    structure_map(runs, settings, [], DESCRIPTION, tmp_path / "map.nxs")
    _, _, (found,) = read_map(tmp_path / "map.nxs", ["i0"])
    assert found.axes[1].values.tolist() == [-2.0, -1.5, -1.0, -0.5, 0.0]
    assert np.array_equal(found.values[row, column], 1000 + x)


def test_a_single_row_is_a_line(tmp_path):
    x = np.arange(6.0)
    runs = [MapRun("r", write_result(tmp_path / "r.nxs", np.full(6, 2.5), x))]
    structure_map(runs, wanted("samz", "samx"), [], DESCRIPTION, tmp_path / "map.nxs")
    _, _, (found,) = read_map(tmp_path / "map.nxs", ["i0"])
    assert [axis.name for axis in found.axes] == ["samx"]
    assert found.fixed == "samz = 2.5 mm"
    assert found.values.shape == (6,)
