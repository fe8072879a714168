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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scatterflow.errors import FrameError, UserError, suggestion

if TYPE_CHECKING:
    import h5py

MOST_LINKS = 32  # on the way to one dataset: more is a circle
MOST_FRAMES = 100_000_000
LARGEST_CHUNK = 1 << 30  # bytes; a frame of 16 megapixels has 64 MiB
FIRST_PLUGIN_FILTER = 256  # below: filters that are part of HDF5


class MissingFile(FrameError):
    """A file that a link names is not there, or cannot be opened."""


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Raise what h5py raises over damaged bytes inside a file as MissingFile; all else passes.

    h5py has no exception of its own for this: it raises KeyError, RuntimeError, OSError and others.
    """
    try:
        yield
    except (KeyError, RuntimeError, OSError, ValueError, TypeError) as error:
        last = error.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        if last is None or "h5py" not in Path(last.tb_frame.f_code.co_filename).parts:
            raise
        reason = error.args[0] if error.args else error
        raise MissingFile(
            f"the HDF5 file is damaged: {reason}", str(path), "copy it again from the detector"
        ) from error


@dataclass(frozen=True)
class VirtualPiece:
    """A part of a virtual dataset: its frames `frames` are the frames `sources` of a source dataset."""

    frames: tuple[int, ...]
    path: Path
    dataset: str
    sources: tuple[int, ...]


class LinkedFiles:
    """A first HDF5 file and those that it links to, opened read-only when needed.

    Files are opened without locks: raw data often lie on read-only or network folders, where HDF5's
    locks fail, and nobody writes finished raw data.
    """

    def __init__(self, first: Path) -> None:
        self.first = first
        # A symbolic link to a master stands for it: data files may lie beside either.
        self.folders = {str(first.parent.resolve()), str(first.resolve().parent)}
        self._files: dict[str, h5py.File] = {}

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def open(self, path: Path) -> h5py.File:
        """The file, open; raises MissingFile if it is missing, cut off or no HDF5 file."""
        import h5py

        key = str(path.resolve())
        if key in self._files:
            return self._files[key]
        if not path.exists():
            raise MissingFile("raw file is missing", str(path), "put it there (see `raw`)")
        try:
            file = h5py.File(path, "r", locking=False)
        except PermissionError:
            raise
        except OSError as error:
            reason = "it is cut off" if "truncated" in str(error) else str(error)
            raise MissingFile(
                f"HDF5 file cannot be opened: {reason}",
                str(path),
                "copy it again from the detector",
            ) from error
        return self._files.setdefault(key, file)

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
        raise UserError("links run in a circle", f"{path}, {name}", "correct the file")

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
                    raise UserError(f"nothing is called {name!r} in the file", str(path), near)
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
            raise UserError("this is a group, not a dataset", where, "name the dataset in it")
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

    def virtual_pieces(
        self, dataset: h5py.Dataset, holder: Path, depth: int = 0
    ) -> list[VirtualPiece]:
        """What a virtual dataset is made of, each source checked as in `dataset`.

        A source whose file is missing is no error here: it is one for the frames in it.
        """
        where = f"{holder}, {dataset.name}"
        if depth > 4:
            raise UserError("virtual datasets of virtual datasets, too deep", where, "simplify")
        pieces = []
        for source in dataset.virtual_sources():
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
            if len(frames) != len(sources):
                raise UserError(
                    f"a virtual dataset maps {len(sources)} frames onto {len(frames)}",
                    where,
                    "map whole frames, or modules of frames, one by one",
                )
            pieces.append(VirtualPiece(frames, path, source.dset_name, sources))
            try:
                inner, inner_holder = self.find(source.dset_name, path)
            except MissingFile:
                continue
            if getattr(inner, "external", None) is not None:
                raise UserError("a source of the virtual dataset has external storage", where, "")
            if getattr(inner, "is_virtual", False):
                self.virtual_pieces(inner, inner_holder, depth + 1)
            _load_filters(inner, where)
        return sorted(pieces, key=lambda piece: (piece.frames, str(piece.path)))


def _parts(name: str) -> list[str]:
    return [part for part in posixpath.normpath("/" + name).split("/") if part]


def _selected_frames(
    space: h5py.h5s.SpaceID, whole: tuple[int, ...], where: str
) -> tuple[int, ...]:
    # Indices along the frame axis; a space of two dimensions is one frame. whole: shape if all is
    # selected.
    import h5py

    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return tuple(range(whole[0])) if len(whole) == 3 else (0,)
    if len(space.shape) < 3:
        return (0,)
    low, high = space.get_select_bounds()
    if not space.is_regular_hyperslab():
        return tuple(range(int(low[0]), int(high[0]) + 1))
    start, stride, count, block = (int(part[0]) for part in space.get_regular_hyperslab())
    if count * block > MOST_FRAMES:
        raise UserError(
            "a virtual dataset without end", where, "state the number of frames in the mapping"
        )
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
