"""The file of a cube: NeXus, one NXdata per quantity and per signal that is plotted.

    /entry                        NXentry; default: the first quantity, its difference where there is one
        title, entry_identifier, experiment_identifier, reduction_name, sample, user_N
        <quantity>                NXdata, signal mean (labels..., axes..., ...) with mean_errors, counts;
                                  attribute `quantity`: its name in the small data. Also, where they are asked
                                  for, ratio, mean_of_ratios, difference, relative, each with errors
                                  (`cube_values`)
        <quantity>_ratio          NXdata, signal ratio: links to these
        <quantity>_difference     NXdata, signal difference, over the axes alone
        shots                     NXdata, shots of each cell
        left_out                  NXcollection: shots that are in no cell, by reason
        process_1_bin             NXprocess: settings
        provenance                NXcollection of NXnote: small data file and what made it, masks and darks of
                                  images, settings, software

In every NXdata <axis> are the centres of its bins, <axis>_lower and <axis>_upper their limits, and <label>
the values of its kinds (attribute `kinds`: their names). Names are written with _ for /. NaN: no shot, or
for errors a single one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array, writing
from scatterflow.files.nexus import add_group, add_process
from scatterflow.files.provenance import now, software
from scatterflow.names import identifier
from scatterflow.shots.bin import SortedShots
from scatterflow.shots.cube_values import VIEWS, cube_values
from scatterflow.shots.cubes import Cube, CubeResult
from scatterflow.shots.entry import write_entry, write_provenance
from scatterflow.shots.image_sums_file import ImageParts, merged_slabs
from scatterflow.shots.per_shot import element_axes

if TYPE_CHECKING:
    from scatterflow.shots.small_data import SmallData

WHOLE: tuple[Any, ...] = ()
CHUNK_BYTES = 1_000_000
COUNTS = ("counts", "counts_of_ratios")
LABELS = {
    "mean": "mean",
    "ratio": "sum / sum of monitor",
    "difference": "on - off",
    "relative": "(on - off) / off",
    "mean_of_ratios": "mean of shot / monitor",
}


@dataclass(frozen=True)
class Quantity:
    """What is known of a quantity besides its numbers. shape: of a shot's value; axes: coordinates of its
    elements, {name: (dimension, values, unit)}; image: it is a detector's."""

    name: str
    unit: str
    monitor_unit: str | None
    shape: tuple[int, ...]
    axes: Mapping[str, tuple[int, np.ndarray, str]]
    image: bool


def write_cube(
    path: str | Path,
    small: SmallData,
    shots: SortedShots,
    cube: Cube,
    images: ImageParts | None,
    settings: Mapping[str, Any],
    description: Mapping[str, Any],
) -> None:
    """Write a cube, whole.

    cube: of the quantities; images: sums of the images, None: there are none; settings: of the cube;
    description: run, reduction, cube, sample, experiment.
    """
    date = now()
    result = cube.finalize()
    with writing(path) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "scatterflow"})
        file.attrs["file_time"] = date
        entry = add_group(file, "entry", "NXentry")
        write_entry(entry, description, date, description["cube"])
        for name in settings["quantities"]:
            values = cube_values(cube, result, name, settings["difference"])
            quantity = _of_small_data(small, shots, name)
            _write_quantity(entry, shots, quantity, [(WHOLE, values)], settings)
        for name in settings["images"]:
            assert images is not None
            quantity = _of_detector(small, shots, name, images)
            _write_quantity(
                entry, shots, quantity, _image_values(images, name, shots, settings), settings
            )
        _write_shots(entry, shots, result)
        entry.attrs["default"] = _default(entry, settings)
        add_process(
            entry,
            "process_1_bin",
            1,
            software(),
            date,
            dict(settings),
            formula="mean of the shots of a cell, error: sample standard deviation / sqrt(count)",
        )
        made_of = [] if images is None else images.provenance
        write_provenance(entry, small, settings, description, made_of)


def _of_small_data(small: SmallData, shots: SortedShots, name: str) -> Quantity:
    monitor = shots.normalised.get(name)
    return Quantity(
        name,
        small.unit(name),
        None if monitor is None else small.unit(monitor),
        small.shape(name),
        element_axes(small, name),
        image=False,
    )


def _of_detector(small: SmallData, shots: SortedShots, name: str, images: ImageParts) -> Quantity:
    monitor = shots.normalised.get(name)
    unit = next((note["units"][name] for note in images.provenance if name in note["units"]), "")
    return Quantity(
        name,
        unit,
        None if monitor is None else small.unit(monitor),
        images.shapes[name],
        {},
        image=True,
    )


def _image_values(
    images: ImageParts, name: str, shots: SortedShots, settings: Mapping[str, Any]
) -> Iterable[tuple[tuple[Any, ...], dict[str, np.ndarray]]]:
    """Values of ranges of pixels, each with its index in the image."""
    for slab, cube in merged_slabs(images, name, shots.cube()):
        found = cube_values(cube, cube.finalize(), name, settings["difference"])
        yield (
            slab.index,
            {key: array.reshape(*array.shape[:-1], *slab.shape) for key, array in found.items()},
        )


