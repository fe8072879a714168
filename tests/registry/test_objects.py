"""Objects: round trips, one name for equal contents, every spoilt byte refused."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scatterflow.errors import UserError
from scatterflow.registry import objects

from .conftest import some_mask

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 20))


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.uint32, SHAPES))
def test_a_mask_and_its_reasons_come_back(reasons):
    good = (reasons & 0xFFFF) == 0
    content = objects.encode_mask(good, reasons)
    stored = objects.pack(content)
    back = objects.unpack(stored, objects.content_sha256(content), "here")
    np.testing.assert_array_equal(objects.decode_good(back), good)
    found = objects.decode_reasons(back)
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found, reasons)
    counts = objects.count_reasons(content)
    assert counts.get("gap", 0) == sum(value & 1 for value in reasons.ravel().tolist())


def test_the_content_is_what_the_documentation_says():
    good = np.array([[True, False, True], [True, True, True]])
    content = objects.encode_mask(good, 8)
    header, body = content.split(b"\n", 1)
    assert json.loads(header) == {"content": "mask", "shape": [2, 3], "bits": [8]}
    assert body == bytes([0b10111100, 0b01000000])
    stored = objects.pack(content)
    assert stored[:8] == b"SFOBJ\x01\r\n"
    assert stored[8:16] == struct.pack("<Q", len(content))
    assert stored[16:48] == hashlib.sha256(stored[8:16] + stored[48:]).digest()
    assert zlib.decompress(stored[48:]) == content


def test_one_reason_for_all_is_the_same_as_an_array_of_it(good):
    reasons = np.where(good, np.uint32(0), np.uint32(1 << 4))
    assert objects.encode_mask(good, 4) == objects.encode_mask(good, reasons)
    everything = np.ones_like(good)
    assert objects.encode_mask(everything, 4) == objects.encode_mask(
        everything, np.zeros(good.shape, np.uint32)
    )


def test_memory_order_and_readings_of_the_same_pixels_make_no_difference(good):
    reasons = np.where(good, np.uint32(0), np.uint32(256))
    same = objects.encode_mask(np.asfortranarray(good), np.asfortranarray(reasons))
    assert same == objects.encode_mask(good, reasons)


def test_a_reason_that_contradicts_is_refused(good):
    with pytest.raises(ValueError, match="contradict"):
        objects.encode_mask(good, np.zeros(good.shape, np.uint32))
    # A tag alone does not mask.
    with pytest.raises(ValueError, match="contradict"):
        objects.encode_mask(good, np.where(good, 0, 1 << 31).astype(np.uint32))


def test_every_flipped_bit_is_refused(good):
    content = objects.encode_mask(good, 8)
    sha256 = objects.content_sha256(content)
    stored = objects.pack(content)
    for position in range(len(stored)):
        for bit in range(8):
            spoilt = bytearray(stored)
            spoilt[position] ^= 1 << bit
            with pytest.raises(UserError, match="damaged") as caught:
                objects.unpack(bytes(spoilt), sha256, f"object {sha256}")
            assert sha256 in caught.value.where


def test_every_truncation_and_every_appended_byte_is_refused(good):
    content = objects.encode_mask(good, 8)
    sha256, stored = objects.content_sha256(content), objects.pack(content)
    for spoilt in [stored[:length] for length in range(len(stored))] + [stored + b"\0"]:
        with pytest.raises(UserError, match="damaged"):
            objects.unpack(spoilt, sha256, "here")


def test_another_whole_object_under_this_name_is_refused(good):
    other = objects.pack(objects.encode_mask(some_mask(5), 8))
    sha256 = objects.content_sha256(objects.encode_mask(good, 8))
    with pytest.raises(UserError, match="named by"):
        objects.unpack(other, sha256, "here")


def forged(content: bytes, size: int) -> bytes:
    """An object's file that is consistent but for its stated length."""
    length, rest = struct.pack("<Q", size), zlib.compress(content, 9)
    return b"SFOBJ\x01\r\n" + length + hashlib.sha256(length + rest).digest() + rest


@pytest.mark.parametrize("size", [0, 10, 2**40, 2**63])
def test_a_bomb_is_not_unpacked(size):
    content = bytes(10_000_000)
    with pytest.raises(UserError, match="content"):
        objects.unpack(forged(content, size), objects.content_sha256(content), "here")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b"[]\n",
        b'{"content": "mask", "shape": [100000, 100000], "bits": []}\n',
        b'{"content": "mask", "shape": [4, 4], "bits": [1, 2]}\nxx',
        b'{"content": "arrays", "arrays": {"a": {"dtype": "<f8", "shape": [1000000000000]}}}\n',
        b'{"content": "pickle"}\n',
    ],
)
def test_a_header_that_promises_more_than_there_is_is_refused(header):
    with pytest.raises((ValueError, KeyError, TypeError)):
        objects.read_header(header)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["data", "dynamic", "static"]),
        hnp.arrays(
            st.sampled_from([np.dtype(">i4"), np.dtype("<f8"), np.dtype(bool), np.dtype("u2")]),
            hnp.array_shapes(max_dims=3, max_side=4),
        ),
        min_size=1,
    )
)
def test_arrays_come_back_with_their_types(arrays):
    back = objects.decode_arrays(objects.encode_arrays(arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype.newbyteorder("<")
        assert back[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


def test_objects_in_arrays_are_refused():
    with pytest.raises(ValueError, match="not numbers"):
        objects.encode_arrays({"data": np.array([{}], object)})


def test_text_comes_back():
    text = "Distance: 0.2\nλ: 1 Å\n"
    assert objects.decode_text(objects.encode_text(text)) == text
    with pytest.raises(ValueError, match="no mask"):
        objects.decode_good(objects.encode_text(text) + b"")
