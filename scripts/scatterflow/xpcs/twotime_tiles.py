"""Tiles of the two-time map of one dynamic bin: products of its frames by BLAS or by pairs of events.

Never more than a few tiles of 2048 x 2048 frames are in memory, whatever the number of frames. An element
is made by the same steps in either form and for any number of threads, so that it is the same to the
last bit wherever counts are integers. BLAS takes its number of threads from the environment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from scatterflow.kernels import twotime as dense
from scatterflow.kernels import twotime_events as sparse
from scatterflow.xpcs.blocks import Block, Form, as_events
from scatterflow.xpcs.twotime_weights import Parts, Weights

# Measured near the crossover, some 0.13 photons a pixel and frame: seconds on one core for a pair of
# events, and for a product and sum of BLAS.
PAIR, PRODUCT = 1.2e-9, 2e-11
_ROWS = 256
"""Rows that a thread fills or weighs at once."""


@dataclass(frozen=True)
class Counts:
    """Counts of a bin's pixels and their sums over each panel.

    sums, squares: (frames, panels) float64, of the counts and of their squares. by_events: whether they are
    multiplied in pairs of events; then the block is in that form.
    """

    block: Block
    parts: Parts
    sums: np.ndarray
    squares: np.ndarray
    by_events: bool

    @property
    def integers(self) -> bool:
        """Whether counts are integers by their type."""
        return self.block.dtype.kind in "iub"

    def part_sums(self) -> np.ndarray:
        """(frames, parts) sums of the counts."""
        return np.add.reduceat(self.sums, self.parts.panel_of[:-1], axis=1)


def faster_by_events(block: Block) -> bool:
    """Whether pairs of events take less time than products of all frames."""
    if block.form == "events":
        events = np.diff(block.starts)
    else:
        from scatterflow.kernels.event_lists import count_occupied

        events = np.zeros(block.pixels, np.int64)
        count_occupied(block.values, np.ones(block.frames, bool), events)
    pairs = float(np.sum(events * (events + 1.0))) / 2
    products = block.pixels * block.frames * (block.frames + 1) / 2
    return PAIR * pairs < PRODUCT * products


def prepare_counts(block: Block, parts: Parts, threads: int, form: Form | None = None) -> Counts:
    """Counts in the form that is multiplied faster, or as asked."""
    by_events = faster_by_events(block) if form is None else form == "events"
    if by_events:
        block = as_events(block)
    shape = (block.frames, len(parts.panels) - 1)
    sums, squares = np.zeros(shape), np.zeros(shape)

    def of_frames(start: int) -> None:
        stop = min(start + _ROWS, block.frames)
        dense.sum_groups(block.values, start, stop, parts.panels, sums, squares)

    def of_panel(panel: int) -> None:
        sparse.sum_event_group(
            block.starts, block.frame, block.count, parts.panels, panel, sums, squares
        )

    with ThreadPoolExecutor(threads) as pool:
        if block.form == "frames":
            list(pool.map(of_frames, range(0, block.frames, _ROWS)))
        else:
            list(pool.map(of_panel, range(shape[1])))
    return Counts(block, parts, sums, squares, by_events)


@dataclass(frozen=True)
class Place:
    """Frame ranges of a tile: rows are t1, columns t2."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def diagonal(self) -> bool:
        """Whether the tile begins on the diagonal."""
        return self.rows[0] == self.columns[0]

    def bands(self, size: int) -> list[tuple[int, int]]:
        """Its rows in bands (start, stop), counted from its first one."""
        rows = self.shape[0]
        return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def places(frames: int, rows: int, columns: int) -> Iterator[Place]:
    """Tiles of the triangle t2 >= t1, row by row; along each diagonal t1 ascends from tile to tile.

    rows, columns: frames along the sides of a tile; those at the end are smaller.
    """
    for row in range(0, frames, rows):
        for column in range(row, frames, columns):
            yield Place((row, min(row + rows, frames)), (column, min(column + columns, frames)))


