"""The mean profile of a run, with its standard error and the rings of a calibrant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scatterflow.plots.axes import draw_x_axis, shade_bins
from scatterflow.plots.drawn import LEFT_OUT, select_bins
from scatterflow.plots.results import Integration, read_integration, read_mean, read_norm
from scatterflow.plots.rings import draw_rings
from scatterflow.plots.style import (
    BLUE,
    MASKED,
    WIDTH,
    house_style,
    is_log,
    no_data_note,
    robust_limits,
    save,
    significant,
    title,
    wrapped,
)


def plot_mean_profile(
    result_path: str | Path,
    detector: str,
    integration: str,
    png: str | Path,
    svg: str | Path,
    calibrant: str | None = None,
    wavelength_m: float | None = None,
) -> None:
    """Draw the mean profile with its error band, and the ring positions of a calibrant.

    calibrant: pyFAI's name. wavelength_m: needed for rings on a 2theta axis.
    Raises UserError if the integration is not in the result, or for a cake.
    """
    shown = read_integration(result_path, detector, integration, ("azimuthal", "radial"))
    shape = (shown.axes[0].values.size,)
    intensity, errors = read_mean(result_path, detector, integration, shape)
    norm = read_norm(result_path, detector, integration, shape)
    what = f"{detector}, {integration}"
    figure = mean_profile_figure(shown, intensity, errors, what, calibrant, wavelength_m, norm)
    save(figure, png, svg)


@house_style()
def mean_profile_figure(
    shown: Integration,
    intensity: np.ndarray,
    errors: np.ndarray,
    what: str,
    calibrant: str | None = None,
    wavelength_m: float | None = None,
    norm: np.ndarray | None = None,
) -> Figure:
    """Mean profile, band of one standard error, calibrant lines.

    intensity, errors: (bins,). norm: (bins,) effective number of pixels, None if not known.
    """
    figure = Figure(figsize=(WIDTH, 5.4))
    axes = figure.subplots()
    frames = f"mean of {shown.frames} frames" if shown.frames != 1 else "1 frame"
    drawn = select_bins(shown, intensity[None], norm, errors[None])
    assert drawn.errors is not None  # given above
    x, intensity, errors = drawn.x, drawn.profiles[0], drawn.errors[0]
    steady = intensity[drawn.steady]
    logarithmic = is_log(steady)
    axes.set_yscale("log" if logarithmic else "linear")
    known_errors = np.nan_to_num(errors[drawn.steady], nan=0.0, posinf=0.0)
    lowest = significant(steady, known_errors) if logarithmic else steady - known_errors
    robust_limits(axes, np.concatenate([lowest, steady + known_errors]), logarithmic)
    axes.plot(x.values, intensity, color=BLUE, label=frames, zorder=3)
    if np.isfinite(errors).any():
        axes.fill_between(
            x.values,
            intensity - errors,
            intensity + errors,
            color=BLUE,
            alpha=0.3,
            linewidth=0,
            label="± 1 standard error",
            zorder=2,
        )
    if not np.isfinite(intensity).any():
        no_data_note(axes, "no valid data in any frame")
    axes.set_ylabel(wrapped(shown.intensity_label))
    draw_x_axis(axes, x)
    if calibrant is not None and shown.kind == "azimuthal":
        draw_rings(axes, x, calibrant, wavelength_m)
    handles, _ = axes.get_legend_handles_labels()
    if drawn.left_out.any():
        shade_bins(axes, x, drawn.left_out)
        handles.append(Patch(color=MASKED, alpha=0.5, linewidth=0, label=LEFT_OUT))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    title(figure, shown.heading, f"{what}: mean profile")
    return figure
