"""Following links in HDF5 files without leaving the run's own folder.

Eiger masters link to data files, virtual datasets gather them: that must work. But a link, a virtual
source or external raw storage can name any file on the computer, and HDF5 follows it without asking.
So names are followed here link by link: every other file must lie, symbolic links resolved, in the
folder of the first file or below, and external raw storage (bytes of a file that is no HDF5) is refused.
"""

from __future__ import annotations

import math
import os
import posixpath
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.sources.raw_faults import system_error

if TYPE_CHECKING:
    import h5py

MOST_LINKS = 32  # on the way to one dataset: more is a circle
MOST_OPEN = 16  # files at a time; a job may open 1024, often less
MOST_FRAMES = 100_000_000
LARGEST_CHUNK = 1 << 30  # bytes; a frame of 16 megapixels has 64 MiB
DEEPEST_VIRTUAL = 4  # virtual datasets of virtual datasets ...
FIRST_PLUGIN_FILTER = 256  # below: filters that are part of HDF5


class MissingFile(FrameError):
    """A file that a link names is not there, cut off or damaged; `where` is its path."""


class NoSuchDataset(UserError):
    """A name leads to no dataset of the file."""


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Raise what h5py raises over damaged bytes inside a file as MissingFile; all else passes.

    h5py has no exception of its own for this: it raises KeyError, RuntimeError, OSError and others.
    What lies in the computer and not in the file (see `system_error`) is raised as UserError.
    """
    try:
        yield
    except (KeyError, RuntimeError, OSError, ValueError, TypeError) as error:
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        if last is None or "h5py" not in Path(last.tb_frame.f_code.co_filename).parts:
            raise
        if found := system_error(error, path):
            raise found from error
        reason = error.args[0] if error.args else error
        raise MissingFile(
            f"the HDF5 file is damaged: {reason}", str(path), "copy it again from the detector"
        ) from error


@dataclass(frozen=True)
class VirtualPiece:
    """A part of a virtual dataset: its frames `frames` are the frames `sources` of a source dataset.

    frames: ascending.
    """

    frames: Sequence[int]
    path: Path
    dataset: str
    sources: Sequence[int]

    def within(self, first: int, stop: int) -> slice:
        """Which of its frames lie in first..stop-1."""
        return slice(bisect_left(self.frames, first), bisect_left(self.frames, stop))

    def overlaps(self, first: int, stop: int) -> bool:
        """Whether any of its frames lies in first..stop-1."""
        inside = self.within(first, stop)
        return inside.start < inside.stop


class OpenFiles:
    """HDF5 files open for reading; beyond `MOST_OPEN`, the one not used for longest is closed.

    A file of which somebody still holds a dataset or group stays open: it would be lost with the file.
    """

    def __init__(self) -> None:
        self._files: dict[str, h5py.File] = {}  # the last one used stands last

    def close(self) -> None:
        """Close all files; they open again when needed."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def open(self, path: Path) -> h5py.File:
        """The file, open.

        Files are opened without locks: raw data often lie on read-only or network folders, where
        HDF5's locks fail, and nobody writes finished raw data.

        Raises MissingFile if it is missing, cut off or no HDF5 file; UserError if the computer cannot
        give it.
        """
        key = os.path.realpath(path)
        if key not in self._files:
            self._close_oldest()
            try:
                self._files[key] = open_hdf5(path)
            except OSError as error:
                raise _why_not_opened(error, path) from error
        self._files[key] = self._files.pop(key)
        return self._files[key]

    def _close_oldest(self) -> None:
        import h5py

        inner = h5py.h5f.OBJ_ALL & ~h5py.h5f.OBJ_FILE
        for key, file in list(self._files.items()):
            if len(self._files) < MOST_OPEN:
                return
            if h5py.h5f.get_obj_count(file.id, inner) == 0:
                self._files.pop(key).close()


def open_hdf5(path: Path) -> h5py.File:
    """An HDF5 file for reading, as it is now if somebody appends to it; raises OSError."""
    import h5py

    return h5py.File(path, "r", locking=False, swmr=is_appended_to(path))


