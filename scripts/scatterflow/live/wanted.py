"""What one call of snakemake is to make for the watcher: handed over in a file, as there may be thousands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatterflow.errors import UserError
from scatterflow.files.json import read_json, write_json
from scatterflow.live.folder import WANTED


@dataclass(frozen=True)
class Wanted:
    """results: (run, reduction) of finished runs; chunks: (run, reduction, start, stop) of growing ones."""

    results: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[tuple[str, str, int, int]] = field(default_factory=list)


def write_wanted(wanted: Wanted, path: Path = WANTED) -> None:
    """Leave it for the rule `watched`."""
    write_json(path, {"results": wanted.results, "chunks": wanted.chunks})


def read_wanted(path: Path = WANTED) -> Wanted:
    """What is wanted; raises UserError if nothing was ever asked for."""
    if not path.exists():
        raise UserError(
            "nothing is watched",
            str(path),
            "`python scripts/scatterflow watch` calls snakemake itself",
        )
    content = read_json(path)
    return Wanted(
        [(run, name) for run, name in content["results"]],
        [(run, name, start, stop) for run, name, start, stop in content["chunks"]],
    )
