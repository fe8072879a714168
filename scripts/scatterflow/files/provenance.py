"""Where a result comes from: raw files, software, times."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import scatterflow
from scatterflow.files.checksums import file_sha256

# Hashing costs about as much as reading; larger files are identified by size and time alone.
CHEAP_BYTES = 32_000_000
PACKAGES = ("numpy", "pyFAI", "fabio", "numba", "h5py", "hdf5plugin", "zarr", "snakemake")


def raw_file_record(path: str | Path) -> dict[str, Any]:
    """Identity of a raw file: path, size in bytes, time of last change, sha256 where cheap (else None)."""
    path = Path(path)
    status = path.stat()
    return {
        "path": str(path),
        "size": status.st_size,
        "mtime": _time_of_change(status),
        "sha256": file_sha256(path) if status.st_size <= CHEAP_BYTES else None,
    }


def _time_of_change(status: os.stat_result) -> str:
    return datetime.fromtimestamp(status.st_mtime, UTC).isoformat()


def is_same_file(path: Path, record: dict[str, Any]) -> bool:
    """Whether a file is still that of its `raw_file_record`: by size and time, or by checksum if touched."""
    status = path.stat()
    if status.st_size != record["size"]:
        return False
    if _time_of_change(status) == record["mtime"]:
        return True
    return record["sha256"] is not None and file_sha256(path) == record["sha256"]


@cache
def software() -> dict[str, Any]:
    """Versions of scatterflow, its commit, Python and the packages that make numbers."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "scatterflow": scatterflow.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "packages": versions,
    }


# What decides over numbers, relative to scripts/.
CODE_FOLDERS = (".", "../rules", "../Snakefile")


@cache
def commit() -> str | None:
    """The commit of the workflow's repository, `-modified` if its code differs from it.

    New files count as a difference. None outside git, and where the code was copied into a
    repository that does not track it.
    """
    scripts = Path(scatterflow.__file__).resolve().parents[1]
    try:
        head = _git(scripts, "rev-parse", "HEAD")
        tracked = _git(scripts, "ls-files", "--", "scatterflow/__init__.py")
        changed = _git(
            scripts, "status", "--porcelain", "--untracked-files=all", "--", *CODE_FOLDERS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if not tracked:
        return None
    return f"{head}-modified" if changed else head


def _git(folder: Path, *arguments: str) -> str:
    # Jobs run side by side: none may take git's lock. A hook's GIT_DIR means another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        ["git", "--no-optional-locks", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
        env=environment,
    ).stdout.strip()


def now() -> str:
    """The time, UTC, ISO 8601 with offset."""
    return datetime.now(UTC).isoformat(timespec="seconds")
