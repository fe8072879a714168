"""The commands of live operation: `scatterflow watch | trigger | wait | crawl | status`."""

from __future__ import annotations

import argparse
from typing import Any


def add_commands(commands: Any) -> None:
    """Add them to the parsers of `scatterflow`."""

    def add(name: str, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
        parser.add_argument(
            "--configfile", default="config/config.yaml", help="default: %(default)s"
        )
        return parser

    watch = add("watch", "reduce runs as they arrive in the raw folder")
    watch.add_argument("--reduction", default="", help="of new runs; default: live.reductions")
    watch.add_argument(
        "--requests", action="store_true", help="only runs that `trigger` and `crawl` ask for"
    )
    watch.add_argument(
        "--until-done", action="store_true", help="end when nothing is left to do; 1: some failed"
    )
    watch.add_argument("--retry", action="store_true", help="try again what has failed")
    watch.add_argument(
        "--wait-for-lock", action="store_true", help="wait for another watcher's end"
    )
    watch.add_argument(
        "snakemake",
        nargs="*",
        metavar="-- OPTIONS",
        help="of snakemake, e.g. -- --profile profiles/slurm",
    )
    watch.set_defaults(command=_watch)

    trigger = add("trigger", "have one run reduced; prints a handle for `wait` and returns at once")
    trigger.add_argument("run", metavar="RUN_PATH", help="file or folder of the run")
    trigger.add_argument("--reduction", default="", help="of a new run; default: live.reductions")
    trigger.add_argument(
        "--no-start", action="store_true", help="leave it to a watcher that is started otherwise"
    )
    trigger.set_defaults(command=_trigger)

    crawl = add("crawl", "have all runs of a folder reduced; prints a handle for `wait`")
    crawl.add_argument("folder", metavar="FOLDER", help="the raw folder, or one below it")
    crawl.add_argument("--pattern", default="*", help="of the run's path below FOLDER, * and ?")
    crawl.add_argument("--limit", type=_positive, help="most runs")
    crawl.add_argument("--reduction", default="", help="of new runs; default: live.reductions")
    crawl.add_argument("--no-start", action="store_true", help="as of `trigger`")
    crawl.add_argument("--dry-run", action="store_true", help="list the runs, ask for nothing")
    crawl.set_defaults(command=_crawl)

    wait = add("wait", "wait for a request: 0 all done, 1 something failed, 3 time is up")
    wait.add_argument("handle", metavar="HANDLE", help="what `trigger` or `crawl` has printed")
    wait.add_argument("--timeout", type=float, metavar="SECONDS", help="wait no longer")
    wait.set_defaults(command=_wait)

    status = add("status", "what is done, running, failed (and why), waiting")
    status.add_argument("runs", nargs="*", metavar="RUN", help="only these runs")
    status.add_argument("--json", action="store_true", help="print JSON instead of a table")
    status.add_argument("--all", action="store_true", help="list results that are done as well")
    status.set_defaults(command=_status)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _watch(options: argparse.Namespace) -> int:
    from scatterflow.config.load import read_yaml, validate
    from scatterflow.live.lock import only_watcher
    from scatterflow.live.new_runs import default_reductions
    from scatterflow.live.watch import Watcher

    # Mistakes that are there at the start end it; those made later are waited for.
    base = validate(read_yaml(options.configfile), options.configfile)
    default_reductions(base, options.reduction)
    kind = "requests" if options.requests else "all runs"
    kind += " until done" if options.until_done else ""
    with only_watcher(kind, wait=options.wait_for_lock):
        return Watcher(
            options.configfile,
            requests_only=options.requests,
            until_done=options.until_done,
            retry=options.retry,
            reduction=options.reduction,
            options=options.snakemake,
        ).run()


def _trigger(options: argparse.Namespace) -> int:
    from scatterflow.config.load import read_yaml, validate
    from scatterflow.live.new_runs import check_reductions
    from scatterflow.live.requests import add_request, raw_path
    from scatterflow.live.start import start_watcher

    base = validate(read_yaml(options.configfile), options.configfile)
    if options.reduction:
        check_reductions(base, options.reduction, "--reduction")
    request = add_request([raw_path(options.run, base.raw)], options.reduction)
    if not options.no_start:
        start_watcher(options.configfile)
    print(request.handle)
    return 0


def _crawl(options: argparse.Namespace) -> int:
    from scatterflow.config.load import read_yaml, validate
    from scatterflow.live.new_runs import check_reductions
    from scatterflow.live.requests import add_request, raw_path
    from scatterflow.live.start import runs_below, start_watcher

    base = validate(read_yaml(options.configfile), options.configfile)
    if options.reduction:
        check_reductions(base, options.reduction, "--reduction")
    folder = raw_path(options.folder, base.raw)
    raws = runs_below(base, folder, options.pattern)[: options.limit]
    if options.dry_run:
        for raw in raws:
            print(raw)
        return 0
    request = add_request(raws, options.reduction)
    if not options.no_start:
        start_watcher(options.configfile)
    print(request.handle)
    return 0


def _wait(options: argparse.Namespace) -> int:
    from scatterflow.live.waiting import wait_for

    return wait_for(options.handle, options.configfile, options.timeout)


def _status(options: argparse.Namespace) -> int:
    import json

    from scatterflow.config.load import read_yaml
    from scatterflow.errors import UserError, suggestion
    from scatterflow.live.found import read_seen
    from scatterflow.live.states import result_states
    from scatterflow.live.status import as_json, as_text
    from scatterflow.live.times import merged_times, times_by_rule
    from scatterflow.live.workflow_life import workflow_lives
    from scatterflow.plan.build import build_plan

    plan = build_plan(read_yaml(options.configfile), options.configfile)
    seen = read_seen().runs
    known = {*plan.rows, *(item.run for item in seen)}
    for run in options.runs:
        if run not in known:
            raise UserError(f"there is no run {run!r}", "the run table", suggestion(run, known))
    states = result_states(plan, options.runs or None)
    # A run that is being reduced, or is reduced, is told of by its results.
    told = {state.run for state in states if state.state in ("done", "running")}
    found = [
        item
        for item in seen
        if item.run not in told
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
