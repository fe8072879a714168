"""Reduction of one chunk of a run's shots: calibration, functions, sums and statistics of each detector.

The partial file of a chunk, start..stop-1:

    /shots/<path> (n, ...)                per shot; NaN, or 0 of integers, where the shot has no frame
    /lists/<path>/{lengths, values/*}     lists of variable length
    /fixed/<path>                         the same for all shots (bins), `units`
    /sums/<detector>, /statistics/<detector>/<name>   states of accumulators, by name
    attributes start, stop

Paths are those of the small data file: <detector>/<function>_<key>, damage/<detector> (1: the shot has a
frame), <detector>/invalid_pixels (good ones that are NaN).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import write_array, writing
from scatterflow.files.hdf5_fields import write_large
from scatterflow.progress import progress
from scatterflow.shots.calibrated import CalibratedDetector
from scatterflow.shots.functions import detector_functions
from scatterflow.shots.ragged import Ragged, stacked
from scatterflow.shots.regions import Fixed, Results, apply_functions
from scatterflow.shots.statistics import new_statistic, update_statistic
from scatterflow.shots.sums import ShotSums

XRAY = "lightStatus/xray"
INTENSITIES = (
    *("sum", "mean", "max", "area", "data", "azav", "height", "background"),
    *("intensities", "coefficients", "norms"),
)
CENTRES = ("xCen", "yCen", "R")


def reduce_chunk(
    path: str | Path,
    detectors: Sequence[CalibratedDetector],
    settings: Mapping[str, Mapping[str, Any]],
    scalars: Mapping[str, np.ndarray],
    passed: Mapping[str, Mapping[str, np.ndarray]],
    tags: np.ndarray,
    start: int,
    stop: int,
    *,
    threads: int,
    label: str,
) -> None:
    """Reduce shots start..stop-1 and write the partial file, whole.

    settings: of each detector, `functions`, `sums`, `statistics`. scalars: columns of all shots of the run.
    passed: {detector: {statistic: (shots of the run,) bool}}, of those that have filters. tags: (shots,).
    Raises UserError for settings that do not fit the detector.
    """
    with (
        progress((stop - start) * len(detectors), label, "shots") as bar,
        writing(path) as file,
    ):
        file.attrs.update({"start": start, "stop": stop})
        for detector in detectors:
            own = settings[detector.name]
            sums = ShotSums(own["sums"], detector.shape)
            statistics = {
                name: new_statistic(statistic) for name, statistic in own["statistics"].items()
            }
            kinds = detector_functions(threads)

            def functions(frames: np.ndarray, detector=detector, own=own, kinds=kinds) -> Results:
                return apply_functions(own["functions"], detector.frames(frames), kinds)

            # Without a shot: what the results are called and look like, so that all chunks agree.
            nothing = _in_place(detector, functions, np.empty((0, *detector.shape), np.float32))
            parts: list[tuple[np.ndarray, Results]] = []
            invalid = np.zeros(stop - start, np.int64)
            present = np.zeros(stop - start, bool)
            for first, kept, frames, bad in detector.blocks(start, stop, threads=threads):
                here = slice(first - start, first - start + len(kept))
                rows = first + np.flatnonzero(kept)
                present[here], invalid[rows - start] = kept, bad
                parts.append((rows - start, _in_place(detector, functions, frames)))
                _add_sums(sums, frames, scalars, rows, threads)
                for name, statistic in own["statistics"].items():
                    chosen = _chosen(passed.get(detector.name, {}).get(name), rows)
                    update_statistic(
                        statistics[name],
                        statistic,
                        frames[chosen],
                        scalars,
                        tags,
                        rows[chosen],
                        threads,
                    )
                bar.add(len(kept))
            units = result_units(own["functions"], detector.unit)
            _write_detector(file, detector, nothing, parts, stop - start, units)
            shots = file.require_group("shots")
            write_array(shots, f"damage/{detector.name}", present.astype(np.int8))
            write_array(shots, f"{detector.name}/invalid_pixels", invalid)
            _write_state(file, f"sums/{detector.name}", sums.state())
            for name, accumulator in statistics.items():
                _write_state(file, f"statistics/{detector.name}/{name}", accumulator.state())


def _in_place(detector: CalibratedDetector, functions: Any, frames: np.ndarray) -> Results:
    try:
        found: Results = functions(frames)
    except UserError as error:
        raise error.inside(f"detector {detector.name}, functions") from error
    return found


def _chosen(passed: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    return np.ones(len(rows), bool) if passed is None else passed[rows]


def _add_sums(
    sums: ShotSums,
    frames: np.ndarray,
    scalars: Mapping[str, np.ndarray],
    rows: np.ndarray,
    threads: int,
) -> None:
    """Add frames to the sums; a shot of which nobody knows whether it had X-rays is none without."""
    xray = scalars[XRAY][rows] != 0 if XRAY in scalars else None
    sums.update(frames, xray, threads=threads)


def _write_detector(
    file: h5py.File,
    detector: CalibratedDetector,
    nothing: Results,
    parts: list[tuple[np.ndarray, Results]],
    shots: int,
    units: Mapping[str, str],
) -> None:
    """Results of all blocks, at the places of their shots."""
    for key, empty in nothing.items():
        path = f"{detector.name}/{key}"
        if isinstance(empty, Fixed):
            write_array(file.require_group("fixed"), path, empty.values, units=empty.unit)
            continue
        found = [(rows, results[key]) for rows, results in parts if len(rows)]
        if isinstance(empty, Ragged):
            lists = stacked(found, empty, shots)
            group = file.create_group(f"lists/{path}")
            write_array(group, "lengths", lists.lengths)
            for name, values in lists.values.items():
                write_large(group.require_group("values"), name, values)
            continue
        values = _absent(shots, np.asarray(empty))
        for rows, own in found:
            values[rows] = own
        dataset = write_large(file.require_group(f"shots/{detector.name}"), key, values)
        dataset.attrs["units"] = unit_of(key, detector, units)


def result_units(
    functions: Mapping[str, Mapping[str, Any]], unit: str, before: str = ""
) -> dict[str, str]:
    """Unit of the intensities that functions give, by the beginning of their results' names."""
    found: dict[str, str] = {}
    for name, settings in functions.items():
        kind, start = settings.get("kind", name), f"{before}{name}_"
        counts = kind == "spectrum" or bool(settings.get("single_photon"))
        found[start] = "" if counts else unit
        inner = "photons" if kind == "photon_map" else found[start]
        found |= result_units(settings.get("functions", {}), inner, start)
    return found


def unit_of(key: str, detector: CalibratedDetector, units: Mapping[str, str]) -> str:
    """Unit of a result by the last word of its name; its error has the same."""
    word = key.removesuffix("_error").rpartition("_")[2]
    if word in INTENSITIES:
        return units[max((start for start in units if key.startswith(start)), key=len)]
    length = "pixel" if detector.positions is None else "mm"
    if word in CENTRES:
        return length
    if word == "residu":
        return f"{length}^2"
    return "pixel" if word in ("com", "size") else ""


def _absent(shots: int, empty: np.ndarray) -> np.ndarray:
    """(shots, ...) of a result's dtype: NaN, or 0 where it has none."""
    return np.full((shots, *empty.shape[1:]), np.nan if empty.dtype.kind == "f" else 0, empty.dtype)


def _write_state(file: h5py.File, place: str, state: Mapping[str, np.ndarray]) -> None:
    group = file.require_group(place)
    for name, array in state.items():
        parent, _, own = name.rpartition("/")
        target = group.require_group(parent) if parent else group
        if np.ndim(array):
            write_large(target, own, np.asarray(array))
        else:
            write_array(target, own, array)
