"""Curves of a result file (`result.nxs`), one after the other, with what a reader needs to know of them.

A curve is what an azimuthal or radial integration makes of a frame: intensity and its standard
uncertainty against q (2theta, ...) or azimuth. The layout that is read is described in
`scatterflow.saxswaxs.result`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import reading, text_of
from scatterflow.files.nexus import read_note

BLOCK_BYTES = 32_000_000
"""Frames are read in blocks of about this size."""
AXES = {"azimuthal": "radial_axis", "radial": "azimuthal_axis"}


@dataclass(frozen=True)
class Curve:
    """One curve. frame: its number, None for the mean over the frames; intensity, errors: (bins,) float64,
    NaN where no valid pixel fell into a bin; errors: standard uncertainty, None if none was computed."""

    frame: int | None
    intensity: np.ndarray
    errors: np.ndarray | None

    @property
    def there(self) -> np.ndarray:
        """Bins that have a value, (bins,) bool."""
        return np.isfinite(self.intensity)


@dataclass(frozen=True)
class Scalar:
    """One value per frame: values (frames,), unit as in the file (empty: dimensionless)."""

    name: str
    values: np.ndarray
    unit: str


@dataclass(frozen=True)
class CurveSet:
    """What all curves of an integration have in common.

    axis: (bins,) bin centres; quantity, unit, pyfai_unit: of the axis; intensity_unit, intensity_label:
    of the curves; settings: of the integration; corrections: (name, NXprocess) in order of application.
    """

    group: h5py.Group
    kind: str
    detectors: tuple[str, ...]
    axis: np.ndarray
    quantity: str
    unit: str
    pyfai_unit: str
    intensity_unit: str
    intensity_label: str
    frames: int
    settings: dict[str, Any]
    corrections: tuple[tuple[str, h5py.Group], ...]

    @property
    def entry(self) -> h5py.Group:
        """The result's entry."""
        return self.group.file["entry"]

    @property
    def name(self) -> str:
        """Name of the integration's group in the result."""
        return self.group.name.rsplit("/", 1)[-1]

    def mean(self) -> Curve:
        """The mean over the valid frames."""
        mean = self.group["mean"]
        errors = mean["I_errors"][()] if "I_errors" in mean else None
        return Curve(None, mean["I"][()], errors)

    def each_frame(self) -> Iterator[Curve]:
        """The curve of every frame, in order; memory does not grow with their number."""
        data = self.group["data"]
        step = max(1, BLOCK_BYTES // (16 * self.axis.size))
        for start in range(0, self.frames, step):
            intensity = data["I"][start : start + step]
            errors = data["I_errors"][start : start + step] if "I_errors" in data else None
            for offset, values in enumerate(intensity):
                yield Curve(start + offset, values, None if errors is None else errors[offset])


@contextmanager
def opened_curves(result: str | Path, name: str) -> Iterator[CurveSet]:
    """The curves of an integration of a result, open for reading.

    name: group of the integration, DETECTOR_INTEGRATION. Raises UserError if it is not in the file or
    has no curves (a cake).
    """
    with reading(result) as file:
        entry = file["entry"]
        known = [key for key in entry if text_of(entry[key].attrs.get("kind")) in AXES]
        if name not in known:
            raise UserError(
                f"no curves of an integration {name!r}",
                f"{result}, /entry",
                suggestion(name, known),
            )
        yield _curve_set(entry[name])


def _curve_set(group: h5py.Group) -> CurveSet:
    data = group["data"]
    kind = text_of(group.attrs["kind"])
    axis, intensity = data[AXES[kind]], data["I"]
    return CurveSet(
        group=group,
        kind=kind,
        detectors=_detectors(group),
        axis=axis[()],
        quantity="chi" if kind == "radial" else text_of(axis.attrs["long_name"]),
        unit=text_of(axis.attrs["units"]),
        pyfai_unit=text_of(axis.attrs["pyfai_unit"]),
        intensity_unit=text_of(intensity.attrs["units"]),
        intensity_label=text_of(intensity.attrs.get("intensity_label", "intensity")),
        frames=intensity.shape[0],
        settings=plain_fields(group["reduction/input"]),
        corrections=tuple(steps(group.file["entry"])[1:]),
    )


def _detectors(group: h5py.Group) -> tuple[str, ...]:
    """The detectors of an integration: one, or those that it joins."""
    joined = group.attrs.get("detectors", [group.attrs["detector"]])
    return tuple(text_of(name) for name in joined)


def steps(entry: h5py.Group) -> list[tuple[str, h5py.Group]]:
    """(name, NXprocess) of every step, the integration and then the corrections, in their order."""
    found = [
        (int(item["sequence_index"][()]), name, item)
        for name, item in entry.items()
        if name.startswith("process_")
    ]
    return [
        (name.removeprefix(f"process_{index}_"), item)
        for index, name, item in sorted(found, key=lambda step: step[0])
    ]


def read_scalars(entry: h5py.Group) -> list[Scalar]:
    """The per-frame scalars, the frame number first, the others by name."""
    scalars = [
        Scalar(name, item[()], text_of(item.attrs.get("units", "")))
        for name, item in entry["scalars"].items()
    ]
    return sorted(scalars, key=lambda scalar: (scalar.name != "frame_number", scalar.name))


def description(curves: CurveSet) -> dict[str, str]:
    """What a person needs to know of the curves, as text by keyword."""
    entry = curves.entry
    instrument = entry["instrument"]
    about = {
        "title": _text(entry, "title"),
        "run": _text(entry, "entry_identifier"),
        "reduction": _text(entry, "reduction_name"),
        "integration": f"{curves.name} ({curves.kind})",
        "sample": _text(entry, "sample/name"),
        "facility": _text(instrument, "source/name"),
        "instrument": _text(instrument, "name"),
        "start time": _text(entry, "start_time"),
        "frames": str(curves.frames),
    }
    geometry = read_note(entry["provenance/geometry"])
    masks = read_note(entry["provenance/masks"])
    for name in curves.detectors:
        about |= _detector(name, instrument[name], geometry[name], masks[name])
    about |= {
        "pixel splitting": str(curves.settings.get("split", "unknown")),
        "solid angle corrected": "yes" if curves.settings.get("solid_angle") else "no",
        "polarisation factor": str(curves.settings.get("polarisation", "none")),
        "error model": str(curves.settings.get("error_model", "unknown")),
        "corrections": "; ".join(_step_text(*step) for step in curves.corrections) or "none",
        "reduced": _text(entry, "processed_time"),
        "software": _software(read_note(entry["provenance/software"])),
    }
    return {key: value for key, value in about.items() if value}


def _detector(
    name: str, group: h5py.Group, geometry: dict[str, Any], mask: dict[str, Any]
) -> dict[str, str]:
    row, column = (float(group[key][()]) for key in ("beam_center_y", "beam_center_x"))
    return {
        f"{name} wavelength": f"{float(group['wavelength'][()])!r} angstrom",
        f"{name} distance": f"{geometry['distance_m']!r} m",
        f"{name} pixel size": f"{geometry['pixel1_m']!r} m x {geometry['pixel2_m']!r} m",
        f"{name} beam centre": f"row {row!r}, column {column!r}",
        f"{name} geometry sha256": str(geometry["sha256"]),
        f"{name} mask sha256": str(mask["sha256"]),
    }


def _step_text(name: str, step: h5py.Group) -> str:
    formula = _text(step, "formula")
    return f"{name} ({formula})" if formula else name


def _software(versions: dict[str, Any]) -> str:
    words = [f"{name} {version}" for name, version in versions.items() if isinstance(version, str)]
    return ", ".join(words)


def _text(group: h5py.Group, name: str) -> str:
    return text_of(group[name][()]) if name in group else ""


def plain_fields(group: h5py.Group) -> dict[str, Any]:
    """The fields of a group of parameters as plain values."""
    values: dict[str, Any] = {}
    for name, item in group.items():
        value = item[()]
        values[name] = value.decode() if isinstance(value, bytes) else value.item()
    return values
