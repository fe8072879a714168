"""Where an HDF5 file keeps its frames: datasets found by name or by the usual layouts.

Known layouts, in the order tried: Eiger (Dectris) master with /entry/data/data_000001, _000002 ...;
the default plot of a NeXus file (attribute `default` from the root to an NXdata with `signal`);
/entry/data/data; /entry/instrument/detector/data (Lambda and others); the only image dataset of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from scatterflow.errors import UserError
from scatterflow.sources.hdf5_links import (
    LinkedFiles,
    MissingFile,
    NoSuchDataset,
    damage_reported,
)

if TYPE_CHECKING:
    import h5py

EIGER_GROUP = "/entry/data"
USUAL_NAMES = ("/entry/data/data", "/entry/instrument/detector/data")
MOST_NAMES, MOST_TRIED, SHOWN_DATASETS = 2000, 200, 5  # of datasets suggested for a wrong name
NEAR = 0.6
_EIGER_LINK = re.compile(r"data_\d{6,}\Z")


@dataclass(frozen=True)
class Segment:
    """Frames start..start + frames - 1 of a run: one dataset of shape (frames, rows, columns).

    holder: the file with the data; path, name: where the search for it begins (a master's link).
    missing: why it cannot be read ("": it can).
    """

    start: int
    frames: int
    path: Path
    name: str
    holder: Path
    missing: str = ""


def frame_datasets(
    files: LinkedFiles, wanted: str, shape: tuple[int, int] | None, frames: int
) -> list[str]:
    """Names of the datasets whose frames, one after the other, are the run's.

    wanted: a name, or `auto`. shape: of a frame, where known; it tells several detectors apart.
    frames: of the run; only a run of one frame can be a dataset without frame axis.
    Raises UserError: no dataset fits, or more than one.
    """
    if wanted != "auto":
        return [wanted]
    links = _eiger_links(files)
    if links:
        return links
    usual = [name for name in (_default_signal(files), *USUAL_NAMES) if name]
    for name in usual:
        if _is_image(files, name, shape, frames):
            return [name]
    return [_only_image(files, shape, frames)]


def _eiger_links(files: LinkedFiles) -> list[str]:
    try:
        group, holder = files.find(EIGER_GROUP)
    except NoSuchDataset:
        return []
    import h5py

    if not isinstance(group, h5py.Group):
        return []
    with damage_reported(holder):
        names = [name for name in map(str, group) if _EIGER_LINK.match(name)]
    names.sort(key=lambda name: int(name.rsplit("_", 1)[1]))
    return [f"{EIGER_GROUP}/{name}" for name in names]


def _default_signal(files: LinkedFiles) -> str:
    # Path of the signal at the end of the chain of `default` attributes, "" if there is none.
    name = ""
    for _ in range(8):
        group, holder = _existing(files, name or "/")
        if group is None:
            return ""
        with damage_reported(holder):
            signal = _text(group.attrs.get("signal"))
            default = _text(group.attrs.get("default"))
        if signal:
            return f"{name}/{signal}"
        if not default:
            return ""
        name = default if default.startswith("/") else f"{name}/{default}"
    return ""


def _only_image(files: LinkedFiles, shape: tuple[int, int] | None, frames: int) -> str:
    import h5py

    found: list[tuple[str, tuple[int, ...]]] = []

    def visit(name: str | bytes, item: object) -> None:
        if (
            isinstance(name, str)
            and isinstance(item, h5py.Dataset)
            and item.dtype.kind in "iuf"
            and item.ndim in (2, 3)
        ):
            found.append(("/" + name, item.shape))

    with damage_reported(files.first):
        files.open(files.first).visititems(visit)
    fitting = [name for name, dims in found if _fits(dims, shape, frames)]
    # A file may hold flat 2-D images (masks, flat fields) beside the frames.
    stacks = [name for name, dims in found if name in fitting and len(dims) == 3]
    candidates = stacks or fitting
    if len(candidates) == 1:
        return candidates[0]
    listed = ", ".join(f"{name} {dims}" for name, dims in found[:20]) or "none"
    wanted = f" of frames {shape[0]} x {shape[1]}" if shape else ""
    raise UserError(
        f"{len(candidates)} datasets{wanted} could be the frames; numeric datasets: {listed}",
        str(files.first),
        "name the dataset in `frames` of the source instead of `auto`",
    )


def _is_image(files: LinkedFiles, name: str, shape: tuple[int, int] | None, frames: int) -> bool:
    item, holder = _existing(files, name)
    with damage_reported(holder):
        dims = getattr(item, "shape", None)
        return dims is not None and item.dtype.kind in "iuf" and _fits(dims, shape, frames)


def _fits(dims: tuple[int, ...], shape: tuple[int, int] | None, frames: int) -> bool:
    if shape is not None and tuple(dims[-2:]) != tuple(shape):
        return False
    return len(dims) == 3 or (len(dims) == 2 and frames == 1)


def _existing(files: LinkedFiles, name: str):
    try:
        return files.find(name)
    except NoSuchDataset:
        return None, files.first


def similar_datasets(files: LinkedFiles, wanted: str, scalar_of: int | None = None) -> str:
    """For a name that leads to no dataset: which datasets could be meant, the nearest name first.

    scalar_of: number of frames, for a per-frame scalar; None: the dataset of frames.
    """
    wanted = wanted.strip("/")
    names = sorted(_dataset_names(files), key=lambda name: (-_likeness(wanted, name), name))
    found = []
    for name in names[:MOST_TRIED]:
        try:
            dataset, _ = files.dataset(name)
        except UserError:
            continue
        if dataset.dtype.kind in "iuf" and _could_be(dataset, scalar_of):
            found.append((name, dataset.shape))
        if len(found) == SHOWN_DATASETS:
            break
    if not found:
        what = "frames" if scalar_of is None else "one number, or one per frame"
        return f"no dataset of the file holds {what}: is it the right file?"
    listed = ", ".join(f"{name} {shape}" for name, shape in found)
    near = _likeness(wanted, found[0][0]) >= NEAR
    return f"did you mean {found[0][0]!r}? " * near + f"in the file: {listed}"


def _dataset_names(files: LinkedFiles) -> list[str]:
    # Without the leading "/", as people write them; links to other files as well.
    import h5py

    names: list[str] = []

    def visit(name: str | bytes, link: object) -> bool | None:
        if isinstance(name, str) and not isinstance(link, h5py.SoftLink):
            names.append(name)
        return True if len(names) >= MOST_NAMES else None

    with damage_reported(files.first):
        files.open(files.first).visititems_links(visit)
    return names


def _likeness(wanted: str, name: str) -> float:
    # Of the paths, or of their last parts: a dataset keeps its name when its group is another.
    ends = wanted.rpartition("/")[2], name.rpartition("/")[2]
    return max(
        SequenceMatcher(None, wanted.lower(), name.lower()).ratio(),
        0.95 * SequenceMatcher(None, ends[0].lower(), ends[1].lower()).ratio(),
    )


def _could_be(dataset: h5py.Dataset, scalar_of: int | None) -> bool:
    if scalar_of is None:
        return dataset.ndim in (2, 3) and dataset.size > 0
    return dataset.size in (1, scalar_of) and dataset.ndim <= 2


def _text(value: object) -> str:
    from scatterflow.files.hdf5 import text_of

    return text_of(value) if isinstance(value, bytes | str) else ""


def segments(files: LinkedFiles, names: list[str], frames: int, start: int = 0) -> list[Segment]:
    """The datasets `names` as consecutive ranges of frames, the first of them at frame `start`.

    frames: what is left of the run's frames; from it follows how many a missing data file held,
    if the others tell: files are filled equally, the last one with the rest.
    """
    found: list[tuple[str, Path, int | None, str]] = []
    for name in names:
        try:
            dataset, holder = files.dataset(name)
        except MissingFile as error:
            found.append((name, Path(error.where), None, error.what))
            continue
        found.append((name, holder, _frame_count(dataset.shape, f"{holder}, {name}"), ""))
    counts = _fill_counts([count for _, _, count, _ in found], frames)
    result = []
    for (name, holder, _, why), count in zip(found, counts, strict=True):
        if count:
            result.append(Segment(start, count, files.first, name, holder, why))
            start += count
    return result


def _frame_count(dims: tuple[int, ...], where: str) -> int:
    if len(dims) not in (2, 3):
        raise UserError(
            f"the dataset has shape {dims}", where, "frames need (frames, rows, columns)"
        )
    return dims[0] if len(dims) == 3 else 1


def _fill_counts(counts: list[int | None], frames: int) -> list[int]:
    # A missing file holds as many frames as the fullest other, the last missing one what is left.
    unknown = [i for i, count in enumerate(counts) if count is None]
    left = frames - sum(count for count in counts if count is not None)
    most = max((count for count in counts if count is not None), default=frames)
    filled = [count or 0 for count in counts]
    for i in unknown:
        filled[i] = max(0, min(left, most)) if i != unknown[-1] else max(0, left)
        left -= filled[i]
    return filled
