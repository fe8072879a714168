# From the plan to the input functions and parameters of the rules. No rules here.
import os
import re
from types import SimpleNamespace

from scatterflow.config.base import NAME_PATTERN
from scatterflow.detectors.geometry import geometry_files
from scatterflow.files.json import read_json
from scatterflow.plan.build import build_plan
from scatterflow.plan import code as library_code
from scatterflow.plan.companions import applied_corrections, companion_names
from scatterflow.plan.left_over import cancel_left_over
from scatterflow.plan.lock import release_stale_locks
from scatterflow.plan.proposals import proposal_files, proposal_location
from scatterflow.plan.quality import (
    history_of,
    quality_files,
    quality_settings,
)
from scatterflow.plan.raw import (
    fingerprint,
    frame_files,
    metadata_files,
    scalar_files,
    shared_files,
)
from scatterflow.plan.targets import (
    calibrant_of,
    chunk_name,
    delivered_files,
    delivered,
    quality_path,
    record_path,
    result_files,
    result_path,
    shots_files,
    xpcs_files,
)
from scatterflow.registry.pinned import pin_files
from scatterflow.registry.pins import ensure_pins


def code_digest(script):
    """Code of the library that a script uses; asked for only when one of its jobs is there."""
    return lambda wildcards: library_code.code_digest(script)


@mendable
def make_plan():
    """The plan, from the configuration that Snakemake has merged."""
    origin = ", ".join(map(str, workflow.configfiles)) or "the configuration"
    return build_plan(config, origin)


# No other workflow lives in this folder.
ALONE = workflow.is_main_process and release_stale_locks()


@mendable
def stop_left_over_jobs():
    """Cancel what a killed workflow of this folder left in the queue of a cluster."""
    for job in cancel_left_over() if ALONE else []:
        print(f"note: job {job} of a killed workflow was cancelled", file=sys.stderr)


PLAN = make_plan()


def names_of_technique(technique):
    """A pattern of the names of all reductions of a technique, one that matches nothing for none."""
    names = [
        re.escape(name)
        for name, reduction in PLAN.configuration.reductions.items()
        if reduction.technique == technique
    ]
    return f"(?:{'|'.join(names)})" if names else r"(?!)"


# Reductions of techniques `xpcs` and `shots` have wildcards of their own, so that rules of all techniques may
# write files of the same name.
XPCS_PATTERN = names_of_technique("xpcs")
SHOTS_PATTERN = names_of_technique("shots")


wildcard_constraints:
    run=NAME_PATTERN,
    reduction=f"(?!(?:{XPCS_PATTERN}|{SHOTS_PATTERN})/){NAME_PATTERN}",
    xpcs=XPCS_PATTERN,
    shots=SHOTS_PATTERN,
    cube=NAME_PATTERN,
    detector=NAME_PATTERN,
    task=NAME_PATTERN,
    quantity=NAME_PATTERN,
    key=NAME_PATTERN,
    fit=NAME_PATTERN,
    proposal=NAME_PATTERN,
    result=f"(?:{'|'.join(map(re.escape, PLAN.configuration.reductions))})",
    start=r"\d+",
    stop=r"\d+",
    block=r"\d+",
    part=r"\d+",


@mendable
def pin_masks():
    """Pin masks of the registry that are not pinned yet; jobs use what is pinned."""
    return ensure_pins(PLAN.pins, PLAN.configuration.registry)


if workflow.is_main_process:
    for note in PLAN.notes + pin_masks():
        print(f"note: {note}", file=sys.stderr)


