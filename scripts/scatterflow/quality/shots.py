"""Checks of a shots result: from the small data of every shot, and the sums over the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from scatterflow.files.hdf5 import reading
from scatterflow.quality.beam import parts_of
from scatterflow.quality.checks import Finding, Measure, at_least, at_most, percent, unknown
from scatterflow.quality.frames import FrameCounts, frame_measures
from scatterflow.quality.history import against_history
from scatterflow.quality.pixels import PixelSums, pixel_measures
from scatterflow.quality.structure import Need, problems, structure
from scatterflow.shots.small_data import SmallData, open_small_data

DAMAGE, FILTERS, LIGHT = "damage/", "filters/", "lightStatus/"
FEWEST_SHOTS = 5
"""A part of a run with fewer lit shots says nothing of the beam."""


def measures(
    result: str | Path, small_data: str | Path, history: Sequence[str | Path]
) -> dict[str, Measure]:
    """Checks of a result by name.

    small_data: the file of all shots beside the result. history: results of earlier runs.
    """
    with reading(result) as file:
        data = open_small_data(small_data)
        faults, fields = _structure(file, data)
        if faults:
            # What is not whole is not looked at any further.
            return {"structure": lambda _: structure(faults, fields)}
        pixels = [item for name in _detectors(file) if (item := _pixels(file, name)) is not None]
        intensity = _intensities(file)
        missing = _shots_of(data, _detectors(file))
    earlier = []
    for path in history:
        with reading(path) as file:
            earlier.append(_intensities(file))
    return {
        "structure": lambda _: structure(faults, fields),
        "frames_missing": frame_measures(missing)["frames_missing"],
        "shots_passing": partial(_passing, data),
        "time_tool": partial(_timing, data),
        "beam_intensity": partial(_beam, data),
        **{
            name: measure
            for name, measure in pixel_measures(pixels).items()
            if name in ("dead_pixels", "hot_pixels")
        },
        "history_intensity": partial(_against, intensity, earlier),
    }


def _detectors(file: h5py.File) -> list[str]:
    instrument = file.get("entry/instrument", {})
    groups = [name for name, item in instrument.items() if isinstance(item, h5py.Group)]
    return [name for name in groups if "pixel_mask" in instrument[name]]


def _structure(file: h5py.File, data: SmallData) -> tuple[list[str], int]:
    """Problems, and the number of fields that were looked at."""
    fields = ("title", "entry_identifier", "processed_time", "reduction_name", "sample/name")
    needs = [Need(f"entry/{name}") for name in (*fields, "instrument/name", "number_of_shots")]
    needs.append(Need("entry/shots/tag", (data.shots,)))
    for name in _detectors(file):
        for kind in ("calib", "calib_count"):
            if f"entry/{name}_sums/{kind}" in file:
                shape = file[f"entry/instrument/{name}/pixel_mask"].shape
                needs.append(Need(f"entry/{name}_sums/{kind}", shape, "some"))
    found = problems(file, needs)
    names = data.names()
    with reading(data.path) as small:
        for name in names:
            if small[name].shape[0] != data.shots:
                found.append(f"small data: {name} has {small[name].shape[0]} shots of {data.shots}")
    return found, len(needs) + len(names)


def _shots_of(data: SmallData, detectors: Sequence[str]) -> list[FrameCounts]:
    """Which shots lack each detector of the reduction; what else the run holds may come and go."""
    present = {name: data.scalars[f"{DAMAGE}{name}"] for name in detectors}
    return [
        FrameCounts(name, np.zeros(0), np.zeros(0), values == 0)
        for name, values in present.items()
        if values.size
    ]


def _lit(data: SmallData, beam: str) -> np.ndarray:
    """(n,) bool, shots with a beam; all where the file does not tell."""
    found = data.scalars.get(f"{LIGHT}{beam}")
    return np.ones(data.shots, bool) if found is None else found == 1


def _passing(data: SmallData, limit: float) -> Finding:
    shares = {
        name.removeprefix(FILTERS): float(values.astype(bool).mean())
        for name, values in data.scalars.items()
        if name.startswith(FILTERS) and values.size
    }
    if not shares:
        return unknown("There are no filters.")
    name = min(shares, key=lambda key: shares[key])
    return at_least(
        shares[name],
        limit,
        f"Filter {name} lets {percent(shares[name])} of {data.shots} shots pass, the others more.",
        shares=shares,
    )


def _timing(data: SmallData, limit: float) -> Finding:
    valid = data.scalars.get("tt/valid")
    pumped = _lit(data, "xray") & _lit(data, "laser")
    if valid is None or not pumped.any():
        return unknown("There is no time tool, or no shot with both beams.")
    share = float((valid[pumped] == 1).mean())
    return at_least(
        share,
        limit,
        f"The time tool found its edge in {percent(share)} of {pumped.sum()} shots with both beams.",
    )


def _beam(data: SmallData, limit: float) -> Finding:
    """Largest deviation of the median of a tenth of the run: single shots of a laser differ by nature."""
    monitors = data.monitors()
    if not monitors:
        return unknown("There is no intensity monitor.")
    name = monitors[0]
    values = np.where(_lit(data, "xray"), data.scalars[name].astype(np.float64), np.nan)
    known = np.isfinite(values)
    median = float(np.median(values[known])) if known.any() else 0.0
    if median <= 0:
        return unknown(f"Monitor {name} has no readings above 0.")
    parts = [own for own in parts_of(data.shots) if known[own].sum() >= FEWEST_SHOTS]
    if len(parts) < 2:
        return unknown("There are too few shots.")
    medians = np.array([np.median(values[own][known[own]]) for own in parts]) / median
    # What the scatter of the shots of a part leaves open is no drift: 1.25 sigma / sqrt(n) of a median.
    noise = np.array([values[own][known[own]].std() / np.sqrt(known[own].sum()) for own in parts])
    deviation = np.abs(medians - 1) - 3 * 1.25 * noise / median
    worst = int(np.argmax(deviation))
    return at_most(
        max(0.0, float(deviation[worst])),
        limit,
        f"Monitor {name} in part {worst + 1} of {len(parts)} of the run differs from its median by "
        f"{percent(abs(float(medians[worst]) - 1))}, "
        f"{percent(max(0.0, float(deviation[worst])))} more than shots scatter.",
        monitor=name,
        parts=medians,
    )


# Pixels --------------------------------------------------------------------------------------------


def _sums(file: h5py.File, detector: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Sum, number of shots and mask (True = good) of a detector's pixels, (tiles, rows, columns)."""
    group = file.get(f"entry/{detector}_sums")
    mask = file[f"entry/instrument/{detector}/pixel_mask"][()] == 0
    if group is None or "calib" not in group or mask.ndim < 2:
        return None
    shape = (-1, *mask.shape[-2:])
    total, count = group["calib"][()].astype(np.float64), group["calib_count"][()]
    return total.reshape(shape), count.reshape(shape).astype(np.int64), mask.reshape(shape)


def _pixels(file: h5py.File, detector: str) -> PixelSums | None:
    found = _sums(file, detector)
    if found is None:
        return None
    # A row that is no pixel keeps tiles from being neighbours.
    total, count, good = (np.pad(values, ((0, 0), (0, 1), (0, 0))) for values in found)
    columns = total.shape[-1]
    total, count, good = (values.reshape(-1, columns) for values in (total, count, good))
    total = np.where(np.isfinite(total), total, 0.0)
    return PixelSums(detector, total, count, good, int(count.max(initial=0)))


def _intensities(file: h5py.File) -> dict[str, float]:
    """Mean of the good pixels of each detector and shot."""
    found = {}
    for name in _detectors(file):
        sums = _sums(file, name)
        if sums is None:
            continue
        total, count, good = sums
        known = good & (count > 0) & np.isfinite(total)
        if known.any():
            found[name] = float((total[known] / count[known]).mean())
    return found


def _against(
    own: Mapping[str, float], earlier: Sequence[Mapping[str, float]], limit: Sequence[float]
) -> Finding:
    if not own:
        return unknown("No detector has a sum over the run.")
    name = next(iter(own))
    others = [item[name] for item in earlier if name in item]
    return against_history(f"intensity of {name}", own[name], others, limit)
