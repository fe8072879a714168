"""The HDF5 files that a run's `raw` and a source's reference name, before what they link to.

A reference is a dataset of the file `{raw}`, or `pattern::dataset`. With `*` or `?` in its name a file stands
for all that match, in the order of their numbers (Lambda: one file per part of a series).
"""

from __future__ import annotations

import re
from pathlib import Path

from scatterflow.errors import UserError
from scatterflow.names import natural_key
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5_links import MissingFile
from scatterflow.sources.patterns import run_path
from scatterflow.sources.raw_faults import missing_file_advice

SEPARATOR = "::"


def split_reference(reference: str) -> tuple[str, str]:
    """Path pattern of the file, and dataset."""
    pattern, separator, dataset = reference.rpartition(SEPARATOR)
    return (pattern, dataset) if separator else ("{raw}", reference)


def master_files(location: RunLocation, pattern: str, must_exist: bool = True) -> list[Path]:
    """The files of a pattern, in order; of one that is not there yet, its path alone.

    Raises UserError for the modules of one detector; MissingFile, if they must exist, where nothing matches.
    """
    path = run_path(location, pattern)
    if not set(path.name) & set("*?") or path.exists():
        return [path]
    matches = sorted(path.parent.glob(path.name), key=lambda match: natural_key(match.name))
    modules = {found[1] for match in matches if (found := re.search(r"_m(\d+)", match.stem))}
    if len(modules) > 1:
        raise UserError(
            f"the files are {len(modules)} modules of one detector ({matches[0].name} ...)",
            f"run {location.run}, {path}",
            "modules are not tiled here: make one detector of each, with its own geometry",
        )
    if not matches and must_exist:
        raise MissingFile(
            "raw file is missing: nothing matches the pattern",
            f"{path}, run {location.run}",
            missing_file_advice(path, "correct `raw` in the run table"),
        )
    return matches or [path]
