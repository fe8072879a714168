"""How far a request has come: from the runs that it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scatterflow.live.found import BROKEN, Seen
from scatterflow.live.requests import Request
from scatterflow.live.states import ResultState
from scatterflow.plan.build import Plan

DONE, FAILED, PENDING = "done", "failed", "pending"


@dataclass(frozen=True)
class Answer:
    """One run that is meant. what: `RUN/REDUCTION` or its raw path; state: done, failed or pending."""

    what: str
    state: str
    reason: str = ""


def answers(
    request: Request, plan: Plan | None, states: Sequence[ResultState], seen: Seen, settle_s: float
) -> list[Answer]:
    """What became of each run that a request means; one pending or failed answer if it means none.

    states: of all results; settle_s: for so long after a request its files may still appear, s.
    """
    if seen.time is not None and seen.time < request.time:
        seen = Seen(seen.time, [], {})  # what was seen before it was asked for may have changed
    raws = {run: row.raw for run, row in plan.rows.items()} if plan else {}
    found = []
    broken = {item.run: item.reason for item in seen.runs if item.run and item.state in BROKEN}
    for state in states:
        if request.means(raws[state.run]):
            found.append(_answer(state, request, seen, broken.get(state.run, "")))
    planned = {raws[state.run] for state in states}
    for item in seen.runs:
        if request.means(item.raw) and item.raw not in planned:
            final = item.state in (*BROKEN, "unread")
            found.append(Answer(item.raw, FAILED if final else PENDING, item.reason or item.state))
    for run, row in (plan.rows if plan else {}).items():
        if request.means(row.raw) and not row.reductions:
            found.append(Answer(run, FAILED, "the run table asks for no reduction of this run"))
    if found:
        return found
    paths = ", ".join(request.paths[:3])
    if seen.time is not None and seen.time > request.time + settle_s:
        return [Answer(paths, FAILED, "there are no runs in the raw folder")]
    return [Answer(paths, PENDING, "not seen yet")]


def _answer(state: ResultState, request: Request, seen: Seen, broken: str) -> Answer:
    what = f"{state.run}/{state.reduction}"
    if state.state == "done":
        return Answer(what, DONE)
    if broken:
        return Answer(what, FAILED, broken)
    undone = seen.undone.get((state.run, state.reduction))
    if undone is not None:
        return Answer(what, FAILED, undone)
    # What had failed before it was asked for is tried again.
    if state.state == "failed" and state.failures[-1].time > request.time:
        return Answer(what, FAILED, state.reason)
    return Answer(what, PENDING, state.state)
