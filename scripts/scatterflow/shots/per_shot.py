"""Values per shot out of the small data, as statistics over shots take them: in blocks, and with what was
not measured missing.

The blocks do not depend on chunks or threads, so that sums over them are the same wherever they are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading
from scatterflow.shots.small_data import read_measured

if TYPE_CHECKING:
    from scatterflow.shots.small_data import SmallData

BLOCK_BYTES = 64_000_000
MOST_SHOTS = 1_000_000
AXES = {
    "q": ("q", -1),
    "sector": ("sector_edges", -2),
    "radius": ("radius", -1),
    "value": ("edges", -1),
}
"""Coordinates that functions note: name, what it is called there, and the dimension that it belongs to."""


def check_names(small: SmallData, names: Sequence[str], where: str) -> None:
    """Raise UserError for a name that the small data does not have, such as of a detector that was absent."""
    for name in names:
        try:
            small.path_of(name)
        except UserError as error:
            raise error.inside(where) from None


def passing(small: SmallData, filters: Sequence[str], where: str) -> np.ndarray:
    """(n,) bool, shots that pass all filters. Raises UserError if none does."""
    passed = np.asarray(small.passed(list(filters)), dtype=bool)
    if passed.any():
        return passed
    each = {name: int(np.count_nonzero(small.passed([name]))) for name in filters}
    told = ", ".join(f"{name} lets {number} pass" for name, number in each.items())
    raise UserError(
        f"no shot of {small.shots} passes the filters" + (f": {told}" if told else ""),
        where,
        "loosen the filters, or leave this run out",
    )


def check_scalars(small: SmallData, names: Sequence[str], where: str) -> None:
    """Raise UserError for names that are not there, or are no single number per shot."""
    check_names(small, names, where)
    for name in names:
        if shape := small.shape(name):
            raise UserError(
                f"{name!r} is an array of {shape} per shot, not a number",
                where,
                "choose a single value per shot",
            )


def scalar(small: SmallData, name: str, where: str) -> np.ndarray:
    """(n,) numbers of a value per shot, of all shots, NaN where it was not measured.

    Raises UserError as `check_scalars`.
    """
    check_scalars(small, [name], where)
    return measured(small, name, 0, small.shots)


def measured(small: SmallData, name: str, start: int, stop: int) -> np.ndarray:
    """(stop - start, ...) values of shots, as `small_data.read_measured` gives them."""
    with reading(small.path) as file:
        return read_measured(file, small.path_of(name), start, stop)


def shot_blocks(small: SmallData, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(start, stop) of blocks of shots of which the named values go into memory together."""
    # Integers may have to become float64.
    row = sum(16 * math.prod(small.shape(name)) for name in names)
    size = max(1, min(BLOCK_BYTES // max(row, 1), MOST_SHOTS))
    for start in range(0, small.shots, size):
        yield start, min(start + size, small.shots)


def element_axes(small: SmallData, name: str) -> dict[str, tuple[int, np.ndarray, str]]:
    """Coordinates of the elements of an array per shot: {name: (dimension, values, unit)}.

    They are what the function that made the array noted beside it (`AXES`).
    """
    shape = small.shape(name)
    detector, _, key = name.partition("/")
    found: dict[str, tuple[int, np.ndarray, str]] = {}
    with reading(small.path) as file:
        noted = file.get(f"UserDataCfg/{detector}", {})
        words = key.split("_")
        for title, (fixed, dimension) in AXES.items():
            if -dimension > len(shape):
                continue
            for length in range(len(words) - 1, 0, -1):
                dataset = noted.get(f"{'_'.join(words[:length])}_{fixed}")
                if dataset is None:
                    continue
                values = np.asarray(dataset[()], dtype=np.float64)
                if fixed.endswith("edges"):
                    values = (values[1:] + values[:-1]) / 2
                if values.shape == (shape[dimension],):
                    place = len(shape) + dimension
                    found[title] = (place, values, str(dataset.attrs.get("units", "")))
                break
    return found
