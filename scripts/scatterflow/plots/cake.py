"""Mean cake of a run: intensity over radial and azimuthal angle. Rings of a powder are upright."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scatterflow.plots.axes import around_data, bin_edges, continued, in_order, label_of
from scatterflow.plots.results import Integration, PlotAxis, read_integration, read_mean
from scatterflow.plots.rings import rings_on_axis
from scatterflow.plots.style import (
    MASKED,
    RED,
    WIDTH,
    colour_norm,
    house_style,
    intensity_colours,
    no_data_note,
    plain_text,
    save,
    title,
)


def plot_cake(
    result_path: str | Path,
    detector: str,
    integration: str,
    png: str | Path,
    svg: str | Path,
    calibrant: str | None = None,
    wavelength_m: float | None = None,
) -> None:
    """Draw the mean cake of a detector, and ticks at the rings of a calibrant.

    Raises UserError if the integration is not in the result or is no cake.
    """
    shown = read_integration(result_path, detector, integration, ("cake",))
    shape = tuple(axis.values.size for axis in shown.axes)
    intensity, _ = read_mean(result_path, detector, integration, shape)
    what = f"{detector}, {integration}"
    save(cake_figure(shown, intensity, what, calibrant, wavelength_m), png, svg)


@house_style()
def cake_figure(
    shown: Integration,
    intensity: np.ndarray,
    what: str,
    calibrant: str | None = None,
    wavelength_m: float | None = None,
) -> Figure:
    """Mean cake, radial axis across, azimuth upwards, log colours, grey: no pixel."""
    azimuthal, radial, intensity = part_with_data(shown.axes[0], shown.axes[1], intensity)
    figure = Figure(figsize=(WIDTH, 5.6))
    axes = figure.subplots()
    axes.grid(False)
    frames = f"mean of {shown.frames} frames" if shown.frames != 1 else "1 frame"
    title(figure, shown.heading, f"{what}: {frames}")
    norm, extend = colour_norm(intensity)
    mesh = axes.pcolormesh(
        bin_edges(radial.values),
        bin_edges(azimuthal.values),
        np.ma.masked_invalid(intensity),
        norm=norm,
        cmap=intensity_colours(),
        rasterized=True,
    )
    axes.set_facecolor(MASKED)
    axes.set_xlabel(label_of(radial))
    axes.set_ylabel(label_of(azimuthal))
    label = plain_text(shown.intensity_label)
    figure.colorbar(mesh, ax=axes, label=label, extend=extend, pad=0.02, aspect=30)
    handles = []
    if not np.isfinite(intensity).all():
        handles.append(Patch(facecolor=MASKED, label="no valid pixel"))
    if not np.isfinite(intensity).any():
        no_data_note(axes, "no valid data in any frame")
    if calibrant is not None:
        _, positions = rings_on_axis(radial, calibrant, wavelength_m)
    if calibrant is not None and positions.size:
        marker = {"color": RED, "marker": "v", "markersize": 7, "linestyle": ""}
        # Above the panel: a line would hide the ring.
        axes.plot(
            positions,
            np.full(positions.size, 1.015),
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            **marker,
        )
        handles.append(Line2D([], [], label=f"rings of {calibrant}", **marker))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def part_with_data(
    azimuthal: PlotAxis, radial: PlotAxis, intensity: np.ndarray
) -> tuple[PlotAxis, PlotAxis, np.ndarray]:
    """The part of a cake that holds data, in one piece: (azimuthal axis, radial axis, intensity).

    intensity: (azimuth, radius), NaN where a bin has no valid pixel. A cake without any is returned
    as it is.
    """
    valid = np.isfinite(intensity)
    azimuthal, order = continued(azimuthal, valid.any(axis=1))
    intensity = in_order(intensity.T, order).T
    valid = np.isfinite(intensity)
    rows, columns = around_data(valid.any(axis=1)), around_data(valid.any(axis=0))
    return (
        replace(azimuthal, values=azimuthal.values[rows]),
        replace(radial, values=radial.values[columns]),
        intensity[rows, columns],
    )
