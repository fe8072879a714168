"""A map: frames of one or several runs on the grid that was scanned, as one NeXus file.

    /entry                          NXentry; its default is the first quantity, else the first profiles
        frames                      NXdata: of each grid point frame_index (-1: none), frame_count, run_index
        <quantity>                  NXdata: data, data_errors on the axes
        <detector>_<integration>    NXdata: I, I_errors on the axes and the bins
        unplaced_frames             frames that lie on no grid point, (n) frame numbers; unplaced_runs,
                                    unplaced_positions (n, axes) beside it
        process_1_map               NXprocess: grid, tolerances, counts
        provenance                  NXcollection of NXnote: results read, parameters, software

Axes are links to /entry/grid. Several frames of one point are averaged: a number with errors by
sum(x / s^2) / sum(1 / s^2), error sum(1 / s^2)^-1/2; one without by the plain mean; profiles by the
plain mean, error sqrt(sum s^2) / n, because weights from counts would favour low counts. The error of
the scale (thickness, absolute factor), which all frames share, is left out of s and added to the mean's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array, writing
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.nexus import add_fields, add_group, add_note, add_process
from scatterflow.files.provenance import now, raw_file_record, software
from scatterflow.saxswaxs.grid import Grid, find_grid
from scatterflow.saxswaxs.map_input import (
    Frames,
    MapRun,
    PerFrame,
    read_frames,
    read_quantity,
    read_reading,
)
from scatterflow.saxswaxs.map_placement import Placement, grid_data, place
from scatterflow.saxswaxs.map_profiles import write_map_profiles
from scatterflow.saxswaxs.outdated import remove_after_map
from scatterflow.saxswaxs.scale import unshared


def structure_map(
    runs: Sequence[MapRun],
    settings: Mapping[str, Any],
    tasks: Sequence[str],
    description: Mapping[str, Any],
    path: str | Path,
) -> list[str]:
    """Write the map of some runs; returns what is odd about it, in sentences.

    settings: as for `find_grid`, with `quantities` and `duplicates`; tasks: names of the
    integrations of detectors whose profiles are mapped; description: map, reduction, experiment.
    Raises UserError for everything that `find_grid` and the readers refuse, and for several frames
    on one point where `duplicates` is `error`.
    """
    where = f"map {description['map']}"
    frames = read_frames(runs)
    readings: dict[str, PerFrame] = {}
    for axis in settings["axes"]:
        readings[axis["scalar"]] = read_reading(runs, axis["scalar"])
    positions = {name: item.values for name, item in readings.items()} or {"": frames.number}
    units = {name: item.unit for name, item in readings.items()}
    grid = find_grid(settings, positions, units, where)
    placement = place(grid, settings["duplicates"], where)
    quantities = {name: read_quantity(runs, name) for name in settings["quantities"]}
    remove_after_map(path)
    date = now()
    with writing(path) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "scatterflow"})
        file.attrs["file_time"] = date
        default = (*settings["quantities"], *tasks)[0]
        entry = add_group(file, "entry", "NXentry", default=default)
        _write_entry(entry, runs, description, date)
        _write_grid(entry, grid)
        _write_frames(entry, grid, placement, runs, frames)
        for name, quantity in quantities.items():
            _write_quantity(entry, grid, placement, name, quantity)
        for task in tasks:
            write_map_profiles(entry, grid, placement, runs, frames, task)
        _write_unplaced(entry, grid, positions, runs, frames)
        counts = _counts(grid, placement)
        _write_process(entry, grid, settings, counts, date)
        _write_provenance(entry, runs, settings)
    return _oddities(counts, settings["duplicates"])


def average(
    placement: Placement, points: int, quantity: PerFrame
) -> tuple[np.ndarray, np.ndarray | None]:
    """Value and error of a number per frame on every grid point, (points,) float64, NaN where none.

    A point of one frame keeps that frame's value; several are averaged as the module says, with
    weights where every error of the point is finite and above 0.
    """
    values = quantity.values[placement.frames]
    known = np.isfinite(values)
    point, values = placement.point[known], values[known]
    count = np.bincount(point, minlength=points)
    if quantity.errors is None:
        return _ratio(np.bincount(point, values, points), count), None
    errors = unshared(quantity.errors[placement.frames][known], values, quantity.scale)
    usable = np.isfinite(errors) & (errors > 0)
    weighted = np.bincount(point, ~usable, points) == 0
    weight = np.ones(values.size)
    several = weighted[point] & (count[point] > 1)
    weight[several] = errors[several] ** -2.0
    total = np.bincount(point, weight, points)
    mean = _ratio(np.bincount(point, weight * values, points), total)
    variance = np.bincount(point, (weight * errors) ** 2, points)
    return mean, np.hypot(_ratio(np.sqrt(variance), total), quantity.scale * mean)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


# Writing -----------------------------------------------------------------------------------------


def _write_entry(
    entry: h5py.Group, runs: Sequence[MapRun], description: Mapping[str, Any], date: str
) -> None:
    experiment = description["experiment"]
    add_fields(
        entry,
        {
            "title": f"{experiment['title']}: map {description['map']}",
            "entry_identifier": description["map"],
            "experiment_identifier": experiment["proposal"] or None,
            "reduction_name": description["reduction"],
            "processed_time": date,
            "runs": np.array([run.name for run in runs], dtype=object),
        },
    )


def _write_grid(entry: h5py.Group, grid: Grid) -> None:
    group = add_group(entry, "grid", "NXcollection")
    for axis in grid.axes:
        label = f"{axis.name} ({axis.unit})" if axis.unit else axis.name
        write_array(group, axis.name, axis.values, units=axis.unit, long_name=label)


def _write_frames(
    entry: h5py.Group, grid: Grid, placement: Placement, runs: Sequence[MapRun], frames: Frames
) -> None:
    points = int(np.prod(grid.shape))
    count = np.bincount(placement.point, minlength=points)
    # Of several frames the last one stays: the order is that of acquisition.
    last = np.full(points, -1, dtype=np.int64)
    last[placement.point] = placement.frames
    index = np.where(last >= 0, frames.number[last], -1)
    group = grid_data(entry, "frames", grid, "frame_index")
    write_array(group, "title", "frame of each grid point, the last of several; -1: none")
    _write_image(group, "frame_index", grid, index, long_name="frame number")
    _write_image(group, "frame_count", grid, count, long_name="frames on the grid point")
    run = np.where(last >= 0, frames.run[last], -1)
    _write_image(group, "run_index", grid, run, long_name="index into /entry/runs")
    if len(runs) > 1:
        names = np.array([*(item.name for item in runs), ""], dtype=object)
        write_array(group, "run", names[run].reshape(grid.shape))


def _write_image(
    group: h5py.Group, name: str, grid: Grid, values: np.ndarray, **attributes: str
) -> None:
    write_large(group, name, values.reshape(grid.shape)).attrs.update(attributes)


def _write_quantity(
    entry: h5py.Group, grid: Grid, placement: Placement, name: str, quantity: PerFrame
) -> None:
    mean, errors = average(placement, int(np.prod(grid.shape)), quantity)
    group = grid_data(entry, name, grid, "data")
    label = f"{name} ({quantity.unit})" if quantity.unit else name
    write_array(group, "title", name)
    write_array(group, "source", quantity.source)
    _write_image(group, "data", grid, mean, units=quantity.unit, long_name=label)
    if errors is not None:
        _write_image(group, "data_errors", grid, errors, units=quantity.unit)


def _write_unplaced(
    entry: h5py.Group,
    grid: Grid,
    positions: Mapping[str, np.ndarray],
    runs: Sequence[MapRun],
    frames: Frames,
) -> None:
    stray = np.flatnonzero(grid.point < 0)
    write_array(
        entry,
        "unplaced_frames",
        frames.number[stray],
        count=stray.size,
        long_name="frames that lie on no grid point",
    )
    if stray.size == 0:
        return
    names = [axis.name for axis in grid.axes]
    write_array(
        entry,
        "unplaced_runs",
        np.array([runs[run].name for run in frames.run[stray]], dtype=object),
    )
    write_array(
        entry,
        "unplaced_positions",
        np.stack([positions[name][stray] for name in names], axis=1),
        columns=names,
        units=[axis.unit for axis in grid.axes],
    )


def _counts(grid: Grid, placement: Placement) -> dict[str, int]:
    """Numbers that say how well frames and grid fit together."""
    points = int(np.prod(grid.shape))
    per_point = np.bincount(placement.point, minlength=points)
    return {
        "frames": int(grid.point.size),
        "points": points,
        "points_without_frame": int((per_point == 0).sum()),
        "points_with_several_frames": int((per_point > 1).sum()),
        "unplaced_frames": int((grid.point < 0).sum()),
    }


def _write_process(
    entry: h5py.Group, grid: Grid, settings: Mapping[str, Any], counts: Mapping[str, int], date: str
) -> None:
    process = add_process(
        entry,
        "process_1_map",
        1,
        software(),
        date,
        dict(settings),
        note="frames placed on grid points",
    )
    found = add_group(process, "grid", "NXparameters")
    write_array(found, "shape", np.array(grid.shape, dtype=np.int64))
    for axis in grid.axes:
        if np.isfinite(axis.tolerance):
            write_array(found, f"{axis.name}_tolerance", axis.tolerance, units=axis.unit)
    for name, count in counts.items():
        write_array(found, name, np.int64(count))


def _write_provenance(
    entry: h5py.Group, runs: Sequence[MapRun], settings: Mapping[str, Any]
) -> None:
    group = add_group(entry, "provenance", "NXcollection")
    read = [
        {"run": run.name, **raw_file_record(path)}
        for run in runs
        for path in (run.result, run.analysis)
        if path is not None
    ]
    add_note(group, "results", read, "results read: size in bytes, mtime, sha256 where cheap")
    add_note(group, "parameters", dict(settings), "configuration of this map")
    add_note(group, "software", software(), "versions and commit")


def _oddities(counts: Mapping[str, int], duplicates: str) -> list[str]:
    found = []
    if counts["unplaced_frames"]:
        found.append(
            f"{counts['unplaced_frames']} of {counts['frames']} frames lie on no grid point "
            "and are left out (listed in unplaced_frames)"
        )
    if counts["points_with_several_frames"]:
        found.append(
            f"{counts['points_with_several_frames']} of {counts['points']} grid points hold several "
            f"frames ({duplicates})"
        )
    if counts["points_without_frame"]:
        found.append(
            f"{counts['points_without_frame']} of {counts['points']} grid points have no frame"
        )
    return found
