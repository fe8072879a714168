"""Waiting for a request, for the program that has made it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from scatterflow.config.load import read_yaml, validate
from scatterflow.errors import UserError
from scatterflow.live.answer import DONE, FAILED, PENDING, Answer, answers
from scatterflow.live.found import read_seen
from scatterflow.live.lock import watcher_lives
from scatterflow.live.requests import Request, read_request
from scatterflow.live.retired import retired_answers
from scatterflow.live.states import result_states
from scatterflow.plan.build import build_plan

SECONDS_BETWEEN_LOOKS = 1.0
WATCHER_STARTS_S = 60.0
"""A watcher that was started in the background is there after so long, even on a busy computer."""
TIME_IS_UP = 3


def wait_for(handle: str, configfile: str, timeout: float | None) -> int:
    """Wait until every run of a request is done or has failed, and print what became of each.

    Returns 0: all done, 1: some failed, 3: the time (s) is up. Raises UserError if there is no such request
    or nobody works on it.
    """
    try:
        request = read_request(handle)
    except UserError:
        retired = retired_answers(handle)
        if retired is None:
            raise
        return _tell(retired)
    started = without_watcher = time.monotonic()
    while True:
        found = request_answers(request, configfile)
        now = time.monotonic()
        if all(answer.state != PENDING for answer in found):
            return _tell(found)
        if timeout is not None and now - started >= timeout:
            _tell(found)
            return TIME_IS_UP
        if watcher_lives():
            without_watcher = now
        elif now - without_watcher > WATCHER_STARTS_S:
            _tell(found)
            raise UserError(
                "no watcher is at work, so that this will not be done",
                f"request {handle}",
                "start `scatterflow watch`; logs/live/watch.log says why one has ended",
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)


def request_answers(request: Request, configfile: str) -> list[Answer]:
    """What became of the runs of a request so far."""
    seen = read_seen()  # first: what is in the run table by now is not missed
    data = read_yaml(configfile)
    base = validate(data, configfile)
    plan = build_plan(data, configfile) if Path(base.runs).exists() else None
    runs = [run for run, row in plan.rows.items() if request.means(row.raw)] if plan else []
    states = result_states(plan, runs) if plan and runs else []
    return answers(request, plan, states, seen, base.live.settle_s)


def _tell(found: list[Answer]) -> int:
    for answer in found:
        stream = sys.stdout if answer.state == DONE else sys.stderr
        reason = f": {answer.reason}" if answer.reason else ""
        print(f"{answer.what} {answer.state}{reason}", file=stream)
    return int(any(answer.state == FAILED for answer in found))
