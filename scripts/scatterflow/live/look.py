"""One look through the raw folder: which runs are there, new ones and those of the run table, and are they
complete?"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scatterflow.config.load import RunConfigurations
from scatterflow.config.model import Configuration
from scatterflow.config.runs import RunRow
from scatterflow.errors import UserError
from scatterflow.live.completeness import CompletenessTest, Verdict, expected_frames
from scatterflow.live.found import Found
from scatterflow.live.stillness import Stillness, file_signature
from scatterflow.plan.discovery import configured_recipes, find_acquisitions, named_rows
from scatterflow.plan.discovery_formats import Acquisition, run_names
from scatterflow.plan.raw_folder import list_files, without_suffix
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_growing_source

Requested = Callable[[str], bool]
UNCOUNTED = "the number of frames cannot be told"
DAMAGED = ("cannot be read", UNCOUNTED)
"""What discovery says of files that could hold frames."""


@dataclass(frozen=True)
class Sight:
    """What one look has seen. runs: of the run table and others; new: rows to be added to the run table, for
    runs that are finished or growing."""

    runs: list[Found]
    new: list[dict[str, Any]]


class Look:
    """Looks through the raw folder again and again; what has not changed is not looked into again."""

    def __init__(self, stillness: Stillness) -> None:
        self._stillness = stillness
        self._test = CompletenessTest(stillness)
        self._before: Any = None
        self._acquisitions: list[Acquisition] = []

    def __call__(
        self,
        configurations: RunConfigurations,
        rows: Collection[RunRow],
        requested: Requested,
        done: Collection[str] = (),
    ) -> Sight:
        """rows: the run table; requested: whether somebody has said of a `raw` that it is complete: then no
        settle time is waited; done: runs of the table that are not looked at."""
        base = configurations.base
        found = self._find(base)
        counted = {(item.source, item.raw): item.frames for item in found}
        runs = [
            self._row(
                configurations.for_run(row), row, counted.get((row.source, row.raw), 0), requested
            )
            for row in rows
            if row.reductions and row.run not in done
        ]
        there = {(row.source, row.raw) for row in rows}
        new = []
        for row in named_rows(found):
            if (row["source"], row["raw"]) not in there:
                item = self._new(base, row, requested)
                runs.append(item)
                if item.state in ("finished", "growing"):
                    new.append({**row, "frames": item.expected or item.frames})
        runs += [self._unread(base, item) for item in found if not item.source]
        return Sight(runs, new)

    def _find(self, base: Configuration) -> list[Acquisition]:
        root = Path(base.raw)
        files = [(path, file_signature(root / path)) for path in list_files(root)]
        settings = configured_recipes(base)
        snapshot = (files, repr(settings))
        if snapshot != self._before:
            shapes = {name: item.shape for name, item in base.detectors.items()}
            found = find_acquisitions(root, settings, shapes)
            self._acquisitions = [_growing_master(base, item) or item for item in found]
            self._before = snapshot
        return self._acquisitions

    def _row(
        self,
        configuration: Configuration,
        row: RunRow,
        frames: int,
        requested: Requested,
    ) -> Found:
        """A run of the run table, which says how many frames it has."""
        location = _location(configuration, row.run, row.source, row.raw, row.frames)
        verdict = self._verdict(configuration, location, row.source, requested, growing=True)
        return Found(
            row.run, row.source, row.raw, verdict.state, frames, row.frames, verdict.reason
        )

    def _new(self, base: Configuration, row: dict[str, Any], requested: Requested) -> Found:
        run, source, raw, frames = row["run"], row["source"], row["raw"], row["frames"]
        location = _location(base, run, source, raw, frames)
        expected = expected_frames(base.live.expected_frames.get(source), location)
        if source in base.live.expected_frames and expected is None:
            reason = f"{base.live.expected_frames[source]} cannot be read"
            return Found(run, source, raw, "arriving", frames, None, reason)
        location = _location(base, run, source, raw, expected or frames)
        verdict = self._verdict(base, location, source, requested, growing=expected is not None)
        return Found(run, source, raw, verdict.state, frames, expected, verdict.reason)

    def _verdict(
        self,
        configuration: Configuration,
        location: RunLocation,
        source: str,
        requested: Requested,
        *,
        growing: bool,
    ) -> Verdict:
        settle_s = configuration.live.settle_s
        if requested(location.raw):
            verdict = self._test.verdict(location, 0.0, growing=growing)
            if verdict.state == "finished":
                return verdict
        return self._test.verdict(location, settle_s, growing=growing)

    def _unread(self, base: Configuration, item: Acquisition) -> Found:
        """A file that no source reads: damaged, still being written, or of another kind."""
        still = self._stillness.of_value(
            ("unread", item.raw),
            (item.frames, item.notes, file_signature(Path(base.raw, item.raw))),
        )
        reason = "; ".join(note.partition("\n")[0].rstrip(":") for note in item.notes)
        if still < base.live.settle_s:
            return Found("", "", item.raw, "arriving", item.frames)
        damaged = any(note.startswith(DAMAGED) for note in item.notes)
        state: Any = "corrupt" if damaged else "unread"
        return Found("", "", item.raw, state, item.frames, None, reason)


def _growing_master(base: Configuration, item: Acquisition) -> Acquisition | None:
    """A master file that links to data files that are not there yet, as a run of the source that reads it and
    says how many frames it will have; else None."""
    if item.source or not any(note.startswith(UNCOUNTED) for note in item.notes):
        return None
    for name, wanted in base.live.expected_frames.items():
        if name not in base.sources or base.sources[name].format != "hdf5":
            continue
        try:
            frames = expected_frames(wanted, _location(base, "", name, item.raw, 0))
            if frames is not None:
                open_growing_source(_location(base, "", name, item.raw, frames)).close()
                names = run_names(without_suffix(item.raw).removesuffix("_master"))
                return Acquisition(name, item.raw, 0, None, names)
        except UserError:
            continue
    return None


def _location(
    configuration: Configuration, run: str, source: str, raw: str, frames: int
) -> RunLocation:
    recipe = configured_recipes(configuration)[source]
    shapes = {name: configuration.detectors[name].shape for name in recipe.get("frames", ())}
    return RunLocation(run, raw, configuration.raw, frames, recipe, shapes)
