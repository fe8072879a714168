"""Speckles of single shots: mean autocorrelation and its profile, sizes, contrasts."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from scatterflow.plots.shot_file import (
    column,
    heading,
    histogram_edges,
    results_of,
    shot_file,
    status,
)
from scatterflow.plots.style import (
    BLUE,
    ORANGE,
    RED,
    WIDTH,
    house_style,
    intensity_colours,
    no_data_note,
    save,
    title,
)


def plot_speckle_size(
    small_data: str | Path, detector: str, png: str | Path, svg: str | Path
) -> None:
    """Draw the speckles that function `autocorrelation` found; raises UserError."""
    with shot_file(small_data) as file:
        save(speckle_size_figure(file, detector), png, svg)


def autocorrelation_names(file: h5py.File, detector: str) -> list[str]:
    """Stems of the functions that wrote an autocorrelation, as `ccd/speckles`."""
    return [name.removesuffix("_profile") for name in results_of(file, detector, "profile")]


@house_style()
def speckle_size_figure(file: h5py.File, detector: str) -> Figure:
    """Autocorrelation, profile; histograms of size and contrast."""
    stems = [name for name in autocorrelation_names(file, detector) if f"{name}_acf" in file]
    if not stems:
        figure = Figure(figsize=(WIDTH, 2.5))
        title(figure, heading(file), f"detector {detector}: speckles")
        no_data_note(figure.subplots(), "no function `autocorrelation` of this detector")
        return figure
    stem, lit = stems[0], status(file, "xray") != 0
    figure = Figure(figsize=(WIDTH, 7.0))
    (map_axes, profile_axes), (size_axes, contrast_axes) = figure.subplots(2, 2)
    title(figure, heading(file), f"{stem}: speckles of {int(lit.sum())} shots with X-rays")
    _draw_map(figure, map_axes, file, stem, lit)
    _draw_profile(profile_axes, file, stem, lit)
    for axes, name, label in (
        (size_axes, "speckle_size", "speckle size, full width (pixels)"),
        (contrast_axes, "contrast", "contrast"),
    ):
        _draw_fitted(axes, file, f"{stem}_{name}", label, lit)
    return figure


def mean_map(dataset: h5py.Dataset, chosen: np.ndarray) -> np.ndarray:
    """Mean over chosen shots of (n, rows, columns), read in blocks; NaN where no shot has a value."""
    total = np.zeros(dataset.shape[1:])
    count = np.zeros(dataset.shape[1:], dtype=np.int64)
    block = max(1, 64_000_000 // max(1, 8 * total.size))
    for start in range(0, len(dataset), block):
        part = dataset[start : start + block][chosen[start : start + block]].astype(np.float64)
        known = np.isfinite(part)
        total += np.where(known, part, 0.0).sum(axis=0)
        count += known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _draw_map(figure: Figure, axes: Axes, file: h5py.File, stem: str, lit: np.ndarray) -> None:
    mean = mean_map(file[f"{stem}_acf"], lit)
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


def _quartiles(values: np.ndarray) -> np.ndarray:
    """(3, bins) quartiles over the first axis, NaN left out; NaN where all are."""
    parts = (part[np.isfinite(part)] for part in values.T)
    fractions = (0.25, 0.5, 0.75)
    rows = [np.quantile(p, fractions) if p.size else np.full(3, np.nan) for p in parts]
    return np.array(rows).reshape(-1, 3).T


def _draw_profile(axes: Axes, file: h5py.File, stem: str, lit: np.ndarray) -> None:
    low, middle, high = _quartiles(column(file, f"{stem}_profile")[lit])
    radius = np.arange(1, middle.size + 1)
    axes.errorbar(
        radius, middle, yerr=[middle - low, high - middle], fmt="o", color=BLUE, markersize=4,
        label="median of shots, quartiles",
    )  # fmt: skip
    fitted = {
        name: column(file, f"{stem}_{name}")[lit]
        for name in ("speckle_size", "contrast", "baseline")
        if f"{stem}_{name}" in file
    }
    if len(fitted) == 3 and np.isfinite(fitted["speckle_size"]).any():
        size, contrast, base = (float(np.nanmedian(values)) for values in fitted.values())
        fine = np.linspace(0, middle.size, 300)
        # Full width at half maximum is 2 sqrt(2 ln 2) sigma.
        curve = base + contrast * np.exp(-4 * np.log(2) * (fine / size) ** 2)
        axes.plot(fine, curve, color=RED, label="medians of the fits")
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_title("radial profile", loc="left")
    axes.set_xlabel("lag (pixels)")
    axes.set_ylabel("A")
    axes.set_xlim(0, middle.size + 0.5)
    axes.legend(fontsize=9)


def _draw_fitted(axes: Axes, file: h5py.File, name: str, label: str, lit: np.ndarray) -> None:
    axes.set_xlabel(label)
    axes.set_ylabel("shots per bin")
    values = column(file, name)[lit] if name in file else np.empty(0)
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
