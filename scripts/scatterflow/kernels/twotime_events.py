"""Two-time correlation of sparse frames: each pair of a pixel's events adds to the product of its two frames.

sum_p n_p (n_p + 1) / 2 steps of integers for n_p events in pixel p, where dense products take
pixels x frames^2 / 2. Events are taken band by band of frames, so that the sums of a band stay in the
processor's caches, and within a band pixel by pixel, so that memory is read in order. Bands are
independent: the sums do not depend on threads.

Events of a block: position p has events starts[p]..starts[p+1]-1, `frame` (int32) ascending, `count`.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled

# Measured: fewer rows leave more pixels without an event to jump over, which costs more than sums
# that lie in the outer cache. Wide tiles make most pairs of an event at once.
BAND = 256
"""Frames of a band."""
ROWS, COLUMNS = 1024, 8192
"""Frames along the sides of a tile."""


def packed(frame: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, int]:
    """Events as one word each, frame << shift | count: one stream of memory instead of two.

    frame: int32, count: unsigned integers of up to 32 bits. Returns (words, shift), 4 bytes where that does.
    """
    if count.max(initial=0) < 2**8 and frame.max(initial=0) < 2**24:
        return frame.astype(np.uint32) << np.uint32(8) | count.astype(np.uint32), 8
    return frame.astype(np.uint64) << np.uint64(32) | count.astype(np.uint64), 32


@compiled
def count_in_bands(starts, frame, band, number):
    """number[b] += events in frames b band..(b + 1) band - 1."""
    for i in range(starts[0], starts[-1]):
        number[frame[i] // band] += 1


@compiled
def list_bands(starts, frame, band, at, event, position):
    """Events by band, within a band by position: their index and their position.

    at: where each band's list begins, moved on to where it ends.
    """
    for p in range(starts.size - 1):
        for i in range(starts[p], starts[p + 1]):
            own = frame[i] // band
            place = at[own]
            event[place] = i
            position[place] = p
            at[own] = place + 1


@compiled
def find_events(starts, frame, first, found):
    """found[p] = index of the first event of position p in a frame >= first."""
    for p in range(starts.size - 1):
        found[p] = starts[p] + np.searchsorted(frame[starts[p] : starts[p + 1]], first)


@compiled
def add_pairs(event, position, begin, end, words, shift, row, column, products):
    """Add products of a band's events, as listed, with all events across to the sums of the band.

    begin, end: (positions,) where each position's events in the frames across begin and end; an event
    is never paired with an earlier one. words, shift: of `packed`. row, column: frames of products[0, 0].
    """
    mask = (1 << shift) - 1
    for k in range(event.size):
        i, p = event[k], position[k]
        own = products[np.int64(words[i] >> shift) - row]
        value = np.int64(words[i] & mask)
        for j in range(max(i, begin[p]), end[p]):
            own[np.int64(words[j] >> shift) - column] += value * np.int64(words[j] & mask)


@compiled
def add_pairs_of_fractions(event, position, begin, end, frame, count, row, column, products):
    """The same for counts that are no integers, not packed; products float64."""
    for k in range(event.size):
        i, p = event[k], position[k]
        own = products[frame[i] - row]
        value = np.float64(count[i])
        for j in range(max(i, begin[p]), end[p]):
            own[frame[j] - column] += value * np.float64(count[j])


@compiled
def fill_panel(begin, end, frame, count, start, panel):
    """Events as dense frames start, start + 1, ...: panel (frames, positions), which must be 0.

    begin, end: (positions,) where each position's events in the panel's frames begin and end.
    """
    for position in range(panel.shape[1]):
        for i in range(begin[position], end[position]):
            panel[frame[i] - start, position] = count[i]


@compiled
def sum_event_group(starts, frame, count, edges, group, sums, squares):
    """Sums of x and x^2 over positions edges[group]..edges[group+1]-1, into column `group`."""
    for i in range(starts[edges[group]], starts[edges[group + 1]]):
        value = np.float64(count[i])
        sums[frame[i], group] += value
        squares[frame[i], group] += value * value
