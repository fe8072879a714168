"""The command line of publication: `scatterflow publish TARGET RUN/REDUCTION...`.

Publishing is a user's act, no rule of the workflow: what has left the house does not come back. Each result
is tried; those that may not be published are told on stderr, and the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError

RESULTS = Path("results")
Publish = Callable[[Any], str]


def add_publish_commands(parser: argparse.ArgumentParser) -> None:
    """Fill the parser of `scatterflow publish`."""
    commands = parser.add_subparsers(required=True, metavar="TARGET")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("names", nargs="*", metavar="RUN/REDUCTION", help="results to be published")
    common.add_argument("--all", action="store_true", help="all results that have a record")
    common.add_argument("--configfile", default="config/config.yaml", help="default: %(default)s")

    def add(title: str, function: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(title, help=text, description=text, parents=[common])
        command.set_defaults(command=lambda options: _publish_all(options, function))
        return command

    add("tiled", _tiled, "register results in a Tiled server; the key is in TILED_API_KEY")
    crate = add("rocrate", _rocrate, "pack each result into results/RUN/REDUCTION/ro-crate.zip")
    crate.add_argument(
        "--skip-raw-checksums",
        action="store_true",
        help="do not read large raw files; they are named by size and time alone",
    )
    globus = add("globus", _globus, "write an ingest document of Globus Search; sends nothing")
    globus.add_argument(
        "--output",
        default="results/catalogue/globus-search.json",
        metavar="FILE",
        help="default: %(default)s",
    )
    add("scicat", _scicat, "upload results to SciCat; the token is in SCICAT_TOKEN")


def _publish_all(options: argparse.Namespace, prepare: Callable[..., Any]) -> int:
    """Publish each result that may be; `prepare` gives the publisher and what is to be done at the end."""
    from scatterflow.catalogue.publish import publication, result_names
    from scatterflow.config.load import read_yaml, validate

    names = list(dict.fromkeys([*options.names, *(result_names(RESULTS) if options.all else [])]))
    if not names:
        raise UserError(
            "no result is named" if not options.all else "no result has a record",
            str(RESULTS),
            "name them as RUN/REDUCTION, or use --all; records are made by snakemake",
        )
    configuration = validate(read_yaml(options.configfile), options.configfile)
    publish, finish = prepare(options, configuration)
    refused = 0
    for name in names:
        try:
            print(f"{name}: {publish(publication(RESULTS, name))}")
        except UserError as error:
            refused += 1
            print(error, file=sys.stderr)
    finish()
    return 1 if refused else 0


def _target(configuration: Any, name: str) -> dict[str, Any]:
    """Where to publish to, as plain values."""
    target = getattr(configuration.publication, name)
    if target is None:
        raise UserError(
            f"the configuration does not say where to publish to ({name})",
            f"key publication.{name}",
            "see docs/publishing.md for its keys",
        )
    plain: dict[str, Any] = target.model_dump()
    return plain


def _nothing() -> None:
    pass


def _tiled(options: argparse.Namespace, configuration: Any) -> tuple[Publish, Callable[[], None]]:
    from scatterflow.catalogue import publish_tiled

    container = publish_tiled.connect(_target(configuration, "tiled")["address"])
    return lambda published: publish_tiled.publish(container, published), _nothing


def _scicat(options: argparse.Namespace, configuration: Any) -> tuple[Publish, Callable[[], None]]:
    from scatterflow.catalogue import publish_scicat

    target = _target(configuration, "scicat")
    client = publish_scicat.connect(target)
    return lambda published: publish_scicat.publish(client, published, target), _nothing


def _globus(options: argparse.Namespace, configuration: Any) -> tuple[Publish, Callable[[], None]]:
    from scatterflow.catalogue import publish_globus

    target = _target(configuration, "globus")
    entries: list[dict[str, Any]] = []

    def publish(published: Any) -> str:
        entries.append(publish_globus.entry(published, target))
        return entries[-1]["subject"]

    def finish() -> None:
        if entries:
            for path in publish_globus.write_documents(options.output, entries):
                print(f"written: {path}; send it with: globus search ingest INDEX {path}")

    return publish, finish


def _rocrate(options: argparse.Namespace, configuration: Any) -> tuple[Publish, Callable[[], None]]:
    from scatterflow.catalogue import crate_files, publish_rocrate

    project = Path.cwd()
    settings = configuration.model_dump()
    workflow = crate_files.workflow_files()
    planned = _planned_configurations(options.configfile)

    def publish(published: Any) -> str:
        _refuse_other_configuration(published, planned, options.configfile)
        raw, notes = crate_files.raw_files(
            published, settings["raw"], project, hash_all=not options.skip_raw_checksums
        )
        notes += crate_files.commit_notes(published.record)
        for note in notes:
            print(f"note: {published.name}: {note}", file=sys.stderr)
        named = crate_files.configuration_files(
            options.configfile, settings, published.record, project
        )
        contents = publish_rocrate.CrateContents(workflow, named, tuple(raw))
        path = published.folder / publish_rocrate.NAME
        state = publish_rocrate.write_crate(path, published, contents)
        return f"{state} {path.relative_to(project)}"

    return publish, _nothing


def _planned_configurations(configfile: str) -> dict[str, str]:
    """Checksum of the settings that each result would be made with now, by RUN/REDUCTION."""
    from scatterflow.config.load import read_yaml
    from scatterflow.plan.build import build_plan
    from scatterflow.plan.catalogue import configuration_sha256
    from scatterflow.plan.targets import delivered

    found = delivered(build_plan(read_yaml(configfile), configfile))
    return {f"{each.row.run}/{each.name}": configuration_sha256(each) for each in found.values()}


def _refuse_other_configuration(published: Any, planned: dict[str, str], configfile: str) -> None:
    """Raise UserError unless the configuration is the one that made a result: a crate holds what was used."""
    used = published.record["processing"]["configuration_sha256"]
    if planned.get(published.name) != used:
        raise UserError(
            f"the configuration is no longer the one that made {published.name}",
            configfile,
            "run snakemake again, or put back the configuration and the run table",
        )
