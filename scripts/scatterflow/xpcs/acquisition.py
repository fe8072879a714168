"""How a run was taken: times, geometry and sample, from the metadata files of APS 8-ID.

| layout | known by | units |
| --- | --- | --- |
| APS-U `NAME_metadata.hdf`, schema 0.1.0; results | `/entry/instrument/detector_1` | m, s, keV |
| early 2024 | `/entry/instrument/bluesky/metadata` | m, s, keV |
| legacy (before 2024), (1, 1) arrays | `/measurement/instrument` | mm, s, keV |

True beam centre = beam_center + (position - beam_center_position) / pixel_size: the stage moves the
detector after the centre was found. (0, 0) is the centre of the first pixel; x is the column.

What the writers do that readers must know: attributes are `unit` (and `NX_Class`) instead of
`units`, and name a unit whatever the number is (`m` for pixels, `K` for degrees Celsius); hardware
that is missing keeps the placeholder 1.0; in early 2024 `detector_1/frame_time` was linked to the
exposure, so `t1` (acquire_period) is taken there. Sources: the beamline's writer (aps-8id-dys/bluesky,
`nexus_utils`) and reader (pySimpleMask).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading
from scatterflow.xpcs.acquisition_layouts import APSU, EARLY_2024, LEGACY, Layout

_SCALES = {
    "m": {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "cm": 1e-2, "nm": 1e-9},
    "s": {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9},
    "keV": {"keV": 1.0, "eV": 1e-3},
}
_PLACEHOLDER = 1.0
_FARTHEST_PIXELS = 10_000.0  # wider than any detector
_LARGEST = 1000  # elements of an array that is kept with the rest of the metadata


@dataclass(frozen=True)
class Acquisition:
    """What is known of an acquisition; None where the file does not tell.

    frame_time_s: from the start of a frame to that of the next. count_time_s: exposure.
    energy_kev, distance_m: photon energy; from sample to detector.
    beam_centre_row, beam_centre_column: pixels, where the stage stood during the run.
    pixel_size_m: (along the rows' direction y, along the columns' x).
    start_time, end_time, detector: as written. sample: texts, and numbers whose key ends in the unit.
    raw: path -> (value, unit) of every small dataset, units as written.
    notes: what looks odd.
    """

    frame_time_s: float | None = None
    count_time_s: float | None = None
    energy_kev: float | None = None
    distance_m: float | None = None
    beam_centre_row: float | None = None
    beam_centre_column: float | None = None
    pixel_size_m: tuple[float, float] | None = None
    start_time: str | None = None
    end_time: str | None = None
    detector: str | None = None
    sample: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, tuple[Any, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_acquisition(path: str | Path) -> Acquisition:
    """The acquisition that a metadata file describes.

    Raises UserError for a file that is missing, is no HDF5 file or holds none of the layouts, and
    for a unit that is none.
    """
    with reading(path, "give the metadata file of the run (NAME_metadata.hdf)") as file:
        # Early in 2024 both groups were there, and the one of bluesky was right.
        early = _has(file, EARLY_2024.root, "t1") or _has(file, EARLY_2024.root, "acquire_period")
        for layout, present in (
            (EARLY_2024, early),
            (APSU, APSU.root in file),
            (LEGACY, LEGACY.root in file),
        ):
            if present:
                return _read(_Fields(file, layout, str(path)))
    raise UserError(
        "the file holds no metadata of an acquisition",
        str(path),
        "it needs /entry/instrument/detector_1 (APS-U) or /measurement/instrument (legacy)",
    )


def frame_time(acquisition: Acquisition | None, override: float | None, where: str) -> float:
    """Seconds from frame to frame: the configured value, else that of the metadata.

    Raises UserError if neither is known. where: run and file, for messages.
    """
    if override is not None:
        return float(override)
    if acquisition is None or acquisition.frame_time_s is None:
        raise UserError(
            "the time from frame to frame is not known",
            where,
            "give `frame_time_s` in the configuration, or metadata that hold it",
        )
    return acquisition.frame_time_s


def _has(file: h5py.File, group: str, name: str) -> bool:
    return isinstance(file.get(group), h5py.Group) and name in file[group]


class _Fields:
    """The datasets of one file and layout."""

    def __init__(self, file: h5py.File, layout: Layout, path: str) -> None:
        self.file = file
        self.layout = layout
        self.path = path
        self.notes: list[str] = []

    def dataset(self, name: str) -> h5py.Dataset | None:
        """A dataset by path, absolute or below the root; None where there is none."""
        found = self.file.get(name if name.startswith("/") else f"{self.layout.root}/{name}")
        return found if isinstance(found, h5py.Dataset) else None

    def number(self, *names: str, kind: str = "", default: str = "") -> float | None:
        """The first finite number, in m, s or keV (kind) where its own unit or the default says how."""
        for name in names:
            dataset = self.dataset(name)
            value = _plain(dataset) if dataset is not None else None
            if isinstance(value, int | float) and math.isfinite(value):
                return float(value) * (self._scale(dataset, kind, default) if kind else 1.0)
        return None

    def text(self, *names: str) -> str | None:
        for name in names:
            dataset = self.dataset(name)
            value = _plain(dataset) if dataset is not None else None
            if isinstance(value, str) and value.strip():
                return value.strip()
        return None

    def positive(self, *names: str, kind: str, default: str) -> float | None:
        value = self.number(*names, kind=kind, default=default)
        return value if value is not None and value > 0 else None

    def _scale(self, dataset: h5py.Dataset | None, kind: str, default: str) -> float:
        unit = _unit(dataset)
        # `any` and the names of NeXus classes (NX_LENGTH) stand where a unit was meant.
        if unit in ("", "any") or unit.startswith("NX_"):
            unit = default
        if unit not in _SCALES[kind]:
            raise UserError(
                f"{unit!r} is no unit of {getattr(dataset, 'name', '')} ({kind} is expected)",
                self.path,
                "mend the attribute in the file, or give the value in the configuration",
            )
        return _SCALES[kind][unit]


def _unit(dataset: h5py.Dataset | None) -> str:
    for name in ("units", "unit"):
        value = None if dataset is None else dataset.attrs.get(name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            return value.strip()
    return ""


def _plain(dataset: h5py.Dataset) -> Any:
    """A dataset as a plain value: number, text, list; None where it is empty, large or unreadable."""
    if dataset.size is None or not 0 < dataset.size <= _LARGEST:
        return None
    try:
        value = np.asarray(dataset[()]).reshape(-1).tolist()
    except (OSError, ValueError, TypeError):  # a broken link, a type that h5py does not know
        return None
    value = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in value]
    return value[0] if len(value) == 1 else value


def _read(fields: _Fields) -> Acquisition:
    layout = fields.layout
    pixel = _pixel_size(fields)
    row, column = _beam_centre(fields, pixel)
    _question_swing(fields)
    seconds = {
        name: fields.positive(*paths, kind="s", default="s")
        for name, paths in (("frame", layout.frame_time), ("count", layout.count_time))
    }
    _question_times(fields, seconds)
    distance = fields.positive(layout.distance, kind="m", default=layout.length)
    if layout.length == "m" and distance == _PLACEHOLDER:
        fields.notes.append("the distance is 1.0 m, which also stands for a missing value")
    raw = _everything(fields.file)
    return Acquisition(
        frame_time_s=seconds["frame"],
        count_time_s=seconds["count"],
        energy_kev=_energy(fields),
        distance_m=distance,
        beam_centre_row=row,
        beam_centre_column=column,
        pixel_size_m=pixel,
        start_time=fields.text(*layout.start_time),
        end_time=fields.text(*layout.end_time),
        detector=fields.text(*layout.detector),
        sample=_sample(fields),
        raw=raw,
        notes=tuple(fields.notes),
    )


def _pixel_size(fields: _Fields) -> tuple[float, float] | None:
    across, along = (
        fields.positive(name, kind="m", default=fields.layout.length)
        for name in fields.layout.pixel_size
    )
    if across is None or along is None or _PLACEHOLDER in (across, along):
        return None
    return along, across


def _energy(fields: _Fields) -> float | None:
    energy = fields.positive(*fields.layout.energy, kind="keV", default="keV")
    if energy is None or energy == _PLACEHOLDER:
        return None
    if energy > 1000:
        # The schema allows both units; its attribute says keV either way.
        fields.notes.append(f"the energy, {energy:g} keV as written, is taken for eV")
        return energy * 1e-3
    return energy


def _question_times(fields: _Fields, seconds: dict[str, float | None]) -> None:
    frame, count = seconds["frame"], seconds["count"]
    if frame == _PLACEHOLDER and count == _PLACEHOLDER:
        fields.notes.append("frame and count time are 1.0 s, which also stands for missing values")
    if frame is not None and count is not None and count > frame * (1 + 1e-6):
        fields.notes.append(
            f"the exposure, {count:g} s, is longer than the frame time, {frame:g} s"
        )


def _question_swing(fields: _Fields) -> None:
    for name in ("flightpath_swing", "flightpath_swing_vertical"):
        swing = fields.number(name)
        if swing and swing != _PLACEHOLDER:
            fields.notes.append(
                f"{name} is {swing:g} degrees: geometry from these metadata has no tilt; calibrate"
            )


def _beam_centre(
    fields: _Fields, pixel: tuple[float, float] | None
) -> tuple[float | None, float | None]:
    """(row, column) of the direct beam where the detector stood; None where it is not known."""
    layout = fields.layout
    column, row = (fields.number(name) for name in layout.centre)
    if column is None or row is None or column == row == _PLACEHOLDER:
        return None, None
    shifts = []
    for position, reference in zip(layout.position, layout.reference, strict=True):
        now = fields.number(position, kind="m", default=layout.length)
        then = fields.number(reference, kind="m", default=layout.length)
        shifts.append(_moved(now, then))
    if any(shifts) and pixel is None:
        return None, None
    moved = [
        0.0 if not shift or pixel is None else shift / size
        for shift, size in zip(shifts, (pixel or (1.0, 1.0))[::-1], strict=True)
    ]
    if None in shifts:
        fields.notes.append("positions of the stage are missing: the beam centre is taken as it is")
    if max(map(abs, moved)) > _FARTHEST_PIXELS:
        fields.notes.append(
            f"the stage moved the beam centre by {max(moved, key=abs):.0f} pixels: "
            "one of its positions may be a placeholder or in another unit"
        )
    return row + moved[1], column + moved[0]


def _moved(now: float | None, then: float | None) -> float | None:
    """Way of the stage, m; None where a position is missing or the placeholder of a missing one."""
    if now is None or then is None or (now == _PLACEHOLDER) != (then == _PLACEHOLDER):
        return None
    return now - then


def _sample(fields: _Fields) -> dict[str, Any]:
    """Texts and temperatures of the sample; temperature_K where there is but one reading."""
    group = fields.file.get(fields.layout.sample)
    if not isinstance(group, h5py.Group):
        return {}
    sample: dict[str, Any] = {}
    readings = []
    for name, dataset in group.items():
        value = _plain(dataset) if isinstance(dataset, h5py.Dataset) else None
        if isinstance(value, str):
            sample[name] = value.strip()
        if "temperature" not in name or not isinstance(value, int | float):
            continue
        if not math.isfinite(value) or value == _PLACEHOLDER:
            continue
        sample[f"{name}_K"] = _kelvin(float(value), name, dataset)
        if not name.endswith("_set"):
            readings.append(sample[f"{name}_K"])
    if len(readings) == 1:
        sample["temperature_K"] = readings[0]
    return sample


def _kelvin(value: float, name: str, dataset: h5py.Dataset) -> float:
    # The air controllers (qnw) and the legacy ones read degrees Celsius, whatever `unit` says.
    celsius = name.startswith(("qnw", "temperature_A", "temperature_B"))
    celsius = celsius or "celsius" in str(dataset.attrs.get("description", "")).lower()
    celsius = celsius or _unit(dataset) in ("C", "degC", "celsius", "°C")
    return value + 273.15 if celsius else value


def _everything(file: h5py.File) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}

    def keep(name: str, item: Any) -> None:
        value = _plain(item) if isinstance(item, h5py.Dataset) else None
        if value is not None:
            found[f"/{name}"] = (value, _unit(item))

    file.visititems(keep)
    return found