def is_appended_to(path: Path) -> bool:
    """Whether a writer whose readers see whole chunks only (SWMR: single writer, multiple readers) has not
    closed a file: its superblock says so.

    HDF5 File Format Specification 4.0, II.A: signature, version, sizes of offsets and of lengths, file
    consistency flags (bit 0: open for writing, bit 2: by such a writer).
    """
    try:
        with open(path, "rb") as stream:
            start = stream.read(12)
    except OSError:
        return False
    known = start[:8] == b"\x89HDF\r\n\x1a\n" and len(start) == 12 and start[8] >= 3
    return known and start[11] & 0b101 == 0b101


def _why_not_opened(error: OSError, path: Path) -> UserError:
    if found := system_error(error, path):
        return found
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return MissingFile("raw file is missing", str(path), "put it there (see `raw`)")
    reason = "it is cut off" if "truncated" in str(error) else str(error)
    return MissingFile(
        f"HDF5 file cannot be opened: {reason}", str(path), "copy it again from the detector"
    )


class LinkedFiles:
    """A first HDF5 file and those that it links to, opened read-only when needed."""

    def __init__(self, first: Path, opened: OpenFiles | None = None) -> None:
        """opened: shared with the other files of a run, so that all together stay few."""
        self.first = first
        # A symbolic link to a master stands for it: data files may lie beside either.
        self.folders = {str(first.parent.resolve()), str(first.resolve().parent)}
        self._opened = opened or OpenFiles()
        self._pieces: dict[tuple[str, str], list[VirtualPiece]] = {}

    def close(self) -> None:
        """Close all files; they open again when needed."""
        self._opened.close()

    def open(self, path: Path) -> h5py.File:
        """The file, open; see `OpenFiles.open`."""
        return self._opened.open(path)

    def confined(self, folder: Path, name: str, where: str) -> Path:
        """Path of a file that a link in `folder` names; raises UserError if it lies elsewhere."""
        path = Path(folder, name)
        real = str(path.resolve())
        if not any(os.path.commonpath([real, allowed]) == allowed for allowed in self.folders):
            raise UserError(
                f"a link leads out of the run's folder, to {name!r}",
                where,
                "put the data files into the folder of the master file (or below)",
            )
        return path

    def find(self, name: str, path: Path | None = None) -> tuple[h5py.HLObject, Path]:
        """The object called `name` and the file that holds it, all links followed.

        path: the file to begin in; None: the first file.
        Raises UserError: no such name, a link that leads out, a circle; MissingFile.
        """
        import h5py

        path = path or self.first
        group, left = self._root(path), _parts(name)
        for _ in range(MOST_LINKS):
            step = self._follow_hard_links(group, left, path, name)
            if not isinstance(step, tuple):
                return step, path
            group, link, left = step
            if isinstance(link, h5py.ExternalLink):
                path = self.confined(
                    path.parent, os.fsdecode(link.filename), f"{path}, {group.name}"
                )
                target, group = os.fsdecode(link.path), self._root(path)
            else:
                target = posixpath.join(group.name, os.fsdecode(link.path))
                group = group.file["/"]
            left = _parts(target) + left
        raise NoSuchDataset("links run in a circle", f"{path}, {name}", "correct the file")

    def _root(self, path: Path) -> h5py.Group:
        with damage_reported(path):
            return self.open(path)["/"]

    def _follow_hard_links(self, group, left: list[str], path: Path, name: str):
        # The object, or (group, link, names after it) at a soft or external link.
        import h5py

        for i, part in enumerate(left):
            with damage_reported(path):
                # Asked for the link, HDF5 does not follow it.
                link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
                if link is None:
                    near = (
                        suggestion(part, map(str, group)) if isinstance(group, h5py.Group) else ""
                    )
                    raise NoSuchDataset(f"nothing is called {name!r} in the file", str(path), near)
                if not isinstance(link, h5py.HardLink):
                    return group, link, left[i + 1 :]
                group = group[part]
        return group

    def dataset(self, name: str, path: Path | None = None) -> tuple[h5py.Dataset, Path]:
        """As `find`, for a dataset that is safe to read: no external storage, sources inside."""
        found, holder = self.find(name, path)
        with damage_reported(holder):
            self._check_dataset(found, holder, f"{holder}, {name}")
        return found, holder

    def _check_dataset(self, found: h5py.HLObject, holder: Path, where: str) -> None:
        import h5py

        if not isinstance(found, h5py.Dataset):
            raise NoSuchDataset("this is a group, not a dataset", where, "name the dataset in it")
        if found.external is not None:
            raise UserError(
                "the dataset keeps its bytes in another file (external raw storage): not read",
                where,
                "store the data in the HDF5 file",
            )
        if found.chunks and found.dtype.itemsize * math.prod(found.chunks) > LARGEST_CHUNK:
            raise UserError(f"chunks of {found.chunks} are too large", where, "rewrite the file")
        _load_filters(found, where)
        if found.is_virtual:
            self.virtual_pieces(found, holder)

    def virtual_pieces(self, dataset: h5py.Dataset, holder: Path) -> list[VirtualPiece]:
        """What a virtual dataset is made of, in the order of its frames; looked up once per dataset.

        No source is opened: who reads a piece takes it through `dataset`, which checks it.
        """
        key = (os.path.realpath(holder), str(dataset.name))
        if key not in self._pieces:
            with damage_reported(holder):
                mapped = dataset.virtual_sources()
            pieces = [self._piece(source, dataset, holder) for source in mapped]
            self._pieces[key] = sorted(pieces, key=lambda p: (p.frames[0], str(p.path)))
        return self._pieces[key]

    def _piece(self, source: Any, dataset: h5py.Dataset, holder: Path) -> VirtualPiece:
        where = f"{holder}, {dataset.name}"
        if "%" in source.file_name or "%" in source.dset_name:
            raise UserError(
                f"a virtual dataset with a pattern of file names ({source.file_name!r})",
                where,
                "name the source files one by one",
            )
        path = holder
        if source.file_name != ".":
            path = self.confined(holder.parent, source.file_name, where)
        frames = _selected_frames(source.vspace, dataset.shape, where)
        # A source that is mapped whole does not state its shape.
        sources = _selected_frames(source.src_space, (len(frames), 1, 1), where)
        if len(frames) != len(sources) or not len(frames):
            raise UserError(
                f"a virtual dataset maps {len(sources)} frames onto {len(frames)}",
                where,
                "map whole frames, or modules of frames, one by one",
            )
        return VirtualPiece(frames, path, source.dset_name, sources)

    def check_pieces(self, dataset: h5py.Dataset, holder: Path, depth: int = 0) -> None:
        """Raise where a source of a virtual dataset is missing or unsafe: HDF5 gives fill values."""
        check_depth(depth, f"{holder}, {dataset.name}")
        for piece in self.virtual_pieces(dataset, holder) if dataset.is_virtual else []:
            self.check_pieces(*self.dataset(piece.dataset, piece.path), depth + 1)


