"""Discovery, format by format: which files make an acquisition, and which source reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.plan.discovery_hdf5 import frames_of_dataset, image_stacks, linked_files
from scatterflow.plan.raw_folder import (
    PatternReader,
    Series,
    gaps,
    is_hdf5,
    is_image,
    numbered_series,
    without_suffix,
)
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5_links import is_appended_to
from scatterflow.sources.modules import configured_modules
from scatterflow.sources.spec import SpecSource
from scatterflow.sources.spec_command import parse_command
from scatterflow.sources.spec_file import (
    ScanText,
    SpecFile,
    is_spec_file,
    parse_scan,
    read_spec_file,
)
from scatterflow.sources.spec_frames import detector_files, split_name

MOST_LISTED = 5


@dataclass(frozen=True)
class Recipe:
    """A configured source: its name, its `sources:` entry, the shapes of the detectors."""

    name: str
    recipe: dict[str, Any]
    shapes: dict[str, tuple[int, int]]

    @property
    def format(self) -> str:
        """`images`, `hdf5`, `spec`, `imm`, ..."""
        return self.recipe["format"]

    @property
    def detectors(self) -> dict[str, str]:
        """Per detector, where its frames are."""
        return self.recipe["frames"]

    @cached_property
    def readers(self) -> dict[str, PatternReader]:
        """Per detector, its path pattern (not `spec`); of several files, that of the first."""
        if self.format == "hdf5":
            found = {name: text.rpartition("::")[0] for name, text in self.detectors.items()}
            return {name: PatternReader(text or "{raw}") for name, text in found.items()}
        suffix = configured_modules(self.recipe.get("modules"))[0].suffix
        return {name: PatternReader(text + suffix) for name, text in self.detectors.items()}


@dataclass(frozen=True)
class Acquisition:
    """What was found. source "": no configured source reads it; then the notes say what to add.

    run: the run's name where the path fixes it; suggested_names: names to choose from otherwise.
    """

    source: str
    raw: str
    frames: int
    run: str | None = None
    suggested_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def run_names(path: str) -> tuple[str, ...]:
    """Names for a run from its path: the last part; with its folder; the whole path."""
    parts = path.split("/")
    return tuple("_".join(parts[-count:]) for count in range(1, len(parts) + 1))


def unread(raw: str, frames: int, why: str, entry: str) -> Acquisition:
    """An acquisition that no source reads; entry: that of `sources:` to add."""
    return Acquisition("", raw, frames, notes=(f"{why}; add to config.yaml:\n{entry}",))


def source_entry(form: str, frames: Iterable[tuple[str, str]], more: str = "") -> str:
    """What to add to the configuration; frames: (detector, where its frames are)."""
    lines = ["sources:", "  NAME:", f"    format: {form}", "    frames:"]
    lines += [f"      {detector}: '{text}'" for detector, text in frames]
    return "\n".join(lines) + more


# SPEC


def spec_acquisitions(
    root: Path, files: list[str], recipes: list[Recipe]
) -> tuple[list[Acquisition], list[str]]:
    """SPEC scans with a folder of frames; and the files that belong to no SPEC file or scan."""
    found, spec_files, folders = [], set(), set()
    for path in files:
        if is_image(path) or is_hdf5(path) or not is_spec_file(root / path):
            continue
        spec = read_spec_file(root / path)
        spec_files.add(path)
        for number in dict.fromkeys(scan.number for scan in spec.scans):
            folder = f"{path}_{number:03d}"
            if (root / folder).is_dir():
                folders.add(folder)
                same = [scan for scan in spec.scans if scan.number == number]
                found.append(_spec_scan(root, path, spec, same, recipes))
    left = [
        path
        for path in files
        if path not in spec_files and not any(f in folders for f in _folders_above(path))
    ]
    return found, left


def _folders_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def _spec_scan(
    root: Path, path: str, spec: SpecFile, same: list[ScanText], recipes: list[Recipe]
) -> Acquisition:
    # The last scan of a number has overwritten the frames of those before it.
    text, notes = same[-1], []
    number = str(text.number)
    if len(same) > 1:
        number += f".{text.order}"
        notes.append(f"scan {text.number} occurs {len(same)} times; the last one is taken")
    raw = f"{path}::{number}"
    names = run_names(f"{path}_{text.number:03d}")
    try:
        scan = parse_scan(spec.path, text)
        points = scan.points_done or parse_command(scan.command, raw).points or 0
        if not points:
            return Acquisition("", raw, 0, notes=("the scan has no points",))
        for recipe in (recipe for recipe in recipes if recipe.format == "spec"):
            location = RunLocation("", raw, str(root), points, recipe.recipe)
            source = SpecSource(location)
            folder, prefix = source.folder, source.path.name
            if all(detector_files(folder, name, prefix) for name in recipe.detectors.values()):
                notes += _points_without_file(source)
                return Acquisition(recipe.name, raw, points, None, names, tuple(notes))
    except UserError as error:
        return Acquisition("", raw, 0, notes=(f"cannot be read: {error.what} ({error.where})",))
    detectors = _detectors_in(root / f"{path}_{text.number:03d}", Path(path).name, text.number)
    if not detectors:
        return Acquisition("", raw, points, notes=("no frames in the scan's folder",))
    entry = source_entry(
        "spec", [(f"DETECTOR_{i}", name) for i, name in enumerate(detectors, start=1)]
    )
    return unread(raw, points, "no source of format spec reads these detectors", entry)


def _points_without_file(source: SpecSource) -> list[str]:
    notes = []
    for detector, places in source.places.items():
        missing = [i for i, place in enumerate(places) if place is None]
        if missing:
            notes.append(
                f"{len(missing)} of {len(places)} points have no file of detector {detector} "
                f"(points {_listed(missing)})"
            )
    return notes


def _detectors_in(folder: Path, prefix: str, scan: int) -> list[str]:
    """Detector names in the file names: what stands between the SPEC file's name and the scan."""
    found = set()
    for path in folder.iterdir():
        if path.name.startswith(".") or not (is_image(path.name) or is_hdf5(path.name)):
            continue
        words = split_name(path.name)[0].removeprefix(f"{prefix}_").split("_")
        name = []
        for word in words:
            if (word.isdigit() and int(word) == scan) or word in ("master", "data"):
                break
            name.append(word)
        found.add("_".join(name))
    return sorted(found - {""})


