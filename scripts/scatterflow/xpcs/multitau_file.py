"""The file of one correlated pixel block, and how the merge reads them: one delay of all pixels at a time.

attributes            format, first, last (positions), frames
lags/level, delay     (T,) int64; delay in frames
pairs                 (T,) int64, valid pairs of each delay
G2, IP, IF            (T, pixels) float64, sums as in `correlate`, each contiguous
windows/start, stop, pairs, bins, G2, IP, IF      as in `WindowSums`, only if there are windows
provenance            JSON
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, write_array, writing
from scatterflow.files.json import to_json
from scatterflow.kernels.lags import Lags
from scatterflow.xpcs.correlate import PixelSums, WindowSums

FORMAT = "scatterflow multi-tau block 1"
SUMS = ("G2", "IP", "IF")
_AGAIN = "delete the folder of correlated blocks and run snakemake again"


def write_block_sums(path: str | Path, sums: PixelSums, provenance: dict[str, Any]) -> None:
    """Write the sums of a block whole."""
    with writing(path) as file:
        file.attrs.update(format=FORMAT, first=sums.first, last=sums.last, frames=sums.lags.frames)
        write_array(file, "lags/level", sums.lags.level)
        write_array(file, "lags/delay", sums.lags.delay)
        write_array(file, "pairs", sums.pairs)
        for name in SUMS:
            write_array(file, name, getattr(sums, name))
        if sums.windows is not None:
            for field in fields(WindowSums):
                write_array(file, f"windows/{field.name}", getattr(sums.windows, field.name))
        write_array(file, "provenance", to_json(provenance))


@dataclass(frozen=True, eq=False)
class BlockFiles:
    """Correlated blocks of all pixels.

    paths: in the order of their positions; edges: (blocks + 1,) positions; windows: sums of all static
    bins, or None.
    """

    paths: list[str | Path]
    edges: np.ndarray
    lags: Lags
    pairs: np.ndarray
    windows: WindowSums | None

    @property
    def positions(self) -> int:
        """P, pixels of all blocks."""
        return int(self.edges[-1])

    def of_delay(self, number: int) -> np.ndarray:
        """G2, IP and IF of all pixels at one delay, (3, P) float64."""
        found = np.empty((len(SUMS), self.positions))
        for path, first, last in zip(self.paths, self.edges[:-1], self.edges[1:], strict=True):
            with reading(path) as file:
                for i, name in enumerate(SUMS):
                    file[name].read_direct(found[i : i + 1], np.s_[number], np.s_[0, first:last])
        return found


def open_blocks(paths: Sequence[str | Path], static_bins: int) -> BlockFiles:
    """The blocks of one run, in any order; static_bins: of its q-map.

    Raises UserError if they are not those of all pixels of one run, correlated in one way.
    """
    heads = []
    for path in paths:
        with reading(path) as file:
            _check(file, path)
            first, last = int(file.attrs["first"]), int(file.attrs["last"])
            heads.append((first, last, path, _lags(file), file["pairs"][()], _windows(file)))
    heads.sort(key=lambda head: head[:2])
    edges, lags, pairs = [0], heads[0][3], heads[0][4]
    for first, last, path, own, own_pairs, _ in heads:
        if first != edges[-1]:
            raise UserError(
                f"position {edges[-1]} was expected to come next, not {first}", str(path), _AGAIN
            )
        if (
            own.frames != lags.frames
            or not np.array_equal(own.delay, lags.delay)
            or not np.array_equal(own_pairs, pairs)
        ):
            raise UserError("a block that was correlated in another way", str(path), _AGAIN)
        edges.append(last)
    windows = _added([head[5] for head in heads], static_bins)
    return BlockFiles([head[2] for head in heads], np.array(edges), lags, pairs, windows)


def _added(parts: list[WindowSums | None], static_bins: int) -> WindowSums | None:
    """Windows of all blocks; a static bin may lie in several."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    head = known[0]
    sums = [np.zeros((*head.pairs.shape, static_bins)) for _ in SUMS]
    for part in known:
        for total, name in zip(sums, SUMS, strict=True):
            total[:, :, part.bins] += getattr(part, name)
    return WindowSums(head.start, head.stop, head.pairs, np.arange(static_bins), *sums)


def _check(file: h5py.File, path: str | Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise UserError(
            "not a correlated block of this version", str(path), "delete it and run snakemake again"
        )


def _lags(file: h5py.File) -> Lags:
    return Lags(int(file.attrs["frames"]), file["lags/level"][()], file["lags/delay"][()])


def _windows(file: h5py.File) -> WindowSums | None:
    if "windows" not in file:
        return None
    return WindowSums(*(file[f"windows/{field.name}"][()] for field in fields(WindowSums)))