def print_verdicts():
    """Checks that did not pass, calibrants' verdicts, and what was left out, when the workflow ends."""
    print_left_out()
    for path in filter(os.path.exists, quality_files(PLAN)):
        quality = read_json(path)
        for check in quality["checks"]:
            if check["verdict"] in ("warn", "fail"):
                print(
                    f"quality {check['verdict']}: {quality['run']}/{quality['reduction']}, "
                    f"{check['name']}: {check['sentence']}",
                    file=sys.stderr,
                )
    for reduction in PLAN.reductions.values():
        for path in result_files(reduction):
            verdict = Path(path).with_suffix(".json")
            if path.endswith("_rings.tsv") and verdict.exists():
                check = read_json(verdict)
                print(
                    f"calibrant check {check['verdict']}: run {reduction.row.run}, {verdict.stem}: "
                    f"{check['sentence']}",
                    file=sys.stderr,
                )


# The planned reduction of a job --------------------------------------------------------------------


@mendable
def planned(wildcards):
    return PLAN.find(wildcards.run, wildcards.reduction)


@mendable
def planned_result(wildcards):
    """The planned reduction of any technique."""
    key = wildcards.run, wildcards.result
    return PLAN.xpcs.get(key) or PLAN.shots.get(key) or PLAN.find(*key)


def planned_tasks(wildcards):
    """Integrations of each detector as plain values, with what the kernels need to know."""
    reduction = planned(wildcards)
    return [
        {
            "name": task.name,
            "detector": task.detector,
            "integration": task.integration,
            "kind": task.kind,
            "weights": task.weights,
            **reduction.frame_settings(task),
        }
        for task in reduction.tasks
    ]


# Chunks --------------------------------------------------------------------------------------------


def weights_keys(wildcards):
    """Keys of all weights of a reduction, each once."""
    return list(dict.fromkeys(task.weights for task in planned(wildcards).tasks))


def weights_files(wildcards):
    return [f"resources/weights/{key}.h5" for key in weights_keys(wildcards)]


def mask_files(wildcards):
    return [f"resources/masks/{key}.h5" for key in planned(wildcards).masks.values()]


@mendable
def chunk_raw_files(wildcards):
    """Files that hold a chunk's frames; those shared with other runs are watched by `frames_part`. The rest of
    the run may still be written."""
    reduction = planned(wildcards)
    frames = int(wildcards.start), int(wildcards.stop)
    own = frame_files(reduction, *frames, whole=False)
    if reduction.needed_scalars:
        own += [path for path in scalar_files(reduction) if path not in own]
    shared = shared_files(reduction, whole=False)
    return own + [ancient(path) for path in shared if path not in own]


@mendable
def run_scalar_files(wildcards):
    """Files that hold a run's scalars and metadata; those shared with other runs as above."""
    reduction = planned(wildcards)
    return scalar_files(reduction) + [ancient(path) for path in shared_files(reduction)]


@mendable
def frames_part(wildcards):
    reduction = planned(wildcards)
    return fingerprint(reduction, scalars=bool(reduction.needed_scalars), whole=False)


@mendable
def scalars_part(wildcards):
    return fingerprint(planned(wildcards), scalars=True)


def dark_files(wildcards):
    """Dark images of a reduction's detectors."""
    reduction = planned(wildcards)
    darks = [
        (name, reduction.configuration.detectors[name].dark)
        for name in reduction.detectors
    ]
    return [path for name, dark in darks if dark for path in existing([dark], name)]


def calibrations(wildcards):
    """Valid range and dark image of each detector."""
    return planned(wildcards).calibrations


def valid_ranges(wildcards):
    return {name: item["valid"] for name, item in calibrations(wildcards).items()}


def dead_times(wildcards):
    return {name: item["dead_time"] for name, item in calibrations(wildcards).items()}


def receipts(wildcards):
    """Receipts of all chunks of a reduction."""
    return [
        f"work/{wildcards.run}/{wildcards.reduction}/chunks/{chunk_name(start, stop)}.json"
        for start, stop in planned(wildcards).chunks
    ]


def container_tasks(wildcards):
    """Array groups of a container."""
    reduction = planned(wildcards)
    return [
        {
            "name": task.name,
            "detector": task.detector,
            "bins": list(task.bins),
            "stored_frames": reduction.stored_frames(task),
            "robust": reduction.frame_settings(task)["robust"] is not None,
        }
        for task in reduction.tasks
    ]


