"""Discovery of X-ray laser runs: files, or folders at the European XFEL, that a configured source reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.plan.discovery_formats import Acquisition, run_names
from scatterflow.plan.raw_folder import PatternReader, is_hdf5, without_suffix
from scatterflow.plan.raw_shots import FACILITY
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shots import open_shots


def shot_acquisitions(
    root: Path, files: list[str], sources: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Acquisition], list[str]]:
    """Runs of shots; and the files that belong to none.

    sources: of formats of shots, {name: recipe}. What a pattern fits but the source cannot read is left to
    other sources, and told if none can.
    """
    found: list[Acquisition] = []
    failed: dict[str, str] = {}
    claimed: set[str] = set()
    for name, recipe in sources.items():
        if recipe["format"] in FACILITY:
            continue
        pattern = recipe["folder" if recipe["format"] == "euxfel" else "file"]
        reader = PatternReader(pattern)
        for path, members in _candidates(files, recipe["format"]).items():
            meaning = reader.read(path)
            if meaning is None or members & claimed:
                continue
            try:
                acquisition = _acquisition(root, name, recipe, meaning.raw, meaning.run)
            except UserError as error:
                failed.setdefault(path, f"source {name}: {error.what} ({error.where})")
                continue
            found.append(acquisition)
            claimed |= members
    found += [
        Acquisition("", path, 0, notes=(why,))
        for path, why in failed.items()
        if path not in claimed and len(sources) == 1
    ]
    return found, [path for path in files if path not in claimed]


def _candidates(files: list[str], form: str) -> dict[str, set[str]]:
    """Paths that may be a run, and the files that belong to each."""
    hdf5 = [path for path in files if is_hdf5(path)]
    if form != "euxfel":
        return {path: {path} for path in hdf5}
    folders: dict[str, set[str]] = {}
    for path in hdf5:
        folder = path.rpartition("/")[0]
        if folder:
            folders.setdefault(folder, set()).add(path)
    return folders


def _acquisition(
    root: Path, name: str, recipe: Mapping[str, Any], raw: str, run: str | None
) -> Acquisition:
    """The run as its source sees it. Raises UserError if it cannot be read, or has no shots."""
    source = open_shots(RunLocation(run or "", raw, str(root), 0, dict(recipe)))
    try:
        shots, notes = source.shots, list(source.notes)
    finally:
        source.close()
    if not shots:
        raise UserError("no shots", raw)
    return Acquisition(name, raw, shots, run, run_names(without_suffix(raw)), tuple(notes))
