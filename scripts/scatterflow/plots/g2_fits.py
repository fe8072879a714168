"""A fit of g2: data with error bars and the fitted curve, a panel for each dynamic bin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.errors import UserError, suggestion
from scatterflow.plots.correlation_panels import (
    MOST_PANELS,
    coordinates_label,
    delay_axis,
    g2_limits,
    panel_grid,
)
from scatterflow.plots.starved import curve_colour, shown_starved, starved_note
from scatterflow.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    house_style,
    no_data_note,
    plain_text,
    save,
    title,
)
from scatterflow.xpcs.analysis import Analysis, Bins, FittedG2
from scatterflow.xpcs.analysis_file import read_analysis
from scatterflow.xpcs.fits import FAILED, FLAGS, LEFT_OUT
from scatterflow.xpcs.result import read_result

SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def plot_g2_fit(
    analysis: str | Path,
    result: str | Path,
    fit: str,
    png: str | Path,
    svg: str | Path,
    bins: Sequence[int] | None = None,
    noise_limit: float | None = None,
) -> None:
    """Draw a fit; bins: dynamic bins (from 1), None: all, or a dozen evenly spread. result: what was
    analysed; noise_limit: as for `plot_g2`.

    Raises UserError for a fit or a bin that is not there.
    """
    found, description = read_analysis(analysis)
    starved = None
    if noise_limit is not None:
        starved = shown_starved(read_result(result, maps=False), noise_limit)
    save(g2_fit_figure(heading(description), found, fit, bins, starved), png, svg)


def heading(description: dict[str, str]) -> str:
    """Run and sample, for titles."""
    return " · ".join(description[key] for key in ("run", "sample") if description.get(key))


def fit_of(analysis: Analysis, name: str) -> FittedG2:
    """The fit of a name. Raises UserError if there is none."""
    by_name = {fitted.name: fitted for fitted in analysis.fits}
    if name not in by_name:
        raise UserError(f"there is no fit {name!r}", "analysis file", suggestion(name, by_name))
    return by_name[name]


@house_style()
def g2_fit_figure(
    run: str,
    analysis: Analysis,
    name: str,
    chosen: Sequence[int] | None = None,
    starved: np.ndarray | None = None,
) -> Figure:
    """Data, error bars and fit of each dynamic bin that was fitted, or of those chosen (from 1).

    starved: (Nd,) bool, bins with too few photons, None: none.
    """
    fitted = fit_of(analysis, name)
    few = np.zeros(len(analysis.bins.values), bool) if starved is None else starved
    places = _places(fitted, chosen)
    figure, axes = panel_grid(len(places))
    all_bins = fitted.bins.size
    failed = np.count_nonzero(fitted.fit.flags & FAILED)
    note = "" if len(places) == all_bins else f", {len(places)} of them shown"
    model = fitted.settings["model"]
    title(
        figure,
        run,
        f"fit {name} ({model}): {all_bins - failed} of {all_bins} dynamic bins succeeded{note}",
    )
    for place, on in zip(places, axes, strict=False):
        _draw(on, analysis.bins, fitted, place, few[fitted.bins[[place]]])
    return figure


def _places(fitted: FittedG2, chosen: Sequence[int] | None) -> list[int]:
    if chosen is None:
        most = min(MOST_PANELS, fitted.bins.size)
        return np.linspace(0, fitted.bins.size - 1, most).round().astype(int).tolist()
    numbers = (fitted.bins + 1).tolist()
    for number in chosen:
        if number not in numbers:
            raise UserError(
                f"dynamic bin {number} was not fitted",
                f"fit {fitted.name}",
                f"fitted: {', '.join(map(str, numbers[:40]))}",
            )
    return [numbers.index(number) for number in chosen]


def _draw(axes: Axes, bins: Bins, fitted: FittedG2, place: int, starved: np.ndarray) -> None:
    """One bin; starved: (1,) bool."""
    g2, error = fitted.g2[:, place], fitted.error[:, place]
    curve = fitted.fit.best_fit[:, place]
    axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    colour = curve_colour(BLUE, starved[0])
    axes.errorbar(
        fitted.delay_s, g2, yerr=error, fmt="o", markersize=3, linewidth=0.9, color=colour
    )
    axes.plot(fitted.delay_s, curve, color=RED, zorder=3)
    delay_axis(axes, fitted.delay_s)
    g2_limits(axes, g2, error)
    number = int(fitted.bins[place])
    label = coordinates_label(bins.names, bins.values, bins.units, number)
    axes.set_title(label, loc="left", fontsize=10)
    starved_note(axes, starved)
    if not np.isfinite(g2).any():
        no_data_note(axes, "no value")
        axes.set_yticks([])
        return
    numbers = _numbers(fitted, place)
    for line, text in enumerate([*numbers, *_flag_texts(int(fitted.fit.flags[place]))]):
        usual = GREY if line < len(numbers) else ORANGE
        axes.text(
            0.98,
            0.97 - 0.115 * line,
            text,
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=8.5,
            color=usual if np.isfinite(curve).any() else RED,
        )


def _numbers(fitted: FittedG2, place: int) -> list[str]:
    tau, error = (part[place] for part in fitted.fit.column("tau"))
    if not np.isfinite(tau):
        return ["no fit"]
    return [f"τ = {seconds(tau, error)}", f"χ² = {fitted.fit.reduced_chi_square[place]:.2f}"]


def seconds(value: float, error: float) -> str:
    """A time with its error in the unit that reads best, `12.34 ± 0.42 ms`."""
    factor, unit = next((part for part in SECONDS if value >= part[0]), SECONDS[-1])
    return f"{value_with_error(value / factor, error / factor)} {unit}"


def value_with_error(value: float, error: float) -> str:
    """A value with two digits of its error, `12.34 ± 0.42`; alone where the error is not known."""
    if not np.isfinite(error) or error <= 0:
        return f"{value:.3g}"
    digits = int(np.clip(1 - np.floor(np.log10(error)), 0, 6))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def _flag_texts(flags: int) -> list[str]:
    """What is wrong with a fit; that lone delays are left out is seen."""
    return [plain_text(text, 34) for bit, text in FLAGS.items() if flags & bit and bit != LEFT_OUT]
