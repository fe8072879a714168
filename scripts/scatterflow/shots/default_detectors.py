"""Default detectors: light status, monitors, time tool, encoders, scan variables, validity, times.

What a facility records with every shot is found by the tables of `default_tables`, under one set of names.
What a run lacks is left out, with a note. Settings, plain values, all optional but `facility`:

    facility: lcls                # lcls, sacla, euxfel
    hutch: xpp                    # lcls: the event codes of its light
    light:                        # instead of those of facility or hutch, per beam
      laser: {codes: [91]}                                 # event codes: > 0 drops, < 0 is required
      xray: {required: [stored name], dropped: [...]}      # scalars that must, or must not, be > 0
    columns: {enc/delay: stored name}                      # further columns
    monitors: {ipm2: {left: name, right: name, top: name, bottom: name}}
    time_tool: {position: tt/FLTPOS, coefficients: [c0, c1, c2], unit: ps}
    drop: [ai, ebeam]             # groups to leave out

Rules and fields: smalldata_tools (SLAC), default detectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.shots.default_tables import EVENT_CODES, FACILITIES, STATUS_SCALARS
from scatterflow.sources.shots import ShotSource

if TYPE_CHECKING:
    import pandas as pd

BEAMS = ("xray", "laser")
ON, OFF, UNKNOWN = 1, 0, -1
_CODE = re.compile(r"evr/code_(\d+)")
_SIDES = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class DefaultDetectors:
    """What of the tables and settings a run has: found once per run, read per chunk.

    columns: {column: stored name}. light: {beam: rule}. monitors: {name: {side: stored name}}. codes:
    stored names of all event codes, if a rule has any. notes: what was left out, and why.
    """

    columns: dict[str, str]
    light: dict[str, LightRule]
    monitors: dict[str, dict[str, str]]
    time_tool: dict[str, Any] | None
    codes: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LightRule:
    """When a beam is on: event codes (> 0 drops, < 0 is required), scalars above 0, scalars not above 0."""

    codes: tuple[int, ...] = ()
    required: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def light_status(codes: Mapping[int, np.ndarray], rule: Sequence[int]) -> np.ndarray:
    """Light by event codes: (n,) int8; 1 on, 0 off, -1 in shots that came without any code.

    codes: {code: (n,) whether it came with the shot}. rule: a code > 0 drops the light, -code is
    required for it; every one of them counts. A code that no shot has never came.
    """
    shots = len(next(iter(codes.values()))) if codes else 0
    status = np.full(shots, ON, np.int8)
    never = np.zeros(shots, bool)
    for code in rule:
        came = np.asarray(codes.get(abs(code), never), bool)
        status[came if code > 0 else ~came] = OFF
    any_code = np.any([np.asarray(came, bool) for came in codes.values()], axis=0)
    status[~any_code] = UNKNOWN
    return status


def corrected_time(
    position: np.ndarray, coefficients: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Time-tool correction c0 + c1 x + c2 x^2 ..., and whether it is valid; both (n,).

    position: x, the edge on the camera; 0 or NaN where none was found: there the correction is 0 (as LCLS
    has it), and not valid.
    """
    position = np.asarray(position, np.float64)
    valid = has_edge(position)
    corrected = np.polynomial.polynomial.polyval(np.where(valid, position, 0.0), coefficients)
    return np.where(valid, corrected, 0.0), valid


def has_edge(position: np.ndarray) -> np.ndarray:
    """(n,) bool, where the time tool found an edge: neither NaN nor at 0, the mark of LCLS."""
    return np.isfinite(position) & (position != 0)


def monitor_position(
    left: np.ndarray, right: np.ndarray, top: np.ndarray, bottom: np.ndarray
) -> dict[str, np.ndarray]:
    """Sum and position of a four-diode monitor, (n,) each; position in half distances of the diodes.

    sum = l + r + t + b, xpos = (r - l) / (r + l), ypos = (t - b) / (t + b); NaN where nothing came.
    """
    left, right, top, bottom = (np.asarray(x, np.float64) for x in (left, right, top, bottom))
    with np.errstate(divide="ignore", invalid="ignore"):
        xpos, ypos = (right - left) / (right + left), (top - bottom) / (top + bottom)
    xpos[(right + left) == 0] = np.nan
    ypos[(top + bottom) == 0] = np.nan
    return {"sum": left + right + top + bottom, "xpos": xpos, "ypos": ypos}


