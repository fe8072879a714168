"""q-maps: which pixels are correlated together.

A q-map divides the detector twice. Dynamic bins are what a correlation function is given for; the
pixels of one dynamic bin lie in one or more static bins, over each of which the scattered intensity
is taken as constant. A bin is the product of one interval per coordinate (q and phi, x and y); its
natural index is i0 * n1 + i1. Bins without a pixel are removed and the others numbered from 1: this
is the scheme of APS 8-ID's q-map files (pySimpleMask), where 0 means that a pixel is not used.

Always: every static bin lies in one dynamic bin; the mask is True exactly where both maps are > 0.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.checksums import array_sha256
from scatterflow.files.json import to_json

Shape = tuple[int, int]

NUMBERS = ("beam_center_x", "beam_center_y", "pixel_size", "energy", "detector_distance")
"""Attributes that are numbers: pixel (0 = centre of the first), pixel, m, keV, m."""


@dataclass(frozen=True, eq=False)
class Partition:
    """One division of the detector, dynamic or static.

    numbers: (rows, columns) uint32, the bin of each pixel from 1, 0 = none.
    index: (bins,) int64, natural index of each bin. values: (bins, coordinates) float64, its centre.
    shape: number of intervals per coordinate (1 for a second one that is not there).
    lists: centres of the intervals, one float64 array per coordinate.
    spans: their edges, one (intervals, 2) float64 array per coordinate; empty where unknown.
    """

    numbers: np.ndarray
    index: np.ndarray
    values: np.ndarray
    shape: Shape
    lists: tuple[np.ndarray, ...]
    spans: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True, eq=False)
class QMap:
    """A consistent pair of partitions; make it with `make_qmap`.

    dynamic, static: (rows, columns) uint32, bin numbers from 1 without gaps, 0 = not used.
    mask: (rows, columns) bool, True = used. names: the coordinates, the slow one first.
    units: their units, as NeXus writes them.
    dynamic_values, static_values: (bins, coordinates) float64, centre of each bin.
    dynamic_index, static_index: (bins,) int64, natural index of each bin.
    dynamic_shape, static_shape: number of intervals per coordinate, always two numbers.
    dynamic_lists, static_lists: centres of the intervals, one float64 array per coordinate.
    attributes: the numbers of `NUMBERS` that are known, and source_file.
    dynamic_spans, static_spans: edges of the intervals, (intervals, 2) float64 per coordinate; empty
        where they are not known.
    notes: what looks odd but may be meant (bins without pixels).
    """

    dynamic: np.ndarray
    static: np.ndarray
    mask: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    dynamic_values: np.ndarray
    static_values: np.ndarray
    dynamic_index: np.ndarray
    static_index: np.ndarray
    dynamic_shape: Shape
    static_shape: Shape
    dynamic_lists: tuple[np.ndarray, ...]
    static_lists: tuple[np.ndarray, ...]
    attributes: dict[str, Any]
    dynamic_spans: tuple[np.ndarray, ...] = ()
    static_spans: tuple[np.ndarray, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def shape(self) -> Shape:
        """(rows, columns) of the detector."""
        return self.mask.shape

    @property
    def dynamic_bins(self) -> int:
        """Number of dynamic bins."""
        return len(self.dynamic_index)

    @property
    def static_bins(self) -> int:
        """Number of static bins."""
        return len(self.static_index)

    @cached_property
    def pixels(self) -> np.ndarray:
        """Flat indices of the used pixels in q-map order, (P,) int64: by dynamic bin, then by static
        bin, then as they are stored. A pixel's place in this order is its position."""
        flat = np.flatnonzero(self.mask).astype(np.int64)
        # A stable sort: what is equal in both keys stays as it is stored.
        order = np.lexsort((self.static.reshape(-1)[flat], self.dynamic.reshape(-1)[flat]))
        return flat[order]

    @cached_property
    def dynamic_of_position(self) -> np.ndarray:
        """Dynamic bin of each position, (P,) int32 from 0, ascending."""
        return self.dynamic.reshape(-1)[self.pixels].astype(np.int32) - np.int32(1)

    @cached_property
    def static_of_position(self) -> np.ndarray:
        """Static bin of each position, (P,) int32 from 0."""
        return self.static.reshape(-1)[self.pixels].astype(np.int32) - np.int32(1)

    @cached_property
    def parent(self) -> np.ndarray:
        """Dynamic bin of each static bin, (static_bins,) int64 from 0."""
        parent = np.empty(self.static_bins, np.int64)
        parent[self.static_of_position] = self.dynamic_of_position
        return parent

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, whatever the type or order of bytes that a file stores it in.

        Neither notes nor the name of the source file count.
        """
        numbers = {key: self.attributes[key] for key in NUMBERS if key in self.attributes}
        content: dict[str, Any] = {"names": self.names, "units": self.units, "numbers": numbers}
        for key, kind in _ARRAYS.items():
            parts = getattr(self, key)
            parts = parts if isinstance(parts, tuple) else (parts,)
            content[key] = [array_sha256(np.asarray(part, kind)) for part in parts]
        return hashlib.sha256(to_json(content, indent=None).encode()).hexdigest()


_ARRAYS = {
    **dict.fromkeys(("dynamic", "static"), "<u4"),
    "mask": "?",
    **dict.fromkeys(("dynamic_values", "static_values", "dynamic_lists", "static_lists"), "<f8"),
    **dict.fromkeys(("dynamic_spans", "static_spans"), "<f8"),
    **dict.fromkeys(("dynamic_index", "static_index", "dynamic_shape", "static_shape"), "<i8"),
}


def make_qmap(
    dynamic: Partition,
    static: Partition,
    mask: np.ndarray,
    names: tuple[str, ...],
    units: tuple[str, ...],
    attributes: dict[str, Any],
    where: str,
) -> QMap:
    """The q-map of two partitions under a mask: checked, bins without pixels removed.

    mask: (rows, columns) bool, True = may be used. where: file or key, for messages.

    Raises UserError for maps of different shapes, numbers beyond the listed bins, a pixel with a
    dynamic and no static bin, a static bin across dynamic ones, values that are not finite, and if
    no pixel is left.
    """
    _check_shapes(dynamic, static, mask, where)
    for name, partition in (("dynamic", dynamic), ("static", static)):
        _check_numbers(name, partition, where)
    if not mask.any():
        raise UserError(
            "the mask of the q-map removes all pixels", where, "check the polarity of the mask"
        )
    used = mask & (dynamic.numbers > 0)
    if not used.any():
        raise UserError(
            "all bins of the q-map are empty: no good pixel lies in any of them",
            where,
            "check ranges, units and mask of the q-map",
        )
    _check_nesting(dynamic.numbers, static.numbers, used, where)
    notes = _left_out(mask & ~used & (static.numbers > 0))
    kept_dynamic, empty_dynamic = _compressed(dynamic, used, "dynamic", where)
    kept_static, empty_static = _compressed(static, used, "static", where)
    return QMap(
        kept_dynamic.numbers,
        kept_static.numbers,
        used,
        tuple(names),
        tuple(units),
        kept_dynamic.values,
        kept_static.values,
        kept_dynamic.index,
        kept_static.index,
        kept_dynamic.shape,
        kept_static.shape,
        kept_dynamic.lists,
        kept_static.lists,
        {key: value for key, value in attributes.items() if value is not None},
        kept_dynamic.spans,
        kept_static.spans,
        (*notes, *empty_dynamic, *empty_static),
    )


def with_mask(qmap: QMap, good: np.ndarray, where: str) -> QMap:
    """The q-map without the pixels that a good mask (rows, columns; True = good) removes.

    Bins that become empty are removed and noted. Raises UserError for a mask of another shape and
    if no pixel is left.
    """
    check_shape(qmap.shape, good.shape, where)
    if not (qmap.mask & good).any():
        raise UserError(
            "the mask of the detector removes all pixels of the q-map",
            where,
            "check the polarity of both masks, and that both are of this detector",
        )
    masked = make_qmap(
        _partition(qmap, "dynamic"),
        _partition(qmap, "static"),
        qmap.mask & good,
        qmap.names,
        qmap.units,
        qmap.attributes,
        where,
    )
    return replace(masked, notes=(*qmap.notes, *masked.notes))


def check_shape(found: tuple[int, ...], expected: tuple[int, ...], where: str) -> None:
    """Raise UserError if a q-map is not of the detector's shape (rows, columns)."""
    if tuple(found) == tuple(expected):
        return
    swapped = "; it looks transposed" if tuple(found) == tuple(expected)[::-1] else ""
    raise UserError(
        f"the q-map has {_sides(found)} pixels, the detector {_sides(expected)}{swapped}",
        where,
        "give the q-map of this detector, rows and columns as its frames are stored",
    )


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)


