"""The NXdata groups of a result: profiles of all frames and their mean, with axes and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.files.hdf5_rows import RowsWriter, create_rows
from scatterflow.files.nexus import add_group
from scatterflow.saxswaxs.applied import AppliedCorrections
from scatterflow.saxswaxs.background import check_background, scaled_background
from scatterflow.saxswaxs.corrections import (
    Chain,
    Factors,
    MeanProfile,
    MeanResult,
    correct_part,
)
from scatterflow.saxswaxs.merge import sums
from scatterflow.saxswaxs.result_corrections import link_factors
from scatterflow.saxswaxs.result_frames import write_frame_notes
from scatterflow.saxswaxs.scale import SCALE_ERROR, intensity_label, labelled
from scatterflow.saxswaxs.task_sums import whole_normalisation
from scatterflow.saxswaxs.tasks import ResultTask
from scatterflow.saxswaxs.weights import bin_edges
from scatterflow.units import axis_unit

INTERPRETATIONS = {"azimuthal": "spectrum", "cake": "image", "radial": "spectrum"}


@dataclass(frozen=True)
class Scale:
    """What intensities are: label for axes, NeXus unit."""

    label: str
    units: str = "arbitrary units"


def write_profiles(
    subentry: h5py.Group,
    container: Any,
    task: ResultTask,
    corrections: AppliedCorrections,
    scalars: Sequence[str],
    bar: Any,
    warnings: list[str],
) -> None:
    """Groups `data` and `mean` of one integration, and `uncorrected`, `normalised` and `background` where
    there are such; frames stream from the container.

    scalars: names of the per-frame scalars in /entry/scalars; bar: progress, counts frames; warnings:
    receives what is doubtful.
    """
    axes = _axes(task)
    frames, bins = container[f"{task.parts[0].name}/signal"].shape[0], task.bin_shape
    chain = corrections.chain(task)
    has_errors = task.error_model != "none"
    integration = task.weights.settings
    scale = Scale(labelled(corrections.label, integration), corrections.units)
    data = _data_group(subentry, "data", task, axes, leading=".")
    intensity = RowsWriter(_intensity(data, (frames, *bins), scale))
    errors = RowsWriter(_errors(data, (frames, *bins), scale)) if has_errors else None
    if has_errors:
        data["I_errors"].attrs[SCALE_ERROR] = chain.factors.scale_error
    totals = np.empty(frames)
    means = {"mean": (MeanProfile(bins), chain, scale)}
    if corrections.steps:
        neutral = Chain(Factors.neutral(frames))
        means["uncorrected"] = (
            MeanProfile(bins),
            neutral,
            Scale(labelled(intensity_label({}), integration)),
        )
    if chain.background is not None:
        flux = {"flux": corrections.settings["flux"]}
        before = Scale(labelled(intensity_label(flux), integration))
        means["normalised"] = MeanProfile(bins), chain.without_background(), before
    for part in sums(container, task):
        rows = slice(part.first, part.first + len(part.signal))
        for name, (mean, its_chain, _) in means.items():
            corrected = correct_part(part, its_chain)
            mean.update(corrected)
            if name == "mean":
                intensity.append(corrected.intensity)
                if errors is not None:
                    errors.append(np.sqrt(corrected.variance))
        totals[rows] = part.total_signal
        bar.add(len(part.signal))
    intensity.finish()
    if errors is not None:
        errors.finish()
    write_array(data, "total_signal", totals, units="counts", long_name="counts in all bins")
    write_frame_notes(data, container, task)
    _link_scalars(data, scalars)
    link_factors(data, corrections.steps)
    for name, (mean, _, its_scale) in means.items():
        _write_mean(subentry, name, task, axes, mean.finalize(), its_scale, has_errors)
    if chain.background is not None:
        profile = scaled_background(chain)
        _write_mean(subentry, "background", task, axes, profile, means["normalised"][2], has_errors)
        if has_errors:
            check_background(
                means["mean"][0].finalize(), corrections.corrections.data, task.name, warnings
            )


def _write_mean(
    subentry: h5py.Group,
    name: str,
    task: ResultTask,
    axes: Mapping[str, np.ndarray],
    mean: MeanResult,
    scale: Scale,
    has_errors: bool,
) -> None:
    group = _data_group(subentry, name, task, axes, leading=None)
    bins = mean.intensity.shape
    _intensity(group, bins, scale)[...] = mean.intensity
    if has_errors:
        _errors(group, bins, scale)[...] = mean.errors
        shared = np.sqrt(mean.shared_variance)
        write_array(
            group,
            "I_errors_shared",
            shared,
            units=scale.units,
            long_name="part of the error that all frames share",
        )


def _axes(task: ResultTask) -> dict[str, np.ndarray]:
    """Bin axes in their order in the arrays."""
    both = {"azimuthal_axis": task.weights.azimuthal_axis, "radial_axis": task.weights.radial_axis}
    return {name: values for name, values in both.items() if values is not None}


def _data_group(
    subentry: h5py.Group,
    name: str,
    task: ResultTask,
    axes: Mapping[str, np.ndarray],
    leading: str | None,
) -> h5py.Group:
    names = [*([leading] if leading else []), *axes]
    interpretation = INTERPRETATIONS[task.kind]
    group = add_group(
        subentry, name, "NXdata", signal="I", axes=names, interpretation=interpretation
    )
    seen_by = " + ".join(part.detector for part in task.parts)
    write_array(group, "title", f"{seen_by}, {task.integration}")
    for position, axis in enumerate(axes, start=1 if leading else 0):
        group.attrs[f"{axis}_indices"] = position
    scale = '"linear"' if task.kind == "radial" else '"log"'
    group.attrs["SILX_style"] = f'{{"signal_scale_type": {scale}}}'
    settings = task.weights.settings
    for axis, values in axes.items():
        code = settings["unit"]
        if axis == "azimuthal_axis":
            code = settings.get("azimuthal_unit", "chi_deg")
        unit = axis_unit(code)
        text = "azimuthal bin center" if axis == "azimuthal_axis" else unit.quantity
        edges = f"{text} bin edges" if axis == "radial_axis" else "azimuthal bin edges"
        attributes = {"units": unit.nexus, "pyfai_unit": code}
        write_array(group, axis, values, long_name=text, **attributes)
        write_array(group, f"{axis}_edges", bin_edges(values), long_name=edges, units=unit.nexus)
    norm = whole_normalisation(task).reshape([axis.size for axis in axes.values()])
    write_array(
        group,
        "norm",
        norm,
        long_name="effective number of pixels contributing to the corresponding bin",
        units="arbitrary units",
    )
    return group


def _intensity(group: h5py.Group, shape: tuple[int, ...], scale: Scale) -> h5py.Dataset:
    dataset = create_rows(group, "I", shape)
    # The long name is fixed by the definition; what the scale is, is said beside it.
    dataset.attrs.update(
        {"long_name": "intensity", "units": scale.units, "intensity_label": scale.label}
    )
    # h5web looks for it here, silx in both places.
    dataset.attrs["interpretation"] = group.attrs["interpretation"]
    return dataset


def _errors(group: h5py.Group, shape: tuple[int, ...], scale: Scale) -> h5py.Dataset:
    dataset = create_rows(group, "I_errors", shape)
    dataset.attrs.update({"long_name": "estimated intensity error", "units": scale.units})
    return dataset


def _link_scalars(data: h5py.Group, scalars: Sequence[str]) -> None:
    """Per-frame scalars as further coordinates of the frame axis."""
    for name in scalars:
        if name not in data:
            data[name] = h5py.SoftLink(f"/entry/scalars/{name}")
            data.attrs[f"{name}_indices"] = 0
