"""Figure of a q-map: which bins are drawn where, their numbers, pixels per bin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from scatterflow.detectors.qmap import Partition, make_qmap
from scatterflow.detectors.qmap_files import write_qmap
from scatterflow.plots.qmap import plot_qmap, qmap_figure
from scatterflow.plots.style import MASKED

SHAPE = (30, 40)


def bands(count, width):
    """Bands of columns, each of them a bin of q, times the upper and lower half."""
    rows, columns = np.indices(SHAPE)
    numbers = (columns // width) * 2 + rows // 15 + 1
    lists = (0.01 * np.arange(1, count + 1), np.array([-90.0, 90.0]))
    index = np.arange(2 * count)
    values = np.stack([lists[0][index // 2], lists[1][index % 2]], 1)
    edges = np.stack([lists[0] - 0.005, lists[0] + 0.005], 1)
    spans = (edges, np.array([[-180.0, 0.0], [0.0, 180.0]]))
    return Partition(numbers.astype(np.uint32), index, values, (count, 2), lists, spans)


@pytest.fixture
def qmap():
    mask = np.ones(SHAPE, bool)
    mask[:, 36:] = False
    attributes = {"beam_center_x": 12.0, "beam_center_y": 7.0}
    names, units = ("q", "phi"), ("1/angstrom", "degree")
    return make_qmap(bands(5, 8), bands(10, 4), mask, names, units, attributes, "x")


def test_each_bin_has_one_colour_and_its_neighbours_another(qmap):
    figure = qmap_figure(qmap, "rings")
    for axes, numbers in zip(figure.axes[:2], (qmap.dynamic, qmap.static), strict=True):
        (image,) = axes.images
        colours = image.cmap(image.norm(image.get_array()))
        assert (colours[~qmap.mask] == to_rgba(MASKED)).all()
        assert (colours[qmap.mask] != to_rgba(MASKED)).any(axis=-1).all()
        for number in range(1, int(numbers.max()) + 1):
            assert len(np.unique(colours[numbers == number], axis=0)) == 1
        for one, two in (
            (np.s_[:, :-1], np.s_[:, 1:]),
            (np.s_[:-1], np.s_[1:]),
        ):
            border = numbers[one] != numbers[two]
            assert (colours[one][border] != colours[two][border]).any(axis=-1).all()
        assert axes.get_ylim() == (29.5, -0.5)  # first row on top


def test_numbers_stand_in_their_bins(qmap):
    axes = qmap_figure(qmap, "rings").axes[0]
    found = {}
    for text in axes.texts:
        column, row = text.get_position()
        found[int(text.get_text())] = int(qmap.dynamic[int(row), int(column)])
    assert found == {number: number for number in range(1, 11)}
    (beam,) = axes.lines
    assert (beam.get_xdata()[0], beam.get_ydata()[0]) == (12.0, 7.0)


def test_pixels_per_bin(qmap):
    axes = qmap_figure(qmap, "rings").axes[2]
    lines = {line.get_label(): line for line in axes.lines}
    for part in ("dynamic", "static"):
        numbers = getattr(qmap, part)
        line = lines[f"{part} bins"]
        bins = range(1, int(numbers.max()) + 1)
        assert line.get_ydata().tolist() == [np.count_nonzero(numbers == n) for n in bins]
        assert np.array_equal(line.get_xdata(), getattr(qmap, f"{part}_values")[:, 0])
    assert axes.get_xlabel() == "q (Å⁻¹)"


def test_a_map_without_beam_or_spans_is_drawn(qmap):
    bare = replace(qmap, attributes={}, dynamic_spans=(), static_spans=(), names=("phi", "q"))
    figure = qmap_figure(bare, "x")
    assert not figure.axes[0].lines
    assert figure.axes[2].get_xlabel().startswith("φ")


def test_files_are_whole_and_the_same_each_time(qmap, tmp_path):
    write_qmap(tmp_path / "q.h5", qmap)
    for name in ("a", "b"):
        plot_qmap(tmp_path / "q.h5", tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    for kind in ("png", "svg"):
        first = (tmp_path / f"a.{kind}").read_bytes()
        assert first
        assert first == (tmp_path / f"b.{kind}").read_bytes()
