"""Assembled images: to the pixel those of EXtra-geom, and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.images import (
    assemble,
    image_index,
    pixel_size,
    stacked_index,
)


def test_images_are_those_of_extra_geom():
    from extra_geom import AGIPD_1MGeometry

    geometry = AGIPD_1MGeometry.from_quad_positions(
        [(-525, 625), (-550, -10), (520, -160), (542, 475)]
    )
    # Tiles on whole pixels: where they stand between, either may round as it likes.
    for module in geometry.modules:
        for tile in module:
            tile.corner_pos = np.round(tile.corner_pos / 2e-4) * 2e-4
            tile.ss_vec, tile.fs_vec = (
                np.round(v / 2e-4) * 2e-4 for v in (tile.ss_vec, tile.fs_vec)
            )
    frames = np.random.default_rng(1).normal(5, 2, (2, 16, 512, 128))
    expected, _ = geometry.position_modules(frames)
    x, y, _ = np.moveaxis(geometry.get_pixel_positions(), -1, 0) * 1000
    index = image_index(x, y)
    assert index.size == pytest.approx(0.2)
    np.testing.assert_array_equal(assemble(frames, index), expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_means_of_pixels_that_share_a_place(seed):
    random = np.random.default_rng(seed)
    x, y = random.integers(0, 6, (2, 3, 4, 5)) * 0.1
    x[0, 0, 0] = np.nan
    good = random.random((3, 4, 5)) > 0.2
    frame = random.normal(size=(3, 4, 5))
    frame[1, 1, 1] = np.nan
    index = image_index(x, y, 0.1)
    found = assemble(frame, index, good)
    used = good & np.isfinite(x)
    for row in range(index.shape[0]):
        for column in range(index.shape[1]):
            here = used & np.isclose(x, index.x + 0.1 * column)
            here &= np.isclose(y, index.y + 0.1 * row)
            values = frame[here & np.isfinite(frame)]
            if values.size:
                assert found[row, column] == pytest.approx(values.mean())
            else:
                assert np.isnan(found[row, column])


def test_tiles_at_half_a_pixel_keep_their_rows_whole():
    row, column = np.indices((4, 300))
    x = np.stack([column, column + 300.5]) * 0.075
    y = np.stack([row, row + 0.5]) * 0.075
    index = image_index(x, y)
    assert np.unique(index.place).size == index.place.size
    assert index.shape == (5, 601)


def test_stacked_tiles_and_faults():
    frames = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(assemble(frames, stacked_index((2, 3, 4))), frames.reshape(6, 4))
    with pytest.raises(UserError, match="no pixel"):
        image_index(np.full((2, 2), np.nan), np.zeros((2, 2)))
    with pytest.raises(UserError, match="one place"):
        pixel_size(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(UserError, match="image of"):
        image_index(np.array([[0.0, 1e-6, 1e6]]), np.array([[0.0, 0.0, 1e6]]), 0.01)
