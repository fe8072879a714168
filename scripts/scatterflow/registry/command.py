"""The command line of the registry: `scatterflow registry COMMAND`.

The registry is the one of --registry, else of the key `registry` of the configuration, else of the
environment variable SCATTERFLOW_REGISTRY, else the folder `registry`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError, shortened
from scatterflow.registry.opening import open_registry
from scatterflow.registry.records import KINDS, Record

IMAGE_KINDS = ("dark", "flat", "gain")


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

    register = add("register", _register, "register a mask (.npy, ...) or another file", name)
    register.add_argument("file", metavar="FILE")
    register.add_argument("--kind", choices=[k for k in KINDS if k != "qmap"], default="mask")
    register.add_argument("--true-means", choices=("good", "masked"), help="of .npy, .tif, HDF5")
    register.add_argument("--dataset", help="path in an HDF5 file")
    _add_import_options(register)

    imports = add("import", _import, "register a mask that follows another convention", name)
    imports.add_argument("file", metavar="FILE", help="pyfai-detector: name of the detector")
    imports.add_argument("--format", required=True, help="see `docs/registry.md`")
    for option in ("--dataset", "--true-means", "--order"):
        imports.add_argument(option)
    for option in ("--bits", "--mask-good", "--mask-bad", "--bit-depth"):
        imports.add_argument(option, type=_whole)
    _add_import_options(imports)

    fetch = add("fetch", _fetch, "copy versions from another registry or Tiled server", name)
    fetch.add_argument("source", metavar="FROM")
    fetch.add_argument("--version", type=_whole, help="left out: the newest")
    fetch.add_argument("--foreign", action="store_true", help="arrays that CHX's registry wrote")
    publish = add("publish", _publish, "copy a mask to another registry or Tiled server", name)
    publish.add_argument("target", metavar="TO")
    publish.add_argument("--version", type=_whole, help="left out: the newest")

    listing = add("list", _list, "what is registered")
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

    show = add("show", _show, "one version: record, picture, reasons, difference", name, version)
    show.add_argument("--picture", metavar="FILE.png", help="draw it into a file, too")

    export = add("export", _export, "write a version for other programs", name, version)
    export.add_argument("file", metavar="FILE", help=".edf .npy .tif .nxs; .poni for a geometry")
    export.add_argument("--true-means", choices=("good", "masked"), default="good")

    compose = add("compose", _compose, "register the AND of several masks", name)
    compose.add_argument("members", nargs="+", metavar="NAME[@VERSION]")
    compose.add_argument("--comment", default="")
    accept = add("accept", _accept, "make a proposal a mask", name)
    accept.add_argument("--version", type=_whole, help="of the proposal; left out: the newest")
    accept.add_argument("--comment", default="")
    delete = add("delete", _delete, "delete a version, or all versions of a name", name, version)
    delete.add_argument("--comment", default="", help="why")

    sweep = add("sweep", _sweep, "remove the contents of deleted versions")
    sweep.add_argument("--older-than-hours", type=float, default=24.0, help="default: %(default)s")
    sweep.add_argument("--pins", nargs="*", default=[], help="keep what these pins or folders name")
    sweep.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    add("verify", _verify, "check every record and every content; exit code 1 if one is wrong")
    pin = add("pin", _pin, "pin the masks of the configuration to the newest versions")
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


def chosen_registry(options: argparse.Namespace) -> Any:
    """The registry that a command is about."""
    return open_registry(options.registry or _configured(options.configfile))


def _configured(configfile: str) -> str | None:
    if not Path(configfile).is_file():
        return None
    from scatterflow.config.load import read_yaml

    found = read_yaml(configfile).get("registry")
    return found if isinstance(found, str) else None


def _value(text: str) -> Any:
    """A value as JSON if it is some, else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _pairs(items: list[str], option: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in items]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise UserError(f"{shortened(key)} is no KEY=VALUE", option, "write --set sample=water")
    return {key: value for key, _, value in pairs}


def _option_values(options: argparse.Namespace) -> dict[str, Any]:
    keys = ("comment", "orientation", "valid_from", "valid_to", "energy_from_keV", "energy_to_keV")
    found = {key: getattr(options, key) for key in (*keys, "expected_version")}
    return {key: value for key, value in found.items() if value is not None}


# Registering --------------------------------------------------------------------------------------


