"""Whether beam and sample are stable: I(q) in parts of the run, counts per frame, their spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scatterflow.detectors.qmap import QMap
from scatterflow.plots.correlation_panels import ramp
from scatterflow.plots.style import (
    BLUE,
    RED,
    WIDTH,
    axis_label,
    house_style,
    no_data_note,
    save,
    title,
)
from scatterflow.xpcs.correlation import Correlation
from scatterflow.xpcs.result import read_result

MOST_MARKED = 2000


def plot_stability(result_path: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw I(q) of parts of the run, the mean counts of each frame with bad frames marked, and the
    spectrum of these counts."""
    save(stability_figure(read_result(result_path, maps=False)), png, svg)


@house_style()
def stability_figure(correlation: Correlation) -> Figure:
    """Three panels: partial I(q) relative to the mean of the run; counts over time; their spectrum."""
    frames = correlation.frames
    figure = Figure(figsize=(WIDTH, 8.4))
    segments, time, spectrum = figure.subplots(3, 1)
    bad = int(np.count_nonzero(~frames.valid))
    title(figure, correlation.heading, f"stability: {frames.valid.size} frames, {bad} of them bad")
    _draw_segments(segments, correlation)
    _draw_intensity(time, correlation)
    _draw_spectrum(spectrum, correlation)
    return figure


def profiles_by_first_coordinate(
    means: np.ndarray, pixels: np.ndarray, qmap: QMap
) -> tuple[np.ndarray, np.ndarray]:
    """Means of static bins, (parts, static bins), over all bins of the same q (x): its values, (parts, n)."""
    intervals, place = np.unique(qmap.static_index // qmap.static_shape[1], return_inverse=True)
    total = np.zeros((len(means), intervals.size))
    np.add.at(total.T, place, (means * pixels).T)
    return qmap.static_lists[0][intervals], total / np.bincount(place, pixels)


def _draw_segments(axes: Axes, correlation: Correlation) -> None:
    qmap, frames = correlation.qmap, correlation.frames
    both = np.concatenate([frames.static_mean[None], frames.segments])
    first, profiles = profiles_by_first_coordinate(both, frames.static_pixels, qmap)
    whole, parts = profiles[0], profiles[1:]
    ratio = np.divide(parts, whole, out=np.full(parts.shape, np.nan), where=whole > 0)
    count = len(ratio)
    for number, colour in enumerate(ramp(count)):
        text = f"part {number + 1} of {count}"
        axes.plot(first, ratio[number], color=colour, linewidth=1.0, label=text)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel(axis_label(qmap.names[0], qmap.units[0]))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.set_ylabel("mean of the part /\nmean of the run")
    if count <= 12:
        axes.legend(ncols=min(count, 6), loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8)


def _draw_intensity(axes: Axes, correlation: Correlation) -> None:
    frames = correlation.frames
    seconds = np.arange(frames.valid.size) * correlation.frame_step_s
    mean = frames.total / correlation.qmap.pixels.size
    good = np.where(frames.valid, mean, np.nan)
    axes.plot(seconds, good, color=BLUE, linewidth=0.8, rasterized=mean.size > 5000)
    bad = ~frames.valid
    if bad.any():
        # Those far off stand at the edge: the good ones are what is to be seen.
        low, high = _limits(mean[frames.valid] if frames.valid.any() else mean)
        axes.set_ylim(low, high)
        axes.plot(
            seconds[bad],
            np.clip(np.nan_to_num(mean[bad]), low, high),
            "x",
            color=RED,
            markersize=6,
            clip_on=False,
            label=f"bad frames ({int(bad.sum())})",
            rasterized=int(bad.sum()) > MOST_MARKED,
        )
        axes.legend(loc="upper right")
    if not frames.valid.any():
        no_data_note(axes, "no valid frame")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.set_xlabel("time (s)")
    axes.set_ylabel("mean counts\nper pixel")


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.15 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def intensity_spectrum(
    total: np.ndarray, valid: np.ndarray, step_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes of the relative fluctuations of counts per frame: (frequency in Hz, amplitude).

    Bad frames take the mean of the good ones. A sine of relative amplitude a has the amplitude a.
    """
    good = total[valid]
    if good.size < 4 or good.mean() == 0:
        return np.empty(0), np.empty(0)
    relative = np.where(valid, total / good.mean() - 1, 0.0)
    amplitude = 2 * np.abs(np.fft.rfft(relative)) / relative.size
    if relative.size % 2 == 0:
        amplitude[-1] /= 2  # the highest frequency has no negative partner
    return np.fft.rfftfreq(relative.size, step_s)[1:], amplitude[1:]


def _draw_spectrum(axes: Axes, correlation: Correlation) -> None:
    frames = correlation.frames
    frequency, amplitude = intensity_spectrum(frames.total, frames.valid, correlation.frame_step_s)
    if frequency.size == 0:
        no_data_note(axes, "too few valid frames")
    else:
        axes.plot(frequency, amplitude, color=BLUE, linewidth=0.8, rasterized=frequency.size > 5000)
        axes.set_yscale("log")
        high = amplitude.max()
        if high > 0:
            axes.set_ylim(max(np.median(amplitude) / 30, high * 1e-6), high * 2)
        # The noise of independent frames, in every frequency alike.
        axes.axhline(
            np.sqrt(np.mean(amplitude**2)), color=RED, linewidth=0.9, label="root mean square"
        )
        axes.legend(loc="upper right")
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("relative amplitude")
