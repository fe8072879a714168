"""A real Slurm of a few virtual nodes on this computer, in a folder of its own: for tests, as root.

No accounting, no systemd, own ports and an own munge, and nothing outside of its folder: a Slurm that the
computer is part of is not touched. Snakemake's executor hides SLURM_CONF from what it starts, so the
commands of Slurm are reached through scripts that set it.

Jobs of partition `main` take the place of those of partition `backfill`, which go back into the queue.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

COMMANDS = ("sbatch", "squeue", "srun", "scancel", "scontrol")
PROGRAMS = ("munged", "slurmctld", "slurmd", *COMMANDS)
CONFIGURATION = """\
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SlurmdTimeout=10
KillWait=2
MinJobAge=600
SchedulerParameters=batch_sched_delay=1,sched_min_interval=100000,bf_interval=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{nodes}
PartitionName=main Nodes=ALL Default=YES PriorityTier=2 PreemptMode=OFF State=UP
PartitionName=backfill Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE State=UP
"""


def missing_programs() -> list[str]:
    """What has to be installed before a toy Slurm can start here."""
    return [name for name in PROGRAMS if not shutil.which(name, path=_path())]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@dataclass
class ToySlurm:
    """A cluster; `environment` is what makes the commands of Slurm talk to it."""

    folder: Path
    nodes: int = 3
    memory_mb: int = 16000
    environment: dict[str, str] = field(init=False, repr=False)

    def start(self) -> None:
        """Start everything; raises RuntimeError with the end of a log if it does not come up."""
        self.folder.mkdir(parents=True)
        self.environment = {
            "PATH": f"{self._write_commands()}:{_path()}",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }
        (self.folder / "state").mkdir()
        host = socket.gethostname().split(".")[0]
        port, *ports = _free_ports(self.nodes + 1)
        lines = [
            f"NodeName=n{i} NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs=1 "
            f"RealMemory={self.memory_mb} State=UNKNOWN"
            for i, node_port in enumerate(ports, start=1)
        ]
        text = CONFIGURATION.format(
            host=host, port=port, folder=self.folder, nodes="\n".join(lines)
        )
        (self.folder / "slurm.conf").write_text(text)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        files = {
            "key-file": key,
            **{name: self.folder / f"munge.{name}" for name in ("socket", "pid-file", "log-file")},
            "seed-file": self.folder / "munge.seed",
        }
        self.run("munged", "--force", *(f"--{name}={path}" for name, path in files.items()))
        self.start_controller()
        for i in range(1, self.nodes + 1):
            self.start_node(f"n{i}")
        self._wait_until(lambda: self.run("srun", "-t1", f"-N{self.nodes}", "true"))

    def start_controller(self) -> None:
        self.run("slurmctld")
        self._wait_until(lambda: self.run("scontrol", "ping"))

    def stop_controller(self) -> None:
        self._kill(self.folder / "slurmctld.pid", signal.SIGTERM)

    def start_node(self, name: str) -> None:
        (self.folder / f"spool.{name}").mkdir(exist_ok=True)
        self.run("slurmd", "-N", name)

    def kill_node(self, name: str) -> None:
        """As when the power fails: all that runs there is gone, nobody is told."""
        for job in self.squeue("%A", "--states=running", f"--nodelist={name}"):
            for process in psutil.process_iter(["cmdline"]):
                if f"slurmstepd: [{job}." in " ".join(process.info["cmdline"] or []):
                    for one in [process, *process.children(recursive=True)]:
                        with suppress(psutil.Error):
                            one.kill()
        self._kill(self.folder / f"slurmd.{name}.pid", signal.SIGKILL)

    def squeue(self, form: str, *arguments: str) -> list[str]:
        """One line for each job that waits or runs."""
        return self.run("squeue", "--noheader", f"--format={form}", *arguments).splitlines()

    def scancel(self, *arguments: str) -> None:
        self.run("scancel", *arguments)

    def stop(self) -> None:
        """Stop everything that `start` started."""
        with suppress(RuntimeError):
            self.scancel("--user=root")
            self._wait_until(lambda: self.squeue("%A") == [], seconds=20)
        for path in [*self.folder.glob("slurmd.*.pid"), self.folder / "slurmctld.pid"]:
            self._kill(path, signal.SIGTERM)
        self._kill(self.folder / "munge.pid-file", signal.SIGTERM)

    def _write_commands(self) -> Path:
        """The folder of scripts that call the commands of Slurm with this cluster's configuration."""
        programs = self.folder / "commands"
        programs.mkdir()
        for name in COMMANDS:
            script = programs / name
            program = shutil.which(name, path=_path())
            script.write_text(
                f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {program} "$@"\n'
            )
            script.chmod(0o755)
        return programs

    def run(self, *command: str) -> str:
        """What a command prints; raises RuntimeError if it fails."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout[-1000:]}")
        return done.stdout

    def _wait_until(self, works, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if works() is not False:
                    return
            except (RuntimeError, subprocess.TimeoutExpired):
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise RuntimeError("the cluster does not answer")
            time.sleep(0.3)

    def _kill(self, pid_file: Path, number: signal.Signals) -> None:
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(pid_file.read_text()))
            process.send_signal(number)
            process.wait(20)
