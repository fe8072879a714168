"""A registry kept in a Tiled database: one container of a Tiled 0.2 server, SQLite or PostgreSQL below.

A version is a node of its own under the key `<kind>~<detector>~<name>~v000001`. Tiled lets no key exist
twice below one container: of many writers one creates version 7, the others try 8. The node is an array,
good pixels (bool, False = masked) for a mask; its metadata holds the record as text (`record`), what is
searched for, and `state`. The state is `writing` until everything is uploaded, `complete` then: a
writer that dies leaves a node that no reader takes for a version. Where one reason does not say it all, the
node `...~reasons` holds them (uint32, written before the state changes).

Tiled reads missing data as zeros without a word, and lets data be overwritten: nothing is believed before
it has the SHA-256 of its record. The key to the server comes from the environment (TILED_API_KEY).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.checksums import mask_sha256
from scatterflow.registry import objects, records
from scatterflow.registry.records import Record

_SEARCHED = ("kind", "detector", "name", "version", "uid", "sha256", "created", "author", "comment")
_VERSION = re.compile(r"v(\d{6,})\Z")
_MOST_ATTEMPTS = 10_000
CONFLICT = 409


def connect(address: str) -> TiledRegistry:
    """The registry in the container at an address, http://host:8000/api/v1/metadata/masks for instance.

    Raises UserError as `open_container`.
    """
    return TiledRegistry(open_container(address))


def open_container(address: str) -> Any:
    """Tiled's client of the container at an address.

    Raises UserError if Tiled is not installed, the server cannot be reached or refuses, and for an
    address that holds a key: it would end in logs and results.
    """
    if "api_key" in address or "@" in address:
        raise UserError(
            "the address holds a key or password",
            address.split("?")[0].rpartition("@")[2],
            "leave it out of the address, and set TILED_API_KEY",
        )
    tiled = _tiled()
    try:
        container = tiled.from_uri(address)
    except (tiled.HTTPError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(
            f"the Tiled server does not answer as it should ({_first_line(error)})",
            address,
            "check address, server and TILED_API_KEY",
        ) from error
    if not hasattr(container, "search"):
        raise UserError("this is no container", address, "give the address of a container")
    return container


@contextmanager
def answering(place: str) -> Iterator[None]:
    """A server that goes away, or refuses, is no bug of the program."""
    try:
        yield
    except _tiled().HTTPError as error:
        raise UserError(
            f"the Tiled server does not answer as it should ({_first_line(error)})",
            place,
            "check server, network and TILED_API_KEY, then try again; what was not finished is not seen",
        ) from error


@cache
def _tiled() -> SimpleNamespace:
    """What is used of Tiled's client; it is not among the packages that the workflow itself needs."""
    try:
        from httpx import HTTPError
        from tiled.client import from_uri
        from tiled.queries import Key
    except ImportError as error:
        raise UserError(
            f"Tiled's client is not installed ({error})",
            "what is kept in a Tiled server",
            "pip install 'tiled[client]>=0.2.20'",
        ) from None
    return SimpleNamespace(HTTPError=HTTPError, from_uri=from_uri, Key=Key)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