def find_default_detectors(source: ShotSource, settings: Mapping[str, Any]) -> DefaultDetectors:
    """What a run has of its facility's table and of the settings; see the module.

    Raises UserError: unknown facility, hutch or key.
    """
    facility = _known(settings.get("facility", ""), FACILITIES, "facility")
    _check_keys(settings)
    stored = source.scalar_names
    columns, notes = _columns(stored, facility, settings)
    light = {beam: _light_rule(beam, facility, settings, columns, stored, notes) for beam in BEAMS}
    monitors = {}
    for name, sides in (settings.get("monitors") or {}).items():
        lacking = [sides.get(side, side) for side in _SIDES if sides.get(side) not in stored]
        if lacking:
            notes.append(f"monitor {name}: the run lacks {', '.join(lacking)}; left out")
        else:
            monitors[name] = {side: sides[side] for side in _SIDES}
    time_tool = _time_tool(settings.get("time_tool"), columns, stored, notes)
    by_codes = any(rule.codes for rule in light.values())
    codes = tuple(name for name in stored if by_codes and _CODE.fullmatch(name))
    return DefaultDetectors(columns, light, monitors, time_tool, codes, notes)


def read_default_detectors(
    source: ShotSource, found: DefaultDetectors, start: int = 0, stop: int | None = None
) -> pd.DataFrame:
    """The columns of shots start..stop-1, indexed by tag; `attrs["units"]` = {column: unit}.

    Besides the table's: lightStatus/{xray,laser} (1, 0, -1 unknown), <monitor>/{sum,xpos,ypos},
    tt/{ttCorr,valid}, damage/<detector> (1: the shot has it), event_time in ns since 1970 if known.
    """
    import pandas as pd

    stop = source.shots if stop is None else stop
    wanted = _names_to_read(found)
    read = source.scalars(start, stop, names=wanted)
    stated = read.attrs["units"]
    values = {column: read[name].to_numpy() for column, name in found.columns.items()}
    units = {column: stated.get(name, "") for column, name in found.columns.items()}
    for beam, rule in found.light.items():
        if f"lightStatus/{beam}" not in values:
            values[f"lightStatus/{beam}"] = _status(rule, read, found.codes)
    for name, sides in found.monitors.items():
        for what, column in monitor_position(
            **{s: read[n].to_numpy() for s, n in sides.items()}
        ).items():
            values[f"{name}/{what}"] = column
    if found.time_tool:
        position = read[found.time_tool["position"]].to_numpy()
        corrected, valid = corrected_time(position, found.time_tool["coefficients"])
        values["tt/ttCorr"], values["tt/valid"] = corrected, valid.astype(np.int8)
        units["tt/ttCorr"] = found.time_tool.get("unit", "ps")
    elif "tt/ttCorr" in values and "tt/valid" not in values:
        # LCLS marks by 0 that there is no edge, and does not write down where that is.
        position = np.asarray(values.get("tt/FLTPOS", values["tt/ttCorr"]), np.float64)
        values["tt/valid"] = has_edge(position).astype(np.int8)
    for name, info in source.detectors.items():
        values.setdefault(f"damage/{name}", info.present[start:stop].astype(np.int8))
    times = source.times(start, stop)
    if "event_time" not in values and not np.isnat(times).any():
        values["event_time"] = times.astype(np.int64)
        units["event_time"] = "ns"
    table = pd.DataFrame({k: np.asarray(v) for k, v in values.items()}, index=read.index)
    table.attrs["units"] = {column: units.get(column, "") for column in table.columns}
    return table


def _columns(stored, facility, settings) -> tuple[dict[str, str], list[str]]:
    columns: dict[str, str] = {}
    notes = []
    dropped = set(settings.get("drop") or ())
    rows = [(re.compile(row.pattern), row.column) for row in FACILITIES[facility]]
    for name in stored:
        matches = ((pattern.fullmatch(name), column) for pattern, column in rows)
        match, column = next(((m, c) for m, c in matches if m), (None, ""))
        if match:
            column = match.expand(column)
            if column.split("/")[0] in dropped:
                continue
            if column in columns:
                notes.append(f"{column}: {columns[column]} was taken, {name} left out")
                continue
            columns[column] = name
    for column, name in (settings.get("columns") or {}).items():
        if name in stored:
            columns[column] = name
        else:
            notes.append(
                f"{column}: the run has no {name!r} ({suggestion(name, stored)}); left out"
            )
    return columns, notes


