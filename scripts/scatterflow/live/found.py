"""Runs as the watcher has last seen them in the raw folder, for `status` and `wait`.

arriving    its files still change
growing     they still change, and it is known how many frames it will have
finished    nothing has changed for the settle time, and it can be read
incomplete  nothing changes any more, and frames, files or detectors are missing
corrupt     nothing changes any more, and a file cannot be read
unread      no configured source reads it, or its source has no reduction
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from scatterflow.errors import UserError
from scatterflow.files.json import read_json, write_json
from scatterflow.live.folder import FOUND

FoundState = Literal["arriving", "growing", "finished", "incomplete", "corrupt", "unread"]
BROKEN = ("incomplete", "corrupt")


@dataclass(frozen=True)
class Found:
    """One run in the raw folder. run: its name, in the run table or the one it would get; frames: those that
    are there, 0 if that is not known; expected: those of the complete run, or None; reason: why it is not
    finished."""

    run: str
    source: str
    raw: str
    state: FoundState
    frames: int = 0
    expected: int | None = None
    reason: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Source and raw: what a run is, whatever its name."""
        return self.source, self.raw


@dataclass(frozen=True)
class Seen:
    """What the watcher has left. time: when its last look began, s since 1970, None: never; undone:
    (run, reduction) that calls of snakemake left without saying why, and what is known of it."""

    time: float | None
    runs: list[Found]
    undone: dict[tuple[str, str], str]


def write_seen(
    began: float, runs: Iterable[Found], undone: Mapping[tuple[str, str], str], path: Path = FOUND
) -> None:
    """Leave for others what was seen; began: when the look began, s since 1970."""
    left = [[run, reduction, why] for (run, reduction), why in undone.items()]
    write_json(path, {"time": began, "runs": list(map(asdict, runs)), "undone": left})


def read_seen(path: Path = FOUND) -> Seen:
    """What the watcher saw last."""
    try:
        content: dict[str, Any] = read_json(path)
        undone = {(run, reduction): why for run, reduction, why in content["undone"]}
        return Seen(content["time"], [Found(**item) for item in content["runs"]], undone)
    except (FileNotFoundError, UserError, KeyError, TypeError):
        return Seen(None, [], {})
