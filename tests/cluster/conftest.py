"""A folder with the profiles and with commands that answer as a scheduler's do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# What they do was taken from the manuals: `qsub` and `bsub` read the job from stdin, start it, and print its
# number; `qstat`, `qselect` and `bjobs` list what waits or runs. A file `down` is a scheduler that does not
# answer, `held` one that starts nothing; `refuse` holds how many submissions are refused.
SUBMIT = """#!/bin/bash
[[ -e $QUEUE/down ]] && { echo "cannot reach the server" >&2; exit 1; }
refused=$(cat "$QUEUE/refuse" 2>/dev/null || echo 0)
((refused > 0)) && { echo $((refused - 1)) >"$QUEUE/refuse"; exit 1; }
number=$(($(cat "$QUEUE/last" 2>/dev/null || echo 0) + 1))
echo "$number" >"$QUEUE/last"
printf '%s\\n' "$@" >"$QUEUE/$number.arguments"
cat >"$QUEUE/$number.script"
name=NUMBER_NAME
if [[ ! -e $QUEUE/held ]]; then
    touch "$QUEUE/$name.running"
    (env VARIABLE="$name" bash "$QUEUE/$number.script" >"$QUEUE/$number.log" 2>&1
     rm "$QUEUE/$name.running") >/dev/null 2>&1 </dev/null &
fi
PRINT
"""
LIST = """#!/bin/bash
echo asked >>"$QUEUE/questions"
[[ -e $QUEUE/down ]] && { echo "cannot reach the server" >&2; exit 1; }
[[ -e $QUEUE/slow ]] && sleep 30
cd "$QUEUE" && running=$(ls | sed -n 's/\\.running$//p')
PRINT
"""
SCHEDULERS = {
    "sge": {
        "submit": ("qsub", "$number", "JOB_ID", 'echo "$name"'),
        "list": (
            "qstat",
            """[[ -z $running ]] && exit 0
echo "job-ID  prior   name       user         state submit/start at     queue    slots ja-task-ID"
echo "------------------------------------------------------------------------------------------"
for job in $running; do
    state=$([[ -e $job.broken ]] && echo Eqw || echo r)
    echo "     $job 0.55500 scatterflo me           $state     11/22/2026 00:45:12 all.q@node1         1"
done""",
        ),
    },
    "pbs": {
        "submit": ("qsub", "$number.server01", "PBS_JOBID", 'echo "$name"'),
        "list": ("qselect", 'for job in $running; do echo "$job"; done'),
    },
    "lsf": {
        "submit": (
            "bsub",
            "$number",
            "LSB_JOBID",
            'echo "Job <$name> is submitted to default queue <normal>."',
        ),
        "list": (
            "bjobs",
            """[[ -z $running ]] && { echo "No unfinished job found" >&2; exit 255; }
for job in $running; do echo "$job"; done""",
        ),
    },
}


@dataclass
class Shims:
    """A scheduler of commands that only look like one. queue: where they keep what they were told."""

    scheduler: str
    folder: Path
    queue: Path
    environment: dict[str, str] = field(repr=False)

    def call(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def submit(self, script: str, *site: str) -> subprocess.CompletedProcess[str]:
        path = self.folder / "job.sh"
        path.write_text(script)
        given = (self.scheduler, "scatterflow.rule", "4", "1001", "90", *site)
        return self.call("profiles/queue/submit.sh", *given, str(path), QUEUE_PAUSES="0 0.1 0.1")

    def status(self, number: str, **more: str) -> str:
        found = self.call(
            "profiles/queue/status.sh",
            self.scheduler,
            number,
            **{"QUEUE_FRESH_SECONDS": "0", **more},
        )
        assert found.returncode == 0, found.stderr
        return found.stdout.strip()

    def set(self, name: str) -> None:
        (self.queue / name).touch()

    def unset(self, name: str) -> None:
        (self.queue / name).unlink()


def make_shims(scheduler: str, folder: Path) -> Shims:
    programs, queue, project = folder / "programs", folder / "queue", folder / "project"
    for made in (programs, queue, project):
        made.mkdir(parents=True)
    command, name, variable, text = SCHEDULERS[scheduler]["submit"]
    submit = SUBMIT.replace("NUMBER_NAME", name).replace("VARIABLE", variable)
    listing, answer = SCHEDULERS[scheduler]["list"]
    for path, content in (
        (programs / command, submit.replace("PRINT", text)),
        (programs / listing, LIST.replace("PRINT", answer)),
    ):
        path.write_text(content)
        path.chmod(0o755)
    shutil.copytree(REPOSITORY / "profiles", project / "profiles")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
    places = f"{programs}:{Path(sys.executable).parent}:{kept['PATH']}"
    return Shims(scheduler, project, queue, {**kept, "PATH": places, "QUEUE": str(queue)})


@pytest.fixture(params=sorted(SCHEDULERS))
def shims(request, tmp_path) -> Shims:
    """Commands of a scheduler that only look like it, for each kind in turn."""
    return make_shims(request.param, tmp_path)
