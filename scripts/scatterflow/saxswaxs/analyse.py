"""Fits and figures of merit of every frame of a result file, written into an analysis file.

Frames stream through in blocks, each value of a frame depends on that frame's profile alone (expressions
may look at all frames), so nothing depends on how a run was cut into chunks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import reading, text_of, writing
from scatterflow.progress import progress
from scatterflow.saxswaxs.analysis_file import AnalysisFile, ProfileAxis
from scatterflow.saxswaxs.analysis_units import figure_units, fit_units, proportional
from scatterflow.saxswaxs.calculated import calculate
from scatterflow.saxswaxs.figures_of_merit import CUT_BINS, SIMPLE_FIGURES, overlapping_bins
from scatterflow.saxswaxs.fits import Profiles, Values, fit_profiles, used_bins
from scatterflow.saxswaxs.outdated import remove_after_analysis
from scatterflow.saxswaxs.scale import SCALE_ERROR, unshared
from scatterflow.saxswaxs.small_angle import guinier, porod

logger = logging.getLogger(__name__)

FIGURES = {**SIMPLE_FIGURES, "guinier": guinier, "porod": porod}
BLOCK_BYTES = 4_000_000
"""Profiles of about this size are read at a time; a fit needs some twenty times as much memory."""


def analyse_result(
    result: str | Path, analysis: str | Path, parameters: Mapping[str, Any], run: str
) -> None:
    """Write the analysis of a result file.

    parameters: `fits` and `figures` as planned. run: for errors and progress, `RUN/REDUCTION`.
    Raises UserError for a range without bins.
    """
    made = [("fit", item) for item in parameters["fits"]]
    made += [("figure", item) for item in parameters["figures"] if item["type"] != "expression"]
    with reading(result) as source, writing(analysis) as file:
        output = AnalysisFile(file, source, Path(result), parameters)
        tasks = list(dict.fromkeys(item["task"] for _, item in made))
        with progress(output.frames * len(tasks), f"analyse {run}", "profiles") as bar:
            for task in tasks:
                data = _data(source, task, result)
                parts = [part for part in made if part[1]["task"] == task]
                selected = [_prepared(kind, item, data, output, run) for kind, item in parts]
                scale = _scale_error(data)
                detector = text_of(data.parent.attrs["detector"])
                for _, item in parts if scale else ():
                    output.scale_errors.update(dict.fromkeys(proportional(item), scale))
                for rows, intensity, sigma in _blocks(data, scale):
                    for kind, item, bins, axis in selected:
                        own = Profiles(
                            axis.centres,
                            axis.edges,
                            intensity[:, bins],
                            None if sigma is None else sigma[:, bins],
                        )
                        found = _analysed(kind, item, own, run)
                        _add_scale_error(found, proportional(item), scale, detector)
                        output.add(kind, item, rows, found, own)
                    bar.add(rows.stop - rows.start)
        for item in parameters["figures"]:
            if item["type"] == "expression":
                output.begin_figure(item, figure_units(item, "", ""))
                output.add(
                    "figure",
                    item,
                    slice(0, output.frames),
                    calculate(item, *output.known_values(), output.frames),
                    None,
                )
        output.finish()
        for line in output.failures():
            logger.info(f"{run}: {line}")
    remove_after_analysis(analysis)


def _analysed(kind: str, item: Mapping[str, Any], profiles: Profiles, run: str) -> Values:
    analysis = fit_profiles if kind == "fit" else FIGURES[item["type"]]
    try:
        return analysis(item, profiles)
    except UserError as error:
        raise error.inside(f"{run}, {kind}s.{item['name']}") from None


def _prepared(
    kind: str, item: Mapping[str, Any], data: h5py.Group, output: AnalysisFile, run: str
) -> tuple[str, Mapping[str, Any], slice, ProfileAxis]:
    """A fit or figure with its bins and its axis; its place in the output is made."""
    axis = _axis(data)
    where = f"{run}, {kind}s.{item['name']}.range"
    bins = used_bins(item, axis.centres, axis.edges, where)
    if kind == "figure" and item["type"] in CUT_BINS:
        bins = overlapping_bins(item, axis.edges, where)
    used = ProfileAxis(
        axis.name,
        axis.centres[bins],
        axis.edges[bins.start : bins.stop + 1],
        axis.attributes,
    )
    intensity, unit = data["I"].attrs["units"], axis.attributes["units"]
    if kind == "fit":
        output.begin_fit(item, fit_units(item, intensity, unit), used, data)
    else:
        output.begin_figure(item, figure_units(item, intensity, unit))
    return kind, item, bins, used


def _data(source: h5py.File, task: str, result: str | Path) -> h5py.Group:
    entry = source["entry"]
    if task not in entry:
        known = [name for name, item in entry.items() if "integration" in item.attrs]
        raise UserError(f"no integration {task!r}", f"{result}, /entry", suggestion(task, known))
    return entry[task]["data"]


def _axis(data: h5py.Group) -> ProfileAxis:
    name = next(name for name in ("radial_axis", "azimuthal_axis") if name in data)
    attributes = {key: text_of(value) for key, value in data[name].attrs.items()}
    return ProfileAxis(name, data[name][()], data[f"{name}_edges"][()], attributes)


def _scale_error(data: h5py.Group) -> float:
    """Relative standard error of the scale of all intensities: of thickness and absolute factor."""
    return float(data["I_errors"].attrs.get(SCALE_ERROR, 0.0)) if "I_errors" in data else 0.0


def _add_scale_error(found: Values, names: set[str], relative: float, detector: str) -> None:
    """What a scale that is off changes in values proportional to the intensity: all frames alike."""
    if relative == 0:
        return
    for name in names & found.errors.keys():
        # A parameter without an error of its own is fixed.
        part = np.where(found.errors[name] > 0, relative * found.values[name], 0.0)
        found.errors[name] = np.hypot(found.errors[name], part)
        found.scale[name] = {detector: part}


def _blocks(
    data: h5py.Group, scale_error: float
) -> Iterator[tuple[slice, np.ndarray, np.ndarray | None]]:
    """Rows, intensities and standard errors (None if the result has none) of blocks of frames.

    The errors are without that of the scale, which does not average over bins.
    """
    signal, errors = data["I"], data.get("I_errors")
    frames, bins = signal.shape
    stored = signal.chunks[0] if signal.chunks else 1
    # Whole stored chunks, so that none is decompressed twice.
    step = stored * max(1, BLOCK_BYTES // (8 * bins * stored))
    for start in range(0, frames, step):
        rows = slice(start, min(start + step, frames))
        intensity = signal[rows]
        if errors is None:
            yield rows, intensity, None
        else:
            yield rows, intensity, unshared(errors[rows], intensity, scale_error)
