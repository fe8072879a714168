"""The result file of a saxswaxs reduction: NeXus, with NXazint1d and NXazint2d where they fit.

    /entry                                NXentry
        title, entry_identifier, experiment_identifier, sample, user
        instrument/<detector>             NXdetector: geometry, mask, summed frame
        scalars                           NXcollection: per-frame monitors, motors, times
        <detector>_<integration>          NXsubentry: NXazint1d, NXazint2d or neither (radial)
            data                          NXdata: I, I_errors per frame; rejected_pixels, detectors_there
            mean                          NXdata: I, I_errors averaged over valid frames
            uncorrected, normalised, background   NXdata: means before, between and of the corrections
            reduction                     NXprocess with all parameters
            rejected_<detector>           NXdata: in how many frames each pixel was left out as an outlier
        merged_<integration>              the same, of several detectors together
        definition, data, mean, ...       links into the first azimuthal subentry: the default plot
        process_1_..., process_2_...      NXprocess: the steps in their order, with their factors
        provenance                        NXcollection of NXnote: raw files, masks, geometry, software...

Definitions: NeXus v2026.01. Per-frame scalars are linked into each NXdata as further coordinates of
the frame axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array, writing
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.nexus import add_fields, add_group, add_note, add_process
from scatterflow.files.provenance import now, software
from scatterflow.progress import progress
from scatterflow.saxswaxs.applied import AppliedCorrections
from scatterflow.saxswaxs.merge import frame_sums
from scatterflow.saxswaxs.result_corrections import write_steps
from scatterflow.saxswaxs.result_frames import parameters_of, write_rejected
from scatterflow.saxswaxs.result_profiles import write_profiles
from scatterflow.saxswaxs.tasks import ResultTask

REFERENCE = "pyFAI: Kieffer et al., J. Synchrotron Rad. 27 (2020) 558; scatterflow"
DEFINITIONS = {"azimuthal": "NXazint1d", "cake": "NXazint2d"}


@dataclass(frozen=True)
class DetectorResult:
    """What the result says of a detector. geometry: `geometry_description`; beam_centre: (row, column);
    pixel_mask: uint32 (rows, columns), nonzero = masked; mask: identities; calibration: how stored values
    become counts: range of valid ones, dead time and checksum of the dark image, None without."""

    geometry: Mapping[str, Any]
    geometry_sha256: str
    beam_centre: tuple[float, float]
    pixel_mask: np.ndarray
    mask: Mapping[str, Any]
    calibration: Mapping[str, Any]


@dataclass(frozen=True)
class Description:
    """Everything in the result that is no array of intensities.

    scalars: {name: (frames,)}; units: {name: unit}; receipts: of all chunks, in order; scalar_files: records
    of the raw files that hold scalars and metadata; parameters: the reduction's configuration; companions:
    records of the raw files of each run that this one is corrected with.
    """

    run: str
    reduction: str
    sample: str
    experiment: Mapping[str, Any]
    scalars: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    metadata: Mapping[str, Any]
    parameters: Mapping[str, Any]
    receipts: Sequence[Mapping[str, Any]]
    scalar_files: Sequence[Mapping[str, Any]] = ()
    companions: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def write_result(
    path: str | Path,
    container: Any,
    tasks: Sequence[ResultTask],
    detectors: Mapping[str, DetectorResult],
    description: Description,
    corrections: AppliedCorrections,
    warnings: list[str],
) -> None:
    """Write the result file, whole; frames stream from the container.

    warnings: what is doubtful; more may be added. All are written.
    """
    date = now()
    with writing(path) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "scatterflow"})
        file.attrs["file_time"] = date
        entry = add_group(file, "entry", "NXentry", default="data")
        _write_entry(entry, description, date)
        _write_instrument(entry, detectors, description.experiment, container)
        _write_scalars(entry, description)
        _write_integration(entry, tasks, detectors, date)
        write_steps(entry, corrections.steps, date)
        _write_provenance(entry, detectors, description)
        frames = int(container.attrs["frames"])
        label = f"write {description.run}/{description.reduction}"
        with progress(frames * len(tasks), label, "integrated frames") as bar:
            for task in tasks:
                subentry = _write_task(entry, task, corrections, date)
                write_rejected(subentry, container, task)
                write_profiles(
                    subentry,
                    container,
                    task,
                    corrections,
                    list(description.scalars),
                    bar,
                    warnings,
                )
        add_note(entry["provenance"], "warnings", list(dict.fromkeys(warnings)), "what is doubtful")
        _link_default(entry, _default(tasks))


def _default(tasks: Sequence[ResultTask]) -> ResultTask:
    """The integration to show first: the first azimuthal one."""
    return next((task for task in tasks if task.kind == "azimuthal"), tasks[0])


def _link_default(entry: h5py.Group, task: ResultTask) -> None:
    """The entry itself follows the definition of its main integration, through links."""
    for name in entry[task.name]:
        if name not in entry:
            entry[name] = h5py.SoftLink(f"/entry/{task.name}/{name}")


def _write_entry(entry: h5py.Group, description: Description, date: str) -> None:
    experiment = description.experiment
    add_fields(
        entry,
        {
            "title": f"{experiment['title']}: {description.run}",
            "entry_identifier": description.run,
            "experiment_identifier": experiment["proposal"] or None,
            "start_time": description.metadata.get("start_time"),
            "end_time": description.metadata.get("end_time"),
            "reduction_name": description.reduction,
            "processed_time": date,
        },
    )
    for number, creator in enumerate(experiment["creators"], start=1):
        add_fields(add_group(entry, f"user_{number}", "NXuser"), {"name": creator})
    add_fields(add_group(entry, "sample", "NXsample"), {"name": description.sample or "unknown"})


def _write_instrument(
    entry: h5py.Group,
    detectors: Mapping[str, DetectorResult],
    experiment: Mapping[str, Any],
    container: Any,
) -> None:
    instrument = add_group(entry, "instrument", "NXinstrument")
    add_fields(instrument, {"name": experiment["beamline"]})
    source = add_group(instrument, "source", "NXsource")
    add_fields(
        source,
        {"name": experiment["facility"], "type": experiment["facility_type"], "probe": "x-ray"},
    )
    first = next(iter(detectors.values())).geometry
    monochromator = add_group(instrument, "monochromator", "NXmonochromator")
    add_fields(
        monochromator,
        {
            "wavelength": (first["wavelength_m"] * 1e10, "angstrom"),
            "energy": (first["energy_keV"], "keV"),
        },
    )
    for name, detector in detectors.items():
        _write_detector(instrument, name, detector, container)


def _write_detector(
    instrument: h5py.Group, name: str, detector: DetectorResult, container: Any
) -> None:
    geometry = detector.geometry
    group = add_group(instrument, name, "NXdetector", default="mean_frame")
    add_fields(
        group,
        {
            "distance": (geometry["distance_m"], "m"),
            "x_pixel_size": (geometry["pixel2_m"], "m"),
            "y_pixel_size": (geometry["pixel1_m"], "m"),
            "beam_center_x": (detector.beam_centre[1], "pixel"),
            "beam_center_y": (detector.beam_centre[0], "pixel"),
            "wavelength": (geometry["wavelength_m"] * 1e10, "angstrom"),
            "pixel_mask": detector.pixel_mask,
        },
    )
    total, count, there = frame_sums(container, name)
    write_large(group, "frame_sum", total).attrs["units"] = "counts"
    write_large(group, "valid_count", count).attrs["units"] = "frames"
    write_array(group, "frame_valid", there)
    mean = add_group(group, "mean_frame", "NXdata", signal="data", interpretation="image")
    with np.errstate(invalid="ignore", divide="ignore"):
        image = np.where(detector.pixel_mask == 0, total / count, np.nan)
    # For viewers: the exact sums stand beside it.
    dataset = write_large(mean, "data", image.astype(np.float32))
    dataset.attrs.update({"units": "counts", "long_name": "mean counts per frame"})
    mean.attrs["SILX_style"] = '{"signal_scale_type": "log"}'


def _write_scalars(entry: h5py.Group, description: Description) -> None:
    group = add_group(entry, "scalars", "NXcollection")
    for name, values in description.scalars.items():
        dataset = write_array(group, name, values)
        dataset.attrs["units"] = description.units.get(name, "")


def _write_integration(
    entry: h5py.Group,
    tasks: Sequence[ResultTask],
    detectors: Mapping[str, DetectorResult],
    date: str,
) -> None:
    add_process(
        entry,
        "process_1_integration",
        1,
        software(),
        date,
        {
            "integrations": {task.name: parameters_of(task) for task in tasks},
            "detectors": {name: item.calibration for name, item in detectors.items()},
        },
        formula="sum c (n / (1 - n tau / t) - d) / sum c w: counts n of valid pixels, dead time tau, "
        "exposure t, dark image d, share of the bin c, solid angle x polarisation x flat w",
        note="dead time and dark image, then geometry, masks and corrections of each pixel, then weighted "
        "averages per bin",
        reference=REFERENCE,
    )


def raw_files(receipts: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Records of the raw files of all chunks, by path."""
    return {record["path"]: record for receipt in receipts for record in receipt["raw_files"]}


