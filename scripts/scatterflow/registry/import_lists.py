"""Masks given as lists: numbers of bad pixels, shapes, regions of XDS."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.detectors.images import Shape
from scatterflow.errors import UserError
from scatterflow.registry.shapes import mask_of_shapes

_LONGEST_TEXT = 50_000_000
_XDS = re.compile(r"UNTRUSTED_(RECTANGLE|ELLIPSE|QUADRILATERAL)\s*=([-+0-9.eE \t]+)")


def with_reason(good: np.ndarray, bit: int) -> tuple[np.ndarray, np.ndarray]:
    """The mask, and one bit for all its masked pixels."""
    return good, np.where(good, np.uint32(0), np.uint32(1 << bit))


def read_indices(
    path: str, shape: Shape, bit: int, order: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of bad pixels, from 0: one column (row by row), or two in the given order."""
    place = f"file {path}"
    values = _numbers(Path(path), place)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if not values.size:
        raise UserError("the file lists no pixel", place, "register nothing where nothing is bad")
    if values.shape in (shape, (shape[0] * shape[1],)):
        raise UserError(
            f"there are {values.size} numbers, one for each pixel: this is a mask and no list",
            place,
            "save it as (rows, columns), and import it as `--format array` with --true-means",
        )
    if values.ndim == 1 and order in (None, "flat"):
        flat = values
    elif values.ndim == 2 and values.shape[1] == 2 and order in ("rowcolumn", "xy"):
        rows, columns = values.T if order == "rowcolumn" else values.T[::-1]
        for what, numbers, size in (("row", rows, shape[0]), ("column", columns, shape[1])):
            _check_indices(numbers, size, what, place)
        flat = rows * shape[1] + columns
    else:
        raise UserError(
            f"the numbers have shape {values.shape}, which order {order} does not fit",
            place,
            "one column is `flat`, row by row; for two say --order rowcolumn or --order xy",
        )
    _check_indices(flat, shape[0] * shape[1], "pixel", place)
    good = np.ones(shape, bool)
    good.ravel()[flat] = False
    return with_reason(good, bit)


def _check_indices(values: np.ndarray, size: int, what: str, place: str) -> None:
    outside = (values < 0) | (values >= size)
    if outside.any():
        raise UserError(
            f"{what} {values[outside][0]} is outside the detector, which has {what}s 0 to {size - 1}",
            place,
            "numbers count from 0; check the order, and the detector",
        )


def _numbers(path: Path, place: str) -> np.ndarray:
    if path.stat().st_size > _LONGEST_TEXT:
        raise UserError("the file is larger than any list of bad pixels", place)
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file without numbers, which the caller refuses
            if stream.read(6) == b"\x93NUMPY":
                stream.seek(0)
                values = np.load(stream, allow_pickle=False)
            else:
                values = np.loadtxt(path, delimiter=None, ndmin=1)
    except ValueError as error:
        raise UserError(
            f"the numbers cannot be read ({error})", place, "one pixel a line"
        ) from None
    return _whole(values, place)


def _whole(values: np.ndarray, place: str) -> np.ndarray:
    """Numbers of pixels as int64; raises UserError for what is no whole number below 2^53."""
    whole = values.dtype.kind in "iuf" and (values == np.floor(values)) & (np.abs(values) < 2**53)
    if not np.all(whole):
        raise UserError(
            f"these are no whole numbers ({values.dtype})", place, "pixels are counted from 0"
        )
    return values.astype(np.int64)


def read_bad_pixels(path: str, shape: Shape, bit: int) -> tuple[np.ndarray, np.ndarray]:
    """JSON of areaDetector's bad pixel plug-in: {"Bad pixels": [{"Pixel": [x, y], ...}, ...]}."""
    data = _document(Path(path))
    try:
        listed = [item["Pixel"] for item in data["Bad pixels"]]
        pixels = _whole(np.array(listed or np.zeros((0, 2))), f"file {path}")
        pixels = pixels.reshape(len(listed), 2)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"this is no list of bad pixels ({error})",
            f"file {path}",
            'it is {"Bad pixels": [{"Pixel": [x, y], ...}, ...]}',
        ) from None
    for what, numbers, size in (
        ("column", pixels[:, 0], shape[1]),
        ("row", pixels[:, 1], shape[0]),
    ):
        _check_indices(numbers, size, what, f"file {path}")
    good = np.ones(shape, bool)
    good[pixels[:, 1], pixels[:, 0]] = False
    return with_reason(good, bit)


def read_shapes(
    path: str, shape: Shape, bit: int, order: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """JSON or YAML list of shapes, see `shapes`."""
    if order not in ("rowcolumn", "xy"):
        raise UserError(
            "nothing says whether a point is (row, column) or (x, y)",
            f"file {path}",
            "give --order rowcolumn or --order xy",
        )
    return with_reason(mask_of_shapes(_document(Path(path)), shape, order, f"file {path}"), bit)


def _document(path: Path) -> Any:
    import yaml

    if path.stat().st_size > _LONGEST_TEXT:
        raise UserError("the file is too large", f"file {path}")
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return json.loads(text)
        # Aliases make a small file a huge list.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise UserError("aliases (*name) are not read", f"file {path}", "write them out")
        return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise UserError(f"this is neither JSON nor YAML ({first})", f"file {path}") from None


def read_xds(path: str, shape: Shape, bit: int) -> tuple[np.ndarray, np.ndarray]:
    """XDS counts pixels from 1, x along a row; X1 < x < X2 and Y1 < y < Y2 are masked, the limits not."""
    place = f"file {path}"
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    text = "\n".join(line.split("!")[0] for line in text.splitlines())
    found = _XDS.findall(text)
    if not found:
        raise UserError("the file names no UNTRUSTED regions", place, "give an XDS.INP")
    if text.count("UNTRUSTED_") != len(found):
        raise UserError(
            f"{text.count('UNTRUSTED_')} UNTRUSTED regions are named, {len(found)} are understood",
            place,
            "write each as UNTRUSTED_RECTANGLE= X1 X2 Y1 Y2, _ELLIPSE or _QUADRILATERAL",
        )
    good = np.ones(shape, bool)
    y, x = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    for kind, numbers in found:
        try:
            values = [float(number) for number in numbers.split()]
        except ValueError as error:
            raise UserError(str(error), place) from None
        if len(values) != (8 if kind == "QUADRILATERAL" else 4):
            raise UserError(f"UNTRUSTED_{kind} has {len(values)} numbers", place)
        if kind == "QUADRILATERAL":
            corners = [[values[i + 1] - 1, values[i] - 1] for i in range(0, 8, 2)]
            polygon = [{"type": "polygon", "corners": corners}]
            good &= mask_of_shapes(polygon, shape, "rowcolumn", place)
            continue
        x1, x2, y1, y2 = values
        if x2 < x1 or y2 < y1:
            raise UserError(
                f"UNTRUSTED_{kind}= {numbers.strip()} holds no pixel", place, "it is X1 X2 Y1 Y2"
            )
        if kind == "RECTANGLE":
            good &= ~((x > x1) & (x < x2) & (y > y1) & (y < y2))
        elif x2 > x1 and y2 > y1:
            across = (2 * x - x1 - x2) / (x2 - x1)
            along = (2 * y - y1 - y2) / (y2 - y1)
            good &= ~(across**2 + along**2 < 1)
    return with_reason(good, bit)
