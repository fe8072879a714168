"""What became of jobs, read from their logs and Snakemake's benchmark files.

Each rule writes `logs/RULE/NAME.log` and, when a job has succeeded and not before,
`logs/benchmarks/RULE/NAME.tsv`. A job's log is emptied when it starts. So a benchmark that is not older than
the log means: done. Else the log ends in `error:` (failed), or the job is running, or it was stopped
without a word: killed, out of memory or time, the computer switched off.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

JobState = Literal["done", "failed", "running", "stopped"]
LOGS = Path("logs")
BENCHMARKS = "benchmarks"
NO_RULES = {BENCHMARKS, "live"}
TAIL_BYTES = 8000
_CHUNK = re.compile(r"\d{6,}-\d{6,}\Z")


@dataclass(frozen=True)
class JobLog:
    """A job as its log tells of it. time: of the last change, s since 1970; reason: lines of the error."""

    rule: str
    log: str
    state: JobState
    time: float
    reason: tuple[str, ...] = ()


def rules_logged(logs: Path = LOGS) -> dict[str, set[str]]:
    """For each rule that ever ran the names in its folder of logs: runs, or `KEY.log`."""
    rules = sorted(names_in(logs) - NO_RULES)
    return {rule: found for rule in rules if (found := names_in(logs / rule))}


def names_in(folder: str | Path) -> set[str]:
    """Names of what is in a folder; none if there is no such folder."""
    try:
        with os.scandir(folder) as entries:  # faster than pathlib, of thousands of folders
            return {entry.name for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def jobs_of(
    run: str,
    reduction: str,
    logged: dict[str, set[str]],
    *,
    alive: bool,
    chunks: Iterable[str] = (),
    shared: Iterable[tuple[str, str]] = (),
    logs: Path = LOGS,
) -> list[JobLog]:
    """The last attempt of every job of one reduction of one run.

    logged: `rules_logged`; alive: whether a workflow lives; chunks: names of the planned chunks (logs of
    other ones are of an earlier plan); shared: (rule, key) of products that it uses.
    """
    chunks = set(chunks)
    found = []
    for rule, names in logged.items():
        if run in names:
            for name in _names(f"{logs}/{rule}/{run}", reduction):
                if _CHUNK.search(name) is None or name.rpartition("/")[2] in chunks:
                    found.append(_job(logs, rule, f"{run}/{name}", alive))
    for rule, key in shared:
        if f"{key}.log" in logged.get(rule, ()):
            found.append(_job(logs, rule, key, alive))
    return [job for job in found if job is not None]


def _names(folder: str, reduction: str) -> Iterator[str]:
    there = names_in(folder)
    if f"{reduction}.log" in there:
        yield reduction
    for name in names_in(f"{folder}/{reduction}") if reduction in there else ():
        if name.endswith(".log"):
            yield f"{reduction}/{name.removesuffix('.log')}"


def _job(logs: Path, rule: str, name: str, alive: bool) -> JobLog | None:
    log = f"{logs}/{rule}/{name}.log"
    written = time_of_change(log)
    measured = time_of_change(f"{logs}/{BENCHMARKS}/{rule}/{name}.tsv")
    if written is None:  # deleted since it was listed
        return None
    if measured is not None and measured >= written:
        return JobLog(rule, log, "done", measured)
    reason = error_in(log)
    if reason:
        return JobLog(rule, log, "failed", written, reason)
    return JobLog(rule, log, "running" if alive else "stopped", written)


def time_of_change(path: str | Path) -> float | None:
    """When a file was last written, s since 1970; None if it is not there."""
    try:
        return os.stat(path).st_mtime  # noqa: PTH116 - thousands of files
    except (FileNotFoundError, NotADirectoryError):
        return None


def error_in(log: str | Path) -> tuple[str, ...]:
    """The lines of the error that a log ends in: what, where, how to mend it; none if it ends in no error."""
    with open(log, "rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - TAIL_BYTES))
        lines = stream.read().decode("utf-8", "replace").splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    return tuple(lines[starts[-1] : starts[-1] + 3]) if starts else ()
