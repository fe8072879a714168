"""From the configuration and the runs to the correction chain: which monitor, which background, in order.

Everything a run needs of others (dark, background, standard) comes as `RunData`; the reference r of the
sample run holds for them, too, so that all are on one scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.frame_selection import selected_frames
from scatterflow.saxswaxs.corrections import Chain, Factors
from scatterflow.saxswaxs.monitors import (
    OpenBeam,
    Readings,
    durations,
    listed_frames,
    mean_reference,
    monitor_readings,
    open_beam,
    transmission,
    violation,
)
from scatterflow.saxswaxs.pooled import PoolRun, pool
from scatterflow.saxswaxs.tasks import ResultTask


@dataclass(frozen=True)
class RunData:
    """A run as the corrections need it. container: its sums; scalars: (frames,) by name; valid: (frames,)
    bool; settings: its corrections as they apply (None: left out); dark, background: names of runs."""

    run: str
    container: Any
    scalars: Mapping[str, np.ndarray]
    valid: np.ndarray
    settings: Mapping[str, Any]
    dark: tuple[str, ...] = ()
    background: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The run in messages."""
        return f"run {self.run}"


@dataclass(frozen=True)
class Step:
    """One correction as the result shows it. formula: of this step alone; parameters: inputs, reference;
    fields: {name: (values, errors or None, unit)}, one value per frame or one for the run."""

    name: str
    formula: str
    parameters: dict[str, Any]
    fields: dict[str, tuple[Any, Any, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunCorrections:
    """The corrections of one run: factors, steps in order, reference r (None without flux)."""

    data: RunData
    factors: Factors
    steps: tuple[Step, ...]
    reference: float | None
    dark_runs: tuple[PoolRun, ...] = ()
    background_runs: tuple[tuple[PoolRun, tuple[PoolRun, ...]], ...] = ()
    dark_sets: tuple[tuple[str, ...], ...] = ()

    def chain(self, task: ResultTask) -> Chain:
        """The chain of one integration: its dark and background profiles are pooled now."""
        where = f"{self.data.where}, {task.name}"
        dark = pool(self.dark_runs, task, f"{where}, dark") if self.dark_runs else None
        if not self.background_runs:
            return Chain(self.factors, dark)
        runs = []
        for (run, darks), names in zip(self.background_runs, self.dark_sets, strict=True):
            same = names == self.data.dark
            own = dark if same else (pool(darks, task, f"{where}, dark") if darks else None)
            runs.append(replace(run, dark=own, own_dark=not same))
        return Chain(self.factors, dark, pool(runs, task, f"{where}, background"))


def run_corrections(
    data: RunData,
    others: Mapping[str, RunData],
    warnings: list[str],
    reference: float | None = None,
) -> RunCorrections:
    """The corrections of a run, all but the absolute scale.

    others: runs by name, at least those that `data` names; warnings: receives what `on_violation: warn`
    lets pass; reference: r of the run that this one is compared with, None: its own.
    Raises UserError naming run and frames for readings that cannot be right.
    """
    settings = data.settings
    factors = Factors.neutral(data.valid.size)
    steps: list[Step] = []
    darks: tuple[PoolRun, ...] = ()
    if settings["dark"] is not None:
        darks, amount = _dark_runs(data, others)
        factors = replace(factors, dark=amount)
        steps.append(_dark_step(data, amount))
    incident = None
    if settings["flux"] is not None:
        incident, reference = _incident(data, reference, warnings)
        factors = replace(
            factors, flux=reference / incident.values, incident=incident.relative_variance
        )
        steps.append(_flux_step(data, factors, reference))
    backgrounds = [others[name] for name in data.background]
    used = [_selected(other, _background_frames(data)) for other in backgrounds]
    readings = [
        _background_incident(data, other, frames, warnings)
        for other, frames in zip(backgrounds, used, strict=True)
    ]
    if settings["absorption"] is not None:
        assert incident is not None  # the configuration asks for `flux`
        behind = zip(backgrounds, readings, used, strict=True)
        factors, beam = _absorption(data, factors, incident, list(behind), warnings)
        steps.append(_absorption_step(data, factors, beam))
    pooled = []
    if settings["background"] is not None:
        for other, reading, frames in zip(backgrounds, readings, used, strict=True):
            pooled.append(_background_run(other, others, reading, reference, frames))
        factors = replace(
            factors,
            scale=settings["background"]["scale"],
            scale_variance=settings["background"]["scale_uncertainty"] ** 2,
            beam_incident=_sum_variance(readings, [run.used for run, _ in pooled]),
        )
        steps.append(_background_step(data, pooled))
    if settings["thickness"] is not None:
        factors = _with_thickness(data, factors, warnings)
        steps.append(_thickness_step(data, factors))
    return RunCorrections(
        data,
        factors,
        tuple(steps),
        reference,
        darks,
        tuple(pooled),
        tuple(other.dark for other in backgrounds) if pooled else (),
    )


# Dark ----------------------------------------------------------------------------------------------


def _dark_runs(
    data: RunData, others: Mapping[str, RunData]
) -> tuple[tuple[PoolRun, ...], np.ndarray]:
    """The dark runs of a run, to be pooled, and how much of their profile each frame holds."""
    settings = data.settings["dark"]
    by_exposure = settings["scale"] == "exposure"
    runs = []
    for name in data.dark:
        other = others[name]
        exposure = np.ones(other.valid.size)
        if by_exposure:
            exposure = _seconds(other, settings["exposure"])
        runs.append(PoolRun(other.container, exposure, other.valid, np.zeros(other.valid.size)))
    if by_exposure:
        return tuple(runs), _seconds(data, settings["exposure"])
    return tuple(runs), np.full(data.valid.size, float(settings["scale"]))


def _seconds(data: RunData, name: str) -> np.ndarray:
    return durations(data.scalars[name], name, data.valid, data.where)


def _dark_step(data: RunData, amount: np.ndarray) -> Step:
    settings = data.settings["dark"]
    meaning = "counts per second" if settings["scale"] == "exposure" else "counts per frame"
    return Step(
        "dark",
        "I - a D",
        {**settings, "runs": list(data.dark), "D": f"mean profile of the dark runs, {meaning}"},
        {"dark_factor": (amount, None, "s" if settings["scale"] == "exposure" else "")},
    )


# Flux ----------------------------------------------------------------------------------------------


def _incident(
    data: RunData, reference: float | None, warnings: list[str]
) -> tuple[Readings, float]:
    """Readings of the incident monitor, and r."""
    settings = data.settings["flux"]
    readings = monitor_readings(
        data.scalars[settings["monitor"]], settings, data.valid, data.where, warnings
    )
    if reference is not None:
        return readings, reference
    if settings["reference"] != "mean":
        return readings, float(settings["reference"])
    seconds = None
    if settings["dwell_time"] is not None:
        seconds = _seconds(data, settings["dwell_time"])
    return readings, mean_reference(readings, seconds, data.valid)


def _flux_step(data: RunData, factors: Factors, reference: float) -> Step:
    settings = data.settings["flux"]
    errors = factors.flux * np.sqrt(factors.incident)
    return Step(
        "flux",
        "I r / I0",
        {**settings, "reference_used": reference},
        {"flux_factor": (factors.flux, errors, "")},
    )


# Absorption ----------------------------------------------------------------------------------------


def _absorption(
    data: RunData,
    factors: Factors,
    incident: Readings,
    backgrounds: list[tuple[RunData, Readings | None, np.ndarray]],
    warnings: list[str],
) -> tuple[Factors, OpenBeam]:
    settings = data.settings["absorption"]
    transmitted = monitor_readings(
        data.scalars[settings["monitor"]], settings, data.valid, data.where, warnings
    )
    relative = settings["reference"] == "background"
    if relative:
        runs = []
        for other, reading, used in backgrounds:
            assert reading is not None
            behind = monitor_readings(
                other.scalars[settings["monitor"]], settings, used, other.where, warnings
            )
            runs.append((reading, behind, used))
        beam = open_beam(runs, data.where)
    else:
        beam = OpenBeam(float(settings["reference"]))
    return replace(
        factors,
        transmission=transmission(
            incident, transmitted, beam, settings, data.valid, data.where, warnings
        ),
        transmitted=transmitted.relative_variance,
        absorbed=True,
        beam=relative,
        beam_incident=beam.incident_variance,
        beam_transmitted=beam.transmitted_variance,
    ), beam


def _transmission_variance(factors: Factors) -> np.ndarray:
    """Relative variance of T per frame, its shared part included."""
    shared = factors.beam_incident + factors.beam_transmitted if factors.beam else 0.0
    return factors.incident + factors.transmitted + shared


def _absorption_step(data: RunData, factors: Factors, beam: OpenBeam) -> Step:
    settings = data.settings["absorption"]
    errors = factors.transmission * np.sqrt(_transmission_variance(factors))
    runs = list(data.background) if settings["reference"] == "background" else []
    return Step(
        "absorption",
        "I / T, T = (I1 / I0) / (I1b / I0b)",
        {**settings, "open_beam_ratio_used": beam.ratio, "runs": runs},
        {"transmission": (factors.transmission, errors, "")},
    )


# Background ----------------------------------------------------------------------------------------


def _background_frames(data: RunData) -> str:
    settings = data.settings["background"]
    return "all" if settings is None else settings["frames"]


def _background_incident(
    data: RunData, other: RunData, used: np.ndarray, warnings: list[str]
) -> Readings | None:
    """Readings of a background run; those of frames that are not used may be anything."""
    settings = data.settings["flux"]
    if settings is None:
        return None
    values = other.scalars[settings["monitor"]]
    return monitor_readings(values, settings, used, other.where, warnings)


def _selected(other: RunData, frames: str) -> np.ndarray:
    """Frames of a background run that are used, (frames,) bool."""
    items = selected_frames(frames)
    if items is None:
        return other.valid
    chosen = np.zeros(other.valid.size, dtype=bool)
    for first, last in items:
        if last >= chosen.size:
            raise UserError(
                f"background frame {last} does not exist: run {other.run} has frames 0 to "
                f"{chosen.size - 1}",
                "key corrections.background.frames",
                "correct the selection",
            )
        chosen[first : last + 1] = True
    return chosen & other.valid


def _background_run(
    other: RunData,
    others: Mapping[str, RunData],
    readings: Readings | None,
    reference: float | None,
    used: np.ndarray,
) -> tuple[PoolRun, tuple[PoolRun, ...]]:
    """A background run, to be pooled, and its dark runs."""
    exposure = np.ones(other.valid.size)
    if readings is not None and reference is not None:
        exposure = readings.values / reference
    used = used & np.isfinite(exposure)
    darks: tuple[PoolRun, ...] = ()
    amount = np.zeros(other.valid.size)
    if other.settings["dark"] is not None:
        darks, amount = _dark_runs(other, others)
    return PoolRun(other.container, exposure, used, amount), darks


def _sum_variance(readings: list[Readings | None], used: list[np.ndarray]) -> float:
    """Relative variance of the sum of the background's incident monitor, 0 without one."""
    total = variance = 0.0
    for reading, frames in zip(readings, used, strict=True):
        if reading is not None:
            values = reading.values[frames]
            total += float(np.sum(values))
            variance += float(np.sum(values**2 * reading.relative_variance[frames]))
    return variance / total**2 if total else 0.0


def _background_step(data: RunData, pooled: list[tuple[PoolRun, tuple[PoolRun, ...]]]) -> Step:
    frames = {
        name: np.flatnonzero(run.used).tolist()
        for name, (run, _) in zip(data.background, pooled, strict=True)
    }
    flux = data.settings["flux"]
    return Step(
        "background",
        "I - s Ib r / I0b, Ib r / I0b = sum(Ib) / sum(I0b / r) over the frames of the background runs",
        {
            **data.settings["background"],
            "runs": list(data.background),
            "frames_used": frames,
            "monitor": flux and flux["monitor"],
        },
    )


# Thickness -----------------------------------------------------------------------------------------


def _with_thickness(data: RunData, factors: Factors, warnings: list[str]) -> Factors:
    settings = data.settings["thickness"]
    variance = settings["uncertainty"] ** 2
    if settings["cm"] is not None:
        thickness = np.full(data.valid.size, float(settings["cm"]))
        return replace(factors, thickness=thickness, thickness_variance=variance)
    found = factors.transmission
    bad = np.flatnonzero(data.valid & (found >= 1))
    if bad.size:
        violation(
            data.settings["absorption"]["on_violation"],
            warnings,
            f"no thickness -ln T / mu: the transmission is 1 or more in {bad.size} of "
            f"{data.valid.sum()} frames: {listed_frames(bad, found)}",
            data.where,
            "give thickness.cm, leave these frames without value (absorption.on_violation: warn), or "
            "check the monitors",
        )
    logarithm = np.log(np.where(found < 1, found, np.nan))
    return replace(
        factors,
        thickness=-logarithm / settings["mu_per_cm"],
        thickness_slope=1.0 / logarithm,
        thickness_variance=variance,
    )


def _thickness_step(data: RunData, factors: Factors) -> Step:
    settings = data.settings["thickness"]
    relative = factors.thickness_slope**2 * _transmission_variance(factors)
    errors = factors.thickness * np.sqrt(relative + factors.thickness_variance)
    formula = "I / t" if settings["cm"] is not None else "I / t, t = -ln T / mu"
    return Step(
        "thickness", formula, dict(settings), {"thickness": (factors.thickness, errors, "cm")}
    )
