"""The one style of all figures, and how they are written.

Figures are made without pyplot (no global state, no window system) and written whole and
reproducibly: the same result gives the same bytes, so that nothing downstream looks changed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure

from scatterflow.files.atomic import whole_file

WIDTH = 8.0
"""Width of a figure, inches; with `DPI` 1000 pixels."""
DPI = 125

# Okabe and Ito's colours: told apart with any kind of colour vision, https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
GREY, MASKED = "#666666", "#C8C8C8"
VERDICT_COLOURS = {"pass": GREEN, "warn": ORANGE, "fail": RED}

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": 11.0,
    "axes.titlesize": 11.0,
    "axes.labelsize": 11.0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.prop_cycle": matplotlib.cycler(color=[BLUE, ORANGE, GREEN, RED, "#CC79A7", "#56B4E9"]),
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "image.cmap": "viridis",
    "legend.fontsize": 10.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "xtick.minor.pad": 5.0,  # labels of minor ticks in line with those of the longer major ones
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,  # inches
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "svg.hashsalt": "scatterflow",  # ids in the file are otherwise random
    "svg.fonttype": "path",  # letters as shapes: looks the same without the font
}

_UNITS = {
    "q_A^-1": ("q", "Å⁻¹"),
    "q_nm^-1": ("q", "nm⁻¹"),
    "2th_deg": ("2θ", "°"),
    "2th_rad": ("2θ", "rad"),
    "r_mm": ("r", "mm"),
    "r_m": ("r", "m"),
    "chi_deg": ("χ", "°"),
    "chi_rad": ("χ", "rad"),
}
_NEXUS_UNITS = {
    "angstrom": "Å",
    "1/angstrom": "Å⁻¹",
    "angstrom^-1": "Å⁻¹",
    "1/A": "Å⁻¹",
    "1/nm": "nm⁻¹",
    "nm^-1": "nm⁻¹",
    "1/cm": "cm⁻¹",
    "cm^-1": "cm⁻¹",
    "deg": "°",
    "degree": "°",
    "degrees": "°",
    "um": "µm",
    "degC": "°C",
}
_NAMES = {"2theta": "2θ", "chi": "χ", "two_theta": "2θ"}


@contextmanager
def house_style() -> Iterator[None]:
    """matplotlib's own defaults with `STYLE`: a user's matplotlibrc changes nothing."""
    own = {
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if not key.startswith(("backend", "interactive", "toolbar", "webagg", "tk.", "macosx."))
    }
    with matplotlib.rc_context({**own, **STYLE}):
        yield


def save(figure: Figure, png: str | Path, svg: str | Path) -> None:
    """Write a figure as PNG and as SVG, both whole and without dates.

    Images and heat maps are pixels in the SVG too: a vector rectangle per bin opens in no editor.
    """
    with house_style():
        with whole_file(png) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
        with whole_file(svg) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def plain_text(text: str, longest: int = 70) -> str:
    """A user's text as figure text: no formula ('$'), one line, not too long."""
    text = " ".join(str(text).split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.replace("$", r"\$")


def wrapped(text: str, width: int = 36) -> str:
    """A user's text as the label of an axis, in lines of no more than `width` characters."""
    return textwrap.fill(plain_text(text, 90), width)


def pretty_unit(unit: str) -> str:
    """A unit as people write it: `1/angstrom` -> `Å⁻¹`; unknown ones stay."""
    return _NEXUS_UNITS.get(unit) or plain_text(unit)


def axis_label(name: str, unit: str = "", pyfai_unit: str = "") -> str:
    """Label of an axis with its unit: `q (Å⁻¹)`; the name alone if the unit is empty."""
    if pyfai_unit in _UNITS:
        name, unit = _UNITS[pyfai_unit]
        return f"{name} ({unit})"
    name = _NAMES.get(name) or plain_text(name)
    return f"{name} ({pretty_unit(unit)})" if unit else name


def title(figure: Figure, heading: str, what: str) -> None:
    """Title in two lines, on the left: run and sample, then what is shown."""
    text = f"{plain_text(heading, 90)}\n{plain_text(what, 90)}"
    figure.suptitle(text, x=0.01, ha="left", fontsize=11.5, linespacing=1.35)


def verdict_title(figure: Figure, heading: str, verdict: str, sentence: str) -> None:
    """Heading, verdict and sentence as the figure's title; the verdict again as a coloured badge."""
    text = f"Verdict: {verdict}. {plain_text(sentence, 300)}"
    lines = [heading, *textwrap.wrap(text, 95)]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10.5, linespacing=1.4)
    figure.text(
        0.988,
        0.985,
        verdict.upper(),
        ha="right",
        va="top",
        color="white",
        weight="bold",
        bbox={"facecolor": VERDICT_COLOURS[verdict], "edgecolor": "none", "pad": 5},
    )


