"""What a result file says of its run, whatever the technique: times, energy, q range, provenance.

Read are the places where result files of all techniques keep such things: `/entry/start_time`,
`/entry/instrument`, the NXnotes in `/entry/provenance`. What a file does not say is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import h5py
import numpy as np

from scatterflow.catalogue.own_datasets import json_value, note, number, own, text, unit_of, values
from scatterflow.catalogue.raw_metadata import flat_metadata

ENERGIES = (
    "/entry/instrument/monochromator/energy",
    "/entry/instrument/incident_beam/incident_energy",
)
WAVELENGTH = "/entry/instrument/monochromator/wavelength"
EXPOSURES = ("/entry/instrument/detector_1/count_time",)
RAW = "/entry/correlation/acquisition/raw"
Q_RANGE = "/entry/q_range"
PER_ANGSTROM = {
    **dict.fromkeys(("1/angstrom", "angstrom^-1", "q_A^-1", "Å⁻¹", "1/Å"), 1.0),
    **dict.fromkeys(("1/nm", "nm^-1", "q_nm^-1", "nm⁻¹"), 0.1),
}
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
KEV = {"keV": 1.0, "eV": 1e-3}


@dataclass(frozen=True)
class Facts:
    """q_range: (low, high) in 1/angstrom; energy in keV; exposure in s; times: UTC, ISO 8601 with Z.

    raw: metadata as `flat_metadata` gives them; raw_files: records of the raw files; geometry: sha256 per
    detector; qmap: sha256, source file and coordinates; parameters: of the reduction.
    """

    start: str | None
    end: str | None
    reduced: str | None
    energy: float | None
    q_range: tuple[float, float] | None
    exposure: float | None
    software: dict[str, Any]
    parameters: dict[str, Any]
    raw_files: list[dict[str, Any]]
    raw: dict[str, dict[str, Any]]
    geometry: dict[str, str]
    qmap: dict[str, Any] | None


def read_facts(file: h5py.File, exposure_scalar: str | None, notes: list[str]) -> Facts:
    """The facts in an open result file.

    exposure_scalar: the per-frame scalar that is the exposure time. notes: what is not finite is added.
    Raises UserError for a file that leads out of itself.
    """
    raw = _raw_metadata(file, notes)
    geometry = note(file, "geometry") or {}
    qmap = note(file, "qmap")
    return Facts(
        start=utc(text(file, "/entry/start_time") or _told(raw, "start_time", "date")),
        end=utc(text(file, "/entry/end_time") or _told(raw, "end_time")),
        reduced=utc(text(file, "/entry/processed_time")),
        energy=_energy(file, notes),
        q_range=_q_range(file),
        exposure=_exposure(file, exposure_scalar, raw, notes),
        software=note(file, "software") or {},
        parameters=note(file, "parameters") or note(file, "settings") or {},
        raw_files=_raw_files(file),
        raw=raw,
        geometry={name: item["sha256"] for name, item in geometry.items()},
        qmap=None if qmap is None else {**qmap, "coordinates": _coordinates(file)},
    )


def utc(time: str | None) -> str | None:
    """An ISO 8601 time with its zone as UTC with Z; None for None, for no such time, or no zone."""
    try:
        found = datetime.fromisoformat(time or "")
    except ValueError:
        return None
    if found.tzinfo is None:
        return None
    try:
        found = found.astimezone(UTC)
    except OverflowError:
        return None
    precision = "microseconds" if found.microsecond else "seconds"
    return found.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _raw_metadata(file: h5py.File, notes: list[str]) -> dict[str, dict[str, Any]]:
    """Of saxswaxs and shots: nested values, of shots those of the whole run with them; of xpcs results:
    path -> [value, unit]."""
    stated = note(file, "raw_metadata")
    if isinstance(stated, Mapping):
        return flat_metadata({**(note(file, "slow") or {}), **stated}, {}, notes)
    found = text(file, RAW)
    pairs = json_value(file, RAW, found) if found else {}
    return flat_metadata(
        {name: pair[0] for name, pair in pairs.items()},
        {name: pair[1] for name, pair in pairs.items()},
        notes,
    )


def _told(raw: Mapping[str, Mapping[str, Any]], *names: str) -> str | None:
    """The first text under one of these names."""
    for name in names:
        value = raw.get(name, {}).get("value")
        if isinstance(value, str):
            return value
    return None


def _raw_files(file: h5py.File) -> list[dict[str, Any]]:
    files = list(note(file, "raw_files") or [])
    metadata = note(file, "metadata_file")
    if metadata and metadata["path"] not in {item["path"] for item in files}:
        files.append(metadata)
    return files


def _energy(file: h5py.File, notes: list[str]) -> float | None:
    for path in ENERGIES:
        value = number(file, path)
        if value is not None:
            return _finite(value * KEV.get(unit_of(file, path), math.nan), path, notes)
    return None


def _exposure(
    file: h5py.File, scalar: str | None, raw: Mapping[str, Mapping[str, Any]], notes: list[str]
) -> float | None:
    """Of one frame: the median of the scalar, else what the instrument or the raw files state."""
    if scalar is not None:
        path = f"/entry/scalars/{scalar}"
        found = values(file, path)
        if found is not None and found.size and np.isfinite(found).any():
            scale = SECONDS.get(unit_of(file, path), math.nan)
            return _finite(float(np.median(found[np.isfinite(found)])) * scale, path, notes)
    for path in EXPOSURES:
        value = number(file, path)
        if value is not None:
            return _finite(value * SECONDS.get(unit_of(file, path), math.nan), path, notes)
    for name, item in raw.items():
        # NeXus: count_time is in seconds unless it says otherwise.
        if name.split(".")[-1] in ("count_time", "count_time_s"):
            value, unit = item["value"], item["unit"] or "s"
            if isinstance(value, int | float) and unit in SECONDS:
                return float(value) * SECONDS[unit]
    return None


def _finite(value: float, path: str, notes: list[str]) -> float | None:
    if math.isfinite(value):
        return value
    notes.append(f"{path} is not finite, or of an unknown unit: unknown here")
    return None


def _q_range(file: h5py.File) -> tuple[float, float] | None:
    """The lowest and highest q of all integrations, or of the q-map's dynamic bins."""
    found = [_in_q(*axis) for axis in _axes(file)]
    known = np.concatenate([q for q in found if q is not None and q.size] or [np.empty(0)])
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if known.size else None


