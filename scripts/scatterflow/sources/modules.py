"""Detectors of several modules, each of which writes a file of its own: where the modules are.

Rigaku 3M (APS 8-ID-I): six modules of 512 x 1024 pixels, three rows of two, with gaps of 70 rows and 52
columns. The files are not numbered in reading order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.sources.events import Events, gathered


@dataclass(frozen=True)
class Module:
    """One module: what is put behind the path of the run for its file, and its first pixel's place.

    turned: mounted upside down, by 180 degrees.
    """

    suffix: str
    row: int
    column: int
    turned: bool = False


RIGAKU_MODULE = (512, 1024)
_RIGAKU_3M_GAPS = (70, 52)
_RIGAKU_3M_FILES = (5, 0, 4, 1, 3, 2)
"""Numbers of the files in reading order."""
RIGAKU_3M = tuple(
    Module(
        f".{number:03d}",
        (place // 2) * (RIGAKU_MODULE[0] + _RIGAKU_3M_GAPS[0]),
        (place % 2) * (RIGAKU_MODULE[1] + _RIGAKU_3M_GAPS[1]),
    )
    for place, number in enumerate(_RIGAKU_3M_FILES)
)
RIGAKU_3M_SHAPE = (1676, 2100)


def configured_modules(modules: str | list[Mapping[str, Any]] | None) -> tuple[Module, ...]:
    """The modules of a source; of one without, a single one at the first pixel, in the file itself."""
    if modules is None:
        return (Module("", 0, 0),)
    if modules == "rigaku_3m":
        return RIGAKU_3M
    return tuple(Module(**place) for place in modules if not isinstance(place, str))


def check_modules(
    modules: tuple[Module, ...],
    module_shape: tuple[int, int],
    shape: tuple[int, int],
    where: str,
    halves: bool = False,
) -> None:
    """Raise UserError unless all modules lie within the detector, and none upon another.

    halves: two files of one place are allowed, those of the halves of a chip.
    """
    how = "correct the detector's shape, or `modules` of the source"
    for i, module in enumerate(modules):
        last = (module.row + module_shape[0], module.column + module_shape[1])
        if last[0] > shape[0] or last[1] > shape[1]:
            raise UserError(
                f"the module {module.suffix} reaches to row {last[0]}, column {last[1]} of a "
                f"detector of {shape[0]} x {shape[1]} pixels",
                where,
                how,
            )
        for other in modules[:i]:
            apart = (abs(module.row - other.row), abs(module.column - other.column))
            if halves and apart == (0, 0):
                continue
            if apart[0] < module_shape[0] and apart[1] < module_shape[1]:
                what = f"the modules {other.suffix} and {module.suffix} lie upon each other"
                raise UserError(what, where, how)


def placed(
    pixel: np.ndarray, module: Module, module_shape: tuple[int, int], columns: int
) -> np.ndarray:
    """Flat indices in a detector of so many columns, from those in a module, both row-major."""
    if module.row == module.column == 0 and columns == module_shape[1] and not module.turned:
        return pixel
    if module.turned:
        pixel = module_shape[0] * module_shape[1] - 1 - pixel
    row, column = np.divmod(pixel, module_shape[1])
    return (row + module.row) * columns + column + module.column


def joined_events(
    modules: Iterable[Module],
    events: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    module_shape: tuple[int, int],
    shape: tuple[int, int],
) -> Events:
    """Events of a detector of `shape`; events: (frame, pixel, count) of each module, with its own pixels."""
    parts = [
        (frame, placed(pixel, module, module_shape, shape[1]), count)
        for module, (frame, pixel, count) in zip(modules, events, strict=True)
    ]
    frame, pixel, count = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return gathered(frame, pixel, count, shape[0] * shape[1])


def events_of_module(
    events: Events, module: Module, module_shape: tuple[int, int], columns: int
) -> Events:
    """Those events of a detector that are in a module, with the module's own pixel indices."""
    row, column = np.divmod(events.pixel, columns)
    row, column = row - module.row, column - module.column
    inside = (row >= 0) & (row < module_shape[0]) & (column >= 0) & (column < module_shape[1])
    pixel = (row * module_shape[1] + column)[inside]
    if module.turned:
        pixel = module_shape[0] * module_shape[1] - 1 - pixel
    return Events(events.frame[inside], pixel, events.count[inside])