class TiledRegistry:
    """A registry in a container, given as Tiled's client of it."""

    def __init__(self, container: Any) -> None:
        self.client = container
        self._shapes: dict[str, tuple[int, int]] = {}  # once stated they never change

    def __str__(self) -> str:
        return f"registry {self.location}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return connect, (self.location,)

    @property
    def location(self) -> str:
        """Address of the container."""
        return str(self.client.uri)

    def exists(self) -> bool:
        """Whether there is anything to look at: a container always is."""
        return True

    # Reading ---------------------------------------------------------------------------------------

    def history(
        self, kind: str | None = None, detector: str | None = None, name: str | None = None
    ) -> list[Record]:
        """All complete records, tombstones too, by kind, detector, name and version."""
        found = []
        for key, metadata in self._nodes(kind=kind, detector=detector, name=name):
            if metadata.get("state") == "complete" and "record" in metadata:
                record = records.from_text(metadata["record"], f"{self.location}, node {key}")
                if key_of(record) != key:
                    raise UserError(
                        f"the node's record says that it is {record.title}",
                        f"{self.location}, node {key}",
                        "it was copied by hand: remove the node",
                    )
                found.append(record)
        return sorted(found, key=lambda r: (r.kind, r.detector, r.name, r.version))

    def read(self, record: Record) -> bytes:
        """The content of a record, verified against its SHA-256."""
        if record.sha256 is None:
            raise UserError(f"{record.title} is a deletion and holds nothing", str(self))
        key = key_of(record)
        place = f"{self.location}, node {key} ({record.title})"
        data = self.read_array(key, place)
        if record.kind not in ("mask", "proposal"):
            content = data.astype(np.uint8).tobytes()
        else:
            content = self._mask_content(record, data, place)
        if objects.content_sha256(content) != record.sha256:
            raise objects.damaged(
                "its data does not have the checksum of its record (lost, overwritten or incomplete)",
                place,
            )
        return content

    def _mask_content(self, record: Record, good: np.ndarray, place: str) -> bytes:
        if good.dtype != bool or good.shape != record.shape:
            raise objects.damaged(f"its data is {good.dtype} {good.shape}", place)
        if mask_sha256(good) != record.summary["good_sha256"]:
            raise objects.damaged(
                "its pixels do not have the checksum of its record (lost, overwritten or incomplete)",
                place,
            )
        bit = only_reason(record)
        reasons = bit if bit is not None else self.read_array(f"{key_of(record)}~reasons", place)
        try:
            return objects.encode_mask(good, reasons)
        except ValueError as error:
            raise objects.damaged(str(error), place) from error

    def incomplete(self) -> list[str]:
        """Keys of versions that are being written, or whose writer died."""
        return [key for key, metadata in self._nodes() if metadata.get("state") == "writing"]

    def read_object(self, sha256: str, what: str) -> bytes:
        """The content with this SHA-256, of whichever record names it."""
        records.check_sha256(sha256)
        for _, metadata in self._nodes(sha256=sha256):
            if metadata.get("state") == "complete":
                return self.read(records.from_text(metadata["record"], self.location))
        raise UserError(f"the object {sha256} is missing", f"{self.location} ({what})")

    def shape(self, detector: str) -> tuple[int, int] | None:
        """(rows, columns) of a detector's frames; None if no one has stated it."""
        if detector not in self._shapes:
            with answering(self.location):
                try:
                    metadata = self.client[f"detector~{detector}"].metadata
                except KeyError:
                    return None
            rows, columns = metadata["shape"]
            self._shapes[detector] = int(rows), int(columns)
        return self._shapes[detector]

    # Writing ---------------------------------------------------------------------------------------

    def state_shape(self, detector: str, shape: tuple[int, int]) -> None:
        """State the shape of a detector's frames; raises UserError if another one is stated already."""
        if self.shape(detector) is None:
            metadata = {"kind": "detector", "detector": detector, "shape": list(shape)}
            self._create(f"detector~{detector}", metadata, None)
        stated = self.shape(detector)
        if stated != tuple(shape):
            raise UserError(
                f"the frames of detector {detector} are {stated} pixels, not {tuple(shape)}",
                str(self),
                "give a mask of the detector's shape, or another detector name",
            )

    def add(
        self, record: Record, content: bytes | None, expected_version: int | None = None
    ) -> Record:
        """Store a content and a record of it under the next version, which is returned."""
        records.named(record.kind, record.detector, record.name, str(self))
        if content is not None:
            record = replace(record, sha256=objects.content_sha256(content), size=len(content))
        last = self._last_version(record)
        if expected_version is not None and last != expected_version:
            raise _overtaken(record, last, expected_version, str(self))
        record = records.signed(replace(record, previous=None))
        for version in range(last + 1, last + 1 + _MOST_ATTEMPTS):
            record = replace(record, version=version)
            if self._store(record, content):
                return record
            if expected_version is not None:
                raise _overtaken(record, version, expected_version, str(self))
        raise UserError(f"others were faster {_MOST_ATTEMPTS} times", str(self), "try again later")

    def _store(self, record: Record, content: bytes | None) -> bool:
        """Create the node of a version and fill it; False if the version is taken."""
        metadata = node_metadata(record, "complete" if content is None else "writing")
        key = key_of(record)
        if content is None:
            return self._create(key, metadata, None) is not None
        if record.kind not in ("mask", "proposal"):
            data = np.frombuffer(content, np.uint8)
        else:
            data = objects.decode_good(content)
        node = self._create(key, metadata, data)
        if node is None:
            return False
        if record.kind in ("mask", "proposal") and only_reason(record) is None:
            reasons = objects.decode_reasons(content)
            self._create(f"{key}~reasons", {"spec": "reasons", "uid": record.uid}, reasons)
        with answering(self.location):
            node.update_metadata({"state": "complete"}, drop_revision=True)
        return True

    def _create(self, key: str, metadata: dict[str, Any], data: np.ndarray | None) -> Any:
        """Create a node under a key; None if another writer has it."""
        specs = [metadata["spec"]] if "spec" in metadata else None
        try:
            if data is None:
                return self.client.create_container(key, metadata=metadata, specs=specs)
            return self.client.write_array(data, key=key, metadata=metadata, specs=specs)
        except _tiled().HTTPError as error:
            response = getattr(error, "response", None)
            if response is None or response.status_code != CONFLICT:
                raise UserError(
                    f"the Tiled server refused ({_first_line(error)})",
                    f"{self.location}, node {key}",
                    "a server of a folder is read-only; else check the scopes of TILED_API_KEY",
                ) from error
        # The client repeats a request whose answer was lost: then the node is there, and ours.
        own = self.client[key]
        if "uid" not in metadata or own.metadata.get("uid") != metadata["uid"]:
            return None
        if data is not None:
            own.write(data)
        return own

    def _last_version(self, record: Record) -> int:
        """The highest version of a name that exists or is being written, 0 if there is none."""
        found = self._searched(kind=record.kind, detector=record.detector, name=record.name)
        with answering(self.location):
            # By key: SQLite would compare the versions in the metadata as text.
            for _, node in found.sort(("id", -1)).items().head(1):
                return int(node.metadata["version"])
        return 0

    def _nodes(self, **wanted: Any) -> list[tuple[str, dict[str, Any]]]:
        with answering(self.location):
            return [
                (key, dict(node.metadata))
                for key, node in self._searched(**wanted).items()
                if _VERSION.search(key) and "version" in node.metadata
            ]

    def _searched(self, **wanted: Any) -> Any:
        found = self.client
        for name, value in wanted.items():
            if value is not None:
                found = found.search(_tiled().Key(name) == value)
        return found

    def read_array(self, key: str, place: str) -> np.ndarray:
        """The array of a node, not verified; place: for messages. Raises UserError where it is lost."""
        with answering(self.location):
            try:
                return np.asarray(self.client[key].read())
            except KeyError:
                raise UserError("the node is missing", place, "restore the database") from None
            except (_tiled().HTTPError, ValueError) as error:
                # The server fails inside on data that it cannot unpack.
                response = getattr(error, "response", None)
                if isinstance(error, ValueError) or (response and response.status_code >= 500):
                    raise objects.damaged(_first_line(error), place) from error
                raise


