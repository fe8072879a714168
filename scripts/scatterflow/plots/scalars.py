"""What the figures read of every frame: scalars of the run, and what corrections take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.plots.members import heading, member, opened, read_array, text_attribute


@dataclass(frozen=True)
class Scalar:
    """One value per frame, NaN where unknown."""

    name: str
    values: np.ndarray
    unit: str


@dataclass(frozen=True)
class Factor:
    """What a correction takes per frame. values, errors: (frames,), errors None where not known."""

    name: str
    meaning: str
    values: np.ndarray
    errors: np.ndarray | None
    unit: str


def read_scalars(result_path: str | Path) -> tuple[str, list[Scalar]]:
    """Heading and all numeric per-frame scalars in name order, `frame_number` first."""
    with opened(result_path) as file:
        group = member(file["entry"], "scalars")
        scalars = [
            Scalar(name, read_array(group, name).astype(np.float64), text_attribute(item, "units"))
            for name, item in group.items()
            if isinstance(item, h5py.Dataset) and item.ndim == 1 and item.dtype.kind in "biuf"
        ]
        if not any(scalar.name == "frame_number" for scalar in scalars):
            member(group, "frame_number")
        lengths = {scalar.values.size for scalar in scalars}
        if len(lengths) > 1:
            raise UserError(
                f"scalars of different lengths: {', '.join(map(str, sorted(lengths)))}",
                f"{result_path}, {group.name}",
                "delete the result and run snakemake again",
            )
        scalars.sort(key=lambda scalar: (scalar.name != "frame_number", scalar.name))
        return heading(file), scalars


def scanned(scalars: list[Scalar], name: str | None, path: str | Path) -> Scalar:
    """The scalar that values are drawn over (None: the frame number); raises UserError without it."""
    by_name = {scalar.name: scalar for scalar in scalars}
    wanted = name or "frame_number"
    if wanted not in by_name:
        raise UserError(
            f"no scalar {wanted!r} to plot over",
            f"{path}, /entry/scalars",
            suggestion(wanted, by_name),
        )
    return by_name[wanted]


def read_factors(result_path: str | Path) -> tuple[str, list[Factor]]:
    """Heading, and what corrections take per frame: monitors before and behind the sample, transmission,
    thickness, as far as there are."""
    found = []
    with opened(result_path) as file:
        entry = file["entry"]
        scalars = member(entry, "scalars")
        steps = {name.split("_", 2)[-1]: name for name in entry if name.startswith("process_")}
        for step, meaning in (("flux", "before the sample"), ("absorption", "behind the sample")):
            if step in steps:
                name = member(entry[steps[step]], "input/monitor")[()].decode()
                unit = text_attribute(member(scalars, name), "units")
                values = read_array(scalars, name).astype(np.float64)
                found.append(Factor(name, meaning, values, None, unit))
        for step, name in (("absorption", "transmission"), ("thickness", "thickness")):
            if step in steps:
                group = entry[steps[step]]
                values, errors = read_array(group, name), read_array(group, f"{name}_errors")
                unit = text_attribute(group[name], "units")
                found.append(Factor(name, "", values, errors, unit))
        return heading(file), found
