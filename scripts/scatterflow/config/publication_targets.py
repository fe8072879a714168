"""Where results are published to: Tiled, Globus Search, SciCat. Keys and tokens come from the environment."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from scatterflow.config.base import Model, Text
from scatterflow.errors import shortened

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_PRINCIPAL = re.compile(r"(public|all_authenticated_users|urn:globus:[a-z:]+:[0-9a-f-]{36})\Z")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+\Z")
# Keys of `publication` that say where to; records do not depend on them.
TARGETS = {"tiled", "globus", "scicat"}
# Schemes that send a token in clear are left to servers on the same computer.
_LOCAL = ("127.0.0.1", "localhost", "::1")


def check_address(address: str) -> str:
    """The address of a server: no key or password in it, encrypted but for the own computer."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{shortened(parts.path)} is no address: begin with https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "an address holds no key, password or query: keys are taken from the environment"
        )
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise ValueError(f"{shortened(address)} would send keys unencrypted: use https://")
    return address


def _check_uuid(text: str) -> str:
    if not _UUID.match(text):
        raise ValueError(f"{shortened(text)} is no UUID of Globus (lower case, with dashes)")
    return text


def _check_principal(text: str) -> str:
    if not _PRINCIPAL.match(text):
        raise ValueError(
            f"{shortened(text)} names nobody: use public, all_authenticated_users, "
            "urn:globus:groups:id:UUID or urn:globus:auth:identity:UUID"
        )
    return text


def _check_absolute(path: str) -> str:
    if not path.startswith("/") or ".." in PurePosixPath(path).parts or not path.isprintable():
        raise ValueError(f"{shortened(path)} must be an absolute path, without '..'")
    return path


def _check_mail(text: str) -> str:
    if not _MAIL.match(text):
        raise ValueError(f"{shortened(text)} is no mail address")
    return text


Address = Annotated[str, AfterValidator(check_address)]
AbsolutePath = Annotated[str, AfterValidator(_check_absolute)]
Mail = Annotated[str, AfterValidator(_check_mail)]
FilledText = Annotated[Text, Field(min_length=1)]


class TiledTarget(Model):
    """A Tiled server that shows result files where they lie."""

    address: Address
    """Address of the container: `https://host/api/v1/metadata/results`. The key is in TILED_API_KEY."""


class GlobusTarget(Model):
    """An index of Globus Search, and the collection that holds the files."""

    collection: Annotated[str, AfterValidator(_check_uuid)]
    """UUID of the collection."""
    path: AbsolutePath = "/"
    """Folder of the collection that holds `R/X/` of run R and reduction X."""
    https_address: Address | None = None
    """Address of the collection's HTTPS server, for links to files."""
    visible_to: Annotated[
        list[Annotated[str, AfterValidator(_check_principal)]], Field(min_length=1, max_length=100)
    ]
    """Who sees the entries: `public`, `all_authenticated_users`, `urn:globus:groups:id:UUID` or
    `urn:globus:auth:identity:UUID`."""


class ScicatTarget(Model):
    """A SciCat catalogue."""

    address: Address
    """Address of the server's interface: `https://host/api/v3`. The token is in SCICAT_TOKEN."""
    owner: FilledText
    """Name of the datasets' owner."""
    owner_group: FilledText
    """Group that the datasets belong to."""
    access_groups: list[FilledText] = Field(default=[])
    """Groups that may read them."""
    contact_email: Mail
    """Whom to ask."""
    source_folder: AbsolutePath
    """Folder where SciCat's users find the files: of run R and reduction X in `R/X/`."""
    transfer: Literal["none", "copy"] = "none"
    """How files get there: `none` if they are there already; `copy` to this folder, into `R/X/DIGEST/`."""
    input_column: FilledText = "scicat_pid"
    """Column of the run table with the identifiers of the raw datasets in SciCat, separated by commas."""
