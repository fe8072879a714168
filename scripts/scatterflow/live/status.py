"""The status of all results, for people and for programs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scatterflow.live.found import Found
from scatterflow.live.states import ResultState
from scatterflow.live.times import RuleTime

MOST_DONE = 40
"""Results that are done are only counted where there are more."""
SHOWN_RULES = 8


def as_json(
    states: Sequence[ResultState], found: Sequence[Found], times: Sequence[RuleTime], alive: bool
) -> dict[str, Any]:
    """Plain values: results, runs that are not in the plan yet, time by rule."""
    return {
        "schema": "scatterflow-status-1",
        "workflow_runs": alive,
        "results": [
            {
                "run": state.run,
                "reduction": state.reduction,
                "state": state.state,
                "chunks_done": state.chunks_done,
                "chunks": state.chunks,
                "finished": _iso(state.finished),
                "reason": state.reason or None,
                "failed_jobs": [
                    {"rule": job.rule, "log": job.log, "error": list(job.reason)}
                    for job in state.failures
                ],
            }
            for state in states
        ],
        "raw": [
            {
                "run": item.run,
                "raw": item.raw,
                "source": item.source or None,
                "state": item.state,
                "frames": item.frames,
                "expected_frames": item.expected,
                "reason": item.reason or None,
            }
            for item in found
        ],
        "times": [
            {"rule": item.rule, "jobs": item.jobs, "seconds": item.seconds, "exact": item.exact}
            for item in times
        ],
    }


def as_text(
    states: Sequence[ResultState],
    found: Sequence[Found],
    times: Sequence[RuleTime],
    alive: bool,
    *,
    everything: bool = False,
) -> str:
    """A table of what is not done, counts, and where time went."""
    counts = Counter(state.state for state in states)
    shown = [s for s in states if s.state not in ("done", "waiting")]
    if everything or len(states) <= MOST_DONE:
        shown = list(states)
    lines = [_line(state) for state in shown]
    lines += [
        f"{item.run or item.raw:24} {item.source or '-':16} {item.state:10} {_frames(item):>9}  "
        f"{item.reason}".rstrip()
        for item in found
    ]
    parts = [
        f"{counts[name]} {name}" for name in ("done", "running", "failed", "stopped", "waiting")
    ]
    lines.append(f"{len(states)} results: {', '.join(parts)}")
    lines.append("a workflow is running" if alive else "no workflow is running")
    lines += _time_lines(times)
    return "\n".join(lines)


def _line(state: ResultState) -> str:
    chunks = "" if state.state == "done" else f"{state.chunks_done}/{state.chunks}"
    end = _iso(state.finished) or state.reason
    return f"{state.run:24} {state.reduction:16} {state.state:10} {chunks:>9}  {end}".rstrip()


def _frames(item: Found) -> str:
    return f"{item.frames}/{item.expected}" if item.expected else str(item.frames or "")


def _time_lines(times: Sequence[RuleTime]) -> list[str]:
    total = sum(item.seconds for item in times)
    if not total:
        return []
    lines = [f"time in jobs: {_duration(total)}"]
    for item in times[:SHOWN_RULES]:
        about = "" if item.exact else "about "
        lines.append(
            f"  {item.rule:22} {about + _duration(item.seconds):>14} {100 * item.seconds / total:4.0f} % "
            f"{item.jobs:7d} jobs"
        )
    return lines


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
