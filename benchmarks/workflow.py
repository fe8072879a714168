"""The whole workflow through `snakemake`, from raw frames to plots, against its kernels alone.

`python benchmarks/workflow.py [--gigabytes N]`; N of decoded bslz4 Eiger frames, 10 unless said. The
kernels' time is that of the engine on the same frames in one warm process: read, decode, integrate.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from benchmarks.data import FULL, Series, Size, eiger_series
from benchmarks.integration import our_source, prepared_series
from benchmarks.measure import THREAD_VARIABLES, Contestant, measure
from benchmarks.prepared import configuration, write_configuration
from benchmarks.results import Row, command_line, compare

REPOSITORY = Path(__file__).resolve().parents[1]
CORES = 2
NOT_PASSED_ON = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "SNAKEMAKE_PROFILE", *THREAD_VARIABLES)
MADE = ("results", "work", "logs", "resources", ".snakemake")
# The kernels run at a constant rate: enough frames to know it.
KERNEL_FRAMES = 128


def make_project(series: Series, folder: Path, bins: tuple[int, int, int]) -> None:
    """A copy of the workflow with a configuration of one run; chunks are left to the planner."""
    for name in ("rules", "scripts", "profiles", "envs"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / "Snakefile", folder / "Snakefile")
    settings = configuration(series, folder, bins)
    del settings["chunks"]
    write_configuration(settings, folder / "config" / "config.yaml")


def snakemake(folder: Path, *arguments: str) -> str:
    """Run snakemake in a project; returns what it printed. Raises RuntimeError if it fails."""
    # The first, unmeasured run compiles what it imports, as an installer would have done.
    kept = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", str(CORES), *arguments],
        cwd=folder,
        env=kept,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"snakemake ended with exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def whole_workflow(folder: str) -> Callable[[], dict[str, float]]:
    """Everything from nothing; the seconds of each rule's jobs."""

    def work() -> dict[str, float]:
        for name in MADE:
            shutil.rmtree(Path(folder, name), ignore_errors=True)
        snakemake(Path(folder))
        return rule_seconds(Path(folder))

    return work


def next_run(folder: str) -> Callable[[], dict[str, float]]:
    """As for a further run of an experiment: mask and weights are there."""

    def work() -> dict[str, float]:
        for name in MADE:
            if name != "resources":
                shutil.rmtree(Path(folder, name), ignore_errors=True)
        snakemake(Path(folder), "--rerun-triggers", "mtime")
        return rule_seconds(Path(folder))

    return work


def dry_run(folder: str) -> Callable[[], None]:
    """The plan alone, all jobs to do."""

    def work() -> None:
        snakemake(Path(folder), "--dry-run", "--quiet", "--forceall")

    return work


def rule_seconds(folder: Path) -> dict[str, float]:
    """Wall seconds of all jobs by rule, from Snakemake's own benchmark files."""
    found: dict[str, float] = {}
    for path in sorted((folder / "logs" / "benchmarks").rglob("*.tsv")):
        rule = path.relative_to(folder / "logs" / "benchmarks").parts[0]
        with open(path, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                found[rule] = found.get(rule, 0.0) + float(row["s"])
    return found


def workflow(size: Size = FULL) -> list[Row]:
    """The whole workflow on gigabytes of bslz4 Eiger frames."""
    one = eiger_series(size)
    frames = max(4, round(size.workflow_gigabytes * 1e9 / one.bytes_per_frame))
    series = eiger_series(size, frames)
    timed = min(KERNEL_FRAMES, frames)
    names = ("azimuthal", "cake", "radial")
    with (
        prepared_series(size, series, names, frames) as prepared,
        tempfile.TemporaryDirectory(dir=size.cache, prefix=".project-") as name,
    ):
        project = Path(name)
        make_project(series, project, size.bins)
        folder = {"folder": name}
        began = time.perf_counter()
        kernels = {"prepared": prepared, "frames": timed, "threads": CORES}
        # Seconds of the kernels are for all frames of the run.
        contestants: list[Any] = [
            Contestant("kernels", our_source, kernels, timed / frames, CORES),
            Contestant("workflow", whole_workflow, folder),
            Contestant("next", next_run, folder),
            Contestant("dry", dry_run, folder),
        ]
        found = measure(contestants, size.rounds, processes=size.processes)
        print(f"  {len(contestants)} contestants in {time.perf_counter() - began:.0f} s")
    amount = f"{frames * series.bytes_per_frame / 1e9:.3g} GB of Eiger 4M bslz4 frames"
    rows = []
    for key, title in (
        ("workflow", f"Whole workflow, {amount}, from nothing to plots"),
        ("next", f"Whole workflow, {amount}, mask and weights there"),
    ):
        rows.append(
            compare(
                title,
                "its kernels alone (read, decode, integrate)",
                found[key],
                found["kernels"],
                times="longer",
                goal=1.3,
                unit="run",
                note=f"{CORES} cores; seconds of jobs: {_shares(found[key].result)}",
            )
        )
    rows.append(
        compare(
            f"Dry run, {amount}",
            "the whole workflow",
            found["dry"],
            found["workflow"],
            times="longer",
            unit="run",
        )
    )
    return rows


def _shares(seconds: dict[str, float]) -> str:
    named = sorted(seconds.items(), key=lambda item: -item[1])
    plots = sum(value for name, value in named if name.startswith("plot_"))
    shown = [f"{name} {value:.1f}" for name, value in named if not name.startswith("plot_")]
    return ", ".join([*shown, f"plots {plots:.1f}"])


BENCHMARKS = {"workflow": workflow}

if __name__ == "__main__":
    if "--gigabytes" in sys.argv:
        place = sys.argv.index("--gigabytes")
        amount = float(sys.argv[place + 1])
        del sys.argv[place : place + 2]
        BENCHMARKS = {"workflow": lambda: workflow(replace(FULL, workflow_gigabytes=amount))}
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
