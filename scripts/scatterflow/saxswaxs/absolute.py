"""The absolute scale of a run: C for each detector, given or from a standard run, and its step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.saxswaxs.chain import RunCorrections, RunData, Step, run_corrections
from scatterflow.saxswaxs.corrections import Chain, Factors, MeanProfile, MeanResult, correct
from scatterflow.saxswaxs.merge import sums
from scatterflow.saxswaxs.standard_curves import standard_curve
from scatterflow.saxswaxs.standards import (
    AbsoluteFactor,
    fitted_factor,
    given_factor,
    scattering_vector,
)
from scatterflow.saxswaxs.tasks import ResultTask


def absolute_factors(
    corrections: RunCorrections,
    others: Mapping[str, RunData],
    tasks: Sequence[ResultTask],
    warnings: list[str],
) -> dict[str, AbsoluteFactor]:
    """C by detector; empty without absolute scale.

    The standard is corrected as its own run asks, but with the reference r of this one: C does not
    depend on r. Raises UserError for a standard that cannot be used.
    """
    settings = corrections.data.settings["absolute"]
    detectors = dict.fromkeys(task.detector for task in tasks)
    where = corrections.data.where
    if settings is None:
        return {}
    if settings["standard"] is None:
        return {name: given_factor(settings, name, where) for name in detectors}
    data = others[settings["run"]]
    data = replace(data, settings={**data.settings, "absolute": None})
    standard = run_corrections(data, others, warnings, corrections.reference)
    curve = standard_curve(
        settings["standard"], settings["temperature_celsius"], settings["uncertainty"]
    )
    found = {}
    for name in detectors:
        task = _comparison(tasks, name, settings["integration"])
        prepared = task.weights.settings
        radial = np.asarray(task.weights.radial_axis)
        wavelength = prepared["geometry"]["wavelength_m"]
        found[name] = fitted_factor(
            radial,
            scattering_vector(radial, prepared["unit"], wavelength),
            run_mean(standard, task),
            curve,
            settings,
            f"run {data.run}, {task.name}",
            warnings,
        )
    return found


def _comparison(tasks: Iterable[ResultTask], detector: str, integration: str) -> ResultTask:
    for task in tasks:
        if task.detector == detector and task.integration == integration:
            return task
    raise UserError(
        f"integration {integration!r} does not use detector {detector!r}, which has no absolute scale then",
        "key corrections.absolute.integration",
        "add the detector to this integration, or use `absolute.factor`",
    )


def run_mean(corrections: RunCorrections, task: ResultTask) -> MeanResult:
    """Corrected mean profile of a run."""
    mean = MeanProfile(task.bin_shape)
    for part in correct(sums(corrections.data.container, task), corrections.chain(task)):
        mean.update(part)
    return mean.finalize()


def scaled(chain: Chain, factor: AbsoluteFactor | None) -> Chain:
    """The chain with C."""
    if factor is None:
        return chain
    factors: Factors = replace(
        chain.factors, absolute=factor.value, absolute_variance=factor.relative_variance
    )
    return replace(chain, factors=factors)


def absolute_step(settings: Mapping[str, Any], factors: Mapping[str, AbsoluteFactor]) -> Step:
    """The step as the result shows it."""
    fields: dict[str, tuple[Any, Any, str]] = {
        f"factor_{name}": (
            np.float64(factor.value),
            np.float64(factor.value * np.sqrt(factor.relative_variance)),
            "",
        )
        for name, factor in factors.items()
    }
    found = {name: factor.parameters for name, factor in factors.items()}
    return Step("absolute", "C I", {**settings, "detectors": found}, fields)
