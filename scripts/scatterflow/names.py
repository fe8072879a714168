"""Names that are safe as a folder, a wildcard, a NeXus group, a key of a database; and their order."""

from __future__ import annotations

import re

from scatterflow.errors import shortened

NAME_LENGTH = 64
NAME_PATTERN = rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{NAME_LENGTH - 1}}}"
_NAME = re.compile(NAME_PATTERN + r"\Z")


def check_name(name: str) -> str:
    """A name that is safe as a folder name, a wildcard and a NeXus group; raises ValueError."""
    if not isinstance(name, str) or not _NAME.match(name) or ".." in name:
        raise ValueError(
            f"{shortened(name)} cannot be a name: use 1 to {NAME_LENGTH} of the characters "
            "A-Z a-z 0-9 _ . - and start with a letter or digit"
        )
    return name


def identifier(name: str) -> str:
    """A scalar's name as expressions, fields and groups write it: `ipm2/sum` is ipm2_sum."""
    return re.sub(r"\W", "_", name)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorting key that takes digits as numbers: f2 before f10."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(p), "") if p.isdigit() and p.isascii() else (1, 0, p) for p in parts]
