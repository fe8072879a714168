"""The file of images of a chunk, summed in the cells of a cube; and how all chunks are put together.

    attributes            format, start, stop (shots), total_cells
    cells                 (k,) int64, the cells that shots of the chunk fall into
    good/<detector>       bool, of an image's shape
    sums/<kind>/<detector>/<name>     state of the chunk's cube (`Cube.state`), images as (k, pixels)
    provenance            JSON

Chunks are merged pixel range by pixel range, so that memory does not grow with the size of images.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, write_array, writing
from scatterflow.files.json import to_json
from scatterflow.shots.bin import ImageSums
from scatterflow.shots.cubes import Cube
from scatterflow.shots.moments import Moments
from scatterflow.shots.ratios import RatioSums

FORMAT = "scatterflow image sums 1"
SLAB_BYTES = 256_000_000
# Per cell and pixel: sums of a chunk as read and spread, of all chunks, and the statistics made of them.
SUM_BYTES = 240
NORMALISED_BYTES = 640
_AGAIN = "delete the folder of binned images and run snakemake again"


def write_image_sums(path: str | Path, found: ImageSums, provenance: dict[str, Any]) -> None:
    """Write the sums of a chunk whole."""
    with writing(path) as file:
        file.attrs.update(
            format=FORMAT, start=found.start, stop=found.stop, total_cells=found.total_cells
        )
        write_array(file, "cells", found.cells)
        for name, good in found.good.items():
            write_array(file, f"good/{name}", good.reshape(found.shapes[name]))
        for name, values in found.sums.state().items():
            write_array(file, f"sums/{name}", values)
        write_array(file, "provenance", to_json(provenance))


@dataclass(frozen=True)
class ImageParts:
    """Sums of all chunks of a run.

    paths: in the order of their shots; shapes, good: by detector; provenance: what the jobs noted, equal ones
    once.
    """

    paths: list[str | Path]
    shapes: dict[str, tuple[int, ...]]
    good: dict[str, np.ndarray]
    provenance: list[dict[str, Any]]


def open_image_parts(paths: Sequence[str | Path], shots: int, total_cells: int) -> ImageParts:
    """The sums of all chunks, in any order; shots: of the run; total_cells: of the cube.

    Raises UserError if they are not those of all shots of one run, binned in one way.
    """
    heads: list[tuple[int, int, str | Path]] = []
    shapes: dict[str, tuple[int, ...]] = {}
    good: dict[str, np.ndarray] = {}
    provenance: list[dict[str, Any]] = []
    for path in paths:
        with reading(path) as file:
            if file.attrs.get("format") != FORMAT:
                raise UserError("not a file of image sums of this version", str(path), _AGAIN)
            if int(file.attrs["total_cells"]) != total_cells:
                raise UserError("images that were binned in another way", str(path), _AGAIN)
            heads.append((int(file.attrs["start"]), int(file.attrs["stop"]), path))
            for name, dataset in file["good"].items():
                own = dataset[()]
                if not np.array_equal(good.setdefault(name, own), own):
                    raise UserError(f"good pixels of {name} differ", str(path), _AGAIN)
                shapes[name] = own.shape
            note = json.loads(file["provenance"].asstr()[()])
            if note not in provenance:
                provenance.append(note)
    heads.sort(key=lambda head: head[:2])
    expected = 0
    for start, stop, path in heads:
        if start != expected:
            raise UserError(f"shot {expected} should come next, not {start}", str(path), _AGAIN)
        expected = stop
    if expected != shots:
        raise UserError(f"images of {expected} shots of {shots}", str(heads[-1][2]), _AGAIN)
    return ImageParts([path for _, _, path in heads], shapes, good, provenance)


@dataclass(frozen=True)
class Slab:
    """A range of pixels: of the flattened image, and where it is in the image (an index for arrays whose last
    axes are the image's)."""

    first: int
    last: int
    index: tuple[Any, ...]
    shape: tuple[int, ...]


def slabs(shape: tuple[int, ...], bytes_per_pixel: int, memory: int = SLAB_BYTES) -> list[Slab]:
    """Ranges of whole rows of a tile that fit into memory; parts of a row where not even one does."""
    *tiles, rows, columns = shape if len(shape) > 1 else (1, *shape)
    most = max(1, memory // max(bytes_per_pixel, 1))
    high, wide = max(1, most // columns), min(most, columns)
    found = []
    for number, tile in enumerate(np.ndindex(*tiles)):
        for row in range(0, rows, high):
            for column in range(0, columns, wide):
                last_row, last = min(row + high, rows), min(column + wide, columns)
                first = (number * rows + row) * columns + column
                size = (last_row - row) * (last - column)
                part: tuple[slice, ...] = (slice(row, last_row), slice(column, last))
                part = part[-len(shape) :]
                inner = tuple(each.stop - each.start for each in part)
                found.append(Slab(first, first + size, (*tile, *part), inner))
    return found


def merged_slabs(parts: ImageParts, detector: str, empty: Cube) -> Iterator[tuple[Slab, Cube]]:
    """The sums of all chunks over ranges of pixels of a detector, each as a cube like `empty`.

    Bad pixels have count 0.
    """
    cells = int(np.prod(empty.shape))
    each = NORMALISED_BYTES if detector in empty.normalised else SUM_BYTES
    bad = ~parts.good[detector].reshape(-1)
    for slab in slabs(parts.shapes[detector], cells * each):
        cube = Cube(empty.axes, empty.labels, empty.normalised)
        for path in parts.paths:
            with reading(path) as file:
                own = Cube(empty.axes, empty.labels, empty.normalised)
                cube.merge(_spread(file, detector, slab, own))
        _leave_out(cube, bad[slab.first : slab.last])
        yield slab, cube


def _leave_out(cube: Cube, bad: np.ndarray) -> None:
    """Make bad pixels missing from every shot; their values were 0."""
    for group in (cube.moments, cube.ratio_moments, cube.ratio_sums):
        for sums in group.values():
            sums.missing[:, bad] = sums.shots[:, None]
    for ratio in cube.ratio_sums.values():
        ratio.sums[..., bad] = 0


def _spread(file: h5py.File, detector: str, slab: Slab, empty: Cube) -> Cube:
    """The sums of a chunk over a range of pixels, in all cells of the cube."""
    chosen = file["cells"][()]
    total = int(np.prod(empty.shape))
    pixels = slice(slab.first, slab.last)

    def all_cells(group: h5py.Group, name: str) -> np.ndarray:
        here = group[name][..., : len(chosen), pixels]
        whole = np.zeros((*here.shape[:-2], total, here.shape[-1]), here.dtype)
        whole[..., chosen, :] = here
        return whole

    def shots(group: h5py.Group) -> np.ndarray:
        whole = np.zeros(total, np.int64)
        whole[chosen] = group["shots"][: len(chosen)]
        return whole

    for kind, target in (("moments", empty.moments), ("ratio_moments", empty.ratio_moments)):
        if (where := f"sums/{kind}/{detector}") in file:
            arrays = ("missing", "high", "rest", "square_high", "square_rest")
            group = file[where]
            target[detector] = Moments(
                total, True, shots(group), *(all_cells(group, name) for name in arrays)
            )
    if (where := f"sums/ratio_sums/{detector}") in file:
        group = file[where]
        empty.ratio_sums[detector] = RatioSums(
            total, shots(group), all_cells(group, "missing"), all_cells(group, "sums")
        )
    return empty