def _write_provenance(
    entry: h5py.Group, detectors: Mapping[str, DetectorResult], description: Description
) -> None:
    group = add_group(entry, "provenance", "NXcollection")
    files = raw_files(description.receipts)
    files.update({record["path"]: record for record in description.scalar_files})
    missing: dict[str, dict[str, str]] = {}
    for receipt in description.receipts:
        for detector, frames in receipt["missing"].items():
            missing.setdefault(detector, {}).update(frames)
    notes = {
        "raw_files": (
            list(files.values()),
            "raw files: size in bytes, mtime, sha256 where cheap",
        ),
        "correction_runs": (
            description.companions,
            "raw files of the runs that this one is corrected with: dark, background, standard",
        ),
        "missing_frames": (missing, "frames that were missing or corrupt, by detector"),
        "masks": (
            {name: item.mask for name, item in detectors.items()},
            "masks and their identities",
        ),
        "geometry": (
            {
                name: {**item.geometry, "sha256": item.geometry_sha256}
                for name, item in detectors.items()
            },
            "geometry of each detector",
        ),
        "valid_range": (
            {name: item.calibration["valid"] for name, item in detectors.items()},
            "range of stored pixel values that counts as a measurement",
        ),
        "parameters": (description.parameters, "configuration of this reduction"),
        "raw_metadata": (description.metadata, "what the raw files say of the run"),
        "software": (software(), "versions and commit"),
    }
    for name, (value, text) in notes.items():
        add_note(group, name, value, text)


def _write_task(
    entry: h5py.Group, task: ResultTask, corrections: AppliedCorrections, date: str
) -> h5py.Group:
    subentry = add_group(
        entry,
        task.name,
        "NXsubentry",
        default="data",
        kind=task.kind,
        detector=task.detector,
        integration=task.integration,
    )
    if task.merged:
        subentry.attrs["detectors"] = [part.detector for part in task.parts]
    settings = task.weights.settings
    if task.kind in DEFINITIONS:
        write_array(subentry, "definition", DEFINITIONS[task.kind])
    applied = {
        "solid_angle_applied": settings["solid_angle"],
        "polarization_applied": settings["polarisation"] is not None,
        "normalization_applied": True,
        "monitor_applied": corrections.settings["flux"] is not None,
    }
    for name, value in applied.items():
        write_array(subentry, name, np.bool_(value))
    subentry["instrument"] = h5py.SoftLink("/entry/instrument")
    subentry["sample"] = h5py.SoftLink("/entry/sample")
    add_process(
        subentry,
        "reduction",
        1,
        software(),
        date,
        parameters_of(task),
        reference=REFERENCE,
    )
    return subentry
