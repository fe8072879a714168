"""Profiles and cakes of a map: N-D arrays of bins on the grid, streamed from the results.

The grid is worked off in blocks of neighbouring points, each read, averaged and written by itself,
so that memory stays bounded however large the map is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.progress import progress
from scatterflow.saxswaxs.grid import Grid
from scatterflow.saxswaxs.map_input import Bins, Frames, MapRun, read_bins, read_profiles
from scatterflow.saxswaxs.map_placement import Placement, grid_data
from scatterflow.saxswaxs.scale import SCALE_ERROR, unshared

BLOCK_BYTES = 32_000_000
"""Intensities of one block of grid points, about."""
CHUNK_BYTES = 1_000_000


def write_map_profiles(
    entry: h5py.Group,
    grid: Grid,
    placement: Placement,
    runs: Sequence[MapRun],
    frames: Frames,
    task: str,
) -> None:
    """Write the NXdata of one task: I and I_errors, (grid..., bins...), NaN where no frame lies."""
    bins = read_bins(runs, task)
    group = _data_group(entry, grid, bins)
    per_point = 8 * int(np.prod(bins.shape))
    chunk = max(1, min(grid.shape[-1], CHUNK_BYTES // per_point))
    intensity = _create(group, "I", grid, bins, chunk)
    errors = _create(group, "I_errors", grid, bins, chunk) if bins.errors else None
    most = max(1, BLOCK_BYTES // per_point)
    with progress(placement.frames.size, f"map of {task}", "frames") as bar:
        for start, stop in grid_blocks(grid.shape, chunk, most):
            first, last = np.searchsorted(placement.point, [start, stop])
            if first == last:
                continue
            own = slice(first, last)
            values, sigma = _average(
                placement.frames[own],
                placement.point[own] - start,
                stop - start,
                runs,
                frames,
                bins,
                most,
            )
            _write_block(intensity, grid.shape, start, values)
            if errors is not None and sigma is not None:
                _write_block(errors, grid.shape, start, sigma)
            bar.add(int(last - first))


def grid_blocks(shape: Sequence[int], chunk: int, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of flat grid points, at most about `most` in each: whole rows of the last axis, or pieces of
    one row that end where a stored chunk does."""
    row = shape[-1]
    points = int(np.prod(shape))
    if row <= most:
        step = row * (most // row)
        yield from ((start, min(start + step, points)) for start in range(0, points, step))
        return
    piece = max(chunk, most // chunk * chunk)
    for begin in range(0, points, row):
        for start in range(0, row, piece):
            yield begin + start, begin + min(start + piece, row)


def _average(
    chosen: np.ndarray,
    point: np.ndarray,
    points: int,
    runs: Sequence[MapRun],
    frames: Frames,
    bins: Bins,
    most: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean and error on `points` grid points. chosen: frames; point: the grid point of each."""
    order = np.argsort(chosen)
    several = np.bincount(point, minlength=points)[point[order]] > 1
    shape = (points, *bins.shape)
    values = np.full(shape, np.nan)
    sigma = np.full(shape, np.nan) if bins.errors else None
    total, variance = (
        np.zeros(shape if several.any() else 0),
        np.zeros(shape if several.any() else 0),
    )
    count = np.zeros(total.shape, dtype=np.int64)
    for positions, intensity, error in read_profiles(runs, frames, chosen[order], bins, most):
        target, shared = point[order][positions], several[positions]
        values[target[~shared]] = intensity[~shared]
        if sigma is not None and error is not None:
            sigma[target[~shared]] = error[~shared]
        for number in np.flatnonzero(shared):
            there = np.isfinite(intensity[number])
            total[target[number]][there] += intensity[number][there]
            count[target[number]][there] += 1
            if error is not None:
                own = unshared(error[number], intensity[number], bins.scale)
                variance[target[number]][there] += own[there] ** 2
    averaged = np.unique(point[order][several])
    if averaged.size:
        filled = np.where(count[averaged] > 0, count[averaged], np.nan)
        values[averaged] = total[averaged] / filled
        if sigma is not None:
            own = np.sqrt(variance[averaged]) / filled
            sigma[averaged] = np.hypot(own, bins.scale * values[averaged])
    return values, sigma


def _data_group(entry: h5py.Group, grid: Grid, bins: Bins) -> h5py.Group:
    group = grid_data(entry, bins.task, grid, "I", [name for name, _, _ in bins.axes])
    write_array(group, "title", bins.task)
    for name, values, attributes in bins.axes:
        write_array(group, name, values, **attributes)
    return group


def _create(group: h5py.Group, name: str, grid: Grid, bins: Bins, chunk: int) -> h5py.Dataset:
    shape = grid.shape
    dataset = group.create_dataset(
        name,
        shape=(*shape, *bins.shape),
        dtype="float64",
        chunks=(*(1 for _ in shape[:-1]), chunk, *bins.shape),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
        fillvalue=np.nan,
        track_times=False,
    )
    attributes = dict(bins.attributes)
    if name == "I_errors":
        attributes = {"units": attributes.get("units", ""), "long_name": "intensity error"}
        dataset.attrs[SCALE_ERROR] = bins.scale
    dataset.attrs.update(attributes)
    return dataset


def _write_block(
    dataset: h5py.Dataset, shape: Sequence[int], start: int, values: np.ndarray
) -> None:
    """Write values of neighbouring grid points that begin at flat index `start`, row by row."""
    row = shape[-1]
    written = 0
    while written < len(values):
        *leading, column = np.unravel_index(start + written, shape)
        count = min(row - int(column), len(values) - written)
        place = (*(int(index) for index in leading), slice(int(column), int(column) + count))
        dataset[place] = values[written : written + count]
        written += count
