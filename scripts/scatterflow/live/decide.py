"""What is to be done next: which results are wanted, which runs are left alone until they change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from scatterflow.live.completeness import run_files
from scatterflow.live.found import Found
from scatterflow.live.growing import ready_chunks
from scatterflow.live.states import ResultState
from scatterflow.live.stillness import Stillness
from scatterflow.live.wanted import Wanted
from scatterflow.plan.build import Plan, PlannedReduction
from scatterflow.plan.companions import companion_names
from scatterflow.plan.planned import Planned
from scatterflow.plan.targets import chunk_name, delivered
from scatterflow.sources.base import RunLocation

Key = tuple[str, str]


def next_wanted(
    plan: Plan,
    states: Iterable[ResultState],
    found: Iterable[Found],
    given_up: Mapping[Key, float],
    asked: Callable[[str], float],
    stillness: Stillness,
    configfile: str,
) -> Wanted:
    """What the next call of snakemake is to make.

    given_up: (run, reduction) that calls left undone without a job that says why, and when, s since 1970;
    asked: when somebody has last asked for a run, of its `raw`.
    """
    live = plan.configuration.live
    seen = {item.run: item.state for item in found}
    planned = delivered(plan)
    wanted = Wanted()
    for state in states:
        key = (state.run, state.reduction)
        now = seen.get(state.run)
        if state.state == "done" or now not in ("finished", "growing"):
            continue
        failed = max((job.time for job in state.failures), default=0.0)
        failed = max(failed, given_up.get(key, 0.0))
        changed = max(
            asked(plan.rows[state.run].raw), _last_change(plan, planned[key], configfile, failed)
        )
        if failed >= changed:
            continue
        item = planned[key]
        if now == "finished":
            wanted.results.append(key)
        else:
            chunks = ready_chunks(item, stillness, live.settle_s)
            # A chunk that has failed is tried again with the whole run, not with every new frame.
            logs = {job.log for job in state.failures}
            wanted.chunks.extend(
                (*key, *chunk) for chunk in chunks if _chunk_log(item, *chunk) not in logs
            )
    return Wanted(_of_first_runs(wanted.results, live.runs_at_once), wanted.chunks)


def _of_first_runs(results: list[Key], most: int) -> list[Key]:
    runs = list(dict.fromkeys(run for run, _ in results))[:most]
    return [key for key in results if key[0] in runs]


def _chunk_log(planned: Planned, start: int, stop: int) -> str:
    name = chunk_name(start, stop)
    return f"logs/integrate_chunk/{planned.row.run}/{planned.name}/{name}.log"


def _last_change(plan: Plan, planned: Planned, configfile: str, failed: float) -> float:
    """When the configuration or raw data of a run, or of those that it is corrected with, was changed or put
    there, s since 1970; failed: 0 for a run that has not failed, for which nothing is looked up."""
    if not failed:
        return 1.0
    files = {Path(configfile), *_raw_files(planned)}
    if isinstance(planned, PlannedReduction):
        for run in companion_names(plan, planned):
            files |= set(_raw_files(plan.reductions[run, planned.name]))
    return max(map(_changed, files))


def _raw_files(planned: Planned) -> list[Path]:
    return run_files(RunLocation.from_fields(planned.location(scalars=True)))


def _changed(path: Path) -> float:
    try:
        status = path.stat()
    except OSError:
        return 0.0
    return max(status.st_mtime, status.st_ctime)


def left_undone(wanted: Wanted, states: Iterable[ResultState]) -> list[Key]:
    """What a call that has ended neither finished nor ended in a job that says why."""
    return [
        (state.run, state.reduction)
        for state in states
        if (state.run, state.reduction) in wanted.results and state.state in ("waiting", "stopped")
    ]
