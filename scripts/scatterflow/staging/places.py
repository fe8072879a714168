"""Distant places that files are fetched from and stored in: a folder, one behind SFTP, a bucket of S3."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol
from urllib.parse import urlparse

from scatterflow.errors import UserError

SCHEMES = "a folder, file:///folder, sftp://[user@]host[:port]/folder or s3://bucket/prefix"


class ConnectionCutError(Exception):
    """A transfer that ended before its end; what has arrived stays, the next call goes on from there."""


class Place(Protocol):
    """A folder somewhere. Paths are relative to it, with `/`; every call may raise ConnectionCutError."""

    name: str

    def sizes(self, paths: list[str]) -> dict[str, int]:
        """Sizes in bytes of those of the files that are there."""

    def fetch(self, files: dict[str, Path]) -> None:
        """Files to local paths, in order; a local file is what has arrived already, and is continued.

        One that is longer than the file there, or a file that is not there, is passed over.
        """

    def store(self, files: dict[str, Path]) -> None:
        """Local files to paths there, as `fetch`."""

    def rename(self, names: dict[str, str]) -> None:
        """Files there, old path to new path, which is replaced."""

    def remove(self, paths: list[str]) -> None:
        """Files there, if they are there."""


def open_place(
    address: str, ssh_config: str | None = None, s3_endpoint: str | None = None
) -> Place:
    """The place of an address; nothing is touched yet. ssh_config: instead of the user's own; s3_endpoint:
    URL of an S3 server that is not Amazon's.

    Raises UserError for an address that is none.
    """
    parsed = urlparse(address)
    if parsed.scheme == "s3" and re.fullmatch(r"[A-Za-z0-9][\w.-]+", parsed.netloc, re.ASCII):
        from scatterflow.staging.s3 import S3Place

        if not parsed.query and not parsed.fragment:
            return S3Place(address, parsed.netloc, parsed.path, s3_endpoint)
    if parsed.scheme == "sftp" and parsed.hostname and parsed.path:
        from scatterflow.staging.sftp import SftpPlace

        try:
            port = parsed.port
        except ValueError:
            port = None
        user = f"{parsed.username}@" if parsed.username else ""
        if not parsed.password and not parsed.query and not parsed.hostname.startswith("-"):
            return SftpPlace(address, f"{user}{parsed.hostname}", port, parsed.path, ssh_config)
    elif parsed.scheme in ("", "file") and parsed.path and not parsed.netloc:
        from scatterflow.staging.folder import FolderPlace

        return FolderPlace(Path(parsed.path if parsed.scheme else address))
    raise UserError(
        f"not an address that data can be staged from or to: {_without_password(address)}",
        "key staging",
        f"use {SCHEMES}; passwords and keys are no part of it, use an ssh key or `aws configure`",
    )


def _without_password(address: str) -> str:
    password = urlparse(address).password
    return address.replace(f":{password}@", ":...@") if password else address