def _light_rule(beam, facility, settings, columns, stored, notes) -> LightRule:
    given = (settings.get("light") or {}).get(beam)
    if given is not None:
        unknown = set(given) - {"codes", "required", "dropped"}
        if unknown:
            key = sorted(unknown)[0]
            how = suggestion(key, ("codes", "required", "dropped"))
            raise UserError(f"unknown key {key!r}", f"light.{beam}", how)
        rule = LightRule(**{key: tuple(value) for key, value in given.items()})
    else:
        hutch = settings.get("hutch")
        codes: tuple[int, ...] = ()
        if facility == "lcls" and hutch:
            codes = EVENT_CODES[_known(hutch, EVENT_CODES, "hutch")][beam]
        names = tuple(columns[c] for c in STATUS_SCALARS[facility][beam] if c in columns)
        rule = LightRule(codes, names)
    if f"lightStatus/{beam}" in columns:
        return rule
    lacking = [name for name in (*rule.required, *rule.dropped) if name not in stored]
    if lacking:
        notes.append(f"lightStatus/{beam}: the run lacks {', '.join(lacking)}; not used")
    codes = rule.codes if any(_CODE.fullmatch(name) for name in stored) else ()
    if rule.codes and not codes:
        notes.append(f"lightStatus/{beam}: the run has no event codes")
    kept = LightRule(
        codes,
        tuple(name for name in rule.required if name in stored),
        tuple(name for name in rule.dropped if name in stored),
    )
    if kept == LightRule():
        notes.append(f"lightStatus/{beam}: nothing says whether it was on; taken as on")
    return kept


def _time_tool(given, columns, stored, notes) -> dict[str, Any] | None:
    if given is None:
        if "tt/FLTPOS" in columns and "tt/ttCorr" not in columns:
            notes.append("tt/ttCorr: no `time_tool.coefficients`; left out")
        return None
    position = columns.get(given.get("position", "tt/FLTPOS"), given.get("position", "tt/FLTPOS"))
    if not given.get("coefficients"):
        raise UserError(
            "`coefficients` is missing",
            "time_tool",
            "write c0, c1 (and c2, ...) of the calibration",
        )
    if position not in stored:
        notes.append(f"tt/ttCorr: the run has no {position!r}; left out")
        return None
    return {**given, "position": position}


def _names_to_read(found: DefaultDetectors) -> list[str]:
    names = [*found.columns.values(), *found.codes]
    for rule in found.light.values():
        names += [*rule.required, *rule.dropped]
    for sides in found.monitors.values():
        names += sides.values()
    if found.time_tool:
        names.append(found.time_tool["position"])
    return list(dict.fromkeys(names))


def _status(rule: LightRule, read: pd.DataFrame, code_names: Sequence[str]) -> np.ndarray:
    status = np.full(len(read), ON, np.int8)
    if rule.codes:
        codes = {int(name.rpartition("_")[2]): read[name].to_numpy() == 1 for name in code_names}
        status = light_status(codes, rule.codes)
    for names, off in ((rule.required, False), (rule.dropped, True)):
        for name in names:
            value = read[name].to_numpy(np.float64)
            known = ~np.isnan(value)
            status[known & ((value > 0) == off)] = OFF
            # What one value says is off, no other makes unknown.
            status[~known & (status == ON)] = UNKNOWN
    return status


def _known(name: str, known: Mapping[str, Any], what: str) -> str:
    if name not in known:
        raise UserError(f"unknown {what} {name!r}", "default detectors", suggestion(name, known))
    return name


def _check_keys(settings: Mapping[str, Any]) -> None:
    keys = ("facility", "hutch", "light", "columns", "monitors", "time_tool", "drop")
    for key in settings:
        if key not in keys:
            raise UserError(f"unknown key {key!r}", "default detectors", suggestion(key, keys))
