"""The server of the portal, asked by raw requests: files of the site and of records, nothing else."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scatterflow.catalogue.site import generate_site
from scatterflow.catalogue.site_server import make_server
from scatterflow.errors import UserError
from tests.catalogue.example_records import write_results

SITE = "catalogue/site"
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "results"
    records = write_results(folder, 3)
    generate_site(records, folder, folder / SITE)
    (folder.parent / "secret.txt").write_text("secret")
    (folder / "run_0000/swaxs/notes.txt").write_text("secret")  # named by no record
    (folder / "run_0000/swaxs/.result.nxs.1234.tmp").write_text("secret")
    (folder / "report.html").write_text("secret")
    (folder / SITE / "leads_out.txt").symlink_to(folder.parent / "secret.txt")
    (folder / SITE / "folder_out").symlink_to(folder.parent, target_is_directory=True)
    os.mkfifo(folder / SITE / "pipe.txt")
    return folder


@pytest.fixture(scope="module")
def port(results: Path) -> Iterator[int]:
    with make_server(results, results / SITE, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        assert server.server_address[0] == "127.0.0.1"
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(port: int, path: str, method: str = "GET", host: str | None = None):
    """Status, headers and body of the answer to a request whose path is sent as it stands."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host if host is not None else f"127.0.0.1:{port}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_the_site_and_the_files_of_records_are_served(port, results):
    status, headers, _ = ask(port, "/")
    assert (status, headers["Location"]) == (302, f"/{SITE}/index.html")
    status, headers, body = ask(port, f"/{SITE}/index.html?x=1")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert body == (results / SITE / "index.html").read_bytes()
    record = json.loads(ask(port, "/run_0001/dynamics/record.json")[2])
    for file in record["files"]:
        status, headers, body = ask(port, f"/run_0001/dynamics/{file['path']}")
        assert status == 200, file
        assert hashlib.sha256(body).hexdigest() == file["sha256"]
        assert headers["Content-Type"].startswith(file["mime"])
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_answers_without_the_file(port, results):
    size = (results / "run_0001/dynamics/result.nxs").stat().st_size
    status, headers, body = ask(port, "/run_0001/dynamics/result.nxs", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(size), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        f"/{SITE}/../../../secret.txt",
        f"/{SITE}/%2e%2e/%2e%2e/report.html",
        f"/{SITE}/..%2f..%2freport.html",
        f"/{SITE}//etc/passwd",
        "//etc/passwd",
        "/etc/passwd",
        "/%2fetc/passwd",
        "/..\\secret.txt",
        f"/{SITE}/leads_out.txt",
        f"/{SITE}/folder_out/secret.txt",
        f"/{SITE}/pipe.txt",
        f"/{SITE}/assets",
        f"/{SITE}/assets/",
        f"/{SITE}",
        f"/{SITE}/index.html%00.png",
        f"/{SITE}/index.html/",
        f"/{SITE}/{'x' * 5000}",
        "/report.html",
        "/catalogue/index.sqlite",
        "/catalogue",
        "/run_0000",
        "/run_0000/swaxs/",
        "/run_0000/swaxs/notes.txt",
        "/run_0000/swaxs/.result.nxs.1234.tmp",
        "/run_0000/swaxs/plots/../notes.txt",
        "/run_0000/./swaxs/result.nxs",
        "/run_0009/swaxs/result.nxs",
    ],
)
def test_nothing_else_is_served(port, path):
    status, _, body = ask(port, path)
    assert status == 404, body
    assert b"secret" not in body
    assert b"/tmp" not in body


def test_a_path_that_is_no_text_is_refused(port):
    assert ask(port, "/%ff%fe")[0] == 400


def test_a_record_cannot_open_what_is_not_its_own(port, results):
    path = results / "run_0002/pump_probe/record.json"
    record = json.loads(path.read_text())
    away = ["../../../secret.txt", "/etc/passwd", "../../run_0000/swaxs/notes.txt"]
    link = results / "run_0002/pump_probe/plots/link.txt"
    link.symlink_to(results.parent / "secret.txt")
    record["files"] += [{**record["files"][0], "path": name} for name in [*away, "plots/link.txt"]]
    path.write_text(json.dumps(record))
    for name in (*away, "plots/link.txt"):
        assert ask(port, f"/run_0002/pump_probe/{name}")[0] == 404, name
    for broken in ("[]", '{"files": 1}', '{"files": [1]}', "{", "[" * 100000):
        path.write_text(broken)
        assert ask(port, "/run_0002/pump_probe/result.nxs")[0] == 404, broken


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"]
)
def test_it_only_reads(port, results, method):
    before = sorted(results.rglob("*"))
    assert ask(port, f"/{SITE}/index.html", method)[0] == 501
    assert sorted(results.rglob("*")) == before


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "",
        "localhost.evil:1",
        "[::1]:1",
    ],
)
def test_another_name_than_of_this_computer_is_refused(port, host):
    assert ask(port, f"/{SITE}/index.html", host=host)[0] == 421


def test_the_names_of_this_computer_are_taken(port):
    for host in ("localhost", f"localhost:{port}", "127.0.0.1"):
        assert ask(port, f"/{SITE}/index.html", host=host)[0] == 200


def test_it_cannot_be_reached_from_elsewhere(port):
    with socket.socket() as own:
        own.connect(("127.0.0.1", port))
    # Another address of the same computer, as good as the network: nobody listens there.
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port))


def test_a_port_that_is_taken_gives_one_clear_error(port, results):
    with pytest.raises(UserError, match="cannot be served at this port"):
        make_server(results, results / SITE, port)
    with pytest.raises(UserError, match="cannot be served at this port"):
        make_server(results, results / SITE, 70000)


def test_the_command_serves_until_it_is_interrupted(tmp_path):
    write_results(tmp_path / "results", 1)
    program = REPOSITORY / "scripts/scatterflow"
    with subprocess.Popen(
        [sys.executable, str(program), "portal", "--viewer", "no", "--serve", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        # A shell that starts these tests in the background has SIGINT ignored in all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert process.stdout is not None
        assert "1 result," in process.stdout.readline()
        said = process.stdout.readline()
        found = re.fullmatch(r"serving http://127\.0\.0\.1:(\d+)/  \(Ctrl\+C ends it\)\n", said)
        assert found, said
        assert ask(int(found[1]), f"/{SITE}/index.html")[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
