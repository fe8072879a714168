"""Cubes of a run: quantities of the small data, and images of the shots that fall into bins.

Axes are cut, filters judged and shots sorted into cells once, from the small data of the whole run; every
job that bins images does the same, so that all agree. Quantities are averaged from the small data. Images are
read a second time, chunk by chunk, those of shots in bins alone, and summed per cell; sums of chunks are put
together when the cube is written. What is averaged, and how: `cubes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots.cube_axes import Axis, Label, axis_from_edges, make_axis
from scatterflow.shots.cubes import Cube
from scatterflow.shots.per_shot import check_names, measured, passing, scalar, shot_blocks

if TYPE_CHECKING:
    from scatterflow.shots.calibrated import CalibratedDetector
    from scatterflow.shots.small_data import SmallData


@dataclass(frozen=True)
class SortedShots:
    """All shots of a run, sorted into the cells of a cube.

    coordinates: (n,) by label and axis; passed: (n,) bool; monitors: (n,) by name; variables: the name in
    the small data by label and axis; units: by axis.
    """

    axes: tuple[Axis, ...]
    labels: tuple[Label, ...]
    coordinates: dict[str, np.ndarray]
    passed: np.ndarray
    monitors: dict[str, np.ndarray]
    normalised: dict[str, str]
    variables: dict[str, str]
    units: dict[str, str]

    def cube(self) -> Cube:
        """An empty cube with these cells."""
        return Cube(self.axes, self.labels, self.normalised)

    def cells(self) -> np.ndarray:
        """(n,) int64 cell of each shot, -1: in none."""
        return self.cube().cells(self.coordinates, self.passed)


def sort_shots(small: SmallData, settings: Mapping[str, Any], where: str) -> SortedShots:
    """Cut the axes of a cube and look up what sorts shots into its cells.

    settings: of the cube, plain values; where: its place in the configuration. Raises UserError: no shot
    passes the filters, a variable that the run lacks, is constant or NaN throughout; a cube in which no shot
    falls into any cell.
    """
    passed = passing(small, settings["filters"], f"{where}.filters")
    coordinates, variables, units = {}, {}, {}
    labels, axes = [], []
    for name, label in settings["labels"].items():
        variables[name] = label["variable"]
        coordinates[name] = scalar(small, label["variable"], f"{where}.labels.{name}")
        labels.append(Label(name, tuple(label["kinds"].values()), tuple(label["kinds"])))
    for name, axis in settings["axes"].items():
        place = f"{where}.axes.{name}"
        variables[name] = axis["variable"] or name
        coordinates[name] = scalar(small, variables[name], place)
        units[name] = small.unit(variables[name])
        axes.append(make_axis(name, axis, coordinates[name][passed], place))
    monitors = {
        monitor: scalar(small, monitor, f"{where}.normalise.{name}")
        for name, monitor in settings["normalise"].items()
    }
    found = SortedShots(
        tuple(axes),
        tuple(labels),
        coordinates,
        passed,
        monitors,
        dict(settings["normalise"]),
        variables,
        units,
    )
    _require_some(found, where)
    return found


def _require_some(shots: SortedShots, where: str) -> None:
    cube = shots.cube()
    if (cube.cells(shots.coordinates, shots.passed) >= 0).any():
        return
    reasons = ["filters", *shots.variables]
    told = ", ".join(
        f"{number} for {reason}" for reason, number in zip(reasons, cube.left_out, strict=True)
    )
    raise UserError(
        f"no shot of {len(shots.passed)} falls into any bin; left out: {told}",
        where,
        "widen the bins, or check the labels' values and the filters",
    )


def bin_quantities(
    small: SmallData, shots: SortedShots, quantities: list[str], where: str, *, threads: int = 1
) -> Cube:
    """The cube of quantities of the small data, read block by block.

    Raises UserError for a quantity that the run does not have.
    """
    check_names(small, quantities, f"{where}.quantities")
    cube = shots.cube()
    for start, stop in shot_blocks(small, quantities):
        own = slice(start, stop)
        cube.update(
            {name: values[own] for name, values in shots.coordinates.items()},
            {name: measured(small, name, start, stop) for name in quantities},
            shots.passed[own],
            {name: values[own] for name, values in shots.monitors.items()},
            threads=threads,
        )
    return cube


@dataclass(frozen=True)
class ImageSums:
    """Images of a chunk of shots, summed in the cells that any of these fall into.

    start, stop: of the chunk; total_cells: of the cube; cells: (k,) int64, ascending, those that are here;
    sums: a cube of k cells with a quantity (pixels,) for each detector; shapes, good: by detector.
    """

    start: int
    stop: int
    total_cells: int
    cells: np.ndarray
    sums: Cube
    shapes: dict[str, tuple[int, ...]]
    good: dict[str, np.ndarray]


def cells_cube(cells: int, normalised: Mapping[str, str]) -> Cube:
    """A cube whose only coordinate, `cell`, is the number of the cell itself."""
    edges = np.arange(max(cells, 1) + 1) - 0.5
    return Cube([axis_from_edges("cell", edges)], normalised=normalised)


def bin_images(
    shots: SortedShots,
    detectors: Mapping[str, CalibratedDetector],
    start: int,
    stop: int,
    *,
    threads: int = 1,
) -> ImageSums:
    """Sum the images of shots start..stop-1 that fall into bins; no others are calibrated."""
    cell = shots.cells()[start:stop]
    wanted = cell >= 0
    occupied = np.unique(cell[wanted])
    place = np.where(wanted, np.searchsorted(occupied, cell), -1)
    monitors = {name: values[start:stop] for name, values in shots.monitors.items()}
    normalised = {name: m for name, m in shots.normalised.items() if name in detectors}
    sums = cells_cube(len(occupied), normalised)

    def add(name: str, images: np.ndarray, rows: np.ndarray) -> None:
        own = {monitor: values[rows] for monitor, values in monitors.items()}
        sums.update({"cell": place[rows]}, {name: images}, None, own, threads=threads)

    for name, detector in detectors.items():
        # Sums are there, if empty, where a chunk has no image of any shot in a bin.
        none = np.empty((0, int(np.prod(detector.shape))), np.float32)
        add(name, none, np.empty(0, np.int64))
        for first, kept, frames, _ in detector.blocks(start, stop, wanted, threads=threads):
            if len(frames):
                rows = first - start + np.flatnonzero(kept)
                add(name, frames.reshape(len(frames), -1), rows)
    return ImageSums(
        start,
        stop,
        int(np.prod(shots.cube().shape)),
        occupied,
        sums,
        {name: detector.shape for name, detector in detectors.items()},
        {name: detector.good for name, detector in detectors.items()},
    )
