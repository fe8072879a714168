"""The NXdata groups of a result: profiles of all frames and their mean, with axes and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.files.hdf5_rows import RowsWriter, create_rows
from scatterflow.files.nexus import add_group
from scatterflow.saxswaxs.corrections import Factor
from scatterflow.saxswaxs.merge import MeanProfile, profiles
from scatterflow.saxswaxs.tasks import ResultTask
from scatterflow.saxswaxs.weights import bin_edges
from scatterflow.units import axis_unit

INTERPRETATIONS = {"azimuthal": "spectrum", "cake": "image", "radial": "spectrum"}


def write_profiles(
    subentry: h5py.Group,
    container: Any,
    task: ResultTask,
    corrections: Sequence[tuple[str, Factor]],
    scalars: Sequence[str],
    bar: Any,
) -> None:
    """Groups `data` and `mean` of one integration; frames stream from the container.

    corrections: (name, factor) in order of application; scalars: names of the per-frame scalars in
    /entry/scalars; bar: progress, counts frames.
    """
    axes = _axes(task)
    frames, *bins = container[f"{task.name}/signal"].shape
    data = _data_group(subentry, "data", task, axes, leading=".")
    label = _intensity_label(corrections)
    with_errors = task.error_model != "none"
    writers = [RowsWriter(_intensity(data, (frames, *bins), label))]
    if with_errors:
        writers.append(RowsWriter(_errors(data, (frames, *bins))))
    totals = np.empty(frames)
    mean = MeanProfile(tuple(bins))
    factors = [factor for _, factor in corrections]
    for part in profiles(container, task, factors):
        writers[0].append(part.intensity)
        if with_errors:
            writers[1].append(np.sqrt(part.variance))
        totals[part.first : part.first + len(part.intensity)] = part.total_signal
        mean.update(part)
        bar.add(len(part.intensity))
    for writer in writers:
        writer.finish()
    write_array(data, "total_signal", totals, units="counts", long_name="counts in all bins")
    _link_scalars(data, scalars)
    average = _data_group(subentry, "mean", task, axes, leading=None)
    value, error = mean.finalize()
    _intensity(average, tuple(bins), label)[...] = value
    if with_errors:
        _errors(average, tuple(bins))[...] = error


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
    write_array(group, "title", f"{task.detector}, {task.integration}")
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
    norm = task.weights.normalisation.reshape([axis.size for axis in axes.values()])
    write_array(
        group,
        "norm",
        norm,
        long_name="effective number of pixels contributing to the corresponding bin",
        units="arbitrary units",
    )
    return group


def _intensity_label(corrections: Sequence[tuple[str, Factor]]) -> str:
    label = "counts per pixel"
    for name, factor in corrections:
        if name == "monitor_normalisation":
            label += f", normalised to {factor.parameters['monitor']}"
    return f"intensity ({label})"


def _intensity(group: h5py.Group, shape: tuple[int, ...], label: str) -> h5py.Dataset:
    dataset = create_rows(group, "I", shape)
    # Both texts are fixed by the definition; what the scale is, is said beside them.
    dataset.attrs.update(
        {"long_name": "intensity", "units": "arbitrary units", "intensity_label": label}
    )
    return dataset


def _errors(group: h5py.Group, shape: tuple[int, ...]) -> h5py.Dataset:
    dataset = create_rows(group, "I_errors", shape)
    dataset.attrs.update({"long_name": "estimated intensity error", "units": "arbitrary units"})
    return dataset


def _link_scalars(data: h5py.Group, scalars: Sequence[str]) -> None:
    """Per-frame scalars as further coordinates of the frame axis."""
    for name in scalars:
        if name not in data:
            data[name] = h5py.SoftLink(f"/entry/scalars/{name}")
            data.attrs[f"{name}_indices"] = 0