def container_shapes(wildcards):
    reduction = planned(wildcards)
    detectors = reduction.configuration.detectors
    return {name: list(detectors[name].shape) for name in reduction.detectors}


def frame_code(wildcards):
    """Code that a chunk job runs: the readers of other formats do not count."""
    return source_code("integrate_chunk", [planned(wildcards)])


def source_code(script, reductions):
    """Code of a script that reads raw data of these planned reductions, less the readers that none of them
    uses."""
    formats = {"images", "hdf5", "spec", "imm", "rigaku", "ufxc", "timepix4"}
    used = {
        reduction.configuration.sources[reduction.row.source].format
        for reduction in reductions
    }
    if "spec" in used:
        # The SPEC source reads its frames through the readers of these two.
        used |= {"images", "hdf5"}
    unused = formats - used
    return library_code.code_digest(
        script, frozenset(f"sources.{name}" for name in unused)
    )


def description(wildcards):
    """What a result file says of its run."""
    reduction = planned(wildcards)
    return {
        "run": wildcards.run,
        "reduction": wildcards.reduction,
        "sample": reduction.row.sample,
        "experiment": reduction.configuration.experiment.model_dump(),
        "parameters": reduction.parameters,
    }


# Corrections ---------------------------------------------------------------------------------------


def companion_wildcards(wildcards):
    """Wildcards of the runs that a run is corrected with."""
    reduction = planned(wildcards)
    return [
        SimpleNamespace(run=run, reduction=reduction.name)
        for run in companion_names(PLAN, reduction)
    ]


def companion_containers(wildcards):
    return [
        f"work/{other.run}/{other.reduction}/container.zarr"
        for other in companion_wildcards(wildcards)
    ]


def companion_receipts(wildcards):
    return [
        path for other in companion_wildcards(wildcards) for path in receipts(other)
    ]


def companion_scalar_files(wildcards):
    return [
        path
        for other in companion_wildcards(wildcards)
        for path in run_scalar_files(other)
    ]


def companions(wildcards):
    """What the corrections need of these runs, besides their containers and receipts."""
    return [
        {
            "run": other.run,
            "chunks": len(planned(other).chunks),
            "location": planned(other).location(scalars=True),
            "error_models": {
                task["name"]: task["error_model"] for task in planned_tasks(other)
            },
            "corrections": applied_corrections(planned(other)),
            "raw_part": scalars_part(other),
        }
        for other in companion_wildcards(wildcards)
    ]


def result_code(wildcards):
    """Code that makes a result: readers of formats that neither it nor its corrections use do not count."""
    together = [wildcards, *companion_wildcards(wildcards)]
    return source_code("assemble_result", map(planned, together))


def corrections(wildcards):
    return applied_corrections(planned(wildcards))


@mendable
def standard_table(wildcards):
    """The table of a standard, where the configuration names one."""
    absolute = corrections(wildcards)["settings"]["absolute"]
    if not absolute or absolute["standard"] in (None, "water", "glassy_carbon"):
        return []
    if not Path(absolute["standard"]).is_file():
        raise UserError(
            f"file {absolute['standard']} does not exist",
            f"key reductions.{wildcards.reduction}.corrections.absolute.standard",
            "correct the path, or use `water` or `glassy_carbon`",
        )
    return [absolute["standard"]]


# Targets ------------------------------------------------------------------------------------------


def all_results(wildcards):
    """Everything that the run table asks for."""
    paths = results_of(DELIVERED)
    for found in PLAN.maps.values():
        if not any((item.row.run, item.name) in LEFT_OUT for item in found.members):
            paths += found.files
    if usable_results():
        paths += ["results/quality.html", "results/catalogue/index.sqlite"]
    return paths


def simulated_raw_files():
    """All files of the demo's raw data."""
    from scatterflow.sources.demo import demo_files

    root = Path(PLAN.configuration.raw)
    return sorted(
        {str(root / file[0]) for files in demo_files().values() for file in files}
    )
