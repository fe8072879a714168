"""Mask registry: versioned, content-addressed, searchable; a folder of files that needs no server.

    from scatterflow.registry import register_mask, get_mask

    register_mask("eiger4m", "beamstop", good, comment="new holder", valid_from="2026-11-21T08:00Z")
    mask = get_mask("eiger4m", "beamstop")      # lazy dask array; False = masked
    mask.uid, mask.version, mask.sha256, mask.compute()

Masks, their proposals, geometries, darks, flats, gains and q-maps are kept under (kind, detector,
name), with versions below. `docs/registry.md` describes the files, `store.py` the folder, `objects.py`
and `records.py` what is in it. What is named here is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "masks": (
        *("register_mask", "get_masks", "get_mask", "get_mask_by_uid", "get_mask_uid"),
        *("get_composite_mask", "register_composite", "delete_mask", "load_mask", "accept"),
    ),
    "calibrations": ("register_arrays", "register_geometry", "get_arrays", "get_geometry"),
    "versions": ("register", "find", "get_record", "delete"),
    "opening": ("open_registry",),
    "upkeep": ("verify", "sweep"),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
