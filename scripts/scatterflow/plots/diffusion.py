"""Parameters of a fit over q: contrast, relaxation time with its power law, shape, baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.plots.axes import few_log_labels
from scatterflow.plots.correlation_panels import WILD
from scatterflow.plots.g2_fits import fit_of, heading, value_with_error
from scatterflow.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    axis_label,
    house_style,
    no_data_note,
    save,
    title,
)
from scatterflow.xpcs.analysis import Analysis, FittedG2
from scatterflow.xpcs.analysis_file import read_analysis
from scatterflow.xpcs.diffusion import USED, Diffusion
from scatterflow.xpcs.fits import DOUBTFUL

LABELS = {
    "contrast": "contrast",
    "tau": "relaxation time τ (s)",
    "stretching": "stretching exponent",
    "fraction": "fraction of the fast decay",
    "baseline": "baseline",
    "reduced_chi_square": "reduced χ²",
}
EXPECTED = {"stretching": 1.0, "baseline": 1.0, "reduced_chi_square": 1.0}


def plot_diffusion(analysis: str | Path, fit: str, png: str | Path, svg: str | Path) -> None:
    """Draw the parameters of a fit over q, or over the number of the dynamic bin where there is no q.

    Raises UserError for a fit that is not there.
    """
    found, description = read_analysis(analysis)
    save(diffusion_figure(heading(description), found, fit), png, svg)


@house_style()
def diffusion_figure(run: str, analysis: Analysis, name: str) -> Figure:
    """Four panels; the power law is drawn where it was made of this fit."""
    fitted = fit_of(analysis, name)
    law = analysis.diffusion if analysis.diffusion_fit == name else None
    if "q" in analysis.bins.names:
        q, unit = analysis.bins.q()
        x, label = q[fitted.bins], axis_label("q", unit)
    else:
        x, label = fitted.bins + 1.0, "dynamic bin"
    figure = Figure(figsize=(WIDTH, 6.4))
    title(figure, run, _summary(name, law))
    panels = figure.subplots(2, 2, sharex=True)
    names = fitted.fit.names
    shape = next((own for own in ("stretching", "fraction") if own in names), "reduced_chi_square")
    good = (fitted.fit.flags & DOUBTFUL) == 0
    for axes, own in zip(panels.flat, ("contrast", "tau", shape, "baseline"), strict=True):
        _draw(axes, fitted, own, x, good if own != "tau" or law is None else law.reason == USED)
    if law is not None:
        _draw_law(panels[0, 1], law, x)
    if "q" in analysis.bins.names and (x > 0).all() and x.max() > 3 * x.min():
        panels[0, 0].set_xscale("log")
        few_log_labels(panels[0, 0].xaxis, x)
    for axes in panels[1]:
        axes.set_xlabel(label)
    return figure


def _summary(name: str, law: Diffusion | None) -> str:
    if law is None:
        return f"fit {name}"
    parts = [
        f"fit {name}: τ ∝ q^({law.exponent:.2f} ± {law.exponent_error:.2f})",
        f"D = {law.diffusion_m2_per_s:.3g} ± {law.diffusion_error:.1g} m²/s",
    ]
    if law.radius_m is not None and law.radius_error is not None:
        parts.append(f"radius {value_with_error(law.radius_m * 1e9, law.radius_error * 1e9)} nm")
    return ", ".join(parts)


def _draw(axes: Axes, fitted: FittedG2, name: str, x: np.ndarray, good: np.ndarray) -> None:
    """A parameter with its errors; bins that are not used further are open symbols."""
    if name == "reduced_chi_square":
        values, errors = fitted.fit.reduced_chi_square, np.zeros(x.size)
    else:
        values, errors = fitted.fit.column(name)
    axes.set_ylabel(LABELS[name])
    if name == "tau":
        axes.set_yscale("log")
    known = np.isfinite(values)
    if not known.any():
        no_data_note(axes, "no value")
        return
    if name in EXPECTED:
        axes.axhline(EXPECTED[name], color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    for chosen, colour, face in ((known & good, BLUE, BLUE), (known & ~good, ORANGE, "none")):
        axes.errorbar(
            x[chosen],
            values[chosen],
            yerr=errors[chosen] if errors.any() else None,
            fmt="o",
            markersize=4,
            linewidth=0.9,
            color=colour,
            markerfacecolor=face,
        )
    _limit(axes, name, values[known], errors[known])
    notes = [f"{np.count_nonzero(known & ~good)} not used"] if (known & ~good).any() else []
    notes += [f"{np.count_nonzero(~known)} failed"] if not known.all() else []
    axes.set_title(", ".join(notes), loc="right", fontsize=9.5, color=ORANGE)


def _limit(axes: Axes, name: str, values: np.ndarray, errors: np.ndarray) -> None:
    """Limits of values that are known about as well as most; wild ones leave the panel."""
    usual = errors <= WILD * np.median(errors)
    low = (values - errors)[usual].min()
    high = (values + errors)[usual].max()
    if name == "tau":
        low = max(low, values[usual].min() / 3)
        axes.set_ylim(low / 1.3, high * 1.3)
        return
    room = 0.1 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - room, high + room
    if name in EXPECTED:
        low, high = min(low, EXPECTED[name] - room), max(high, EXPECTED[name] + room)
    axes.set_ylim(low, high)


def _draw_law(axes: Axes, law: Diffusion, x: np.ndarray) -> None:
    above = x[x > 0]
    q = np.geomspace(above.min(), above.max(), 100)
    tau, error = law.power_law(q)
    axes.plot(q, tau, color=RED, zorder=3)
    axes.fill_between(q, tau - error, tau + error, color=RED, alpha=0.2, linewidth=0)
