"""Attack 5: compiled kernels are kept as pickles; a folder in which others write is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from scatterflow.kernels import compiled
from scatterflow.kernels.compiled import is_ours


def test_a_folder_that_others_may_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    shared = tmp_path / "scatterflow"
    assert compiled._folder("own") == str(shared)
    assert shared.stat().st_mode & 0o022 == 0
    for mode in (0o775, 0o757, 0o777):
        shared.chmod(mode)
        assert compiled._folder("own") == "own"
    shared.chmod(0o755)
    assert compiled._folder("own") == str(shared)


def test_a_folder_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = tmp_path.stat().st_uid
    tmp_path.chmod(0o755)
    assert is_ours(tmp_path)
    library = tmp_path / "compiled.py"
    monkeypatch.setattr(compiled, "__file__", str(library))
    monkeypatch.setattr(compiled.os, "getuid", lambda: owner + 1000)
    if owner:
        library.symlink_to("/etc/passwd")  # a library of root's
        assert not is_ours(tmp_path)
    else:
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        compiled.os.chown(foreign, 4711, 4711)
        library.write_text("")
        assert not is_ours(foreign)
