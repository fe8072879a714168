"""Darks in the registry: pedestal and noise as images, bad pixels as a mask; each a version if it is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.files.hdf5 import reading
from scatterflow.files.nexus import read_note
from scatterflow.registry.calibrations import register_arrays
from scatterflow.registry.masks import register_mask
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
    found = {
        title: register_arrays("dark", detector, title, {"data": _stacked(values)}, **options)
        for title, values in ((name, dark.pedestal), (f"{name}-rms", dark.rms))
    }
    good = _stacked(dark.good[None])[0]
    found[f"{name}-good"] = register_mask(detector, f"{name}-good", good, **options)
    return {
        title: {"uid": one.uid, "version": one.version, "sha256": one.sha256}
        for title, one in found.items()
    }


def _stacked(values: np.ndarray) -> np.ndarray:
    """(modes, rows, columns) of (modes, *shape): tiles one above the other."""
    return values.reshape(len(values), -1, values.shape[-1])
