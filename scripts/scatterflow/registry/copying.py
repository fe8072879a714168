"""From one registry to another: a folder to a Tiled server, or back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scatterflow.registry import objects
from scatterflow.registry.records import Record
from scatterflow.registry.versions import get_record, live


def copy_version(
    source: Any, target: Any, detector: str, name: str, version: int | None = None
) -> Record:
    """Copy a mask's version (None: the newest); returns its record in the target.

    The copy gets a uid, time and version of its own, and its `source` says what it is a copy of. Where
    the target's newest version holds the same content already, that is returned and nothing is written.
    """
    record = get_record("mask", detector, name, version, registry=source)
    content = source.read(record)
    there = live(target.history("mask", detector, name)) if target.exists() else []
    if there and there[-1].sha256 == objects.content_sha256(content):
        return there[-1]
    target.state_shape(detector, record.shape)
    origin = {**record.identity, "author": record.author, "created": record.created}
    copy = replace(
        record,
        version=0,
        previous=None,
        source={"copy_of": origin, "registry": source.location, "source": record.source},
    )
    return target.add(copy, content)
