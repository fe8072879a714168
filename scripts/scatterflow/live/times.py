"""Where time went: Snakemake's benchmark files, added up by rule."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scatterflow.live.job_logs import BENCHMARKS, LOGS, names_in

MOST_READ = 40
"""Files read of one rule: with more jobs their mean stands for all, thousands of runs cost no time."""


@dataclass(frozen=True)
class RuleTime:
    """Jobs of one rule that have succeeded; seconds: wall time of all together; exact: every one was read."""

    rule: str
    jobs: int
    seconds: float
    exact: bool


def times_by_rule(run: str | None = None, logs: Path = LOGS) -> list[RuleTime]:
    """Time by rule (of one run, then exact), the longest first."""
    folder = logs / BENCHMARKS
    found = []
    for rule in sorted(names_in(folder)):
        paths = sorted(_files(f"{folder}/{rule}/{run}" if run else f"{folder}/{rule}"))
        read = paths if run or len(paths) <= MOST_READ else _spread(paths)
        seconds = [value for path in read if (value := _seconds(path)) is not None]
        if seconds:
            total = sum(seconds) / len(seconds) * len(paths)
            found.append(RuleTime(rule, len(paths), total, len(read) == len(paths)))
    return sorted(found, key=lambda time: -time.seconds)


def _spread(paths: list[str]) -> list[str]:
    """As many as are read, evenly spread over all."""
    return [paths[i * len(paths) // MOST_READ] for i in range(MOST_READ)]


def _files(folder: str) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(entry.path)
                elif entry.name.endswith(".tsv"):
                    yield entry.path
    except (FileNotFoundError, NotADirectoryError):
        return


def _seconds(path: str) -> float | None:
    """The first column, `s`, of the last line; None for a file that is being written."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        return float(lines[-1].split("\t")[0])
    except (OSError, ValueError, IndexError):
        return None


def merged_times(groups: Iterable[list[RuleTime]]) -> list[RuleTime]:
    """The times of several runs added up by rule."""
    total: dict[str, RuleTime] = {}
    for item in (item for group in groups for item in group):
        before = total.get(item.rule, RuleTime(item.rule, 0, 0.0, True))
        total[item.rule] = RuleTime(
            item.rule,
            before.jobs + item.jobs,
            before.seconds + item.seconds,
            before.exact and item.exact,
        )
    return sorted(total.values(), key=lambda time: -time.seconds)