def is_log(values: np.ndarray) -> bool:
    """Whether intensities are shown on a log scale: nearly all > 0 and over a factor 5."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if positive.size < 0.8 * finite.size or positive.size < 2:
        return False
    low, high = np.percentile(positive, (0.5, 99.5))
    return bool(high > 5 * low)


def is_log_radial(radial: np.ndarray, pyfai_unit: str) -> bool:
    """Whether a radial axis is logarithmic: q over a decade or more, as in small-angle work."""
    positive = radial[radial > 0]
    if not pyfai_unit.startswith("q_") or positive.size < 2:
        return False
    return bool(positive[-1] > 10 * positive[0])


def colour_norm(values: np.ndarray) -> tuple[Normalize, str]:
    """Colour scale for intensities and where it is cut: (norm, `neither` | `min` | `max` | `both`).

    Logarithmic where `is_log` or where counts are sparse (no value below 0); limits are the 0.5 and
    99.8 percentiles, so that a few hot pixels do not darken the rest. Zeros on a log scale take the
    lowest colour.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Normalize(0, 1), "neither"
    positive = finite[finite > 0]
    logarithmic = is_log(finite) or (positive.size > 0 and finite.min() == 0)
    low, high = np.percentile(positive if logarithmic else finite, (0.5, 99.8))
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
        logarithmic = logarithmic and low > 0
    if not high > low:
        spread = abs(high) * 0.01 or 1.0
        return Normalize(low - spread, high + spread), "neither"
    cut = ("min" if finite.min() < low else "", "max" if finite.max() > high else "")
    extend = "both" if all(cut) else "".join(cut) or "neither"
    # clip: values outside the limits, zeros on a log scale among them, take the colours of the ends
    return (LogNorm if logarithmic else Normalize)(low, high, clip=True), extend


def intensity_colours() -> Colormap:
    """Colour map of intensities: even in brightness; grey where there is no value."""
    return matplotlib.colormaps["viridis"].with_extremes(bad=MASKED)


def robust_limits(axes: Axes, values: np.ndarray, logarithmic: bool) -> None:
    """Limits of the y axis that show all but the outermost bins, with some room."""
    finite = values[np.isfinite(values)]
    if logarithmic:
        finite = finite[finite > 0]
    if finite.size == 0:
        return
    low, high = np.percentile(finite, 0.5), finite.max()
    if logarithmic:
        room = (high / low) ** 0.07 * 1.05
        axes.set_ylim(low / room, high * room)
        return
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(min(low, 0.0 if 0 <= low < 0.3 * high else low) - room, high + room)


def significant(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """The values that set the foot of a log scale: those above their errors; all where none is."""
    clear = values[values > np.nan_to_num(errors, nan=0.0, posinf=0.0)]
    return clear if clear.size else values


def no_data_note(axes: Axes, note: str) -> None:
    """Say in the middle of an empty panel why it is empty."""
    axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center", color=GREY)


def empty_figure(head: str, told: str, why: str) -> Figure:
    """A figure without anything to draw. head, told: lines of the title; why: in its midst."""
    figure = Figure(figsize=(WIDTH, 2.5))
    title(figure, head, told)
    no_data_note(figure.subplots(), why)
    return figure
