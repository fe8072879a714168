"""Discovery of event files: IMM, Rigaku, UFXC, Timepix4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scatterflow.errors import FrameError, UserError
from scatterflow.plan.discovery_formats import (
    Acquisition,
    Recipe,
    complete_runs,
    counts_differ,
    run_names,
    source_entry,
    unread,
)
from scatterflow.sources.base import RunLocation
from scatterflow.sources.event_source import EventSource
from scatterflow.sources.open import new_source

FORMATS = {"imm", "rigaku", "ufxc", "timepix4"}
COMPLETE = {"imm"}
"""Formats in which a frame without photons leaves a trace."""
EMPTY_FRAMES = (
    "frames are counted to the last one with an event: if empty ones follow, correct `frames`"
)
SUFFIXES = (".imm", ".bin", ".tpx")
# How a file that no source reads could be read, by the end of its name.
_PROPOSED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (".bin.000", ".bin", {"format": "rigaku", "modules": "rigaku_3m"}),
    (".imm", ".imm", {"format": "imm"}),
    (".bin", ".bin", {"format": "rigaku"}),
    (".tpx", ".tpx", {"format": "timepix4", "frame_time_s": 1e-6}),
)


def event_acquisitions(
    root: Path, files: list[str], recipes: list[Recipe]
) -> tuple[list[Acquisition], list[str]]:
    """Event files, and the files that are none."""
    found, claimed = [], set[str]()
    for recipe in (recipe for recipe in recipes if recipe.format in FORMATS):
        free = [path for path in files if path not in claimed]
        for raw, run in complete_runs(recipe, free):
            acquisition = _event_run(root, recipe, raw, run)
            if acquisition:
                found.append(acquisition)
                claimed |= _paths(root, recipe, raw, run)
    left = [path for path in files if path not in claimed]
    found += [proposal for path in left if (proposal := _proposal(root, path))]
    return found, left


def _source(root: Path, recipe: Recipe, raw: str, run: str | None, frames: int) -> EventSource:
    shapes = {name: recipe.shapes[name] for name in recipe.detectors if name in recipe.shapes}
    source = new_source(RunLocation(run or "", raw, str(root), frames, recipe.recipe, shapes))
    assert isinstance(source, EventSource)
    return source


def _event_run(root: Path, recipe: Recipe, raw: str, run: str | None) -> Acquisition | None:
    """The run of these files; None if they cannot be of the recipe's format."""
    try:
        source = _source(root, recipe, raw, run, 0)
        found = {name: source.found(name) for name in source.detectors}
        source.close()
        counts = {name: count for name, (count, _) in found.items()}
        damages = tuple(f"{name}: {damage}" for name, (_, damage) in found.items() if damage)
        if not all(counts.values()) or not _readable(root, recipe, raw, run, found):
            return None
    except UserError:
        return None
    notes = counts_differ(counts) + damages
    notes += () if recipe.format in COMPLETE else (EMPTY_FRAMES,)
    return Acquisition(recipe.name, raw, max(counts.values()), run, run_names(_stem(raw)), notes)


def _readable(
    root: Path, recipe: Recipe, raw: str, run: str | None, found: dict[str, tuple[int, str]]
) -> bool:
    """Whether the first and the last frame can be read; those of another format hardly can."""
    source = _source(root, recipe, raw, run, max(count for count, _ in found.values()))
    try:
        for name, (count, damage) in found.items():
            source.events(name, 0, 1)
            if not damage:
                source.events(name, count - 1, count)
    except FrameError:
        return False
    finally:
        source.close()
    return True


def _paths(root: Path, recipe: Recipe, raw: str, run: str | None) -> set[str]:
    files = _source(root, recipe, raw, run, 1).files()
    return {path.relative_to(root).as_posix() for path in files}


def _stem(raw: str) -> str:
    stem, dot, suffix = raw.rpartition(".")
    return stem if f".{suffix}" in SUFFIXES and dot else raw


def _proposal(root: Path, path: str) -> Acquisition | None:
    """Says what source would read a file; None for one that is no event file."""
    for ending, suffix, entry in _PROPOSED:
        if not path.endswith(ending):
            continue
        raw = path.removesuffix(ending)
        recipe = Recipe("", {"frames": {"DETECTOR": "{raw}" + suffix}, **entry}, {})
        run = _event_run(root, recipe, raw, None)
        if run is None:
            return None
        more = "".join(f"\n    {key}: {entry[key]}" for key in entry if key != "format")
        form = entry["format"]
        text = source_entry(form, [("DETECTOR", "{raw}" + suffix)], more)
        return unread(raw, run.frames, f"no source of format {form} reads this", text)
    return None
