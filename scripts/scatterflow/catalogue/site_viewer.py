"""The viewer of NeXus files, built by npm out of catalogue/viewer: h5web drawing what h5wasm reads.

Versions and checksums of all packages are in package-lock.json; no script of a package is run at
installation. The build is kept with the checksum of its sources, and is done again when they change.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_folder

SOURCES = Path(__file__).parent / "viewer"
_STAMP = "sources.sha256"
_NOT_SOURCES = ("node_modules", "dist")


def can_build() -> bool:
    """Whether node and npm are installed."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def is_built(folder: str | Path) -> bool:
    """Whether `folder` holds the viewer as its sources are now."""
    stamp = Path(folder) / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _sources_digest()


def build_viewer(folder: str | Path) -> None:
    """Build the viewer into `folder`, whole; nothing is done if it is there already.

    Raises UserError without node and npm, when the packages cannot be fetched, when the build fails.
    """
    if is_built(folder):
        return
    if not can_build():
        raise UserError(
            "node and npm, which build the viewer of the portal, are not installed",
            str(SOURCES),
            "install them (Debian: apt install nodejs npm), or make the portal without a viewer",
        )
    with tempfile.TemporaryDirectory(prefix="scatterflow_viewer_") as temporary:
        build = Path(temporary) / "viewer"
        shutil.copytree(SOURCES, build, ignore=shutil.ignore_patterns(*_NOT_SOURCES))
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run(install, build, "the packages of the viewer could not be fetched", "check the network")
        _run(["npm", "run", "build"], build, "the viewer could not be built", "see above")
        with whole_folder(folder) as whole:
            shutil.copytree(build / "dist", whole, dirs_exist_ok=True)
            (whole / _STAMP).write_text(_sources_digest(), encoding="utf-8")


def _run(command: list[str], folder: Path, what: str, how: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise UserError(what, f"{' '.join(command)}: {' | '.join(said[:6])[:600]}", how)


def _sources_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        inner = path.relative_to(SOURCES)
        if path.is_file() and inner.parts[0] not in _NOT_SOURCES:
            digest.update(f"{inner.as_posix()} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
