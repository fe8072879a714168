"""CHAP's per-point values (`independent_dimensions`, `scalar_data`, monitors) as scalars of a source.

A value is {label, units, name, data_type}; the data types are ours, with the same meaning, down to
`spec_motor`, which counts from the position before the scan.
"""

from __future__ import annotations

import re
from typing import Any

from scatterflow.config.expressions import ExpressionError, compile_expression
from scatterflow.config.sources import SCALAR_TYPES_OF_FORMAT, SCALAR_TYPES_WITHOUT_NAME
from scatterflow.convert.notes import Notes
from scatterflow.errors import suggestion
from scatterflow.units import check_unit

MONITORS = {"presample_intensity": "counts", "postsample_intensity": "counts"}
MONITORS |= {"dwell_time_actual": "s"}
TYPES = SCALAR_TYPES_OF_FORMAT["spec"] - {"column"}
# Every result has one of its own.
TAKEN = {"frame_number"}
# What CHAP's documentation writes, and what it means here.
UNITS = {"degrees": "deg", "seconds": "s", "sec": "s", "a.u.": "", "a.u": "", "n/a": ""}


def convert_scalars(chap_map: dict[str, Any], notes: Notes) -> dict[str, dict[str, Any]]:
    """Scalars by name, those that are expressions last; what cannot be translated is noted."""
    found: dict[str, dict[str, Any]] = {}
    renamed: dict[str, str] = {}
    for key, item in _values(chap_map):
        scalar = _scalar(key, item, notes)
        if scalar is None:
            continue
        label = str(item.get("label") or key)
        name = scalar_name(label)
        if name != label:
            renamed[label] = name
            notes.change(f"{key}.label", f"{label!r} is called {name!r}")
        if found.setdefault(name, scalar) != scalar:
            notes.lose(key, f"there is a different {label!r} already")
    return _with_expressions(found, renamed, notes)


def scalar_name(label: str) -> str:
    """A label as the name of a scalar: one word that an expression can use."""
    name = re.sub(r"\W+", "_", label, flags=re.ASCII).strip("_") or "value"
    name = name if name[0].isalpha() else f"v_{name}"
    return f"{name}_1" if name in TAKEN else name[:64]


def axis_names(chap_map: dict[str, Any], scalars: dict[str, Any]) -> list[str]:
    """Names of the scalars that span the map, in the order of the configuration."""
    labels = [str(item.get("label", "")) for item in _list(chap_map.get("independent_dimensions"))]
    return [scalar_name(label) for label in labels if scalar_name(label) in scalars]


def _values(chap_map: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(key, value) of every per-point value, as it is called in messages."""
    values = []
    for key in ("independent_dimensions", "scalar_data"):
        for index, item in enumerate(_list(chap_map.get(key))):
            values.append((f"map {key}[{index}]", item))
    for key, unit in MONITORS.items():
        if isinstance(monitor := chap_map.get(key), dict):
            values.append((f"map {key}", {**monitor, "label": key, "units": unit}))
    return values


def _list(value: Any) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _scalar(key: str, item: dict[str, Any], notes: Notes) -> dict[str, Any] | None:
    kind = item.get("data_type")
    if kind not in TYPES:
        notes.lose(f"{key}.data_type", f"{kind!r} is not known: {suggestion(str(kind), TYPES)}")
        return None
    scalar = {"type": kind}
    if kind not in SCALAR_TYPES_WITHOUT_NAME:
        name = item.get("name") or item.get("label")
        if not name:
            notes.lose(f"{key}.name", "left out, and needed")
            return None
        scalar["name"] = str(name)
    if unit := _unit(key, str(item.get("units") or ""), notes):
        scalar["unit"] = unit
    if item.get("ndigits") is not None:
        notes.lose(f"{key}.ndigits", "values are not rounded; maps find the grid by themselves")
    return scalar


def _unit(key: str, text: str, notes: Notes) -> str:
    unit = UNITS.get(text, text)
    try:
        check_unit(unit)
    except ValueError as error:
        notes.lose(f"{key}.units", str(error))
        return ""
    return unit


def _with_expressions(
    found: dict[str, dict[str, Any]], renamed: dict[str, str], notes: Notes
) -> dict[str, dict[str, Any]]:
    """The scalars without expressions that this language has not; expressions after what they use."""
    plain = {name: item for name, item in found.items() if item["type"] != "expression"}
    waiting = {name: item for name, item in found.items() if item["type"] == "expression"}
    while waiting:
        ready = {}
        for name, item in waiting.items():
            text = re.sub(r"\b(np|numpy|math)\.", "", item["name"])
            for label, new in renamed.items():
                text = re.sub(rf"\b{re.escape(label)}\b", new, text)
            if _uses_known(text, set(plain)):
                ready[name] = {**item, "name": text}
        if not ready:
            break
        plain |= ready
        waiting = {name: item for name, item in waiting.items() if name not in ready}
    for name, item in waiting.items():
        notes.lose(f"map scalar_data {name!r}", f"expression {item['name']!r}: {_why(item, plain)}")
    return plain


def _uses_known(text: str, known: set[str]) -> bool:
    try:
        return compile_expression(text).names <= known
    except ExpressionError:
        return False


def _why(item: dict[str, Any], known: dict[str, Any]) -> str:
    try:
        missing = sorted(compile_expression(item["name"]).names - set(known))
    except ExpressionError as error:
        return str(error)
    return f"it uses {', '.join(missing)}, which is not there"
