"""The protocol of a source: what reads one run's raw frames, scalars and metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scatterflow.sources.events import Events

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DetectorInfo:
    """What a source knows about one detector's frames without reading them."""

    shape: tuple[int, int]
    dtype: np.dtype


@dataclass(frozen=True)
class RunLocation:
    """Where a run's raw data is and how to read it; plain values, so that it travels in rule params.

    run: name of the run.
    raw: the run table's `raw` entry (its meaning depends on the format).
    root: the folder that `raw` and all patterns are relative to; nothing outside it is read.
    frames: number of frames that the run table promises.
    recipe: the `sources:` entry of the configuration (a dict as `SourceConfig.model_dump()` gives it).
    shapes: expected shape of each detector used, {name: (rows, cols)}; of shots
        (tiles, rows, cols) as well.
    """

    run: str
    raw: str
    root: str
    frames: int
    recipe: dict[str, Any]
    shapes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> RunLocation:
        """From plain values, as they come through rule parameters or JSON."""
        shapes = {name: tuple(shape) for name, shape in fields["shapes"].items()}
        return cls(**{**fields, "shapes": shapes})


@dataclass(frozen=True)
class EncodedFrames:
    """Frames as they are stored, one chunk of HDF5 each, to be decoded elsewhere.

    chunks: bytes of each frame; filters: HDF5's numbers of the filters in the order in which they were
    applied, of which `scatterflow.sources.hdf5_decode` knows all; shape, dtype: of a decoded frame.
    """

    chunks: list[bytes]
    filters: tuple[int, ...]
    shape: tuple[int, int]
    dtype: np.dtype


class Source(Protocol):
    """One run's raw data."""

    @property
    def frames(self) -> int:
        """Number of frames."""

    @property
    def detectors(self) -> dict[str, DetectorInfo]:
        """Shape and stored dtype per detector name (the names of the configuration)."""

    def read(self, detector: str, start: int, stop: int) -> np.ndarray:
        """Frames start..stop-1 as (stop - start, rows, cols) in the stored dtype.

        Reads nothing but these frames. Raises FrameError, with file and frame number, for a frame
        that is missing, short, corrupt or of another shape.
        """

    def encoded(self, detector: str, start: int, stop: int) -> EncodedFrames | None:
        """Frames start..stop-1, compressed, where they are stored so that they can be decoded elsewhere.

        None wherever anything is unusual or wrong: `read` then reads them, or says what is wrong.
        """

    def events(self, detector: str, start: int, stop: int) -> Events | None:
        """What was counted in frames start..stop-1, `frame` counted from `start` = 0; errors as `read`.

        None: the format is dense, use `read`.
        """

    def scalars(self) -> pd.DataFrame:
        """One row per frame, one column per configured scalar; `attrs["units"]` = {column: unit}."""

    def metadata(self) -> dict[str, Any]:
        """Whatever the raw files say of the run: plain values, keys as in the files."""

    def files(
        self, detector: str | None = None, start: int = 0, stop: int | None = None
    ) -> list[Path]:
        """The files that hold these frames of a detector (all detectors: None), in order."""

    def scalar_files(self) -> list[Path]:
        """The files that `scalars` and `metadata` read, less those of `shared_files`."""

    def close(self) -> None:
        """Close all files; reading opens them again."""

    def shared_files(self) -> list[Path]:
        """Files that this run shares with others, read in part: `fingerprint` stands for them."""

    def fingerprint(self, *, scalars: bool) -> str | None:
        """Digest of this run's part of files that other runs share; None: the files themselves tell.

        scalars: of all that `scalars` and `metadata` read of them; else of what says which frame is
        where, no more.
        """
