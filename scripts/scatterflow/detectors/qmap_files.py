"""q-map files: new and old layouts of APS 8-ID, read into a `QMap`; the new one is written.

New (`/qmap`; in a result `/xpcs/qmap`), of pySimpleMask, read by boost_corr and pyXpcsViewer; X is
`dynamic` or `static`:

| dataset | content |
| --- | --- |
| `X_roi_map` | (rows, columns), bins numbered from 1 without gaps, 0 = not used |
| `X_num_pts` | [n0, n1] intervals per coordinate |
| `X_v_list_dim0`, `_dim1` | centres of the intervals |
| `X_index_mapping` | natural index i0 * n1 + i1 of each bin |
| `mask`, `blemish` | 1 = good |
| `map_names`, `map_units` | two texts: `q`, `phi` or `x`, `y`, ... |
| `beam_center_x`, `_y`, `pixel_size`, `energy`, `detector_distance` | pixel, pixel, m, keV, m |

The group's attribute `hash` is the viewer's cache key: here the SHA-256 of the content. The viewer
needs two names: a q-map of one coordinate is written with a second one of a single interval. Units
are written as the viewer shows them (`Å⁻¹`, `deg`). Beside these datasets stand our own `X_values`
(centre of each bin) and `X_span_dim0`, `_dim1` (edges of the intervals), and the attribute
`coordinates` with the names that count.

Old (`/data`; in legacy results `/xpcs` under other names): `dynamicMap`, `dqval`, `dphival`,
`dnoq`, `dnophi`, `dqspan`, `dphispan` and the same for `static`; bin (iq - 1) * nphi + iphi, empty
bins keep their number, the listed value is the mean over the pixels, and everything is (1, n).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.detectors.qmap import NUMBERS, Partition, QMap, Shape, check_shape, make_qmap
from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, text_of, write_array, writing
from scatterflow.files.hdf5_inside import check_inside

VERSION = "1.0"
_MOST = 2**31  # bins, and intervals
_SECOND = {"q": "phi", "phi": "q", "x": "y", "y": "x"}
_UNITS_OF_FILE = {"1/angstrom": "Å⁻¹", "1/nm": "nm⁻¹", "degree": "deg", "pixel": "pixel"}
_UNITS = {
    **dict.fromkeys(("Å⁻¹", "A⁻¹", "Å^-1", "A^-1", "1/A", "1/Å", "1/angstrom"), "1/angstrom"),
    **dict.fromkeys(("nm⁻¹", "nm^-1", "1/nm"), "1/nm"),
    **dict.fromkeys(("deg", "°", "degree", "degrees"), "degree"),
    **dict.fromkeys(("pixel", "pixels", "px", "pxl"), "pixel"),
}
_UNIT_OF_NAME = {"q": "1/angstrom", "phi": "degree", "x": "pixel", "y": "pixel"}

# Of the old layouts: map, values of both coordinates, their spans, their numbers of intervals.
_OLD = {
    "/data": (
        ("dynamicMap", "dqval", "dphival", "dqspan", "dphispan", "dnoq", "dnophi"),
        ("staticMap", "sqval", "sphival", "sqspan", "sphispan", "snoq", "snophi"),
    ),
    "/xpcs": (
        ("dqmap", "dqlist", "dphilist", "dqspan", "dphispan", "dnoq", "dnophi"),
        ("sqmap", "sqlist", "sphilist", "sqspan", "sphispan", "snoq", "snophi"),
    ),
}


def read_qmap(path: str | Path, shape: Shape | None = None) -> QMap:
    """The q-map of a file in any of the layouts.

    shape: (rows, columns) of the detector, checked if given.

    Raises UserError for a file that is missing or holds no q-map, that lacks a dataset, for another
    shape, and for a q-map that is not consistent (`make_qmap`).
    """
    with reading(path, "give a q-map file of APS 8-ID or one of scatterflow") as file:
        check_inside(file, Path(path))
        for name in ("/qmap", "/xpcs/qmap"):
            if _has(file, name, "dynamic_roi_map"):
                return _read_new(_Datasets(file[name], f"{path}, {name}"), shape)
        for name, (dynamic, static) in _OLD.items():
            if _has(file, name, dynamic[0]):
                return _read_old(_Datasets(file[name], f"{path}, {name}"), dynamic, static, shape)
    raise UserError(
        "the file holds no q-map",
        str(path),
        "it needs a group /qmap, /xpcs/qmap or /data as APS 8-ID's q-maps have",
    )


def write_qmap(path: str | Path, qmap: QMap) -> None:
    """Write a q-map as group /qmap of a new file, whole; equal q-maps give equal bytes."""
    with writing(path) as file:
        write_qmap_group(file.create_group("qmap"), qmap)


def write_qmap_group(group: h5py.Group, qmap: QMap) -> None:
    """Write a q-map into an empty group: /qmap of a file, /xpcs/qmap of a result."""
    names, units = _two(qmap)
    group.attrs["hash"] = qmap.digest
    group.attrs["version"] = VERSION
    group.attrs["coordinates"] = list(qmap.names)
    mask = qmap.mask.astype(np.uint8)
    _write_image(group, "mask", mask)
    _write_image(group, "blemish", mask)
    write_array(group, "map_names", names)
    write_array(group, "map_units", [_UNITS_OF_FILE.get(unit, unit) for unit in units])
    for name in ("dynamic", "static"):
        numbers = getattr(qmap, name)
        _write_image(group, f"{name}_roi_map", numbers.astype(np.min_scalar_type(numbers.max())))
        _write_intervals(group, name, qmap, names, units)
    for key in NUMBERS:
        if key in qmap.attributes:
            write_array(group, key, np.float64(qmap.attributes[key]))
    write_array(group, "source_file", str(qmap.attributes.get("source_file", "")))


def _two(qmap: QMap) -> tuple[list[str], list[str]]:
    """Names and units of the two coordinates that the layout always has."""
    names, units = list(qmap.names), list(qmap.units)
    if len(names) == 1:
        names.append(_SECOND.get(names[0], "phi"))
        units.append(_UNIT_OF_NAME[names[1]])
    return names, units


def _write_image(group: h5py.Group, name: str, pixels: np.ndarray) -> None:
    group.create_dataset(name, data=pixels, compression="gzip", shuffle=True, track_times=False)


def _write_intervals(
    group: h5py.Group, name: str, qmap: QMap, names: list[str], units: list[str]
) -> None:
    lists, spans = getattr(qmap, f"{name}_lists"), getattr(qmap, f"{name}_spans")
    write_array(group, f"{name}_num_pts", np.array(getattr(qmap, f"{name}_shape"), np.int64))
    write_array(group, f"{name}_index_mapping", getattr(qmap, f"{name}_index"))
    write_array(group, f"{name}_values", getattr(qmap, f"{name}_values"))
    for number, (label, unit) in enumerate(zip(names, units, strict=True)):
        values = lists[number] if number < len(lists) else np.zeros(1)
        listed = write_array(group, f"{name}_v_list_dim{number}", values, units=unit)
        listed.attrs.update(
            {"unit": _UNITS_OF_FILE.get(unit, unit), "name": label, "size": len(values)}
        )
        if number < len(spans):
            write_array(group, f"{name}_span_dim{number}", spans[number], units=unit)


def _has(file: h5py.File, group: str, name: str) -> bool:
    return isinstance(file.get(group), h5py.Group) and name in file[group]


class _Datasets:
    """Datasets of one group: what is missing or of a wrong kind is the user's to hear."""

    def __init__(self, group: h5py.Group, where: str) -> None:
        self.group = group
        self.where = where

    def __contains__(self, name: str) -> bool:
        return isinstance(self.group.get(name), h5py.Dataset)

    def _value(self, name: str) -> Any:
        if name not in self:
            raise UserError(
                f"the q-map lacks the dataset {name!r}", self.where, "make the q-map again"
            )
        try:
            return self.group[name][()]
        except (OSError, ValueError) as error:
            raise self.fault(name, f"cannot be read ({str(error)[:100]})") from error

    def fault(self, name: str, what: str) -> UserError:
        return UserError(f"dataset {name!r} {what}", self.where, "make the q-map again")

    def image(self, name: str) -> np.ndarray:
        """A map of numbers: (rows, columns) int64, none negative."""
        pixels = np.squeeze(self._value(name))
        if pixels.ndim != 2 or pixels.dtype.kind not in "biuf":
            raise self.fault(name, "is no image of numbers")
        return self._whole(name, pixels)

    def _whole(self, name: str, values: np.ndarray) -> np.ndarray:
        """Values as int64, all from 0 to 2^31 - 1."""
        if not ((values >= 0) & (values < _MOST)).all() or (values % 1 != 0).any():
            raise self.fault(name, "holds numbers that are negative, not whole or too large")
        return values.astype(np.int64)

    def numbers(self, name: str) -> np.ndarray:
        """A list of numbers, float64, whatever its shape."""
        values = np.asarray(self._value(name))
        if values.dtype.kind not in "biuf":
            raise self.fault(name, "holds no numbers")
        return values.astype(np.float64).reshape(-1)

    def number(self, name: str) -> float | None:
        """One number; None if it is none (NaN)."""
        value = float(self.table(name, 1, 1)[0, 0])
        return value if math.isfinite(value) else None

    def table(self, name: str, rows: int, columns: int) -> np.ndarray:
        """Numbers as (rows, columns) float64."""
        values = self.numbers(name)
        if values.size != rows * columns:
            raise self.fault(name, f"holds {values.size} numbers, not {rows} x {columns}")
        return values.reshape(rows, columns)

    def counts(self, name: str, most: int) -> np.ndarray:
        """Whole numbers from 0 to most - 1, int64."""
        whole = self._whole(name, self.numbers(name))
        if (whole >= most).any():
            raise self.fault(name, f"holds {whole.max()}; the highest can be {most - 1}")
        return whole

    def count(self, name: str) -> int:
        """One whole number."""
        return int(self._whole(name, self.table(name, 1, 1))[0, 0])

    def texts(self, name: str) -> tuple[str, ...]:
        values = np.atleast_1d(self._value(name)).reshape(-1).tolist()
        if not all(isinstance(item, bytes | str) for item in values):
            raise self.fault(name, "holds no texts")
        return tuple(text_of(item) for item in values)


