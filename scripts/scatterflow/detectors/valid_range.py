"""The valid range of stored pixel values: `low <= value <= high`, compared in the stored type.

Counting detectors mark pixels that measured nothing by special values: Pilatus by negative counts
(-1 gap, -2 dead), Eiger and Lambda by the largest value of their counter (all bits set), which they
also give for a saturated pixel. The counter may have fewer bits than the stored type.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scatterflow.errors import UserError


def valid_limits(valid: dict[str, Any], dtype: np.dtype | type | str) -> tuple[float, float]:
    """Smallest and largest valid value (both inclusive) of pixels stored as `dtype`.

    valid: `ValidRange.model_dump()` (minimum, maximum, bit_depth).

    Integer types give Python ints inside the type's range, so that comparing is exact also for
    uint64. Float types give the nearest value that the type can hold, and never infinity: infinite
    values and NaN are not valid. Maximum `auto`: for unsigned integers 2**bit_depth - 2 (the depth
    of the type where none is given), for other types no limit unless `bit_depth` is given.

    Raises UserError for limits that leave no value, are NaN, or do not fit the type.
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "iuf":
        raise _refuse(f"pixels of type {dtype} have no valid range", "frames hold numbers")
    minimum, maximum, depth = (valid.get(key) for key in ("minimum", "maximum", "bit_depth"))
    _check(minimum, maximum, depth, dtype)
    low, high = _integer_limits(dtype) if dtype.kind in "iu" else _float_limits(dtype)
    if minimum is not None:
        low = max(low, _into(minimum, dtype, math.ceil))
    if maximum == "auto":
        high = min(high, _below_sentinel(depth, dtype))
    elif maximum is not None:
        high = min(high, _into(maximum, dtype, math.floor))
    if low > high:
        raise _refuse(
            f"no {dtype} value lies between minimum {minimum} and maximum {maximum}",
            "widen the range",
        )
    return low, high


def _check(minimum: Any, maximum: Any, depth: int | None, dtype: np.dtype) -> None:
    for limit in (minimum, maximum):
        if isinstance(limit, float) and math.isnan(limit):
            raise _refuse("a limit is NaN", "give a number, or null for no limit")
    if depth is not None and dtype.kind in "iu" and depth > dtype.itemsize * 8:
        raise _refuse(
            f"a bit_depth of {depth} does not fit into {dtype}",
            "give the depth of the detector's counter, at most that of the stored type",
        )


def _refuse(what: str, how: str) -> UserError:
    return UserError(what, "detectors, valid", how)


def _integer_limits(dtype: np.dtype) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _float_limits(dtype: np.dtype) -> tuple[float, float]:
    limits = np.finfo(dtype)
    return float(limits.min), float(limits.max)


def _into(limit: float, dtype: np.dtype, rounding: Any) -> float:
    """A configured limit as a value of the stored type; infinite and huge ones as its ends."""
    low, high = _integer_limits(dtype) if dtype.kind in "iu" else _float_limits(dtype)
    if limit >= high:
        # A limit beyond the type leaves no value when it is a minimum: keep it beyond.
        return high if limit == high or rounding is math.floor else math.inf
    if limit <= low:
        return low if limit == low or rounding is math.ceil else -math.inf
    return int(rounding(limit)) if dtype.kind in "iu" else float(dtype.type(limit))


def _below_sentinel(depth: int | None, dtype: np.dtype) -> float:
    """Largest value below the sentinel (all bits of the counter set); no limit: infinity."""
    if depth is None and dtype.kind != "u":
        return math.inf
    sentinel = 2 ** (depth or dtype.itemsize * 8) - 1
    if dtype.kind in "iu":
        return sentinel - 1
    if sentinel > np.finfo(dtype).max:
        return math.inf
    # A float type may round the sentinel up and its neighbour with it: step below what is stored.
    stored = dtype.type(sentinel)
    return float(min(dtype.type(sentinel - 1), np.nextafter(stored, dtype.type(0))))
