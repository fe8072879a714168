"""Registering, finding and deleting versions of any kind.

A name (of one kind and detector) holds versions 1, 2, 3... Deleting adds a version that says which
ones it deletes: the history stays, the contents go with the next `sweep`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError, shortened, suggestion
from scatterflow.registry import records
from scatterflow.registry.opening import Registry, open_registry
from scatterflow.registry.records import Record

RegistryLike = Registry | str | Path | None


def register(
    kind: str,
    detector: str,
    name: str,
    content: bytes,
    *,
    shape: tuple[int, ...] | None = None,
    orientation: int | None = None,
    valid_from: str | datetime | None = None,
    valid_to: str | datetime | None = None,
    energy_from_keV: float | None = None,
    energy_to_keV: float | None = None,
    comment: str = "",
    summary: dict[str, Any] | None = None,
    source: dict[str, Any] | None = None,
    recipe: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    expected_version: int | None = None,
    registry: RegistryLike = None,
) -> Record:
    """Store an encoded content as the next version of (kind, detector, name).

    See `Record` for what the arguments mean. expected_version: the version that must be the last one
    now (0: there is none). Raises UserError; nothing is stored then.
    """
    store = open_registry(registry)
    where = f"{kind} {detector}/{name}"
    records.named(kind, detector, name, str(store))
    if orientation is not None and orientation not in (1, 2, 3, 4):
        raise UserError(
            f"orientation {orientation!r} is none", where, "pyFAI's orientations are 1, 2, 3 and 4"
        )
    start, end = records.utc(valid_from, where), records.utc(valid_to, where)
    if start and end and datetime.fromisoformat(start) > datetime.fromisoformat(end):
        raise UserError("it is valid to an earlier time than from", where, "exchange the two")
    low, high = records.limits(energy_from_keV, energy_to_keV, where)
    record = Record(
        kind=kind,
        detector=detector,
        name=name,
        shape=shape,
        orientation=orientation,
        valid_from=start,
        valid_to=end,
        energy_from_keV=low,
        energy_to_keV=high,
        comment=records.checked_text(comment, f"{where}, comment"),
        summary=summary or {},
        source=records.checked_origin(source, f"{where}, source"),
        recipe=records.checked_origin(recipe, f"{where}, recipe"),
        metadata=records.checked_metadata(metadata or {}),
    )
    return store.add(record, content, expected_version)


# Finding ------------------------------------------------------------------------------------------


def live(history: Iterable[Record]) -> list[Record]:
    """The records of a history that no later one deletes."""
    history = list(history)
    deleted = {
        (record.kind, record.detector, record.name, version)
        for record in history
        for version in record.deletes
    }
    return [
        record
        for record in history
        if not record.deletes
        and (record.kind, record.detector, record.name, record.version) not in deleted
    ]


def newest(found: Iterable[Record]) -> list[Record]:
    """The highest version of each name."""
    last = {(record.kind, record.detector, record.name): record for record in found}
    return list(last.values())


def get_record(
    kind: str,
    detector: str,
    name: str,
    version: int | None = None,
    *,
    at: str | datetime | None = None,
    energy_keV: float | None = None,
    registry: RegistryLike = None,
) -> Record:
    """One version; None: the newest (valid at that time and energy, if given).

    Raises UserError with the nearest name, or with the versions that there are.
    """
    store = open_registry(registry)
    records.named(kind, detector, name, str(store))
    if version is not None and type(version) is not int:
        raise UserError(
            f"version {shortened(version)} is no whole number",
            f"{kind} {detector}/{name}",
            "give 3",
        )
    history = store.history(kind, detector, name)
    if not history:
        raise _unknown(store, kind, detector, name)
    found = live(history)
    where = f"{kind} {detector}/{name}, {store}"
    if version is not None:
        one = [record for record in found if record.version == version]
        if one:
            return one[0]
        for record in history:
            if version in record.deletes:
                raise UserError(
                    f"version {version} was deleted by {record.author} on {record.created}",
                    where,
                    _versions(found),
                )
        raise UserError(f"there is no version {version}", where, _versions(found))
    if not found:
        raise UserError(
            f"all versions were deleted, the last by {history[-1].author} on {history[-1].created}",
            where,
            "register a new one",
        )
    if at is not None or energy_keV is not None:
        found = [record for record in found if is_valid(record, at, energy_keV)]
        if not found:
            raise UserError(
                "no version is valid at this time and energy", where, "ask for one by its version"
            )
    return found[-1]


def _unknown(store: Any, kind: str, detector: str, name: str) -> UserError:
    known = live(store.history(kind))
    detectors = {record.detector for record in known}
    if detector not in detectors:
        what, how = f"no {kind} of a detector {detector!r}", suggestion(detector, detectors)
    else:
        names = {record.name for record in known if record.detector == detector}
        what, how = f"no {kind} {name!r} of detector {detector}", suggestion(name, names)
    return UserError(f"{what} is registered", str(store), how)


def _versions(found: list[Record]) -> str:
    listed = ", ".join(str(record.version) for record in found[-20:])
    return f"there are versions {listed}" if found else "none is left: register a new one"


def is_valid(record: Record, at: str | datetime | None, energy_keV: float | None) -> bool:
    """Whether a version may be used for frames of this time (with a time zone) and energy (keV)."""
    if at is not None:
        time = datetime.fromisoformat(records.utc(at, "time") or "")
        if record.valid_from and time < datetime.fromisoformat(record.valid_from):
            return False
        if record.valid_to and time > datetime.fromisoformat(record.valid_to):
            return False
    if energy_keV is not None:
        records.limits(energy_keV, None, "energy")
        low, high = record.energy_from_keV, record.energy_to_keV
        return (low is None or low <= energy_keV) and (high is None or energy_keV <= high)
    return True


def find(
    detector: str | None = None,
    name: str | None = None,
    *,
    kind: str | None = None,
    text: str | None = None,
    all_versions: bool = False,
    at: str | datetime | None = None,
    energy_keV: float | None = None,
    registry: RegistryLike = None,
    **metadata: Any,
) -> list[Record]:
    """The newest version of each name (all_versions: every one) for which everything given holds.

    text: words that all stand in name, comment, author or metadata, in any case. at, energy_keV:
    valid then and there. metadata: a value means equal (or contained, where a list is kept), a tuple
    (low, high) a range with both ends, None for an open one; numbers, or times as ISO 8601. Fields of
    a record (version, author, created, orientation...) are found in the same way. Deleted versions
    are never found. Raises UserError for a name that cannot be one.
    """
    store = open_registry(registry)
    records.named(kind or "mask", detector or "x", name or "x", str(store))
    found = live(store.history(kind, detector, name))
    if not all_versions:
        found = newest(found)
    return [
        record
        for record in found
        if is_valid(record, at, energy_keV)
        and (text is None or _has_words(record, text))
        and all(_matches(record, key, wanted) for key, wanted in metadata.items())
    ]


def _has_words(record: Record, text: str) -> bool:
    parts = [record.detector, record.name, record.comment, record.author]
    parts += [word for value in record.metadata.values() for word in _texts(value)]
    whole = "\n".join(parts).lower()
    return all(word in whole for word in text.lower().split())


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [word for item in value.values() for word in _texts(item)]
    if isinstance(value, list):
        return [word for item in value for word in _texts(item)]
    return [str(value)]


def _matches(record: Record, key: str, wanted: Any) -> bool:
    own = getattr(record, key) if key in records.FIELDS else record.metadata.get(key)
    if isinstance(wanted, tuple):
        if len(wanted) != 2:
            raise UserError("a range is (low, high)", f"find, {key}", "give two values")
        return own is not None and _between(own, *wanted)
    if isinstance(wanted, datetime):
        wanted = records.utc(wanted, f"find, {key}")
    if isinstance(own, list) and not isinstance(wanted, list):
        return wanted in own
    # True == 1 in Python, but not to the one who searches.
    return own == wanted and isinstance(own, bool) == isinstance(wanted, bool)


def _between(own: Any, low: Any, high: Any) -> bool:
    if isinstance(own, bool):
        return False
    if isinstance(own, str):
        try:
            value: Any = datetime.fromisoformat(own)
            low, high = (
                None if edge is None else datetime.fromisoformat(records.utc(edge, "find") or "")
                for edge in (low, high)
            )
            return (low is None or low <= value) and (high is None or value <= high)
        except (TypeError, ValueError, UserError):
            return False
    if not isinstance(own, int | float):
        return False
    low, high = records.limits(low, high, "find, a range")
    return (low is None or low <= own) and (high is None or own <= high)


def delete(
    kind: str,
    detector: str,
    name: str,
    version: int | None = None,
    *,
    comment: str = "",
    registry: RegistryLike = None,
) -> Record:
    """Delete one version, or (None) all that there are now; returns the tombstone.

    Contents stay until `sweep`. Raises UserError if there is nothing to delete.
    """
    store = open_registry(registry)
    get_record(kind, detector, name, version, registry=store)
    versions = (
        (version,)
        if version is not None
        else tuple(record.version for record in live(store.history(kind, detector, name)))
    )
    comment = records.checked_text(comment, f"{kind} {detector}/{name}, comment")
    tombstone = Record(kind, detector, name, comment=comment, deletes=versions)
    return store.add(tombstone, None)
