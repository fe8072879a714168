"""Beam monitors: readings with their variances, what they are held against, and the transmission.

    r = mean(I0) / mean(t)  over the valid frames of a run, or mean(I0) without durations t
    T = (I1 / I0) / R       R = sum(I1b) / sum(I0b) over the frames of the background

Ratios of sums, not means of ratios: these are biased where readings are few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.units import check_seconds

SHOWN = 5


@dataclass(frozen=True)
class Readings:
    """A monitor: its scalar's name; values and relative_variance (frames,) float64, NaN where refused."""

    name: str
    values: np.ndarray
    relative_variance: np.ndarray


@dataclass(frozen=True)
class OpenBeam:
    """R = I1 / I0 without sample, with the relative variances of both sums."""

    ratio: float
    incident_variance: float = 0.0
    transmitted_variance: float = 0.0


def violation(policy: str, warnings: list[str], what: str, where: str, how: str) -> None:
    """Stop with a UserError (`error`), or note it (`warn`)."""
    if policy == "error":
        raise UserError(what, where, how)
    warnings.append(f"{where}: {what}")


def listed_frames(frames: np.ndarray, values: np.ndarray) -> str:
    """`frame 3 (0.5), 7 (nan) and 2 more`; frames: (n,) numbers; values: (frames,) of all frames."""
    shown = ", ".join(f"{frame} ({values[frame]:g})" for frame in frames[:SHOWN])
    more = f" and {frames.size - SHOWN} more" if frames.size > SHOWN else ""
    return f"frame {shown}{more}"


def monitor_readings(
    values: np.ndarray,
    settings: Mapping[str, Any],
    valid: np.ndarray,
    where: str,
    warnings: list[str],
) -> Readings:
    """The readings of a monitor, checked.

    values: (frames,) in the monitor's unit; settings: monitor, minimum, uncertainty and on_violation of
    the configuration; valid: (frames,) bool, False for frames that need no reading: all detectors lack
    them, or they are not used. Raises UserError, or adds to `warnings`, for readings that are missing or
    too low.
    """
    values = np.asarray(values, dtype=np.float64)
    name, minimum = settings["monitor"], settings["minimum"]
    good = values > minimum  # NaN is not
    bad = np.flatnonzero(valid & ~good)
    if bad.size:
        violation(
            settings["on_violation"],
            warnings,
            f"monitor {name!r} is missing, or not above {minimum:g}, in {bad.size} of "
            f"{valid.sum()} frames: {listed_frames(bad, values)}",
            where,
            "correct the monitor's name or `minimum`, leave these frames without value "
            "(`on_violation: warn`), or switch the correction off",
        )
    if not (good & valid).any():
        raise UserError(
            f"monitor {name!r} has no reading above {minimum:g} in any valid frame",
            where,
            "correct the monitor's name or `minimum`",
        )
    values = np.where(good, values, np.nan)
    return Readings(name, values, _relative_variance(values, settings["uncertainty"]))


def _relative_variance(values: np.ndarray, uncertainty: str | float) -> np.ndarray:
    if uncertainty == "none":
        return np.zeros_like(values)
    if uncertainty == "counting":
        return 1.0 / values
    return np.full_like(values, float(uncertainty) ** 2)


def durations(values: np.ndarray, name: str, valid: np.ndarray, where: str) -> np.ndarray:
    """Durations of frames, (frames,) s; raises UserError unless those of valid frames are above 0."""
    values = np.asarray(values, dtype=np.float64)
    bad = np.flatnonzero(valid & ~(values > 0))
    if bad.size:
        raise UserError(
            f"duration {name!r} is missing or not above 0 in {bad.size} of {valid.sum()} frames: "
            f"{listed_frames(bad, values)}",
            where,
            "correct the scalar's name",
        )
    return np.where(values > 0, values, np.nan)


def check_durations(settings: Mapping[str, Any], units: Mapping[str, str], where: str) -> None:
    """Raise UserError if a scalar that corrections use as a duration is in another unit of time than s.

    settings: corrections as they apply to a run; units: of its scalars.
    """
    dark, flux = settings["dark"], settings["flux"]
    names = [dark["exposure"] if dark and dark["scale"] == "exposure" else None]
    names.append(flux["dwell_time"] if flux else None)
    for name in filter(None, names):
        check_seconds(name, units.get(name, ""), where)


def mean_reference(readings: Readings, seconds: np.ndarray | None, valid: np.ndarray) -> float:
    """r over the valid frames of the run: a reading, or with durations (frames,) a rate."""
    used = valid & np.isfinite(readings.values)
    total = float(np.sum(readings.values[used]))
    return total / (float(used.sum()) if seconds is None else float(np.sum(seconds[used])))


def open_beam(runs: Sequence[tuple[Readings, Readings, np.ndarray]], where: str) -> OpenBeam:
    """R of background runs, each (incident, transmitted, frames used (frames,) bool).

    where: the run that is corrected, for messages. Raises UserError if no frame has both readings.
    """
    sums = np.zeros(4)
    for incident, transmitted, used in runs:
        both = used & np.isfinite(incident.values) & np.isfinite(transmitted.values)
        for index, readings in enumerate((incident, transmitted)):
            values = readings.values[both]
            sums[index] += np.sum(values)
            sums[index + 2] += np.sum(values**2 * readings.relative_variance[both])
    if not sums[0] > 0:
        raise UserError(
            "no frame of the background has readings of both monitors: the transmission is relative to it",
            where,
            "check the monitors of the background run, or give corrections.absorption.reference a number",
        )
    return OpenBeam(
        float(sums[1] / sums[0]), float(sums[2] / sums[0] ** 2), float(sums[3] / sums[1] ** 2)
    )


def transmission(
    incident: Readings,
    transmitted: Readings,
    beam: OpenBeam,
    settings: Mapping[str, Any],
    valid: np.ndarray,
    where: str,
    warnings: list[str],
) -> np.ndarray:
    """T of each frame, (frames,); raises UserError, or adds to `warnings`, where it is above 1."""
    found = transmitted.values / incident.values / beam.ratio
    high = np.flatnonzero(valid & (found > 1 + settings["tolerance"]))
    if high.size:
        violation(
            settings["on_violation"],
            warnings,
            f"the transmission is above 1 in {high.size} of {valid.sum()} frames: "
            f"{listed_frames(high, found)}",
            where,
            f"check monitors {incident.name!r} and {transmitted.name!r} of the run and of its background, "
            "or raise corrections.absorption.tolerance",
        )
    return found
