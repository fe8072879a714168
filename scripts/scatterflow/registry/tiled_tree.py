"""A registry of files as a tree of a Tiled server: read-only, with the nodes and metadata of `tiled_store`.

    trees: [{path: /, tree: "scatterflow.registry.tiled_tree:tree", args: {registry: registry}}]

The tree shows what is registered at the moment it is asked. Arrays are read, and verified, when they are
looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dask.array
import numpy as np
from fastapi import HTTPException
from tiled.adapters.array import ArrayAdapter
from tiled.adapters.mapping import MapAdapter
from tiled.structures.core import Spec

from scatterflow.registry import objects
from scatterflow.registry.opening import open_registry
from scatterflow.registry.records import Record
from scatterflow.registry.tiled_store import key_of, node_metadata, only_reason
from scatterflow.registry.versions import live

SERVED = ("mask", "proposal")


class ReadOnly(MapAdapter):
    """A tree that answers a writer that it cannot be written to, not with an internal error."""

    async def create_node(self, *arguments: Any, **options: Any) -> None:
        """Refuse."""
        raise HTTPException(405, "this server shows a folder of files and is read-only")


def tree(registry: str) -> MapAdapter:
    """The tree that Tiled serves; registry: the folder."""
    return ReadOnly(
        Masks(open_registry(registry)),
        metadata={"what": "masks, False = masked; served from a folder of files, read-only"},
    )


class Masks(Mapping):
    """All live masks and proposals by key; looks into the folder every time."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def _records(self) -> dict[str, Record]:
        if not self._store.exists():
            return {}
        found = live(record for kind in SERVED for record in self._store.history(kind))
        return {key_of(record): record for record in found}

    def __iter__(self) -> Iterator[str]:
        for key, record in self._records().items():
            yield key
            if only_reason(record) is None:
                yield f"{key}~reasons"

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, key: str) -> ArrayAdapter:
        version, reasons, _ = key.partition("~reasons")
        record = self._records()[version]
        return _reasons(self._store, record) if reasons else _good(self._store, record)

    def items(self) -> Any:
        """Key and node of everything, with one look into the folder."""
        for key, record in self._records().items():
            yield key, _good(self._store, record)
            if only_reason(record) is None:
                yield f"{key}~reasons", _reasons(self._store, record)


def _good(store: Any, record: Record) -> ArrayAdapter:
    metadata = node_metadata(record, "complete")
    return _lazy(lambda: objects.decode_good(store.read(record)), record, bool, metadata)


def _reasons(store: Any, record: Record) -> ArrayAdapter:
    metadata = {"spec": "reasons", "uid": record.uid}
    return _lazy(lambda: objects.decode_reasons(store.read(record)), record, np.uint32, metadata)


def _lazy(load: Any, record: Record, dtype: Any, metadata: dict[str, Any]) -> ArrayAdapter:
    array = dask.array.map_blocks(
        lambda block_info=None: load(),
        chunks=tuple((size,) for size in record.shape or ()),
        dtype=dtype,
        meta=np.empty((0, 0), dtype),
    )
    return ArrayAdapter.from_array(array, metadata=metadata, specs=[Spec(metadata["spec"])])
