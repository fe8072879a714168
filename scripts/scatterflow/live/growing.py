"""Chunks of a run that is still being written, which can be integrated now.

A chunk is complete when all its files are there and still, and the detector has gone on to a file that holds
none of its frames. It is integrated once and not again: the container is sized for the complete run, whose
number of frames is known (`live.expected_frames`), a chunk job reads no other frame, and the files of the
chunk do not change any more. Where all frames go into one file, there is no such chunk before the end.
"""

from __future__ import annotations

from pathlib import Path

from scatterflow.errors import UserError
from scatterflow.live.stillness import Stillness
from scatterflow.plan.build import PlannedReduction
from scatterflow.plan.targets import chunk_name
from scatterflow.sources.base import RunLocation, Source
from scatterflow.sources.open import new_source

MOST_LOOKED_AHEAD = 1000
"""Files of later frames that are looked for: a few may be missing, not more."""


def ready_chunks(
    planned: PlannedReduction, stillness: Stillness, settle_s: float
) -> list[tuple[int, int]]:
    """(start, stop) of the chunks that can be integrated and are not, up to the first one that cannot."""
    if planned.needed_scalars:  # these are complete with the run
        return []
    ready = []
    source = new_source(RunLocation.from_fields(planned.location(scalars=False)))
    try:
        # The last chunk waits for the run to be finished, as the result does.
        for start, stop in planned.chunks[:-1]:
            if receipt(planned, start, stop).exists():
                continue
            if not _is_complete(source, planned, start, stop, stillness, settle_s):
                break
            ready.append((start, stop))
    except UserError:  # files that are being written
        return ready
    finally:
        source.close()
    return ready


def receipt(planned: PlannedReduction, start: int, stop: int) -> Path:
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
        if not any(path.exists() for path in later - set(own)):
            return False
        if min(stillness.of_file(path) for path in own) < settle_s:
            return False
    return True
