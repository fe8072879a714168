"""Curves as NXcanSAS, the NeXus form of canSAS2012, version 1.1 (NeXus definitions, NXcanSAS.nxdl.xml).

    /sasentry                 SASentry: definition, title, run
        sasdata               SASdata: Q, I, Idev of the mean over the valid frames
        sasdata_000000, ...   SASdata of each frame, if wanted
        instrument            SASinstrument: source, and a detector for each that was integrated
        sample                SASsample: name; thickness and transmission where the result has them
        process_0, ...        SASprocess: the steps of the reduction with their parameters
        note                  SASnote: what else a person needs to know

Q keeps the unit of the integration, 1/nm or 1/angstrom. Bins without a value are left out, so are
frames without any; both are counted in the note. Idev is one standard uncertainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import text_of, write_array, writing
from scatterflow.files.nexus import add_fields, add_group
from scatterflow.saxswaxs.exports.curves import (
    Curve,
    CurveSet,
    description,
    opened_curves,
    plain_fields,
    steps,
)
from scatterflow.units import Q_UNITS

# What programs take for arbitrary units; an absolute scale has its own name.
ARBITRARY = ("arbitrary units", "")


def export_nxcansas(result: str | Path, name: str, path: str | Path, frames: str = "mean") -> None:
    """Write the curves of an azimuthal integration against q.

    frames: "mean", or "all" for each frame as well. Raises UserError for another kind or unit.
    """
    with opened_curves(result, name) as curves:
        if curves.kind != "azimuthal" or curves.pyfai_unit not in Q_UNITS:
            raise UserError(
                f"NXcanSAS holds intensities against q, not {curves.kind} {curves.pyfai_unit}",
                f"{result}, {curves.group.name}",
                "export it as text",
            )
        with writing(path) as file:
            file.attrs.update({"NX_class": "NXroot", "default": "sasentry"})
            _write_entry(file, curves, every_frame=frames == "all")


def _write_entry(file: h5py.File, curves: CurveSet, *, every_frame: bool) -> None:
    about = description(curves)
    entry = _add(file, "sasentry", "NXentry", "SASentry", version="1.1", default="sasdata")
    add_fields(
        entry,
        {
            "definition": "NXcanSAS",
            "title": f"{about['title']}, {curves.name}",
            "run": about.get("run", ""),
        },
    )
    mean = curves.mean()
    shared = _write_curve(entry, "sasdata", curves, mean, None, about)
    empty = 0
    for curve in curves.each_frame() if every_frame else ():
        if curve.there.any():
            same = shared if np.array_equal(curve.there, mean.there) else None
            _write_curve(entry, f"sasdata_{curve.frame:06d}", curves, curve, same, about)
        else:
            empty += 1
    _write_instrument(entry, curves)
    _write_sample(entry, curves)
    _write_processes(entry, curves)
    about["bins without a value"] = f"{int((~mean.there).sum())} of {curves.axis.size}, left out"
    if every_frame:
        about["frames without a value"] = f"{empty} of {curves.frames}, left out"
    note = _add(entry, "note", "NXcollection", "SASnote")
    add_fields(note, {key.replace(" ", "_"): value for key, value in about.items()})


def _write_curve(
    entry: h5py.Group,
    name: str,
    curves: CurveSet,
    curve: Curve,
    axis: h5py.Dataset | None,
    about: Mapping[str, str],
) -> h5py.Dataset:
    """One SASdata; axis: Q of another one that has the same bins, or None. Returns its Q."""
    data = _add(entry, name, "NXdata", "SASdata", signal="I", I_axes="Q", axes="Q")
    data.attrs["Q_indices"] = 0
    if about.get("start time") and curve.frame is None:
        data.attrs["timestamp"] = about["start time"]
    which = "mean" if curve.frame is None else f"frame {curve.frame}"
    write_array(data, "title", f"{about.get('run', '')} {curves.name}, {which}".strip())
    if axis is None:
        axis = write_array(data, "Q", curves.axis[curve.there], units=curves.unit)
    else:
        data["Q"] = axis
    unit = "a.u." if curves.intensity_unit in ARBITRARY else curves.intensity_unit
    intensity = write_array(data, "I", curve.intensity[curve.there], units=unit)
    intensity.attrs["long_name"] = curves.intensity_label
    if curve.errors is not None:
        intensity.attrs["uncertainties"] = "Idev"
        write_array(data, "Idev", curve.errors[curve.there], units=unit)
        data["I_errors"] = data["Idev"]  # as all other NeXus readers call it
    return axis


def _write_instrument(entry: h5py.Group, curves: CurveSet) -> None:
    measured = curves.entry["instrument"]
    instrument = _add(entry, "instrument", "NXinstrument", "SASinstrument")
    add_fields(instrument, {"name": text_of(measured["name"][()])})
    source = _add(instrument, "source", "NXsource", "SASsource")
    wavelength = float(measured[f"{curves.detectors[0]}/wavelength"][()])
    add_fields(
        source,
        {
            **{key: text_of(measured[f"source/{key}"][()]) for key in ("name", "type", "probe")},
            "incident_wavelength": (wavelength, "angstrom"),
        },
    )
    for name in curves.detectors:
        group = measured[name]
        detector = _add(instrument, f"detector_{name}", "NXdetector", "SASdetector")
        fields = {"SDD": "distance", "x_pixel_size": "x_pixel_size", "y_pixel_size": "y_pixel_size"}
        fields |= {key: key for key in ("beam_center_x", "beam_center_y")}
        add_fields(detector, {"name": name})
        for key, stored in fields.items():
            add_fields(
                detector,
                {key: (float(group[stored][()]), text_of(group[stored].attrs["units"]))},
            )


def _write_sample(entry: h5py.Group, curves: CurveSet) -> None:
    sample = _add(entry, "sample", "NXsample", "SASsample")
    add_fields(sample, {"name": text_of(curves.entry["sample/name"][()])})
    for _, step in curves.corrections:
        for field in ("thickness", "transmission"):
            if field in step:
                # One number: the mean over the frames that have one.
                values = np.atleast_1d(step[field][()])
                if np.isfinite(values).any():
                    mean = float(np.nanmean(values))
                    add_fields(sample, {field: (mean, text_of(step[field].attrs["units"]))})


def _write_processes(entry: h5py.Group, curves: CurveSet) -> None:
    for index, (name, step) in enumerate(steps(curves.entry)):
        process = _add(entry, f"process_{index}", "NXprocess", "SASprocess")
        add_fields(process, {"name": name, "date": text_of(step["date"][()])})
        told = [text_of(step[key][()]) for key in ("formula", "note") if key in step]
        add_fields(process, {"description": "; ".join(told)})
        parameters = curves.settings if index == 0 else plain_fields(step["input"])
        for key, value in parameters.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            add_fields(process, {f"term_{key}": (value, "") if number else str(value)})


def _add(
    parent: h5py.Group, name: str, nexus_class: str, cansas_class: str, **attributes: Any
) -> h5py.Group:
    return add_group(parent, name, nexus_class, canSAS_class=cansas_class, **attributes)
