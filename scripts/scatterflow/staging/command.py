"""The commands `manifest`, `stage` and `deliver`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError


def add_commands(commands: Any) -> None:
    """Add them to the commands of `scatterflow`."""
    text = "size and checksum of every file of a folder, as its MANIFEST.tsv"
    manifest = commands.add_parser("manifest", help=text, description=text)
    manifest.add_argument("folder", metavar="FOLDER")
    manifest.add_argument("--output", metavar="FILE", help="default: FOLDER/MANIFEST.tsv")
    manifest.set_defaults(command=_manifest)
    text = "fetch raw data from the place `staging.raw`, verified; goes on where it was cut off"
    stage = _configured(commands, "stage", text, _stage)
    stage.add_argument(
        "patterns", nargs="*", metavar="PATTERN", help="only these files, as 'run12/*'"
    )
    stage.add_argument("--again", action="store_true", help="verify also what came earlier")
    text = "return results to the place `staging.results`, verified; goes on where it was cut off"
    _configured(commands, "deliver", text, _deliver)


def _configured(commands: Any, name: str, text: str, function: object) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.add_argument("--configfile", default="config/config.yaml", help="default: %(default)s")
    command.set_defaults(command=function)
    return command


def _manifest(options: argparse.Namespace) -> int:
    from scatterflow.files.atomic import write_text
    from scatterflow.staging.manifest import MANIFEST, manifest_text, mark_folder

    folder = Path(options.folder)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", "FOLDER", "correct the path")
    marks = mark_folder(folder)
    output = Path(options.output or folder / MANIFEST)
    write_text(output, manifest_text(marks))
    print(f"{output}: {len(marks)} files, {_size(mark.bytes for mark in marks.values())}")
    return 0


def _stage(options: argparse.Namespace) -> int:
    from scatterflow.staging.transfer import stage

    configuration, place, tries = _place(options, "raw")
    done = stage(
        place,
        Path(configuration.raw),
        options.patterns,
        again=options.again,
        tell=_tell,
        **tries,
    )
    print(f"{configuration.raw}: {_summary(done, 'fetched')}")
    return 0


def _deliver(options: argparse.Namespace) -> int:
    from scatterflow.staging.transfer import deliver

    _, place, tries = _place(options, "results")
    done = deliver(place, Path("results"), tell=_tell, **tries)
    print(f"{place.name}: {_summary(done, 'returned')}")
    return 0


def _place(options: argparse.Namespace, key: str) -> tuple[Any, Any, dict[str, Any]]:
    from scatterflow.config.load import read_yaml, validate
    from scatterflow.staging.places import open_place

    configuration = validate(read_yaml(options.configfile), options.configfile)
    staging = configuration.staging
    address = getattr(staging, key)
    if address is None:
        raise UserError(
            f"the configuration does not say where {'from' if key == 'raw' else 'to'}",
            f"{options.configfile}, key staging.{key}",
            "name a folder there, as sftp://user@host/data or s3://bucket/data",
        )
    tries = {"attempts": staging.attempts, "pause_seconds": staging.pause_seconds}
    return configuration, open_place(address, staging.ssh_config, staging.s3_endpoint), tries


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _summary(done: Any, verb: str) -> str:
    cut = f", connection cut {done.interruptions} times" if done.interruptions else ""
    return f"{len(done.moved)} files {verb} ({_size([done.bytes])}), {len(done.there)} there already{cut}"


def _size(counts: Any) -> str:
    return f"{sum(counts) / 1e9:.3g} GB"
