"""The protocol of shot sources: what reads X-ray laser runs, and how everything is aligned by tag.

A shot is one X-ray pulse with all its detectors and scalars. It is known by its tag, one integer: the tag
number at SACLA, trainId x 10000 + pulseId at the European XFEL, the timestamp at LCLS. Tags of a source
are unique and increase. Every dataset carries the tags of its own rows, and rows and shots meet by tag
alone: a detector without an image for a tag is absent from that shot, and nothing is shifted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5_links import damage_reported

if TYPE_CHECKING:
    import pandas as pd

ABSENT = -1
"""Row of a shot in a dataset that has none."""

LISTED = 5
GAPS_SHOWN = 3


@dataclass(frozen=True)
class ShotDetectorInfo:
    """What a source knows about one detector without reading its frames.

    shape: of one frame: (rows, columns), (tiles, rows, columns), or any other for small arrays per shot.
    dtype: as stored. present: (shots,) bool, whether the shot has a (whole) frame.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    present: np.ndarray


class ShotSource(Protocol):
    """One X-ray laser run's raw data."""

    @property
    def shots(self) -> int:
        """Number of shots."""

    @property
    def tags(self) -> np.ndarray:
        """(shots,) int64 or uint64: the tags, unique and increasing."""

    @property
    def detectors(self) -> dict[str, ShotDetectorInfo]:
        """Shape, stored dtype and presence per detector name."""

    @property
    def notes(self) -> list[str]:
        """What was odd on opening (doubled tags, gaps, uneven modules), one sentence each."""

    def read(self, detector: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames of shots start..stop-1 as (n, *shape) in the stored dtype, and present (n,) bool.

        Where a frame is absent, integers are 0 and floats NaN. Reads nothing but these shots. Raises
        FrameError, with file and tag, for a frame that is corrupt or of another shape; UserError for
        a detector that the run lacks.
        """

    @property
    def scalar_names(self) -> list[str]:
        """Names of all scalars that can be read per shot: those of the recipe, then stored ones."""

    def scalars(
        self, start: int = 0, stop: int | None = None, names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """One row per shot start..stop-1, one column per scalar, NaN where a shot has none.

        names: which ones, of the recipe's `scalars` or stored; None: all of the recipe, or without any
        all stored ones. Indexed by tag; `attrs["units"]` = {column: unit}. Raises UserError for a
        name that the run lacks.
        """

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """When shots start..stop-1 were: (n,) datetime64[ns], UTC, NaT where the files do not say."""

    def metadata(self) -> dict[str, Any]:
        """What the files say of run and detectors: plain values; `detectors` = {name: calibration...}."""

    def slow(self) -> dict[str, Any]:
        """Values that hold for the whole run, {name: number or text or array}."""

    def files(self) -> list[Path]:
        """All files of the run that this source reads, in order."""

    def close(self) -> None:
        """Close all files; reading opens them again."""


def ordered_tags(tags: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Tags sorted and unique, the row of each (the first of doubled ones), and notes.

    tags: (n,) integers as stored, of any order. what: their name for notes, as "event_info".
    Returns tags (m,), rows (m,) int64, notes. Raises UserError for tags that are no integers.
    """
    tags = as_tags(tags, what)
    unique, rows = np.unique(tags, return_index=True)
    notes = []
    if len(unique) < len(tags):
        counts = np.unique(tags, return_counts=True)[1]
        doubled = unique[counts > 1]
        notes.append(
            f"{what}: {_tags_text(doubled)} more than once; the first row of each was taken"
        )
    if np.any(np.diff(rows) < 0):
        notes.append(f"{what}: tags are not in order; they were sorted")
    return unique, rows.astype(np.int64), notes


def as_tags(tags: np.ndarray, what: str) -> np.ndarray:
    """Tags as a C-contiguous (n,) array of int64, or uint64 where stored so.

    Times in seconds (floats) become whole microseconds, so that equal times are equal tags.
    Raises UserError for anything else, for more than one dimension, for NaN.
    """
    tags = np.asarray(tags)
    how = "give the dataset that holds one integer (or one time in seconds) per shot"
    if tags.ndim == 2 and tags.shape[1] == 1:
        tags = tags[:, 0]
    if tags.ndim != 1:
        raise UserError(f"tags of shape {tags.shape}", what, how)
    if tags.dtype.kind == "f":
        if not np.all(np.isfinite(tags)):
            raise UserError("tags that are NaN or infinite", what, how)
        return np.round(tags.astype(np.float64) * 1e6).astype(np.int64)
    if tags.dtype.kind not in "iu":
        raise UserError(f"tags of type {tags.dtype}", what, how)
    return np.ascontiguousarray(tags, np.uint64 if tags.dtype == np.uint64 else np.int64)


def aligned_rows(tags: np.ndarray, stored: np.ndarray, what: str) -> tuple[np.ndarray, list[str]]:
    """The row of every shot in a dataset with tags of its own.

    tags: (n,) of the shots, unique and increasing. stored: (m,) tags of the rows, in any order.
    Returns rows (n,) int64, ABSENT where the dataset lacks the tag, and notes: doubled tags (the first
    row counts), tags that no shot has (their rows are not read).
    """
    unique, first, notes = ordered_tags(stored, what)
    if len(unique) == 0:
        return np.full(len(tags), ABSENT, np.int64), notes
    unique, tags = _comparable(unique, tags)
    at = np.searchsorted(unique, tags)
    at[at == len(unique)] = 0
    rows = np.where(unique[at] == tags, first[at], ABSENT)
    unknown = unique[~np.isin(unique, tags)]
    if len(unknown):
        notes.append(f"{what}: {_tags_text(unknown)} belong to no shot; their rows are not read")
    return rows, notes


def missing_tags(tags: np.ndarray, what: str, step: int | None = None) -> list[str]:
    """A note of the gaps between tags that increase by an even step; [] without gaps.

    step: expected distance; None: the most common one, the smallest of equals.
    """
    if len(tags) < 3:
        return []
    steps = np.diff(tags).astype(np.int64)
    if step is None:
        values, counts = np.unique(steps, return_counts=True)
        step = int(values[np.argmax(counts)])
    gaps = np.flatnonzero(steps > step)
    if not len(gaps):
        return []
    lost = int((steps[gaps] // step - 1).sum())
    places = ", ".join(f"{tags[i]}..{tags[i + 1]}" for i in gaps[:GAPS_SHOWN])
    more = f" and {len(gaps) - GAPS_SHOWN} more" if len(gaps) > GAPS_SHOWN else ""
    return [f"{what}: {lost} missing (step {step}) in {len(gaps)} gaps: {places}{more}"]


def absent_frames(count: int, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Frames (count, *shape) as they read where nothing is: NaN in floats, else 0."""
    return np.full((count, *shape), np.nan if dtype.kind in "fc" else 0, dtype)


def contiguous_spans(rows: np.ndarray) -> list[tuple[int, int]]:
    """Positions (from, to) into `rows` over which the rows follow each other, ABSENT left out."""
    if not len(rows):
        return []
    breaks = np.flatnonzero((np.diff(rows) != 1) | (rows[:-1] == ABSENT)) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    return [(start, stop) for start, stop in pairwise(edges) if rows[start] != ABSENT]


def read_rows(
    dataset: Any, rows: np.ndarray, frames: np.ndarray, place: str, select: Any = ()
) -> None:
    """Fill frames (n, ...) from the rows of an HDF5 dataset, one read per span; ABSENT stays as it is.

    select: index into each row, as (0,) for the first plane.
    Raises FrameError for rows that cannot be read.
    """
    for start, stop in contiguous_spans(rows):
        first = int(rows[start])
        try:
            part = dataset[(slice(first, first + stop - start), *select)]
        except OSError as error:
            raise FrameError(
                f"frames cannot be read ({error})",
                f"{place}, rows {first}..{first + stop - start - 1}",
                "copy the file again from the facility",
            ) from error
        frames[start:stop] = part.reshape(frames[start:stop].shape)


def detector_of(detectors: dict[str, Any], name: str, run: str) -> Any:
    """The entry of a detector; raises UserError, with the nearest name, for one that the run lacks."""
    if name not in detectors:
        raise UserError(
            f"the run has no detector {name!r}", f"run {run}", suggestion(name, detectors)
        )
    return detectors[name]


def times_in_ns(nanoseconds: np.ndarray) -> np.ndarray:
    """Nanoseconds since 1970, UTC, integers, as datetime64[ns]."""
    return nanoseconds.astype(np.int64).astype("datetime64[ns]")


def lcls_times(tags: np.ndarray) -> np.ndarray:
    """Times of LCLS tags, seconds << 32 | nanoseconds, as datetime64[ns]; seconds since 1970."""
    tags = tags.astype(np.uint64)
    seconds, rest = tags >> np.uint64(32), tags & np.uint64(0xFFFFFFFF)
    return times_in_ns(seconds.astype(np.int64) * 10**9 + rest.astype(np.int64))


def unknown_times(count: int) -> np.ndarray:
    """(count,) NaT."""
    return np.full(count, "NaT", "datetime64[ns]")


def shot_range(start: int, stop: int | None, shots: int) -> tuple[int, int]:
    """start, stop checked; None is the end. Raises ValueError outside of 0 <= start <= stop <= shots."""
    stop = shots if stop is None else stop
    if not 0 <= start <= stop <= shots:
        raise ValueError(f"shots {start}..{stop} of {shots}")
    return start, stop


def open_shots(location: RunLocation) -> ShotSource:
    """The source of an X-ray laser run, by `location.recipe["format"]`.

    location.frames: number of shots that the run table promises; 0 is not checked.
    Raises UserError: unknown format, files that are missing, a package that is not installed, another
    number of shots, a detector or a shape that the run does not have. Raises FrameError: damaged files.
    """
    with damage_reported(Path(location.root, location.raw)):
        source = _new_source(location)
    if location.frames and source.shots != location.frames:
        raise UserError(
            f"the run table says {location.frames} shots, the raw files hold {source.shots}",
            f"run {location.run}, raw {location.raw}",
            "correct the column `frames` of the run table",
        )
    for name, shape in location.shapes.items():
        found = detector_of(source.detectors, name, location.run).shape
        if tuple(found) != tuple(shape):
            raise UserError(
                f"frames have shape {tuple(found)}, the configuration says {tuple(shape)}",
                f"run {location.run}, detector {name}",
                f"correct detectors.{name}.shape",
            )
    return source


def _new_source(location: RunLocation) -> ShotSource:
    form = location.recipe["format"]
    if form == "sacla":
        from scatterflow.sources.sacla import SaclaSource

        return SaclaSource(location)
    if form == "euxfel":
        from scatterflow.sources.euxfel import EuxfelSource

        return EuxfelSource(location)
    if form == "smalldata":
        from scatterflow.sources.smalldata import SmalldataSource

        return SmalldataSource(location)
    if form == "shot_hdf5":
        from scatterflow.sources.shot_hdf5 import ShotHdf5Source

        return ShotHdf5Source(location)
    if form in ("psana", "psana1"):
        from scatterflow.sources.psana import psana_source

        return psana_source(location)
    if form == "sacla_live":
        from scatterflow.sources.sacla_live import SaclaLiveSource

        return SaclaLiveSource(location)
    raise UserError(
        f"unknown format {form!r} of a source",
        f"run {location.run}",
        suggestion(str(form), SHOT_FORMATS),
    )


SHOT_FORMATS = ("sacla", "euxfel", "smalldata", "shot_hdf5", "psana", "psana1", "sacla_live")
"""Formats of shots."""


def _comparable(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # numpy compares int64 with uint64 as floats, which join neighbouring timestamps of LCLS.
    if one.dtype == other.dtype:
        return one, other
    kind = np.uint64 if min(one.min(initial=0), other.min(initial=0)) >= 0 else np.int64
    return one.astype(kind), other.astype(kind)


def _tags_text(tags: np.ndarray) -> str:
    shown = ", ".join(str(tag) for tag in tags[:LISTED])
    more = ", ..." if len(tags) > LISTED else ""
    return f"{len(tags)} tag{'s' if len(tags) != 1 else ''} ({shown}{more})"
