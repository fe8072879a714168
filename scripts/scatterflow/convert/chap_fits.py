"""CHAP's `fits` as `fits:` of a reduction.

    fits:
    - name: peak
      input_data_name: waxs                # an integration or a correction
      models:
      - {model: gaussian, parameters: [{name: center, value: 1.2, min: 1.0, max: 1.4}]}
      - {model: multipeak, centers: [2.1, 2.4], centers_range: 0.1, peak_models: lorentzian}
      - {model: linear}

CHAP's models are those of lmfit (https://lmfit.github.io, "Built-in fitting models"): the amplitude of a
peak is its area, sigma its width. Here a peak has its height and its full width at half maximum. Areas
are not translated: a height would need the width that the fit is to find.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from scatterflow.convert.chap_corrections import Chain
from scatterflow.convert.chap_integrations import integration_name
from scatterflow.convert.chap_scalars import scalar_name
from scatterflow.convert.notes import Notes
from scatterflow.errors import shortened

LONGEST_NAME = 40
MODELS = {
    "constant": "constant",
    "linear": "linear",
    "parabolic": "quadratic",
    "quadratic": "quadratic",
    "exponential": "exponential",
    "gaussian": "gaussian",
    "lorentzian": "lorentzian",
    "pvoigt": "pseudo_voigt",
}
# Full width at half maximum of sigma = 1.
WIDTHS = {"gaussian": 2 * math.sqrt(2 * math.log(2)), "lorentzian": 2.0, "pvoigt": 2.0}
NAMES = {
    "constant": {"c": "value"},
    "linear": {"slope": "slope", "intercept": "intercept"},
    "parabolic": {"a": "curvature", "b": "slope", "c": "intercept"},
    "quadratic": {"a": "curvature", "b": "slope", "c": "intercept"},
}


def convert_fits(
    fits: Sequence[dict[str, Any]],
    chains: Sequence[Chain],
    kinds: dict[str, str],
    notes: Notes,
) -> dict[str, dict[str, Any]]:
    """Fits of each reduction, {reduction: {name: fit}}; kinds: of the integrations, by name."""
    found: dict[str, dict[str, Any]] = {}
    for number, item in enumerate(fits, start=1):
        title = str(item.get("name") or item.get("title") or f"fit_{number}")
        key = f"fits {title}"
        source = str(item.get("input_data_name") or item.get("uncorrected_data_name") or "")
        chain, integration = _input(source, chains)
        if chain is None or kinds.get(integration) not in ("azimuthal", "radial"):
            notes.lose(f"{key}.input_data_name", f"{source!r} is no profile that there is")
            continue
        if chain.corrections and source not in chain.titles:
            notes.change(
                f"{key}.input_data_name", f"fitted after the corrections of {chain.name!r}"
            )
        components = _components(item.get("models"), key, notes)
        if components:
            fit = {"integration": integration, "components": components}
            fits_of_chain = found.setdefault(chain.name, {})
            if fits_of_chain.setdefault(scalar_name(title)[:LONGEST_NAME], fit) != fit:
                notes.lose(key, "there is a different fit of this name already")
        for other in sorted(set(item) - {"name", "title", "input_data_name", "models", "code"}):
            notes.lose(f"{key}.{other}", "not known")
    return found


def _input(source: str, chains: Sequence[Chain]) -> tuple[Chain | None, str]:
    """The reduction and integration that a name stands for: of a correction, or uncorrected first."""
    for chain in chains:
        if source in chain.titles and chain.integrations:
            return chain, chain.integrations[0]
    name = integration_name(source) if source else ""
    with_it = [chain for chain in chains if name in chain.integrations]
    plain = [chain for chain in with_it if not chain.corrections]
    return next(iter(plain or with_it), None), name


def _components(models: Any, key: str, notes: Notes) -> list[dict[str, Any]]:
    """All components; none if one cannot be translated, for the sum would be another model."""
    components: list[dict[str, Any]] = []
    for model in models if isinstance(models, list) else [models]:
        kind = model.get("model") if isinstance(model, dict) else model
        if kind == "multipeak":
            components += _peaks(model, key, notes)
        elif kind in MODELS:
            component: dict[str, Any] = {"model": MODELS[kind]}
            if parameters := _parameters(kind, model, key, notes):
                component["parameters"] = parameters
            components.append(component)
        else:
            notes.lose(f"{key}.models", f"there is no model like {shortened(kind)}: no fit")
            return []
    return components


def _peaks(model: dict[str, Any], key: str, notes: Notes) -> list[dict[str, Any]]:
    kind = model.get("peak_models") or "gaussian"
    if kind not in WIDTHS:
        notes.change(f"{key}.peak_models", f"{shortened(kind)}: gaussian is taken")
        kind = "gaussian"
    if model.get("fit_type") == "uniform":
        notes.lose(f"{key}.fit_type", "'uniform': each centre is fitted by itself")
    reach = model.get("centers_range")
    width = {
        ours: float(model[theirs])
        for ours, theirs in (("minimum", "fwhm_min"), ("maximum", "fwhm_max"))
        if model.get(theirs) is not None
    }
    components = []
    for centre in model.get("centers") or []:
        parameters: dict[str, Any] = {"centre": {"initial": float(centre)}}
        if reach:
            parameters["centre"] |= {
                "minimum": float(centre) - float(reach),
                "maximum": float(centre) + float(reach),
            }
        if width:
            parameters["width"] = dict(width)
        components.append({"model": MODELS[kind], "parameters": parameters})
    return components


def _parameters(kind: str, model: Any, key: str, notes: Notes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    given = model.get("parameters") if isinstance(model, dict) else None
    for parameter in given or []:
        name = str(parameter.get("name"))
        where = f"{key}.models {kind}.{name}"
        if parameter.get("expr"):
            notes.lose(f"{where}.expr", "parameters are not tied to each other")
        ours, convert = _translated(kind, name)
        if ours is None or convert is None:
            notes.lose(where, "an area or a scale of another meaning: the start value is estimated")
            continue
        if settings := _limits(parameter, convert):
            found[ours] = settings
    return found


def _translated(kind: str, name: str) -> tuple[str | None, Callable[[float], float] | None]:
    """Our name of a parameter and what its values become; None where there is none."""
    if kind in NAMES:
        return NAMES[kind].get(name), float
    if name == "center":
        return "centre", float
    if name == "sigma" and kind in WIDTHS:
        return "width", lambda value: WIDTHS[kind] * value
    if name == "fraction" and kind == "pvoigt":
        return "fraction", float
    if name == "amplitude" and kind == "exponential":
        return "scale", float
    if name == "decay" and kind == "exponential":
        return "rate", lambda value: 1 / value if value else math.inf
    return None, None


def _limits(parameter: dict[str, Any], convert: Callable[[float], float]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for ours, theirs in (("initial", "value"), ("minimum", "min"), ("maximum", "max")):
        value = parameter.get(theirs)
        if (
            value is not None
            and math.isfinite(float(value))
            and math.isfinite(convert(float(value)))
        ):
            settings[ours] = convert(float(value))
    low, high = settings.get("minimum"), settings.get("maximum")
    if low is not None and high is not None and low > high:  # the reciprocal of a range descends
        settings |= {"minimum": high, "maximum": low}
    if parameter.get("vary") is False and "initial" in settings:
        settings["fixed"] = True
    return settings
