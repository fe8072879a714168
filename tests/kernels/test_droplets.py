"""Droplets against their definition, written with scipy.ndimage on whole frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from scatterflow.kernels.droplets import (
    droplet_shapes,
    find_droplets,
    new_droplets,
    new_workspace,
    pixel_limits,
)

PLUS = ndimage.generate_binary_structure(2, 1)


def found_droplets(frame, good, high, low, maximum=np.inf, least=-np.inf):
    """Droplets of a frame (rows, columns) or (tiles, rows, columns): (all of them, lists)."""
    tiles = frame if frame.ndim == 3 else frame[None]
    flat = np.ascontiguousarray(tiles.reshape(-1, tiles.shape[2]))
    mask = good.reshape(flat.shape)
    limits = [
        pixel_limits(
            np.broadcast_to(np.float64(t), frame.shape).reshape(flat.shape), mask, frame.dtype
        )
        for t in (low, high)
    ]
    space, lists = new_workspace(*flat.shape), new_droplets(flat.size, frame.dtype)
    top = min(maximum, np.finfo(frame.dtype).max)
    total, kept, pixels = find_droplets(
        flat, tiles.shape[1], limits[0].min(axis=1), *limits, top, least, space, lists
    )
    assert lists.start[kept] == pixels
    own = [getattr(lists, name)[:kept].copy() for name in ("adu", "npix", "row", "col", "tile")]
    members = np.split(lists.pixel[:pixels], lists.start[1:kept])
    values = np.split(lists.value[:pixels], lists.start[1:kept])
    return total, [*own, members[:kept], values[:kept]]


def defined_droplets(frame, good, high, low, maximum=np.inf, least=-np.inf):
    """The same, by the two-step definition: label, grow by one pixel, keep what is bright, label again."""
    tiles = frame if frame.ndim == 3 else frame[None]
    high, low = (np.broadcast_to(t, frame.shape).reshape(tiles.shape) for t in (high, low))
    total, lists = 0, [[] for _ in range(7)]
    for tile, image in enumerate(tiles):
        image = np.where(good.reshape(tiles.shape)[tile], image.astype(np.float64), 0.0)
        image[~((image > 0) & (image <= maximum))] = 0.0
        bright = np.where(image >= high[tile], image, 0.0)
        first, _ = ndimage.label(bright, structure=PLUS)
        grown = ndimage.grey_dilation(first, footprint=PLUS)
        kept = (grown > 0) & (image >= low[tile]) & (image != 0)
        labels, number = ndimage.label(kept, structure=PLUS)
        index = np.arange(1, number + 1)
        total += number
        if number == 0:
            continue
        sums = ndimage.sum_labels(image, labels, index)
        centres = np.array(ndimage.center_of_mass(image, labels, index))
        for label in index[sums >= least]:
            rows, columns = np.nonzero(labels == label)
            lists[0].append(sums[label - 1])
            lists[1].append(rows.size)
            lists[2].append(centres[label - 1, 0])
            lists[3].append(centres[label - 1, 1])
            lists[4].append(tile)
            lists[5].append((tile * image.shape[0] + rows) * image.shape[1] + columns)
            lists[6].append(image[rows, columns])
    return total, lists


def random_frame(random, shape, dtype):
    """Photons of 4 on 1 % to half of the pixels, charge smeared, noise 1, and what must not disturb."""
    frame = random.poisson(random.choice([0.01, 0.1, 0.5]), shape) * 4.0
    frame = ndimage.uniform_filter(frame, [0] * (len(shape) - 2) + [1, 2], mode="constant")
    frame += random.normal(0, random.choice([0.0, 0.5]), shape)
    frame = np.round(frame * 4) / 4  # ties with the thresholds
    frame[random.random(shape) < 0.01] = random.choice([np.nan, np.inf, -np.inf, 1e6, 0.0])
    return frame.astype(dtype)


@settings(max_examples=120, deadline=None)
@example(seed=0, dtype=np.float32, tiles=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64]),
    tiles=st.sampled_from([None, 1, 3]),
)
def test_droplets_are_those_of_the_definition(seed, dtype, tiles):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(1, 25, 2))
    shape = shape if tiles is None else (tiles, *shape)
    frame = random_frame(random, shape, dtype)
    good = random.random(shape) > 0.05
    low = random.choice([0.5, 1.0, 2.0])
    high = low + random.choice([0.0, 0.5, 2.0])
    if random.random() < 0.5:
        rms = random.uniform(0.5, 1.5, shape)
        low, high = low * rms, high * rms
    maximum = random.choice([np.inf, 6.0])
    least = random.choice([-np.inf, 3.0])
    total, own = found_droplets(frame, good, high, low, maximum, least)
    limit = min(maximum, np.finfo(dtype).max)
    true_total, true = defined_droplets(frame, good, high, low, limit, least)
    assert total == true_total
    assert len(own[0]) == len(true[0])
    # One sum in the same order: equal to the last bit.
    for column in range(5):
        assert np.array_equal(own[column], np.array(true[column]).reshape(-1))
    for mine, theirs in zip(own[5], true[5], strict=True):
        assert np.array_equal(mine, theirs)
    for mine, theirs in zip(own[6], true[6], strict=True):
        assert np.array_equal(mine, theirs)


def test_droplets_that_touch_by_weak_pixels_only_are_one():
    frame = np.array([[0, 5, 2, 2, 5, 0], [2, 0, 0, 0, 0, 2]], np.float32)
    good = np.ones(frame.shape, bool)
    _, (adu, npix, row, col, *_) = found_droplets(frame, good, 5.0, 2.0)
    assert adu.tolist() == [14.0]
    assert npix.tolist() == [4]
    assert (row[0], col[0]) == (0.0, 2.5)


def test_a_winding_droplet_is_one():
    # A comb open upwards, then a spiral: trees of groups that are joined late.
    comb = np.zeros((40, 41), np.float32)
    comb[:, ::2], comb[-1] = 3.0, 3.0
    _, (adu, npix, *_) = found_droplets(comb, np.ones(comb.shape, bool), 1.0, 1.0)
    assert npix.tolist() == [40 * 21 + 20]
    assert adu.tolist() == [3.0 * (40 * 21 + 20)]
    full = np.full((64, 64), 2.0, np.float32)
    _, (adu, *_) = found_droplets(full, np.ones(full.shape, bool), 1.0, 1.0)
    assert adu.tolist() == [2.0 * 64 * 64]


def test_memory_of_the_frame_before_leaves_no_trace():
    random = np.random.default_rng(1)
    shape = (30, 40)
    good = np.ones(shape, bool)
    low, high = (pixel_limits(np.full(shape, t), good, np.dtype("f4")) for t in (1.0, 2.0))
    space, lists = new_workspace(*shape), new_droplets(good.size, np.dtype("f4"))
    frames = random.gamma(0.3, 2.0, (5, *shape)).astype(np.float32)
    for frame in [*frames, np.zeros(shape, np.float32), frames[0]]:
        total, kept, _ = find_droplets(
            frame, 30, low.min(axis=1), low, high, 1e30, 0.0, space, lists
        )
        true_total, true = defined_droplets(frame, good, 2.0, 1.0)
        assert total == kept == true_total
        assert np.array_equal(lists.adu[:kept], np.array(true[0]).reshape(-1))


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-30, 1e30), st.integers(-2, 2))
def test_limits_are_reached_just_when_the_threshold_is(threshold, steps):
    intensity = np.float32(threshold)
    for _ in range(abs(steps)):
        intensity = np.nextafter(intensity, np.float32(np.inf if steps > 0 else 0))
    (limit,) = pixel_limits(np.array([threshold]), np.array([True]), np.dtype("f4"))
    assert (intensity >= limit) == (float(intensity) >= threshold)


def test_no_pixel_without_a_limit_counts():
    good = np.array([True, False, True, True])
    limits = pixel_limits(np.array([1.0, 1.0, np.nan, 0.0]), good, np.dtype("f4"))
    assert limits[0] == 1
    assert np.isinf(limits[1:3]).all()
    assert 0 < limits[3] < 1e-30  # a pixel of intensity 0 is of no droplet, whatever its threshold


def test_shapes_are_moments_and_boxes():
    random = np.random.default_rng(5)
    frame = random.gamma(0.3, 2.0, (2, 20, 25)).astype(np.float32)
    flat = frame.reshape(-1, 25)
    good = np.ones(flat.shape, bool)
    low, high = (pixel_limits(np.full(flat.shape, t), good, frame.dtype) for t in (0.5, 2.0))
    lists = new_droplets(flat.size, frame.dtype)
    _, kept, _ = find_droplets(
        flat, 20, low.min(axis=1), low, high, 1e30, 0.0, new_workspace(*flat.shape), lists
    )
    box, moments = np.empty((kept, 4), np.int32), np.empty((kept, 3))
    droplet_shapes(lists, 0, kept, 20, 25, box, moments)
    assert kept > 20
    for d in range(kept):
        pixels = lists.pixel[lists.start[d] : lists.start[d + 1]]
        tile, row, column = np.unravel_index(pixels, frame.shape)
        weight = frame[tile, row, column].astype(np.float64)
        assert box[d].tolist() == [row.min(), column.min(), row.max(), column.max()]
        spread = np.atleast_2d(np.cov(row, column, aweights=weight, ddof=0))
        assert moments[d] == pytest.approx([spread[0, 0], spread[0, 1], spread[1, 1]], abs=1e-9)
