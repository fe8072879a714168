"""Single photons of a detector: the spectrum of pixels and droplets, photons per shot and per pixel.

P(k), the part of pixels with k photons, beside that of light with the same mean photons per pixel m that
is fully random (Poisson) or has M modes (negative binomial, M from the variance of the measured P(k)):

    m^k e^-m / k!,      Gamma(k + M) / (Gamma(M) k!) (1 + M / m)^-k (1 + m / M)^-M,   variance m + m^2 / M
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.plots.shot_file import (
    column,
    fixed_beside,
    frame_unit,
    heading,
    histogram_edges,
    lists_of,
    mean_and_error,
    nested_setting,
    parameters,
    results_of,
    status,
    unit_of,
    with_detector,
)
from scatterflow.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    axis_label,
    house_style,
    no_data_note,
    save,
    title,
)
from scatterflow.shots.small_data import SmallData, open_small_data

MOST_PEAKS = 6
RAREST = 1e-9
FEW = 1e-12


def plot_single_photon_spectrum(
    small_data: str | Path, detector: str, png: str | Path, svg: str | Path
) -> None:
    """Draw the spectra of a detector's pixels and droplets; raises UserError."""
    save(single_photon_figure(open_small_data(small_data), detector), png, svg)


def plot_photon_histograms(
    small_data: str | Path, detector: str, png: str | Path, svg: str | Path
) -> None:
    """Draw photons per shot and per pixel of a detector; raises UserError."""
    save(photon_histograms_figure(open_small_data(small_data), detector), png, svg)


def adu_of_photon(data: SmallData, detector: str) -> float | None:
    """What a photon gives in the unit of the frames, by the settings of functions; None: not known."""
    if frame_unit(data, detector) == "photons":
        return 1.0
    value = nested_setting(parameters(data, detector), "adu_per_photon")
    return None if value is None else float(value)


@house_style()
def single_photon_figure(data: SmallData, detector: str) -> Figure:
    """Spectra of pixels, shots with and without X-rays; of droplets."""
    photon = adu_of_photon(data, detector)
    spectra = [
        name
        for name in results_of(data, detector, "data")
        if fixed_beside(data, name, "edges") is not None
    ]
    drops = lists_of(data, detector, "droplets")
    figure = Figure(figsize=(WIDTH, 1.0 + 3.1 * max(1, len(spectra[:2]) + len(drops[:1]))))
    title(figure, heading(data), f"detector {detector}: spectra of pixels and droplets")
    panels = figure.subplots(max(1, len(spectra[:2]) + len(drops[:1])), 1, squeeze=False)[:, 0]
    if not spectra and not drops:
        no_data_note(panels[0], "no function `spectrum` or `droplets` of this detector")
        return figure
    for axes, name in zip(panels, spectra[:2], strict=False):
        _draw_spectrum(axes, data, name)
        _mark_photons(axes, photon)
    for name in drops[:1]:
        _draw_droplets(panels[-1], data, name)
        _mark_photons(panels[-1], photon)
    return figure


def _draw_spectrum(axes: Axes, data: SmallData, name: str) -> None:
    counts, lit = column(data, name), status(data, "xray") != 0
    there = np.isfinite(counts[:, 0])
    edges = fixed_beside(data, name, "edges")
    for chosen, colour, label in ((there & lit, BLUE, "X-rays on"), (there & ~lit, GREY, "off")):
        if chosen.any():
            mean = counts[chosen].sum(axis=0) / chosen.sum()
            axes.stairs(mean, edges, color=colour, label=f"{label}, {int(chosen.sum())} shots")
    axes.set_yscale("log")
    axes.set_xlabel(axis_label("pixel value", unit_of(data, name)))
    axes.set_ylabel("pixels per shot and bin")
    axes.set_title(name, loc="left")
    axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")


