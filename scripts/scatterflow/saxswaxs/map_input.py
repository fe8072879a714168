"""What a map takes from the results of its runs: readings, numbers per frame, profiles.

Layouts read: `result.nxs` (`saxswaxs.result`) with /entry/scalars/<name> and
/entry/<task>/data/{I, I_errors, total_signal, axes}, the transmission in the NXprocess of the
correction that found it; `analysis.nxs` with /entry/per_frame/<name>,
float64 (frames,), attribute `units`, and `<name>_errors` beside it where there are errors.
Frames of several runs are joined in the order of the runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import reading, text_of
from scatterflow.saxswaxs.scale import SCALE_ERROR

AGAIN = "delete it and run snakemake again"
TOTAL = "total_signal"
TRANSMISSION = "transmission"
AXES = ("azimuthal_axis", "radial_axis")


@dataclass(frozen=True)
class MapRun:
    """One run of a map: its name, result file, and analysis file or None."""

    name: str
    result: str
    analysis: str | None = None


@dataclass(frozen=True)
class Frames:
    """All frames of all runs, in order: run (frames,) int64 index into the runs, number (frames,) int64
    frame number within the run, first (runs + 1,) int64 where each run's frames begin."""

    run: np.ndarray
    number: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class PerFrame:
    """One number per frame: values, errors (frames,) float64, NaN where unknown; errors None if none are
    given; its unit and where it was read; scale: the part of the errors, relative to the value, that all
    frames share."""

    values: np.ndarray
    errors: np.ndarray | None
    unit: str
    source: str
    scale: float = 0.0


@dataclass(frozen=True)
class Bins:
    """Bins of one task. axes: (name, values, attributes) in their order in the arrays; attributes: of
    the intensity; errors: whether there are any; chunk: stored frames per HDF5 chunk; scale: as in
    `PerFrame`."""

    task: str
    axes: tuple[tuple[str, np.ndarray, dict[str, str]], ...]
    attributes: dict[str, str]
    errors: bool
    chunk: int
    scale: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins along each axis."""
        return tuple(values.size for _, values, _ in self.axes)


def read_frames(runs: Sequence[MapRun]) -> Frames:
    """Count the frames of all runs."""
    counts = []
    for run in runs:
        with reading(run.result) as file:
            counts.append(int(_item(file, "entry/scalars/frame_number").shape[0]))
    return Frames(
        np.repeat(np.arange(len(counts)), counts),
        np.concatenate([np.arange(count) for count in counts]),
        np.concatenate([[0], np.cumsum(counts)]),
    )


def read_reading(runs: Sequence[MapRun], name: str) -> PerFrame:
    """Readings of a scanned axis; raises UserError if it is no scalar of a run, or no number."""

    def find(file: h5py.File, _: h5py.File | None) -> h5py.Dataset:
        scalars = _item(file, "entry/scalars")
        if name not in scalars:
            raise UserError(
                f"axis {name!r} is no scalar of the run", file.filename, suggestion(name, scalars)
            )
        return scalars[name]

    return _read_joined(runs, name, find)


def read_quantity(runs: Sequence[MapRun], name: str) -> PerFrame:
    """A quantity of a map, by name: a scalar, a total signal, or what the analysis found.

    Raises UserError with the nearest known name, and for runs whose units differ.
    """

    def find(file: h5py.File, analysis: h5py.File | None) -> h5py.Dataset:
        known = _quantities(file, analysis)
        if name not in known:
            raise UserError(
                f"no quantity {name!r} in the run", file.filename, suggestion(name, known)
            )
        return known[name]

    return _read_joined(runs, name, find)


def _quantities(file: h5py.File, analysis: h5py.File | None) -> dict[str, h5py.Dataset]:
    """All that may be mapped; of equal names the scalar comes first."""
    entry = _item(file, "entry")
    found = {}
    if analysis is not None:
        per_frame = _item(analysis, "entry/per_frame")
        found.update(
            {name: item for name, item in per_frame.items() if isinstance(item, h5py.Dataset)}
        )
    for name, group in entry.items():
        if not isinstance(group, h5py.Group):
            continue
        if TOTAL in group.get("data", {}):
            found[f"{name}_{TOTAL}"] = group["data"][TOTAL]
        if name.startswith("process_") and TRANSMISSION in group:
            found[TRANSMISSION] = group[TRANSMISSION]
    if TOTAL in entry.get("data", {}):
        found[TOTAL] = entry["data"][TOTAL]
    return found | dict(_item(entry, "scalars").items())


def _read_joined(
    runs: Sequence[MapRun],
    name: str,
    find: Callable[[h5py.File, h5py.File | None], h5py.Dataset],
) -> PerFrame:
    values: list[np.ndarray] = []
    errors: list[np.ndarray | None] = []
    units: dict[str, str] = {}
    source, scale = "", 0.0
    for run in runs:
        with reading(run.result) as file, _optional(run.analysis) as analysis:
            item = find(file, analysis)
            frames = _item(file, "entry/scalars/frame_number").shape[0]
            values.append(_numbers(item, frames))
            beside = item.parent.get(f"{name}_errors")
            errors.append(None if beside is None else _numbers(beside, frames))
            scale = max(scale, _scale_error(beside))
            units.setdefault(text_of(item.attrs.get("units", "")), run.name)
            source = item.name
    if len(units) > 1:
        (one, first), (other, second) = list(units.items())[:2]
        raise UserError(
            f"{name!r} is in {one or 'no unit'!r} in run {first}, in {other or 'no unit'!r} in run "
            f"{second}",
            f"quantity {name}",
            "give both sources the same unit",
        )
    joined = [
        np.full(len(own), np.nan) if error is None else error
        for own, error in zip(values, errors, strict=True)
    ]
    return PerFrame(
        np.concatenate(values),
        None if all(error is None for error in errors) else np.concatenate(joined),
        next(iter(units)),
        source,
        scale,
    )


def _numbers(item: h5py.Dataset, frames: int) -> np.ndarray:
    where = f"{item.file.filename}, {item.name}"
    if item.dtype.kind not in "biuf":
        raise UserError("this is text, no number", where, "map a number")
    if item.shape != (frames,):
        raise UserError(f"shape {item.shape} for {frames} frames", where, AGAIN)
    return np.asarray(item[()], dtype=np.float64)


def read_bins(runs: Sequence[MapRun], task: str) -> Bins:
    """Bins of a task; raises UserError unless they and the intensity's scale agree in all runs."""
    found = [_read_bins(run, task) for run in runs]
    first = found[0]
    for run, other in zip(runs[1:], found[1:], strict=True):
        where = f"runs {runs[0].name} and {run.name}, {task}"
        if not _same_axes(first, other):
            raise UserError(
                "the bins of two runs differ",
                where,
                "give the integration a radial_range, and both runs the same unit and bins",
            )
        if first.attributes != other.attributes or first.errors != other.errors:
            raise UserError(
                f"the intensities of two runs are on different scales: {first.attributes} and "
                f"{other.attributes}",
                where,
                "correct both runs in the same way",
            )
    # Runs of one standard share its error; of several the largest is taken.
    return replace(first, scale=max(item.scale for item in found))


