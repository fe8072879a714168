"""Errors that a user can mend.

Everything a user can get wrong ends in one `UserError`: what is wrong, where, and how to mend it.
Any other exception is a bug in scatterflow and keeps its traceback.
"""

from __future__ import annotations

import errno
from difflib import get_close_matches
from collections.abc import Iterable


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
        lines = [f"error: {self.what}"]
        if self.where:
            lines.append(f"where: {self.where}")
        if self.how:
            lines.append(f"mend:  {self.how}")
        return "\n".join(lines)

    def inside(self, where: str) -> UserError:
        """The same error with an outer place put before `where`."""
        return type(self)(self.what, f"{where}, {self.where}" if self.where else where, self.how)


class FrameError(UserError):
    """A frame that is missing, short or corrupt (policy `missing: nan` may pass over it)."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """'did you mean ...?' with the nearest known word, or the list of known words."""
    known = sorted(known)
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(known)}" if known else "nothing is known here"


def from_os_error(error: OSError) -> UserError | None:
    """The `UserError` for an operating-system error that is the user's to mend, else None."""
    place = str(error.filename or "")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            "the disk is full (or the quota is used up)",
            place,
            "free space, or point results/ and work/ at a larger disk, then run snakemake again",
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return UserError("no permission to read or write", place, "check owner and mode")
    if isinstance(error, FileNotFoundError):
        return UserError("file not found", place, "check the path in the configuration")
    return None
