"""When, how long and on what kind of host the steps of a result ran.

From the files that each job leaves: the first line of its log (`script.run` writes time and kind of host)
and Snakemake's benchmark file (`s`, seconds). Jobs of one rule are told together. What is not there is None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BEGAN = re.compile(r"# began (\S{20,40}) on a host of kind ([a-z]{1,20})$")
OWN = ("describe_result",)
_CHUNK = re.compile(r"([0-9]{1,12})-([0-9]{1,12})\Z")
_LONGEST_FILE = 10_000


@dataclass(frozen=True)
class Job:
    """One job; began: UTC."""

    rule: str
    began: datetime | None
    seconds: float | None
    host_kind: str | None


def run_steps(
    logs: str | Path,
    run: str,
    reduction: str,
    shared: Iterable[str],
    chunks: Sequence[Sequence[int]] | None,
) -> list[dict[str, Any]]:
    """The record's field `processing.steps`, in the order in which they began.

    logs: the folder of the logs; shared: RULE/KEY of jobs whose products several results share; chunks:
    (start, stop) of the chunks, so that those of an older plan, whose logs are still there, do not count.
    """
    logs = Path(logs)
    jobs: dict[str, list[Job]] = {}
    for log in _log_files(logs, run, reduction, shared, chunks):
        name = log.relative_to(logs).with_suffix("")
        job = _job(log, logs / "benchmarks" / name.with_suffix(".tsv"), name.parts[0])
        if job.began is not None or job.seconds is not None:
            jobs.setdefault(job.rule, []).append(job)
    steps = [_step(rule, found) for rule, found in jobs.items()]
    return sorted(steps, key=lambda step: (step["started"] or "", step["rule"]))


def _log_files(
    logs: Path,
    run: str,
    reduction: str,
    shared: Iterable[str],
    chunks: Sequence[Sequence[int]] | None,
) -> Iterator[Path]:
    known = None if chunks is None else {(int(start), int(stop)) for start, stop in chunks}
    for rule in sorted(path for path in logs.glob("*") if path.name not in ("benchmarks", *OWN)):
        whole = rule / run / f"{reduction}.log"
        if whole.is_file():
            yield whole
        for path in sorted((rule / run / reduction).glob("*.log")):
            match = _CHUNK.match(path.stem)
            if not match or known is None or (int(match[1]), int(match[2])) in known:
                yield path
    for name in shared:
        path = logs / f"{name}.log"
        if path.is_file():
            yield path


def _job(log: Path, benchmark: Path, rule: str) -> Job:
    began, host_kind = _beginning(log)
    return Job(rule, began, _seconds(benchmark), host_kind)


def _beginning(log: Path) -> tuple[datetime | None, str | None]:
    with open(log, "rb") as stream:
        first = stream.readline(_LONGEST_FILE).decode("utf-8", "replace").strip()
    match = BEGAN.match(first)
    if match is None:
        return None, None
    try:
        return datetime.fromisoformat(match[1]).astimezone(UTC), match[2]
    except ValueError:
        return None, match[2]


def _seconds(benchmark: Path) -> float | None:
    """The mean over the repetitions of a benchmark file."""
    try:
        with open(benchmark, encoding="utf-8") as stream:
            lines = stream.read(_LONGEST_FILE).splitlines()
        seconds = [float(line.split("\t")[0]) for line in lines[1:] if line]
    except (OSError, ValueError):
        return None
    mean = sum(seconds) / len(seconds) if seconds else math.nan
    return mean if math.isfinite(mean) and mean >= 0 else None


def _step(rule: str, jobs: Sequence[Job]) -> dict[str, Any]:
    began = [job.began for job in jobs if job.began is not None]
    ended = [
        job.began + timedelta(seconds=job.seconds)
        for job in jobs
        if job.began is not None and job.seconds is not None
    ]
    seconds = [job.seconds for job in jobs if job.seconds is not None]
    kinds = sorted({job.host_kind for job in jobs if job.host_kind is not None})
    return {
        "rule": rule,
        "started": _time(min(began)) if began else None,
        "finished": _time(max(ended)) if ended else None,
        "seconds": round(sum(seconds), 3) if seconds else None,
        "jobs": len(jobs),
        "host_kind": ", ".join(kinds) or None,
    }


def _time(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
