"""The raw files of runs of shots, found by their pattern: no file is opened for the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scatterflow.config.model import Configuration
from scatterflow.config.runs import RunRow
from scatterflow.errors import UserError
from scatterflow.plan.raw_folder import refuse_braces
from scatterflow.sources.base import RunLocation
from scatterflow.sources.patterns import run_path

FACILITY = ("psana", "psana1", "sacla_live")
"""Formats whose data is not in files that we know of."""


def shot_files(configuration: Configuration, row: RunRow, location: dict[str, Any]) -> list[str]:
    """All raw files of a run of shots, in order.

    location: fields of its `RunLocation`. Raises UserError: the raw folder or a file does not exist.
    """
    simulated = _simulated(configuration, row)
    if simulated is not None:
        return simulated
    where = f"run table {configuration.runs}, run {row.run}"
    return list(map(str, located_shot_files(RunLocation.from_fields(location), where)))


def located_shot_files(place: RunLocation, where: str) -> list[Path]:
    """As `shot_files`, of any run; where: for messages."""
    recipe = place.recipe
    if recipe["format"] in FACILITY:
        return []
    if not Path(place.root).is_dir():
        raise UserError(
            f"the raw folder {place.root} does not exist", "key raw", "correct the path"
        )
    if recipe["format"] == "euxfel":
        folder = run_path(place, recipe["folder"])
        found = sorted(folder.glob("*.h5"))
        refuse_braces(map(str, found), where)
        if not found:
            raise UserError(
                f"there is no HDF5 file in the folder {folder}",
                where,
                f"check `raw` (now {place.root!r}) and the column raw",
            )
        return found
    paths = [run_path(place, pattern) for pattern in _patterns(recipe)]
    refuse_braces(map(str, paths), where)
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"raw file {path} does not exist",
                where,
                f"check `raw` (now {place.root!r}) and the column raw",
            )
    return list(dict.fromkeys(paths))


def _patterns(recipe: dict[str, Any]) -> list[str]:
    """Patterns of the files that a recipe names."""
    entries = [
        *(recipe.get("detectors") or {}).values(),
        *(recipe.get("scalar_data") or {}).values(),
    ]
    others = [entry.get("file") for entry in entries if isinstance(entry, dict)]
    return [recipe["file"], *(pattern for pattern in others if pattern)]


def _simulated(configuration: Configuration, row: RunRow) -> list[str] | None:
    """The demo's files are known before they are made."""
    if configuration.demo is None:
        return None
    from scatterflow.sources.demo import demo_files

    files = demo_files().get(row.raw)
    if files is None:
        return None
    return [str(Path(configuration.raw) / path) for path, *_ in files]
