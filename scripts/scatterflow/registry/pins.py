"""Pinning: which version each mask of the configuration means, written down before anything runs.

The main process makes pins that are missing, and those whose configured version changed. A pin to the
newest version stays as it is, whatever happens in the registry, until `registry pin` renews it: all jobs
of a run, and of the next one, use the same masks. A pin is rewritten only if what jobs use differs: the
content, the orientation and the validity of a version, or the version that is configured.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.atomic import write_bytes
from scatterflow.files.json import read_json, write_json
from scatterflow.plan.pins import FOLDER
from scatterflow.registry import objects
from scatterflow.registry.opening import open_registry
from scatterflow.registry.pinned import pinned_object, read_pinned
from scatterflow.registry.records import Record, named
from scatterflow.registry.store import FileRegistry
from scatterflow.registry.versions import get_record, live

_KEYS = ("kind", "detector", "name", "version", "uid", "sha256")
_LIMITS = ("orientation", "valid_from", "valid_to", "energy_from_keV", "energy_to_keV")

Wanted = dict[str, dict[str, Any]]


def ensure_pins(wanted: Wanted, where: Any, folder: str = FOLDER) -> list[str]:
    """Make the pins that are missing; returns notes on masks that have a newer version by now.

    wanted: as `plan_pins` collects them; where: what `open_registry` takes; it need not be there if
    nothing is missing. Raises UserError for a mask that is not registered.
    """
    for path, item in wanted.items():
        if _is_whole(path, item, folder):
            continue
        registry = open_registry(where)
        meant = {**item, "version": _pinned_version(path, item)}
        _write(path, item, _resolve(meant, registry), registry, folder)
    return _newer(wanted, where)


def renew_pins(wanted: Wanted, where: Any, folder: str = FOLDER, check: bool = False) -> list[str]:
    """Pin every mask to the newest version (or the one that is configured); returns what changed.

    check: change nothing.
    """
    registry = open_registry(where)
    changes = []
    for path, item in wanted.items():
        record = _resolve(item, registry)
        old = _read(path)
        if old is not None and _serves(old, record, item) and _is_whole(path, item, folder):
            continue
        changes.append(_change(path, old, record, registry, folder))
        if not check:
            _write(path, item, record, registry, folder)
    return changes


def _serves(pin: dict[str, Any], record: Record, item: dict[str, Any]) -> bool:
    """Whether a pin says what jobs need to know of a record, maybe of an earlier version that is equal."""
    chosen = ("version", "uid") if item["version"] is not None else ()
    compared = ("detector", "name", "sha256", *_LIMITS, *chosen)
    return all(pin[key] == getattr(record, key) for key in compared)


def _resolve(item: dict[str, Any], registry: Any) -> Record:
    try:
        return get_record(
            "mask", item["detector"], item["name"], item["version"], registry=registry
        )
    except UserError as error:
        raise error.inside(f"detectors, mask {item['name']} of type registry") from error


def _pinned_version(path: str, item: dict[str, Any]) -> int | None:
    """The configured version, else the one that the pin names: its content may be lost, not what it says."""
    pin = _read(path)
    if item["version"] is not None or pin is None:
        return item["version"]
    same = (pin["detector"], pin["name"]) == (item["detector"], item["name"])
    return pin["version"] if same else None


def _read(path: str) -> dict[str, Any] | None:
    """A pin, None if it is not there or no pin."""
    try:
        pin = read_json(path)
        named(pin["kind"], pin["detector"], pin["name"])
        return pin if {*_KEYS, *_LIMITS} <= set(pin) else None
    except (FileNotFoundError, UserError, KeyError, TypeError):
        return None


def _is_whole(path: str, item: dict[str, Any], folder: str) -> bool:
    pin = _read(path)
    wanted = (item["detector"], item["name"], item["version"] or (pin or item)["version"])
    if pin is None or (pin["detector"], pin["name"], pin["version"]) != wanted:
        return False
    try:
        read_pinned(pin, folder, path)
    except UserError:
        return False
    return True


def _write(path: str, item: dict[str, Any], record: Record, registry: Any, folder: str) -> None:
    """The content first: a pin never names what is not there. A pin that serves is left alone."""
    pin = {key: getattr(record, key) for key in (*_KEYS, *_LIMITS)}
    write_bytes(pinned_object(pin, folder), objects.pack(registry.read(record)))
    old = _read(path)
    if old is None or not _serves(old, record, item):
        write_json(path, pin)


def _change(
    path: str, old: dict[str, Any] | None, record: Record, registry: Any, folder: str
) -> str:
    text = f"{path}: {record.title}"
    if old is None:
        return f"{text} (new), {record.masked_fraction:.2%} masked"
    try:
        before = objects.decode_good(read_pinned(old, folder, path))
    except UserError:
        return f"{text} (was version {old['version']}, of which the content was lost or damaged)"
    now = objects.decode_good(registry.read(record))
    if old["sha256"] == record.sha256:
        return f"{text} (was {old['version']}): the same pixels, for other frames or times"
    if before.shape != now.shape:
        return f"{text} (was version {old['version']}, of another shape)"
    masked, freed = np.count_nonzero(before & ~now), np.count_nonzero(now & ~before)
    return f"{text} (was {old['version']}): {masked} pixels newly masked, {freed} no longer"


def _newer(wanted: Wanted, where: Any) -> list[str]:
    """Notes on pins that are behind; a server is not asked, every start would wait for it."""
    open_pins = {path: item for path, item in wanted.items() if item["version"] is None}
    registry = open_registry(where)
    if not open_pins or not isinstance(registry, FileRegistry) or not registry.root.is_dir():
        return []
    notes = []
    for path, item in open_pins.items():
        pin = _read(path)
        found = live(registry.history("mask", item["detector"], item["name"]))
        if pin and not any(record.version == pin["version"] for record in found):
            notes.append(f"{path} pins version {pin['version']}, which was deleted: {_RENEW}")
        elif pin and not _serves(pin, found[-1], item):
            notes.append(
                f"{path} pins version {pin['version']}, the newest is {found[-1].version}: {_RENEW}"
            )
    return notes


_RENEW = "`scatterflow registry pin` takes the newest"
