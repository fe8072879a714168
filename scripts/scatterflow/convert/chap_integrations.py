"""CHAP's `integrations` as ours.

    integrations:
    - name: waxs
      integration_method: integrate1d            # integrate2d, integrate_radial
      multi_geometry: {ais: [PIL9], unit: q_A^-1, radial_range: [0, 5]}
      integration_params: {npt: 1000, method: bbox}

CHAP integrates through pyFAI's MultiGeometry (1-D, 2-D: intensity per steradian, all detectors merged)
or `integrate_radial` (intensity per pixel, means of the detectors added up). Its azimuths run as
pyFAI's; `right_handed` flips the intensities and not the axis.
"""

from __future__ import annotations

from typing import Any

from scatterflow.config.base import check_name
from scatterflow.convert.notes import Notes
from scatterflow.errors import UserError, shortened, suggestion
from scatterflow.plan.discovery import valid_name

KINDS = {"integrate1d": "azimuthal", "integrate2d": "cake", "integrate_radial": "radial"}
UNIT = "q_A^-1"
KNOWN_PARAMETERS = {
    *("npt", "npt_rad", "npt_azim", "method", "error_model", "ais", "unit", "radial_unit"),
    *("radial_range", "azimuth_range"),
}
KNOWN_GEOMETRY = {
    *("ais", "unit", "radial_range", "azimuth_range", "chi_disc", "empty", "wavelength"),
}
# Every detector of an integration adds to its bins, signal and normalisation apart.
MERGED = {"merge": True}
PER_STERADIAN = {"intensity": "per_steradian"}
# CHAP's `right_handed`: azimuths run the other way round than pyFAI's.
REVERSED = {"azimuth_direction": "reversed"}


def convert_integrations(
    pyfai: dict[str, Any], detectors: dict[str, str], notes: Notes
) -> dict[str, dict[str, Any]]:
    """Integrations by name; detectors: our names by id. Raises UserError for what cannot be meant."""
    found: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(pyfai.get("integrations") or []):
        title = str(item.get("name") or f"integration_{index + 1}")
        key = f"integrations {title}"
        name = integration_name(title)
        if name != title:
            notes.change(f"{key}.name", f"is called {name!r}")
        if name in found:
            raise UserError(f"two integrations are called {name!r}", f"key {key}", "rename one")
        found[name] = _integration(item, key, detectors, notes)
    if not found:
        raise UserError("there is no integration", "key integrations", "give at least one")
    return found


def integration_name(title: str) -> str:
    """A name as it can be used here."""
    try:
        return check_name(title)
    except ValueError:
        return valid_name(title)


def splitting(method: Any) -> str:
    """How a pyFAI method shares pixels among bins: no, bbox or full.

    method: "splitpixel", "csr", ("bbox", "csr", "cython"), ...; None: pyFAI's usual one.
    """
    if method is None:
        return "full"
    if isinstance(method, list | tuple):
        split = str(method[0]).lower() if method else "full"
        return {"*": "bbox", "pseudo": "full"}.get(split, split)
    word = str(method).lower()
    if "bbox" in word:
        return "bbox"
    if "nosplit" in word or word in ("no", "numpy", "cython", "histogram"):
        return "no"
    if "full" in word or "splitpixel" in word:
        return "full"
    return "bbox"  # csr, lut, csc


def _integration(
    item: dict[str, Any], key: str, detectors: dict[str, str], notes: Notes
) -> dict[str, Any]:
    method = item.get("integration_method")
    if method not in KINDS:
        raise UserError(
            f"integration_method is {shortened(method)}",
            f"key {key}",
            suggestion(str(method), KINDS),
        )
    kind = KINDS[method]
    geometry = item.get("multi_geometry") or {}
    parameters = item.get("integration_params") or {}
    _note_unknown(key, item, geometry, parameters, notes)
    # Radial integrations have a block of their own, and take over what they lack.
    ranges = {**geometry, **parameters} if kind == "radial" else geometry
    used = _detectors(ranges.get("ais"), key, detectors)
    found: dict[str, Any] = {"kind": kind, "detectors": used}
    found["unit"] = str(
        (parameters.get("radial_unit") if kind == "radial" else geometry.get("unit")) or UNIT
    )
    found |= _ranges(kind, ranges, key, notes)
    found["split"] = _split(kind, parameters, key, notes)
    found |= _bins(kind, parameters, key, notes)
    found |= _scale(kind, len(used), key, notes)
    found |= _direction(kind, item, found, key, notes)
    _note_errors(parameters, key, notes)
    return found


def _detectors(ais: Any, key: str, detectors: dict[str, str]) -> list[str]:
    wanted = list(detectors) if ais is None else ais if isinstance(ais, list) else [ais]
    for identity in wanted:
        if str(identity) not in detectors:
            raise UserError(
                f"there is no detector {identity!r}",
                f"key {key}.ais",
                suggestion(str(identity), detectors),
            )
    return [detectors[str(identity)] for identity in wanted]


