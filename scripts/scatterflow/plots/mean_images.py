"""Sums over shots as assembled images: mean, shots without X-rays, largest values; regions of interest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scatterflow.files.hdf5 import reading
from scatterflow.plots.image_panels import draw_image, draw_regions, label_few, regions
from scatterflow.plots.shot_file import frame_unit, good_pixels, heading, index_of, parameters
from scatterflow.plots.style import WIDTH, empty_figure, house_style, no_data_note, save, title
from scatterflow.shots.small_data import SmallData, open_small_data
from scatterflow.shots.sums import recipe

MOST_PANELS = 4
ORDER = ("calib", "calib_dropped", "calib_max")


def plot_mean_images(
    small_data: str | Path, detector: str, png: str | Path, svg: str | Path
) -> None:
    """Draw the sums of a detector as images; raises UserError."""
    save(mean_images_figure(open_small_data(small_data), detector), png, svg)


def sums_of(data: SmallData, detector: str) -> dict[str, np.ndarray]:
    """Per pixel means over the shots that a sum counts, largest values as they are; NaN of bad pixels.

    By recipe, the mean, the one of dropped shots and the maximum first.
    """
    found = {}
    start, good = f"{detector}_", good_pixels(data, detector)
    with reading(data.path) as file:
        sums = file.get("Sums", {})
        for name in (
            name for name in sums if name.startswith(start) and not name.endswith("_count")
        ):
            label = name.removeprefix(start)
            if not label.startswith("calib"):  # of a detector whose name begins alike
                continue
            total = sums[name][()].astype(np.float64)
            if not recipe(label).largest:
                count = sums[f"{name}_count"][()]
                total = np.where(count > 0, total / np.maximum(count, 1), np.nan)
            found[label] = np.where(good, total, np.nan)
    first = {name: found[name] for name in ORDER if name in found}
    return first | found


def _label(name: str) -> str:
    """What a sum shows."""
    words = {"calib": "mean", "calib_dropped": "without X-rays"}
    words |= {"calib_max": "largest values"}
    return words.get(name, name)


@house_style()
def mean_images_figure(data: SmallData, detector: str) -> Figure:
    """A panel a sum, regions on the first."""
    sums = dict(list(sums_of(data, detector).items())[:MOST_PANELS])
    if not sums:
        return empty_figure(
            heading(data), f"detector {detector}", "no sums of this detector: see key `sums`"
        )
    shape = next(iter(sums.values())).shape
    index, unit = index_of(data, detector, shape)
    rows, columns = index.shape
    # Wide images stand one below the other.
    across = min(1 if rows < 0.6 * columns else 2 if rows < 1.3 * columns else 3, len(sums))
    down = -(-len(sums) // across)
    image = float(
        np.clip((WIDTH / across - (0.9 if across > 1 else 1.9)) * rows / columns, 1.3, 7.5)
    )
    figure = Figure(figsize=(WIDTH, 1.0 + down * (image + (1.6 if across > 1 else 1.0))))
    panels = figure.subplots(down, across, squeeze=False)
    title(figure, heading(data), f"detector {detector}: per pixel, over all shots")
    of_pixels = frame_unit(data, detector)
    for axes, (name, values) in zip(panels.flat, sums.items(), strict=False):
        drawn, extend = draw_image(axes, values, index, unit)
        axes.set_title(_label(name), loc="left")
        if not np.isfinite(values).any():
            no_data_note(axes, "no shot")
        place = {"location": "bottom", "aspect": 25} if across > 1 else {"pad": 0.02, "aspect": 25}
        label_few(figure.colorbar(drawn, ax=axes, extend=extend, label=of_pixels, **place))
    for axes in panels.flat[len(sums) :]:
        axes.set_visible(False)
    draw_regions(panels[0, 0], regions(parameters(data, detector)), index)
    return figure
