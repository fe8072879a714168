"""A real OpenSSH server and a real S3 server on the loopback address, with keys of their own; a proxy that
cuts connections."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")


@dataclass
class Server:
    """sshd: its port, the folder that tests keep their data in, and a configuration for its clients."""

    port: int
    folder: Path
    ssh_config: Path

    def address(self, name: str, port: int | None = None) -> str:
        return f"sftp://127.0.0.1:{port or self.port}{self.folder / name}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """The server; tests are skipped where OpenSSH's is not installed."""
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    sftp_server = next((path for path in SFTP_SERVERS if Path(path).exists()), None)
    if not sshd or not sftp_server or not shutil.which("sftp"):
        pytest.skip("the server of OpenSSH is not installed")
    folder = tmp_path_factory.mktemp("sshd")
    folder.chmod(0o755)
    for key in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True)
    (folder / "authorised").write_text((folder / "user.pub").read_text())
    port = free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorised\nPasswordAuthentication no\nStrictModes no\n"
        f"PermitRootLogin yes\nUsePAM no\nMaxStartups 100\nSubsystem sftp {sftp_server}\n"
    )
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known").write_text(f"* {host_key}\n")
    (folder / "ssh_config").write_text(
        f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking yes\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sshd, "-D", "-e", "-f", str(folder / "sshd_config")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=open(folder / "log", "w"),  # noqa: SIM115 - the server's, as long as it lives
    )
    try:
        wait_for_port(port, process, folder / "log")
        data = folder / "data"
        data.mkdir()
        yield Server(port, data, folder / "ssh_config")
    finally:
        process.terminate()
        process.wait()


def wait_for_port(port: int, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"the server does not start here: {log.read_text()[-300:]}")
        time.sleep(0.05)


class CuttingProxy:
    """Passes connections on to a server, and cuts each after so many bytes in both directions: the first one
    after `limits[0]`, and so on; None and later ones never. total: nothing passes after so many bytes of all
    together. passed: bytes of all connections."""

    def __init__(self, target: int, limits: list[int | None], total: int = 1 << 60) -> None:
        self.cuts = 0
        self.passed = 0
        self._total = total
        self._limits = list(limits)
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                limit = self._limits.pop(0) if self._limits else None
                threading.Thread(target=self._serve, args=(client, limit), daemon=True).start()

    def _serve(self, client: socket.socket, limit: int | None) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            left = [limit if limit is not None else 1 << 60]
            lock = threading.Lock()
            ends = [(client, server), (server, client)]
            threads = [
                threading.Thread(target=self._pass, args=(*pair, left, lock), daemon=True)
                for pair in ends
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _pass(self, source: socket.socket, sink: socket.socket, left: list[int], lock) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 15):
                with lock:
                    left[0] = min(left[0], self._total - self.passed)
                    block = block[: left[0]]
                    left[0] -= len(block)
                    self.passed += len(block)
                    full = left[0] == 0
                sink.sendall(block)
                if full:
                    break
        with lock:
            if left[0] == 0:
                self.cuts += 1
                left[0] = -1
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def cutting(request):
    """Makes a proxy before the server of the test: cutting([bytes, bytes, ...])."""
    made: list[CuttingProxy] = []
    name = "s3_port" if "s3_port" in request.fixturenames else "server"
    server = request.getfixturevalue(name)

    def make(limits: list[int | None], **total: int) -> CuttingProxy:
        made.append(CuttingProxy(getattr(server, "port", server), limits, **total))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture(scope="session")
def s3_port(tmp_path_factory) -> Iterator[int]:
    """Port of the S3 server of `moto`."""
    port, log = free_port(), tmp_path_factory.mktemp("s3") / "log"
    with open(log, "w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        wait_for_port(port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def bucket(s3_port, tmp_path, monkeypatch):
    """A client of an empty bucket `data`, as an independent way to look into it."""
    import boto3

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    address = f"http://127.0.0.1:{s3_port}"
    found = boto3.resource("s3", endpoint_url=address, region_name="us-east-1").Bucket("data")
    found.create()
    yield found
    for upload in found.multipart_uploads.all():
        upload.abort()
    found.objects.all().delete()
    found.delete()
