"""Units of fitted values and figures of merit, from those of the intensity and of the profile's axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scatterflow.kernels.profile_models import MODELS, PEAKS

# Power of the intensity's unit and of the axis's in the unit of each parameter.
_PARAMETERS = {
    "amplitude": (1, 0),
    "centre": (0, 1),
    "width": (0, 1),
    "fraction": (0, 0),
    "area": (1, 1),
    "value": (1, 0),
    "intercept": (1, 0),
    "slope": (1, -1),
    "curvature": (1, -2),
    "scale": (1, 0),
    "exponent": (0, 0),
    "rate": (0, -1),
}
_FIGURES = {
    "integral": {"": (1, 1)},
    "centroid": {"": (0, 1)},
    "maximum": {"": (1, 0)},
    "peak_position": {"": (0, 1)},
    "guinier": {"_rg": (0, -1), "_i0": (1, 0), "_qrg_max": (0, 0)},
    "porod": {"_exponent": (0, 0), "_background": (1, 0)},
}


def fit_units(settings: Mapping[str, Any], intensity: str, axis: str) -> dict[str, str]:
    """Unit of every value of a planned fit, by name."""
    units = {f"{settings['name']}_reduced_chi_square": ""}
    for component in settings["components"]:
        names = MODELS[component["model"]].parameters
        for name in (*names, "area") if component["model"] in PEAKS else names:
            key = f"{settings['name']}_{component['name']}_{name}"
            if component["model"] == "power_law" and name == "scale":
                units[key] = _law_unit(component["parameters"], intensity, axis)
            else:
                units[key] = combined(intensity, axis, *_PARAMETERS[name])
    return units


def figure_units(settings: Mapping[str, Any], intensity: str, axis: str) -> dict[str, str]:
    """Unit of every value of a planned figure of merit, by name."""
    if settings["type"] == "expression":
        return {settings["name"]: settings["unit"]}
    units = {
        f"{settings['name']}{ending}": combined(intensity, axis, *powers)
        for ending, powers in _FIGURES[settings["type"]].items()
    }
    if settings["type"] == "porod":
        given = settings["exponent"]
        law = {} if given == "fit" else {"exponent": {"initial": given, "fixed": True}}
        units[f"{settings['name']}_constant"] = _law_unit(law, intensity, axis)
    return units


def proportional(settings: Mapping[str, Any]) -> set[str]:
    """Names of the values of a planned fit or figure that are proportional to the intensity."""
    name = settings["name"]
    if "components" in settings:
        return {
            f"{name}_{component['name']}_{parameter}"
            for component in settings["components"]
            for parameter in (*MODELS[component["model"]].parameters, "area")
            if _PARAMETERS[parameter][0]
        }
    endings = {**_FIGURES[settings["type"]], "_constant": (1, 0)}
    return {f"{name}{ending}" for ending, (power, _) in endings.items() if power}


def _law_unit(parameters: Mapping[str, Any], intensity: str, axis: str) -> str:
    """Unit of the factor of a power law: known if the exponent is fixed to a whole number."""
    exponent = parameters.get("exponent", {})
    if exponent.get("fixed") and float(exponent["initial"]).is_integer():
        return combined(intensity, axis, 1, int(exponent["initial"]))
    return "arbitrary units"


def combined(intensity: str, axis: str, of_intensity: int, of_axis: int) -> str:
    """`1/cm`, `1/angstrom`, 1, 4 -> `1/cm*angstrom^-4`; arbitrary units stay arbitrary."""
    if of_intensity and intensity == "arbitrary units":
        return intensity
    factors = [intensity] if of_intensity and intensity else []
    symbol, sign = (axis[2:], -1) if axis.startswith("1/") else (axis, 1)
    power = sign * of_axis
    if not symbol or power == 0:
        return "".join(factors)
    if power == 1:
        return "*".join([*factors, symbol])
    if power == -1 and not factors:
        return f"1/{symbol}"
    return "*".join([*factors, f"{symbol}^{power}"])
