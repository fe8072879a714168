"""Positions of pixels stored in HDF5: datasets x, y and z in their attribute `units`; without one mm, in
`UserDataCfg` of LCLS um.
"""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import unit_of

Positions = tuple[np.ndarray, np.ndarray, np.ndarray]
MM = {"mm": 1.0, "m": 1000.0, "um": 1e-3, "µm": 1e-3, "micrometer": 1e-3, "cm": 10.0}
LCLS_GROUP = "UserDataCfg"


def stored_positions(group: h5py.Group, shape: Sequence[int], place: str) -> Positions:
    """Positions from datasets x, y and z (left out: 0) of an HDF5 group; raises UserError."""
    found = []
    for axis in "xyz":
        if axis not in group and axis == "z":
            found.append(np.zeros(shape))
            continue
        if axis not in group:
            raise UserError(f"no dataset {axis}", place, suggestion(axis, group))
        if not isinstance(group[axis], h5py.Dataset) or group[axis].dtype.kind not in "iuf":
            raise UserError(f"{axis} holds no numbers", place, "give datasets x, y and z")
        values = np.asarray(group[axis][()], dtype=np.float64)
        if values.size != np.prod(shape):
            raise UserError(
                f"{axis} of shape {values.shape} for frames of {tuple(shape)}",
                place,
                "choose the geometry of this detector",
            )
        found.append(values.reshape(shape) * _mm(group[axis], place))
    x, y, z = found
    return x, y, z


def _mm(dataset: h5py.Dataset, place: str) -> float:
    unit = unit_of(dataset)
    if not unit:
        return MM["um"] if f"/{LCLS_GROUP}/" in dataset.name else MM["mm"]
    if unit not in MM:
        raise UserError(f"{dataset.name} in {unit!r}", place, suggestion(unit, MM))
    return MM[unit]