def _listed(numbers: list[int]) -> str:
    more = ", ..." if len(numbers) > MOST_LISTED else ""
    return ", ".join(map(str, numbers[:MOST_LISTED])) + more


# HDF5


def hdf5_acquisitions(
    root: Path, files: list[str], recipes: list[Recipe]
) -> tuple[list[Acquisition], list[str]]:
    """HDF5 files with frames; and the files that are no HDF5 files."""
    hdf5 = [path for path in files if is_hdf5(path)]
    linked = linked_files(root, hdf5)
    candidates = [path for path in hdf5 if path not in linked]
    found, claimed = [], set()
    for recipe in (recipe for recipe in recipes if recipe.format == "hdf5"):
        free = [path for path in candidates if path not in claimed]
        for (raw, run), paths in complete_runs(recipe, free).items():
            acquisition = _hdf5_run(root, recipe, raw, run, paths)
            if acquisition:
                found.append(acquisition)
                claimed |= set(paths.values())
    found += [_unread_hdf5(root, path) for path in candidates if path not in claimed]
    found = [acquisition for acquisition in found if acquisition.notes or acquisition.source]
    return found, [path for path in files if not is_hdf5(path)]


def _unread_hdf5(root: Path, path: str) -> Acquisition:
    """Says what source would read an HDF5 file; without notes for one that holds no frames."""
    count, why = frames_of_dataset(root / path, "auto", None)
    stacks = {} if count or why else image_stacks(root / path)
    if not why and count < 2 and not stacks:
        return Acquisition("", path, 0)
    if why:
        return Acquisition("", path, 0, notes=(why,))
    frames = [("DETECTOR", "auto")]
    if stacks:
        frames = [(f"DETECTOR_{i}", name) for i, name in enumerate(stacks, start=1)]
        count = max(stacks.values())
    return unread(path, count, "no source of format hdf5 reads this", source_entry("hdf5", frames))


def complete_runs(recipe: Recipe, files: list[str]) -> dict[tuple[str, str | None], dict[str, str]]:
    """{(raw, run): {detector: path}} where every detector of a source has its file."""
    found: dict[tuple[str, str | None], dict[str, str]] = defaultdict(dict)
    for path in files:
        for detector, reader in recipe.readers.items():
            meaning = reader.read(path)
            if meaning:
                found[meaning.raw, meaning.run][detector] = path
    return {key: paths for key, paths in found.items() if len(paths) == len(recipe.detectors)}


