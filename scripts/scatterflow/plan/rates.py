"""Speeds and memory that the workflow measured on itself, from Snakemake's benchmark files and receipts."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from statistics import median

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
}
ASSUMED_PLOT = Rate(3, 200, 0)


def measured_rate(rule: str, logs: str | Path = "logs") -> Rate:
    """The measured rate of a rule, or an assumption."""
    seconds, memory = [], []
    for path in sorted(Path(logs, "benchmarks", rule).rglob("*.tsv")):
        with open(path, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                seconds.append(float(row["s"]))
                memory += [float(row["max_rss"])] if _is_number(row.get("max_rss")) else []
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
        if receipt.get("seconds", 0) > 0:
            rates.append(receipt["pixels"] / receipt["seconds"])
    return median(rates) if rates else None


def _is_number(text: str | None) -> bool:
    try:
        return text is not None and float(text) >= 0
    except ValueError:
        return False