def _draw_droplets(axes: Axes, data: SmallData, name: str) -> None:
    lists = data.lists(name).values
    values = lists["data"].astype(np.float64)
    axes.set_title(f"{values.size} droplets: {name}", loc="left")
    axes.set_xlabel(axis_label("sum of a droplet", frame_unit(data, name.split("/")[0])))
    axes.set_ylabel("droplets per bin")
    if values.size == 0:
        no_data_note(axes, "no droplet")
        return
    low, high = np.quantile(values, (0, 0.999))
    edges = np.linspace(min(low, 0.0), high * 1.02 + FEW, 161)
    axes.hist(values, edges, histtype="step", color=BLUE, linewidth=1.4)
    alone = lists["npix"] == 1
    axes.hist(values[alone], edges, histtype="step", color=GREEN, label="of one pixel")
    axes.plot([], [], color=BLUE, label="all")
    axes.legend(loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")
    axes.set_yscale("log")


def _mark_photons(axes: Axes, photon: float | None) -> None:
    """Lines at whole photons."""
    if photon is None:
        return
    low, high = axes.get_xlim()
    for number in range(1, MOST_PEAKS + 1):
        if number * photon > high:
            break
        axes.axvline(number * photon, color=RED, linewidth=0.9, linestyle="--", zorder=0.8)
        axes.annotate(
            str(number), (number * photon, 0.99), xycoords=("data", "axes fraction"), xytext=(2, 0),
            textcoords="offset points", va="top", fontsize=9, color=RED,
        )  # fmt: skip
    axes.set_title("dashed: whole photons", loc="right", fontsize=9.5, color=RED)
    axes.set_xlim(low, high)


def moments(probability: np.ndarray) -> tuple[float, float]:
    """Mean and variance of the photons of a pixel, P(k) of (classes,)."""
    k = np.arange(probability.size)
    total = probability.sum()
    mean = float((k * probability).sum() / total)
    return mean, float(((k - mean) ** 2 * probability).sum() / total)


def poisson(mean: float, k: np.ndarray) -> np.ndarray:
    """P(k) of a Poisson distribution, mean > 0."""
    from scipy.special import gammaln

    return np.exp(k * np.log(mean) - mean - gammaln(k + 1))


def negative_binomial(mean: float, modes: float, k: np.ndarray) -> np.ndarray:
    """P(k) of light with so many modes, mean > 0."""
    from scipy.special import gammaln

    logarithm = gammaln(k + modes) - gammaln(modes) - gammaln(k + 1)
    logarithm -= k * np.log1p(modes / mean) + modes * np.log1p(mean / modes)
    return np.exp(logarithm)


@house_style()
def photon_histograms_figure(data: SmallData, detector: str) -> Figure:
    """Photons per shot on top, P(k) below."""
    counts = [
        name
        for ending in ("nPhotons", "nPhot", "nDroplets")
        for name in results_of(data, detector, ending)
    ]
    shares = results_of(data, detector, "prob")
    figure = Figure(figsize=(WIDTH, 7.0 if shares else 4.2))
    panels = figure.subplots(2 if shares else 1, 1, squeeze=False)[:, 0]
    title(figure, heading(data), f"detector {detector}: photons")
    if counts:
        _draw_per_shot(panels[0], data, counts[0], with_detector(data, detector))
    else:
        no_data_note(panels[0], "no function `droplets` or `photon_map` of this detector")
    if shares:
        _draw_probabilities(panels[1], data, shares[0], detector)
    return figure


def _draw_per_shot(axes: Axes, data: SmallData, name: str, there: np.ndarray) -> None:
    values, lit, laser = (
        column(data, name), status(data, "xray") != 0, status(data, "laser") > 0
    )  # fmt: skip
    edges = histogram_edges(values, 70)
    kinds = (
        (there & lit & laser, ORANGE, "X-rays and laser"),
        (there & lit & ~laser, BLUE, "X-rays, no laser"),
        (there & ~lit, GREY, "no X-rays"),
    )
    for chosen, colour, label in kinds:
        if chosen.any():
            told = f"{label}: mean {values[chosen].mean():.4g} in {int(chosen.sum())} shots"
            axes.hist(
                values[chosen], edges, histtype="stepfilled", color=colour, alpha=0.55, label=told
            )
    axes.set_xlabel("droplets per shot" if name.endswith("nDroplets") else "photons per shot")
    axes.set_ylabel("shots per bin")
    axes.set_title(name, loc="left")
    axes.legend(loc="upper right", fontsize=9)


def _draw_probabilities(axes: Axes, data: SmallData, name: str, detector: str) -> None:
    chosen = (status(data, "xray") != 0) & with_detector(data, detector)
    shares = column(data, name)[chosen]
    axes.set_title(f"{name}, {len(shares)} shots with X-rays", loc="left")
    axes.set_xlabel("photons in a pixel, k")
    axes.set_ylabel("part of pixels, P(k)")
    if not len(shares) or not shares[:, -1].any():
        no_data_note(axes, "no photons")
        return
    probability, error = mean_and_error(shares[:, :-1])
    k = np.arange(probability.size)
    mean, variance = moments(probability)
    last = int(np.flatnonzero(probability > 0).max())
    fine = np.arange(last + 2)
    axes.errorbar(
        k[: last + 1], probability[: last + 1], yerr=np.nan_to_num(error[: last + 1]), fmt="o",
        color=BLUE, markersize=5, label=f"measured, mean {mean:.4g} photons per pixel", zorder=3,
    )  # fmt: skip
    axes.plot(fine, poisson(mean, fine), "s--", color=GREY, markersize=3, label="Poisson")
    if variance > mean * (1 + FEW):
        modes = mean**2 / (variance - mean)
        axes.plot(
            fine, negative_binomial(mean, modes, fine), "^-", color=RED, markersize=3, linewidth=1.0,
            label=f"negative binomial, {modes:.3g} modes",
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(max(RAREST, probability[probability > 0].min() / 20), 2.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right", fontsize=9.5)
