"""What to say of a raw file that cannot be used: is the file at fault, or the computer?

A file that is missing, cut off or damaged is a FrameError, which policy `missing: nan` passes over. That
the computer cannot give a file now (too many open files, a disk error, no permission) says nothing of
the frame: it is a UserError, never a FrameError, so that no good frame is ever counted as missing.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path

from scatterflow.errors import UserError, from_os_error

MOST_COMPARED = 500  # names; comparing is slow, and a folder may hold a million
SHOWN_NAMES = 3

_GONE = {errno.ENOENT, errno.ENOTDIR}
# An offset out of a damaged file, handed on to the system, comes back with these.
_DAMAGE = {errno.EINVAL, errno.EOVERFLOW, errno.EFBIG}
_ADVICE = {
    errno.EMFILE: (
        "too many open files",
        "raise the limit (`ulimit -n`) for this job, then run snakemake again",
    ),
    errno.ENFILE: (
        "too many open files on this computer",
        "run fewer jobs at once, then run snakemake again",
    ),
    errno.EIO: (
        "the disk or the network gave an error while reading",
        "run snakemake again; if it stays, have the disk or the file server checked",
    ),
    errno.ESTALE: (
        "the network folder was lost while reading (stale file handle)",
        "run snakemake again; if it stays, have the folder mounted again",
    ),
}


class NotAFile(Exception):
    """A pipe or a device where a file should be."""


def open_descriptor(path: str | Path) -> int:
    """A file, open for reading; raises NotAFile for a pipe or device, else as `os.open`."""
    # Opening a pipe without a writer would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        os.close(descriptor)
        raise NotAFile("not a file, but a pipe or a device")
    return descriptor


def system_number(error: BaseException) -> int | None:
    """The number of an operating-system error that does not lie in the file, else None.

    HDF5 gives it in its text only: "... (file read failed: ... errno = 5, ...)".
    """
    number = error.errno if isinstance(error, OSError) else None
    if not number and (found := re.search(r"errno = (\d+)", str(error))):
        number = int(found[1])
    return number if number and number not in _GONE | _DAMAGE else None


def system_error(error: BaseException, path: str | Path) -> UserError | None:
    """The UserError (no FrameError) for an operating-system error, None if the file is at fault."""
    number = system_number(error)
    if number is None:
        return None
    if number in _ADVICE:
        return UserError(_ADVICE[number][0], str(path), _ADVICE[number][1])
    mendable = from_os_error(OSError(number, os.strerror(number), str(path)))
    return mendable or UserError(
        f"the computer cannot read the file: {os.strerror(number)}",
        str(path),
        "run snakemake again; if it stays, ask who keeps the computer or the file server",
    )


@contextmanager
def system_errors_reported(path: str | Path) -> Iterator[None]:
    """Raise operating-system errors that do not lie in the file as UserError; all else passes."""
    try:
        yield
    except OSError as error:
        if found := system_error(error, path):
            raise found from error
        raise


def missing_file_advice(path: Path, otherwise: str = "") -> str:
    """How to mend a missing file: what is there in its place, then `otherwise`."""
    folder = path.parent
    if not folder.is_dir():
        while not folder.parent.is_dir() and folder.parent != folder:
            folder = folder.parent
        found = f"the folder {folder} is not there"
    else:
        near = _nearest_names(folder, path.name)
        if near:
            found = f"in {folder} there {'is' if len(near) == 1 else 'are'} {', '.join(near)}"
        else:
            found = f"nothing in {folder} has a similar name"
    return f"{found}; {otherwise}" if otherwise else found


def _nearest_names(folder: Path, name: str) -> list[str]:
    with system_errors_reported(folder):
        names = [path.name for path in folder.iterdir()]
    # Those that begin alike are compared; the others can hardly be what is meant.
    names.sort(key=lambda other: (-_common_start(other, name), other))
    return get_close_matches(name, names[:MOST_COMPARED], n=SHOWN_NAMES, cutoff=0.5)


def _common_start(one: str, other: str) -> int:
    # zip ends with the shorter, on purpose.
    alike = (a == b for a, b in zip(one, other, strict=False))
    return sum(1 for _ in takewhile(bool, alike))


def with_place(error: UserError, run: str, key: str) -> UserError:
    """The same error, `where` completed by the run and the key of the source, unless it says them."""
    places = [error.where] if error.where else []
    places += [place for place in (run, key) if place and place not in error.where.split(", ")]
    return type(error)(error.what, ", ".join(places), error.how)