def check_depth(depth: int, where: str) -> None:
    """Raise UserError where virtual datasets are made of each other without end."""
    if depth > DEEPEST_VIRTUAL:
        raise UserError("virtual datasets of virtual datasets, too deep", where, "simplify")


def _parts(name: str) -> list[str]:
    return [part for part in posixpath.normpath("/" + name).split("/") if part]


def _selected_frames(space: h5py.h5s.SpaceID, whole: tuple[int, ...], where: str) -> Sequence[int]:
    # Indices along the frame axis; a space of two dimensions is one frame. whole: shape if all is
    # selected.
    import h5py

    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return range(whole[0]) if len(whole) == 3 else (0,)
    if len(space.shape) < 3:
        return (0,)
    low, high = space.get_select_bounds()
    if not space.is_regular_hyperslab():
        return range(int(low[0]), int(high[0]) + 1)
    start, stride, count, block = (int(part[0]) for part in space.get_regular_hyperslab())
    if count * block > MOST_FRAMES:
        raise UserError(
            "a virtual dataset without end", where, "state the number of frames in the mapping"
        )
    if count == 1:
        return range(start, start + block)
    if block == 1:
        return range(start, start + count * stride, stride)
    return tuple(start + i * stride + j for i in range(count) for j in range(block))


def _load_filters(dataset: h5py.Dataset, where: str) -> None:
    # hdf5plugin registers bitshuffle, LZ4, zstd ... by being imported; most files need none of them.
    import h5py

    properties = dataset.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        number, _, _, label = properties.get_filter(i)
        if number >= FIRST_PLUGIN_FILTER:
            import hdf5plugin  # noqa: F401
        if not h5py.h5z.filter_avail(number):
            raise UserError(
                f"compressed with filter {number} ({label.decode('ascii', 'replace')}), which is "
                "not available here",
                where,
                "rewrite the file with another compression, or install the filter",
            )
