"""Darks in the registry: pedestal and noise as images, bad pixels as a mask; each a version if it is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.files.checksums import mask_sha256
from scatterflow.files.hdf5 import reading
from scatterflow.files.nexus import read_note
from scatterflow.registry.calibrations import register_arrays
from scatterflow.registry.masks import register_mask
from scatterflow.registry.objects import content_sha256, encode_arrays
from scatterflow.registry.opening import open_registry
from scatterflow.registry.records import Record
from scatterflow.registry.versions import find
from scatterflow.shots.dark_file import read_dark


def register_dark(
    path: str | Path, detector: str, name: str, registry: str | None
) -> dict[str, dict[str, Any]]:
    """Register NAME (pedestal, ADU), NAME-rms and the mask NAME-good; what is there is no new version.

    Images are (modes, rows, columns), tiles one above the other. Returns uid, version and sha256 of each.
    """
    dark = read_dark(path)
    with reading(path) as file:
        run = read_note(file["provenance/run"])["run"]
    options: dict[str, Any] = {"registry": registry, "comment": f"dark run {run}"}
    found: dict[str, Record] = {}
    for title, values in ((name, dark.pedestal), (f"{name}-rms", dark.rms)):
        arrays = {"data": _stacked(values)}
        content = content_sha256(encode_arrays(arrays))
        found[title] = _newest(
            "dark", detector, title, registry, sha256=content
        ) or register_arrays("dark", detector, title, arrays, **options)
    good, title = _stacked(dark.good[None])[0], f"{name}-good"
    same = {"good_sha256": mask_sha256(good)}
    found[title] = _newest("mask", detector, title, registry, **same) or register_mask(
        detector, title, good, **options
    )
    return {
        title: {"uid": one.uid, "version": one.version, "sha256": one.sha256}
        for title, one in found.items()
    }


def _newest(
    kind: str, detector: str, name: str, registry: str | None, **content: str
) -> Record | None:
    """The newest version, if its content is this one."""
    store = open_registry(registry)
    for record in find(detector, name, kind=kind, registry=store) if store.exists() else []:
        if all({**record.summary, "sha256": record.sha256}[key] == content[key] for key in content):
            return record
    return None


def _stacked(values: np.ndarray) -> np.ndarray:
    """(modes, rows, columns) of (modes, *shape): tiles one above the other."""
    return values.reshape(len(values), -1, values.shape[-1])
