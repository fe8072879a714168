"""Figures of fits, figures of merit and small-angle views, drawn from real analysis files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.plots.analyses import FrameValue, read_curves, read_status, read_values
from scatterflow.plots.fits import (
    chosen_frames,
    figures_figure,
    fit_figure,
    important,
    plot_figures,
    plot_fit,
)
from scatterflow.plots.results import read_integration
from scatterflow.plots.scalars import Scalar, read_scalars, scanned
from scatterflow.plots.views import plot_views, read_law, views_figure
from scatterflow.saxswaxs.analyse import analyse_result

from .conftest import Q

FIT = {
    "name": "ring",
    "task": "waxs_azimuthal",
    "integration": "azimuthal",
    "range": [1.3, 1.7],
    "components": [
        {"model": "gaussian", "name": "peak", "parameters": {}},
        {"model": "linear", "name": "ground", "parameters": {}},
    ],
}
PROFILE = {"task": "waxs_azimuthal", "integration": "azimuthal"}
FIGURES: list[dict[str, Any]] = [
    {
        **PROFILE,
        "name": "size",
        "type": "guinier",
        "range": [0.1, 0.4],
        "limit": 5.0,
        "iterate": True,
    },
    {
        **PROFILE,
        "name": "law",
        "type": "porod",
        "range": [2, 4],
        "exponent": "fit",
        "background": "none",
    },
]
NAMES = [
    *(f"ring_peak_{name}" for name in ("amplitude", "centre", "width", "area")),
    *("ring_ground_intercept", "ring_ground_slope", "ring_reduced_chi_square"),
]


@pytest.fixture
def analysis(result, tmp_path) -> tuple[Path, Path]:
    """A result of six frames, of which the third is missing, and its analysis."""
    chi = np.linspace(-175.0, 175.0, 36)
    path = result(frames=6, scalars={"samx": (np.linspace(0, 3, 6), "mm")})
    with h5py.File(path, "r+") as file:
        for name, axis, step in (
            ("azimuthal", "radial_axis", Q[1] - Q[0]),
            ("radial", "azimuthal_axis", chi[1] - chi[0]),
        ):
            data = file[f"entry/waxs_{name}/data"]
            data["I"].attrs["units"] = "1/cm"
            centres = data[axis][()]
            data[f"{axis}_edges"] = np.append(centres - step / 2, centres[-1] + step / 2)
        data = file["entry/waxs_azimuthal/data"]
        data["I"][2] = np.nan
        data["I_errors"][2] = np.nan
    made = tmp_path / "analysis.nxs"
    analyse_result(path, made, {"fits": [FIT], "figures": FIGURES}, "r/x")
    return path, made


def drawn(folder: Path, name: str) -> None:
    for suffix in ("png", "svg"):
        path = folder / f"{name}.{suffix}"
        assert path.stat().st_size > 10_000, path


def test_all_figures_are_written(analysis, tmp_path):
    result, made = analysis
    plot_fit(made, "ring", NAMES, tmp_path / "fit.png", tmp_path / "fit.svg", "samx")
    names = ["size_rg", "size_i0", "law_exponent"]
    plot_figures(made, names, tmp_path / "figures.png", tmp_path / "figures.svg")
    plot_views(
        result, made, "waxs", "azimuthal", FIGURES, tmp_path / "views.png", tmp_path / "views.svg"
    )
    for name in ("fit", "figures", "views"):
        drawn(tmp_path, name)


def test_the_same_analysis_gives_the_same_bytes(analysis, tmp_path):
    _, made = analysis
    for name in ("a", "b"):
        plot_fit(made, "ring", NAMES, tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_fit_shows_frames_that_succeeded_and_flags_those_that_failed(analysis):
    _, made = analysis
    failures = read_status(made, "ring")
    assert failures == ["", "", "no data: no valid bin in the range", "", "", ""]
    success = np.array([not failure for failure in failures])
    heading, scalars = read_scalars(made)
    curves = read_curves(made, "ring", chosen_frames(success))
    assert curves.frames.tolist() == [0, 3, 5]
    values = read_values(made, [*NAMES, "not_there"])
    assert [value.name for value in values] == NAMES
    over = scanned(scalars, "samx", made)
    figure = fit_figure(heading, "ring", curves, values, over, failures)
    text = figure._suptitle.get_text()
    assert "5 of 6 frames succeeded" in text
    panels = {axes.get_title("left"): axes for axes in figure.axes if axes.get_title("left")}
    centre = panels["ring peak centre (Å⁻¹)"]
    assert centre.get_title("right") == "× 1 failed"
    assert centre.lines[0].get_xdata() == pytest.approx(np.linspace(0, 3, 6))
    assert np.nanmax(centre.lines[0].get_ydata()) == pytest.approx(1.51153, abs=1e-3)


def test_frames_are_chosen_from_those_that_succeeded():
    assert chosen_frames(np.array([False, True, True, True, True])).tolist() == [1, 3, 4]
    assert chosen_frames(np.array([True])).tolist() == [0]
    assert chosen_frames(np.zeros(4, bool)).tolist() == [0, 2, 3]


def test_a_fit_that_always_fails_is_drawn_with_its_data(analysis):
    _, made = analysis
    heading, scalars = read_scalars(made)
    curves = read_curves(made, "ring", np.array([0, 2]))
    failed = np.full(6, np.nan)
    values = [FrameValue("ring_peak_centre", failed, failed, "")]
    over = scanned(scalars, None, made)
    figure = fit_figure(heading, "ring", curves, values, over, ["no data"] * 6)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "failed: no data" in texts
    assert "no value" in texts


def test_the_values_that_people_look_at_first_are_kept():
    values = [
        FrameValue(f"f_p{k}_{name}", np.zeros(1), None, "")
        for k in range(4)
        for name in ("amplitude", "centre", "width")
    ]
    kept = [value.name for value in important(values, 6)]
    assert kept[:2] == ["f_p0_centre", "f_p0_width"]
    assert sum(name.endswith("centre") for name in kept) == 4


def test_one_wild_error_does_not_set_the_scale():
    values = np.array([1.0, 1.1, 0.9, 1.0])
    errors = np.array([0.1, 0.1, 0.1, 500.0])
    over = Scalar("frame_number", np.arange(4.0), "")
    figure = figures_figure("r", [FrameValue("v", values, errors, "mm")], over)
    low, high = figure.axes[0].get_ylim()
    assert -1 < low < 0.8
    assert 1.2 < high < 3


def test_an_unknown_axis_is_told_with_the_nearest_name(analysis):
    _, made = analysis
    _, scalars = read_scalars(made)
    with pytest.raises(UserError) as caught:
        scanned(scalars, "samy", made)
    assert "did you mean 'samx'?" in caught.value.how


def test_a_fixed_exponent_of_porod_is_the_one_that_is_drawn(analysis, tmp_path):
    result, _ = analysis
    steep = {**FIGURES[1], "name": "steep", "exponent": 3.0}
    analyse_result(result, tmp_path / "steep.nxs", {"fits": [], "figures": [steep]}, "run/x")
    law = read_law(tmp_path / "steep.nxs", steep)
    assert law is not None
    shown = read_integration(result, "waxs", "azimuthal", ("azimuthal",))
    profiles = np.stack([Q**-3.0, Q**-3.0])
    figure = views_figure(shown, profiles, 0 * profiles, ["0", "mean"], "frame", [law], "waxs")
    drawn_law = figure.axes[2].lines[-1]
    x, y = drawn_law.get_data()
    # q^4 times constant q^-3
    assert y == pytest.approx(law.values["constant"] * x)
    assert "exponent 3" in figure.axes[2].texts[0].get_text()
    fitted = read_law(analysis[1], FIGURES[1])
    assert fitted is not None
    assert fitted.values["exponent"] != 4
