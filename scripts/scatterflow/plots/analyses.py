"""What the figures read from an analysis file (`analysis.nxs`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scatterflow.files.hdf5 import reading
from scatterflow.plots.results import PlotAxis


@dataclass(frozen=True)
class FrameValue:
    """One fitted value or figure of merit per frame; errors are None where there are none."""

    name: str
    values: np.ndarray
    errors: np.ndarray | None
    unit: str


@dataclass(frozen=True)
class FitCurves:
    """Curves of some frames of a fit, (frames, bins); data_errors are None where there are none."""

    frames: np.ndarray
    x: PlotAxis
    data: np.ndarray
    data_errors: np.ndarray | None
    best_fit: np.ndarray
    intensity_label: str


def read_values(analysis: str | Path, names: list[str]) -> list[FrameValue]:
    """Values per frame by name; those that the file lacks are left out."""
    with reading(analysis) as file:
        group = file["entry/per_frame"]
        return [
            FrameValue(
                name,
                group[name][()],
                group[f"{name}_errors"][()] if f"{name}_errors" in group else None,
                str(group[name].attrs["units"]),
            )
            for name in names
            if name in group
        ]


def read_status(analysis: str | Path, name: str) -> list[str]:
    """What became of a fit or figure in every frame, in words; empty where it succeeded."""
    with reading(analysis) as file:
        meanings = json.loads(file["entry/status"].attrs["meanings"])
        return ["" if code == 0 else meanings[code] for code in file[f"entry/status/{name}"][()]]


def read_curves(analysis: str | Path, fit: str, frames: np.ndarray) -> FitCurves:
    """Data and best fit of some frames, in increasing order of the frames."""
    with reading(analysis) as file:
        group = file[f"entry/fit_{fit}"]
        name = next(axis for axis in group.attrs["axes"] if axis != ".")
        axis = group[name]
        x = PlotAxis(
            axis[()],
            str(axis.attrs["long_name"]),
            str(axis.attrs["units"]),
            str(axis.attrs.get("pyfai_unit", "")),
        )
        errors = group["data_errors"][frames] if "data_errors" in group else None
        return FitCurves(
            frames,
            x,
            group["data"][frames],
            errors,
            group["best_fit"][frames],
            str(group["data"].attrs["long_name"]),
        )