def _partition(qmap: QMap, name: str) -> Partition:
    return Partition(
        getattr(qmap, name),
        **{
            part: getattr(qmap, f"{name}_{part}")
            for part in ("index", "values", "shape", "lists", "spans")
        },
    )


def _check_shapes(dynamic: Partition, static: Partition, mask: np.ndarray, where: str) -> None:
    shapes = {
        "dynamic map": dynamic.numbers.shape,
        "static map": static.numbers.shape,
        "mask": mask.shape,
    }
    if len(set(shapes.values())) > 1 or mask.ndim != 2:
        described = ", ".join(f"{name} {_sides(shape)}" for name, shape in shapes.items())
        raise UserError(
            f"the parts of the q-map have different shapes: {described}", where, "make it again"
        )


def _check_numbers(name: str, partition: Partition, where: str) -> None:
    highest = int(partition.numbers.max(initial=0))
    if highest > len(partition.index):
        raise UserError(
            f"the {name} map of the q-map holds bin {highest}, "
            f"but only {len(partition.index)} {name} bins are listed",
            where,
            "make the q-map again",
        )


def _check_nesting(dynamic: np.ndarray, static: np.ndarray, used: np.ndarray, where: str) -> None:
    missing = used & (static == 0)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise UserError(
            f"{np.count_nonzero(missing)} pixels have a dynamic bin but no static bin, "
            f"the first in row {row}, column {column} (dynamic bin {dynamic[row, column]})",
            where,
            "make the q-map again, or mask these pixels",
        )
    first = np.zeros(int(static.max()) + 1, np.int64)
    bins, parents = static[used], dynamic[used]
    first[bins] = parents
    across = first[bins] != parents
    if across.any():
        number = int(bins[across].min())
        named = ", ".join(str(item) for item in np.unique(parents[bins == number])[:10])
        count = np.unique(bins[across]).size
        more = f" ({count} static bins do so)" if count > 1 else ""
        raise UserError(
            f"static bin {number} lies across the dynamic bins {named}{more}",
            where,
            "make the q-map again with a whole number of static bins in each dynamic bin",
        )


