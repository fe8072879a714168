"""q-maps: what is refused, compression, order, digest."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.detectors.qmap import Partition, QMap, make_qmap, with_mask
from scatterflow.errors import UserError


def partition(numbers, shape, index=None):
    """Bins whose values tell their natural index: 10 i0 + i1."""
    n0, n1 = shape
    lists = (10.0 * np.arange(n0), 1.0 * np.arange(n1))
    index = np.arange(n0 * n1) if index is None else np.asarray(index)
    values = np.stack([lists[0][index // n1], lists[1][index % n1]], axis=1)
    return Partition(np.asarray(numbers, np.uint32), index, values, shape, lists)


def make(dynamic, static, mask=None, shapes=((3, 2), (6, 2))) -> QMap:
    dynamic, static = partition(dynamic, shapes[0]), partition(static, shapes[1])
    mask = np.ones(dynamic.numbers.shape, bool) if mask is None else np.asarray(mask, bool)
    attributes = {"energy": 10.0, "pixel_size": None, "source_file": "a.poni"}
    return make_qmap(
        dynamic, static, mask, ("q", "phi"), ("1/angstrom", "degree"), attributes, "the map"
    )


DYNAMIC = [[0, 2, 2, 2], [5, 5, 2, 1]]
STATIC = [[0, 4, 9, 4], [7, 8, 9, 1]]


def test_bins_without_pixels_are_removed_and_the_others_numbered():
    qmap = make(DYNAMIC, STATIC)
    assert qmap.dynamic.tolist() == [[0, 2, 2, 2], [3, 3, 2, 1]]
    assert qmap.static.tolist() == [[0, 2, 5, 2], [3, 4, 5, 1]]
    assert qmap.mask.tolist() == [[False, True, True, True], [True] * 4]
    assert qmap.dynamic_index.tolist() == [0, 1, 4]
    assert qmap.dynamic_values.tolist() == [[0, 0], [0, 1], [20, 0]]
    assert qmap.static_index.tolist() == [0, 3, 6, 7, 8]
    assert (qmap.dynamic_bins, qmap.static_bins) == (3, 5)
    assert qmap.dynamic.dtype == qmap.static.dtype == np.uint32
    assert "3 of 6 dynamic bins" in qmap.notes[0]
    assert "7 of 12 static bins" in qmap.notes[1]
    assert qmap.attributes == {"energy": 10.0, "source_file": "a.poni"}


def test_order_is_by_dynamic_then_static_bin_then_place():
    qmap = make(DYNAMIC, STATIC)
    assert qmap.pixels.tolist() == [7, 1, 3, 2, 6, 4, 5]
    assert qmap.pixels.dtype == np.int64
    assert qmap.dynamic_of_position.tolist() == [0, 1, 1, 1, 1, 2, 2]
    assert qmap.static_of_position.tolist() == [0, 1, 1, 4, 4, 2, 3]
    assert qmap.static_of_position.dtype == np.int32
    assert qmap.parent.tolist() == [0, 1, 2, 2, 1]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_compression_and_order_against_sorting_by_hand(data):
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    cells = st.lists(st.integers(0, 12), min_size=rows * columns, max_size=rows * columns)
    static = np.array(data.draw(cells)).reshape(rows, columns)
    parents = np.array(data.draw(st.lists(st.integers(1, 6), min_size=12, max_size=12)))
    dynamic = np.where(static > 0, parents[np.maximum(static, 1) - 1], 0)
    good = np.array(
        data.draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns))
    )
    good = good.reshape(rows, columns)
    if not (good & (static > 0)).any():
        with pytest.raises(UserError):
            make(dynamic, static, good)
        return
    qmap = make(dynamic, static, good)
    used = [i for i in range(rows * columns) if good.flat[i] and static.flat[i]]
    by_hand = sorted(used, key=lambda i: (dynamic.flat[i], static.flat[i], i))
    assert qmap.pixels.tolist() == by_hand
    for name, numbers in (("dynamic", dynamic), ("static", static)):
        kept = sorted({int(numbers.flat[i]) for i in used})
        found = getattr(qmap, name)
        assert [kept[found.flat[i] - 1] for i in used] == [numbers.flat[i] for i in used]
        assert getattr(qmap, f"{name}_index").tolist() == [number - 1 for number in kept]
        assert np.array_equal(found > 0, qmap.mask)
    # Masking in two steps is masking at once.
    twice = with_mask(make(dynamic, static), good, "x")
    assert twice.digest == qmap.digest


def test_a_mask_removes_pixels_and_the_bins_that_become_empty():
    good = np.array([[True, True, False, True], [False, False, True, True]])
    masked = with_mask(make(DYNAMIC, STATIC), good, "x")
    assert masked.dynamic.tolist() == [[0, 2, 0, 2], [0, 0, 2, 1]]
    assert masked.static.tolist() == [[0, 2, 0, 2], [0, 0, 3, 1]]
    assert masked.dynamic_index.tolist() == [0, 1]
    assert masked.notes[-2].startswith("1 of 3 dynamic bins")
    assert masked.notes[-1].startswith("2 of 5 static bins")


def test_pixels_with_a_static_bin_only_are_not_used():
    qmap = make([[0, 2, 2, 2], [0, 5, 2, 1]], STATIC)
    assert not qmap.mask[1, 0]
    assert qmap.static[1, 0] == 0
    assert "1 pixels of the q-map have a static bin only" in qmap.notes[0]


@pytest.mark.parametrize(
    ("dynamic", "static", "mask", "message"),
    [
        (DYNAMIC, [[0, 4, 9, 4], [0, 8, 9, 1]], None, "row 1, column 0 .dynamic bin 5"),
        (DYNAMIC, [[0, 4, 9, 4], [7, 9, 9, 1]], None, "static bin 9 .* dynamic bins 2, 5"),
        ([[1, 2], [2, 3]], [[1, 1], [2, 2]], None, "static bin 1 .* 1, 2 .2 static bins do so"),
        (DYNAMIC, STATIC, np.zeros((2, 4)), "mask of the q-map removes all"),
        (np.zeros((2, 4)), STATIC, None, "all bins of the q-map are empty"),
        (DYNAMIC, STATIC, [[1, 0, 0, 0], [0, 0, 0, 0]], "all bins of the q-map are empty"),
        ([[7, 1]], [[1, 2]], None, "holds bin 7, but only 6 dynamic bins"),
        ([[1, 1]], [[13, 2]], None, "holds bin 13, but only 12 static bins"),
        ([[1, 1]], STATIC, None, "different shapes: dynamic map 1 x 2, static map 2 x 4"),
        (DYNAMIC, STATIC, [[1, 1]], "different shapes: .* mask 1 x 2"),
    ],
)
def test_what_is_not_consistent_is_refused(dynamic, static, mask, message):
    with pytest.raises(UserError, match=message) as refusal:
        make(dynamic, static, mask)
    assert refusal.value.where == "the map"
    assert refusal.value.how


def test_a_masked_pixel_may_contradict():
    # The same static bin in two dynamic ones, and no static bin: under the mask nothing counts.
    mask = [[True, True, True, True], [False, False, True, True]]
    qmap = make([[0, 2, 2, 2], [5, 5, 2, 1]], [[0, 4, 9, 4], [0, 9, 9, 1]], mask)
    assert qmap.dynamic_bins == 2


def test_values_that_are_no_numbers_are_refused():
    dynamic = partition(DYNAMIC, (3, 2))
    dynamic.values[1] = np.nan
    static = partition(STATIC, (6, 2))
    with pytest.raises(UserError, match="dynamic values of the q-map are not all finite"):
        make_qmap(dynamic, static, np.ones((2, 4), bool), ("q",), ("1/nm",), {}, "x")


@pytest.mark.parametrize(
    ("good", "message"),
    [
        (np.zeros((2, 4), bool), "mask of the detector removes all pixels"),
        (np.ones((4, 2), bool), "2 x 4 pixels, the detector 4 x 2; it looks transposed"),
        (np.ones((3, 3), bool), "2 x 4 pixels, the detector 3 x 3$"),
    ],
)
def test_masks_that_do_not_fit_are_refused(good, message):
    with pytest.raises(UserError) as refusal:
        with_mask(make(DYNAMIC, STATIC), good, "x")
    assert re.search(message, refusal.value.what)


def test_digest_is_of_the_content_not_of_its_storage():
    qmap = make(DYNAMIC, STATIC)
    stored = replace(
        qmap,
        dynamic=np.asfortranarray(qmap.dynamic.astype(np.int64)),
        static=qmap.static.astype(">u2"),
        mask=qmap.mask.astype(np.uint8),
        dynamic_index=qmap.dynamic_index.astype(np.int16),
        dynamic_shape=[np.int32(3), np.int32(2)],
        dynamic_values=qmap.dynamic_values.astype(np.float32),  # 0, 1, 20: exact
        attributes=qmap.attributes | {"source_file": "b.poni"},
        notes=(),
    )
    assert stored.digest == qmap.digest


@pytest.mark.parametrize(
    "change",
    [
        {"names": ("q", "x")},
        {"units": ("1/nm", "degree")},
        {"dynamic_index": np.array([0, 1, 5])},
        {"static_lists": (np.zeros(6), np.zeros(2))},
        {"attributes": {"energy": 10.5}},
        {"dynamic_spans": (np.zeros((3, 2)), np.zeros((2, 2)))},
    ],
)
def test_digest_tells_what_counts(change):
    qmap = make(DYNAMIC, STATIC)
    assert replace(qmap, **change).digest != qmap.digest
