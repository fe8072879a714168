"""The three plots of small-angle work - Guinier, Kratky, Porod - of a run's mean profile and of some frames.

Guinier   ln I  over q^2      Kratky   q^2 I  over q      Porod   q^4 (I - background)  over q
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from scatterflow.plots.analyses import read_values
from scatterflow.plots.fits import chosen_frames
from scatterflow.plots.profiles import line_colours, position_texts
from scatterflow.plots.results import Integration, read_frames, read_integration, read_mean
from scatterflow.plots.scalars import read_scalars, scanned
from scatterflow.plots.style import (
    RED,
    WIDTH,
    axis_label,
    house_style,
    no_data_note,
    plain_text,
    pretty_unit,
    save,
    title,
)

MOST_FRAMES = 5
"""Frames that are drawn beside the mean."""
GUINIER_REACH = 3.0
"""The Guinier plot reaches so far beyond the fitted range, in q^2."""
NOISE = 0.2
"""Bins whose relative error is larger than this are not drawn: times q^4 they would set the scale."""


@dataclass(frozen=True)
class Law:
    """A Guinier or Porod law of one frame: type, range of q, and the values by their endings.

    exponent: of a Porod law where it is not fitted.
    """

    name: str
    type: str
    range: tuple[float, float] | None
    values: Mapping[str, float]
    exponent: float = 4.0


def plot_views(
    result: str | Path,
    analysis: str | Path,
    detector: str,
    integration: str,
    figures: Sequence[Mapping[str, Any]],
    png: str | Path,
    svg: str | Path,
    axis: str | None = None,
) -> None:
    """Draw the views of one azimuthal integration in q, with the fits of its middle frame.

    figures: name, type and range of its Guinier and Porod analyses, of these the exponent (or `fit`). axis:
    scalar that names the frames.
    """
    shown = read_integration(result, detector, integration, ("azimuthal",))
    _, scalars = read_scalars(result)
    over = scanned(scalars, axis, result)
    mean, errors = read_mean(result, detector, integration, shown.axes[0].values.shape)
    frames = chosen_frames(np.ones(shown.frames, dtype=bool), MOST_FRAMES)
    profiles, sigma = read_frames(result, detector, integration, frames)
    label = axis_label(over.name.replace("_", " "), over.unit)
    texts = position_texts(over.values[frames])
    laws = [read_law(analysis, item) for item in figures]
    figure = views_figure(
        shown,
        np.vstack([profiles, mean[None]]),
        np.vstack([sigma, errors[None]]),
        [*texts, "mean"],
        label,
        [law for law in laws if law is not None],
        f"{detector}, {integration}",
    )
    save(figure, png, svg)


def read_law(analysis: str | Path, figure: Mapping[str, Any]) -> Law | None:
    """The law of the middle frame that succeeded; None if none did. figure: one of those of `plot_views`."""
    endings = {
        "guinier": ("rg", "i0", "qrg_max"),
        "porod": ("constant", "exponent", "background"),
    }[figure["type"]]
    names = {f"{figure['name']}_{ending}": ending for ending in endings}
    found = {names[value.name]: value.values for value in read_values(analysis, list(names))}
    success = np.flatnonzero(np.all([np.isfinite(values) for values in found.values()], axis=0))
    if success.size == 0:
        return None
    frame = success[success.size // 2]
    limits = None if figure["range"] is None else (figure["range"][0], figure["range"][1])
    law = Law(
        figure["name"],
        figure["type"],
        limits,
        {ending: float(values[frame]) for ending, values in found.items()},
    )
    if figure["type"] == "guinier" or figure["exponent"] == "fit":
        return law
    return replace(law, exponent=float(figure["exponent"]))


@house_style()
def views_figure(
    shown: Integration,
    profiles: np.ndarray,
    errors: np.ndarray,
    texts: list[str],
    label: str,
    laws: Sequence[Law],
    what: str,
) -> Figure:
    """Three panels. profiles, errors: (frames + 1, bins), the mean last; texts: of the legend."""
    figure = Figure(figsize=(WIDTH, 8.4))
    guinier, kratky, porod = figure.subplots(3, 1)
    (axis,) = shown.axes
    q, unit = axis.values, pretty_unit(axis.unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        noisy = (errors > NOISE * np.abs(profiles)) | (q <= 0)
    clean = np.where(noisy, np.nan, profiles)
    ground = next((law.values["background"] for law in laws if "background" in law.values), 0.0)
    fourth = q**4 * (clean - ground)
    colours = [*line_colours(len(profiles) - 1), "black"]
    for row, colour in enumerate(colours):
        style = {"color": colour, "linewidth": 1.8 if row == len(texts) - 1 else 1.1}
        positive = np.where(clean[row] > 0, clean[row], np.nan)
        guinier.plot(q**2, positive, label=plain_text(texts[row]), **style)
        kratky.plot(q, q**2 * clean[row], **style)
        porod.plot(q, fourth[row], **style)
    guinier.set_yscale("log")
    guinier.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    guinier.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    guinier.yaxis.set_minor_formatter(NullFormatter())
    reach = _guinier_reach(q, clean[-1], laws)
    guinier.set_xlim(0, reach)
    inside = np.where(q**2 <= reach, clean, np.nan)
    _log_limits(guinier, inside)
    for law in laws:
        _draw_law(guinier if law.type == "guinier" else porod, law, q, unit)
    for axes, values in ((kratky, q**2 * clean), (porod, fourth)):
        axes.set_xlim(0, _last(q, clean))
        _linear_limits(axes, values)
        axes.set_xlabel(f"q ({unit})")
    guinier.set_xlabel(f"q² ({_squared(unit)})")
    guinier.set_ylabel("intensity")
    kratky.set_ylabel("q² × intensity")
    above = "(I − background)" if ground else "intensity"
    porod.set_ylabel(f"q⁴ × {above}")
    for axes, name in ((guinier, "Guinier"), (kratky, "Kratky"), (porod, "Porod")):
        axes.set_title(name, loc="left", fontsize=10)
    if not np.isfinite(clean).any():
        no_data_note(guinier, "no valid data in any frame")
    handles, names = guinier.get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside lower center",
        ncols=min(len(names), 7),
        title=plain_text(label),
    )
    title(figure, shown.heading, f"{what}: {plain_text(shown.intensity_label, 60)}")
    return figure


def _squared(unit: str) -> str:
    """`Å⁻¹` -> `Å⁻²`."""
    return unit.replace("⁻¹", "⁻²")


def _last(q: np.ndarray, profiles: np.ndarray) -> float:
    there = np.flatnonzero(np.isfinite(profiles).any(axis=0))
    return float(q[there[-1]]) if there.size else float(q[-1])


def _guinier_reach(q: np.ndarray, mean: np.ndarray, laws: Sequence[Law]) -> float:
    """End of the Guinier plot in q^2: beyond the fits, else the first quarter of the data."""
    ends = [law.values["qrg_max"] / law.values["rg"] for law in laws if law.type == "guinier"]
    if ends:
        return min(GUINIER_REACH * max(ends) ** 2, float(q[-1]) ** 2)
    return (0.25 * _last(q, mean[None])) ** 2


def _draw_law(axes: Axes, law: Law, q: np.ndarray, unit: str) -> None:
    if law.type == "guinier":
        end = law.values["qrg_max"] / law.values["rg"]
        begin = law.range[0] if law.range else float(q[q > 0][0])
        x = np.linspace(0, end**2, 50)
        y = law.values["i0"] * np.exp(-x * law.values["rg"] ** 2 / 3)
        axes.axvspan(begin**2, end**2, color=RED, alpha=0.08, linewidth=0)
        size = f"{law.values['rg']:.4g} {unit.replace('⁻¹', '')}"
        place, side = 0.99, "right"
        text = f"{law.name}: Rg = {size}, q Rg ≤ {law.values['qrg_max']:.2f}"
    else:
        low, high = law.range or (float(q[q > 0][0]), float(q[-1]))
        x = np.linspace(low, high, 50)
        exponent = law.values.get("exponent", law.exponent)
        y = law.values["constant"] * x ** (4 - exponent)
        place, side = 0.01, "left"
        text = f"{law.name}: constant {law.values['constant']:.4g}"
        fitted = "exponent" in law.values
        text += f", exponent {exponent:.3g}" if fitted or exponent != 4 else ""
    axes.plot(x, y, color=RED, linestyle=(0, (4, 2)), linewidth=1.6, zorder=5)
    axes.text(place, 0.95, plain_text(text), transform=axes.transAxes, ha=side, va="top", color=RED)


def _log_limits(axes: Axes, values: np.ndarray) -> None:
    finite = values[np.isfinite(values) & (values > 0)]
    if finite.size:
        low, high = np.percentile(finite, 1), finite.max()
        room = max((high / low) ** 0.07, 1.02)
        axes.set_ylim(low / room, high * room)


def _linear_limits(axes: Axes, values: np.ndarray) -> None:
    finite = values[np.isfinite(values)]
    if finite.size:
        low, high = min(0.0, np.percentile(finite, 1)), finite.max()
        room = 0.07 * (high - low) or 1.0
        axes.set_ylim(low - room, high + room)
