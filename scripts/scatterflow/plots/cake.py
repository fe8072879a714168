"""Mean cake of a run: intensity over radial and azimuthal angle. Rings of a powder are upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scatterflow.plots.profiles import bin_edges
from scatterflow.plots.results import Integration, read_integration, read_mean
from scatterflow.plots.rings import rings_on_axis
from scatterflow.plots.style import (
    MASKED,
    RED,
    WIDTH,
    axis_label,
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
    azimuthal, radial = shown.axes
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
    axes.set_xlabel(axis_label(radial.name, radial.unit, radial.pyfai_unit))
    axes.set_ylabel(axis_label(azimuthal.name, azimuthal.unit, azimuthal.pyfai_unit))
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
