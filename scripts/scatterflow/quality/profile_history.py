"""Profiles of a saxswaxs result against those of earlier runs of the sample: intensity and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from scatterflow.files.hdf5 import reading
from scatterflow.quality.checks import Finding, Measure, unknown
from scatterflow.quality.history import against_history, too_short
from scatterflow.quality.structure import integrations

SIGNIFICANT = 3.0
"""Bins of a profile that are compared with history stand so many standard errors above 0."""

Profile = tuple[np.ndarray, np.ndarray, np.ndarray]


def profile_measures(
    own: Mapping[str, Profile], history: Sequence[str | Path]
) -> dict[str, Measure]:
    """Checks against history by name. own: `read_profiles`; history: results of earlier runs."""
    others = [other for path in history if (other := _other_profiles(path, own))]
    return {
        "history_intensity": partial(_intensity, own, others),
        "history_shape": partial(_shape, own, others),
    }


def read_profiles(file: h5py.File) -> dict[str, Profile]:
    """(axis, mean intensity, error) of each azimuthal integration."""
    found = {}
    for task in integrations(file):
        group = file[f"entry/{task}"]
        if str(group.attrs.get("kind")) != "azimuthal" or "mean/I" not in group:
            continue
        intensity = group["mean/I"][()].astype(np.float64)
        errors = (
            group["mean/I_errors"][()] if "mean/I_errors" in group else np.zeros_like(intensity)
        )
        found[task] = group["mean/radial_axis"][()], intensity, errors
    return found


def _other_profiles(path: str | Path, own: Mapping[str, Profile]) -> dict[str, np.ndarray]:
    """Mean intensities of another run on the same axes."""
    with reading(path) as file:
        found = read_profiles(file)
    return {
        task: found[task][1]
        for task, (axis, _, _) in own.items()
        if task in found and np.array_equal(found[task][0], axis)
    }


def _ratios(
    own: Mapping[str, Profile], others: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, tuple[np.ndarray, float]]:
    """By integration: intensity over the median of history in bins that matter, and the ratio's noise."""
    found = {}
    for task, (_, intensity, errors) in own.items():
        earlier = np.array([other[task] for other in others if task in other])
        if too_short(len(earlier)) is not None:
            continue
        used = np.isfinite(earlier).all(axis=0) & np.isfinite(intensity) & (intensity > 0)
        usual = np.zeros(intensity.shape)
        usual[used] = np.median(earlier[:, used], axis=0)
        used &= (usual > 0) & (intensity > SIGNIFICANT * np.nan_to_num(errors))
        if used.sum() >= 10:
            noise = float(np.median(errors[used] / intensity[used]))
            found[task] = intensity[used] / usual[used], noise
    return found


def _intensity(
    own: Mapping[str, Profile], others: Sequence[Mapping[str, np.ndarray]], limit: Sequence[float]
) -> Finding:
    if (short := too_short(len(others))) is not None:
        return short
    found = {task: float(np.median(ratio)) for task, (ratio, _) in _ratios(own, others).items()}
    if not found:
        return unknown("Earlier runs of the sample have no profile on the same axis.")
    task = max(found, key=lambda name: abs(np.log(found[name])))
    return against_history("intensity", found[task], [1.0] * len(others), limit)


def _shape(
    own: Mapping[str, Profile], others: Sequence[Mapping[str, np.ndarray]], limit: float
) -> Finding:
    """Robust spread of the ratio over the bins, relative to its median, without that of counting."""
    if (short := too_short(len(others))) is not None:
        return short
    found = {}
    for task, (ratio, noise) in _ratios(own, others).items():
        spread = np.percentile(ratio / np.median(ratio), [15.865525393145707, 84.13447460685429])
        found[task] = np.sqrt(max(0.0, float(np.ptp(spread) / 2) ** 2 - 2 * noise**2))
    if not found:
        return unknown("Earlier runs of the sample have no profile on the same axis.")
    task = max(found, key=lambda name: found[name])
    value = float(found[task])
    return Finding(
        value,
        "bad" if value > limit else "fine",
        f"The profile of {task} differs in shape from the median of {len(others)} earlier runs of the sample "
        f"by {value:.2g}, relative.",
    )
