"""Which registry is meant: a folder, or a Tiled server's address.

Without a name it is the one that the environment variable SCATTERFLOW_REGISTRY names, else the
folder `registry` where the program was started.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from scatterflow.registry.records import Record

VARIABLE = "SCATTERFLOW_REGISTRY"
DEFAULT = "registry"


class Registry(Protocol):
    """What keeps versions: a folder of files, or a Tiled server."""

    @property
    def location(self) -> str:
        """Its folder or address."""

    def exists(self) -> bool:
        """Whether there is anything to look at."""

    def history(
        self, kind: str | None = None, detector: str | None = None, name: str | None = None
    ) -> list[Record]:
        """All records, tombstones too, by kind, detector, name and version."""

    def read(self, record: Record) -> bytes:
        """The content of a record, verified."""

    def read_object(self, sha256: str, what: str) -> bytes:
        """The content of an object, verified."""

    def shape(self, detector: str) -> tuple[int, int] | None:
        """(rows, columns) of a detector's frames; None if no one has stated it."""

    def state_shape(self, detector: str, shape: tuple[int, int]) -> None:
        """State the shape of a detector's frames; raises UserError if it is another one."""

    def add(
        self, record: Record, content: bytes | None, expected_version: int | None = None
    ) -> Record:
        """Store a content and a record of it under the next version, which is returned."""


def open_registry(where: Registry | str | Path | None = None) -> Any:
    """The registry at a folder or an address (http://..., of a Tiled container)."""
    if where is None:
        where = os.environ.get(VARIABLE) or DEFAULT
    if not isinstance(where, str | Path):
        return where
    if str(where).startswith(("http://", "https://")):
        from scatterflow.registry.tiled_store import connect

        return connect(str(where))
    from scatterflow.registry.store import FileRegistry

    return FileRegistry(where)
