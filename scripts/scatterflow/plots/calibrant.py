"""Calibrant check as a figure: the profile with its rings, and how far each ring is off."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.plots.rings import number_rings
from scatterflow.plots.style import (
    BLUE,
    GREEN,
    GREY,
    RED,
    WIDTH,
    axis_label,
    house_style,
    is_log,
    plain_text,
    robust_limits,
    save,
    verdict_title,
)
from scatterflow.saxswaxs.calibrant import RingCheck

PER_MILLE = 1e-3
REASON_DISTANCE = 0.035
"""Unused rings closer than this fraction of the axis have no room for their reasons (two lines)."""


def plot_rings(
    check: RingCheck,
    radial: np.ndarray,
    intensity: np.ndarray,
    sigma: np.ndarray | None,
    png: str | Path,
    svg: str | Path,
    heading: str = "",
    intensity_label: str = "intensity",
) -> None:
    """Draw a calibrant check: profile with expected and found rings, relative offsets, verdict.

    radial, intensity, sigma: (bins,), what was checked. heading: run and sample, for the title.
    """
    save(rings_figure(check, radial, intensity, sigma, heading, intensity_label), png, svg)


@house_style()
def rings_figure(
    check: RingCheck,
    radial: np.ndarray,
    intensity: np.ndarray,
    sigma: np.ndarray | None,
    heading: str = "",
    intensity_label: str = "intensity",
) -> Figure:
    """Top: profile. Bottom: relative offsets with standard errors and the tolerance band."""
    figure = Figure(figsize=(WIDTH, 6.4))
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1.6, 1]})
    _draw_profile(top, check, radial, intensity, sigma, intensity_label)
    bottom.set_xlabel(axis_label("", "", check.unit))
    bottom.set_xlim(radial[0], radial[-1])
    _draw_offsets(bottom, check)
    number_rings(
        top, np.array([r.number for r in check.rings]), np.array([r.expected for r in check.rings])
    )
    handles = top.get_legend_handles_labels()[0] + bottom.get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    verdict_title(figure, plain_text(heading or check.calibrant, 70), check.verdict, check.sentence)
    return figure


def _draw_profile(
    axes: Axes,
    check: RingCheck,
    radial: np.ndarray,
    intensity: np.ndarray,
    sigma: np.ndarray | None,
    intensity_label: str,
) -> None:
    logarithmic = is_log(intensity)
    axes.set_yscale("log" if logarithmic else "linear")
    robust_limits(axes, intensity, logarithmic)
    low, high = axes.get_ylim()
    # Room for the ring numbers above the curve.
    axes.set_ylim(low, high * 1.6 if logarithmic else high + 0.12 * (high - low))
    axes.plot(radial, intensity, color=BLUE, label="mean profile", zorder=3)
    if sigma is not None and np.isfinite(sigma).any():
        axes.fill_between(
            radial, intensity - sigma, intensity + sigma, color=BLUE, alpha=0.3, linewidth=0
        )
    used = [ring for ring in check.rings if ring.used]
    unused = [ring for ring in check.rings if not ring.used]
    for rings, colour, name in ((used, RED, "expected"), (unused, GREY, "expected, not used")):
        for index, ring in enumerate(rings):
            label = name if index == 0 else None
            axes.axvline(
                ring.expected, color=colour, linewidth=1, linestyle=(0, (5, 3)), label=label
            )
    if used:
        tops = [ring.background + ring.height for ring in used]
        found = [ring.found for ring in used]
        axes.plot(found, tops, "v", color="black", markersize=6, label="found", zorder=4)
    axes.set_ylabel(plain_text(intensity_label))


def _draw_offsets(axes: Axes, check: RingCheck) -> None:
    band = check.tolerance / PER_MILLE
    label = f"tolerance ±{band:g} · 10⁻³"
    axes.axhspan(-band, band, color=GREEN, alpha=0.15, linewidth=0, label=label)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    used = [ring for ring in check.rings if ring.used]
    offsets = np.array([ring.relative_offset for ring in used]) / PER_MILLE
    errors = np.array([ring.relative_error for ring in used]) / PER_MILLE
    reach = 1.25 * max(band, float(np.max(np.abs(offsets) + np.minimum(errors, band), initial=0)))
    axes.set_ylim(-reach, reach)
    axes.errorbar(
        [ring.expected for ring in used],
        offsets,
        errors,
        fmt="o",
        color="black",
        markersize=5,
        capsize=3,
        linewidth=1.2,
    )
    _name_unused(axes, check)
    axes.set_ylabel("(found − expected)\n/ expected (10⁻³)")


def _name_unused(axes: Axes, check: RingCheck) -> None:
    """Crosses at the lower edge, away from any offset, with the reason where there is room."""
    unused = [ring for ring in check.rings if not ring.used]
    if not unused:
        return
    axes.plot(
        [ring.expected for ring in unused],
        np.full(len(unused), 0.05),
        "x",
        color=GREY,
        markersize=7,
        transform=axes.get_xaxis_transform(),
        label="no offset: not used",
    )
    to_axes = axes.transData + axes.transAxes.inverted()
    last = -np.inf
    for ring in unused:
        across = float(to_axes.transform((ring.expected, 0.0))[0])
        if across - last < REASON_DISTANCE:
            continue
        near_edge = "left" if across < 0.02 else "right" if across > 0.98 else "center"
        last = across + 0.5 * REASON_DISTANCE if near_edge == "left" else across
        axes.annotate(
            textwrap.fill(plain_text(ring.why.split(":")[0]), 20),
            xy=(ring.expected, 0.05),
            xycoords=("data", "axes fraction"),
            xytext=(0, 8),
            textcoords="offset points",
            rotation=90,
            ha=near_edge,
            va="bottom",
            fontsize=8,
            color=GREY,
        )
