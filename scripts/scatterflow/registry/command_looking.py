"""Commands that look at the registry, and those that keep it up."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.registry.command_common import chosen_registry, pairs, value_of

_ASKED_OTHERWISE = {
    *("detector", "name", "kind", "text", "at", "energy_keV", "all_versions", "registry")
}
_ASK = "list [DETECTOR [NAME]] --kind --text --at --energy-keV --all-versions --registry"


def list_command(options: argparse.Namespace) -> int:
    from scatterflow.registry.listing import as_json, as_table
    from scatterflow.registry.versions import find

    where = {key: _range_or_value(value) for key, value in pairs(options.where, "--where").items()}
    for key in _ASKED_OTHERWISE & set(where):
        raise UserError(f"{key} is not asked for in this way", "--where", _ASK)
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
        return value_of(text)
    return tuple(value_of(edge) if edge else None for edge in (low, high))


def show_command(options: argparse.Namespace) -> int:
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


def export_command(options: argparse.Namespace) -> int:
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


def sweep_command(options: argparse.Namespace) -> int:
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


def verify_command(options: argparse.Namespace) -> int:
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


def pin_command(options: argparse.Namespace) -> int:
    from scatterflow.config.load import read_yaml
    from scatterflow.plan.build import build_plan
    from scatterflow.registry.pins import renew_pins

    plan = build_plan(read_yaml(options.configfile), options.configfile)
    where = options.registry or plan.configuration.registry
    changes = renew_pins(plan.pins, where, check=options.check)
    for change in changes:
        print(change)
    verb = "would change" if options.check else "changed"
    print(f"{len(changes)} of {len(plan.pins)} pins {verb}")
    return 0