def _write_quantity(
    entry: h5py.Group,
    shots: SortedShots,
    quantity: Quantity,
    parts: Iterable[tuple[tuple[Any, ...], dict[str, np.ndarray]]],
    settings: Mapping[str, Any],
) -> None:
    """The arrays of a quantity, part by part (index in a shot's value, arrays), and its NXdata."""
    key = identifier(quantity.name)
    group = add_group(
        entry, key, "NXdata", quantity=quantity.name, value_dimensions=len(quantity.shape)
    )
    cells = shots.cube().shape
    less = [one.name for one in shots.labels]
    if settings["difference"] is not None:
        group.attrs["difference_of"] = settings["difference"]["label"]
        less.remove(settings["difference"]["label"])
    fewer = tuple(len(one.values) for one in shots.labels if one.name in less)
    fewer += tuple(axis.bins for axis in shots.axes)
    for index, values in parts:
        for name, array in values.items():
            own = fewer if name.startswith(("difference", "relative")) else cells
            if name not in group:
                _create(group, name, (*own, *quantity.shape), array.dtype, len(own), index)
            group[name][(*(slice(None) for _ in own), *index)] = array
    for name in group:
        _describe(group[name], name, quantity)
    labels = [one.name for one in shots.labels]
    _complete(group, shots, quantity, labels, "mean")
    for signal, ending in VIEWS.items():
        if ending and signal in group:
            view = add_group(entry, f"{key}{ending}", "NXdata", quantity=quantity.name)
            linked = [signal, f"{signal}_errors"]
            for name in linked:
                view[name] = group[name]
            _complete(view, shots, quantity, less if signal == "difference" else labels, signal)


def _create(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    cells: int,
    index: tuple[Any, ...],
) -> None:
    """An empty dataset; of images one chunk per cell and range of rows that is written together."""
    options: dict[str, Any] = {}
    if int(np.prod(shape)) * dtype.itemsize > CHUNK_BYTES:
        parts = [
            len(range(*part.indices(size))) if isinstance(part, slice) else 1
            for part, size in zip(index, shape[cells:], strict=False)
        ]
        chunks = (*(1 for _ in range(cells)), *parts) if index else True
        options = {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
    group.create_dataset(name, shape=shape, dtype=dtype, track_times=False, **options)


def _describe(dataset: h5py.Dataset, name: str, quantity: Quantity) -> None:
    if name in COUNTS:
        dataset.attrs.update({"units": "", "long_name": "shots with a value"})
        return
    signal = name.removesuffix("_errors")
    unit = quantity.unit
    if quantity.monitor_unit is not None and signal != "mean":
        unit = f"{unit or 1}/({quantity.monitor_unit})" if quantity.monitor_unit else unit
    dataset.attrs["units"] = "" if signal == "relative" else unit
    title = f"{quantity.name}: {LABELS[signal]}"
    dataset.attrs["long_name"] = title if signal == name else f"{title}, standard error"


def _complete(
    group: h5py.Group,
    shots: SortedShots,
    quantity: Quantity | None,
    labels: Sequence[str],
    signal: str,
) -> None:
    """Coordinates and attributes that make a group of arrays an NXdata."""
    axes = []
    for label in shots.labels:
        if label.name in labels:
            dataset = write_array(group, label.name, np.array(label.values), units="")
            dataset.attrs.update({"kinds": list(label.names), "long_name": label.name})
            axes.append(label.name)
    for axis in shots.axes:
        unit = shots.units[axis.name]
        title = f"{axis.name} ({unit})" if unit else axis.name
        write_array(group, axis.name, axis.centres, units=unit, long_name=title)
        write_array(group, f"{axis.name}_lower", axis.lower, units=unit)
        write_array(group, f"{axis.name}_upper", axis.upper, units=unit)
        axes.append(axis.name)
    dimensions = [] if quantity is None else ["."] * len(quantity.shape)
    for name, (place, values, unit) in ({} if quantity is None else quantity.axes).items():
        write_array(group, name, values, units=unit, long_name=f"{name} ({unit})" if unit else name)
        dimensions[place] = name
    group.attrs.update({"signal": signal, "axes": [*axes, *dimensions]})
    for place, name in enumerate([*axes, *dimensions]):
        if name != ".":
            group.attrs[f"{name}_indices"] = place
    image = quantity is not None and quantity.image and len(quantity.shape) > 1
    group.attrs["interpretation"] = "image" if image else "spectrum"
    title = group[signal].attrs["long_name"]
    write_array(group, "title", title)


def _write_shots(entry: h5py.Group, shots: SortedShots, result: CubeResult) -> None:
    group = add_group(entry, "shots", "NXdata")
    write_array(group, "shots", result.shots, units="", long_name="shots")
    _complete(group, shots, None, [one.name for one in shots.labels], "shots")
    left = add_group(entry, "left_out", "NXcollection")
    for name, number in result.left_out.items():
        write_array(left, name, np.int64(number), units="")


def _default(entry: h5py.Group, settings: Mapping[str, Any]) -> str:
    """The first quantity: its difference, else its ratio, else its mean."""
    key = identifier([*settings["quantities"], *settings["images"]][0])
    return next(key + ending for ending in reversed(VIEWS.values()) if f"{key}{ending}" in entry)
