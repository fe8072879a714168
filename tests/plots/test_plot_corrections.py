"""Figures of corrections: what is drawn, on which scale, and from a result file."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.plots.corrections import Stage, corrections_figure, plot_corrections
from scatterflow.plots.results import Integration, PlotAxis
from scatterflow.plots.scalars import Factor, read_factors
from scatterflow.plots.transmission import plot_transmission, transmission_figure

from .conftest import Q, write_result

AXIS = PlotAxis(np.geomspace(0.01, 1.0, 80), "q", "1/angstrom", "q_A^-1")
SHOWN = Integration("run", "azimuthal", (AXIS,), 5, "differential cross section (1/cm)")


def stage(level: float, label: str = "intensity (counts per pixel)") -> Stage:
    values = level / (0.01 + AXIS.values) ** 2
    return Stage(values, 0.1 * values, label)


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_ydata() for line in axes.get_lines()}


def test_background_above_corrected_below():
    stages = {
        "uncorrected": stage(9),
        "normalised": stage(5),
        "background": stage(2),
        "mean": stage(3, "differential cross section (1/cm)"),
    }
    upper, lower = corrections_figure(SHOWN, stages, None, "saxs, azimuthal").axes
    assert set(lines(upper)) == {"sample with background", "background"}
    np.testing.assert_array_equal(lines(lower)["corrected"], stages["mean"].intensity)
    assert lower.get_ylabel() == "differential cross section (1/cm)"
    assert (lower.get_xscale(), lower.get_yscale()) == ("log", "log")
    assert len(lower.collections) == 1  # the band of errors


def test_without_background_the_uncorrected_profile():
    stages = {"uncorrected": stage(9), "mean": stage(3)}
    upper, lower = corrections_figure(SHOWN, stages, None, "saxs, azimuthal").axes
    assert set(lines(upper)) == {"uncorrected"}
    assert set(lines(lower)) == {"corrected"}


def test_noise_around_zero_does_not_set_the_scale():
    """Most of the curve is far above its errors; the last bins scatter around 0."""
    values = 1 / AXIS.values**3
    values[-10:] = [1e-9, -1, 2e-7, -2, 1e-6, 1, -1, 1e-8, -2, 1]
    errors = np.where(np.arange(80) < 70, 0.01 * values, 2.0)
    stages = {"uncorrected": stage(1), "mean": Stage(values, errors, "intensity")}
    _, lower = corrections_figure(SHOWN, stages, None, "saxs, azimuthal").axes
    assert lower.get_yscale() == "log"
    assert lower.get_ylim()[0] > 0.5


def test_no_valid_data():
    nothing = Stage(np.full(80, np.nan), np.full(80, np.nan), "intensity")
    figure = corrections_figure(SHOWN, {"mean": nothing}, None, "saxs, azimuthal")
    assert "no valid data" in figure.axes[0].texts[0].get_text()


def test_monitors_transmission_and_thickness():
    frames = np.arange(6)
    factors = [
        Factor("ic1", "before the sample", 1e5 + frames, None, "counts"),
        Factor("transmission", "", np.full(6, 0.99), np.full(6, 0.01), ""),
        Factor("thickness", "", np.full(6, np.nan), np.full(6, np.nan), "cm"),
    ]
    panels = transmission_figure("run", factors).axes
    assert [axes.get_title(loc="left").split(" ")[0] for axes in panels] == [
        "ic1",
        "transmission",
        "thickness",
    ]
    assert len(panels[1].collections) == 1
    assert len(panels[1].get_lines()) == 2  # T and the line at 1
    assert "no value" in panels[2].texts[0].get_text()
    assert "no correction" in transmission_figure("run", []).axes[0].texts[0].get_text()


def test_errors_are_drawn_in_the_unit_of_the_values():
    thin = Factor("thickness", "", np.full(6, 2e-3), np.full(6, 1e-4), "cm")
    opaque = Factor("transmission", "", np.full(6, 5e-3), np.full(6, 1e-3), "")
    thickness, transmission = transmission_figure("run", [thin, opaque]).axes
    assert thickness.get_title(loc="left").startswith("thickness (10⁻³ cm)")
    for axes, low, high in ((thickness, 1.9, 2.1), (transmission, 4.0, 6.0)):
        heights = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == (pytest.approx(low), pytest.approx(high))
    assert len(transmission.get_lines()) == 1  # far from 1, which is no line here


@pytest.fixture
def result(tmp_path):
    path = write_result(tmp_path / "result.nxs", scalars={"ic1": (np.arange(5.0) + 1, "counts")})
    with h5py.File(path, "a") as file:
        group = file["entry/waxs_azimuthal"]
        for name in ("uncorrected", "normalised", "background"):
            group[f"{name}/I"] = np.ones(Q.size)
            group[f"{name}/I_errors"] = np.full(Q.size, 0.1)
            group[f"{name}/I"].attrs["intensity_label"] = name
        file["entry/process_2_flux/input/monitor"] = "ic1"
        file["entry/process_3_absorption/input/monitor"] = "ic1"
        file["entry/process_3_absorption/transmission"] = np.full(5, 0.5)
        file["entry/process_3_absorption/transmission_errors"] = np.full(5, 0.1)
        file["entry/process_3_absorption/transmission"].attrs["units"] = ""
    return path


def test_from_a_result(result, tmp_path):
    heading, factors = read_factors(result)
    assert heading.startswith("run_0004")
    assert [factor.name for factor in factors] == ["ic1", "ic1", "transmission"]
    for name, draw in (
        ("a", lambda *to: plot_corrections(result, "waxs", "azimuthal", *to)),
        ("b", lambda *to: plot_transmission(result, *to)),
    ):
        png, svg = tmp_path / f"{name}.png", tmp_path / f"{name}.svg"
        draw(png, svg)
        assert png.stat().st_size > 5000
        assert "</svg>" in svg.read_text()
