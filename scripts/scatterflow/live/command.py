"""The commands of live operation: `scatterflow watch | trigger | wait | crawl | status`."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_commands(commands: Any) -> None:
    """Add them to the parsers of `scatterflow`."""

    def add(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
        parser.add_argument(
            "--configfile", default="config/config.yaml", help="default: %(default)s"
        )
        parser.set_defaults(command=function)
        return parser

    status = add("status", _status, "what is done, running, failed (and why), waiting")
    status.add_argument("runs", nargs="*", metavar="RUN", help="only these runs")
    status.add_argument("--json", action="store_true", help="print JSON instead of a table")
    status.add_argument("--all", action="store_true", help="list results that are done as well")


def _status(options: argparse.Namespace) -> int:
    from scatterflow.config.load import read_yaml
    from scatterflow.errors import UserError, suggestion
    from scatterflow.live.found import read_found
    from scatterflow.live.states import result_states
    from scatterflow.live.status import as_json, as_text
    from scatterflow.live.times import merged_times, times_by_rule
    from scatterflow.live.workflow_life import workflow_lives
    from scatterflow.plan.build import build_plan

    plan = build_plan(read_yaml(options.configfile), options.configfile)
    _, seen = read_found()
    known = {*plan.rows, *(item.run for item in seen)}
    for run in options.runs:
        if run not in known:
            raise UserError(f"there is no run {run!r}", "the run table", suggestion(run, known))
    states = result_states(plan, options.runs or None)
    # What is planned is told by results and logs; only what is not (yet) reduced is told by its raw data.
    done = {state.run for state in states if state.state in ("done", "running")}
    found = [
        item
        for item in seen
        if item.run not in done
        and item.state != "finished"
        and (not options.runs or item.run in options.runs)
    ]
    times = merged_times([times_by_rule(run) for run in options.runs or [None]])
    alive = workflow_lives()
    if options.json:
        print(json.dumps(as_json(states, found, times, alive), indent=1))
    else:
        everything = options.all or bool(options.runs)
        print(as_text(states, found, times, alive, everything=everything))
    return 0
