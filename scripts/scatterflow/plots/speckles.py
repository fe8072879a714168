"""Speckles of single shots: mean autocorrelation and its profile, sizes, contrasts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from scatterflow.plots.shot_file import (
    column,
    fixed_beside,
    heading,
    histogram_edges,
    quantiles,
    results_of,
    status,
)
from scatterflow.plots.style import (
    BLUE,
    ORANGE,
    RED,
    WIDTH,
    empty_figure,
    house_style,
    intensity_colours,
    no_data_note,
    save,
    title,
)
from scatterflow.shots.small_data import SmallData, open_small_data


def plot_speckle_size(
    small_data: str | Path, detector: str, png: str | Path, svg: str | Path
) -> None:
    """Draw the speckles that function `autocorrelation` found; raises UserError."""
    save(speckle_size_figure(open_small_data(small_data), detector), png, svg)


def autocorrelation_names(data: SmallData, detector: str) -> list[str]:
    """Stems of the functions that wrote an autocorrelation, as `ccd/speckles`."""
    return [name.removesuffix("_profile") for name in results_of(data, detector, "profile")]


@house_style()
def speckle_size_figure(data: SmallData, detector: str) -> Figure:
    """Autocorrelation, profile; histograms of size and contrast."""
    stems = [
        name for name in autocorrelation_names(data, detector) if f"{name}_acf" in data.names()
    ]
    if not stems:
        return empty_figure(
            heading(data),
            f"detector {detector}: speckles",
            "no function `autocorrelation` of this detector",
        )
    stem, lit = stems[0], status(data, "xray") != 0
    figure = Figure(figsize=(WIDTH, 7.0))
    (map_axes, profile_axes), (size_axes, contrast_axes) = figure.subplots(2, 2)
    title(figure, heading(data), f"{stem}: speckles of {int(lit.sum())} shots with X-rays")
    _draw_map(figure, map_axes, data, stem, lit)
    _draw_profile(profile_axes, data, stem, lit)
    for axes, name, label in (
        (size_axes, "speckle_size", "speckle size, full width (pixels)"),
        (contrast_axes, "contrast", "contrast"),
    ):
        _draw_fitted(axes, data, f"{stem}_{name}", label, lit)
    return figure


def mean_map(data: SmallData, name: str, chosen: np.ndarray) -> np.ndarray:
    """Mean over chosen shots of (n, rows, columns), read in blocks; NaN where no shot has a value."""
    total = np.zeros(data.shape(name))
    count = np.zeros(data.shape(name), dtype=np.int64)
    block = max(1, 64_000_000 // max(1, 8 * total.size))
    for start in range(0, data.shots, block):
        part = data.read(name, start, start + block).astype(np.float64)
        part = part[chosen[start : start + block]]
        known = np.isfinite(part)
        total += np.where(known, part, 0.0).sum(axis=0)
        count += known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _draw_map(figure: Figure, axes: Axes, data: SmallData, stem: str, lit: np.ndarray) -> None:
    mean = mean_map(data, f"{stem}_acf", lit)
    reach = mean.shape[0] // 2
    # At lag 0 each photon meets itself: that place would darken all others.
    shown = mean.copy()
    shown[reach, reach] = np.nan
    axes.grid(False)
    axes.set_title("mean autocorrelation", loc="left")
    axes.set_xlabel("lag along columns (pixels)")
    axes.set_ylabel("lag along rows (pixels)")
    if not np.isfinite(shown).any():
        no_data_note(axes, "no shot")
        return
    low, high = np.nanpercentile(shown, (1, 99.9))
    extent = (-reach - 0.5, reach + 0.5, reach + 0.5, -reach - 0.5)
    image = axes.imshow(
        np.ma.masked_invalid(shown), cmap=intensity_colours(), extent=extent,
        norm=Normalize(low, high if high > low else low + 1, clip=True),
    )  # fmt: skip
    figure.colorbar(image, ax=axes, extend="both", label="A", pad=0.02)


def _draw_profile(axes: Axes, data: SmallData, stem: str, lit: np.ndarray) -> None:
    low, middle, high = quantiles(column(data, f"{stem}_profile")[lit], (0.25, 0.5, 0.75))
    radius = fixed_beside(data, f"{stem}_profile", "radius")
    assert radius is not None
    axes.errorbar(
        radius, middle, yerr=[middle - low, high - middle], fmt="o", color=BLUE, markersize=4,
        label="median of shots, quartiles",
    )  # fmt: skip
    fitted = {
        name: column(data, f"{stem}_{name}")[lit]
        for name in ("speckle_size", "contrast", "baseline")
        if f"{stem}_{name}" in data.scalars
    }
    if len(fitted) == 3 and np.isfinite(fitted["speckle_size"]).any():
        size, contrast, base = (float(np.nanmedian(values)) for values in fitted.values())
        fine = np.linspace(0, radius[-1], 300)
        # Full width at half maximum is 2 sqrt(2 ln 2) sigma.
        curve = base + contrast * np.exp(-4 * np.log(2) * (fine / size) ** 2)
        axes.plot(fine, curve, color=RED, label="medians of the fits")
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_title("radial profile", loc="left")
    axes.set_xlabel("lag (pixels)")
    axes.set_ylabel("A")
    axes.set_xlim(0, radius[-1] + 0.5)
    axes.legend(fontsize=9)


def _draw_fitted(axes: Axes, data: SmallData, name: str, label: str, lit: np.ndarray) -> None:
    axes.set_xlabel(label)
    axes.set_ylabel("shots per bin")
    values = column(data, name)[lit] if name in data.scalars else np.empty(0)
    known = values[np.isfinite(values)]
    if known.size == 0:
        no_data_note(axes, "no fit")
        return
    low, high = np.quantile(known, (0.01, 0.97))
    inside = known[(known >= low) & (known <= high)]
    axes.hist(inside, histogram_edges(inside, 50), color=BLUE)
    axes.axvline(np.median(known), color=ORANGE, label=f"median {np.median(known):.4g}")
    axes.set_title(f"{known.size} fits of {values.size}", loc="right", fontsize=9.5)
    axes.legend(fontsize=9)
