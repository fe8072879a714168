"""What jobs that bin shots, or calculate from them, hold in memory: upper estimates, before anything is known
of the data. None of it grows with the run but the numbers that sort each shot into a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scatterflow.plan.memory_shots import function_bytes

if TYPE_CHECKING:
    from scatterflow.plan.shots import PlannedShots

# Sums in twice the precision, of values and squares, and a count (`shots.moments`).
SUM_BYTES = 40
# The same of ratios, and plain sums of values, monitor and products (`shots.ratios`).
NORMALISED_BYTES = 88
# Means, errors, differences, made of sums while a cube is written; of images by ranges of pixels.
RESULT_BYTES = 200
# Steps of a scan, before anybody has looked.
USUAL_STEPS = 200
# Coordinates, cells, filters and monitors of each shot.
SHOT_BYTES = 400
# A detector of which nothing is configured is a waveform or a small array.
UNKNOWN_PIXELS = 100_000
# Interpreter, libraries, compiled kernels; blocks of images or of small data; ranges of pixels in work.
BASE_MB = 600
BLOCK_MB = 900


def cube_memory_mb(
    shape: Sequence[int], bins: Sequence[int], labels: Sequence[int], *, normalised: bool = False
) -> int:
    """Memory of the sums of images or other arrays of `shape` in all cells of a cube, MB.

    bins: of each axis; labels: kinds of each label.
    """
    each = SUM_BYTES + (NORMALISED_BYTES if normalised else 0)
    return math.ceil(math.prod(shape) * math.prod(bins) * math.prod(labels) * each / 1e6)


def cube_chunk_memory_mb(planned: PlannedShots, cube: Any) -> int:
    """Memory of a job that sums the images of a chunk in the cells that its shots fall into, MB."""
    total = BASE_MB + BLOCK_MB + _shots_mb(planned)
    for name in cube.images:
        known = planned.configuration.detectors.get(name)
        pixels = UNKNOWN_PIXELS if known is None else math.prod(known.frame_shape)
        cells = min(math.prod([*_bins(cube), *_kinds(cube)]), planned.chunk_shots)
        total += cube_memory_mb((pixels,), (cells,), (), normalised=name in cube.normalise)
    return total


def cube_file_memory_mb(planned: PlannedShots, cube: Any) -> int:
    """Memory of the job that bins the small data and writes the cube, MB."""
    total = BASE_MB + BLOCK_MB + _shots_mb(planned)
    for name in cube.quantities:
        shape = (_elements(planned, name),)
        normalised = name in cube.normalise
        total += cube_memory_mb(shape, _bins(cube), _kinds(cube), normalised=normalised)
        cells = math.prod([*_bins(cube), *_kinds(cube)])
        total += math.ceil(math.prod(shape) * cells * RESULT_BYTES / 1e6)
    return total


def calculation_memory_mb(planned: PlannedShots) -> int:
    """Memory of the job that does all calculations, MB; all results are held until they are written."""
    total = BASE_MB + BLOCK_MB + _shots_mb(planned)
    for item in planned.reduction.calculations.values():
        elements = _elements(planned, getattr(item, "variable", ""))
        each = 100.0
        if item.type == "quantiles":
            each = 8 * (item.bins + 2)
        elif item.type == "covariance":
            each = 40 * elements
        elif item.type == "binned_statistics":
            each = SUM_BYTES * 2 * (item.bins or len(item.edges))
        images = [planned.configuration.detectors.get(name) for name in getattr(item, "images", ())]
        pixels = sum(
            UNKNOWN_PIXELS if one is None else math.prod(one.frame_shape) for one in images
        )
        shown = 4 * pixels * getattr(item, "number", 0)
        total += math.ceil((elements * each + shown) / 1e6)
    return total


def _shots_mb(planned: PlannedShots) -> int:
    return math.ceil(planned.row.frames * SHOT_BYTES / 1e6)


def _bins(cube: Any) -> list[int]:
    """Bins of each axis; of steps, which only the data know, as many as are usual."""
    return [
        len(axis.edges) - 1 if axis.type == "edges" else getattr(axis, "bins", USUAL_STEPS)
        for axis in cube.axes.values()
    ]


def _kinds(cube: Any) -> list[int]:
    return [len(label.kinds) for label in cube.labels.values()]


def _elements(planned: PlannedShots, name: str) -> int:
    """Elements of a value of the small data, by the function that makes it."""
    detector, _, key = name.partition("/")
    settings = planned.reduction.detectors.get(detector)
    if settings is None:
        return 1
    known = planned.configuration.detectors.get(detector)
    pixels = UNKNOWN_PIXELS if known is None else math.prod(known.frame_shape)
    made_by = [f for title, f in settings.functions.items() if key.startswith(f"{title}_")]
    return max([1, *(function_bytes(function, pixels) // 8 for function in made_by)])
