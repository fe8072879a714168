"""Checks of a saxswaxs result, from its file alone (and those of earlier runs, and of the calibrant)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import reading
from scatterflow.files.json import read_json
from scatterflow.files.nexus import read_note
from scatterflow.quality.beam import (
    displacements,
    intensity_of_monitor,
    parts_of,
    radius_pixels,
    wandering,
)
from scatterflow.quality.checks import Finding, Measure, listed, unknown, within
from scatterflow.quality.frames import FrameCounts, frame_measures
from scatterflow.quality.header import Stated, header_measures, stated_by_nexus
from scatterflow.quality.pixels import PixelSums, pixel_measures
from scatterflow.quality.profile_history import profile_measures, read_profiles
from scatterflow.quality.structure import (
    Need,
    analysis_problems,
    integrations,
    needs_of,
    problems,
    structure,
    text,
)

BLOCK_BYTES = 64_000_000
AXES = {
    "azimuthal": ("radial_axis",),
    "cake": ("azimuthal_axis", "radial_axis"),
    "radial": ("azimuthal_axis",),
}


def measures(
    result: str | Path,
    analysis: str | Path | None,
    rings: Sequence[str | Path],
    history: Sequence[str | Path],
) -> dict[str, Measure]:
    """Checks of a result by name.

    analysis: file of fits and figures of merit, None without. rings: verdicts of `check_calibrant`. history:
    results of earlier runs. Everything that is needed is read here, and nothing is kept open.
    """
    with reading(result) as file:
        faults, fields = _structure(file, analysis)
        if faults:
            # What is not whole is not looked at any further.
            return {"structure": lambda _: structure(faults, fields)}
        detectors = _detectors(file)
        found = {
            "structure": lambda _: structure(faults, fields),
            **frame_measures(_frames(file)),
            **pixel_measures([_pixels(file, name) for name in detectors]),
            **header_measures(_headers(file, detectors)),
            "beam_intensity": _monitor(file),
            "beam_position": _position(file),
            "transmission": _transmission(file),
        }
        profiles = read_profiles(file)
    found["calibrant_rings"] = partial(_rings, [read_json(path) for path in rings])
    return {**found, **profile_measures(profiles, history)}


# Structure -----------------------------------------------------------------------------------------


def _detectors(file: h5py.File) -> list[str]:
    instrument = file.get("entry/instrument", {})
    return [
        name
        for name, item in instrument.items()
        if isinstance(item, h5py.Group) and "frame_sum" in item
    ]


def _structure(file: h5py.File, analysis: str | Path | None) -> tuple[list[str], int]:
    """Problems, and the number of fields that were looked at."""
    needs = [
        *(Need(f"entry/{name}") for name in ("title", "entry_identifier", "processed_time")),
        *(Need(f"entry/{name}") for name in ("reduction_name", "sample/name", "instrument/name")),
        Need("entry/scalars/frame_number", ("frames",)),
    ]
    if "entry" not in file:
        return ["entry is missing"], 1
    for name in _detectors(file):
        image = (f"rows of {name}", f"columns of {name}")
        for field in ("frame_sum", "valid_count", "pixel_mask"):
            needs.append(Need(f"entry/instrument/{name}/{field}", image))
        needs.append(Need(f"entry/instrument/{name}/frame_valid", ("frames",)))
        needs.append(Need(f"entry/instrument/{name}/distance", (), "all"))
    tasks = integrations(file)
    for task in tasks:
        kind = str(file[f"entry/{task}"].attrs.get("kind", ""))
        axes = AXES.get(kind, ())
        bins = tuple(f"{axis} of {task}" for axis in axes)
        needs += needs_of(
            f"entry/{task}",
            {
                **{f"data/{axis}": ((f"{axis} of {task}",), "all") for axis in axes},
                "data/I": (("frames", *bins), "some"),
                "data/total_signal": (("frames",), "some"),
                "mean/I": (bins, "some"),
            },
        )
        if "I_errors" in file.get(f"entry/{task}/data", {}):
            needs.append(Need(f"entry/{task}/data/I_errors", ("frames", *bins), "some"))
            needs.append(Need(f"entry/{task}/mean/I_errors", bins, "some"))
    found = problems(file, needs)
    if not _detectors(file):
        found.append("entry/instrument holds no detector with summed frames")
    if not tasks:
        found.append("entry holds no integration")
    more, looked_for = analysis_problems(analysis)
    return [*found, *more], len(needs) + looked_for


# Frames, pixels, header ----------------------------------------------------------------------------


def _read(file: h5py.File, path: str) -> np.ndarray:
    return np.asarray(file[path][()])


def _frames(file: h5py.File) -> list[FrameCounts]:
    """Counts per frame of every detector, by the integration that sees most of them."""
    found = []
    for detector in _detectors(file):
        there = _read(file, f"entry/instrument/{detector}/frame_valid").astype(bool)
        best = None
        for task in integrations(file):
            group = file[f"entry/{task}"]
            if str(group.attrs.get("detector")) != detector or "data/total_signal" not in group:
                continue
            raw = _read(group, "data/total_signal").astype(np.float64)
            if raw.shape == there.shape and (best is None or np.nansum(raw) > np.nansum(best[0])):
                best = raw, _factor(group, raw.size)
        raw, factor = best if best is not None else (np.full(there.size, np.nan), 1.0)
        raw = np.where(there, raw, np.nan)
        found.append(FrameCounts(detector, raw * factor, raw, ~there))
    return found


def _factor(group: h5py.Group, frames: int) -> np.ndarray:
    """What flux and absorption make of the counts of each frame."""
    factor = np.ones(frames)
    if "data/flux_factor" in group:
        factor = factor * group["data/flux_factor"][()]
    if "data/transmission" in group:
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = factor / group["data/transmission"][()]
    return np.where(np.isfinite(factor), factor, np.nan)


def _pixels(file: h5py.File, name: str) -> PixelSums:
    group = file[f"entry/instrument/{name}"]
    return PixelSums(
        name,
        group["frame_sum"][()].astype(np.float64),
        group["valid_count"][()].astype(np.int64),
        group["pixel_mask"][()] == 0,
        int(np.count_nonzero(group["frame_valid"][()])),
    )


def _headers(file: h5py.File, detectors: Sequence[str]) -> dict[str, tuple[Stated, Stated]]:
    metadata = read_note(file["entry/provenance/raw_metadata"])
    geometries = read_note(file["entry/provenance/geometry"])
    found = {}
    for name in detectors:
        group, geometry = file[f"entry/instrument/{name}"], geometries.get(name, {})
        used = Stated(
            geometry.get("energy_keV"),
            geometry.get("distance_m"),
            _number(group, "beam_center_y"),
            _number(group, "beam_center_x"),
        )
        if tilted(geometry):
            # Distance and centre of a tilted detector are not those of the point of normal incidence.
            used = Stated(used.energy_keV)
        found[name] = stated_by_nexus(metadata, name, used), used
    return found


def tilted(geometry: Mapping[str, Any], most_rad: float = 0.05) -> bool:
    """Whether a detector is tilted so much that the beam meets it elsewhere than normal to it."""
    return any(abs(geometry.get(f"rot{axis}_rad") or 0.0) > most_rad for axis in (1, 2))


def _number(group: h5py.Group, name: str) -> float | None:
    if name not in group:
        return None
    value = float(group[name][()])
    return value if np.isfinite(value) else None


# Beam ----------------------------------------------------------------------------------------------


def _step(file: h5py.File, name: str) -> h5py.Group | None:
    """The group of a step of the corrections."""
    for key, item in file["entry"].items():
        if key.startswith("process_") and key.split("_", 2)[-1] == name:
            return item
    return None


def _monitor(file: h5py.File) -> Measure:
    step = _step(file, "flux")
    if step is None:
        return lambda _: unknown("There is no flux correction, which would name a monitor.")
    name = text(step, "input/monitor")
    values = _read(file, f"entry/scalars/{name}").astype(np.float64)
    seconds = text(step, "input/dwell_time")
    if seconds and f"entry/scalars/{seconds}" in file:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = values / _read(file, f"entry/scalars/{seconds}")
    return partial(intensity_of_monitor, name, values)


def _transmission(file: h5py.File) -> Measure:
    step = _step(file, "absorption")
    if step is None:
        return lambda _: unknown("There is no absorption correction.")
    values = np.atleast_1d(step["transmission"][()]).astype(np.float64)

    def measure(limit: Sequence[float]) -> Finding:
        known = values[np.isfinite(values)]
        if not known.size:
            return unknown("No frame has a transmission.")
        ends = float(known.min()), float(known.max())
        low, high = limit
        # The one that is farther out, or nearer to its limit.
        value = ends[1] if ends[1] - high > low - ends[0] else ends[0]
        outside = np.flatnonzero((values < low) | (values > high))
        sentence = f"The transmission is {ends[0]:.3g} to {ends[1]:.3g}"
        sentence += f", outside of its range in {outside.size} frames." if outside.size else "."
        return within(
            value,
            limit,
            sentence,
            smallest=ends[0],
            largest=ends[1],
            frames=listed(outside),
        )

    return measure


def _position(file: h5py.File) -> Measure:
    """From the first cake whose detector stands upright in the beam."""
    geometries = read_note(file["entry/provenance/geometry"])
    for task in integrations(file):
        group = file[f"entry/{task}"]
        geometry = geometries.get(str(group.attrs.get("detector")), {})
        if str(group.attrs["kind"]) != "cake" or not geometry or tilted(geometry):
            continue
        axis = group["data/radial_axis"]
        radius = radius_pixels(
            axis[()],
            str(axis.attrs.get("pyfai_unit", "")),
            geometry["wavelength_m"],
            geometry["distance_m"],
            geometry["pixel1_m"],
        )
        azimuth = group["data/azimuthal_axis"]
        scale = 1.0 if str(azimuth.attrs.get("pyfai_unit")) == "chi_rad" else np.pi / 180
        if radius is not None and radius.size > 3 and "data/I_errors" in group:
            parts, errors = _parts(group["data/I"], group["data/I_errors"])
            found = displacements(parts, errors, radius, azimuth[()] * scale)
            return lambda limit: wandering(*found, limit, f" of {task}")
    return lambda _: unknown("There is no cake of a detector that stands upright in the beam.")


def _parts(intensity: h5py.Dataset, errors: h5py.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Means over the parts of a run, and their standard errors, (parts, azimuths, radii)."""
    frames, *bins = intensity.shape
    numbers = parts_of(frames)
    mean = np.full((len(numbers), *bins), np.nan)
    error = np.full(mean.shape, np.nan)
    step = max(1, BLOCK_BYTES // (8 * int(np.prod(bins))))
    for part, own in enumerate(numbers):
        total, variance = np.zeros(bins), np.zeros(bins)
        count = np.zeros(bins, np.int64)
        for start in range(own[0], own[-1] + 1, step):
            rows = slice(start, min(start + step, own[-1] + 1))
            values, uncertain = intensity[rows], errors[rows]
            known = np.isfinite(values) & np.isfinite(uncertain)
            total += np.where(known, values, 0).sum(axis=0)
            variance += (np.where(known, uncertain, 0) ** 2).sum(axis=0)
            count += known.sum(axis=0)
        np.divide(total, count, out=mean[part], where=count > 0)
        np.divide(np.sqrt(variance), count, out=error[part], where=count > 0)
    return mean, error


# Calibrant -----------------------------------------------------------------------------------------


def _rings(checks: Sequence[Mapping[str, Any]], _: Any) -> Finding:
    if not checks:
        return unknown("The sample is no calibrant, or its rings are not checked.")
    order = ("pass", "warn", "fail")
    check = max(checks, key=lambda item: order.index(item["verdict"]))
    level = {"pass": "fine", "warn": "doubtful", "fail": "bad"}[check["verdict"]]
    return Finding(
        check["rms"],
        level,  # type: ignore[arg-type]
        check["sentence"],
        {"calibrant": check["calibrant"], "rings": sum(ring["used"] for ring in check["rings"])},
        check["tolerance"],
    )
