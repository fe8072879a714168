"""Mean frame: what is drawn against values computed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.colors import LogNorm

from scatterflow.errors import UserError
from scatterflow.plots.frames import NEVER_VALID, frame_sum_figure, plot_frame_sum
from scatterflow.plots.results import FrameSum, read_frame_sum


def legend_texts(figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def frame(mean: np.ndarray, **changes) -> FrameSum:
    nothing = np.zeros(mean.shape, dtype=bool)
    values = {"masked": nothing, "never_valid": nothing, "frames": 3, "beam": (1.0, 1.0)}
    return FrameSum("r · s", mean, unit="counts", **{**values, **changes})


def test_mean_is_sum_over_valid_frames_of_each_pixel(tmp_path: Path) -> None:
    path = tmp_path / "r.nxs"
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/instrument/d")
        group["frame_sum"] = np.array([[6, 9, 0], [4, 5, 7]], dtype=np.int64)
        group["frame_sum"].attrs["units"] = "counts"
        group["valid_count"] = np.array([[3, 2, 0], [1, 3, 3]], dtype=np.uint32)
        group["pixel_mask"] = np.array([[0, 0, 0], [0, 0, 2]], dtype=np.uint32)
        group["beam_center_x"], group["beam_center_y"] = 2.5, -7.0
    found = read_frame_sum(path, "d")
    np.testing.assert_array_equal(found.mean, [[2.0, 4.5, np.nan], [4.0, 5 / 3, np.nan]])
    assert found.masked.tolist() == [[False] * 3, [False, False, True]]
    assert found.never_valid.tolist() == [[False, False, True], [False] * 3]
    assert (found.frames, found.beam, found.unit) == (3, (2.5, -7.0), "counts")


def test_image_shows_the_mean_and_masks_the_rest(result: Callable[..., Path]) -> None:
    data = read_frame_sum(result(), "waxs")
    figure = frame_sum_figure(data, "waxs")
    axes = figure.axes[0]
    (image,) = axes.images
    drawn = image.get_array()
    assert drawn.mask.sum() == 3 * 60 + 1  # three rows of a gap, one pixel never valid
    np.testing.assert_array_equal(drawn.compressed(), data.mean[np.isfinite(data.mean)])
    assert axes.get_xlim() == (-0.5, 59.5)
    assert axes.get_ylim() == (39.5, -0.5), "row 0 is on top"
    assert axes.get_xlabel() == "column (pixels)"
    assert axes.get_ylabel() == "row (pixels)"
    assert figure.axes[1].get_ylabel() == "mean (counts per pixel and frame)"
    assert figure.get_suptitle() == "run_0004 · LaB6\ndetector waxs: mean of 5 frames"
    assert "masked (180 pixels, 7.5%)" in legend_texts(figure)
    assert "not masked, never valid (1 pixel)" in legend_texts(figure)
    pixels = [line for line in axes.lines if line.get_color() == NEVER_VALID]
    assert [line.get_xydata().tolist() for line in pixels] == [[[40.0, 39.0]]]


def test_beam_inside_is_a_cross_at_its_place(result: Callable[..., Path]) -> None:
    figure = frame_sum_figure(read_frame_sum(result(beam=(20.25, 10.75)), "waxs"), "waxs")
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "+"]
    assert [line.get_xydata().tolist() for line in crosses] == [[[20.25, 10.75]]]
    assert "beam centre (column 20.2, row 10.8)" in legend_texts(figure)


@pytest.mark.parametrize("beam", [(668.1, 20.0), (-30.0, 20.0), (10.0, 500.0), (10.0, -4.0)])
def test_beam_outside_is_an_arrow_that_points_to_it(beam: tuple[float, float]) -> None:
    figure = frame_sum_figure(frame(np.ones((40, 60)), beam=beam), "waxs")
    axes = figure.axes[0]
    (arrow,) = [text for text in axes.texts if text.get_text() == ""]
    tip = np.array(arrow.xy)
    assert -0.5 <= tip[0] <= 59.5
    assert -0.5 <= tip[1] <= 39.5
    tail_right, tail_up = arrow.get_position()  # points on the paper, from the tip
    drawn = np.array([-tail_right, tail_up]) / np.hypot(tail_right, tail_up)  # (column, row)
    towards = (np.array(beam) - tip) / np.hypot(*(np.array(beam) - tip))
    assert towards @ drawn == pytest.approx(1.0)
    assert not [line for line in axes.lines if line.get_marker() == "+"]
    assert any("beam centre outside" in text for text in legend_texts(figure))


def test_unknown_beam_is_said(result: Callable[..., Path]) -> None:
    figure = frame_sum_figure(read_frame_sum(result(beam=None), "waxs"), "waxs")
    assert "beam centre: not in the result" in legend_texts(figure)


def test_colours_are_logarithmic_and_survive_a_hot_pixel() -> None:
    mean = np.geomspace(1, 1000, 10_000).reshape(100, 100)
    mean[5, 5] = 1e9
    norm = frame_sum_figure(frame(mean), "d").axes[0].images[0].norm
    assert isinstance(norm, LogNorm)
    assert 1.0 <= norm.vmin < 1.1
    assert 900 < norm.vmax < 1001


def test_sparse_counts_show_zeros_as_data_not_as_mask() -> None:
    mean = np.zeros((20, 20))
    mean[3, 4], mean[5, 6] = 1.0, 4.0
    image = frame_sum_figure(frame(mean), "d").axes[0].images[0]
    assert isinstance(image.norm, LogNorm)
    colour_of_zero = image.cmap(image.norm(np.ma.masked_invalid(mean)))[0, 0]
    assert tuple(colour_of_zero) != tuple(image.cmap.get_bad())
    assert tuple(colour_of_zero) == tuple(image.cmap(0))


@pytest.mark.parametrize("value", [np.nan, 0.0, 5.0, -3.0])
def test_frames_without_contrast_are_drawn(value: float, tmp_path: Path) -> None:
    figure = frame_sum_figure(frame(np.full((10, 12), value)), "d")
    figure.canvas.draw()
    notes = [text.get_text() for text in figure.axes[0].texts]
    assert ("no valid pixel in any frame" in notes) == np.isnan(value)


def test_files_are_written_and_reproducible(result: Callable[..., Path], tmp_path: Path) -> None:
    path = result()
    for number in (1, 2):
        plot_frame_sum(path, "waxs", tmp_path / f"{number}.png", tmp_path / f"{number}.svg")
    assert (tmp_path / "1.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_faults_are_user_errors(result: Callable[..., Path], tmp_path: Path) -> None:
    path = result()
    with pytest.raises(UserError, match="no frame sum of detector 'wax'") as error:
        read_frame_sum(path, "wax")
    assert "'waxs'" in error.value.how
    assert "result.nxs" in error.value.where
    with pytest.raises(UserError, match="file not found"):
        read_frame_sum(tmp_path / "absent.nxs", "waxs")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="not a complete HDF5 file"):
        read_frame_sum(path, "waxs")
    path.write_bytes(b"not HDF5 at all")
    with pytest.raises(UserError, match="not a complete HDF5 file"):
        read_frame_sum(path, "waxs")


def test_shapes_that_do_not_fit_are_refused(result: Callable[..., Path]) -> None:
    path = result()
    with h5py.File(path, "a") as file:
        del file["entry/instrument/waxs/pixel_mask"]
        file["entry/instrument/waxs/pixel_mask"] = np.zeros((40, 61), np.uint32)
    with pytest.raises(UserError, match="do not fit together"):
        read_frame_sum(path, "waxs")
    with h5py.File(path, "a") as file:
        del file["entry/instrument/waxs/pixel_mask"]
    with pytest.raises(UserError, match="'pixel_mask' is missing"):
        read_frame_sum(path, "waxs")