def map_tiles(
    counts: Counts, maps: Sequence[Weights], threads: int
) -> Iterator[tuple[Place, list[np.ndarray]]]:
    """Tiles of the triangle as of `places`, with C2 (rows, columns) float64 of each map.

    What lies below the diagonal is undefined; the arrays are used again for the next tile.
    """
    size = (sparse.ROWS, sparse.COLUMNS) if counts.by_events else (dense.TILE, dense.TILE)
    all_places = list(places(counts.block.frames, *size))
    largest = max(math.prod(place.shape) for place in all_places)
    buffers = [np.empty(largest) for _ in maps]
    with ThreadPoolExecutor(threads) as pool:
        multiplier = (_EventPairs if counts.by_events else _Panels)(counts, pool, threads)
        for place in all_places:
            found = [_shaped(buffer, place.shape) for buffer in buffers]
            for tile in found:
                tile.fill(0.0)
            multiplier.add(place, maps, found)
            for tile, weights in zip(found, maps, strict=True):
                _normalise(tile, weights, place, pool)
            yield place, found


def _shaped(buffer: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return buffer[: shape[0] * shape[1]].reshape(shape)


def _normalise(tile: np.ndarray, weights: Weights, place: Place, pool: ThreadPoolExecutor) -> None:
    rows, columns = slice(*place.rows), slice(*place.columns)
    divisor = np.empty((0, 0))
    if weights.occupied is not None:
        used = (weights.occupied[:, rows] * weights.pixels[:, None]).astype(np.float64)
        divisor = used.T @ weights.occupied[:, columns].astype(np.float64)

    def band(edges: tuple[int, int]) -> None:
        if weights.occupied is not None:
            dense.divide_tile(tile, divisor, *edges)
        dense.scale_tile(tile, weights.factor, weights.good[rows], weights.good[columns], *edges)

    list(pool.map(band, place.bands(_ROWS)))


def _add_weighted(
    products: np.ndarray,
    band: tuple[int, int],
    part: int,
    place: Place,
    maps: Sequence[Weights],
    found: Sequence[np.ndarray],
) -> None:
    """Add products of a band of a tile's rows to all maps that use the part."""
    start, stop = band
    for weights, tile in zip(maps, found, strict=True):
        if weights.uses[part]:
            of_frames = weights.weights[part]
            dense.add_weighted(
                products,
                of_frames[place.rows[0] + start : place.rows[0] + stop],
                of_frames[slice(*place.columns)],
                # Below the diagonal nothing is read.
                start if place.diagonal else -stop,
                tile[start:stop],
            )


class _Panels:
    """Products of frames by BLAS, panel by panel of pixels, part by part."""

    def __init__(self, counts: Counts, pool: ThreadPoolExecutor, threads: int) -> None:
        side = min(dense.TILE, counts.block.frames)
        widest = int(np.diff(counts.parts.panels).max())
        self._counts, self._pool = counts, pool
        self._products = np.empty(side * side, np.float32)
        self._exact = np.empty(0)
        # As wide as float64; float32 takes the first half.
        self._left, self._right = np.empty(side * widest), np.empty(side * widest)
        squares, first = counts.squares, counts.parts.panel_of
        self._runs = [
            dense.single_runs(squares[:, first[part] : first[part + 1]], counts.integers)
            for part in range(len(counts.parts))
        ]

    def add(self, place: Place, maps: Sequence[Weights], found: Sequence[np.ndarray]) -> None:
        """Add the weighted products of all parts to the tiles of the maps."""
        for part in range(len(self._counts.parts)):
            products = self._multiply(place, part)
            list(
                self._pool.map(
                    lambda band, products=products, part=part: _add_weighted(
                        products[slice(*band)], band, part, place, maps, found
                    ),
                    place.bands(_ROWS),
                )
            )

    def _multiply(self, place: Place, part: int) -> np.ndarray:
        """Sums of products over the part's pixels: float32 where that is exact, else float64."""
        runs, begin = self._runs[part], int(self._counts.parts.panel_of[part])
        single = _shaped(self._products, place.shape)
        if len(runs) == 1 and runs[0][2]:
            self._multiply_panels(place, range(begin, begin + runs[0][1]), single, False)
            return single
        self._exact = self._exact if self._exact.size else np.empty(self._products.size)
        exact = _shaped(self._exact, place.shape)
        exact.fill(0.0)
        for first, last, is_single in runs:
            panels = range(begin + first, begin + last)
            if is_single:
                self._multiply_panels(place, panels, single, False)
                exact += single
            else:
                self._multiply_panels(place, panels, exact, True)
        return exact

    def _multiply_panels(self, place: Place, panels: range, out: np.ndarray, add: bool) -> None:
        for panel in panels:
            left = self._filled(self._left, place.rows, panel, out.dtype)
            if place.diagonal:
                dense.syrk(left, out, add)
            else:
                right = self._filled(self._right, place.columns, panel, out.dtype)
                dense.gemm(left, right, out, add)
            add = True

    def _filled(
        self, buffer: np.ndarray, frames: tuple[int, int], panel: int, dtype: np.dtype
    ) -> np.ndarray:
        """Counts of a panel's pixels in frames of a tile, (frames, pixels)."""
        block, edges = self._counts.block, self._counts.parts.panels
        first, last = int(edges[panel]), int(edges[panel + 1])
        filled = _shaped(buffer.view(dtype), (frames[1] - frames[0], last - first))
        if block.form == "events":
            filled.fill(0)
            own = block.starts[first : last + 1]
            begin, end = (_first_events(own, block, frame) for frame in frames)
            sparse.fill_panel(begin, end, block.frame, block.count, frames[0], filled)
            return filled

        def band(start: int) -> None:
            rows = slice(start, start + _ROWS)
            np.copyto(filled[rows], block.values[slice(*frames), first:last][rows])

        list(self._pool.map(band, range(0, len(filled), _ROWS)))
        return filled


class _EventPairs:
    """Products of frames by pairs of events, band by band of a tile's rows."""

    def __init__(self, counts: Counts, pool: ThreadPoolExecutor, threads: int) -> None:
        block, parts = counts.block, counts.parts
        largest = np.add.reduceat(counts.squares, parts.panel_of[:-1], axis=1).max(initial=0)
        self._counts, self._pool, self._threads = counts, pool, threads
        self._dtype: type = np.int32 if largest < 2**31 else np.int64
        self._add_pairs = sparse.add_pairs
        self._events: tuple = ()
        if counts.integers and largest < 2**63:
            self._events = sparse.packed(block.frame, block.count)
        else:
            self._dtype, self._add_pairs = np.float64, sparse.add_pairs_of_fractions
            self._events = (block.frame, block.count)
        number = np.zeros(-(-block.frames // sparse.BAND), np.int64)
        sparse.count_in_bands(block.starts, block.frame, sparse.BAND, number)
        self._lists = np.concatenate(([0], np.cumsum(number)))
        self._event = np.empty(self._lists[-1], np.int64)
        self._position = np.empty(self._lists[-1], np.int32)
        sparse.list_bands(
            block.starts,
            block.frame,
            sparse.BAND,
            self._lists[:-1].copy(),
            self._event,
            self._position,
        )
        self._end = block.starts[:-1]

    def add(self, place: Place, maps: Sequence[Weights], found: Sequence[np.ndarray]) -> None:
        """Add the weighted products of all parts to the tiles of the maps."""
        block = self._counts.block
        # Tiles of a row follow one another: this one begins where the last one ended.
        begin = block.starts[:-1] if place.diagonal else self._end
        self._end = _first_events(block.starts, block, place.columns[1])
        bands = place.bands(sparse.BAND)

        def turn(first: int) -> None:
            sums: np.ndarray = np.empty((sparse.BAND, place.shape[1]), self._dtype)
            for band in bands[first :: self._threads]:
                self._add_band(place, band, begin, sums[: band[1] - band[0]], maps, found)

        list(self._pool.map(turn, range(self._threads)))

    def _add_band(
        self,
        place: Place,
        band: tuple[int, int],
        begin: np.ndarray,
        products: np.ndarray,
        maps: Sequence[Weights],
        found: Sequence[np.ndarray],
    ) -> None:
        parts = self._counts.parts
        row = place.rows[0] + band[0]
        own = slice(*self._lists[row // sparse.BAND :][:2])
        cuts = own.start + np.searchsorted(self._position[own], parts.edges)
        for part in range(len(parts)):
            listed = slice(cuts[part], cuts[part + 1])
            products.fill(0)
            self._add_pairs(
                self._event[listed],
                self._position[listed],
                begin,
                self._end,
                *self._events,
                row,
                place.columns[0],
                products,
            )
            _add_weighted(products, band, part, place, maps, found)


def _first_events(starts: np.ndarray, block: Block, frame: int) -> np.ndarray:
    """Index of the first event in this frame or later of each position; starts: of these positions."""
    if frame >= block.frames:
        return starts[1:]
    found = np.empty(len(starts) - 1, np.int64)
    sparse.find_events(starts, block.frame, frame, found)
    return found
