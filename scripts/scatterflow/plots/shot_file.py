"""What the figures of technique `shots` read from a small data file (`results/R/X/R.h5`).

One row per shot: /<group>/<field>, /<detector>/<function>_<field>, /variables/<name>, /filters/<name>;
lists of variable length in /<detector>/var_<function>_<field>/; sums over shots in /Sums; constants and
parameters of functions in /UserDataCfg/<detector>.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.detectors.positions import stored_positions
from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import reading
from scatterflow.shots.images import ImageIndex, image_index, stacked_index

ONCE = ("Sums", "UserDataCfg")
BLOCK = 120
"""Shots of a running median: a few seconds of most machines."""


@contextmanager
def shot_file(path: str | Path) -> Iterator[h5py.File]:
    """A small data file open for reading; raises UserError if it is none."""
    with reading(path) as file:
        if "tag" not in file:
            raise UserError("no small data file: it lacks /tag", str(path), "give results/R/X/R.h5")
        yield file


def heading(file: h5py.File) -> str:
    """Run and reduction, from the file's place."""
    path = Path(file.filename)
    return f"run {path.stem} · {path.parent.name}"


def number_of_shots(file: h5py.File) -> int:
    """Rows of the file."""
    return int(file["tag"].shape[0])


def scalar_names(file: h5py.File) -> list[str]:
    """Paths of all numbers per shot, in alphabetical order."""
    shots, names = number_of_shots(file), []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape == (shots,):
            names.append(name)

    for group in file.values():
        if isinstance(group, h5py.Group) and group.name.strip("/") not in ONCE:
            group.visititems(
                lambda name, item, group=group: visit(f"{group.name[1:]}/{name}", item)
            )
    return sorted(name for name in names if "/var_" not in name)


def detector_names(file: h5py.File) -> list[str]:
    """Detectors with constants in the file."""
    return sorted(file["UserDataCfg"]) if "UserDataCfg" in file else []


def monitor_names(file: h5py.File) -> list[str]:
    """Intensity monitors: the sums of groups that are no detector."""
    own = detector_names(file)
    return [
        name
        for name in scalar_names(file)
        if name.endswith("/sum") and name.split("/")[0] not in own
    ]


def column(file: h5py.File, name: str) -> np.ndarray:
    """(n, ...) values of a column, numbers as float64; `delay` is short for `variables/delay`."""
    path = name if name in file else f"variables/{name}"
    if path not in file:
        raise UserError(f"no column {name!r}", file.filename, suggestion(name, scalar_names(file)))
    try:
        return np.asarray(file[path][()], dtype=np.float64)
    except OSError as error:
        raise UserError(
            f"cannot be read ({error})",
            f"{file.filename}, {path}",
            "delete the file and run snakemake again",
        ) from error


def unit_of(file: h5py.File, name: str) -> str:
    """Unit of a column, empty where none is stated."""
    path = name if name in file else f"variables/{name}"
    return text(file[path].attrs.get("units", ""))


def text(value: Any) -> str:
    """A stored text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def status(file: h5py.File, beam: str) -> np.ndarray:
    """(n,) 1 on, 0 off, -1 not known; on where the file has no such column."""
    name = f"lightStatus/{beam}"
    return column(file, name) if name in file else np.ones(number_of_shots(file))


def results_of(file: h5py.File, detector: str, ending: str) -> list[str]:
    """Names of a detector's results whose name is `ending` or ends with `_ending`."""
    names = [] if detector not in file else list(file[detector])
    found = [
        name
        for name in names
        if (name == ending or name.endswith(f"_{ending}")) and not name.startswith("var_")
    ]
    return [f"{detector}/{name}" for name in found]


def lists_of(file: h5py.File, detector: str, ending: str) -> list[str]:
    """Paths of a detector's lists of variable length whose name ends with `ending`."""
    names = [] if detector not in file else list(file[detector])
    return [
        f"{detector}/{name}" for name in names if name.startswith("var_") and name.endswith(ending)
    ]


