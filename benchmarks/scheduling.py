"""What it costs to plan and to start many chunk jobs, nothing being computed.

`python benchmarks/scheduling.py` runs this alone; SCATTERFLOW_MOST_CHUNKS=100000 goes further than 10 000.
A dry run of one run with as many chunks as said, against Snakemake's own dry run of as many jobs of a toy
rule with log, benchmark and two functions. The start of a job as on a cluster: Snakemake twice, the script
once; the queue and its waiting come on top.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
sys.path.insert(0, str(REPOSITORY / "scripts"))

from benchmarks.data import FULL, Size  # noqa: E402
from benchmarks.measure import Contestant, Timing, measure  # noqa: E402
from benchmarks.results import Row, command_line, compare  # noqa: E402
from benchmarks.workflow import snakemake  # noqa: E402

CHUNKS = (100, 1_000, 10_000)
SHAPE = (8, 8)
RESULT = "results/many/x/result.nxs"
# The planner aims at jobs of this length: config/model.py, chunks.minutes.
AIM_SECONDS = 300.0
MOST_OVERHEAD = 0.05
TOY = """
rule merge:
    input: expand("chunks/{{i}}.json", i=range({chunks}))
    output: "merged"
    shell: "touch {{output}}"
rule chunk:
    output: "chunks/{{i}}.json"
    log: "logs/{{i}}.log"
    benchmark: "benchmarks/{{i}}.tsv"
    params: number=lambda wildcards: wildcards.i
    resources: mem_mb=lambda wildcards, attempt: 100 * attempt
    shell: "touch {{output}}"
"""
CONFIGURATION = """
experiment: {{title: Many chunks, facility: Lab, beamline: B1}}
sources: {{frames: {{format: hdf5, frames: {{area: data}}}}}}
detectors:
  area:
    shape: [{rows}, {columns}]
    geometry:
      {{distance_m: 1.0, poni1_m: 4.0e-4, poni2_m: 4.0e-4, wavelength_m: 1.0e-10, pixel1_m: 1.0e-4,
        pixel2_m: 1.0e-4}}
reductions:
  x: {{technique: saxswaxs, integrations: {{azimuthal: {{kind: azimuthal, bins: 10}}}}}}
chunks: {{frames: 1}}
"""


def make_project(folder: Path, chunks: int) -> None:
    """A copy of the workflow, and a run of as many tiny frames, each its own chunk."""
    import h5py
    import numpy as np

    for name in ("rules", "scripts", "profiles", "envs"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "Snakefile", folder / "Snakefile")
    (folder / "raw").mkdir()
    (folder / "config").mkdir()
    with h5py.File(folder / "raw" / "many.h5", "w") as file:
        frames = np.ones((chunks, *SHAPE), np.uint16)
        file.create_dataset("data", data=frames, chunks=(min(chunks, 100), *SHAPE))
    text = CONFIGURATION.format(rows=SHAPE[0], columns=SHAPE[1])
    (folder / "config" / "config.yaml").write_text(text)
    rows = f"run\treduction\tsource\traw\tframes\nmany\tx\tframes\tmany.h5\t{chunks}\n"
    (folder / "config" / "runs.tsv").write_text(rows)


def our_dry_run(folder: str, target: str = RESULT) -> Callable[[], None]:
    """The plan of the project."""
    return lambda: _discard(snakemake(Path(folder), "--dry-run", "--quiet", "--", target))


def toy_dry_run(folder: str) -> Callable[[], None]:
    """Snakemake's plan of as many toy jobs."""
    return lambda: _discard(snakemake(Path(folder), "--dry-run", "--quiet", "--", "merged"))


def one_job(folder: str) -> Callable[[], None]:
    """A chunk job as a cluster runs it: Snakemake starts itself, and that the script."""
    receipt = "work/many/x/chunks/000000-000001.json"

    def work() -> None:
        _discard(snakemake(Path(folder), "--dry-run", "--quiet", "--", receipt))
        _discard(snakemake(Path(folder), "--force", "--nolock", "--", receipt))

    return work


def aim() -> Callable[[], None]:
    """No work: the length of a planned job is a number."""
    return lambda: None


def _discard(text: str) -> None:
    """What is printed for each of 10 000 jobs is not kept."""


def scheduling(size: Size = FULL) -> list[Row]:
    """Dry runs of many chunks, and the start of a chunk job."""
    small = size is not FULL
    most = int(os.environ.get("SCATTERFLOW_MOST_CHUNKS", CHUNKS[-1]))
    numbers = [5] if small else [*CHUNKS, *([most] if most > CHUNKS[-1] else [])]
    rows = []
    for chunks in numbers:
        with tempfile.TemporaryDirectory(prefix="chunks-") as name:
            ours, toy = Path(name, "ours"), Path(name, "toy")
            ours.mkdir()
            toy.mkdir()
            make_project(ours, chunks)
            (toy / "Snakefile").write_text(TOY.format(chunks=chunks))
            contestants = [
                Contestant("ours", our_dry_run, {"folder": str(ours)}),
                Contestant("toy", toy_dry_run, {"folder": str(toy)}),
            ]
            rounds = 1 if chunks > 1_000 else min(3, size.rounds)
            found = measure(contestants, rounds, processes=size.processes)
            row = compare(
                f"Dry run of {chunks} chunk jobs",
                "Snakemake alone, as many jobs of a toy rule",
                found["ours"],
                found["toy"],
                times="longer",
                unit="run",
            )
            rows.append(replace(row, curve="jobs", at=chunks))
            if chunks == numbers[0]:
                rows.append(_start_of_a_job(ours, size))
    return rows


def _start_of_a_job(project: Path, size: Size) -> Row:
    snakemake(project, "--", "work/many/x/chunks/000000-000001.json")
    started = Contestant("job", one_job, {"folder": str(project)})
    found = measure([started], min(3, size.rounds), processes=size.processes)["job"]
    planned = Timing(Contestant("aim", aim, {}), None)
    planned.wall.extend([AIM_SECONDS] * len(found.wall))
    planned.cpu.extend([AIM_SECONDS] * len(found.cpu))
    return compare(
        "Start of a chunk job on a cluster: Snakemake twice, the script once",
        "the length of a chunk job that the planner aims at",
        found,
        planned,
        times="longer",
        goal=MOST_OVERHEAD,
        unit="job",
    )


BENCHMARKS = {"scheduling": scheduling}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
