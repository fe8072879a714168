"""Path patterns of the configuration: `{raw}`, `{run}`, `{frame}`, `{frame:05d}`, nothing else.

Patterns come from users, so they are taken apart with `string.Formatter` and filled in by hand: no
attributes, no indexing, no conversions, and no path that leaves the raw folder.
"""

from __future__ import annotations

import re
import string
from pathlib import Path

from scatterflow.errors import UserError, suggestion
from scatterflow.sources.base import RunLocation

FIELDS = {"raw", "run", "frame"}
_FRAME_FORMAT = re.compile(r"(0[1-9][0-9]?)?d?\Z")


def has_frame(pattern: str) -> bool:
    """True if a pattern numbers its files with `{frame}`; raises UserError for a bad pattern."""
    return any(field == "frame" for _, field, _ in _parts(pattern))


def fill(pattern: str, run: str, raw: str, frame: int | None = None) -> str:
    """A pattern with its fields filled in; raises UserError for an unknown field or format.

    frame: number for `{frame}`; None: the pattern must not have that field.
    """
    text = ""
    for literal, field, form in _parts(pattern):
        text += literal
        if field == "frame":
            if frame is None:
                raise UserError(
                    "{frame} has no meaning here",
                    f"pattern {pattern!r}",
                    "use {raw} and {run} only",
                )
            text += format(frame, form)
        elif field is not None:
            text += raw if field == "raw" else run
    return text


def path_below(root: str | Path, relative: str, where: str) -> Path:
    """`root`/`relative`; raises UserError if that would leave `root` (the disk is not touched)."""
    parts = relative.split("/")
    if not relative or relative.startswith(("/", "~")) or ".." in parts or "\0" in relative:
        raise UserError(
            f"{relative!r} is not a path below the raw folder",
            where,
            "give a relative path without '..'; the folder itself is the key `raw`",
        )
    return Path(root, relative)


def run_path(location: RunLocation, pattern: str, frame: int | None = None) -> Path:
    """Path of one raw file of a run: its pattern filled in, below the raw folder."""
    name = fill(pattern, location.run, location.raw, frame)
    return path_below(location.root, name, f"run {location.run}, pattern {pattern!r}")


def metadata_path(location: RunLocation) -> Path | None:
    """Path of the file that describes a run (`metadata` of the source), None without one."""
    pattern = location.recipe.get("metadata")
    return run_path(location, pattern) if pattern else None


def _parts(pattern: str) -> list[tuple[str, str | None, str]]:
    # (literal text, field, format) in order, checked.
    try:
        parsed = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise UserError(
            f"the pattern cannot be read ({error})", f"pattern {pattern!r}", "close every brace"
        ) from error
    parts = []
    for literal, field, form, conversion in parsed:
        if field is not None and field not in FIELDS:
            raise UserError(
                f"unknown field {{{field}}}", f"pattern {pattern!r}", suggestion(field, FIELDS)
            )
        if conversion or (form and (field != "frame" or not _FRAME_FORMAT.match(form))):
            raise UserError(
                f"format {(conversion or form)!r} of {{{field}}} is not allowed",
                f"pattern {pattern!r}",
                "write {frame} or a number of digits as in {frame:05d}",
            )
        parts.append((literal, field, form or ""))
    return parts
