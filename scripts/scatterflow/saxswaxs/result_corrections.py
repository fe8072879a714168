"""The corrections in a result: an NXprocess for each step, with formula, inputs and factors."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.files.nexus import add_process
from scatterflow.files.provenance import software
from scatterflow.saxswaxs.chain import Step

UNCERTAINTY = (
    "errors of a frame hold what is independent from frame to frame (counts, monitor readings) and what "
    "all frames of the run share (dark, background and its monitors, scale, thickness, absolute factor); "
    "in the mean over frames the first shrinks with their number, the second stays"
)


def write_steps(entry: h5py.Group, steps: Sequence[Step], date: str) -> None:
    """Groups process_2_..., process_3_... of an NXentry."""
    for index, step in enumerate(steps, start=2):
        process = add_process(
            entry,
            process_name(index, step),
            index,
            software(),
            date,
            step.parameters,
            formula=step.formula,
            note=UNCERTAINTY,
        )
        for name, (values, errors, unit) in step.fields.items():
            write_array(process, name, values, units=unit)
            if errors is not None:
                write_array(process, f"{name}_errors", errors, units=unit)


def process_name(index: int, step: Step) -> str:
    """Name of a step's group."""
    return f"process_{index}_{step.name}"


def link_factors(data: h5py.Group, steps: Sequence[Step]) -> None:
    """Per-frame factors as further coordinates of the frame axis of an NXdata."""
    for index, step in enumerate(steps, start=2):
        for name, (values, _, _) in step.fields.items():
            if np.ndim(values) == 1 and name not in data:
                data[name] = h5py.SoftLink(f"/entry/{process_name(index, step)}/{name}")
                data.attrs[f"{name}_indices"] = 0
