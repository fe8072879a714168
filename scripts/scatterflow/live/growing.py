"""Chunks of a run that is still being written, which can be integrated now.

A chunk is complete when all its frames are there, and the detector has gone on: to a file that holds none
of its frames, and the chunk's own files are still; or, in a file that is appended to (SWMR), to a later
frame. It is integrated once and not again: the container is sized for the complete run, whose number of
frames is known (`live.expected_frames`), a chunk job reads no other frame, and the frames of the chunk do not
change any more. A file with later frames is newer than the chunk's receipt, though: see `confirm_chunks`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from scatterflow.errors import UserError
from scatterflow.files.json import read_json, write_json
from scatterflow.files.provenance import raw_file_record
from scatterflow.live.folder import PARTS
from scatterflow.live.found import Found
from scatterflow.live.job_logs import BENCHMARKS, LOGS
from scatterflow.live.stillness import Stillness
from scatterflow.live.wanted import Wanted
from scatterflow.plan.build import Plan, PlannedReduction
from scatterflow.plan.planned import Planned
from scatterflow.plan.targets import chunk_name, delivered
from scatterflow.sources.base import RunLocation, Source
from scatterflow.sources.hdf5 import Hdf5Source
from scatterflow.sources.hdf5_growing import appended_files, stored_part
from scatterflow.sources.open import new_source

MOST_LOOKED_AHEAD = 1000
"""Files of later frames that are looked for: a few may be missing, not more."""
Chunk = tuple[int, int]


def reduced_whole(planned: Planned) -> str:
    """Why a run is not reduced chunk by chunk while it grows, empty if it is."""
    if not isinstance(planned, PlannedReduction):
        return f"{planned.name} ({planned.reduction.technique}) begins when the run is complete"
    if planned.needed_scalars:  # these are complete with the run
        return f"{planned.name} begins when the run is complete: its dead time needs a scalar"
    return ""


def with_reasons(found: Sequence[Found], plan: Plan) -> list[Found]:
    """Runs as they were seen; of those that grow it is told which reductions wait for their end."""
    growing = {item.run for item in found if item.state == "growing"}
    reasons: dict[str, list[str]] = {}
    for planned in delivered(plan).values() if growing else ():
        if planned.row.run in growing and (reason := reduced_whole(planned)):
            reasons.setdefault(planned.row.run, []).append(reason)
    return [
        replace(item, reason="; ".join(reasons[item.run]))
        if item.state == "growing" and item.run in reasons
        else item
        for item in found
    ]


def ready_chunks(planned: Planned, stillness: Stillness, settle_s: float) -> list[Chunk]:
    """(start, stop) of the chunks that can be integrated and are not, up to the first one that cannot."""
    if not isinstance(planned, PlannedReduction) or reduced_whole(planned):
        return []
    ready: list[Chunk] = []
    try:
        with _source(planned) as source:
            # The last chunk waits for the run to be finished, as the result does.
            for start, stop in planned.chunks[:-1]:
                if receipt(planned, start, stop).exists():
                    continue
                if not _is_complete(source, planned, start, stop, stillness, settle_s):
                    break
                ready.append((start, stop))
    except (UserError, OSError):  # files that are being written
        return ready
    return ready


def receipt(planned: Planned, start: int, stop: int) -> Path:
    """What the job of a chunk leaves."""
    return Path("work", planned.row.run, planned.name, "chunks", f"{chunk_name(start, stop)}.json")


def _is_complete(
    source: Source,
    planned: PlannedReduction,
    start: int,
    stop: int,
    stillness: Stillness,
    settle_s: float,
) -> bool:
    for detector in planned.detectors:
        own = source.files(detector, start, stop)
        later = set(source.files(detector, stop, planned.row.frames)[:MOST_LOOKED_AHEAD])
        if not own or any(not path.exists() for path in own):
            return False
        if later <= set(own):
            if not _is_followed_in_its_file(source, detector, start, stop):
                return False
            continue
        if not any(path.exists() for path in later - set(own)):
            return False
        if min(stillness.of_file(path) for path in own) < settle_s:
            return False
    return True


def _is_followed_in_its_file(source: Source, detector: str, start: int, stop: int) -> bool:
    """Whether the file that holds a chunk is appended to, and goes on behind it."""
    if not isinstance(source, Hdf5Source):
        return False
    segments = source.segments(detector)
    source.close()  # HDF5 shows a file as it was when this process opened it first
    ranges = [(start, stop), (stop, stop + 1)]
    return bool(appended_files(segments, start, stop)) and all(
        stored_part(segments, *frames) is not None for frames in ranges
    )


# What was integrated early ------------------------------------------------------------------------


def keep_chunks(plan: Plan, wanted: Wanted) -> None:
    """Before a call of snakemake: note chunks that it integrates early, confirm those of complete runs."""
    early: dict[tuple[str, str], list[Chunk]] = {}
    for run, name, start, stop in wanted.chunks:
        early.setdefault((run, name), []).append((start, stop))
    for key, chunks in early.items():
        note_chunks(plan.reductions[key], chunks)
    for key in wanted.results:
        if key in plan.reductions:
            confirm_chunks(plan.reductions[key])


def note_chunks(planned: PlannedReduction, chunks: Iterable[Chunk]) -> None:
    """Note what the frames of chunks are stored like before they are integrated early."""
    noted = {chunk_name(*chunk): part for chunk in chunks if (part := _stored(planned, chunk))}
    if noted:
        path = _notes(planned)
        write_json(path, {**(read_json(path) if path.exists() else {}), **noted})


def confirm_chunks(planned: PlannedReduction) -> None:
    """Let chunks that were integrated early count for the complete run, where their frames are still those
    that were noted: their receipts get the records of the raw files as these are now, and today's date, so
    that frames that came later do not make them outdated. All other receipts stay as they are."""
    path = _notes(planned)
    if not path.exists():
        return
    noted: dict[str, str] = read_json(path)
    for chunk in planned.chunks:
        part, made = noted.get(chunk_name(*chunk)), receipt(planned, *chunk)
        if part is not None and made.exists() and _stored(planned, chunk) == part:
            content = read_json(made)
            files = [raw_file_record(item["path"]) for item in content["raw_files"]]
            write_json(made, {**content, "raw_files": files})
            # A job is as old as the oldest of its files for Snakemake.
            if _measured(planned, chunk).exists():
                os.utime(_measured(planned, chunk))
    path.unlink()


def _measured(planned: Planned, chunk: Chunk) -> Path:
    job = f"integrate_chunk/{planned.row.run}/{planned.name}/{chunk_name(*chunk)}.tsv"
    return LOGS / BENCHMARKS / job


def _notes(planned: Planned) -> Path:
    return PARTS / planned.row.run / f"{planned.name}.json"


def _stored(planned: PlannedReduction, chunk: Chunk) -> str | None:
    """How the frames of a chunk are stored, of all detectors; None where each has files of its own."""
    try:
        with _source(planned) as source:
            if not isinstance(source, Hdf5Source):
                return None
            parts = [stored_part(source.segments(name), *chunk) for name in planned.detectors]
    except (UserError, OSError):
        return None
    found = [part for part in parts if part is not None]
    return " ".join(found) if len(found) == len(parts) else None


@contextmanager
def _source(planned: Planned) -> Iterator[Source]:
    source = new_source(RunLocation.from_fields(planned.location(scalars=False)))
    try:
        yield source
    finally:
        source.close()
