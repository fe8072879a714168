"""Outputs appear whole or not at all: write beside, flush to disk, rename."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def _beside(path: Path) -> Path:
    # Hidden, in the same folder (rename must not cross file systems), and never a valid result name.
    return path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex[:8]}.tmp")


def flush_to_disk(path: Path) -> None:
    """Force a file's bytes to disk, so that a rename never publishes an empty file after a crash."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`; renamed to `path` when the block ends without an error.

    Its suffix is `.tmp`, so writers that go by suffix must be told the format. On any error it is
    removed and `path` stays as it was; a process that is killed leaves it, hidden, beside `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        yield temporary
        flush_to_disk(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """As `whole_file` for a folder: an older folder (or file) of that name is replaced."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _beside(path), _beside(path)
    try:
        temporary.mkdir()
        yield temporary
        # Moved away first: a folder is never replaced while half of it is deleted.
        with suppress(FileNotFoundError):
            path.replace(old)
        try:
            temporary.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                old.replace(path)
            raise
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text whole."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes whole."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
