"""Guinier and Porod analyses of profiles, frame by frame.

    Guinier   I(q) = I0 exp(-q^2 Rg^2 / 3),  q Rg < 1.3 at most     A. Guinier, Ann. Phys. 12 (1939) 161
    Porod     I(q) = constant q^-exponent + background              G. Porod, Kolloid-Z. 124 (1951) 83

Both are fitted to the intensities themselves, weighted with their standard errors, and not to logarithms:
those of noisy intensities are biased, and there are none of negative ones. For smooth surfaces (exponent
4) the constant is 2 pi (difference of scattering length densities)^2 surface / volume, if the intensity is
absolute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scatterflow.saxswaxs.fits import (
    ABOVE_LIMIT,
    NO_DECAY,
    Profiles,
    Values,
    fit_profiles,
    masked,
)

FEWEST_BINS = 5
"""Bins that the range of an iterated Guinier analysis keeps."""


def guinier(settings: Mapping[str, Any], profiles: Profiles) -> Values:
    """Radius of gyration `NAME_rg`, `NAME_i0`, and the largest q Rg of the bins used, `NAME_qrg_max`."""
    name = settings["name"]
    result, used = _guinier_fit(name, profiles), profiles
    if settings["iterate"]:
        # Each round takes at least one bin from every frame that is not yet within the limit.
        for _ in range(profiles.x.size):
            too_far = result.success & (result.values[f"{name}_qrg_max"] > settings["limit"])
            keep = _within_limit(used, result.values[f"{name}_rg"], settings["limit"])
            enough = np.count_nonzero(keep & np.isfinite(used.intensity), axis=1) >= FEWEST_BINS
            shrunk = too_far & enough
            if not shrunk.any():
                break
            cut = shrunk[:, None] & ~keep
            used = replace(used, intensity=np.where(cut, np.nan, used.intensity))
            result = _guinier_fit(name, used)
    reach = result.values[f"{name}_qrg_max"].copy()
    result.status[result.success & (reach > settings["limit"])] = ABOVE_LIMIT
    result = masked(result)
    # What the range was too wide by is the one number that helps to mend it.
    result.values[f"{name}_qrg_max"] = reach
    return result


def _guinier_fit(name: str, profiles: Profiles) -> Values:
    component = {"model": "guinier", "name": "guinier", "parameters": {}}
    fitted = fit_profiles({"name": name, "components": [component]}, profiles)
    third, error = fitted.values[f"{name}_guinier_third"], fitted.errors[f"{name}_guinier_third"]
    fitted.status[fitted.success & ~(third > 0)] = NO_DECAY
    radius = np.sqrt(3 * np.where(third > 0, third, np.nan))
    last = np.max(np.where(np.isfinite(profiles.intensity), profiles.x, -np.inf), axis=1)
    result = Values(
        fitted.status,
        {
            f"{name}_rg": radius,
            f"{name}_i0": fitted.values[f"{name}_guinier_i0"],
            f"{name}_qrg_max": radius * np.where(np.isfinite(last), last, np.nan),
        },
        # Rg = sqrt(3 third), so dRg = 3 / (2 Rg) dthird
        {f"{name}_rg": 1.5 / radius * error, f"{name}_i0": fitted.errors[f"{name}_guinier_i0"]},
    )
    return masked(result)


def _within_limit(profiles: Profiles, radius: np.ndarray, limit: float) -> np.ndarray:
    """(frames, bins) bool: bins at which q Rg keeps to the limit."""
    return profiles.x * np.nan_to_num(radius)[:, None] <= limit


def porod(settings: Mapping[str, Any], profiles: Profiles) -> Values:
    """`NAME_constant`, and `NAME_exponent` and `NAME_background` where they are fitted."""
    name = settings["name"]
    fitted = fit_profiles({"name": name, "components": porod_components(settings)}, profiles)
    names = {f"{name}_law_scale": f"{name}_constant"}
    if settings["exponent"] == "fit":
        names[f"{name}_law_exponent"] = f"{name}_exponent"
    if settings["background"] == "fit":
        names[f"{name}_background_value"] = f"{name}_background"
    return Values(
        fitted.status,
        {new: fitted.values[old] for old, new in names.items()},
        {new: fitted.errors[old] for old, new in names.items()},
    )


def porod_components(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The components of a Porod analysis, as those of a fit."""
    exponent = settings["exponent"]
    fixed = {} if exponent == "fit" else {"exponent": {"initial": exponent, "fixed": True}}
    components: list[dict[str, Any]] = [{"model": "power_law", "name": "law", "parameters": fixed}]
    if settings["background"] == "fit":
        components.append({"model": "constant", "name": "background", "parameters": {}})
    return components
