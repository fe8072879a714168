"""Compilation of the kernels, kept on disk so that only the first job ever waits for it.

numba's own cache (https://numba.readthedocs.io, "On-disk caching") is not safe here. It looks for changes
in the file of a function alone, not in those of the functions that it calls, so that a mended kernel
would go on as it was wherever another file calls it. And it numbers its files by an index that several
jobs write at once: one may then be given what another one compiled for frames of another type.

Here each piece of compiled code has a file of its own, named by a digest of everything that it
depends on: the text of all kernels, the types of the arguments, numba's version and the processor. So
copies of the workflow may share a folder: NUMBA_CACHE_DIR, where that is set and nobody else may write in
it (the files are pickles), else it is beside the kernels.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import IndexDataCacheFile


def compiled(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Decorator: numba's `njit` without the lock of the interpreter, kept on disk; options: further ones."""
    if function is None:
        return lambda decorated: compiled(decorated, **options)
    shared = _shared_folder()
    try:
        dispatcher = njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # there is no folder to keep it in
        return njit(nogil=True, **options)(function)
    numbas = dispatcher._cache._cache_file
    dispatcher._cache._cache_file = _Files(
        shared or numbas._cache_path, dispatcher._cache._impl.filename_base, kernels_digest()
    )
    return dispatcher


def _shared_folder() -> str | None:
    """Where copies of the workflow keep compiled code together; None: each beside its own kernels."""
    shared = os.environ.get("NUMBA_CACHE_DIR")
    if not shared:
        return None
    folder = Path(shared) / "scatterflow"
    own = Path(__file__).parent / "__pycache__"
    try:
        # Whatever the umask: what others may write is not used.
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.mkdir(mode=0o755, exist_ok=True)
        return str(folder if is_ours(folder) else own)
    except OSError:
        return str(own)


def is_ours(folder: Path) -> bool:
    """Whether nobody else may write in a folder, or put another one in its place: what is found there is run.
    Ours are those of this user, of the system, and of whom the workflow belongs to."""
    found, above = folder.lstat(), folder.parent.stat()
    owners = {os.getuid(), 0, Path(__file__).stat().st_uid}
    replaceable = above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022
    return private and not replaceable and found.st_uid in owners and above.st_uid in owners


@cache
def kernels_digest() -> str:
    """Digest of the text of all kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class _Files(IndexDataCacheFile):
    """Compiled code of one function: a file for each digest, written whole, and no index."""

    def save(self, key: Any, data: Any) -> None:
        # On a full disk the next job compiles again.
        with suppress(OSError):
            self._save_data(self._name_of(key), data)

    def load(self, key: Any) -> Any:
        try:
            return self._load_data(self._name_of(key))
        except (OSError, EOFError, pickle.UnpicklingError):
            return None

    def flush(self) -> None:
        """Nothing is listed anywhere that would have to be forgotten."""

    def _name_of(self, key: Any) -> str:
        depends_on = repr((self._version, self._source_stamp, key))
        digest = hashlib.sha256(depends_on.encode()).hexdigest()[:32]
        return f"{self._index_name.removesuffix('.nbi')}.{digest}.nbc"
