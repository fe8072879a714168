"""Records: what the registry says of one version, as JSON that is written once and never changed.

A record of a `mask` (or `proposal`, `geometry`, `dark`, `flat`, `gain`, `qmap`) names its object by
SHA-256. A record with `deletes` is a tombstone: it takes a version number of its own and holds
nothing. `digest` is the SHA-256 of the record's other fields; `previous` is the digest of the
version before, so that a history cannot be changed in the middle without being noticed.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import math
import os
import platform
import uuid
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from scatterflow.errors import UserError, shortened, suggestion
from scatterflow.names import check_name

FORMAT = "scatterflow registry record 1"
KINDS = ("mask", "proposal", "geometry", "dark", "flat", "gain", "qmap")
LARGEST_RECORD = 2**20
_LARGEST_METADATA = 100_000
_DEEPEST_METADATA = 8


@dataclass(frozen=True)
class Record:
    """One version.

    kind, detector, name, version: what it is called; version counts from 1.
    uid: 32 hexadecimal digits, different for every record.
    sha256, size: name and length (bytes) of its object; None for a tombstone.
    shape: (rows, columns) of a mask, None for what has no single shape.
    created: UTC, ISO 8601; author, host: as the operating system says.
    orientation: pyFAI's orientation (1 to 4) of the frames that it fits; None: of the frames as stored.
    valid_from, valid_to: UTC, ISO 8601; energy_from_keV, energy_to_keV: keV; None: no limit.
    summary: of a mask: good_sha256 (shape and good pixels alone), masked_pixels, reasons {name: pixels}.
    source: where the content comes from (file, format, polarity, parameters of a detection).
    recipe: of a composite: operation and members, each with uid, version and sha256.
    metadata: whatever the user adds.
    deletes: versions that this record deletes.
    """

    kind: str
    detector: str
    name: str
    version: int = 0
    uid: str = ""
    created: str = ""
    author: str = ""
    host: str = ""
    sha256: str | None = None
    size: int | None = None
    shape: tuple[int, ...] | None = None
    orientation: int | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    energy_from_keV: float | None = None
    energy_to_keV: float | None = None
    comment: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] | None = None
    recipe: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    deletes: tuple[int, ...] = ()
    previous: str | None = None

    @property
    def title(self) -> str:
        """`mask eiger4m/beamstop, version 3`."""
        return f"{self.kind} {self.detector}/{self.name}, version {self.version}"

    @property
    def masked_fraction(self) -> float:
        """Fraction of masked pixels of a mask."""
        return self.summary["masked_pixels"] / math.prod(self.shape or (0,))

    @property
    def identity(self) -> dict[str, Any]:
        """What a result or a recipe says of it."""
        keys = ("kind", "detector", "name", "version", "uid", "sha256")
        return {key: getattr(self, key) for key in keys}


FIELDS = tuple(item.name for item in fields(Record))
# Arguments of `register_mask` and `find`: metadata of that name could be neither given nor found.
_ARGUMENTS = (
    *("mask", "reasons", "reason", "registry", "expected_version"),
    *("text", "all_versions", "at", "energy_keV"),
)


def signed(record: Record) -> Record:
    """The record with a new uid, the time, and who and where the operating system says this is."""
    return replace(
        record,
        uid=uuid.uuid4().hex,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        author=_user(),
        host=platform.node()[:255],
    )


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:  # no such data base
        return getpass.getuser()
    except KeyError:
        # A user of a container who is not in it; what the environment says proves nothing.
        return f"user {os.getuid()}"


def record_digest(record: Record) -> str:
    """SHA-256 of a record's fields."""
    text = json.dumps(asdict(record), sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def to_document(record: Record) -> dict[str, Any]:
    """A record as it is stored."""
    return {"format": FORMAT, **asdict(record), "digest": record_digest(record)}


def to_text(record: Record) -> str:
    """A record as JSON text."""
    return json.dumps(to_document(record), sort_keys=True, allow_nan=False, indent=1) + "\n"


def from_text(text: str | bytes, place: str) -> Record:
    """A record from JSON text; raises UserError unless it is exactly as it was written."""
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _spoilt(f"it is no JSON ({error})", place) from error
    return from_document(data, place)


def from_document(data: Any, place: str) -> Record:
    """A record from what `to_document` made; raises UserError unless it is unchanged."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise _spoilt(f"its format is {shortened(found)}, not {FORMAT!r}", place)
    missing = sorted({*FIELDS, "format", "digest"} ^ set(data))
    if missing:
        raise _spoilt(f"fields are missing or unknown: {', '.join(map(shortened, missing))}", place)
    try:
        values = {name: data[name] for name in FIELDS}
        values["shape"] = None if values["shape"] is None else tuple(values["shape"])
        values["deletes"] = tuple(values["deletes"])
        record = Record(**values)
        _check(record)
        digest = record_digest(record)
    except (TypeError, ValueError, RecursionError) as error:
        raise _spoilt(str(error), place) from error
    if digest != data["digest"]:
        raise _spoilt("its fields do not have the checksum that it states", place)
    return record


def _check(record: Record) -> None:
    check_kind(record.kind)
    check_name(record.detector)
    check_name(record.name)
    if type(record.version) is not int or record.version < 1:
        raise ValueError(f"version {record.version!r} is no whole number above 0")
    if record.sha256 is None and not record.deletes:
        raise ValueError("it names no object")
    if record.sha256 is not None:
        check_sha256(record.sha256)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _spoilt(why: str, place: str) -> UserError:
    return UserError(
        f"this is no record that scatterflow wrote, or it was changed: {why}",
        place,
        "restore it from a backup; `registry verify` lists all that is wrong",
    )


# What users give ----------------------------------------------------------------------------------


def check_kind(kind: str) -> str:
    """A known kind; raises ValueError."""
    if kind not in KINDS:
        raise ValueError(f"kind {shortened(kind)} is unknown: {suggestion(str(kind), KINDS)}")
    return kind


def check_sha256(text: str) -> str:
    """64 hexadecimal digits; raises ValueError."""
    if not isinstance(text, str) or len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError(f"{shortened(text)} is no SHA-256")
    return text


def named(kind: str, detector: str, name: str, where: str = "the registry") -> None:
    """Raises UserError unless these can be kind, detector and name."""
    try:
        check_kind(kind)
        for what, value in (("detector", detector), ("name", name)):
            try:
                check_name(value)
            except ValueError as error:
                raise ValueError(f"{what} {error}") from None
    except ValueError as error:
        raise UserError(str(error), where, "choose another one") from None


def checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Free metadata as plain values; raises UserError for what JSON cannot hold as it is."""
    for key in metadata:
        if key in FIELDS:
            raise UserError(
                f"metadata cannot be called {key!r}: a record has a field of that name",
                "metadata",
                "choose another name",
            )
        if key in _ARGUMENTS:
            raise UserError(
                f"metadata cannot be called {key!r}: registering and finding have an argument of that "
                "name",
                "metadata",
                "choose another name",
            )
        if not isinstance(key, str) or not key.isidentifier():
            raise UserError(
                f"metadata cannot be called {shortened(key)}",
                "metadata",
                "use letters, digits and _, no digit first",
            )
    plain = {key: _plain(value, f"metadata {key}", 1) for key, value in metadata.items()}
    size = len(json.dumps(plain))
    if size > _LARGEST_METADATA:
        raise UserError(
            f"the metadata takes {size} bytes, more than {_LARGEST_METADATA}",
            "metadata",
            "keep a reference to a file instead",
        )
    return plain


def checked_origin(origin: Any, place: str) -> dict[str, Any] | None:
    """A source or recipe as plain values; raises UserError for what JSON cannot hold as it is."""
    if origin is not None and not isinstance(origin, dict):
        raise UserError(f"{shortened(origin)} is no mapping", place, "give names and values")
    return origin if origin is None else _plain(origin, place, 1)


def checked_text(text: Any, place: str) -> str:
    """Text that every data base can hold; raises UserError for what is none, and for NUL."""
    if not isinstance(text, str):
        raise UserError(f"{shortened(text)} is no text", place, "give text")
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise UserError(
            f"{shortened(text)} holds characters that cannot be kept", place, "remove them"
        )
    return text


def _plain(value: Any, place: str, depth: int) -> Any:
    if depth > _DEEPEST_METADATA:
        raise UserError("the metadata is nested too deeply", place, "make it flatter")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, datetime):
        return utc(value, place)
    if isinstance(value, str):
        return checked_text(value, place)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise UserError("the number has more than 64 bits", place, "give it as text")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UserError(f"{value} is no value that can be kept", place, "leave the key out")
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, place, depth + 1) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item, f"{place}.{key}", depth + 1) for key, item in value.items()}
    raise UserError(
        f"a {type(value).__name__} cannot be kept as metadata",
        place,
        "give text, numbers, yes or no, times, and lists or mappings of these",
    )


def utc(value: str | datetime | None, place: str) -> str | None:
    """A time as UTC, ISO 8601; raises UserError for text that is none, and without a time zone."""
    if value is None:
        return None
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise UserError(
            f"{shortened(value)} is no time", place, "write 2026-11-21T08:30:00+00:00"
        ) from None
    if time.tzinfo is None:
        raise UserError(
            f"the time {shortened(str(value))} has no time zone",
            place,
            "add it: +00:00 or Z for UTC, +01:00, ...",
        )
    return time.astimezone(UTC).isoformat()


def limits(low: float | None, high: float | None, place: str) -> tuple[float | None, float | None]:
    """A range of numbers, None: no limit; raises UserError for one that holds nothing."""
    for value in (low, high):
        if value is not None and not (
            isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
        ):
            raise UserError(f"{shortened(value)} is no number", place, "give a finite number")
    if low is not None and high is not None and low > high:
        raise UserError(f"nothing lies between {low:g} and {high:g}", place, "exchange the two")
    return (None if low is None else float(low), None if high is None else float(high))