def _read_bins(run: MapRun, task: str) -> Bins:
    with reading(run.result) as file:
        data = _item(file, f"entry/{task}/data")
        signal = _item(data, "I")
        return Bins(
            task,
            tuple(
                (name, data[name][()], {key: text_of(v) for key, v in data[name].attrs.items()})
                for name in AXES
                if name in data
            ),
            {
                key: text_of(signal.attrs[key])
                for key in ("units", "long_name", "intensity_label")
                if key in signal.attrs
            },
            "I_errors" in data,
            signal.chunks[0] if signal.chunks else 1,
            _scale_error(data.get("I_errors")),
        )


def _scale_error(errors: h5py.Dataset | None) -> float:
    return 0.0 if errors is None else float(errors.attrs.get(SCALE_ERROR, 0.0))


def _same_axes(one: Bins, other: Bins) -> bool:
    if [axis[0] for axis in one.axes] != [axis[0] for axis in other.axes]:
        return False
    for (_, values, attributes), (_, theirs, their_attributes) in zip(
        one.axes, other.axes, strict=True
    ):
        same_unit = attributes.get("units") == their_attributes.get("units")
        if not same_unit or values.shape != theirs.shape:
            return False
        width = float(np.ptp(values)) / max(1, values.size - 1)
        if np.abs(values - theirs).max() > 1e-6 * width:
            return False
    return True


def read_profiles(
    runs: Sequence[MapRun], frames: Frames, wanted: np.ndarray, bins: Bins, most: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Profiles of some frames, in pieces of at most `most` frames in the file.

    wanted: (n,) ascending indices into all frames. Yields (positions in `wanted`, intensities
    (n, bins...) float64, errors or None).
    """
    for index in np.unique(frames.run[wanted]):
        with reading(runs[index].result) as file:
            data = _item(file, f"entry/{bins.task}/data")
            own = np.flatnonzero(frames.run[wanted] == index)
            numbers = frames.number[wanted[own]]
            for piece in _pieces(numbers, bins.chunk, most):
                start, stop = int(numbers[piece[0]]), int(numbers[piece[-1]]) + 1
                chosen = numbers[piece] - start
                intensity = _slice(data, "I", start, stop)[chosen]
                errors = _slice(data, "I_errors", start, stop)[chosen] if bins.errors else None
                yield own[piece], intensity, errors


def _pieces(numbers: np.ndarray, chunk: int, most: int) -> Iterator[np.ndarray]:
    """Positions of frames that are read at once: near neighbours, not too many."""
    start = 0
    for position in range(1, numbers.size + 1):
        ends = position == numbers.size
        if (
            ends
            or numbers[position] - numbers[position - 1] > chunk
            or numbers[position] - numbers[start] >= most
        ):
            yield np.arange(start, position)
            start = position


def _slice(data: h5py.Group, name: str, start: int, stop: int) -> np.ndarray:
    try:
        return data[name][start:stop]
    except OSError as error:
        raise UserError(
            f"cannot be read ({error})", f"{data.file.filename}, {data.name}/{name}", AGAIN
        ) from error


def _optional(path: str | Path | None) -> AbstractContextManager[h5py.File | None]:
    return nullcontext() if path is None else reading(path)


def _item(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    if name not in group:
        raise UserError(f"{name!r} is missing", f"{group.file.filename}, {group.name}", AGAIN)
    return group[name]
