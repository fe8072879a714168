"""The analysis file of a saxswaxs reduction: fits and figures of merit of every frame, as NeXus.

/entry                        NXentry
    title, entry_identifier, experiment_identifier, sample
    per_frame                 NXdata: a value per frame by name, with `<name>_errors`; NaN where it failed
        <fit>_<component>_<parameter>, <fit>_reduced_chi_square, <fit>_success
        <figure> (or <figure>_rg and the like), <figure>_success
    fit_<name>                NXdata: data, best_fit, residual of the range, per frame
    status                    NXcollection: <fit or figure>, a code per frame; attribute `meanings`
    scalars                   NXcollection: per-frame monitors, motors, times, from the result
    process_1_<name>, ...     NXprocess: every fit and figure with its parameters
    provenance                NXcollection of NXnote: the result file, software
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.files.hdf5_rows import create_rows
from scatterflow.files.nexus import add_group, add_note, add_process
from scatterflow.files.provenance import now, raw_file_record, software
from scatterflow.saxswaxs.fits import STATUS, Profiles, Values
from scatterflow.saxswaxs.scale import SCALE_ERROR

COPIED = ("title", "entry_identifier", "experiment_identifier", "sample")
REFERENCE = "Branch, Coleman & Li, SIAM J. Sci. Comput. 21 (1999) 1; scipy.optimize.least_squares"


@dataclass(frozen=True)
class ProfileAxis:
    """Axis of a profile: name of the field, (bins,) centres, (bins + 1,) edges, attributes (units, ...)."""

    name: str
    centres: np.ndarray
    edges: np.ndarray
    attributes: Mapping[str, str]


class AnalysisFile:
    """An analysis file while it is filled, block of frames by block of frames."""

    def __init__(
        self, file: h5py.File, source: h5py.File, result: Path, parameters: Mapping[str, Any]
    ) -> None:
        date = now()
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "scatterflow"})
        file.attrs["file_time"] = date
        self._entry = add_group(file, "entry", "NXentry", default="per_frame")
        for name in COPIED:
            if name in source["entry"]:
                source.copy(source["entry"][name], self._entry, name=name)
        source.copy(source["entry/scalars"], self._entry, name="scalars")
        self.frames = int(self._entry["scalars/frame_number"].size)
        self._status = add_group(
            self._entry, "status", "NXcollection", meanings=json.dumps(list(STATUS))
        )
        self._values: dict[str, np.ndarray] = {}
        self._errors: dict[str, np.ndarray] = {}
        self._scale: dict[str, dict[str, np.ndarray]] = {}
        # Relative errors of the scale, of values that are proportional to the intensity.
        self.scale_errors: dict[str, float] = {}
        self._codes: dict[str, np.ndarray] = {}
        self._units: dict[str, str] = {}
        self._write_processes(parameters, date)
        self._write_provenance(result, parameters)

    def begin_figure(self, settings: Mapping[str, Any], units: Mapping[str, str]) -> None:
        """Make room for a figure of merit; units: of its values."""
        self._units.update(units)
        self._codes[settings["name"]] = np.zeros(self.frames, dtype=np.uint8)

    def begin_fit(
        self,
        settings: Mapping[str, Any],
        units: Mapping[str, str],
        axis: ProfileAxis,
        data: h5py.Group,
    ) -> None:
        """Make room for a fit and its curves. data: the NXdata of the result that is fitted."""
        self.begin_figure(settings, units)
        group = add_group(
            self._entry,
            f"fit_{settings['name']}",
            "NXdata",
            signal="data",
            auxiliary_signals=["best_fit", "residual"],
            axes=[".", axis.name],
            interpretation="spectrum",
            task=settings["task"],
        )
        group.attrs[f"{axis.name}_indices"] = 1
        write_array(group, "title", f"{settings['name']}: fit to {settings['task']}")
        write_array(group, axis.name, axis.centres, **axis.attributes)
        labels = {
            "data": data["I"].attrs.get("intensity_label", "intensity"),
            "best_fit": "best fit",
            "residual": "data - best fit",
        }
        if "I_errors" in data:
            labels["data_errors"] = "standard error of the data"
        for name, label in labels.items():
            dataset = create_rows(group, name, (self.frames, axis.centres.size))
            dataset.attrs.update({"long_name": label, "units": data["I"].attrs["units"]})
        group["data"].attrs["interpretation"] = group.attrs["interpretation"]  # for h5web

    def add(
        self,
        kind: str,
        settings: Mapping[str, Any],
        rows: slice,
        found: Values,
        profiles: Profiles | None,
    ) -> None:
        """Values of some frames; of a fit (kind `fit`) the curves as well, with the profiles fitted."""
        self._codes[settings["name"]][rows] = found.status
        for columns, block in ((self._values, found.values), (self._errors, found.errors)):
            for name, values in block.items():
                columns.setdefault(name, np.full(self.frames, np.nan))[rows] = values
        for name, parts in found.scale.items():
            for detector, values in parts.items():
                whole = self._scale.setdefault(name, {})
                whole.setdefault(detector, np.zeros(self.frames))[rows] = values
        if kind != "fit":
            return
        assert profiles is not None  # a fit has profiles
        assert found.curve is not None  # and a curve
        group = self._entry[f"fit_{settings['name']}"]
        group["data"][rows] = profiles.intensity
        group["best_fit"][rows] = found.curve
        group["residual"][rows] = profiles.intensity - found.curve
        if profiles.sigma is not None:
            group["data_errors"][rows] = profiles.sigma

    def known_values(
        self,
    ) -> tuple[
        dict[str, np.ndarray], dict[str, np.ndarray], Mapping[str, Mapping[str, np.ndarray]]
    ]:
        """Values of all scalars, fits and figures so far, the errors of those that have them, and the
        parts of these that come from the scale of the intensities (`Values.scale`)."""
        scalars = {
            name: item[()]
            for name, item in self._entry["scalars"].items()
            if item.ndim == 1 and item.dtype.kind in "biuf"
        }
        return {**scalars, **self._values}, dict(self._errors), self._scale

    def finish(self) -> None:
        """Write all values per frame; the file is complete then."""
        group = add_group(
            self._entry, "per_frame", "NXdata", axes=["frame_number"], interpretation="scalar"
        )
        group.attrs["frame_number_indices"] = 0
        group["frame_number"] = h5py.SoftLink("/entry/scalars/frame_number")
        for name, values in self._values.items():
            unit = self._units[name]
            write_array(group, name, values, units=unit)
            if name in self._errors:
                errors = write_array(group, f"{name}_errors", self._errors[name], units=unit)
                if name in self.scale_errors:
                    errors.attrs[SCALE_ERROR] = self.scale_errors[name]
        if self._values:
            group.attrs["signal"] = next(iter(self._values))
        for name, codes in self._codes.items():
            write_array(group, f"{name}_success", codes == 0)
            write_array(self._status, name, codes)

    def failures(self) -> list[str]:
        """A sentence for each fit or figure that failed in some frames, with the most frequent reason."""
        lines = []
        for name, codes in self._codes.items():
            failed = np.count_nonzero(codes)
            if failed:
                reason = STATUS[int(np.argmax(np.bincount(codes)[1:])) + 1]
                lines.append(f"{name} failed in {failed} of {codes.size} frames: {reason}")
        return lines

    def _write_processes(self, parameters: Mapping[str, Any], date: str) -> None:
        parts = [*parameters["fits"], *parameters["figures"]]
        for index, settings in enumerate(parts, start=1):
            note = "weighted least squares" if "components" in settings else settings["type"]
            add_process(
                self._entry,
                f"process_{index}_{settings['name']}",
                index,
                software(),
                date,
                dict(settings),
                note=f"{note}, frame by frame; bins weighted with their errors without that of the scale "
                "(thickness, absolute factor), which is added to the errors of the values",
                reference=REFERENCE,
            )

    def _write_provenance(self, result: Path, parameters: Mapping[str, Any]) -> None:
        group = add_group(self._entry, "provenance", "NXcollection")
        notes = {
            "result": (raw_file_record(result), "the result file that was analysed"),
            "parameters": (parameters, "configuration of fits and figures of merit"),
            "software": (software(), "versions and commit"),
        }
        for name, (value, text) in notes.items():
            add_note(group, name, value, text)
