"""Attack 5: compiled kernels are kept as pickles; a folder in which others may write is not used."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from scatterflow.kernels import compiled

OWN = str(Path(compiled.__file__).parent / "__pycache__")
SCRIPTS = Path(compiled.__file__).parents[2]
PROGRAM = """\
from scatterflow.kernels.compiled import compiled
@compiled
def add(x, y):
    return x + y
print(add(1, 2), add._cache._cache_file._cache_path)
"""


def folder_used(monkeypatch: pytest.MonkeyPatch, shared: Path) -> str | None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(shared))
    return compiled._shared_folder()


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path / "shared"


def test_a_folder_that_others_may_write_is_not_used(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)  # somebody who lets everybody write
    try:
        assert folder_used(monkeypatch, shared) == str(shared / "scatterflow")
    finally:
        os.umask(before)
    assert shared.stat().st_mode & 0o022 == 0
    for folder in (shared, shared / "scatterflow"):
        for mode in (0o775, 0o757, 0o777):
            folder.chmod(mode)
            assert folder_used(monkeypatch, shared) == OWN
        folder.chmod(0o755)
    shared.chmod(0o1777)  # as /tmp: others cannot replace what is there
    assert folder_used(monkeypatch, shared) == str(shared / "scatterflow")
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert compiled._shared_folder() is None


def test_a_link_is_not_followed(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared.mkdir(mode=0o755)
    (shared / "elsewhere").mkdir(mode=0o755)
    (shared / "scatterflow").symlink_to("elsewhere")
    assert folder_used(monkeypatch, shared) == OWN


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of somebody else")
def test_a_folder_of_somebody_else_is_not_used(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder_used(monkeypatch, shared) == str(shared / "scatterflow")
    for folder in (shared, shared / "scatterflow"):
        os.chown(folder, 4711, 4711)
        assert folder_used(monkeypatch, shared) == OWN
        os.chown(folder, 0, 0)


class _Command:
    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple:
        return os.system, (self.text,)


def test_what_others_left_there_is_not_run(shared: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(shared), "PYTHONPATH": str(SCRIPTS)}

    def run() -> str:
        command = [sys.executable, str(program)]
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout

    assert run() == f"3 {shared / 'scatterflow'}\n"
    (kept,) = (shared / "scatterflow").glob("*.nbc")
    kept.write_bytes(pickle.dumps(_Command(f"touch {tmp_path / 'owned'}")))
    run()
    assert (tmp_path / "owned").exists()  # so it is where its owner writes
    (tmp_path / "owned").unlink()
    (shared / "scatterflow").chmod(0o777)
    assert run() == f"3 {OWN}\n"
    assert not (tmp_path / "owned").exists()