def _read_new(datasets: _Datasets, shape: Shape | None) -> QMap:
    names, units = _names_and_units(datasets)
    parts = {
        name: _new_partition(datasets, name, len(names), shape) for name in ("dynamic", "static")
    }
    attributes: dict[str, Any] = {key: datasets.number(key) for key in NUMBERS if key in datasets}
    if "source_file" in datasets:
        attributes["source_file"] = "".join(datasets.texts("source_file")[:1]) or None
    mask = _mask(datasets, parts["dynamic"].numbers)
    return make_qmap(
        parts["dynamic"], parts["static"], mask, names, units, attributes, datasets.where
    )


def _names_and_units(datasets: _Datasets) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names, units = datasets.texts("map_names"), datasets.texts("map_units")
    if not 1 <= len(names) <= 2 or len(names) != len(units) or len(set(names)) != len(names):
        raise datasets.fault("map_names", "names no one or two coordinates that have units")
    stated = datasets.group.attrs.get("coordinates")
    if stated is not None:
        count = len(np.atleast_1d(stated))
    else:
        second = [datasets.counts(f"{name}_num_pts", _MOST) for name in ("dynamic", "static")]
        count = 1 if all(item.size < 2 or item[1] == 1 for item in second) else 2
    count = min(count, len(names))
    return names[:count], tuple(_UNITS.get(unit, unit) for unit in units[:count])