def _axes(file: h5py.File) -> list[tuple[np.ndarray, str, float | None]]:
    """Values and unit of every axis that may be a scattering vector, and the wavelength in angstrom."""
    wavelength = number(file, WAVELENGTH)
    axes = []
    stated = values(file, Q_RANGE)
    if stated is not None:
        axes.append((stated, unit_of(file, Q_RANGE), wavelength))
    entry = own(file, "/entry")
    for name in entry if isinstance(entry, h5py.Group) else ():
        path = f"/entry/{name}"
        group = own(file, path)
        if isinstance(group, h5py.Group) and group.attrs.get("NX_class") == "NXsubentry":
            path += "/data/radial_axis"
            axis = values(file, path)
            if axis is not None:
                axes.append((axis, unit_of(file, path), wavelength))
    names, units = values(file, "/xpcs/qmap/map_names"), values(file, "/xpcs/qmap/map_units")
    q = _position(names, "q")
    span = None if q is None else values(file, f"/xpcs/qmap/dynamic_v_list_dim{q}")
    if q is not None and span is not None and units is not None:
        axes.append((span, _decoded(units[q]), wavelength))
    return axes


def _in_q(axis: np.ndarray, unit: str, wavelength: float | None) -> np.ndarray | None:
    """An axis in 1/angstrom, q = 4 pi sin(theta) / lambda; None if it is none."""
    axis = np.asarray(axis, np.float64)
    if unit in PER_ANGSTROM:
        return axis * PER_ANGSTROM[unit]
    if unit == "degree" and wavelength:
        return 4 * np.pi * np.sin(np.radians(axis) / 2) / wavelength
    if unit == "rad" and wavelength:
        return 4 * np.pi * np.sin(axis / 2) / wavelength
    return None


def _coordinates(file: h5py.File) -> list[str]:
    names = values(file, "/xpcs/qmap/map_names")
    return [] if names is None else [_decoded(name) for name in names.reshape(-1)]


def _position(names: np.ndarray | None, wanted: str) -> int | None:
    texts = [] if names is None else [_decoded(name) for name in names.reshape(-1)]
    return texts.index(wanted) if wanted in texts else None


def _decoded(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
