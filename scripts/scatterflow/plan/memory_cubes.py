"""What jobs that bin shots, or calculate from them, hold in memory: upper estimates, before anything is known
of the data. None of it grows with the run but the numbers that sort each shot into a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scatterflow.plan.chunks import BASE_MEMORY_MB
from scatterflow.plan.memory_shots import UNKNOWN_PIXELS, function_bytes

if TYPE_CHECKING:
    from scatterflow.plan.shots import PlannedShots

# Sums in twice the precision, of values and squares, and a count (`shots.moments`).
SUM_BYTES = 40
# The same of ratios, and plain sums of values, monitor and products (`shots.ratios`).
NORMALISED_BYTES = 88
# Means, errors, differences, made of sums while a cube is written.
RESULT_BYTES = 200
# Steps of a scan, before anybody has looked.
USUAL_STEPS = 200
# Coordinates, cells, filters and monitors of each shot.
SHOT_BYTES = 400
# Most bytes of a block of images as float32, and of shots in it; copies of it: stored, chosen, normalised.
BLOCK_BYTES, BLOCK_SHOTS, BLOCK_COPIES = 200_000_000, 256, 5
# Most bytes of a block of the small data; copies: as read, with what is missing, chosen, normalised.
SMALL_BYTES, SMALL_COPIES = 64_000_000, 4
# Most bytes of a range of pixels while a cube is written, and what it takes to spread and store them.
SLAB_BYTES, SLAB_PIXEL_BYTES, SLAB_COPIES = 256_000_000, 640, 1.5


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
    total = BASE_MEMORY_MB + _shots_mb(planned)
    cells = min(math.prod([*_bins(cube), *_kinds(cube)]), planned.chunk_shots)
    for name in cube.images:
        pixels = _pixels(planned, name)
        block = min(BLOCK_BYTES, 4 * BLOCK_SHOTS * pixels)
        total += math.ceil(BLOCK_COPIES * block / 1e6)
        total += cube_memory_mb((pixels,), (cells,), (), normalised=name in cube.normalise)
    return total


def cube_file_memory_mb(planned: PlannedShots, cube: Any) -> int:
    """Memory of the job that bins the small data and writes the cube, MB."""
    cells = math.prod([*_bins(cube), *_kinds(cube)])
    elements = {name: _elements(planned, name) for name in cube.quantities}
    total = BASE_MEMORY_MB + _shots_mb(planned) + _small_mb(planned, sum(elements.values()))
    for name, number in elements.items():
        normalised = name in cube.normalise
        total += cube_memory_mb((number,), _bins(cube), _kinds(cube), normalised=normalised)
        total += math.ceil(number * cells * RESULT_BYTES / 1e6)
    pixels = max((_pixels(planned, name) for name in cube.images), default=0)
    slab = min(SLAB_BYTES, SLAB_PIXEL_BYTES * cells * pixels)
    return total + math.ceil(SLAB_COPIES * slab / 1e6)


def calculation_memory_mb(planned: PlannedShots) -> int:
    """Memory of the job that does all calculations, MB; all results are held until they are written."""
    total, largest = BASE_MEMORY_MB + _shots_mb(planned), 1
    for item in planned.reduction.calculations.values():
        elements = _elements(planned, getattr(item, "variable", ""))
        largest = max(largest, elements)
        each = 100.0
        if item.type == "quantiles":
            each = 8 * (item.bins + 2)
        elif item.type == "covariance":
            each = 40 * elements
        elif item.type == "binned_statistics":
            each = SUM_BYTES * 2 * (item.bins or len(item.edges))
        shown = sum(_pixels(planned, name) for name in getattr(item, "images", ()))
        total += math.ceil((elements * each + 8 * shown * getattr(item, "number", 0)) / 1e6)
    return total + _small_mb(planned, largest)


def _small_mb(planned: PlannedShots, elements: int) -> int:
    """Of a block of the small data."""
    block = min(SMALL_BYTES, 16 * elements * planned.row.frames)
    return math.ceil(SMALL_COPIES * block / 1e6)


def _pixels(planned: PlannedShots, detector: str) -> int:
    known = planned.configuration.detectors.get(detector)
    return UNKNOWN_PIXELS if known is None else math.prod(known.frame_shape)


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
    pixels = _pixels(planned, detector)
    made_by = [f for title, f in settings.functions.items() if key.startswith(f"{title}_")]
    return max([1, *(function_bytes(function, pixels) // 8 for function in made_by)])
