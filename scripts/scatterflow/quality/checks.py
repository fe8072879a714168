"""A check: what was found, and the verdict that the limits of the configuration make of it.

`quality.json` of a result, the contract with catalogue and publishers:

    {"schema": "scatterflow-quality-1", "run", "reduction", "technique",
     "verdict": pass | warn | fail, the worst of the checks,
     "checks": [{"name", "title", "value", "limit", "unit",
                 "verdict": pass | warn | fail | not_applicable, "sentence", "details"}],
     "stopped_by": names of the checks that stop publication, "assessed": UTC time, "software"}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.json import plain, read_json, write_json
from scatterflow.files.provenance import now, software

SCHEMA = "scatterflow-quality-1"
VERDICTS = ("pass", "warn", "fail")
"""From good to bad."""
LISTED = 20
"""Frames or bins that are listed in the details."""

Level = Literal["fine", "doubtful", "bad", "unknown"]

CHECKS: dict[str, tuple[str, str | None]] = {
    "structure": ("Structure", None),
    "frames_missing": ("Missing frames", ""),
    "frames_dark": ("Darkest frame", ""),
    "outlier_frames": ("Outlier frames", ""),
    "invalid_values": ("Saturated or invalid values", ""),
    "dead_pixels": ("Dead pixels", ""),
    "hot_pixels": ("Hot pixels", ""),
    "shots_passing": ("Shots that pass filters", ""),
    "time_tool": ("Time tool", ""),
    "beam_intensity": ("Beam intensity", ""),
    "beam_flicker": ("Beam flicker", ""),
    "beam_position": ("Beam position", "pixel"),
    "transmission": ("Transmission", ""),
    "calibrant_rings": ("Calibrant rings", ""),
    "photon_starvation": ("Photons per q-bin", ""),
    "g2_baseline": ("Baseline of g2", ""),
    "g2_contrast": ("Contrast of g2", ""),
    "speckle_blur": ("Speckle blur", ""),
    "ageing": ("Ageing", ""),
    "history_intensity": ("Intensity against history", ""),
    "history_shape": ("Shape against history", ""),
    "history_contrast": ("Contrast against history", ""),
    "history_relaxation": ("Relaxation against history", ""),
    "header_energy": ("Energy in the header", ""),
    "header_distance": ("Distance in the header", ""),
    "header_beam_centre": ("Beam centre in the header", "pixel"),
}
"""Title and unit of each check, in the order in which they are shown; an empty unit: a pure number."""


@dataclass(frozen=True)
class Finding:
    """What a check found. value: number, text or None; level: `doubtful` makes a warning whatever a violation
    makes; sentence: for people; limit: where it is not the configuration's; details: small."""

    value: float | str | None
    level: Level
    sentence: str
    details: Mapping[str, Any] = field(default_factory=dict)
    limit: Any = None


def unknown(sentence: str) -> Finding:
    """The finding of a check that has nothing to look at."""
    return Finding(None, "unknown", sentence)


def at_most(value: float, limit: float, sentence: str, **details: Any) -> Finding:
    """A finding that is bad above the limit, and unknown where the value is none."""
    if not np.isfinite(value):
        return Finding(None, "unknown", sentence, details)
    return Finding(float(value), "bad" if value > limit else "fine", sentence, details)


def at_least(value: float, limit: float, sentence: str, **details: Any) -> Finding:
    """A finding that is bad below the limit."""
    if not np.isfinite(value):
        return Finding(None, "unknown", sentence, details)
    return Finding(float(value), "bad" if value < limit else "fine", sentence, details)


def within(value: float, limit: Sequence[float], sentence: str, **details: Any) -> Finding:
    """A finding that is bad outside of two limits."""
    if not np.isfinite(value):
        return Finding(None, "unknown", sentence, details)
    inside = limit[0] <= value <= limit[1]
    return Finding(float(value), "fine" if inside else "bad", sentence, details)


Measure = Callable[[Any], Finding]
"""What makes a finding of the limit of the configuration, None for a check without one."""


def judge(name: str, settings: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    """One check of a document. settings: `on_violation`, and `limit` where the check has one."""
    title, unit = CHECKS[name]
    limit = settings.get("limit")
    if settings["on_violation"] == "ignore":
        finding = unknown("Switched off in the configuration.")
    else:
        finding = measure(limit)
    verdict = {
        "fine": "pass",
        "doubtful": "warn",
        "bad": settings["on_violation"],
        "unknown": "not_applicable",
    }[finding.level]
    return {
        "name": name,
        "title": title,
        "value": finding.value,
        "limit": plain(limit if finding.limit is None else finding.limit),
        "unit": unit,
        "verdict": verdict,
        "sentence": finding.sentence,
        "details": plain(dict(finding.details)),
    }


def judged(
    settings: Mapping[str, Mapping[str, Any]], measures: Mapping[str, Measure]
) -> list[dict[str, Any]]:
    """All checks of a result, in the order of `CHECKS`. settings, measures: by name."""
    return [judge(name, settings[name], measures[name]) for name in CHECKS if name in measures]


def worst(verdicts: Sequence[str]) -> str:
    """The worst verdict; one that is not applicable does not count."""
    return max((v for v in verdicts if v in VERDICTS), key=VERDICTS.index, default="pass")


def document(
    run: str,
    reduction: str,
    technique: str,
    checks: Sequence[Mapping[str, Any]],
    stops_publication: Sequence[str] | None,
) -> dict[str, Any]:
    """The content of `quality.json`. stops_publication: checks whose failure stops it, None: any."""
    failed = [check["name"] for check in checks if check["verdict"] == "fail"]
    return {
        "schema": SCHEMA,
        "run": run,
        "reduction": reduction,
        "technique": technique,
        "verdict": worst([check["verdict"] for check in checks]),
        "checks": list(checks),
        "stopped_by": [
            name for name in failed if stops_publication is None or name in stops_publication
        ],
        "assessed": now(),
        "software": software(),
    }


def write_quality(path: str | Path, quality: Mapping[str, Any]) -> None:
    """Write `quality.json`, whole."""
    write_json(path, dict(quality))


def read_quality(path: str | Path) -> dict[str, Any]:
    """Read `quality.json`; raises UserError for another file."""
    found = read_json(path)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise UserError(
            f"not a quality verdict ({SCHEMA})", str(path), "delete it and run snakemake again"
        )
    return found


def percent(share: float) -> str:
    """A share as people read it: 12 %, 0.03 %."""
    if share < 5e-5:
        return "less than 0.01 %"
    return f"{100 * share:.2g} %" if share < 0.095 else f"{100 * share:.0f} %"


def listed(numbers: np.ndarray) -> list[int]:
    """The first of some frames, bins or rows."""
    return [int(number) for number in np.asarray(numbers)[:LISTED]]
