"""What lies in a raw folder: its files, those that a path pattern means, numbered series.

Nothing outside the folder is looked at: hidden files and folders are passed over, symbolic links to
folders are not followed, links to files only if they stay inside.
"""

from __future__ import annotations

import os
import re
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from scatterflow.config.base import NAME_PATTERN
from scatterflow.errors import UserError, shortened
from scatterflow.names import natural_key
from scatterflow.sources.patterns import fill, has_frame
from scatterflow.sources.spec_frames import HDF5_SUFFIXES, split_name

DEEPEST = 8
IMAGE_SUFFIXES = (".tif", ".tiff", ".cbf", ".edf", ".img", ".mccd")
_NUMBERED = re.compile(r"(.*?)(\d+)\Z", re.DOTALL)


def list_files(root: Path, deepest: int = DEEPEST) -> list[str]:
    """Paths of the regular files below `root`, relative to it, in natural order.

    deepest: folders below each other that are entered.
    Raises UserError if there is no such folder.
    """
    if not root.is_dir():
        raise UserError("the raw folder does not exist", str(root), "check `raw` in config.yaml")
    real_root = os.path.realpath(root)
    found: list[str] = []

    def look(folder: str, depth: int) -> None:
        try:
            with os.scandir(root / folder) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return  # moved away since its folder was looked at
        for entry in visible:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not entry.name.isprintable():
                continue  # no run table can hold such a name
            if entry.is_dir(follow_symlinks=False):
                if depth < deepest and os.access(entry.path, os.R_OK | os.X_OK):
                    look(path, depth + 1)
            elif entry.is_file() and _inside(entry, real_root):
                found.append(path)

    look("", 1)
    return sorted(found, key=natural_key)


def _inside(entry: os.DirEntry, real_root: str) -> bool:
    if not entry.is_symlink():
        return True
    return os.path.commonpath([os.path.realpath(entry.path), real_root]) == real_root


def refuse_braces(paths: Iterable[str], where: str) -> None:
    """Raise UserError for a raw file whose name Snakemake would take for a pattern: not only its run would
    stand still, but all of them."""
    for path in paths:
        if "{" in path or "}" in path:
            raise UserError(f"the name of {shortened(path, 200)} holds braces", where, "rename it")


def is_hdf5(path: str) -> bool:
    """Whether a file's name is that of an HDF5 file."""
    return split_name(path)[1] in HDF5_SUFFIXES


def is_image(path: str) -> bool:
    """Whether a file's name is that of a detector image."""
    return split_name(path)[1] in IMAGE_SUFFIXES


def without_suffix(path: str) -> str:
    """A path without the suffix of an image or HDF5 file (`.tif.gz`); others as they are."""
    if not (is_image(path) or is_hdf5(path)):
        return path
    folder, slash, name = path.rpartition("/")
    return folder + slash + split_name(name)[0]


@dataclass(frozen=True)
class Meaning:
    """What a pattern says of a path: the run table's `raw`, the run's name, the number of the file.

    run: None if the pattern has no `{run}`; raw is then the text for `{raw}`, else for `{run}`.
    """

    raw: str
    run: str | None
    number: int | None


class PatternReader:
    """Reads paths backwards: which `{raw}`, `{run}` and `{frame}` make this path of a pattern?"""

    def __init__(self, pattern: str) -> None:
        """Raises UserError for a pattern that `scatterflow.sources.patterns` would refuse."""
        self.pattern = pattern
        self.numbered = has_frame(pattern)
        self._regex = re.compile(_pattern_regex(pattern) + r"\Z", re.DOTALL)
        self.names_runs = bool({"raw", "run"} & set(self._regex.groupindex))

    def read(self, path: str) -> Meaning | None:
        """What the pattern says of a path below the raw folder; None if it does not mean it."""
        match = self._regex.match(path)
        if not match or not self.names_runs:
            return None
        groups = match.groupdict()
        raw, run = groups.get("raw"), groups.get("run")
        number = int(groups["frame"]) if self.numbered else None
        # Digits and padding: only what the source would build from these values is meant.
        if fill(self.pattern, run or "", raw or "", number) != path:
            return None
        return Meaning(raw if raw is not None else str(run), run, number)


def _pattern_regex(pattern: str) -> str:
    regex, seen = "", set()
    for literal, field, form, _ in string.Formatter().parse(pattern):
        regex += re.escape(literal)
        if field is None:
            continue
        if field in seen:
            regex += f"(?P={field})"
        elif field == "frame":
            width = re.sub(r"\D", "", form or "").lstrip("0")
            # Without a width the number begins where the digits do.
            regex += rf"(?P<frame>\d{{{width},}})" if width else r"(?P<frame>(?<!\d)\d+)"
        else:
            regex += r"(?P<raw>.+)" if field == "raw" else f"(?P<run>{NAME_PATTERN})"
        seen.add(field)
    return regex


@dataclass(frozen=True)
class Series:
    """Files that differ in their last number only; one file without number is a series of its own.

    pattern: path pattern that would read it, {raw} being `raw`.
    numbers: in order; empty for a single file without number.
    """

    raw: str
    pattern: str
    numbers: tuple[int, ...]
    paths: tuple[str, ...]


def numbered_series(paths: list[str]) -> list[Series]:
    """Sort image files into series by folder, name before the last number, width and suffix."""
    groups: dict[tuple[str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for path in paths:
        folder, _, name = path.rpartition("/")
        stem = split_name(name)[0]
        match = _NUMBERED.match(stem)
        start, suffix = f"{folder}/" if folder else "", name[len(stem) :]
        words = (match[1], match[2]) if match and match[1] else (stem, "")
        groups[start, words[0], suffix].append((words[1], path))
    found = []
    for (start, stem, suffix), group in groups.items():
        # The number of a lone waxs_lab6.edf is part of its name.
        lone = [item for item in group if not item[0] or (len(group) == 1 and stem[-1].isalpha())]
        for number, path in lone:
            found.append(Series(start + stem + number, "{raw}" + _literal(suffix), (), (path,)))
        rest = [item for item in group if item not in lone]
        found += [_series(start, stem, suffix, rest)] if rest else []
    return sorted(found, key=lambda series: natural_key(series.paths[0]))


def _series(start: str, stem: str, suffix: str, group: list[tuple[str, str]]) -> Series:
    group = sorted(group, key=lambda item: int(item[0]))
    widths = {len(digits) for digits, _ in group}
    padded = len(widths) == 1 and max(widths) > 1
    field = f"{{frame:0{max(widths)}d}}" if padded else "{frame}"
    raw = stem.rstrip("_-. ") or stem
    return Series(
        raw=start + raw,
        pattern="{raw}" + _literal(stem[len(raw) :]) + field + _literal(suffix),
        numbers=tuple(int(digits) for digits, _ in group),
        paths=tuple(path for _, path in group),
    )


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def gaps(numbers: Sequence[int]) -> Iterator[range]:
    """What is missing between ascending numbers, gap by gap: dates as numbers are far apart."""
    for before, after in pairwise(numbers):
        if after > before + 1:
            yield range(before + 1, after)
