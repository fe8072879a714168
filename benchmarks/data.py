"""Synthetic detector frames with rings, gaps and Poisson noise, written once into benchmarks/cache.

Eiger 4M: 2167 x 2070 uint32, about one photon per pixel, gaps 2^32 - 1, HDF5 with bitshuffle-LZ4, one
frame a chunk, as the detector writes it. Pilatus 300k: 619 x 487 int32, gaps -1, a series of TIFF or CBF
files. A seed fixes all numbers. Of a long Eiger series only the first frames are drawn; their stored
bytes are repeated, so that gigabytes are made in seconds and must still be read and decoded one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(__file__).parent / "cache"
WAVELENGTH_M = 1e-10
UNIQUE_FRAMES = 16


@dataclass(frozen=True)
class Size:
    """How much is measured. processes: False runs all contestants in the calling process (tests)."""

    eiger: tuple[int, int] = (2167, 2070)
    eiger_frames: int = 64
    pilatus: tuple[int, int] = (619, 487)
    pilatus_frames: int = 200
    bins: tuple[int, int, int] = (1000, 360, 500)
    rounds: int = 5
    workflow_gigabytes: float = 10.0
    processes: bool = True
    cache: Path = CACHE


FULL = Size()


@dataclass(frozen=True)
class Series:
    """A run's raw frames, and the detector that took them.

    raw: folder; entry: the run table's; source: the configuration's block; gap: stored value of gap pixels;
    mask: .npy, True = good; centre: of the beam, pixels (row, column).
    """

    raw: Path
    entry: str
    source: dict[str, Any]
    shape: tuple[int, int]
    frames: int
    dtype: str
    gap: int
    pixel_m: float
    distance_m: float
    mask: Path

    @property
    def centre(self) -> tuple[float, float]:
        """Beam centre, pixels: off the middle, and inside a gap of no module."""
        return 0.47 * self.shape[0], 0.44 * self.shape[1]

    @property
    def bytes_per_frame(self) -> int:
        """Decoded."""
        return self.shape[0] * self.shape[1] * np.dtype(self.dtype).itemsize

    def good(self) -> np.ndarray:
        """The good mask, (rows, columns) bool."""
        return np.load(self.mask)


def eiger_series(size: Size = FULL, frames: int | None = None) -> Series:
    """An Eiger 4M run in one HDF5 file."""
    frames = frames or size.eiger_frames
    rows, columns = size.eiger
    raw = size.cache / f"eiger-{rows}x{columns}-{frames}"
    series = Series(
        raw=raw,
        entry="series.h5",
        source={"format": "hdf5", "frames": {"area": "entry/data/data"}},
        shape=size.eiger,
        frames=frames,
        dtype="uint32",
        gap=2**32 - 1,
        pixel_m=75e-6,
        distance_m=0.2,
        mask=raw / "good.npy",
    )
    if not raw.exists():
        with _whole_folder(raw) as folder:
            _write_eiger(folder, series)
    return series


def pilatus_series(kind: str, size: Size = FULL) -> Series:
    """A Pilatus 300k run; kind: `tif` or `cbf`, one file a frame."""
    rows, columns = size.pilatus
    raw = size.cache / f"pilatus-{kind}-{rows}x{columns}-{size.pilatus_frames}"
    series = Series(
        raw=raw,
        entry="series",
        source={"format": "images", "frames": {"area": "{raw}_{frame:05d}." + kind}},
        shape=size.pilatus,
        frames=size.pilatus_frames,
        dtype="int32",
        gap=-1,
        pixel_m=172e-6,
        distance_m=0.3,
        mask=raw / "good.npy",
    )
    if not raw.exists():
        with _whole_folder(raw) as folder:
            _write_images(folder, series, kind)
    return series


def _whole_folder(path: Path) -> Any:
    from scatterflow.files.atomic import whole_folder

    return whole_folder(path)


def expected_counts(series: Series, mean: float) -> np.ndarray:
    """Mean counts of each pixel, (rows, columns) float64: a falling background with rings."""
    rows, columns = (np.arange(length) for length in series.shape)
    row, column = series.centre
    radius = np.hypot(rows[:, None] - row, columns[None, :] - column) / min(series.shape)
    counts = 0.3 / (0.05 + radius) + 0.2
    for ring in (0.12, 0.21, 0.24, 0.33, 0.42, 0.55):
        counts += 3 * np.exp(-0.5 * ((radius - ring) / 0.004) ** 2)
    return counts * (mean / counts.mean())


def good_pixels(shape: tuple[int, int], modules: tuple[int, int], gap: int) -> np.ndarray:
    """Good mask of a detector of modules with gaps between them, (rows, columns) bool."""
    good = np.ones(shape, dtype=bool)
    for axis, number in enumerate(modules):
        for i in range(1, number):
            middle = i * shape[axis] // number
            part = slice(middle - gap // 2, middle - gap // 2 + gap)
            good[part if axis == 0 else (slice(None), part)] = False
    return good


def _frames(series: Series, good: np.ndarray, mean: float, number: int) -> Any:
    rng = np.random.default_rng(20260711)
    counts = expected_counts(series, mean)
    for _ in range(number):
        frame = rng.poisson(counts).astype(series.dtype)
        frame[~good] = series.gap
        yield frame


def _write_eiger(folder: Path, series: Series) -> None:
    import h5py
    import hdf5plugin

    good = good_pixels(series.shape, (4, 2), max(1, series.shape[0] // 60))
    np.save(folder / "good.npy", good)
    unique = min(series.frames, UNIQUE_FRAMES)
    with h5py.File(folder / series.entry, "w") as file:
        data = file.create_dataset(
            "entry/data/data",
            shape=(series.frames, *series.shape),
            dtype=series.dtype,
            chunks=(1, *series.shape),
            **hdf5plugin.Bitshuffle(cname="lz4"),
        )
        for i, frame in enumerate(_frames(series, good, 1.0, unique)):
            data[i] = frame
        for i in range(unique, series.frames):
            _, stored = data.id.read_direct_chunk((i % unique, 0, 0))
            data.id.write_direct_chunk((i, 0, 0), stored)


def _write_images(folder: Path, series: Series, kind: str) -> None:
    import fabio

    good = good_pixels(series.shape, (3, 1), max(1, series.shape[0] // 36))
    np.save(folder / "good.npy", good)
    write = {"tif": fabio.tifimage.TifImage, "cbf": fabio.cbfimage.CbfImage}[kind]
    for i, frame in enumerate(_frames(series, good, 20.0, series.frames)):
        write(frame).write(str(folder / f"series_{i:05d}.{kind}"))
