"""Regular files inside of one folder, and nothing else: what a page may link to, a server may send.

Every folder on the way is opened below the one before it without following links, so that neither `..`,
nor a symbolic link, nor a link put there in the meantime leads out.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(root: str | Path, relative: str) -> BinaryIO:
    """The regular file `relative` (parts joined by `/`) below the folder `root`, open for reading.

    `root` itself may be a link. Raises FileNotFoundError for everything else: absent or unreadable files,
    folders, links, devices, hidden names (temporary files are hidden), `..`, empty parts.
    """
    parts = relative.split("/")
    if any(not part or part.startswith(".") or "\0" in part for part in parts):
        raise FileNotFoundError(f"not the path of a file inside of {root}: {relative!r}")
    try:
        descriptor = _opened(root, parts)
    except (OSError, UnicodeError) as error:
        raise FileNotFoundError(f"no such file in {root}: {relative!r}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"not a regular file in {root}: {relative!r}")
    return os.fdopen(descriptor, "rb")


def _opened(root: str | Path, parts: list[str]) -> int:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Opening a pipe without a writer would wait for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        return os.open(parts[-1], flags, dir_fd=folder)
    finally:
        os.close(folder)