def _register(options: argparse.Namespace) -> int:
    if options.kind in ("mask", "proposal"):
        options.format = "pixel_mask" if _is_pixel_mask(options.dataset) else "array"
        options.proposal |= options.kind == "proposal"
        return _import(options)
    from scatterflow.registry.versions import register_arrays, register_geometry

    registry = chosen_registry(options)
    metadata = {key: _value(value) for key, value in _pairs(options.set, "--set").items()}
    more = {**_option_values(options), "metadata": metadata, "registry": registry}
    if options.kind == "geometry":
        record = register_geometry(options.detector, options.name, options.file, **more)
    else:
        from scatterflow.detectors.images import read_image
        from scatterflow.files.checksums import file_sha256

        shape = _shape(options, registry)
        pixels = read_image(options.file, options.dataset, shape, f"file {options.file}").pixels
        source = {"file": options.file, "sha256": file_sha256(options.file)}
        arrays = {"data": pixels}
        record = register_arrays(
            options.kind, options.detector, options.name, arrays, source=source, **more
        )
    print(f"registered {record.title}")
    return 0


def _is_pixel_mask(dataset: str | None) -> bool:
    return bool(dataset) and "pixel_mask" in str(dataset).rpartition("/")[2]


def _import(options: argparse.Namespace) -> int:
    from scatterflow.registry.import_formats import check_plausible, detector_gaps, import_mask
    from scatterflow.registry.masks import register_mask

    registry = chosen_registry(options)
    shape = _shape(options, registry)
    keys = ("dataset", "true_means", "bits", "mask_good", "mask_bad", "bit_depth", "order")
    found = import_mask(
        options.file,
        shape,
        options.format,
        reason=options.reason,
        **{key: getattr(options, key, None) for key in keys},
    )
    gaps = options.pyfai_detector and detector_gaps(options.pyfai_detector, shape)
    check_plausible(
        found.good,
        f"file {options.file}",
        gaps=gaps,
        allow_many=options.allow_many,
        allow_open_gaps=options.allow_open_gaps,
    )
    metadata = {key: _value(value) for key, value in _pairs(options.set, "--set").items()}
    record = register_mask(
        options.detector,
        options.name,
        found.good,
        reasons=found.reasons,
        kind="proposal" if options.proposal else "mask",
        source=found.source,
        registry=registry,
        **_option_values(options),
        **metadata,
    )
    _say_registered(record)
    return 0


def _say_registered(record: Record) -> None:
    parts = ", ".join(f"{name} {count}" for name, count in record.summary["reasons"].items())
    print(f"registered {record.title}: {record.masked_fraction:.2%} masked ({parts or 'none'})")


def _shape(options: argparse.Namespace, registry: Any) -> tuple[int, int]:
    """The detector's shape: as the registry states it, as given, or as configured."""
    stated = registry.shape(options.detector)
    if options.shape and stated and tuple(options.shape) != stated:
        raise UserError(
            f"the registry knows detector {options.detector} with {stated[0]} x {stated[1]} pixels",
            "--shape",
            "leave it out",
        )
    if stated or options.shape:
        return stated or (options.shape[0], options.shape[1])
    if Path(options.configfile).is_file():
        from scatterflow.config.load import read_yaml, validate

        detectors = validate(read_yaml(options.configfile), options.configfile).detectors
        if options.detector in detectors:
            return detectors[options.detector].shape
    raise UserError(
        f"the shape of detector {options.detector}'s frames is not known yet",
        str(registry),
        "give --shape ROWS COLUMNS this once",
    )


def _compose(options: argparse.Namespace) -> int:
    from scatterflow.registry.masks import Wanted, register_composite

    members: list[Wanted] = []
    for member in options.members:
        name, at, version = member.partition("@")
        if at and not version.isdecimal():
            raise UserError(f"{shortened(member)} is no NAME@VERSION", "", "write beamstop@3")
        members.append((name, int(version)) if at else name)
    registry = chosen_registry(options)
    _say_registered(
        register_composite(
            options.detector, options.name, members, comment=options.comment, registry=registry
        )
    )
    return 0


def _accept(options: argparse.Namespace) -> int:
    from scatterflow.registry.masks import accept

    registry = chosen_registry(options)
    record = accept(
        options.detector,
        options.name,
        options.version,
        comment=options.comment,
        registry=registry,
    )
    _say_registered(record)
    return 0


def _delete(options: argparse.Namespace) -> int:
    from scatterflow.registry.versions import delete

    tombstone = delete(
        options.kind,
        options.detector,
        options.name,
        options.version,
        comment=options.comment,
        registry=chosen_registry(options),
    )
    versions = ", ".join(map(str, tombstone.deletes))
    print(f"deleted {options.kind} {options.detector}/{options.name}, version {versions}")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from scatterflow.registry.copying import copy_version

    source, target = open_registry(options.source), chosen_registry(options)
    if options.foreign:
        from scatterflow.registry.tiled_store import TiledRegistry, fetch_foreign

        if not isinstance(source, TiledRegistry):
            raise UserError("--foreign is for a Tiled server", options.source, "give its address")
        record = fetch_foreign(source, target, options.detector, options.name, options.version)
    else:
        record = copy_version(source, target, options.detector, options.name, options.version)
    _say_registered(record)
    return 0


