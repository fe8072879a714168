"""Nothing in an HDF5 file leads out of its folder: looked through once, before anything in it is read.

For readers that HDF5 follows links for (files of shots, EXtra-data's). A link, a virtual source or external
raw storage can name any file on the computer, and its bytes would come out in a result; see
`scatterflow.sources.hdf5_links`. Virtual datasets over files beside are allowed: parts are joined so.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py

from scatterflow.errors import UserError

MOST_ENTRIES = 100_000_000  # along the first axis: a run has no more frames or shots

_seen: set[tuple[str, int, int, int]] = set()


def check_inside(file: h5py.File, path: Path, locking: bool | None = False) -> None:
    """Raise UserError if an object of the open file, or of one that it leads to, lies outside of the folder
    of `path` (symbolic links resolved), or claims more entries than a run can have.

    locking: as those who read the files open them, for HDF5 opens no file in two ways.
    """
    # A symbolic link to a file stands for it: others may lie beside either.
    _check(file, path, {str(path.parent.resolve()), str(path.resolve().parent)}, locking)


def _check(file: h5py.File, path: Path, folders: set[str], locking: bool | None) -> None:
    key = _identity(path)
    if key in _seen:
        return
    _seen.add(key)
    try:
        for target in sorted(_targets(file, path, folders)):
            with h5py.File(target, "r", locking=locking) as other:
                _check(other, target, folders, locking)
    except BaseException:
        _seen.discard(key)
        raise


def _identity(path: Path) -> tuple[str, int, int, int]:
    state = path.stat()
    return str(path.resolve()), state.st_ino, state.st_mtime_ns, state.st_size


def _targets(file: h5py.File, path: Path, folders: set[str]) -> set[Path]:
    """Other files that this one leads to, all of them inside."""
    hard, external = [], []

    def look(name: bytes, link: h5py.h5l.LinkInfo) -> None:
        if link.type == h5py.h5l.TYPE_HARD:
            hard.append(name)
        elif link.type == h5py.h5l.TYPE_EXTERNAL:
            external.append(name)

    # The low level is ten times as fast: a file of shots may hold 100 000 objects.
    file.id.links.visit(look, info=True)
    holders = {name.rpartition(b"/")[0] for name in hard}
    named = {os.fsdecode(file.id.links.get_val(name)[0]): name for name in external}
    for name in (name for name in hard if name not in holders):
        found = h5py.h5o.open(file.id, name)
        if isinstance(found, h5py.h5d.DatasetID):
            named |= dict.fromkeys(_named_files(found, _where(path, name)), name)
    return {_inside(other, path, _where(path, name), folders) for other, name in named.items()}


def _where(path: Path, name: bytes) -> str:
    return f"{path}, {name.decode('utf-8', 'replace')}"


def _named_files(dataset: h5py.h5d.DatasetID, where: str) -> set[str]:
    """Other files that a dataset's values come from."""
    if dataset.shape and dataset.shape[0] > MOST_ENTRIES:
        raise UserError(
            f"the dataset claims {dataset.shape[0]} entries", where, "copy the file again"
        )
    properties = dataset.get_create_plist()
    if properties.get_external_count():
        raise UserError(
            "the dataset keeps its bytes in another file (external raw storage): not read",
            where,
            "store the data in the HDF5 file",
        )
    if properties.get_layout() != h5py.h5d.VIRTUAL:
        return set()
    sources = range(properties.get_virtual_count())
    return {properties.get_virtual_filename(i) for i in sources} - {"."}


def _inside(name: str, path: Path, where: str, folders: set[str]) -> Path:
    target = Path(path.parent, name)
    real = str(target.resolve())
    if not any(os.path.commonpath([real, allowed]) == allowed for allowed in folders):
        raise UserError(
            f"a link leads out of the folder, to {name!r}",
            where,
            "put the files that belong together into one folder (or below)",
        )
    # HDF5 would look for a missing file in the working folder, and `%` stands for many names.
    if "%" in name or not target.is_file():
        raise UserError(
            f"a link leads to {name!r}, which is not beside this file",
            where,
            "put all files of the run into one folder",
        )
    return target
