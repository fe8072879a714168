# Runs that cannot be read, and what `scatterflow watch` asks for. No rules here.
from functools import cache

from snakemake.io import IOFile

from scatterflow.errors import printed
from scatterflow.live.wanted import read_wanted
from scatterflow.plan.raw import check_raw

DELIVERED = delivered(PLAN)
# (run, reduction) that were asked for and are not done, and why.
LEFT_OUT = {}
# What the watcher has asked for, if it has called.
WATCHED = []


@cache
def unusable_raw(run, reduction):
    """What is wrong with the raw data of a run, None if it can be used as far as one sees."""
    try:
        if (run, reduction) in PLAN.xpcs:
            check_raw(PLAN.xpcs[run, reduction])
            check_frame_time(PLAN.xpcs[run, reduction])
        elif (run, reduction) in PLAN.shots:
            found = PLAN.shots[run, reduction]
            shot_files(found.configuration, found.row, found.location(scalars=True))
        else:
            check_raw(PLAN.reductions[run, reduction])
    except UserError as error:
        return error
    return None


def refusal(run, reduction):
    """What is wrong with the raw data of a run or of those that it is corrected with, None if it is reduced."""
    if PLAN.configuration.live.broken_runs == "stop":
        return None
    found = unusable_raw(run, reduction)
    if found or (run, reduction) not in PLAN.reductions:
        return found
    for other in companion_names(PLAN, PLAN.reductions[run, reduction]):
        found = unusable_raw(other, reduction)
        if found:
            return found.inside(f"run {other}, which {run} is corrected with")
    return None


@mendable
def results_of(wanted):
    """What these (run, reduction) deliver; for one that is broken a job that fails and says why."""
    paths = []
    for key in wanted:
        error = refusal(*key)
        if error:
            LEFT_OUT[key] = error
            # A report shows what there is.
            if "--report" not in sys.argv:
                paths.append("work/{}/{}/raw_data_is_usable".format(*key))
        else:
            paths += delivered_files(DELIVERED[key])
    print_left_out()
    return paths


def usable_results():
    """Results of runs whose raw data can be read; of all runs where a broken one stops everything."""
    return [item for key, item in DELIVERED.items() if not refusal(*key)]


def print_left_out():
    """Runs that are not reduced, and why."""
    for (run, name), error in LEFT_OUT.items():
        print(
            f"warning: {run}/{name} is left out: {printed(error.what)} ({printed(error.where)})",
            file=sys.stderr,
        )


def refused_for(wildcards):
    """The reason as plain values; a run may have been mended since the work was planned."""
    error = refusal(wildcards.run, wildcards.result) or UserError(
        "the raw data could not be used when the work was planned, and can be now",
        f"run {wildcards.run}",
        "run snakemake again",
    )
    return [error.what, error.where, error.how]


@mendable
def watched_files(wildcards):
    """Results of finished runs, and receipts of those chunks of growing runs that are complete."""
    wanted = read_wanted()
    WATCHED.append(wanted)
    known = [key for key in wanted.results if key in DELIVERED]
    return results_of(known) + [
        f"work/{run}/{name}/chunks/{chunk_name(start, stop)}.json"
        for run, name, start, stop in wanted.chunks
        if (run, name) in PLAN.reductions
        and (start, stop) in PLAN.reductions[run, name].chunks
    ]


def make_overviews():
    """The table of verdicts and the index, of what there is: their jobs wait for all results."""
    from scatterflow.live.overviews import renew_overviews

    made, messages = renew_overviews(PLAN)
    for message in messages:
        print(f"warning: {message}", file=sys.stderr)
    for path in made:
        # No job has made them like this: what is recorded of the last one must not count.
        workflow.persistence.cleanup_metadata(IOFile(path))
