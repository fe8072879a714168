"""Compiled kernels kept on disk: never those of another text or of other types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from scatterflow.kernels import compiled as module
from scatterflow.kernels.compiled import compiled

CALLED = """
from scatterflow.kernels.compiled import compiled

@compiled
def called(x):
    return x + {number}
"""
CALLING = """
from scatterflow.kernels.called import called
from scatterflow.kernels.compiled import compiled

@compiled
def calling(x):
    return 10 * called(x)
"""
CALL = "import sys; from scatterflow.kernels.calling import calling; print(calling({value}))"


def run(folder: Path, value: str, **settings: str) -> str:
    """What `calling(value)` gives in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "kept")}
    environment.update(settings)
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(value=value)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / "kept").rglob("*.nbc")}


def test_a_change_of_what_is_called_is_seen_from_another_file(tmp_path):
    kernels = tmp_path / "scatterflow/kernels"
    kernels.mkdir(parents=True)
    for folder in (kernels, kernels.parent):
        (folder / "__init__.py").write_text("")
    shutil.copy(module.__file__, kernels)
    (kernels / "called.py").write_text(CALLED.format(number=1))
    (kernels / "calling.py").write_text(CALLING)
    assert run(tmp_path, "2") == "30"
    first = kept(tmp_path)
    assert first
    assert run(tmp_path, "2") == "30"
    assert kept(tmp_path) == first  # not compiled again
    (kernels / "called.py").write_text(CALLED.format(number=2))
    assert run(tmp_path, "2") == "40"
    # Nowhere to keep anything: compiled by every job.
    assert run(tmp_path, "2", NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator") == "40"
    # A file that is no compiled code, of a disk that was full, say, is compiled again.
    for path in (tmp_path / "kept").rglob("*.nbc"):
        path.write_bytes(b"")
    assert run(tmp_path, "2.5") == "45.0"


def test_jobs_that_compile_at_once_for_other_types_do_not_take_each_others_code(
    tmp_path, monkeypatch
):
    """Both have seen that nothing is kept, then both keep what they compiled."""
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))

    def total(values):
        return values.sum()

    jobs = [compiled(total), compiled(total)]
    integers, floats = np.arange(6, dtype=np.int32), np.linspace(0, 1, 6)
    assert (jobs[0](integers), jobs[1](floats)) == (15, 3.0)
    later = compiled(total)
    assert (later(integers), later(floats)) == (15, 3.0)
    assert not any(later.stats.cache_misses.values())


def test_a_full_disk_does_not_stop_a_job(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._open_for_write", full)
    double = compiled(lambda x: 2 * x)
    assert double(3) == 6
    assert not list(tmp_path.rglob("*.nbc"))