def parameters(file: h5py.File, detector: str) -> dict[str, Any]:
    """What functions of a detector were set to, and its calibration, by name (`ring__roi`)."""
    group = file.get(f"UserDataCfg/{detector}")
    if group is None:
        return {}
    return {
        name: _plain(item[()])
        for name, item in group.items()
        if isinstance(item, h5py.Dataset) and (item.size or 0) <= 10_000
    }


def _plain(value: Any) -> Any:
    """Texts that are JSON are read as such."""
    if isinstance(value, bytes | str):
        value = text(value)
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def setting(found: dict[str, Any], result: str, name: str) -> Any:
    """A parameter of the function that made a result (`ccd/ring_spectrum_data`); None: not stored.

    Of nested functions the innermost that has it.
    """
    function = result.rsplit("/", 1)[-1].removeprefix("var_")
    while "_" in function:
        function = function.rsplit("_", 1)[0]
        if f"{function}__{name}" in found:
            return found[f"{function}__{name}"]
    return None


def nested_setting(found: dict[str, Any], name: str) -> Any:
    """The first parameter called `name` at any depth, None: not stored."""
    for key, value in sorted(found.items()):
        if key.rsplit("__", 1)[-1] == name:
            return value
    inner = [value for value in found.values() if isinstance(value, dict)]
    tried = (nested_setting(value, name) for value in inner)
    return next((value for value in tried if value is not None), None)


def detector_index(file: h5py.File, detector: str, shape: tuple[int, ...]) -> ImageIndex | None:
    """Where the detector's pixels are in an image; None: not stored."""
    group = file.get(f"UserDataCfg/{detector}")
    if group is None or "x" not in group or "y" not in group:
        return None
    place = f"{file.filename}, {group.name}"
    x, y, _ = stored_positions(group, shape, place)
    return image_index(x, y)


def index_of(file: h5py.File, detector: str, shape: tuple[int, ...]) -> tuple[ImageIndex, str]:
    """Where pixels go in an image, and the unit of its axes: mm, or tiles stacked, in pixels."""
    found = detector_index(file, detector, shape)
    return (found, "mm") if found is not None else (stacked_index(shape), "pixels")


def block_means(values: np.ndarray, block: int) -> np.ndarray:
    """Means of `block` rows after each other, NaN left out; NaN where all are."""
    starts = np.arange(0, len(values), block)
    known = np.isfinite(values)
    count = np.add.reduceat(known, starts, axis=0, dtype=np.float64)
    total = np.add.reduceat(np.where(known, values, 0.0), starts, axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def block_quantiles(values: np.ndarray, block: int, fractions: tuple[float, ...]) -> np.ndarray:
    """(fractions, blocks) of `block` values after each other, NaN left out; NaN where all are."""
    parts = (values[start : start + block] for start in range(0, len(values), block))
    known = (part[np.isfinite(part)] for part in parts)
    rows = [np.quantile(p, fractions) if p.size else np.full(len(fractions), np.nan) for p in known]
    return np.array(rows).reshape(-1, len(fractions)).T


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the first axis and its standard error, NaN left out; NaN of fewer than one and two."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    mean = np.where(count > 0, filled.sum(axis=0) / np.maximum(count, 1), np.nan)
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    error = np.sqrt(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
    return mean, np.where(count > 1, error, np.nan)


def histogram_edges(values: np.ndarray, most: int = 60) -> np.ndarray:
    """Edges that show all but the outermost thousandth of values, not finer than whole numbers are."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.array([0.0, 1.0])
    low, high = np.quantile(finite, (0.0005, 0.9995))
    if not high > low:
        room = 0.05 * abs(low) or 0.5
        return np.linspace(low - room, high + room, 12)
    bins = int(np.clip(np.sqrt(finite.size), 10, most))
    if (finite == np.round(finite)).all():
        step = max(1.0, np.ceil((high - low + 1) / most))
        return np.arange(low - 0.5, high + step, step)
    return np.linspace(low, high, bins + 1)
