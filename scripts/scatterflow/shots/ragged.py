"""Lists of different lengths, one a shot: droplets, photons; and maps of them.

`unsparsify` is that of SLAC's smalldata_tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scatterflow.kernels.photon_pairs import MOST
from scatterflow.kernels.photons import add_photons


@dataclass(frozen=True)
class Ragged:
    """Lists of different lengths, one a shot, one behind the other.

    lengths: (n,) int64; values: (sum of lengths, ...) each, by name.
    """

    lengths: np.ndarray
    values: dict[str, np.ndarray]


def joined(lists: Sequence[Mapping[str, np.ndarray]], empty: Mapping[str, np.ndarray]) -> Ragged:
    """Lists of shot after shot; empty: names, dtypes and shapes where there is none."""
    return Ragged(
        np.array([len(next(iter(one.values()))) for one in lists], np.int64),
        {
            name: np.concatenate([none, *(one[name] for one in lists)])
            for name, none in empty.items()
        },
    )


def unsparsify(lists: Ragged, shape: Sequence[int]) -> np.ndarray:
    """Photon maps (n, *shape) uint16 of lists with row, col, tile and data, the photons of each entry.

    shape: of a frame. 65535 is 65535 or more; photons outside of the frame are in no map.
    """
    tiles = (1, *shape) if len(shape) == 2 else tuple(shape)
    maps = np.empty((lists.lengths.size, *tiles), np.uint16)
    exact = np.empty(tiles, np.int64)
    row, col = (np.ascontiguousarray(lists.values[name], np.float64) for name in ("row", "col"))
    tile = np.ascontiguousarray(lists.values["tile"], np.int32)
    counts = np.ascontiguousarray(lists.values["data"], np.int64)
    ends = np.cumsum(lists.lengths)
    for shot, (begin, end) in enumerate(zip(ends - lists.lengths, ends, strict=True)):
        exact[:] = 0
        add_photons(row, col, tile, counts, begin, end, exact)
        maps[shot] = np.minimum(exact, MOST)
    return maps.reshape(lists.lengths.size, *shape)


def stacked(parts: Sequence[tuple[np.ndarray, Ragged]], empty: Ragged, shots: int) -> Ragged:
    """Lists of blocks as lists of all shots.

    parts: (m,) ascending rows of the shots of each block, in order, and their lists; empty: lists of no shot,
    which tell names and dtypes; shots without a list have an empty one.
    """
    lengths = np.zeros(shots, np.int64)
    for rows, lists in parts:
        lengths[rows] = lists.lengths
    values = {
        name: np.concatenate([none, *(lists.values[name] for _, lists in parts)])
        for name, none in empty.values.items()
    }
    return Ragged(lengths, values)
