"""A conda channel made of the packages that are installed here, for machines that reach no other.

A conda package is a tar.bz2 with `info/index.json` (name, version, needs) and `info/paths.json` (files);
https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html. Here a package holds links
to what this Python has installed, and needs what its PyPI metadata ask for, so that a solver has real work
and an environment made of them really runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SITE_PACKAGES = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
MADE = 1_700_000_000_000  # ms; the same bytes each time

# `pip` of the channel: what it is asked for must be the version that is installed here, and is linked.
PIP = """\
import os, sys
from importlib.metadata import version
from pathlib import Path
sys.path.append(SITE)
assert sys.argv[1] == "install" and {"--no-deps", "--require-hashes"} <= set(sys.argv), sys.argv
entries = Path(sys.argv[sys.argv.index("-r") + 1]).read_text().replace("\\\\\\n", " ").splitlines()
for entry in entries:
    pinned, *hashes = entry.split()
    name, _, wanted = pinned.partition("==")
    assert hashes and version(name) == wanted, entry
    for path in PATHS[name]:
        os.symlink(Path(SITE, path), Path(__file__).parents[1] / path)
"""


def build_channel(folder: Path, locked: Iterable[str], conda_names: dict[str, str]) -> None:
    """Make the channel. locked: PyPI names of what it shall hold, as far as it is installed here;
    conda_names: PyPI name -> conda's, where they differ. `pip:` packages come from the channel's `pip`."""
    for subdir in ("noarch", "linux-64"):
        (folder / subdir).mkdir(parents=True)
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    home = f"home = {base.parent}\ninclude-system-site-packages = false\n"
    links = {"bin/python": str(base), f"bin/{base.name}": str(base)}
    _write_package(folder, "python", _python_version(), [], {"pyvenv.cfg": home}, links)
    paths = {}
    waiting = list(locked)
    while waiting:
        name = waiting.pop()
        found = installed(name)
        if found is None or name in paths:
            continue
        site = str(found.locate_file(""))
        paths[name] = _top_level(found)
        linked = {f"{SITE_PACKAGES}/{path}": f"{site}/{path}" for path in paths[name]}
        needed = _needs(found)
        needs = [f"{conda_names.get(other, other)} {rest}" for other, rest in needed.items()]
        waiting += needed
        asked = f"python {found.metadata.get('Requires-Python', '')}"
        full = conda_names.get(name, name)
        _write_package(folder, full, found.version, [asked, *needs], {}, linked)
    text = f"SITE = {site!r}\nPATHS = {paths!r}\n{PIP}"
    files = {f"{SITE_PACKAGES}/pip/__main__.py": text}
    _write_package(folder, "pip", "26.0", ["python"], files, {})


def _python_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _top_level(found: Distribution) -> list[str]:
    """Files and folders of a distribution, right below site-packages."""
    first = {path.parts[0] for path in found.files or [] if path.parts[0] != ".."}
    return sorted(first - {"__pycache__"})


def installed(name: str) -> Distribution | None:
    """A distribution, None for one that is not here: it is for another platform."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _needs(found: Distribution) -> dict[str, str]:
    """What a distribution needs, as far as it is here: PyPI name -> versions."""
    needs = {}
    for requirement in map(Requirement, found.requires or []):
        name = canonicalize_name(requirement.name)
        if (requirement.marker is None or requirement.marker.evaluate()) and installed(name):
            needs[name] = str(requirement.specifier)
    return needs


def _write_package(
    channel: Path,
    name: str,
    version: str,
    needs: list[str],
    files: dict[str, str],
    links: dict[str, str],
) -> None:
    """files: path -> text; links: path -> what it points at."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": needs}
    index |= {"subdir": "noarch", "noarch": "generic", "timestamp": MADE}
    paths: list[dict[str, Any]] = [{"_path": path, "path_type": "softlink"} for path in links]
    for path, text in files.items():
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        size = len(text.encode())
        paths.append(
            {"_path": path, "path_type": "hardlink", "sha256": sha256, "size_in_bytes": size}
        )
    info = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
    described = {path: json.dumps(content) for path, content in info.items()}
    archive = channel / "noarch" / f"{name}-{version}-0.tar.bz2"
    with tarfile.open(archive, "w:bz2", compresslevel=1) as tar:
        for path, text in {**files, **described}.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for path, target in links.items():
            member = tarfile.TarInfo(path)
            member.type = tarfile.SYMTYPE
            member.linkname = target
            tar.addfile(member)
