"""The watcher: looks for runs, enters them into the run table, has snakemake reduce them, tells how it goes.

It keeps nothing that matters. Which runs there are stands in the run table, which are done or failed follows
from results and logs, and one lock keeps a second watcher away; so it may be killed at any moment and
started again. A call of snakemake outlives it: then the next watcher waits for its end.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scatterflow.config.load import RunConfigurations, read_yaml
from scatterflow.config.model import Configuration
from scatterflow.errors import UserError
from scatterflow.live.answer import Answer, answers
from scatterflow.live.call import Call, start_call
from scatterflow.live.decide import Key, left_undone, next_wanted
from scatterflow.live.found import BROKEN, Found, Seen, write_seen
from scatterflow.live.growing import keep_chunks, with_reasons
from scatterflow.live.look import Look, Sight
from scatterflow.live.new_runs import default_reductions, enter_new_runs
from scatterflow.live.requests import Request, latest_request, read_requests
from scatterflow.live.retired import KEPT_S, retire
from scatterflow.live.states import ResultState, result_states
from scatterflow.live.stillness import Stillness
from scatterflow.live.telling import Teller
from scatterflow.live.workflow_life import workflow_lives
from scatterflow.plan.build import Plan, build_plan

SECONDS_BETWEEN_POLLS = 0.2
SECONDS_AFTER_MISTAKE = 10.0


@dataclass
class Watcher:
    """What a watcher does, and what it remembers for as long as it lives.

    requests_only: reduce what is asked for, not all that is found; until_done: end when nothing is left to
    do; retry: try again what has failed; reduction: of new runs; options: of snakemake; both before those of
    the configuration.
    """

    configfile: str
    requests_only: bool = False
    until_done: bool = False
    retry: bool = False
    reduction: str = ""
    options: Sequence[str] = ()
    teller: Teller = field(default_factory=Teller)
    _stillness: Stillness = field(default_factory=Stillness)
    _given_up: dict[Key, tuple[float, str]] = field(default_factory=dict)
    _call: Call | None = None
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._look = Look(self._stillness)
        self._retried_at = time.time() if self.retry else 0.0

    def run(self) -> int:
        """Watch until stopped (or done); returns the exit code: 1 if `until_done` and something is broken."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        while not self._stopping:
            pause = SECONDS_AFTER_MISTAKE
            try:
                situation = self._round()
                if self.until_done and situation.over:
                    return int(situation.broken)
                pause = situation.configuration.live.look_every_s
                self.teller.forget("mistake")
            except UserError as error:  # in the configuration: it may be mended while we wait
                self.teller.tell("mistake", str(error))
                if self.until_done:
                    return 1
            self._wait(pause)
        if self._call is not None and not self._call.ended:
            self.teller.tell("end", "stopping: jobs that run are ended, and are done again later")
            self._call.stop()
        return 0

    def _stop(self, *_: Any) -> None:
        self._stopping = True

    def _wait(self, seconds: float) -> None:
        """Wait, but no longer than to the end of the call of snakemake."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stopping:
            if self._call is not None and self._call.ended:
                return
            time.sleep(SECONDS_BETWEEN_POLLS)

    def _round(self) -> Situation:
        """One look, and a call of snakemake if there is something to do and none runs."""
        began = time.time()
        # Looked up first: what ends in the meantime is then seen as ended, with all that it made.
        busy = workflow_lives() or (self._call is not None and not self._call.ended)
        situation = self._situation()
        if not busy and self._enter_new(situation):
            situation = self._situation()
        if self._call is not None and not busy:
            self._after_call(self._call, situation.states)
            self._call = None
        undone = {key: why for key, (_, why) in self._given_up.items()}
        write_seen(began, situation.sight.runs, undone)
        retire(situation.old_answers(Seen(began, situation.sight.runs, undone)))
        self.teller.tell_found(situation.found)
        self.teller.tell_states(situation.states)
        if not busy:
            busy = self._start(situation)
        situation.busy = busy
        return situation

    def _situation(self) -> Situation:
        data = read_yaml(self.configfile)
        configurations = RunConfigurations(data, self.configfile)
        requests = read_requests()
        plan = None
        if Path(configurations.base.runs).exists():
            plan = build_plan(data, self.configfile)
        rows = list(plan.rows.values()) if plan else []
        states = result_states(plan) if plan else []
        done = {row.run for row in rows} - {s.run for s in states if s.state != "done"}
        sight = self._look(
            configurations, rows, lambda raw: any(item.means(raw) for item in requests), done
        )
        if plan:
            sight = Sight(with_reasons(sight.runs, plan), sight.new)
        situation = Situation(configurations.base, plan, requests, sight, sight.runs, states)
        if self.requests_only:
            situation.found = [item for item in sight.runs if situation.asked(item.raw)]
            situation.states = [s for s in states if plan and situation.asked(plan.rows[s.run].raw)]
        return situation

    def _enter_new(self, situation: Situation) -> bool:
        """Enter new runs into the run table; only while no workflow runs, as its jobs read the table, too."""
        new = [
            row
            for row in situation.sight.new
            if not self.requests_only or situation.asked(row["raw"])
        ]
        base = situation.configuration
        return enter_new_runs(
            base, new, default_reductions(base, self.reduction), situation.requests
        )

    def _start(self, situation: Situation) -> bool:
        """Start snakemake if something is wanted; returns whether it was started."""
        if situation.plan is None:
            return False
        wanted = next_wanted(
            situation.plan,
            situation.states,
            situation.found,
            {key: when for key, (when, _) in self._given_up.items()},
            lambda raw: max(situation.asked(raw), self._retried_at),
            self._stillness,
            self.configfile,
        )
        if not (wanted.results or wanted.chunks):
            return False
        for key in wanted.results:
            self._given_up.pop(key, None)
        keep_chunks(situation.plan, wanted)
        options = [*situation.configuration.live.snakemake, *self.options]
        self._call = start_call(wanted, self.configfile, options)
        self.teller.tell_call(self._call)
        return True

    def _after_call(self, ended: Call, states: Sequence[ResultState]) -> None:
        if ended.locked_out:  # by a workflow that was started at the same moment: it is waited for
            return
        why = ended.error or f"see {ended.log}"
        for key in left_undone(ended.wanted, states):
            self._given_up[key] = (time.time(), why)
            self.teller.tell(("undone", key), f"{key[0]}/{key[1]} was not made: {why}")


@dataclass
class Situation:
    """What one round has to do with. found, states: those that this watcher cares for; busy: whether a
    workflow runs."""

    configuration: Configuration
    plan: Plan | None
    requests: Sequence[Request]
    sight: Sight
    found: Sequence[Found]
    states: Sequence[ResultState]
    busy: bool = False

    def asked(self, raw: str) -> float:
        """When a run was last asked for, s since 1970; 0: never."""
        request = latest_request(self.requests, raw)
        return request.time if request else 0.0

    def old_answers(self, seen: Seen) -> dict[Request, list[Answer]]:
        """What has become of the requests that are old."""
        before, settle_s = time.time() - KEPT_S, self.configuration.live.settle_s
        return {
            request: answers(request, self.plan, self.states, seen, settle_s)
            for request in self.requests
            if request.time < before
        }

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        moving = any(item.state in ("arriving", "growing") for item in self.found)
        return not (self.busy or moving or self._unanswered)

    @property
    def broken(self) -> bool:
        """Whether something could not be done."""
        return any(item.state in BROKEN for item in self.found) or any(
            state.state in ("failed", "stopped", "waiting") for state in self.states
        )

    @property
    def _unanswered(self) -> bool:
        """Whether something was asked for just now and is not to be seen yet."""
        since = time.time() - self.configuration.live.settle_s
        rows = [row.raw for row in self.plan.rows.values()] if self.plan else []
        raws = [*rows, *(item.raw for item in self.sight.runs)]
        return any(
            request.time > since and not any(map(request.means, raws)) for request in self.requests
        )
