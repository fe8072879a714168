"""The command line: `python scripts/scatterflow COMMAND`, run in the folder that holds `config/`.

plan       what a run of the workflow will cost; runs nothing
discover   look through the raw folder and extend the run table
schema     JSON Schema of the configuration, for editors
keys       every key of the configuration, as in config/README.md
geometry   PONI file from the metadata of an XPCS acquisition
convert-chap  a CHAP configuration as config.yaml and run table
convert-xpcs  a result of XPCS-Eigen (/exchange) as a result file
watch      reduce runs as they arrive in the raw folder
trigger, wait, crawl  have one run or a folder of runs reduced, and wait for it
status     what is done, running, failed (and why), waiting
registry   masks by name and version: register, list, show, import, export, pin, ...
index      the index of all results: bring it up to date
portal     a web site of all results; serve it to this computer
search     find results by words, sample, technique, date, ...
publish    results to Tiled, Globus Search, SciCat, or as an RO-Crate
manifest, stage, deliver  raw data from elsewhere, results back, verified
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a folder: its parent holds the package
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from scatterflow.catalogue.command import add_commands as add_catalogue_commands
from scatterflow.catalogue.publish_command import add_publish_commands
from scatterflow.catalogue.site_command import add_options as add_portal_options
from scatterflow.errors import UserError, from_os_error, suggestion
from scatterflow.live.command import add_commands as add_live_commands
from scatterflow.registry.command import add_commands as add_registry_commands
from scatterflow.staging.command import add_commands as add_staging_commands


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code = options.command(options)
        sys.stdout.flush()  # while a closed pipe can still be caught
        return code
    except UserError as error:
        print(error, file=sys.stderr)
    except BrokenPipeError:  # `... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        mendable = from_os_error(error)
        if mendable is None:
            raise
        print(mendable, file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    description = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="scatterflow", description=description)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--configfile", default="config/config.yaml", help="default: %(default)s"
        )
        command.set_defaults(command=function)
        return command

    plan = add("plan", _plan, "what a run of the workflow will cost; runs nothing")
    plan.add_argument("--json", action="store_true", help="print JSON instead of a table")
    discover = add("discover", _discover, "look through the raw folder and extend the run table")
    discover.add_argument(
        "--reduction", default="", help="reduction of the new runs; left out: none yet"
    )
    schema = add("schema", _schema, "JSON Schema of the configuration, for editors")
    schema.add_argument(
        "--write", metavar="PATH.json", help="write it there instead of printing it"
    )
    keys = add("keys", _keys, "every key of the configuration, as Markdown")
    keys.add_argument(
        "--write", metavar="README", help="renew the generated parts of config/README.md instead"
    )
    text = "the geometry in the metadata of an XPCS acquisition, as a PONI file"
    geometry = commands.add_parser("geometry", help=text, description=text)
    geometry.add_argument(
        "file", metavar="FILE", help="NAME_metadata.hdf, or a legacy one of APS 8-ID"
    )
    geometry.add_argument(
        "--write", metavar="PATH.poni", help="write it there instead of printing it"
    )
    geometry.set_defaults(command=_geometry)
    chap = commands.add_parser(
        "convert-chap", help="a CHAP configuration as config.yaml and run table"
    )
    chap.description = (
        "Translate a CHAP SAXS/WAXS configuration. What means something else now, and what could not be "
        "translated, is told on stderr."
    )
    chap.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="map_config.yaml and pyfai_integration_processor_config.yaml, or a pipeline",
    )
    for name in ("corrections", "fits", "detectors"):
        chap.add_argument(f"--{name}", action="append", default=[], metavar="FILE", help=f"{name}")
    chap.add_argument(
        "--output", required=True, metavar="FOLDER", help="folder of the new files, e.g. config"
    )
    chap.set_defaults(command=_convert_chap)
    text = "a result of XPCS-Eigen (/exchange) as a result file"
    xpcs = commands.add_parser("convert-xpcs", help=text)
    xpcs.description = (
        "Translate an old result of APS 8-ID. What means something else now, and what has no counterpart, is "
        "told on stderr."
    )
    xpcs.add_argument("old", metavar="OLD.hdf", help="a result with /measurement, /xpcs, /exchange")
    xpcs.add_argument("new", metavar="NEW.nxs", help="the file to be written")
    xpcs.set_defaults(command=_convert_xpcs)
    add_live_commands(commands)
    text = "masks by name and version: register, list, show, import, export, pin, ..."
    add_registry_commands(commands.add_parser("registry", help=text, description=text))
    add_catalogue_commands(commands)
    text = "results to Tiled, Globus Search, SciCat, or as an RO-Crate"
    add_publish_commands(commands.add_parser("publish", help=text, description=text))
    text = "a web site of all results: search, plots, files, a viewer; see docs/portal.md"
    add_portal_options(commands.add_parser("portal", help=text, description=text))
    add_staging_commands(commands)
    return parser


def _plan(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from scatterflow.config.load import read_yaml
    from scatterflow.plan.build import build_plan
    from scatterflow.plan.report import plan_costs, report_text

    plan = build_plan(read_yaml(options.configfile), options.configfile)
    costs = plan_costs(plan)
    print(
        json.dumps([asdict(cost) for cost in costs], indent=1)
        if options.json
        else report_text(costs)
    )
    return 0


def _discover(options: argparse.Namespace) -> int:
    from scatterflow.config.load import read_yaml, validate
    from scatterflow.plan.discovery import configured_recipes, discover, extend_run_table

    configuration = validate(read_yaml(options.configfile), options.configfile)
    if options.reduction and options.reduction not in configuration.reductions:
        raise UserError(
            f"reduction {options.reduction!r} is not configured",
            "--reduction",
            suggestion(options.reduction, configuration.reductions),
        )
    found = discover(
        configuration.raw,
        configured_recipes(configuration),
        {name: item.shape for name, item in configuration.detectors.items()},
    )
    added, unchanged, notes = extend_run_table(configuration.runs, found, options.reduction)
    for note in notes:
        print(f"note: {note}")
    print(f"{configuration.runs}: {len(added)} runs added, {len(unchanged)} there already")
    for run in added:
        print(f"  {run}")
    return 0


def _geometry(options: argparse.Namespace) -> int:
    from scatterflow.files.atomic import write_text
    from scatterflow.xpcs.acquisition import read_acquisition
    from scatterflow.xpcs.acquisition_geometry import poni_text

    acquisition = read_acquisition(options.file)
    text = poni_text(acquisition, options.file)
    for note in acquisition.notes:
        print(f"note: {note}", file=sys.stderr)
    if options.write:
        write_text(options.write, text)
        print(f"written: {options.write}")
    else:
        print(text, end="")
    return 0


def _convert_chap(options: argparse.Namespace) -> int:
    from scatterflow.convert.chap import convert_chap, write_converted

    files = [*options.files, *options.corrections, *options.fits, *options.detectors]
    converted = convert_chap(files, options.output)
    for path in write_converted(converted, options.output):
        print(f"written: {path}")
    for line in converted.notes.lines():
        print(line, file=sys.stderr)
    return 0


def _convert_xpcs(options: argparse.Namespace) -> int:
    from scatterflow.convert.legacy_xpcs import convert_legacy_xpcs

    notes = convert_legacy_xpcs(options.old, options.new)
    print(f"written: {options.new}")
    for line in notes.lines():
        print(line, file=sys.stderr)
    return 0


def _schema(options: argparse.Namespace) -> int:
    from scatterflow.config.document import configuration_schema
    from scatterflow.files.atomic import write_text

    text = json.dumps(configuration_schema(), indent=1)
    if options.write:
        write_text(options.write, text + "\n")
    else:
        print(text)
    return 0


def _keys(options: argparse.Namespace) -> int:
    from scatterflow.config.document import key_tables, updated
    from scatterflow.files.atomic import write_text

    if options.write:
        write_text(options.write, updated(Path(options.write).read_text(encoding="utf-8")))
    else:
        print(key_tables())
    return 0


if __name__ == "__main__":
    sys.exit(main())
