"""A registry in a folder of the test, masks for it, and Tiled servers: real ones on this machine.

PostgreSQL is the system's own, started for the tests in a temporary folder; without it those tests are
skipped. Starting a server takes some seconds, so tests share them.
"""

from __future__ import annotations

import os
import pwd
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from scatterflow.registry.store import FileRegistry

SHAPE = (13, 21)  # no multiple of 8
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
KEY = "secretkey"  # of the Tiled servers


@pytest.fixture
def registry(tmp_path) -> FileRegistry:
    """An empty registry; nothing is made before the first registration."""
    return FileRegistry(tmp_path / "registry")


@pytest.fixture
def good() -> np.ndarray:
    """A mask with a stop and two single pixels."""
    return some_mask()


def answers_of(workers: list, answers, count: int) -> list:
    """What processes put into a queue, so many of them; fails as soon as one of them has died."""
    found: list = []
    while len(found) < count:
        try:
            found.append(answers.get(timeout=2))
        except queue.Empty:
            died = [worker.exitcode for worker in workers if worker.exitcode]
            assert not died, f"processes ended with {died}"
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    return found


def some_mask(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A good mask; another one for each seed."""
    good = np.ones(shape, bool)
    good[3:6, 8:12] = False
    good.ravel()[np.random.default_rng(seed).integers(0, good.size, 5)] = False
    return good


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Start Tiled servers; returns their address when they answer. They end with the tests."""
    import httpx

    servers = {}

    def stop(address: str) -> None:
        servers[address].terminate()
        servers[address].wait(60)

    def start(*arguments: str) -> str:
        port = free_port()
        log = tmp_path_factory.mktemp("tiled") / "log"
        with log.open("w") as stream:
            server = subprocess.Popen(
                [sys.executable, "-m", "tiled", "serve", *arguments, "--port", str(port)],
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={
                    **os.environ,
                    "PYTHONPATH": str(SCRIPTS),
                    "TILED_SINGLE_USER_API_KEY": KEY,
                },
            )
        address = f"http://127.0.0.1:{port}/api/v1/"
        servers[address] = server
        for _ in range(1200):
            assert server.poll() is None, log.read_text()
            try:
                httpx.get(address, timeout=5).raise_for_status()
                return address
            except httpx.HTTPError:
                time.sleep(0.25)
        raise AssertionError(log.read_text())

    start.stop = stop
    yield start
    for server in servers.values():
        server.terminate()
    for server in servers.values():
        server.wait(60)


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("TILED_API_KEY", KEY)


@pytest.fixture(scope="session")
def sqlite(serve, tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    return serve("catalog", f"{folder}/catalogue.db", "--init", "-w", str(folder / "data"))


@pytest.fixture(scope="session")
def postgresql(serve, tmp_path_factory):
    """A catalogue in the system's PostgreSQL, run by an account that is not root."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates += [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    needed = ("initdb", "postgres", "createdb")
    programs = [f for f in candidates if all((f / name).exists() for name in needed)]
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    # Not in pytest's folder: no other account may look into that.
    folder = Path(tempfile.mkdtemp(prefix="scatterflow-postgresql-"))
    account = {}
    if os.getuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        account = {"user": "postgres" if "postgres" in names else "nobody"}
        shutil.chown(folder, account["user"])
    port = free_port()
    data = str(folder / "data")
    options = {"cwd": folder, "capture_output": True, "text": True, **account}
    made = subprocess.run(
        [programs[0] / "initdb", "-D", data, "-A", "trust", "-U", "scatterflow"], **options
    )
    assert made.returncode == 0, made.stderr
    database = subprocess.Popen(
        [programs[0] / "postgres", "-D", data, "-p", str(port), "-k", str(folder)]
        + ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account,
    )
    ask = [programs[0] / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "scatterflow"]
    ask.append("masks")
    try:
        for _ in range(240):
            if (made := subprocess.run(ask, **options)).returncode == 0:
                break
            time.sleep(0.25)
        assert made.returncode == 0, made.stderr
        uri = f"postgresql+asyncpg://scatterflow@127.0.0.1:{port}/masks"
        yield serve("catalog", uri, "--init", "-w", str(tmp_path_factory.mktemp("files")))
    finally:
        database.send_signal(signal.SIGINT)  # ends its connections, too
        database.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def container(address, key, request):
    """A container of the test's own: its registry, and the address for other processes."""
    from scatterflow.registry.tiled_store import TiledRegistry, connect

    client = connect(address).client
    name = request.node.name.replace("[", "-").replace("]", "")
    client.create_container(name)
    return TiledRegistry(client[name])
