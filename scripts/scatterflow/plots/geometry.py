"""A refined geometry as a figure: rings on the mean frame, residuals before and after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scatterflow.plots.frames import draw_mean_frame
from scatterflow.plots.results import FrameSum
from scatterflow.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    house_style,
    plain_text,
    save,
    verdict_title,
)
from scatterflow.saxswaxs.refine import Refinement, moved
from scatterflow.saxswaxs.ring_positions import calibrant_d_spacings, ring_positions

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

MILLIDEGREES = 1e3


def plot_refinement(
    frame: FrameSum,
    geometry: AzimuthalIntegrator,
    refinement: Refinement,
    png: str | Path,
    svg: str | Path,
) -> None:
    """Draw a refinement. frame: the mean frame; geometry: the one that was refined."""
    save(refinement_figure(frame, geometry, refinement), png, svg)


@house_style()
def refinement_figure(
    frame: FrameSum, geometry: AzimuthalIntegrator, refinement: Refinement
) -> Figure:
    """Top: mean frame with rings and control points. Bottom: residuals over the azimuth."""
    rows, columns = frame.mean.shape
    height = float(np.clip(WIDTH * rows / columns, 2.8, 7.0))
    figure = Figure(figsize=(WIDTH, height + 4.2))
    top, bottom = figure.subplots(2, 1, gridspec_kw={"height_ratios": [height, 2.2]})
    _draw_frame(top, frame, geometry, refinement)
    _draw_residuals(bottom, refinement)
    heading = f"{frame.heading}: geometry refined from {refinement.calibrant}"
    verdict_title(figure, plain_text(heading, 75), refinement.verdict, refinement.sentence)
    return figure


def _draw_frame(
    axes: Axes, frame: FrameSum, geometry: AzimuthalIntegrator, refinement: Refinement
) -> None:
    image, extend = draw_mean_frame(axes, frame.mean)
    axes.figure.colorbar(image, ax=axes, label="mean per pixel and frame", extend=extend, pad=0.02)
    spacings = calibrant_d_spacings(refinement.calibrant)
    levels = np.unique(ring_positions(spacings, "2th_rad", geometry.wavelength))
    handles = []
    sets = [("before", refinement.before, ORANGE, "dashed")]
    if refinement.refined:
        sets.append(("after", refinement.after, RED, "solid"))
    for name, parameters, colour, style in sets:
        angle = moved(geometry, parameters).center_array(
            frame.mean.shape, unit="2th_rad", scale=False
        )
        seen = levels[(levels > angle.min()) & (levels < angle.max())]
        if seen.size:
            axes.contour(angle, levels=seen, colors=colour, linestyles=style, linewidths=1.0)
        handles.append(Line2D([], [], color=colour, linestyle=style, label=f"rings {name}"))
    if refinement.points.ring.size:
        row, column = refinement.points.position.T
        axes.plot(column, row, "+", color="white", markersize=5, markeredgewidth=1.2)
        points = Line2D([], [], color=GREY, marker="+", linestyle="", label="control points")
        handles.append(points)
    axes.set_xlabel("column (pixels)")
    axes.set_ylabel("row (pixels)")
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=3)


def _draw_residuals(axes: Axes, refinement: Refinement) -> None:
    azimuth = np.degrees(refinement.points.azimuth)
    if azimuth.size and np.abs(azimuth).min() > 90:
        azimuth = azimuth % 360  # a detector at that side of the beam, undivided
    error = np.degrees(refinement.points.error) * MILLIDEGREES
    sets = [("before", refinement.residual_before, GREY)]
    if refinement.refined:
        sets.append(("after", refinement.residual_after, BLUE))
    for name, residual, colour in sets:
        axes.errorbar(
            azimuth,
            np.degrees(residual) * MILLIDEGREES,
            error,
            fmt="o",
            markersize=3.5,
            color=colour,
            linewidth=1.0,
            label=name,
        )
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_xlabel("azimuth χ (°)")
    axes.set_ylabel("2θ found − expected\n(10⁻³ °)")
    axes.legend(loc="best", ncols=2)