def node_metadata(record: Record, state: str) -> dict[str, Any]:
    """Metadata of a version's node. state: `writing` or `complete`."""
    return {
        **{key: getattr(record, key) for key in _SEARCHED},
        "spec": record.kind,
        "metadata": record.metadata,
        "record": records.to_text(record),
        "state": state,
    }


def key_of(record: Record) -> str:
    """Key of a record's node; `~` stands in no name."""
    return f"{record.kind}~{record.detector}~{record.name}~v{record.version:06d}"


def only_reason(record: Record) -> int | None:
    """The bit that all masked pixels have and no other has one, None if it takes more to say why."""
    reasons = record.summary["reasons"]
    if not reasons:
        return objects.REASONS["user"]
    ((name, count), *others) = reasons.items()
    bit = objects.REASONS.get(name)
    return bit if not others and count == record.summary["masked_pixels"] else None


def _overtaken(record: Record, last: int, expected: int, place: str) -> UserError:
    return UserError(
        f"{record.kind} {record.detector}/{record.name} is at version {last}, not {expected}",
        place,
        "look at what has been registered meanwhile, then register again",
    )


# Registries of others -----------------------------------------------------------------------------


def fetch_foreign(
    source: TiledRegistry, target: Any, detector: str, name: str, version: int | None = None
) -> Record:
    """Register a mask out of a Tiled database that another program filled, in the CHX convention.

    Such nodes are arrays, False = masked, with `detector`, `name` and (maybe) `version` in their
    metadata. Nothing says what they held when they were registered, so the copy is what is there now.
    Raises UserError if there is none, several, or one that is no mask (as where data was lost).
    """
    from scatterflow.registry.masks import register_mask

    Key = _tiled().Key
    place = f"{source.location}, mask {detector}/{name}"
    nodes = source.client.search(Key("detector") == detector).search(Key("name") == name)
    found = {key: node for key, node in nodes.items() if "record" not in node.metadata}
    if version is None and found:
        version = max(_foreign_version(node) for node in found.values())
    found = {key: node for key, node in found.items() if _foreign_version(node) == version}
    if len(found) != 1:
        raise UserError(
            f"{len(found)} nodes are this mask", place, "name a version; remove what stands twice"
        )
    ((key, node),) = found.items()
    data = source.read_array(key, place)
    known = {"name", "detector", "version", "spec"}
    origin = {k: v for k, v in dict(node.metadata).items() if k not in known}
    return register_mask(
        detector,
        name,
        data,
        registry=target,
        source={
            "copy_of": {"key": key, "version": version, "metadata": origin},
            "registry": source.location,
            "masked is": "False",
        },
    )


def _foreign_version(node: Any) -> int:
    try:
        return int(node.metadata.get("version", 0))
    except (TypeError, ValueError):
        return 0
