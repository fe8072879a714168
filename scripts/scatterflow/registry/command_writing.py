"""Commands that write into the registry."""

from __future__ import annotations

import argparse
import zipfile
import zlib
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError, shortened
from scatterflow.registry import records
from scatterflow.registry.command_common import chosen_registry, pairs, value_of
from scatterflow.registry.opening import open_registry
from scatterflow.registry.records import Record

LONGEST_SIDE = 100_000  # as in the configuration: a mistaken shape must not fill the memory


def _option_values(options: argparse.Namespace) -> dict[str, Any]:
    keys = ("comment", "orientation", "valid_from", "valid_to", "energy_from_keV", "energy_to_keV")
    found = {key: getattr(options, key) for key in (*keys, "expected_version")}
    return {key: value for key, value in found.items() if value is not None}


def _metadata(options: argparse.Namespace) -> dict[str, Any]:
    found = {key: value_of(value) for key, value in pairs(options.set, "--set").items()}
    return records.checked_metadata(found)


def register_command(options: argparse.Namespace) -> int:
    if options.kind in ("mask", "proposal"):
        from scatterflow.detectors.mask_files import is_pixel_mask

        options.format = "pixel_mask" if is_pixel_mask(options.dataset) else "array"
        options.proposal |= options.kind == "proposal"
        return import_command(options)
    _refuse_options_of_masks(options)
    from scatterflow.registry.calibrations import register_arrays, register_geometry

    registry = chosen_registry(options)
    more = {**_option_values(options), "metadata": _metadata(options), "registry": registry}
    if options.kind == "geometry":
        record = register_geometry(options.detector, options.name, options.file, **more)
    else:
        from scatterflow.files.checksums import file_sha256

        arrays = _arrays(options, registry)
        source = {"file": options.file, "sha256": file_sha256(options.file)}
        record = register_arrays(
            options.kind, options.detector, options.name, arrays, source=source, **more
        )
    print(f"registered {record.title}")
    return 0


def _refuse_options_of_masks(options: argparse.Namespace) -> None:
    keys = ("true_means", "proposal", "pyfai_detector", "allow_many", "allow_open_gaps")
    given = [key for key in keys if getattr(options, key)]
    if options.reason != "user":
        given.append("reason")
    if given:
        raise UserError(
            f"--{given[0].replace('_', '-')} is for masks, not for a {options.kind}",
            options.file,
            "leave it out",
        )


def _arrays(options: argparse.Namespace, registry: Any) -> dict[str, Any]:
    """An image of the detector's shape, or the arrays of an .npz file: q-maps, gains in stages."""
    if Path(options.file).suffix != ".npz":
        from scatterflow.detectors.images import read_image

        shape = _shape(options, registry)
        return {
            "data": read_image(options.file, options.dataset, shape, f"file {options.file}").pixels
        }
    import numpy as np

    if options.dataset or options.shape:
        raise UserError("--dataset and --shape are not for .npz", options.file, "leave them out")
    try:
        with np.load(options.file, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"the arrays cannot be read ({error})", options.file, "save it anew"
        ) from None


def import_command(options: argparse.Namespace) -> int:
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
    metadata = _metadata(options)
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
    if options.shape and not all(1 <= side <= LONGEST_SIDE for side in options.shape):
        raise UserError(
            f"no detector has {options.shape[0]} x {options.shape[1]} pixels",
            "--shape",
            "give rows and columns of its frames",
        )
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


def compose_command(options: argparse.Namespace) -> int:
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


def accept_command(options: argparse.Namespace) -> int:
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


def delete_command(options: argparse.Namespace) -> int:
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


def fetch_command(options: argparse.Namespace) -> int:
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


def publish_command(options: argparse.Namespace) -> int:
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