def _hdf5_run(
    root: Path, recipe: Recipe, raw: str, run: str | None, paths: dict[str, str]
) -> Acquisition | None:
    counts = {}
    for detector, path in paths.items():
        dataset = recipe.detectors[detector].rpartition("::")[2]
        counts[detector], _ = frames_of_dataset(root / path, dataset, recipe.shapes.get(detector))
    if not all(counts.values()):
        return None
    names = run_names(without_suffix(raw).removesuffix("_master"))
    notes = counts_differ(counts)
    if any(is_appended_to(root / path) for path in paths.values()):
        notes += ("its file is still open for writing: more frames may come",)
    return Acquisition(recipe.name, raw, max(counts.values()), run, names, notes)


def counts_differ(counts: dict[str, int]) -> tuple[str, ...]:
    """The note to make where the detectors of a run have different numbers of frames."""
    if len(set(counts.values())) == 1:
        return ()
    each = ", ".join(f"{detector} {count}" for detector, count in counts.items())
    return (f"the detectors have different numbers of frames ({each}); the table has the largest",)


# Image series


def image_acquisitions(root: Path, files: list[str], recipes: list[Recipe]) -> list[Acquisition]:
    """Image files and numbered series of them."""
    recipes = [recipe for recipe in recipes if recipe.format == "images"]
    found: list[Acquisition] = []
    claimed: set[str] = set()
    for recipe in recipes:
        free = [path for path in files if path not in claimed]
        for (raw, run), series in _complete_series(recipe, free).items():
            acquisition = _image_run(root, recipe, raw, run, series)
            if acquisition:
                found.append(acquisition)
                claimed |= {path for numbers in series.values() for path in numbers.values()}
    left = [path for path in files if path not in claimed and is_image(path)]
    return found + [_unread_series(root, series) for series in numbered_series(left)]


def _complete_series(
    recipe: Recipe, files: list[str]
) -> dict[tuple[str, str | None], dict[str, dict[int | None, str]]]:
    """{(raw, run): {detector: {number: path}}} where every detector of a source has files."""
    found: dict[Any, dict[str, dict[int | None, str]]] = defaultdict(lambda: defaultdict(dict))
    for path in files:
        for detector, reader in recipe.readers.items():
            meaning = reader.read(path)
            if meaning:
                found[meaning.raw, meaning.run][detector][meaning.number] = path
    return {key: series for key, series in found.items() if len(series) == len(recipe.detectors)}


def _image_run(
    root: Path,
    recipe: Recipe,
    raw: str,
    run: str | None,
    series: dict[str, dict[int | None, str]],
) -> Acquisition | None:
    first, per_file = recipe.recipe.get("first_frame", 0), recipe.recipe.get("frames_per_file", 1)
    counts, notes = {}, []
    for detector, paths in series.items():
        numbers = sorted(number for number in paths if number is not None)
        if not numbers:
            counts[detector] = _frames_in_image(root / paths[None])
            continue
        if numbers[0] != first:
            return None  # numbered from another number: not the series that this source reads
        last = _frames_in_image(root / paths[numbers[-1]]) if per_file > 1 else 1
        counts[detector] = (numbers[-1] - first) * per_file + last
        missing = sum(map(len, found := list(gaps(numbers))))
        if missing:
            shown = list(islice(chain.from_iterable(found), MOST_LISTED + 1))
            notes.append(
                f"{missing} files of detector {detector} are missing: number {_listed(shown)}"
            )
    if not all(counts.values()):
        return None
    notes += counts_differ(counts)
    names = run_names(without_suffix(raw))
    return Acquisition(recipe.name, raw, max(counts.values()), run, names, tuple(notes))


def _frames_in_image(path: Path) -> int:
    from scatterflow.sources.image_files import UNREADABLE, open_image_file

    try:
        with open_image_file(path, 1 << 33) as image:
            return image.frames
    except (*UNREADABLE, OSError):
        return 0


def _unread_series(root: Path, series: Series) -> Acquisition:
    if not series.numbers:
        frames, more = _frames_in_image(root / series.paths[0]), ""
    else:
        frames, more = series.numbers[-1] - series.numbers[0] + 1, ""
        if series.numbers[0]:
            more = f"\n    first_frame: {series.numbers[0]}"
    entry = source_entry("images", [("DETECTOR", series.pattern)], more)
    return unread(series.raw, frames, "no source of format images reads this", entry)
