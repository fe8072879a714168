"""The command line of the registry: `scatterflow registry COMMAND`.

The registry is the one of --registry, else of the key `registry` of the configuration, else of the
environment variable SCATTERFLOW_REGISTRY, else the folder `registry`.
"""

from __future__ import annotations

import argparse
from typing import Any

from scatterflow.errors import shortened
from scatterflow.registry import command_looking as looking
from scatterflow.registry import command_writing as writing
from scatterflow.registry.records import KINDS


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Fill the parser of `scatterflow registry`."""
    commands = parser.add_subparsers(required=True, metavar="REGISTRY_COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--registry", metavar="FOLDER", help="folder, or address of a Tiled server")
    common.add_argument(
        "--configfile", default="config/config.yaml", help="default: %(default)s, if it is there"
    )
    name = argparse.ArgumentParser(add_help=False)
    name.add_argument("detector", metavar="DETECTOR")
    name.add_argument("name", metavar="NAME")
    version = argparse.ArgumentParser(add_help=False)
    version.add_argument("--kind", choices=KINDS, default="mask")
    version.add_argument("--version", type=_whole, help="left out: the newest")

    def add(title: str, function: Any, text: str, *parents: Any) -> argparse.ArgumentParser:
        command = commands.add_parser(
            title, help=text, description=text, parents=[common, *parents]
        )
        command.set_defaults(command=function)
        return command

    register = add(
        "register", writing.register_command, "register a mask (.npy, ...) or another file", name
    )
    register.add_argument(
        "file", metavar="FILE", help=".npy .tif .edf .h5 ...; .poni; .npz for several arrays"
    )
    register.add_argument("--kind", choices=KINDS, default="mask")
    register.add_argument("--true-means", choices=("good", "masked"), help="of .npy, .tif, HDF5")
    register.add_argument("--dataset", help="path in an HDF5 file")
    _add_import_options(register)

    imports = add(
        "import", writing.import_command, "register a mask that follows another convention", name
    )
    imports.add_argument("file", metavar="FILE", help="pyfai-detector: name of the detector")
    imports.add_argument("--format", required=True, help="see `docs/registry.md`")
    imports.add_argument("--dataset", help="path in an HDF5 file")
    imports.add_argument("--true-means", choices=("good", "masked"))
    imports.add_argument("--order", choices=("flat", "rowcolumn", "xy"))
    for option in ("--bits", "--mask-good", "--mask-bad", "--bit-depth"):
        imports.add_argument(option, type=_whole)
    _add_import_options(imports)

    fetch = add(
        "fetch", writing.fetch_command, "copy versions from another registry or Tiled server", name
    )
    fetch.add_argument("source", metavar="FROM")
    fetch.add_argument("--version", type=_whole, help="left out: the newest")
    fetch.add_argument("--foreign", action="store_true", help="arrays that CHX's registry wrote")
    publish = add(
        "publish", writing.publish_command, "copy a mask to another registry or Tiled server", name
    )
    publish.add_argument("target", metavar="TO")
    publish.add_argument("--version", type=_whole, help="left out: the newest")

    listing = add("list", looking.list_command, "what is registered")
    listing.add_argument("detector", nargs="?")
    listing.add_argument("name", nargs="?")
    listing.add_argument("--kind", choices=KINDS, help="left out: all")
    listing.add_argument("--text", help="words in name, comment, author or metadata")
    listing.add_argument("--at", help="valid at this time (ISO 8601 with time zone)")
    listing.add_argument("--energy-keV", type=float, help="valid at this energy")
    listing.add_argument(
        "--where", action="append", default=[], metavar="KEY=VALUE", help="or KEY=LOW..HIGH"
    )
    listing.add_argument("--all-versions", action="store_true")
    listing.add_argument("--json", action="store_true")

    show = add(
        "show",
        looking.show_command,
        "one version: record, picture, reasons, difference",
        name,
        version,
    )
    show.add_argument("--picture", metavar="FILE.png", help="draw it into a file, too")

    export = add(
        "export", looking.export_command, "write a version for other programs", name, version
    )
    export.add_argument(
        "file", metavar="FILE", help=".edf .npy .tif .nxs; .poni; .npy or .npz of arrays"
    )
    export.add_argument("--true-means", choices=("good", "masked"), default="good")

    compose = add("compose", writing.compose_command, "register the AND of several masks", name)
    compose.add_argument("members", nargs="+", metavar="NAME[@VERSION]")
    compose.add_argument("--comment", default="")
    accept = add("accept", writing.accept_command, "make a proposal a mask", name)
    accept.add_argument("--version", type=_whole, help="of the proposal; left out: the newest")
    accept.add_argument("--comment", default="")
    delete = add(
        "delete",
        writing.delete_command,
        "delete a version, or all versions of a name",
        name,
        version,
    )
    delete.add_argument("--comment", default="", help="why")

    sweep = add("sweep", looking.sweep_command, "remove the contents of deleted versions")
    sweep.add_argument("--older-than-hours", type=float, default=24.0, help="default: %(default)s")
    sweep.add_argument("--pins", nargs="*", default=[], help="keep what these pins or folders name")
    sweep.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    add(
        "verify",
        looking.verify_command,
        "check every record and every content; exit code 1 if one is wrong",
    )
    pin = add(
        "pin", looking.pin_command, "pin the masks of the configuration to the newest versions"
    )
    pin.add_argument("--check", action="store_true", help="only say what would change")


def _add_import_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--shape", nargs=2, type=_whole, metavar=("ROWS", "COLUMNS"))
    command.add_argument("--reason", default="user", help="gap, dead, hot, beamstop, user, ...")
    command.add_argument("--comment", default="")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="metadata")
    command.add_argument("--orientation", type=_whole, help="pyFAI's, of the frames that it fits")
    command.add_argument("--valid-from", help="ISO 8601 with time zone")
    command.add_argument("--valid-to")
    command.add_argument("--energy-from-keV", type=float, dest="energy_from_keV")
    command.add_argument("--energy-to-keV", type=float, dest="energy_to_keV")
    command.add_argument("--expected-version", type=_whole, help="refuse if another is the last")
    command.add_argument("--proposal", action="store_true", help="as a proposal, to be accepted")
    command.add_argument("--pyfai-detector", help="must cover the gaps of this detector")
    command.add_argument("--allow-many", action="store_true", help="more than half are masked")
    command.add_argument("--allow-open-gaps", action="store_true", help="gaps need not be masked")


def _whole(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is no whole number") from None
