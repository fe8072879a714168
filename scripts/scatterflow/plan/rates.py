"""Speeds and memory that the workflow measured on itself, from Snakemake's benchmark files and receipts."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from scatterflow.errors import UserError
from scatterflow.files.json import read_json


@dataclass(frozen=True)
class Rate:
    """What jobs of one rule cost. seconds: median wall time of a job; memory_mb: largest resident memory seen
    (None where jobs were too short to be sampled); jobs: how many were measured, 0 for an assumption."""

    seconds: float
    memory_mb: float | None
    jobs: int


# Assumed until measured: seconds and MB of a small job on one core.
ASSUMED = {
    "simulate_raw": Rate(10, 400, 0),
    "build_mask": Rate(2, 200, 0),
    "prepare_integration": Rate(3, 500, 0),
    "setup_container": Rate(1, 120, 0),
    "integrate_chunk": Rate(3, 400, 0),
    "assemble_result": Rate(3, 300, 0),
    "analyse_profiles": Rate(2, 200, 0),
    "prepare_qmap": Rate(3, 300, 0),
    "sort_chunk": Rate(60, 1000, 0),
    "summarise_frames": Rate(3, 300, 0),
    "correlate_block": Rate(60, 1000, 0),
    "correlate_twotime": Rate(60, 1000, 0),
    "count_photons": Rate(20, 1000, 0),
    "merge_correlation": Rate(10, 1000, 0),
    "fit_correlation": Rate(5, 300, 0),
}
ASSUMED_PLOT = Rate(3, 200, 0)


def measured_rate(rule: str, logs: str | Path = "logs") -> Rate:
    """The measured rate of a rule, or an assumption. Files that cannot be read do not count."""
    seconds: list[float] = []
    memory: list[float] = []
    for path in sorted(Path(logs, "benchmarks", rule).rglob("*.tsv")):
        for row in _rows(path):
            duration, largest = _number(row.get("s")), _number(row.get("max_rss"))
            if duration is not None:
                seconds.append(duration)
            if largest is not None:
                memory.append(largest)
    if not seconds:
        return ASSUMED.get(rule, ASSUMED_PLOT)
    return Rate(median(seconds), max(memory, default=None), len(seconds))


def measured_pixel_rate(work: str | Path = "work") -> float | None:
    """Pixels that a chunk job integrates per second, median over receipts; None without any."""
    rates = []
    for path in sorted(Path(work).glob("*/*/chunks/*.json")):
        try:
            receipt = read_json(path)
        except (UserError, OSError):
            continue
        if not isinstance(receipt, dict):
            continue
        pixels, seconds = _number(receipt.get("pixels")), _number(receipt.get("seconds"))
        if pixels and seconds:
            rates.append(pixels / seconds)
    return median(rates) if rates else None


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _number(value: Any) -> float | None:
    """A finite number >= 0, or None (Snakemake writes `-` or `NA` for what it did not measure)."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < math.inf else None
