"""Errors that a user can mend.

Everything a user can get wrong ends in one `UserError`: what is wrong, where, and how to mend it.
Any other exception is a bug in scatterflow and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 40
_LISTED = 20


class UserError(Exception):
    """A mistake that the user can mend.

    what: one sentence, what is wrong.
    where: file, key, run, detector, frame: whatever finds the place.
    how: what to do about it.
    """

    def __init__(self, what: str, where: str = "", how: str = "") -> None:
        super().__init__(what, where, how)  # all three, so that the error survives pickling
        self.what = what
        self.where = where
        self.how = how

    def __str__(self) -> str:
        lines = [f"error: {printed(self.what)}"]
        if self.where:
            lines.append(f"where: {printed(self.where)}")
        if self.how:
            lines.append(f"mend:  {printed(self.how)}")
        return "\n".join(lines)

    def inside(self, where: str) -> UserError:
        """The same error with an outer place put before `where`."""
        return type(self)(self.what, f"{where}, {self.where}" if self.where else where, self.how)


def printed(text: str) -> str:
    """Text of a message, which may hold names out of files: control characters, which terminals obey, are
    escaped, and lines go on indented, so that none looks like a message of its own."""
    lines = [line.strip() for line in text.split("\n")]
    return "\n       ".join(
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
        for line in lines
    )


class FrameError(UserError):
    """A frame that is missing, short or corrupt (policy `missing: nan` may pass over it)."""


def shortened(value: object, length: int = _SHOWN) -> str:
    """`repr` of a value for a message: control characters escaped, not longer than a line bears."""
    if isinstance(value, str) and len(value) > length:
        return repr(value[:length] + "...")
    shown = repr(value)
    return shown if len(shown) <= 2 * length else shown[: 2 * length] + "..."


def suggestion(word: str, known: Iterable[str]) -> str:
    """'did you mean ...?' with the nearest known word, or the list of known words."""
    known = sorted(known)
    # Comparing is quadratic in the length; no name is longer than this.
    near = [other for other in known if other.lower() == word.lower()]
    near = near or get_close_matches(word[:100], known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    if not known:
        return "nothing is known here"
    more = f", ... ({len(known)} in all)" if len(known) > _LISTED else ""
    return f"known: {', '.join(known[:_LISTED])}{more}"


def from_os_error(error: OSError) -> UserError | None:
    """The `UserError` for an operating-system error that is the user's to mend, else None."""
    place = str(error.filename or "")
    number = error.errno or _number_in(str(error))
    if number in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            "the disk is full (or the quota is used up)",
            place or "a file that this job writes",
            "free space, or point results/ and work/ at a larger disk, then run snakemake again",
        )
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError("no permission to read or write", place, "check owner and mode")
    if number == errno.ENOENT:
        return UserError("file not found", place, "check the path in the configuration")
    if number in (errno.EISDIR, errno.ENOTDIR):
        what = "a folder stands" if number == errno.EISDIR else "a file stands"
        wanted = "file" if number == errno.EISDIR else "folder"
        return UserError(
            f"{what} where a {wanted} is expected", place, "check the path in the configuration"
        )
    if number == errno.ENAMETOOLONG:
        return UserError("the path is too long", place, "shorten names or paths")
    return None


def _number_in(text: str) -> int | None:
    # HDF5 passes the number on in its text only: "... (file write failed: ... errno = 28, ...)".
    found = re.search(r"errno = (\d+)", text)
    return int(found[1]) if found else None


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error says that the disk is full; HDF5 says so in the text of a RuntimeError."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return os.strerror(errno.ENOSPC) in str(error)
