"""Provenance: of raw files, of the code, inside and outside git."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from scatterflow.files import provenance
from scatterflow.files.provenance import now, raw_file_record, software

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_a_raw_file_is_known_by_path_size_time_and_content(tmp_path):
    path = tmp_path / "x.tif"
    path.write_bytes(b"abc")
    os.utime(path, (1_700_000_000, 1_700_000_000))  # 2023-11-14 22:13:20 UTC
    assert raw_file_record(path) == {
        "path": str(path),
        "size": 3,
        "mtime": "2023-11-14T22:13:20+00:00",
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


def test_an_edit_of_the_same_size_and_time_changes_the_record(tmp_path):
    path = tmp_path / "x.tif"
    records = []
    for content in (b"abc", b"abd"):
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        records.append(raw_file_record(path))
    assert records[0]["mtime"] == records[1]["mtime"]
    assert records[0]["sha256"] != records[1]["sha256"]


def test_a_large_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "CHEAP_BYTES", 10)
    (tmp_path / "at").write_bytes(b"x" * 10)
    (tmp_path / "above").write_bytes(b"x" * 11)
    assert raw_file_record(tmp_path / "at")["sha256"] == hashlib.sha256(b"x" * 10).hexdigest()
    assert raw_file_record(tmp_path / "above")["sha256"] is None
    assert raw_file_record(tmp_path / "above")["size"] == 11


def test_a_missing_raw_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        raw_file_record(tmp_path / "missing")


def test_the_time_has_an_offset():
    stamp = datetime.fromisoformat(now())
    assert stamp.utcoffset().total_seconds() == 0
    assert abs((datetime.now(UTC) - stamp).total_seconds()) < 5


def test_software_names_the_packages_that_make_numbers():
    found = software()
    assert found["packages"]["numpy"] == np.__version__
    assert {"pyFAI", "numba", "h5py"} <= set(found["packages"])
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert re.fullmatch(r"\d+\.\d+.*", found["scatterflow"])


# --- the commit, in repositories made for it --------------------------------------------------------


@pytest.fixture
def clone(tmp_path):
    """A copy of the few files that `commit` needs, not in git."""
    folder = tmp_path / "clone"
    (folder / "rules").mkdir(parents=True)
    (folder / "Snakefile").write_text("# nothing\n")
    (folder / "rules" / "a.smk").write_text("# nothing\n")
    for name in ("__init__.py", "errors.py", "files"):
        source, target = SCRIPTS / "scatterflow" / name, folder / "scripts" / "scatterflow" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, ignore=ignore) if source.is_dir() else shutil.copy(
            source, target
        )
    (folder / ".gitignore").write_text("__pycache__/\nresults/\n")
    return folder


def git(folder: Path, *arguments: str) -> str:
    if shutil.which("git") is None:
        pytest.skip("git is not on this machine")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    ).stdout.strip()


def committed(folder: Path) -> str:
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


def commit_of(folder: Path, **environment: str) -> str:
    code = "from scatterflow.files.provenance import commit; print(commit())"
    return subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder / "scripts"), **environment},
    ).stdout.strip()


def test_outside_git_there_is_no_commit(clone):
    assert commit_of(clone, GIT_CEILING_DIRECTORIES=str(clone.parent)) == "None"


def test_without_git_there_is_no_commit(clone, tmp_path):
    committed(clone)
    assert commit_of(clone, PATH=str(tmp_path)) == "None"


def test_a_clean_clone_has_its_commit(clone):
    head = committed(clone)
    assert commit_of(clone) == head
    (clone / "results").mkdir()
    (clone / "results" / "x").write_text("results are no code")
    (clone / "notes.txt").write_text("neither is this")
    assert commit_of(clone) == head


@pytest.mark.parametrize(
    "path",
    ["scripts/scatterflow/errors.py", "rules/a.smk", "Snakefile", "scripts/scatterflow/new.py"],
)
def test_changed_or_new_code_is_told(clone, path):
    head = committed(clone)
    with open(clone / path, "a") as stream:
        stream.write("# changed\n")
    assert commit_of(clone) == f"{head}-modified"


def test_an_archive_unpacked_inside_another_repository_has_not_its_commit(clone):
    (clone.parent / ".gitignore").write_text("clone/\n")
    (clone.parent / "other.txt").write_text("x")
    committed(clone.parent)
    assert commit_of(clone) == "None"


def test_a_git_hook_does_not_lend_its_repository(clone, tmp_path):
    head = committed(clone)
    other = tmp_path / "other"
    other.mkdir()
    (other / "x").write_text("x")
    committed(other)
    assert commit_of(clone, GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other)) == head