def _publish(options: argparse.Namespace) -> int:
    from scatterflow.registry.copying import copy_version

    record = copy_version(
        chosen_registry(options),
        open_registry(options.target),
        options.detector,
        options.name,
        options.version,
    )
    _say_registered(record)
    return 0


# Looking ------------------------------------------------------------------------------------------


def _list(options: argparse.Namespace) -> int:
    from scatterflow.registry.listing import as_json, as_table
    from scatterflow.registry.versions import find

    where = {key: _range_or_value(value) for key, value in _pairs(options.where, "--where").items()}
    found = find(
        options.detector,
        options.name,
        kind=options.kind,
        text=options.text,
        at=options.at,
        energy_keV=options.energy_keV,
        all_versions=options.all_versions,
        registry=chosen_registry(options),
        **where,
    )
    print(as_json(found) if options.json else as_table(found))
    return 0


def _range_or_value(text: str) -> Any:
    low, dots, high = text.partition("..")
    if not dots:
        return _value(text)
    return tuple(_value(edge) if edge else None for edge in (low, high))


def _show(options: argparse.Namespace) -> int:
    from scatterflow.registry.listing import show_mask, show_record
    from scatterflow.registry.masks import load_mask
    from scatterflow.registry.versions import get_record, live

    registry = chosen_registry(options)
    record = get_record(
        options.kind, options.detector, options.name, options.version, registry=registry
    )
    print(show_record(record))
    if record.kind not in ("mask", "proposal"):
        return 0
    _, reasons = load_mask(record, registry=registry)
    history = live(registry.history(options.kind, options.detector, options.name))
    earlier = [other for other in history if other.version < record.version]
    previous = load_mask(earlier[-1], registry=registry)[1] if earlier else None
    print(show_mask(reasons, previous, earlier[-1].version if earlier else None))
    if options.picture:
        from scatterflow.plots.registry_mask import plot_mask

        png = Path(options.picture)
        if png.suffix != ".png":
            raise UserError(
                "the picture is a PNG file", options.picture, "let its name end in .png"
            )
        plot_mask(reasons, previous, record.title, png, png.with_suffix(".svg"))
        print(f"drawn: {png} and .svg")
    return 0


def _export(options: argparse.Namespace) -> int:
    from scatterflow.registry import objects
    from scatterflow.registry.versions import get_record

    registry = chosen_registry(options)
    record = get_record(
        options.kind, options.detector, options.name, options.version, registry=registry
    )
    content = registry.read(record)
    if record.kind in ("mask", "proposal"):
        from scatterflow.registry.export_formats import export_mask

        good, reasons = objects.decode_good(content), objects.decode_reasons(content)
        export_mask(options.file, record, good, reasons, options.true_means)
    elif record.kind == "geometry":
        from scatterflow.files.atomic import write_text

        write_text(options.file, objects.decode_text(content))
    else:
        from scatterflow.registry.export_formats import export_arrays

        export_arrays(options.file, objects.decode_arrays(content))
    print(f"{options.file}: {record.title}")
    return 0


# Upkeep -------------------------------------------------------------------------------------------


def _sweep(options: argparse.Namespace) -> int:
    from scatterflow.registry.upkeep import sweep

    swept = sweep(
        chosen_registry(options),
        older_than_hours=options.older_than_hours,
        pins=options.pins,
        dry_run=options.dry_run,
    )
    for sha256 in swept.objects:
        print(sha256)
    verb = "would be removed" if options.dry_run else "removed"
    print(f"{len(swept.objects)} objects ({swept.bytes} bytes), {swept.leftovers} leftovers {verb}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from scatterflow.registry.upkeep import verify

    findings = verify(chosen_registry(options))
    for problem in findings.problems:
        print(f"problem: {problem}")
    for note in findings.notes:
        print(f"note: {note}")
    print(
        f"{findings.records} records and {findings.objects} objects are whole, "
        f"{len(findings.problems)} problems"
    )
    return 1 if findings.problems else 0


def _pin(options: argparse.Namespace) -> int:
    from scatterflow.config.load import read_yaml
    from scatterflow.plan.build import build_plan
    from scatterflow.registry.pins import renew_pins, wanted_pins

    plan = build_plan(read_yaml(options.configfile), options.configfile)
    wanted = wanted_pins(plan.masks.values())
    where = options.registry or plan.configuration.registry
    changes = renew_pins(wanted, where, check=options.check)
    for change in changes:
        print(change)
    verb = "would change" if options.check else "changed"
    print(f"{len(changes)} of {len(wanted)} pins {verb}")
    return 0
