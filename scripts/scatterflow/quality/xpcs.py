"""Checks of an xpcs result, from its file alone (and those of fits and of earlier runs)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from scatterflow.files.hdf5 import reading
from scatterflow.quality.beam import PARTS, displacements, flicker, intensity_of_parts, wandering
from scatterflow.quality.checks import Finding, Measure, unknown
from scatterflow.quality.dynamics import (
    ageing,
    baseline_and_error,
    blur,
    contrast_and_error,
    delayed,
    half_decay,
    outside,
    stationarity_of_bins,
)
from scatterflow.quality.frames import FrameCounts, frame_measures
from scatterflow.quality.header import Stated, header_measures
from scatterflow.quality.history import against_history
from scatterflow.quality.photons import bin_photons, starvation, summed_pixels
from scatterflow.quality.pixels import pixel_measures
from scatterflow.quality.structure import Need, analysis_problems, needs_of, problems, structure
from scatterflow.units import HC_KEV_METRE
from scatterflow.xpcs.analysis_file import read_analysis
from scatterflow.xpcs.correlation import Correlation
from scatterflow.xpcs.result import read_result
from scatterflow.xpcs.sorted_chunk import FrameReason

NOT_THERE = FrameReason.MISSING | FrameReason.NOTHING_MEASURED


def measures(
    result: str | Path, analysis: str | Path | None, starved: float, history: Sequence[str | Path]
) -> dict[str, Measure]:
    """Checks of a result by name.

    analysis: file of fits and speckle statistics, None without. starved: limit of `photon_starvation`; what
    other checks say of g2 is of bins that are not. history: results of earlier runs.
    """
    with reading(result) as file:
        faults, fields = _structure(file, analysis)
        if faults:
            # What is not whole is not looked at any further.
            return {"structure": lambda _: structure(faults, fields)}
    correlation = read_result(result, maps=False)
    fits = None if analysis is None else read_analysis(analysis)[0]
    photons = bin_photons(correlation)
    usable = ~photons.starved(starved)
    frames = correlation.frames
    total = np.where(frames.valid, frames.total.astype(np.float64), np.nan)
    return {
        "structure": lambda _: structure(faults, fields),
        **frame_measures([_counts(correlation)]),
        **pixel_measures([summed_pixels(correlation)]),
        **header_measures({"the detector": _headers(correlation)}),
        "beam_intensity": partial(intensity_of_parts, total),
        "beam_flicker": lambda limit: _flicker(correlation, total, limit),
        "beam_position": lambda limit: _position(correlation, limit),
        "photon_starvation": partial(starvation, photons),
        **_correlation_measures(correlation, usable),
        "speckle_blur": lambda limit: blur(correlation, fits, usable, limit),
        "ageing": lambda limit: ageing(*stationarity_of_bins(correlation)[:2], usable, limit),
        **_history_measures(result, usable, history),
    }


def _structure(file: h5py.File, analysis: str | Path | None) -> tuple[list[str], int]:
    """Problems, and the number of fields that were looked at."""
    needs = [
        *(Need(f"entry/{name}") for name in ("title", "entry_identifier", "processed_time")),
        *(Need(f"entry/{name}") for name in ("reduction_name", "sample/name", "start_time")),
        Need("entry/mean_frame/data", ("rows", "columns"), "some"),
        Need("xpcs/qmap/dynamic_roi_map", ("rows", "columns")),
        Need("entry/scattering/I", ("static",), "some"),
        *needs_of(
            "entry/correlation/frames",
            {
                "total": (("frames",), "all"),
                "valid": (("frames",), "any"),
                "reason": (("frames",), "any"),
                "segments": (("parts", "static"), "some"),
            },
        ),
    ]
    stored = file.get("entry/correlation", {})
    if "g2" not in stored and not any(name.startswith("c2_") for name in stored):
        return ["entry/correlation holds neither g2 nor two-time"], len(needs)
    if "g2" in stored:
        shapes = {
            "g2/g2": (("bins", "delays"), "some"),
            "g2/g2_errors": (("bins", "delays"), "some"),
            "g2/delay": (("delays",), "all"),
            "correlation/g2/pairs": (("delays",), "all"),
        }
        needs += needs_of("entry", shapes)
    for name in stored:
        if name.startswith("c2_"):
            needs.append(Need(f"entry/correlation/{name}/c2", None, "some"))
            needs.append(Need(f"entry/correlation/{name}/g2", ("frames",), "some"))
    found = problems(file, needs)
    more, looked_for = analysis_problems(analysis)
    return [*found, *more], len(needs) + looked_for


def _counts(correlation: Correlation) -> FrameCounts:
    frames = correlation.frames
    missing = (frames.reason & int(NOT_THERE)) > 0
    raw = np.where(missing, np.nan, frames.total.astype(np.float64))
    # Frames that were left out are no outliers of what is left.
    counts = np.where(frames.valid, raw * frames.scale, np.nan)
    return FrameCounts("the run", counts, raw, missing)


def _headers(correlation: Correlation) -> tuple[Stated, Stated]:
    """What the metadata say, and the geometry that the q-map was made with."""
    acquisition, used = correlation.acquisition, correlation.qmap.attributes
    header = Stated(
        acquisition.energy_kev,
        acquisition.distance_m,
        acquisition.beam_centre_row,
        acquisition.beam_centre_column,
    )
    return header, Stated(
        used.get("energy"),
        used.get("detector_distance"),
        used.get("beam_center_y"),
        used.get("beam_center_x"),
    )


def _flicker(correlation: Correlation, total: np.ndarray, limit: float) -> Finding:
    if not correlation.frames.unscaled:
        return unknown("Frames are normalised by their sums.")
    return flicker(total, limit)


def _position(correlation: Correlation, limit: float) -> Finding:
    """From the means of tenths of the run over q and phi."""
    qmap, frames = correlation.qmap, correlation.frames
    attributes = qmap.attributes
    needed = ("energy", "detector_distance", "pixel_size")
    if qmap.names != ("q", "phi") or qmap.static_shape[1] < 3:
        return unknown("The static bins have no three intervals of phi.")
    if not all(attributes.get(name) for name in needed) or len(frames.segments) < 2:
        return unknown("The geometry is not known, or the run is too short.")
    wavelength = HC_KEV_METRE / attributes["energy"]
    pixel_q = 2 * np.pi / wavelength * attributes["pixel_size"] / attributes["detector_distance"]
    to_metre = 1e10 if "angstrom" in qmap.units[0] else 1e9
    radius = qmap.static_lists[0] * to_metre / pixel_q
    parts = np.full((len(frames.segments), qmap.static_shape[0] * qmap.static_shape[1]), np.nan)
    errors = parts.copy()
    parts[:, qmap.static_index] = frames.segments
    errors[:, qmap.static_index] = frames.static_error * np.sqrt(PARTS)
    grid = (len(parts), *qmap.static_shape)
    found = displacements(
        parts.reshape(grid).transpose(0, 2, 1),
        errors.reshape(grid).transpose(0, 2, 1),
        radius,
        np.radians(qmap.static_lists[1]),
    )
    return wandering(*found, limit)


def _correlation_measures(correlation: Correlation, usable: np.ndarray) -> dict[str, Measure]:
    if correlation.g2 is None:
        nothing = unknown("The result holds no g2 but two-time.")
        return dict.fromkeys(("g2_baseline", "g2_contrast"), lambda _: nothing)
    _, g2, error = delayed(correlation)
    baseline, contrast = baseline_and_error(g2, error), contrast_and_error(g2, error)
    return {
        "g2_baseline": lambda limit: outside(
            *baseline,
            usable,
            limit,
            "baseline",
            (
                "counts drift, or the normalisation is wrong",
                "dynamics slower than the run, a drifting beam, or intensity that varies within static bins",
            ),
        ),
        "g2_contrast": lambda limit: outside(
            *contrast,
            usable,
            limit,
            "contrast",
            (
                "no speckle, or dynamics faster than the frames",
                "a flickering beam, hot pixels, or intensity that varies within static bins",
            ),
        ),
    }


# History -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """Of a run: mean counts per pixel; contrast and half decay (s) of its bins, (Nd,)."""

    intensity: float
    contrast: np.ndarray
    relaxation: np.ndarray


def read_summary(path: str | Path) -> Summary:
    """The summary of a result, from a few small datasets."""
    with reading(path) as file:
        intensity = float(np.nanmean(file["entry/scattering/I"][()]))
        if "entry/g2" not in file:
            return Summary(intensity, np.zeros(0), np.zeros(0))
        delay = file["entry/g2/delay"][()]
        later = delay > 0
        g2 = file["entry/g2/g2"][()].T[later]
        error = file["entry/g2/g2_errors"][()].T[later]
    contrast = contrast_and_error(g2, error)[0]
    return Summary(intensity, contrast, half_decay(delay[later], g2, error))


def _history_measures(
    result: str | Path, usable: np.ndarray, history: Sequence[str | Path]
) -> dict[str, Measure]:
    own = read_summary(result)
    others = [read_summary(path) for path in history]
    same = [other for other in others if other.contrast.shape == own.contrast.shape]

    def median(values: np.ndarray) -> float:
        kept = values[usable & np.isfinite(values)] if values.size == usable.size else values[:0]
        return float(np.median(kept)) if kept.size else float("nan")

    return {
        "history_intensity": lambda limit: against_history(
            "intensity", own.intensity, [other.intensity for other in others], limit
        ),
        "history_contrast": lambda limit: against_history(
            "contrast", median(own.contrast), [median(other.contrast) for other in same], limit
        ),
        "history_relaxation": lambda limit: against_history(
            "relaxation time",
            _ratio_of_times(own, same, usable),
            [1.0] * len(same),
            limit,
        ),
    }


def _ratio_of_times(own: Summary, others: Sequence[Summary], usable: np.ndarray) -> float:
    """Median over the bins of the half decay over that of history."""
    if not others or own.relaxation.size != usable.size:
        return float("nan")
    earlier = np.array([other.relaxation for other in others])
    known = usable & np.isfinite(own.relaxation) & np.isfinite(earlier).all(axis=0)
    if not known.any():
        return float("nan")
    return float(np.median(own.relaxation[known] / np.median(earlier[:, known], axis=0)))
