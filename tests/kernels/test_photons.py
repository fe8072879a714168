"""Photons by the greedy guess and by the two-pixel rule, against both written out slowly in Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.kernels.droplets import (
    find_droplets,
    new_droplets,
    new_workspace,
    pixel_limits,
)
from scatterflow.kernels.photon_pairs import MOST, new_pair_space, pair_photons
from scatterflow.kernels.photons import (
    add_photons,
    count_guessed,
    count_pixels,
    guess_photons,
    new_fractions,
    new_photons,
    photons_in,
)


def smeared(random, shape, density, noise=0.1):
    """A frame in photons: charge of each shared among up to four pixels."""
    frame = random.normal(0, noise, shape)
    number = random.poisson(density * frame.size)
    row, col = (random.uniform(0, n, number) for n in shape[-2:])
    tile = random.integers(0, frame.size // (shape[-2] * shape[-1]), number)
    tiles = frame.reshape(-1, *shape[-2:])
    for t, r, c in zip(tile, row, col, strict=True):
        above, before = (max(0.0, 0.2 - x % 1) * 2.5 for x in (r, c))
        for y, share_y in ((0, 1 - above), (-1, above)):
            for x, share_x in ((0, 1 - before), (-1, before)):
                if r + y >= 0 and c + x >= 0:
                    tiles[t, int(r + y), int(c + x)] += share_y * share_x
    return frame


def droplets_of(frame, low, high, least):
    tiles = frame if frame.ndim == 3 else frame[None]
    flat = tiles.reshape(-1, tiles.shape[2])
    good = np.ones(flat.shape, bool)
    limits = [pixel_limits(np.full(flat.shape, float(t)), good, flat.dtype) for t in (low, high)]
    lists = new_droplets(flat.size, flat.dtype)
    most = np.finfo(flat.dtype).max
    space = new_workspace(*flat.shape)
    _, kept, _ = find_droplets(
        flat, tiles.shape[1], limits[0].min(axis=1), *limits, most, least, space, lists
    )
    return lists, kept


def reference_guess(frame, lists, kept, adu):
    """The greedy guess as its definition reads, in a picture of each droplet."""
    tiles = frame if frame.ndim == 3 else frame[None]
    boundaries = [k * adu - adu / 2 for k in range(100_000)]
    photons = []
    for d in range(kept):
        number = int(np.searchsorted(boundaries, lists.adu[d], side="right")) - 1
        pixels = lists.pixel[lists.start[d] : lists.start[d + 1]]
        tile, rows, columns = np.unravel_index(pixels, tiles.shape)
        if number == 1:
            photons.append((lists.row[d], lists.col[d], lists.tile[d]))
            continue
        if pixels.size == 1:
            photons += [(rows[0], columns[0], tile[0])] * number
            continue
        if number < 1:
            continue
        picture = np.zeros((rows.max() - rows.min() + 3, columns.max() - columns.min() + 3))
        shift = rows.min() - 1, columns.min() - 1
        picture[rows - shift[0], columns - shift[1]] = tiles[tile, rows, columns] / np.float64(adu)
        whole = np.floor(picture)
        for r, c in zip(*np.nonzero(whole), strict=True):
            photons += [(r + shift[0], c + shift[1], tile[0])] * int(whole[r, c])
        picture -= whole
        inner = picture[1:-1, 1:-1]
        for _ in range(number - int(whole.sum())):
            r, c = np.unravel_index(np.argmax(inner), inner.shape)
            r, c = r + 1, c + 1
            away = 1 - picture[r, c]
            steps = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
            bright = {name: picture[r + y, c + x] for name, (y, x) in steps.items()}
            chosen = "right"
            for name in ("up", "down", "left"):
                if all(bright[name] > other for key, other in bright.items() if key != name):
                    chosen = name
                    break
            y, x = steps[chosen]
            picture[r, c] = 0
            picture[r + y, c + x] = max(picture[r + y, c + x] - away, 0)
            photons.append((r + shift[0] + y * away, c + shift[1] + x * away, tile[0]))
    return np.array(photons, np.float64).reshape(-1, 3)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.02, 0.2, 1.0, 4.0]),
    tiles=st.sampled_from([None, 2]),
    coarse=st.booleans(),
)
def test_guessed_photons_are_those_of_the_definition(seed, density, tiles, coarse):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(2, 22, 2))
    shape = shape if tiles is None else (tiles, *shape)
    adu = 160.0
    frame = smeared(random, shape, density) * adu
    if coarse:
        frame = np.round(frame / 40) * 40  # equal fractions, and sums on the boundaries
    frame = frame.astype(np.float32)
    lists, kept = droplets_of(frame, 0.22 * adu, 0.35 * adu, 0.3 * adu)
    number = int(count_guessed(lists, kept, adu))
    space, photons = new_fractions(frame.size), new_photons(number)
    rows, columns = shape[-2:]
    found = guess_photons(lists, kept, adu, rows, columns, space, photons)
    true = reference_guess(frame, lists, kept, adu)
    assert found == number == len(true)
    for own, column in zip(photons, true.T, strict=True):
        assert np.array_equal(own[:found], column)
    assert not space.left.any()


def test_numbers_of_photons_change_at_the_boundaries():
    for adu in (160.0, 154.3, 0.1, 7.0 / 3):
        for k in range(1, 60):
            boundary = k * adu - adu / 2
            assert photons_in(boundary, adu) == k
            assert photons_in(math.nextafter(boundary, 0), adu) == k - 1
    assert photons_in(-1e9, 160.0) == 0
    assert photons_in(1e30, 160.0) > 1e27


def test_a_frame_that_is_one_droplet_is_guessed_in_no_time():
    # The brightest pixel of 40000, 50000 times: a heap takes milliseconds, searching takes minutes.
    random = np.random.default_rng(2)
    frame = (random.uniform(0.3, 2.0, (200, 200)) * 160).astype(np.float32)
    lists, kept = droplets_of(frame, 10.0, 10.0, 0.0)
    assert kept == 1
    number = int(count_guessed(lists, kept, 160.0))
    photons = new_photons(number)
    found = guess_photons(lists, 1, 160.0, 200, 200, new_fractions(frame.size), photons)
    assert found == number == round(float(frame.astype(float).sum()) / 160)


def test_maps_count_photons_at_rounded_positions():
    row = np.array([0.0, 0.49, 0.5, 1.5, -0.51, 2.5, 1.0])
    col = np.array([0.0, 0.0, 0.0, 2.0, 1.0, 1.0, -0.5])
    tile = np.array([0, 0, 0, 1, 0, 0, 0], np.int32)
    counts = np.array([1, 1, 1, 3, 1, 2, 1])
    photon_map = np.zeros((2, 3, 4), np.int64)
    outside = add_photons(row, col, tile, counts, 0, 7, photon_map)
    expected = np.zeros((2, 3, 4))
    expected[0, 0, 0], expected[0, 1, 0], expected[1, 2, 2] = 2, 2, 3
    assert np.array_equal(photon_map, expected)
    assert outside == 3


def test_pixels_are_counted_by_their_photons():
    row = np.array([0.0, 0.49, 0.5, 1.5, 1.6, 1.7, -0.51, 2.6])
    col = np.array([0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 1.0, 1.0])
    tile = np.array([0, 0, 0, 1, 1, 1, 0, 0], np.int32)
    photon_map = np.zeros((2, 3, 4), np.int32)
    good = np.ones((2, 3, 4), bool)
    good[0, 1, 0] = False
    for classes, expected in ((5, [21, 0, 1, 1, 0]), (3, [21, 0, 1])):
        pixels = np.zeros(classes, np.int64)
        pixels[0] = good.sum()
        photons = new_photons(0)._replace(row=row, col=col, tile=tile)
        assert count_pixels(photons, 8, good, photon_map, pixels) == 5
        assert pixels.tolist() == expected
        assert not photon_map.any()


def reference_maxima(line):
    """Maxima of a line in one scan, as the definition reads."""
    found = np.zeros(len(line), bool)
    last = len(line) - 1
    found[0] = line[0] > line[1]
    i = 2 if found[0] else 1
    while i < last:
        if line[i + 1] > line[i]:
            i += 1
        elif line[i - 1] > line[i]:
            i += 2
        else:
            found[i] = True
            i += 2
    found[last] = line[last] > line[last - 1]
    return found


def reference_pairs(frame, good, adu, pair_fraction, least):
    value = np.where(good & (frame >= least), frame / np.float64(adu), 0.0)
    value[~(value > 0)] = 0.0
    counts = np.floor(value)
    fraction = (value - counts).astype(np.float32)
    candidate = np.apply_along_axis(reference_maxima, 1, fraction)
    candidate &= np.apply_along_axis(reference_maxima, 0, fraction)
    candidate &= fraction >= 0.5
    rows, columns = frame.shape
    b, r = rows - 1, columns - 1
    inner = [(y, x) for y in range(1, b) for x in range(1, r)]
    sides = [(y, x) for x in (0, r) for y in range(1, b)]
    ends = [(y, x) for y in (0, b) for x in range(1, r)]
    order = [*inner, *sides, *ends, (b, 0), (b, r), (0, 0), (0, r)]
    used = np.zeros(frame.shape, bool)
    for y, x in order:
        if not candidate[y, x]:
            continue
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        free = [p for p in around if 0 <= p[0] < rows and 0 <= p[1] < columns and not used[p]]
        # max takes the first of equal ones, the rule the last.
        partner = max(reversed(free), key=lambda p: fraction[p], default=None)
        other = 0.0 if partner is None else float(fraction[partner])
        if float(fraction[y, x]) + other >= pair_fraction:
            counts[y, x] += 1
            used[y, x] = True
            if partner is not None:
                used[partner] = True
    return counts


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.05, 0.5, 3.0]),
    pair_fraction=st.sampled_from([0.9, 0.7, 0.5]),
    coarse=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_pairs_are_those_of_the_definition(seed, density, pair_fraction, coarse, dtype):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(2, 25, 2))
    frame = smeared(random, shape, density) * 154
    if coarse:
        frame = np.round(frame / 38.5) * 38.5
    frame[random.random(shape) < 0.02] = np.nan
    frame = frame.astype(dtype)
    good = random.random(shape) > 0.05
    least = random.choice([-np.inf, 30.0])
    counts = np.empty(shape, np.uint16)
    space = new_pair_space(*shape)
    total = pair_photons(frame, good, 154.0, pair_fraction, least, space, counts)
    expected = reference_pairs(frame, good, 154.0, pair_fraction, least)
    assert np.array_equal(counts, expected)
    assert total == expected.sum()


@pytest.mark.parametrize(
    ("intensity", "photons"), [(1e30, MOST), (np.inf, MOST), (65534.2, 65534), (np.nan, 0), (-3, 0)]
)
def test_no_count_of_a_map_wraps(intensity, photons):
    frame = np.full((3, 3), intensity)
    counts = np.empty((3, 3), np.uint16)
    good = np.ones((3, 3), bool)
    pair_photons(frame, good, 1.0, 2.5, -np.inf, new_pair_space(3, 3), counts)
    assert (counts == photons).all()
