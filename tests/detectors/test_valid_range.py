"""Valid range: limits that compare exactly with the stored type."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scatterflow.config.detectors import ValidRange
from scatterflow.detectors.valid_range import valid_limits
from scatterflow.errors import UserError

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "float32", "float64"]


def limits(dtype, **rule):
    return valid_limits(ValidRange(**rule).model_dump(), dtype)


@pytest.mark.parametrize(
    ("dtype", "rule", "expected"),
    [
        ("uint16", {}, (0, 65534)),
        ("uint32", {}, (0, 4294967294)),
        ("uint64", {}, (0, 18446744073709551614)),
        (">u2", {}, (0, 65534)),
        ("uint16", {"bit_depth": 12}, (0, 4094)),
        ("uint32", {"bit_depth": 16}, (0, 65534)),
        ("int32", {}, (0, 2147483647)),
        ("int32", {"bit_depth": 16}, (0, 65534)),
        ("int64", {"bit_depth": 32}, (0, 4294967294)),
        ("int32", {"bit_depth": 32}, (0, 2147483647)),
        ("int32", {"minimum": None}, (-2147483648, 2147483647)),
        ("int32", {"minimum": -1}, (-1, 2147483647)),
        ("uint16", {"minimum": -1}, (0, 65534)),
        ("uint16", {"minimum": 0.5, "maximum": 9.5}, (1, 9)),
        ("uint16", {"maximum": None}, (0, 65535)),
        ("uint16", {"maximum": 1e9}, (0, 65535)),
        ("uint16", {"maximum": 100, "bit_depth": 12}, (0, 100)),
        ("float64", {"minimum": -1.5, "maximum": 2.5}, (-1.5, 2.5)),
        ("float64", {"bit_depth": 16}, (0.0, 65534.0)),
    ],
)
def test_limits_by_hand(dtype, rule, expected):
    found = limits(dtype, **rule)
    assert found == expected
    kind = float if np.dtype(dtype).kind == "f" else int
    assert [type(limit) for limit in found] == [kind, kind]


def test_sentinels_are_left_out_and_saturation_kept():
    eiger = np.array([0, 1, 65533, 65534, 65535], np.uint16)
    low, high = limits(eiger.dtype)
    assert ((eiger >= low) & (eiger <= high)).tolist() == [True, True, True, True, False]
    pilatus = np.array([-2, -1, 0, 1048575], np.int32)
    low, high = limits(pilatus.dtype)
    assert ((pilatus >= low) & (pilatus <= high)).tolist() == [False, False, True, True]


def test_largest_counts_of_64_bits_compare_exactly():
    # As floats all of these are 2**64.
    counts = np.array([2**64 - 1, 2**64 - 2, 2**64 - 3], np.uint64)
    low, high = limits(counts.dtype)
    assert ((counts >= low) & (counts <= high)).tolist() == [False, True, True]


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_that_are_no_number_are_never_valid(dtype):
    values = np.array([np.nan, np.inf, -np.inf, np.finfo(dtype).max, -1, 0], dtype)
    low, high = limits(dtype, minimum=None, maximum=None)
    valid = (values >= low) & (values <= high)
    assert valid.tolist() == [False, False, False, True, True, True]


def test_float_sentinel_is_left_out_though_rounded():
    # float32 holds 2**32 - 1 as 2**32: no value that stands for the sentinel may pass.
    sentinel = np.float32(2**32 - 1)
    low, high = limits("float32", bit_depth=32)
    below = np.nextafter(sentinel, np.float32(0))
    assert not low <= sentinel <= high
    assert low <= below <= high


@pytest.mark.parametrize("dtype", FLOATS)
def test_limit_is_the_value_that_the_type_stores(dtype):
    _, high = limits(dtype, maximum=0.1)
    assert np.array([0.1], dtype)[0] <= high
    assert not np.nextafter(np.array([0.1], dtype), np.array([1], dtype))[0] <= high


@given(
    dtype=st.sampled_from(INTEGERS),
    minimum=st.none() | st.integers(-(2**65), 2**65) | st.floats(-1e20, 1e20),
    maximum=st.none() | st.integers(-(2**65), 2**65) | st.floats(-1e20, 1e20),
    data=st.data(),
)
def test_integer_limits_decide_as_exact_arithmetic(dtype, minimum, maximum, data):
    kinds = np.iinfo(dtype)
    value = data.draw(st.integers(int(kinds.min), int(kinds.max)))
    rule = {"minimum": minimum, "maximum": maximum, "bit_depth": None}
    expected = (minimum is None or value >= minimum) and (maximum is None or value <= maximum)
    try:
        low, high = valid_limits(rule, dtype)
    except UserError:
        assert not expected  # refused only where nothing is valid
        return
    assert kinds.min <= low <= high <= kinds.max
    assert (low <= value <= high) == expected
    stored = np.array([value], dtype)
    assert bool((stored >= low)[0] & (stored <= high)[0]) == expected


@pytest.mark.parametrize(
    ("dtype", "rule", "message"),
    [
        ("uint16", {"minimum": 10, "maximum": 5}, "no uint16 value"),
        ("uint8", {"minimum": 300, "maximum": None}, "no uint8 value"),
        ("uint8", {"minimum": None, "maximum": -1}, "no uint8 value"),
        ("uint8", {"minimum": 0.2, "maximum": 0.8}, "no uint8 value"),
        ("float32", {"minimum": 1, "maximum": 0}, "no float32 value"),
        ("uint16", {"minimum": math.nan}, "NaN"),
        ("float32", {"maximum": math.nan}, "NaN"),
        ("uint16", {"bit_depth": 32}, "does not fit"),
        ("bool", {}, "no valid range"),
        ("complex64", {}, "no valid range"),
    ],
)
def test_ranges_that_are_refused(dtype, rule, message):
    rule = {"minimum": 0, "maximum": "auto", "bit_depth": None} | rule
    with pytest.raises(UserError, match=message) as refusal:
        valid_limits(rule, dtype)
    assert refusal.value.how


def test_infinite_limits_are_no_limits():
    rule = {"minimum": -math.inf, "maximum": math.inf, "bit_depth": None}
    assert valid_limits(rule, "int16") == (-32768, 32767)
    assert valid_limits(rule, "float32") == valid_limits(
        {"minimum": None, "maximum": None, "bit_depth": None}, "float32"
    )
