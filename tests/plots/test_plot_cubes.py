"""Figures of cubes: curves, maps and slices are those of the shots in each bin."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.shots.pumped_run import BAD, EDGES, SHOTS, Q, cube_settings, members, pumped_run

from scatterflow.errors import UserError
from scatterflow.plots.cubes import cube_figure, plot_cube, read_quantities
from scatterflow.plots.shot_file import index_of
from scatterflow.shots.bin import bin_images, bin_quantities, sort_shots
from scatterflow.shots.cube_file import write_cube
from scatterflow.shots.image_sums_file import open_image_parts, write_image_sums

CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
DESCRIPTION = {
    "run": "7",
    "reduction": "pumpprobe",
    "cube": "scan",
    "sample": "water",
    "experiment": {"title": "Test", "proposal": "", "creators": []},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return pumped_run(tmp_path_factory.mktemp("run") / "run")


def make_cube(run, folder: Path, **changes) -> Path:
    settings = cube_settings(**changes)
    small, path = run.small(), folder / "cube_scan.nxs"
    shots = sort_shots(small, settings, "cube")
    images = None
    if settings["images"]:
        found = bin_images(shots, {"ccd": run.detector()}, 0, SHOTS)
        write_image_sums(folder / "part.h5", found, {"units": {"ccd": "photons"}})
        images = open_image_parts([folder / "part.h5"], SHOTS, int(np.prod(shots.cube().shape)))
    cube = bin_quantities(small, shots, settings["quantities"], "cube")
    write_cube(path, small, shots, cube, images, settings, DESCRIPTION)
    return path


@pytest.fixture(scope="module")
def panels(run, tmp_path_factory):
    """Axes of the figure by quantity."""
    path = make_cube(run, tmp_path_factory.mktemp("cube"))
    with h5py.File(path) as file:
        names = [quantity.name for quantity in read_quantities(file["entry"])]
        figure = cube_figure(
            file["entry"], "cube_scan", lambda name, shape: index_of(run.small(), name, shape)
        )
    return dict(zip(names, (part.axes for part in figure.subfigs), strict=True)), figure


def test_curves_are_ratios_to_the_monitor_with_the_change(run, panels):
    curves, change = panels[0]["ccd/ring_sum"]
    ratio = np.full((2, 3), np.nan)
    for laser in (0, 1):
        for bin_ in range(3):
            own = members(run, laser, bin_)
            own = own[np.isfinite(run.signal[own]) & np.isfinite(run.i0[own])]
            ratio[laser, bin_] = run.signal[own].sum() / run.i0[own].sum()
        shown = curves.containers[laser].lines[0]
        np.testing.assert_allclose(shown.get_xdata(), CENTRES)
        np.testing.assert_allclose(shown.get_ydata(), ratio[laser])
    told = [text.get_text() for text in curves.get_legend().get_texts()]
    assert told == ["laser off", "laser on"]
    found = change.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(found, 100 * (ratio[1] / ratio[0] - 1))
    assert curves.get_xlabel() == "delay (ps)"


def test_profiles_are_a_map_of_delay_and_q(run, panels):
    mean, change, *_ = panels[0]["ccd/azimuthal_azav"]
    cells = np.full((2, 3, len(Q)), np.nan)
    for laser in (0, 1):
        for bin_ in range(3):
            cells[laser, bin_] = np.nanmean(run.profile[members(run, laser, bin_), 0], axis=0)
    shown = mean.collections[0].get_array().reshape(3, len(Q))
    np.testing.assert_allclose(shown, cells.mean(axis=0))
    shown = change.collections[0].get_array().reshape(3, len(Q))
    np.testing.assert_allclose(shown, 100 * (cells[1] / cells[0] - 1))
    assert mean.get_xlabel() == "q (Å⁻¹)"
    np.testing.assert_allclose(mean.get_ylim(), EDGES[[0, -1]])


def test_slices_are_images_of_the_change(run, panels):
    slices = [axes for axes in panels[0]["ccd"] if axes.images]
    assert [axes.get_title(loc="left") for axes in slices] == [
        f"delay = {centre:.4g} ps" for centre in CENTRES
    ]
    for bin_, axes in enumerate(slices):
        sides = []
        for laser in (1, 0):
            own = members(run, laser, bin_)
            own = own[run.there[own] & np.isfinite(run.i0[own])]
            sides.append(run.images[own].sum(axis=0) / run.i0[own].sum())
        shown = axes.images[0].get_array()
        assert shown.mask[BAD]
        np.testing.assert_allclose(shown.filled(np.nan), sides[0] - sides[1], rtol=1e-4, atol=1e-5)


def test_title_tells_what_is_left_out(run, panels):
    inside = sum(len(members(run, laser, bin_)) for laser in (0, 1) for bin_ in range(3))
    assert f"{inside} shots in bins" in panels[1].get_suptitle()
    assert f"{(~run.light).sum()} by filters" in panels[1].get_suptitle()


def test_two_axes_without_labels_are_maps_of_the_mean(run, tmp_path):
    axes = {
        "delay": {"type": "edges", "edges": EDGES.tolist()},
        "beam": {"type": "edges", "variable": "ipm2/sum", "edges": [1.0, 2.0, 3.0]},
    }
    path = make_cube(
        run, tmp_path, axes=axes, labels={}, quantities=["ccd/ring_sum"], images=[], normalise={},
        difference=None,
    )  # fmt: skip
    plot_cube(path, run.folder / "7.h5", tmp_path / "c.png", tmp_path / "c.svg")
    assert (tmp_path / "c.png").stat().st_size > 0
    with h5py.File(path) as file:
        figure = cube_figure(file["entry"], "cube_scan", None)
        expected = file["entry/ccd_ring_sum/mean"][()]
    shown = figure.subfigs[0].axes[0].collections[0].get_array()
    np.testing.assert_allclose(shown.reshape(3, 2), expected)


def test_other_files_are_no_cubes(run, tmp_path):
    with h5py.File(tmp_path / "x.nxs", "w") as file:
        file.create_group("entry")
    with pytest.raises(UserError, match="not a cube"):
        plot_cube(tmp_path / "x.nxs", run.folder / "7.h5", tmp_path / "c.png", tmp_path / "c.svg")
