"""Analyse the result of an xpcs reduction: fits of g2, tau over q, speckle statistics.

What a value of g2 averages over is part of the model: the levels of multi-tau, the raw frames that were added
up, and the exposure, as far as the metadata tell. The contrast is therefore that of an instant.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.xpcs.analysis import Analysis, Bins, FittedG2, Measured, fit_all, tau_over_q
from scatterflow.xpcs.analysis_file import write_analysis
from scatterflow.xpcs.contrast_decay import fit_contrast_decay
from scatterflow.xpcs.correlation import Correlation, g2_error
from scatterflow.xpcs.delays import delays_of
from scatterflow.xpcs.fits import FAILED, FLAGS
from scatterflow.xpcs.frames import Frames
from scatterflow.xpcs.result import read_result
from scatterflow.xpcs.speckle_statistics import speckle_statistics
from scatterflow.xpcs.twotime_result import TwoTimeResult

logger = logging.getLogger(__name__)

MOST_JITTER = 0.05
"""Relative standard deviation of the total from frame to frame; its square adds to the contrast."""
TWOTIME_DELAYS = 100
"""Delays of a two-time correlation that are fitted, evenly spread over the decades: it has one per frame."""


def analyse_result(result: str | Path, analysis: str | Path, settings: Mapping[str, Any]) -> None:
    """Write the analysis of a result file.

    settings: `fits`, `diffusion` and `speckle_statistics` of the reduction.
    Raises UserError for settings that do not suit the result.
    """
    correlation = read_result(result, maps=False)
    description = correlation.description
    where = f"{description['run']}/{description['reduction']}"
    try:
        found = analyse(correlation, settings)
    except UserError as error:
        raise error.inside(where) from None
    write_analysis(analysis, found, description, settings, result)
    for line in failures(found.fits):
        logger.info(f"{where}: {line}")
    if settings.get("diffusion") is not None and found.diffusion is None:
        logger.warning(
            f"warning: {where}: no diffusion, as fewer than two q have a relaxation time to rely on"
        )


def analyse(correlation: Correlation, settings: Mapping[str, Any]) -> Analysis:
    """All that the settings ask for."""
    qmap = correlation.qmap
    bins = Bins(qmap.names, qmap.units, qmap.dynamic_values)
    fits = fit_all(settings.get("fits") or {}, measured_g2(correlation))
    diffusion, chosen = None, ""
    if settings.get("diffusion") is not None:
        diffusion, chosen = tau_over_q(settings["diffusion"], bins, fits)
    statistics, decay = None, None
    if correlation.photons is not None:
        statistics = speckle_statistics(correlation.photons, qmap.parent)
        for line in _of_the_beam(correlation.frames):
            logger.warning(f"warning: {correlation.heading}: {line}")
    if statistics is not None and statistics.exposures.size > 1:
        decay = fit_contrast_decay(statistics, *_timing(correlation))
    return Analysis(bins, fits, diffusion, chosen, statistics, decay)


def _of_the_beam(frames: Frames) -> list[str]:
    """A warning where the beam fluctuates from frame to frame so much that it counts as speckle contrast.

    Of neighbouring frames, whose difference no drift is in, without the photons' own noise.
    """
    total = np.where(frames.valid, frames.total, np.nan)
    mean = np.nanmean(total)
    steps = np.diff(total)
    if not np.isfinite(steps).any() or mean <= 0:
        return []
    fluctuation = np.nanmean(steps**2) / 2 / mean**2 - 1 / mean
    if fluctuation < MOST_JITTER**2:
        return []
    return [
        f"the total fluctuates by {100 * np.sqrt(fluctuation):.0f} % from frame to frame: contrasts of "
        f"speckle_statistics are too large by {fluctuation:.2g} or more"
    ]


def measured_g2(correlation: Correlation) -> dict[str, Measured]:
    """g2 to be fitted, by kind: `multitau`, `twotime`."""
    timing = _timing(correlation)
    measured = {}
    g2 = correlation.g2
    if g2 is not None:
        delays = delays_of(g2.delay, g2.level, *timing)
        bins = np.arange(g2.g2.shape[1])
        measured["multitau"] = Measured(bins, delays, g2.g2, g2_error(correlation), g2.partial)
    if correlation.twotime:
        measured["twotime"] = _measured_twotime(correlation.twotime, timing)
    return measured


def _timing(correlation: Correlation) -> tuple[float, float, int]:
    """Time between the raw frames that are used, s, exposure of one, s, and how many of them make a frame."""
    average = int(correlation.settings["frames"]["average"])
    step = correlation.frame_step_s / average
    # Some metadata hold a placeholder; no raw frame gathers photons for longer than to the next one.
    frame_time = correlation.frame_step_s / correlation.raw_frames_per_frame
    exposure = min(correlation.acquisition.count_time_s or 0.0, frame_time)
    return step, exposure, average


def _measured_twotime(maps: Sequence[TwoTimeResult], timing: tuple[float, float, int]) -> Measured:
    lags = min(own.g2.size for own in maps)
    # Lag 0 holds the photons' own noise.
    chosen = np.unique(np.geomspace(1, max(lags - 1, 1), TWOTIME_DELAYS).round().astype(np.int64))
    delays = delays_of(chosen, np.zeros_like(chosen), *timing)
    windows = None
    if all(len(own.partial) for own in maps):
        reach = max(own.partial.shape[1] for own in maps)
        windows = np.full((len(maps[0].partial), chosen.size, len(maps)), np.nan)
        within = chosen < reach
        for place, own in enumerate(maps):
            windows[:, within, place] = own.partial[:, chosen[within]]
    return Measured(
        np.array([number if own.bin is None else own.bin for number, own in enumerate(maps)]),
        delays,
        np.stack([own.g2[chosen] for own in maps], axis=1),
        np.stack([own.error[chosen] for own in maps], axis=1),
        windows,
    )


def failures(fits: Sequence[FittedG2]) -> list[str]:
    """A sentence for each fit that failed in some bins, with the reasons."""
    lines = []
    for fitted in fits:
        flags = fitted.fit.flags
        failed = np.count_nonzero(flags & FAILED)
        if failed:
            reasons = [text for bit, text in FLAGS.items() if bit & FAILED and (flags & bit).any()]
            lines.append(
                f"fit {fitted.name} failed in {failed} of {flags.size} bins: {', '.join(reasons)}"
            )
    return lines
