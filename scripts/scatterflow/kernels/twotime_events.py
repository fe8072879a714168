"""Two-time correlation of sparse frames: each pair of a pixel's events adds to the product of its two frames.

sum_p n_p (n_p + 1) / 2 steps of integers for n_p events in pixel p, where dense products take
pixels x frames^2 / 2. A band of rows is summed in a tile that stays in the processor's cache while all pixels
pass by; bands are independent, so the sums do not depend on threads.

Events of a block: position p has events starts[p]..starts[p+1]-1, `frame` (int32) ascending, `count`.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled

BAND = 64
"""Rows of a band: with a tile's width half a megabyte of 32-bit sums."""


@compiled
def find_events(starts, frame, edges, found):
    """found[k, p] = index of the first event of position p in a frame >= edges[k]; edges ascending."""
    for position in range(starts.size - 1):
        at, stop = starts[position], starts[position + 1]
        at += np.searchsorted(frame[at:stop], edges[0])
        for k in range(edges.size):
            while at < stop and frame[at] < edges[k]:
                at += 1
            found[k, position] = at


@compiled
def add_pairs(rows, columns, frame, count, first, last, row, column, diagonal, products):
    """Add products of the events of positions first..last-1 to a band.

    rows: (2, positions), where each position's events in the band's frames begin and end; columns: the same
    for the frames across; row, column: frames of products[0, 0]; diagonal: only t2 >= t1 counts.
    """
    for position in range(first, last):
        stop = columns[1, position]
        begin = columns[0, position]
        for i in range(rows[0, position], rows[1, position]):
            own = products[frame[i] - row]
            value = np.int64(count[i])
            for j in range(i if diagonal else begin, stop):
                own[frame[j] - column] += value * np.int64(count[j])


@compiled
def add_pairs_of_fractions(
    rows, columns, frame, count, first, last, row, column, diagonal, products
):
    """The same for counts that are no integers; products float64."""
    for position in range(first, last):
        stop = columns[1, position]
        begin = columns[0, position]
        for i in range(rows[0, position], rows[1, position]):
            own = products[frame[i] - row]
            value = np.float64(count[i])
            for j in range(i if diagonal else begin, stop):
                own[frame[j] - column] += value * np.float64(count[j])


@compiled
def fill_panel(events, frame, count, start, panel):
    """Events as dense frames start, start + 1, ...: panel (frames, positions), which must be 0.

    events: (2, positions), where each position's events in the panel's frames begin and end.
    """
    for position in range(panel.shape[1]):
        for i in range(events[0, position], events[1, position]):
            panel[frame[i] - start, position] = count[i]


@compiled
def sum_event_group(starts, frame, count, edges, group, sums, squares):
    """Sums of x and x^2 over positions edges[group]..edges[group+1]-1, into column `group`."""
    for i in range(starts[edges[group]], starts[edges[group + 1]]):
        value = np.float64(count[i])
        sums[frame[i], group] += value
        squares[frame[i], group] += value * value