def _ranges(kind: str, values: dict[str, Any], key: str, notes: Notes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    radial = values.get("radial_range")
    if radial is None and kind != "radial":
        radial = [0, 180]  # MultiGeometry's default, whatever the unit
        notes.change(
            f"{key}.radial_range",
            "was left out: CHAP takes [0, 180] in the radial unit, where most bins are empty; so it is here",
        )
    if radial is not None:
        found["radial_range"] = [float(value) for value in radial]
    azimuth = [float(value) for value in values.get("azimuth_range") or (-180, 180)]
    # Azimuthal bins span the range; left out, they would span what the detectors cover.
    if kind != "azimuthal" or azimuth[1] - azimuth[0] < 360:
        found["azimuth_range"] = azimuth
    disc = values.get("chi_disc", 180)
    if disc in (0, 180):
        found["chi_discontinuity"] = int(disc)
    else:
        notes.lose(f"{key}.chi_disc", f"{disc}: it can be 0 or 180")
    if values.get("empty") not in (None, 0):
        notes.lose(f"{key}.empty", "bins without pixels are NaN")
    elif kind != "radial":
        notes.change(f"{key}.empty", "bins without pixels are NaN, in CHAP 0")
    return found


def _split(kind: str, parameters: dict[str, Any], key: str, notes: Notes) -> str:
    method = parameters.get("method", "csr" if kind == "radial" else None)
    split = splitting(method)
    if split not in ("no", "bbox", "full"):
        notes.lose(f"{key}.method", f"{method!r}; pixels are split by their bounding box")
        return "bbox"
    return split


def _bins(kind: str, parameters: dict[str, Any], key: str, notes: Notes) -> dict[str, Any]:
    if kind == "cake":
        return {
            "radial_bins": int(parameters.get("npt_rad", 1800)),
            "azimuthal_bins": int(parameters.get("npt_azim", 3600)),
        }
    bins: dict[str, Any] = {"bins": int(parameters.get("npt", 1800))}
    if kind == "radial":
        bins["radial_bins"] = 100
        if parameters.get("npt_rad") not in (None, 100):
            notes.change(f"{key}.npt_rad", "CHAP drops it and takes 100; so it is here")
        unit = parameters.get("unit")
        if unit in ("chi_deg", "chi_rad"):
            bins["azimuthal_unit"] = unit
        elif unit is not None:
            notes.lose(f"{key}.unit", f"{unit!r} is no unit of azimuths; degrees are taken")
    return bins


def _scale(kind: str, detectors: int, key: str, notes: Notes) -> dict[str, Any]:
    found: dict[str, Any] = {} if kind == "radial" else dict(PER_STERADIAN)
    if detectors > 1:
        found |= MERGED
        if kind == "radial":
            notes.change(
                key,
                "detectors are merged, signal and normalisation apart; CHAP adds up their means, "
                "which is too much where two see the same azimuth",
            )
    return found


def _direction(
    kind: str, item: dict[str, Any], found: dict[str, Any], key: str, notes: Notes
) -> dict[str, Any]:
    if kind == "azimuthal" or item.get("right_handed", True) is False:
        return {}
    low, high = found["azimuth_range"]
    if low + high:
        # The pixels stay the same; their azimuths are those of the flipped axis.
        found["azimuth_range"] = [-high, -low]
        notes.change(
            f"{key}.right_handed",
            f"CHAP flips the intensities and not the axis: what it shows from {low:g} to {high:g} degrees "
            f"is at {-high:g} to {-low:g}; so it is here",
        )
    return dict(REVERSED)


def _note_errors(parameters: dict[str, Any], key: str, notes: Notes) -> None:
    model = parameters.get("error_model")
    if model not in (None, "poisson"):
        notes.lose(f"{key}.error_model", f"{model!r}; uncertainties are of counting statistics")
    notes.change("integrations", "results have uncertainties; CHAP throws them away")


def _note_unknown(
    key: str,
    item: dict[str, Any],
    geometry: dict[str, Any],
    parameters: dict[str, Any],
    notes: Notes,
) -> None:
    for name in sorted(set(geometry) - KNOWN_GEOMETRY):
        notes.lose(f"{key}.multi_geometry.{name}", "not known")
    for name in sorted(set(parameters) - KNOWN_PARAMETERS):
        notes.lose(f"{key}.integration_params.{name}", "CHAP does not use it either")
    known = {"name", "integration_method", "multi_geometry", "integration_params"}
    for name in sorted(set(item) - known - {"right_handed", "input_name"}):
        notes.lose(f"{key}.{name}", "not known")
