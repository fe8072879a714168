"""Frames on the grid that was scanned: every frame on its true node, or told to lie on none."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.saxswaxs.grid import find_grid


def asked(**axes):
    """Settings of a map; each axis by name: tolerance, or a list of values."""
    return {
        "axes": [
            {
                "scalar": name,
                "tolerance": "auto" if isinstance(value, list) else value,
                "grid": value if isinstance(value, list) else None,
            }
            for name, value in axes.items()
        ],
        "shape": None,
        "snake": False,
        "unfinished": False,
        "unplaced": "leave_out",
    }


def by_order(shape, snake=False, unfinished=False, axes=()):
    return {
        **asked(),
        "axes": [{"scalar": n, "tolerance": "auto", "grid": g} for n, g in axes],
        "shape": shape,
        "snake": snake,
        "unfinished": unfinished,
    }


def grid_of(wanted, **readings):
    return find_grid(wanted, readings, {"x": "mm"}, "map m")


def refusal(wanted, **readings) -> str:
    with pytest.raises(UserError) as caught:
        grid_of(wanted, **readings)
    assert caught.value.how
    assert caught.value.where
    return str(caught.value)


def snake_indices(rows, columns):
    row, column = np.divmod(np.arange(rows * columns), columns)
    return row, np.where(row % 2 == 1, columns - 1 - column, column)


@st.composite
def scans(draw):
    """A mesh with uneven steps, jitter, missing and repeated points, frames in any order."""
    rows, columns = draw(st.integers(2, 6)), draw(st.integers(3, 7))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    step_z, step_x = 10.0 ** draw(st.integers(-3, 3)), 10.0 ** draw(st.integers(-3, 3))
    # Steps between one and three times the smallest.
    z = step_z * np.cumsum(random.uniform(1, 3, rows)) + draw(st.floats(-50, 50)) * step_z
    x = step_x * np.cumsum(random.uniform(1, 3, columns)) + draw(st.floats(-50, 50)) * step_x
    row, column = np.divmod(np.arange(rows * columns), columns)
    repeats = draw(st.integers(1, 3))
    row, column = np.tile(row, repeats), np.tile(column, repeats)
    # Some points are missing, but of each row and column enough are there.
    kept = (row + column) % columns != draw(st.integers(0, 2)) % columns
    order = random.permutation(np.flatnonzero(kept))
    jitter = draw(st.sampled_from([0.0, 0.02, 0.05]))
    return z, x, row[order], column[order], jitter, (step_z, step_x), random


@settings(max_examples=60, deadline=None)
@given(scan=scans(), automatic=st.booleans())
def test_every_frame_lands_on_its_true_node(scan, automatic):
    z, x, row, column, jitter, (step_z, step_x), random = scan
    # One reading of a position does not tell its jitter.
    assume(min(np.bincount(row).min(), np.bincount(column).min()) >= 2 or not automatic)
    found_z = z[row] + random.uniform(-jitter, jitter, row.size) * step_z
    found_x = x[column] + random.uniform(-jitter, jitter, row.size) * step_x
    wanted = asked(
        z="auto" if automatic else 0.2 * step_z,
        x="auto" if automatic else 0.2 * step_x,
    )
    grid = grid_of(wanted, z=found_z, x=found_x)
    assert grid.shape == (np.unique(row).size, np.unique(column).size)
    # Axes run as the readings do: compare values, not indices.
    index = np.unravel_index(grid.point, grid.shape)
    for axis, i, truth, step in zip(
        grid.axes, index, (z[row], x[column]), (step_z, step_x), strict=True
    ):
        assert (
            np.abs(axis.values[i] - truth).max()
            <= 1.01 * jitter * step + 1e-9 * np.abs(truth).max()
        )


@pytest.mark.parametrize("tolerance", ["auto", 0.1])
def test_a_snake_that_was_stopped(tolerance):
    row, column = (index[:26] for index in snake_indices(5, 6))
    random = np.random.default_rng(3)
    z = 2.0 + 0.5 * row + random.uniform(-0.02, 0.02, 26)
    x = 7.0 - 0.5 * column + random.uniform(-0.02, 0.02, 26)  # descends
    grid = grid_of(asked(z=tolerance, x=tolerance), z=z, x=x)
    assert grid.shape == (5, 6)
    assert np.allclose(grid.axes[0].values, 2.0 + 0.5 * np.arange(5), atol=0.02)
    assert np.allclose(grid.axes[1].values, 7.0 - 0.5 * np.arange(6), atol=0.02)
    assert np.array_equal(grid.point, row * 6 + column)
    assert grid.axes[1].unit == "mm"
    assert grid.axes[0].unit == ""


@pytest.mark.parametrize("values", [np.arange(11.0), np.logspace(-3, 3, 7), [3.0, 2.0, 0.5, -1.0]])
def test_one_axis_without_repetition_keeps_every_position(values):
    grid = grid_of(asked(x="auto"), x=np.asarray(values))
    assert np.array_equal(grid.axes[0].values, values)
    assert np.array_equal(grid.point, np.arange(len(values)))


def test_one_axis_with_repeated_jittered_positions():
    random = np.random.default_rng(0)
    truth = np.tile(np.arange(8), 3)
    grid = grid_of(asked(x="auto"), x=truth + random.uniform(-0.05, 0.05, truth.size))
    assert grid.shape == (8,)
    assert np.array_equal(grid.point, truth)


@pytest.mark.parametrize(("rows", "columns"), [(1, 31), (31, 1), (1, 1)])
def test_a_single_row_or_column(rows, columns):
    row, column = snake_indices(rows, columns)
    random = np.random.default_rng(5)
    z, x = (index + random.uniform(-0.03, 0.03, row.size) for index in (row, column))
    assert grid_of(asked(z="auto", x="auto"), z=z, x=x).shape == (rows, columns)


def test_three_axes():
    index = np.unravel_index(np.random.default_rng(1).permutation(60), (3, 4, 5))
    grid = grid_of(
        asked(t="auto", z="auto", x="auto"),
        t=100.0 * index[0],
        z=0.5 * index[1],
        x=np.array([0, 1, 5, 6, 9.0])[index[2]],
    )
    assert grid.shape == (3, 4, 5)
    found = np.unravel_index(grid.point, grid.shape)
    for axis, i, truth in zip(
        grid.axes,
        found,
        (100.0 * index[0], 0.5 * index[1], np.array([0, 1, 5, 6, 9.0])[index[2]]),
        strict=True,
    ):
        assert np.array_equal(axis.values[i], truth)


def test_given_values_take_what_is_near_and_nothing_else():
    x = np.array([0.0, 0.96, 2.04, 2.4, 1.5, np.nan, 3.0, -0.06])
    grid = grid_of(
        {**asked(), "axes": [{"scalar": "x", "tolerance": 0.05, "grid": [2.0, 1.0, 0.0]}]}, x=x
    )
    assert np.array_equal(grid.axes[0].values, [2.0, 1.0, 0.0])
    assert np.array_equal(grid.point, [2, 1, 0, -1, -1, -1, -1, -1])


def test_frames_beside_the_grid_stop_where_wanted():
    wanted = {**asked(x=[0.0, 1.0]), "unplaced": "error"}
    assert np.array_equal(grid_of(wanted, x=np.array([0.0, 1.1])).point, [0, 1])
    message = refusal(wanted, x=np.array([0.0, 1.0, 0.5]))
    assert "1 frames lie on no grid point; the first is frame 2 (x = 0.5 mm)" in message


@pytest.mark.parametrize("tolerance", [0.3, 0.6, 2.0])
@pytest.mark.parametrize(("rows", "columns"), [(5, 6), (2, 3)])
def test_a_tolerance_that_merges_positions_is_refused(tolerance, rows, columns):
    row, column = snake_indices(rows, columns)
    message = refusal(asked(z=tolerance, x=0.1), z=0.5 * row, x=1.0 * column)
    assert "too large" in message
    assert "axis z" in message


def test_positions_without_a_clear_grid_are_refused():
    random = np.random.default_rng(2)
    z, x = random.uniform(0, 1, (2, 40))
    assert "no clear grid" in refusal(asked(z="auto", x="auto"), z=z, x=x)
    along = np.arange(20.0)  # two motors that move together are one axis
    assert "no clear grid" in refusal(asked(z="auto", x="auto"), z=along, x=2 * along)


def test_other_mistakes_are_told():
    x = np.arange(4.0)
    assert "half the smallest step" in refusal(
        {**asked(), "axes": [{"scalar": "x", "tolerance": 0.5, "grid": [0.0, 1.0]}]}, x=x
    )
    assert "give a tolerance" in refusal(asked(x=[1.0]), x=x)
    assert "no value in any frame" in refusal(asked(x="auto"), x=np.full(4, np.nan))


def test_placed_by_order():
    grid = grid_of(
        by_order([3, 4], snake=True, axes=[("z", [5.0, 6.0, 7.0]), ("x", None)]), x=np.zeros(12)
    )
    row, column = snake_indices(3, 4)
    assert np.array_equal(grid.point, row * 4 + column)
    assert np.array_equal(grid.axes[0].values, [5, 6, 7])
    assert np.array_equal(grid.axes[1].values, [0, 1, 2, 3])
    assert grid.axes[1].unit == ""  # it counts, it does not measure
    plain = grid_of(by_order([3, 4], unfinished=True), x=np.zeros(10))
    assert np.array_equal(plain.point, np.arange(10))
    assert [axis.name for axis in plain.axes] == ["axis_0", "axis_1"]


def test_a_snake_of_three_axes_turns_at_every_row():
    grid = grid_of(by_order([2, 2, 3], snake=True), x=np.zeros(12))
    assert np.array_equal(grid.point, [0, 1, 2, 5, 4, 3, 6, 7, 8, 11, 10, 9])


@pytest.mark.parametrize("frames", [11, 13])
def test_a_shape_that_does_not_fit_is_refused(frames):
    message = refusal(by_order([3, 4]), x=np.zeros(frames))
    assert re.search(r"3 x 4 has 12 points, there are (only )?1[13] frames", message)
