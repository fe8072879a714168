"""Where raw data comes from and results go to, if that is not this computer."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from scatterflow.config.base import FilePath, Model, Text


def _check_server(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", text):
        raise ValueError(
            "the URL of a server, as `https://s3.example.org:9000`, without user and keys"
        )
    return text


class Staging(Model):
    """Distant folders, as `sftp://user@host:22/data/raw` or `s3://bucket/prefix`, or the path of a folder."""

    raw: Text | None = None
    """Where `scatterflow stage` fetches raw data from, into the folder `raw`, by the MANIFEST.tsv there."""
    results: Text | None = None
    """Where `scatterflow deliver` returns the folder `results` to."""
    attempts: Annotated[int, Field(ge=1, le=1000)] = 5
    """Connections that may be cut in a row, nothing arriving in between, before a transfer gives up."""
    pause_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Seconds before the first new attempt; twice as many before each further one."""
    ssh_config: FilePath | None = None
    """Configuration of ssh instead of the user's own."""
    s3_endpoint: Annotated[Text, AfterValidator(_check_server)] | None = None
    """URL of the S3 server, if it is not Amazon's: `https://s3.example.org`. Keys are not written here: they
    come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, ...) or from `aws configure` (needs
    a site)."""
