"""What the figures of technique `shots` take from a small data file (`shots.small_data`): monitors, light,
results of a detector by what they end with, parameters of functions, positions of pixels; and means,
quantiles and histograms of values over shots.
"""

from __future__ import annotations

import json
from typing import Any

import h5py
import numpy as np

from scatterflow.detectors.stored_positions import stored_positions
from scatterflow.files.hdf5 import reading
from scatterflow.shots.images import ImageIndex, image_index, stacked_index
from scatterflow.shots.per_shot import measured
from scatterflow.shots.small_data import FILTERS, SmallData
from scatterflow.shots.variables import GROUP

BLOCK = 120
"""Shots of a running median: a few seconds of most machines."""
CONFIGURED = "UserDataCfg"
MANY = 5000
"""Values from which on a histogram leaves out the outermost ones."""
_INTENSITY = ("sum", "mean", "max", "azav", "data", "lineout")


def heading(data: SmallData) -> str:
    """Run, sample and reduction, as far as the file says."""
    with reading(data.path) as file:
        run, sample, reduction = (
            str(file.attrs.get(name, "")) for name in ("run", "sample", "reduction")
        )
    parts = [f"run {run or data.path.stem}", sample, reduction or data.path.parent.name]
    return " · ".join(part for part in parts if part)


def scalar_names(data: SmallData) -> list[str]:
    """Paths of all numbers per shot, in alphabetical order."""
    return sorted(name for name in data.scalars if "/" in name and name in data.names())


def detector_names(data: SmallData) -> list[str]:
    """Detectors that the reduction has calibrated."""
    with reading(data.path) as file:
        return sorted(file.get(CONFIGURED, ()))


def column(data: SmallData, name: str) -> np.ndarray:
    """(n, ...) values as float64, NaN where they were not measured."""
    return measured(data, name, 0, data.shots).astype(np.float64)


def status(data: SmallData, beam: str) -> np.ndarray:
    """(n,) 1 on, 0 off, -1 not known; on where the file has no such column."""
    found = data.scalars.get(f"lightStatus/{beam}")
    return np.ones(data.shots) if found is None else found.astype(np.float64)


def with_detector(data: SmallData, detector: str) -> np.ndarray:
    """(n,) bool: shots that have the detector."""
    found = data.scalars.get(f"damage/{detector}")
    return np.ones(data.shots, dtype=bool) if found is None else found == 1


def filter_names(data: SmallData) -> list[str]:
    """Filters, in alphabetical order."""
    start = f"{FILTERS}/"
    return sorted(name.removeprefix(start) for name in data.names() if name.startswith(start))


def results_of(data: SmallData, detector: str, ending: str) -> list[str]:
    """Names of a detector's results, per shot, whose key is `ending` or ends with `_ending`."""
    start = f"{detector}/"
    keys = (name.removeprefix(start) for name in data.names() if name.startswith(start))
    return sorted(start + key for key in keys if key == ending or key.endswith(f"_{ending}"))


def lists_of(data: SmallData, detector: str, ending: str) -> list[str]:
    """Names of a detector's lists of variable length that end with `ending`."""
    names = data.list_names()
    return sorted(
        name for name in names if name.startswith(f"{detector}/") and name.endswith(ending)
    )


def unit_of(data: SmallData, name: str) -> str:
    """Unit of a value; intensities of a detector are in that of its frames."""
    stated = data.unit(name)
    detector, _, key = name.partition("/")
    if stated or not key.endswith(_INTENSITY):
        return stated
    return frame_unit(data, detector)


def frame_unit(data: SmallData, detector: str) -> str:
    """Unit of a detector's calibrated frames, ADU or photons; empty where it is no such detector."""
    with reading(data.path) as file:
        found = file.get(f"{CONFIGURED}/{detector}/unit")
        return "" if found is None else found.asstr()[()]


def fixed_beside(data: SmallData, name: str, key: str) -> np.ndarray | None:
    """What holds for all shots of the function that made a result: `edges` of `ccd/spectrum_data`; None: it
    has no such thing."""
    detector, _, result = name.partition("/")
    place = f"{CONFIGURED}/{detector}/{result.rpartition('_')[0]}_{key}"
    with reading(data.path) as file:
        return file[place][()].astype(np.float64) if place in file else None


def parameters(data: SmallData, detector: str) -> dict[str, Any]:
    """Parameters of a detector's functions by name (`ring__roi`)."""
    with reading(data.path) as file:
        group = file.get(f"{CONFIGURED}/{detector}", {})
        return {name: _plain(item) for name, item in group.items() if "__" in name}


def _plain(item: h5py.Dataset) -> Any:
    """Lists and groups of settings are stored as JSON."""
    value = item[()]
    if not isinstance(value, bytes):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value.decode()


def nested_setting(found: Any, name: str) -> Any:
    """The first parameter called `name` at any depth; None: not stored."""
    if not isinstance(found, dict):
        return None
    for key, value in sorted(found.items()):
        if key.rsplit("__", 1)[-1] == name:
            return value
    tried = (nested_setting(value, name) for _, value in sorted(found.items()))
    return next((value for value in tried if value is not None), None)


def index_of(data: SmallData, detector: str, shape: tuple[int, ...]) -> tuple[ImageIndex, str]:
    """Where pixels go in an image, and the unit of its axes: mm, or tiles stacked, in pixels."""
    with reading(data.path) as file:
        group = file.get(f"{CONFIGURED}/{detector}", {})
        if "x" not in group:
            return stacked_index(shape), "pixels"
        x, y, _ = stored_positions(group, shape, f"{data.path}, {group.name}")
    return image_index(x, y), "mm"


def good_pixels(data: SmallData, detector: str) -> np.ndarray:
    """(*shape) bool: pixels of a detector that the reduction used."""
    with reading(data.path) as file:
        good: np.ndarray = file[f"{CONFIGURED}/{detector}/mask"][()] == 1
    return good


def short_name(name: str) -> str:
    """A value's name on an axis: variables by their own."""
    return name.removeprefix(f"{GROUP}/")


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
    return _quantiles(parts, fractions)


def quantiles(values: np.ndarray, fractions: tuple[float, ...]) -> np.ndarray:
    """(fractions, columns) of (n, columns), NaN left out; NaN where all are."""
    return _quantiles(values.T, fractions)


def _quantiles(parts: Any, fractions: tuple[float, ...]) -> np.ndarray:
    known = (part[np.isfinite(part)] for part in parts)
    nothing = np.full(len(fractions), np.nan)
    rows = [np.quantile(part, fractions) if part.size else nothing for part in known]
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
    """Edges of a histogram, not finer than whole numbers are; of many values all but the outermost
    thousandth."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.array([0.0, 1.0])
    outermost = 0.0005 if finite.size >= MANY else 0.0
    low, high = np.quantile(finite, (outermost, 1 - outermost))
    if not high > low:
        room = 0.05 * abs(low) or 0.5
        return np.linspace(low - room, high + room, 12)
    bins = int(np.clip(np.sqrt(finite.size), 10, most))
    if (finite == np.round(finite)).all():
        step = max(1.0, np.ceil((high - low + 1) / most))
        return np.arange(np.floor(low) - 0.5, high + step, step)
    return np.linspace(low, high, bins + 1)
