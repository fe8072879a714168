"""Sums over shots as assembled images: mean, shots without X-rays, largest values; regions of interest."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from matplotlib.figure import Figure

from scatterflow.plots.image_panels import draw_image, draw_regions, regions
from scatterflow.plots.shot_file import heading, index_of, parameters, shot_file, text
from scatterflow.plots.style import WIDTH, house_style, no_data_note, save, title
from scatterflow.shots.sums import recipe

MOST_PANELS = 4
ORDER = ("calib", "calib_dropped", "calib_max")


def plot_mean_images(
    small_data: str | Path, detector: str, png: str | Path, svg: str | Path
) -> None:
    """Draw the sums of a detector as images; raises UserError."""
    with shot_file(small_data) as file:
        save(mean_images_figure(file, detector), png, svg)


def sums_of(file: h5py.File, detector: str) -> dict[str, np.ndarray]:
    """Per pixel means over the shots that a sum counts, largest values as they are; NaN where there are none.

    By recipe, the mean, the one of dropped shots and the maximum first.
    """
    found = {}
    group = file.get("Sums", {})
    for name in group:
        if not name.startswith(f"{detector}_calib") or name.endswith("_count"):
            continue
        total = np.asarray(group[name][()], dtype=np.float64)
        label = name.removeprefix(f"{detector}_")
        if not recipe(label).largest and f"{name}_count" in group:
            count = np.asarray(group[f"{name}_count"][()])
            total = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        found[label] = total
    first = {name: found[name] for name in ORDER if name in found}
    return first | found


def _label(name: str) -> str:
    """What a sum shows."""
    words = {"calib": "mean", "calib_dropped": "mean of shots without X-rays"}
    words |= {"calib_max": "largest values"}
    return words.get(name, name)


@house_style()
def mean_images_figure(file: h5py.File, detector: str) -> Figure:
    """A panel a sum, regions on the first."""
    sums = dict(list(sums_of(file, detector).items())[:MOST_PANELS])
    if not sums:
        figure = Figure(figsize=(WIDTH, 2.5))
        title(figure, heading(file), f"detector {detector}")
        no_data_note(figure.subplots(), "no sums of this detector: see key `sums`")
        return figure
    shape = next(iter(sums.values())).shape
    index, unit = index_of(file, detector, shape)
    rows, columns = index.shape
    # Wide images stand one below the other.
    across = min(1 if rows < 0.6 * columns else 2 if rows < 1.3 * columns else 3, len(sums))
    down = -(-len(sums) // across)
    image = float(np.clip((WIDTH / across - 1.3) * rows / columns, 1.3, 7.5))
    figure = Figure(figsize=(WIDTH, 1.0 + down * (image + 1.0)))
    panels = figure.subplots(down, across, squeeze=False)
    title(figure, heading(file), f"detector {detector}: per pixel, over all shots")
    of_pixels = text(file[f"Sums/{detector}_{next(iter(sums))}"].attrs.get("units", ""))
    for axes, (name, values) in zip(panels.flat, sums.items(), strict=False):
        drawn, extend = draw_image(axes, values, index, unit)
        axes.set_title(_label(name), loc="left")
        if not np.isfinite(values).any():
            no_data_note(axes, "no shot")
        figure.colorbar(drawn, ax=axes, extend=extend, label=of_pixels, pad=0.02, aspect=25)
    for axes in panels.flat[len(sums) :]:
        axes.set_visible(False)
    draw_regions(panels[0, 0], regions(parameters(file, detector)), index)
    return figure
