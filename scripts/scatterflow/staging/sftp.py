"""A place behind SFTP, through the `sftp` command of OpenSSH.

Every site has it, and it knows the user's keys, agents, jump hosts and Kerberos tickets. `reget` and
`reput` continue a file where the last connection was cut. Calls share one connection, as long as it holds.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TypeVar

from scatterflow.errors import UserError
from scatterflow.staging.places import ConnectionCutError

# Commands of one connection: a list without end would be one without a sign of life.
BATCH = 500
# A connection without an answer is cut after 3 x 15 s, one that cannot be made after 30 s. It is kept for the
# next call for a while.
OPTIONS = {
    "BatchMode": "yes",
    "ControlMaster": "auto",
    "ControlPersist": "20",
    "ConnectTimeout": "30",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "3",
}
# What ssh says where trying again would not help.
HOPELESS = (
    "Permission denied (",
    "Host key verification failed",
    "Could not resolve hostname",
    "Too many authentication failures",
    "no such identity",
    "Can't open user config file",
)
_LISTED = re.compile(r"^-\S+\s+\S+\s+\S+\s+\S+\s+(\d+)\s")


Item = TypeVar("Item")


class SftpPlace:
    """See `scatterflow.staging.places.Place`."""

    def __init__(
        self, name: str, host: str, port: int | None, folder: str, ssh_config: str | None
    ) -> None:
        """host: with the user, if one is named."""
        self.name = name
        self._folder = PurePosixPath(folder)
        # Names of sockets must be short.
        self._control = TemporaryDirectory(prefix="sftp-", ignore_cleanup_errors=True)
        options = {**OPTIONS, "ControlPath": f"{self._control.name}/%C"}
        self._command = ["sftp", "-b", "-"]
        self._command += [f"-o{key}={value}" for key, value in options.items()]
        self._command += ["-F", ssh_config] if ssh_config else []
        self._command += ["-P", str(port)] if port else []
        self._command += ["--", host]

    def sizes(self, paths: list[str]) -> dict[str, int]:
        found = {}
        for some in _batches(paths):
            # `ls` of a name prints that one line, and nothing on stdout where there is no such file.
            text = self._run([f"-ls -ln {self._there(path)}" for path in some])
            for path, lines in zip(some, _answers(text, len(some)), strict=True):
                sizes = [int(match[1]) for line in lines if (match := _LISTED.match(line))]
                if sizes:
                    found[path] = sizes[0]
        return found

    def fetch(self, files: dict[str, Path]) -> None:
        there = self.sizes(list(files))
        arrived = {p: local.stat().st_size for p, local in files.items() if local.exists()}
        wanted = [path for path in files if there.get(path, -1) > arrived.get(path, -1)]
        # Nothing to continue is a plain `get`: it also makes an empty file.
        self._run_all(
            f"{'reget' if path in arrived else 'get'} {self._there(path)} {_quoted(str(files[path]))}"
            for path in wanted
        )

    def store(self, files: dict[str, Path]) -> None:
        there = self.sizes(list(files))
        folders = {
            str(folder): None
            for path in files
            for folder in reversed((self._folder / path).parents)
            if folder.is_relative_to(self._folder)
        }
        self._run_all(f"-mkdir {_quoted(folder)}" for folder in folders)
        self._run_all(
            f"{'reput' if path in there else 'put'} {_quoted(str(local))} {self._there(path)}"
            for path, local in files.items()
            if local.stat().st_size > there.get(path, -1)
        )

    def rename(self, names: dict[str, str]) -> None:
        self._run_all(f"rename {self._there(old)} {self._there(new)}" for old, new in names.items())

    def remove(self, paths: list[str]) -> None:
        self._run_all(f"-rm {self._there(path)}" for path in paths)

    def _run_all(self, commands: Iterable[str]) -> None:
        for some in _batches(commands):
            self._run(some)

    def _there(self, path: str) -> str:
        return _quoted(str(self._folder / path))

    def _run(self, commands: list[str]) -> str:
        """What a list of commands prints; raises ConnectionCutError if one failed (a leading `-`: it may)."""
        with TemporaryFile("w+", errors="replace") as errors:  # the kept connection holds it open
            try:
                done = subprocess.run(
                    self._command,
                    input="\n".join(commands) + "\n",
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    errors="replace",
                )
            except FileNotFoundError:
                raise UserError(
                    "the command sftp is not installed", self.name, "install the client of OpenSSH"
                ) from None
            errors.seek(0)
            said = errors.read()
        if done.returncode == 0:
            return done.stdout
        hopeless = [line for line in said.splitlines() if any(word in line for word in HOPELESS)]
        if hopeless:
            raise UserError(
                f"no connection: {hopeless[0].strip()}",
                self.name,
                "connect once by hand with `sftp`; ssh must need no password (a key, an agent)",
            )
        last = said.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ConnectionCutError(last[-1].strip())


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, BATCH)):
        yield some


def _answers(text: str, number: int) -> list[list[str]]:
    """Lines that each of the commands printed; sftp repeats a command before its answer."""
    answers: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("sftp> "):
            answers.append([])
        elif answers:
            answers[-1].append(line)
    if len(answers) != number:
        raise ConnectionCutError(f"{len(answers)} answers to {number} questions")
    return answers


def _quoted(path: str) -> str:
    """A path as sftp reads it; between quotes `*`, `?` and `[` stand for themselves."""
    return '"' + re.sub(r'(["\\])', r"\\\1", path) + '"'
