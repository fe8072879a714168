"""The state of every result, from files alone: results, logs, Snakemake's locks.

    done      everything that the reduction delivers is there
    running   a workflow lives and has started jobs of it
    failed    the last attempt of one of its jobs ended in an error
    stopped   jobs were started, did not end, and no workflow lives
    waiting   nothing of that

Whether a result that is there is outdated, only `snakemake -n` can tell.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scatterflow.live.job_logs import JobLog, jobs_of, names_in, rules_logged, time_of_change
from scatterflow.live.workflow_life import workflow_lives
from scatterflow.plan.shots import PlannedShots
from scatterflow.plan.targets import chunk_name, delivered, delivered_files
from scatterflow.plan.xpcs import PlannedXpcs

if TYPE_CHECKING:
    from scatterflow.plan.build import Plan

State = Literal["done", "running", "failed", "stopped", "waiting"]
REFUSED = "refuse_run"


@dataclass(frozen=True)
class ResultState:
    """One reduction of one run. jobs: those that are not done; chunks_done of chunks: of the jobs that read
    frames; finished: time of the last file, s since 1970, None unless done."""

    run: str
    reduction: str
    state: State
    chunks_done: int
    chunks: int
    jobs: tuple[JobLog, ...] = ()
    finished: float | None = None

    @property
    def failures(self) -> tuple[JobLog, ...]:
        """Jobs that failed, the first one first."""
        return tuple(job for job in self.jobs if job.state == "failed")

    @property
    def reason(self) -> str:
        """Why it failed or stopped, in a line; else empty."""
        if self.failures:
            more = f" (and {len(self.failures) - 1} more jobs)" if len(self.failures) > 1 else ""
            what, *others = self.failures[0].reason
            place = next((line[7:] for line in others if line.startswith("where: ")), "")
            return what.removeprefix("error: ") + (f" ({place})" if place else "") + more
        stopped = [job for job in self.jobs if job.state == "stopped"]
        if stopped:
            return (
                f"{len(stopped)} jobs ended without a message (killed, out of memory or time?): "
                f"{stopped[0].log}"
            )
        return ""


def result_states(plan: Plan, runs: Collection[str] | None = None) -> list[ResultState]:
    """The state of every planned result (of these runs), in the order of the run table."""
    alive, logged = workflow_lives(), rules_logged()
    return [
        _state(item, alive, logged)
        for (run, _), item in delivered(plan).items()
        if runs is None or run in runs
    ]


def _state(planned: Any, alive: bool, logged: dict[str, set[str]]) -> ResultState:
    run, name = planned.row.run, planned.name
    names = {chunk_name(*chunk) for chunk in planned.chunks}
    files = delivered_files(planned)
    times = [time_of_change(path) for path in files]
    if None not in times:
        last = max(time for time in times if time is not None)
        return ResultState(run, name, "done", len(names), len(names), finished=last)
    jobs = jobs_of(run, name, logged, alive=alive, chunks=names, shared=_shared(planned))
    done = len(_chunk_files(f"work/{run}/{name}") & names)
    left = tuple(sorted((j for j in _current(jobs) if j.state != "done"), key=lambda j: j.time))
    kinds = {job.state for job in left}
    state: State = next((s for s in ("running", "failed", "stopped") if s in kinds), "waiting")
    return ResultState(run, name, state, done, len(names), left)


def _current(jobs: list[JobLog]) -> list[JobLog]:
    """Without a refusal that is older than other jobs: the raw data was mended since."""
    last = max((job.time for job in jobs), default=0.0)
    return [job for job in jobs if job.rule != REFUSED or job.time == last]


def _shared(planned: Any) -> list[tuple[str, str]]:
    """(rule, key) of what is prepared for several runs."""
    if isinstance(planned, PlannedXpcs):
        return [("build_mask", planned.mask), ("prepare_qmap", planned.qmap)]
    if isinstance(planned, PlannedShots):
        return [
            *(("build_mask", key) for key in planned.masks.values()),
            *(("make_dark", key) for key in planned.darks.values()),
        ]
    keys = dict.fromkeys(task.weights for task in planned.tasks)
    return [
        *(("build_mask", key) for key in planned.masks.values()),
        *(("prepare_integration", key) for key in keys),
    ]


def _chunk_files(folder: str) -> set[str]:
    """Names of the chunks that are done: receipts, or sorted chunks while they are kept."""
    files = names_in(f"{folder}/chunks") | names_in(f"{folder}/sorted")
    return {name.partition(".")[0] for name in files}
