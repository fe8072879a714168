"""Values of a record as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

NOTHING = "–"
UNITS = {
    "1/angstrom": "Å⁻¹",
    "angstrom": "Å",
    "1/nm": "nm⁻¹",
    "um": "µm",
    "degree": "°",
    "degC": "°C",
}


def shown(value: Any) -> str:
    """A value as text: six digits, yes and no, a dash for what is not known; units are the caller's."""
    if value is None or value == "" or value == []:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value)
    return str(value)


def shown_unit(unit: str) -> str:
    """A unit in the symbols that people write."""
    return UNITS.get(unit, unit)


def shown_size(size: int | None) -> str:
    """A number of bytes in the unit that keeps it below 1000."""
    if size is None:
        return NOTHING
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"


def shown_time(time: str | None) -> str:
    """An ISO 8601 time of UTC as `2026-11-21 10:00:00 UTC`; any other text as it is."""
    if not time:
        return NOTHING
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        return str(time)
    if parsed.utcoffset() is None or parsed.utcoffset():
        return str(time)
    return f"{parsed:%Y-%m-%d %H:%M:%S} UTC"


def plot_title(stem: str) -> str:
    """Title of a plot by the name of its file."""
    words = stem.replace("_", " ").replace("twotime", "two-time").replace("qmap", "q-map")
    return words[:1].upper() + words[1:] if not words.startswith(("g2", "q-")) else words


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Nested objects as (dotted name, value); lists of plain values stay together."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value):
            yield from flat(item, f"{name}[{number}]")
    else:
        yield name, value
