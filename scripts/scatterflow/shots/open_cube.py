"""A cube file as xarray, for notebooks.

cube = open_cube("results/12/pumpprobe/cube_scan.nxs")
cube["ccd_ring_sum"].sel(laser="on").plot()
cube["ccd_ring_sum_difference"] / cube["ccd_ring_sum_difference_errors"]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading

if TYPE_CHECKING:
    import xarray

ARRAYS = (
    *("mean", "ratio", "mean_of_ratios", "difference", "relative"),
    *("counts", "counts_of_ratios"),
)


def open_cube(path: str | Path) -> xarray.Dataset:
    """All quantities of a cube, read into memory.

    <quantity> is the mean, <quantity>_errors its standard error, and so on with _counts, _ratio, _difference,
    _relative; `shots` those of each cell. Coordinates are the centres of bins and the names of kinds; limits
    of bins are <axis>_lower and <axis>_upper. `attrs`: units of each, run and cube. Raises UserError if the
    file is no cube.
    """
    try:
        import xarray
    except ModuleNotFoundError:
        raise UserError(
            "the package xarray is not installed", "open_cube", "pip install xarray"
        ) from None

    with reading(path) as file:
        if "entry/left_out" not in file:
            raise UserError("not a cube", str(path), "open a file called cube_NAME.nxs")
        entry = file["entry"]
        coordinates: dict[str, Any] = {}
        found: dict[str, Any] = {}
        _read_axes(entry["shots"], coordinates)
        found["shots"] = _read(entry["shots"], "shots", entry["shots"].attrs["axes"], "shots")
        for key, group in entry.items():
            if "quantity" in group.attrs and group.attrs["signal"] == "mean":
                _read_quantity(key, group, coordinates, found)
        title = entry["title"].asstr()[()]
        left_out = {name: int(item[()]) for name, item in entry["left_out"].items()}
    return xarray.Dataset(found, coordinates, {"title": title, "left_out": left_out})


def _read_axes(group: h5py.Group, coordinates: dict[str, Any]) -> None:
    for name in group.attrs["axes"]:
        dataset = group[name]
        if "kinds" in dataset.attrs:
            coordinates[name] = (name, [str(kind) for kind in dataset.attrs["kinds"]])
            continue
        units = {"units": dataset.attrs["units"]}
        coordinates[name] = (name, dataset[()], units)
        for limit in ("lower", "upper"):
            coordinates[f"{name}_{limit}"] = (name, group[f"{name}_{limit}"][()], units)


def _read_quantity(
    key: str, group: h5py.Group, coordinates: dict[str, Any], found: dict[str, Any]
) -> None:
    """The arrays of a quantity; its own dimensions are called after it."""
    axes = [str(name) for name in group.attrs["axes"]]
    value = axes[len(axes) - int(group.attrs["value_dimensions"]) :]
    cells = axes[: len(axes) - len(value)]
    own = [f"{key}_{place if name == '.' else name}" for place, name in enumerate(value)]
    for name, dimension in zip(value, own, strict=True):
        if name != ".":
            units = {"units": group[name].attrs["units"]}
            coordinates[dimension] = (dimension, group[name][()], units)
    for name in ARRAYS:
        if name not in group:
            continue
        over = cells
        if name in ("difference", "relative"):
            over = [axis for axis in cells if axis != group.attrs["difference_of"]]
        title = key if name == "mean" else f"{key}_{name}"
        found[title] = _read(group, name, [*over, *own], group.attrs["quantity"])
        if f"{name}_errors" in group:
            found[f"{title}_errors"] = _read(
                group, f"{name}_errors", [*over, *own], group.attrs["quantity"]
            )


def _read(group: h5py.Group, name: str, axes: Any, quantity: str) -> Any:
    dataset = group[name]
    attributes = {"units": dataset.attrs["units"], "quantity": str(quantity)}
    return [str(axis) for axis in axes], dataset[()], attributes