def _new_partition(
    datasets: _Datasets, name: str, coordinates: int, shape: Shape | None
) -> Partition:
    numbers = _numbers(datasets, f"{name}_roi_map", shape)
    sizes = [int(size) for size in datasets.counts(f"{name}_num_pts", _MOST)]
    n0, n1 = (sizes + [1, 1])[:2]
    lists = tuple(datasets.numbers(f"{name}_v_list_dim{axis}") for axis in range(coordinates))
    if [len(item) for item in lists] != [n0, n1][:coordinates]:
        raise datasets.fault(
            f"{name}_v_list_dim0",
            f"and its fellows list {[len(item) for item in lists]} values, "
            f"{name}_num_pts says {[n0, n1][:coordinates]}",
        )
    index = datasets.counts(f"{name}_index_mapping", n0 * n1)
    values = np.stack(
        [lists[axis][index // n1 if axis == 0 else index % n1] for axis in range(coordinates)], 1
    )
    if f"{name}_values" in datasets:
        values = datasets.table(f"{name}_values", *values.shape)
    spans = [f"{name}_span_dim{axis}" for axis in range(coordinates)]
    known = all(span in datasets for span in spans)
    return Partition(
        numbers,
        index,
        values,
        (n0, n1),
        lists,
        tuple(datasets.table(span, len(item), 2) for span, item in zip(spans, lists, strict=True))
        if known
        else (),
    )


def _numbers(datasets: _Datasets, name: str, shape: Shape | None) -> np.ndarray:
    numbers = datasets.image(name)
    if shape is not None:
        check_shape(numbers.shape, shape, datasets.where)
    return numbers.astype(np.uint32)


def _mask(datasets: _Datasets, numbers: np.ndarray) -> np.ndarray:
    """Mask and blemish of the file; q-maps without a mask exist: there the maps say all."""
    good = np.ones(numbers.shape, bool)
    for name in ("mask", "blemish"):
        if name in datasets:
            image = datasets.image(name) > 0
            if image.shape != numbers.shape:
                raise datasets.fault(name, f"is {image.shape} pixels large, a map {numbers.shape}")
            good &= image
    return good


def _read_old(
    datasets: _Datasets, dynamic: tuple[str, ...], static: tuple[str, ...], shape: Shape | None
) -> QMap:
    parts = [_old_partition(datasets, entries, shape) for entries in (dynamic, static)]
    two = any(part.shape[1] > 1 for part in parts)
    names = ("q", "phi")[: 1 + two]
    parts = [_first_coordinates(part, len(names)) for part in parts]
    units = tuple(_UNIT_OF_NAME[name] for name in names)
    mask = _mask(datasets, parts[0].numbers)
    return make_qmap(parts[0], parts[1], mask, names, units, {}, datasets.where)


def _old_partition(datasets: _Datasets, entries: tuple[str, ...], shape: Shape | None) -> Partition:
    image, value0, value1, span0, span1, count0, count1 = entries
    numbers = _numbers(datasets, image, shape)
    n0, n1 = (datasets.count(name) if name in datasets else 1 for name in (count0, count1))
    first = datasets.table(value0, n0, n1)
    alone = n1 == 1 and value1 not in datasets
    second = np.zeros((n0, n1)) if alone else datasets.table(value1, n0, n1)
    values = np.stack([first, second], axis=2).reshape(-1, 2)
    # The same interval has its own mean in each bin: listed is the mean of those with pixels.
    filled = np.bincount(numbers.reshape(-1), minlength=n0 * n1 + 1)[1 : n0 * n1 + 1] > 0
    lists = tuple(
        _means(values[:, axis].reshape(n0, n1), filled.reshape(n0, n1), 1 - axis) for axis in (0, 1)
    )
    edges = [datasets.numbers(name) if name in datasets else np.empty(0) for name in (span0, span1)]
    whole = [len(item) for item in edges] == [n0 + 1, n1 + 1]
    spans = tuple(np.stack([item[:-1], item[1:]], 1) for item in edges) if whole else ()
    return Partition(numbers, np.arange(n0 * n1), values, (n0, n1), lists, spans)


def _means(values: np.ndarray, filled: np.ndarray, axis: int) -> np.ndarray:
    """Means of the values of filled bins along an axis; 0 where none is."""
    count = filled.sum(axis=axis)
    total = np.where(filled, values, 0.0).sum(axis=axis)
    return total / np.maximum(count, 1)


def _first_coordinates(part: Partition, count: int) -> Partition:
    return Partition(
        part.numbers,
        part.index,
        np.ascontiguousarray(part.values[:, :count]),
        part.shape,
        part.lists[:count],
        part.spans[:count],
    )
