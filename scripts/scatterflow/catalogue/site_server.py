"""A server of the portal for one person on one computer: loopback only, read only.

It sends the files of the site and those that the records of results name, regular files all of them, and
nothing else: no listings, no hidden files, no way out by `..` or links, no methods but GET and HEAD. Requests
by another name than that of this computer are refused: a page from elsewhere whose name was made to point
here could read the results otherwise. For many people, let any web server serve the folder of results, or
a copy made with --copy.
"""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from scatterflow.catalogue.delivered import MIMES
from scatterflow.errors import UserError
from scatterflow.files.confined import open_regular

LOOPBACK = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
TYPES = {
    **MIMES,
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".wasm": "application/wasm",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# What the workflow wrote is looked at, and runs nothing, not even an SVG of unknown origin.
RESULT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
LARGEST_RECORD = 16 << 20


def make_server(results: str | Path, site: str | Path, port: int) -> ThreadingHTTPServer:
    """A server of the site (inside of `results`) at 127.0.0.1:port; port 0 takes a free one.

    `server_port` is the port, `serve_forever()` serves. Raises UserError if the port is taken.
    """
    results = Path(results).resolve()
    inner = Path(site).resolve().relative_to(results).as_posix()
    handler = partial(_Handler, results, inner)
    try:
        server = ThreadingHTTPServer((LOOPBACK, port), handler)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"the portal cannot be served at this port ({error})",
            f"port {port}",
            "choose another with --port; 0 takes a free one",
        ) from None
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    server_version = "scatterflow"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def __init__(self, results: Path, site: str, *arguments: object) -> None:
        self._results = results
        self._site = site
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        if not self._is_asked_by_its_name():
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        try:
            path = unquote(urlsplit(self.path).path, errors="strict").removeprefix("/")
        except ValueError:
            return self.send_error(HTTPStatus.BAD_REQUEST)
        if path in ("", f"{self._site}/"):
            return self._lead_to(f"/{self._site}/index.html")
        try:
            file, policy = self._opened(path)
        except FileNotFoundError:
            return self.send_error(HTTPStatus.NOT_FOUND)
        with file:
            self._send(file, path, policy, with_body)

    def _is_asked_by_its_name(self) -> bool:
        host = self.headers.get("Host", "")
        return host.rpartition(":")[0] in NAMES if ":" in host else host in NAMES

    def _opened(self, path: str) -> tuple[BinaryIO, str | None]:
        """The file, and the policy that it is sent with if it is part of a result."""
        if path.startswith(f"{self._site}/"):
            inner = path.removeprefix(f"{self._site}/")
            return open_regular(self._results / self._site, inner), None
        if not _is_described(self._results, path):
            raise FileNotFoundError(path)
        return open_regular(self._results, path), RESULT_POLICY

    def _lead_to(self, address: str) -> None:
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", address)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, file: BinaryIO, path: str, policy: str | None, with_body: bool) -> None:
        self.send_response(HTTPStatus.OK)
        kind = TYPES.get(f".{path.rpartition('.')[2].lower()}", "application/octet-stream")
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind[:5] == "text/" else kind)
        self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
        if policy is not None:
            self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        if with_body:
            try:
                shutil.copyfileobj(file, self.wfile)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the browser has lost interest

    def send_response(self, code: int, message: str | None = None) -> None:
        super().send_response(code, message)
        for name, value in HEADERS.items():
            self.send_header(name, value)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the one who asks is the one who started the server."""


def _is_described(results: Path, path: str) -> bool:
    """Whether a record names the file RUN/REDUCTION/path (or it is the record)."""
    parts = path.split("/", 2)
    if len(parts) != 3:
        return False
    if parts[2] == "record.json":
        return True
    try:
        with open_regular(results, f"{parts[0]}/{parts[1]}/record.json") as file:
            record = json.loads(file.read(LARGEST_RECORD))
        return any(described["path"] == parts[2] for described in record["files"])
    except (FileNotFoundError, ValueError, RecursionError, KeyError, TypeError):
        return False