def _left_out(pixels: np.ndarray) -> tuple[str, ...]:
    count = np.count_nonzero(pixels)
    return (f"{count} pixels of the q-map have a static bin only; they are not used",) * bool(count)


def _compressed(
    partition: Partition, used: np.ndarray, name: str, where: str
) -> tuple[Partition, tuple[str, ...]]:
    """The partition of the used pixels: bins with pixels only, numbered from 1; and what is noted."""
    bins = len(partition.index)
    kept = np.bincount(partition.numbers[used], minlength=bins + 1)[1:] > 0
    renumbered = np.zeros(bins + 1, np.uint32)
    renumbered[1:][kept] = np.arange(1, np.count_nonzero(kept) + 1)
    numbers = np.where(used, renumbered[partition.numbers], np.uint32(0))
    if not np.isfinite(partition.values[kept]).all():
        raise UserError(
            f"the {name} values of the q-map are not all finite", where, "make the q-map again"
        )
    empty = bins - np.count_nonzero(kept)
    note = f"{empty} of {bins} {name} bins of the q-map hold no good pixel; they are left out"
    return (
        replace(
            partition,
            numbers=np.ascontiguousarray(numbers),
            index=partition.index[kept],
            values=partition.values[kept],
        ),
        (note,) if empty else (),
    )
