"""Per-frame scalars: panels, units, flags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.plots.monitors import (
    monitors_figure,
    plot_monitors,
    readable,
    suspicious_zeros,
)
from scatterflow.plots.scalars import Scalar, read_scalars


def panels(figure) -> dict[str, object]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}


def test_every_scalar_has_a_panel_with_its_unit(result: Callable[..., Path]) -> None:
    scalars = {
        "i0": (np.array([10.0, 11.0, 0.0, 10.5, 9.9]), "counts"),
        "temperature": (np.array([300.0, np.nan, 301.0, np.nan, 302.0]), "K"),
        "valve": (np.array([0, 1, 0, 1, 1]), ""),
    }
    heading, found = read_scalars(result(scalars=scalars))
    assert found[0].name == "frame_number"
    figure = monitors_figure(heading, found)
    drawn = panels(figure)
    assert set(drawn) == {"i0 (counts)", "temperature (K)", "valve"}
    i0 = drawn["i0 (counts)"]
    np.testing.assert_array_equal(i0.lines[0].get_ydata(), scalars["i0"][0])
    assert i0.lines[1].get_xydata().tolist() == [[2.0, 0.0]]
    assert i0.get_title(loc="right") == "● 1 zero"
    temperature = drawn["temperature (K)"]
    assert temperature.lines[1].get_xdata().tolist() == [1.0, 3.0]
    assert temperature.get_title(loc="right") == "× 2 missing"
    assert drawn["valve"].get_title(loc="right") == ""
    assert figure.get_supxlabel() == "frame number"
    assert figure.get_suptitle() == "run_0004 · LaB6\nscalars, 5 frames"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_rows_are_evenly_spaced_and_every_column_ends_in_numbers(count: int) -> None:
    frame = Scalar("frame_number", np.arange(4.0), "")
    scalars = [Scalar(f"s{n}", np.arange(4.0) * 1.5 + n, "") for n in range(count)]
    figure = monitors_figure("r", [frame, *scalars])
    figure.canvas.draw()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    columns: dict[float, list] = {}
    for axes in shown:
        columns.setdefault(round(axes.get_position().x0, 3), []).append(axes)
    for column in columns.values():
        assert any(
            label.get_visible() and label.get_text() for label in column[-1].get_xticklabels()
        )
    tops = [axes.get_position().y1 for axes in shown if axes.get_subplotspec().colspan.start == 0]
    np.testing.assert_allclose(np.diff(tops), np.diff(tops)[:1].repeat(len(tops) - 1), atol=0.004)


@pytest.mark.parametrize(
    ("values", "flagged"),
    [
        ([5.0, 0.0, 5.1, 4.9], [1]),
        ([-5.0, 0.0, -5.1, 0.0], [1, 3]),
        ([0.0, 1.0, 2.0, 3.0], []),  # counter
        ([0, 0, 1, 1, 2, 2], []),  # stepped motor
        ([-1.0, 0.0, 1.3, 0.2], []),  # motor through zero
        ([0.0, 0.0, 0.0], []),  # not connected
        ([0, 1, 1, 0], []),  # shutter
        ([3.0, np.nan, 0.0, 2.9], [2]),
        ([np.nan, np.nan], []),
        ([], []),
    ],
)
def test_zeros_are_flagged_where_they_mean_a_lost_signal(
    values: list[float], flagged: list[int]
) -> None:
    found = suspicious_zeros(np.array(values, dtype=float))
    assert np.flatnonzero(found).tolist() == flagged


def test_readable_values_multiply_back_to_the_truth() -> None:
    values, unit, factor = readable(np.array([1.2e6, 0.0, 3.4e6]), "counts")
    assert (unit, factor) == (" (10⁶ counts)", pytest.approx(1e-6))
    np.testing.assert_allclose(values, [1.2, 0.0, 3.4])
    values, unit, factor = readable(np.array([1763735000.25, 1763735060.0]), "s")
    assert (unit, factor) == (" (s) − 1763735000", 1.0)
    np.testing.assert_allclose(values, [0.25, 60.0])
    values, unit, factor = readable(np.array([2e-9, 5e-9]), "A")
    assert (unit, factor) == (" (10⁻⁹ A)", pytest.approx(1e9))
    np.testing.assert_allclose(values, [2.0, 5.0])
    values, unit, factor = readable(np.array([0.9, 1e4]), "1/angstrom")
    assert (values.tolist(), unit, factor) == ([0.9, 1e4], " (Å⁻¹)", 1.0)
    assert readable(np.array([3e7]), "")[1] == " (10⁶)"


def test_a_run_without_scalars_says_so(result: Callable[..., Path], tmp_path: Path) -> None:
    heading, found = read_scalars(result())
    figure = monitors_figure(heading, found)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["the source has no scalars besides the frame number"]
    plot_monitors(tmp_path / "result.nxs", tmp_path / "m.png", tmp_path / "m.svg")
    assert (tmp_path / "m.png").exists()


def test_users_names_are_never_read_as_formulas() -> None:
    scalars = [
        Scalar("frame_number", np.arange(3.0), ""),
        Scalar("$x_{\\frac", np.arange(3.0) ** 2 + 1, "50% $\\q"),
    ]
    figure = monitors_figure("$\\nonsense{ · a\nb", scalars)
    figure.canvas.draw()  # a formula that is none would raise here
    assert figure.get_suptitle().startswith(r"\$\nonsense{ · a b")


def test_scalars_of_different_lengths_are_refused(result: Callable[..., Path]) -> None:
    path = result()
    with h5py.File(path, "a") as file:
        file["entry/scalars/i0"] = np.ones(7)
    with pytest.raises(UserError, match="different lengths: 5, 7"):
        read_scalars(path)
    with h5py.File(path, "a") as file:
        del file["entry/scalars"]
    with pytest.raises(UserError, match="'scalars' is missing"):
        read_scalars(path)
