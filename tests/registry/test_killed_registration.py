"""A registration that is killed at any system call: nothing half is visible, and the next one works.

The child is traced: the kernel stops it before and after every system call. It is killed at the stop
after the n-th call, for every n, as by `kill -9`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scatterflow.registry import find, load_mask, register_mask, verify
from scatterflow.registry.store import FileRegistry

from .conftest import some_mask

TRACEME, SYSCALL = 0, 24


def trace(request: int, process: int) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.restype = ctypes.c_long
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return library.ptrace(request, process, None, None)


def register_and_die_at(root: Path, stop: int) -> bool:
    """Register in a child that is killed at its stop-th stop; True if it was done before."""
    child = os.fork()
    if child == 0:
        try:
            if trace(TRACEME, 0) != 0:
                os._exit(77)
            os.kill(os.getpid(), signal.SIGSTOP)
            register_mask("d", "m", some_mask(1), registry=root, turn=stop)
            os._exit(0)
        except BaseException:
            os._exit(78)
    _, status = os.waitpid(child, 0)
    for _ in range(stop):
        if not os.WIFSTOPPED(status):
            break
        trace(SYSCALL, child)
        _, status = os.waitpid(child, 0)
    if os.WIFSTOPPED(status):
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return False
    if os.WEXITSTATUS(status) == 77:
        print("this system lets no process be traced")
        sys.exit(77)
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 0, status
    return True


def kill_everywhere(folder: Path, existing: bool) -> None:
    """Runs in a process of its own, without threads."""
    template = FileRegistry(folder / "template")
    if existing:
        register_mask("d", "m", some_mask(0), registry=template, turn=-1)
    seen = set()
    stop = 2
    while True:
        root = folder / f"r{stop}"
        if existing:
            shutil.copytree(template.root, root)
        done = register_and_die_at(root, stop)
        seen.add(check(FileRegistry(root), existing, done))
        shutil.rmtree(root)
        if done:
            break
        stop += 2  # each call stops twice, and before a call is after the one before
    assert stop > 60, stop
    assert seen == {0, 1}, seen
    print(f"killed at {stop // 2 - 1} places")


def check(registry: FileRegistry, existing: bool, done: bool) -> int:
    """All that is visible is whole; the next registration works. Returns how many new ones are visible."""
    visible = []
    if (registry.root / "registry.json").exists():
        findings = verify(registry)
        assert findings.problems == [], findings.problems
        visible = find(kind="mask", all_versions=True, registry=registry)
    assert len(visible) in (existing, existing + 1)
    assert not done or len(visible) == existing + 1
    for record in visible:
        good, _ = load_mask(record, registry=registry)
        np.testing.assert_array_equal(good, some_mask(0 if record.metadata["turn"] < 0 else 1))
    following = register_mask("d", "m", some_mask(2), registry=registry, turn=0)
    assert following.version == len(visible) + 1
    assert verify(registry).problems == []
    return len(visible) - existing


@pytest.mark.parametrize("existing", [False, True], ids=["first", "later"])
@pytest.mark.skipif(sys.platform != "linux", reason="traces a process as Linux does")
def test_killed_between_any_two_system_calls(tmp_path, existing):
    command = (
        "from pathlib import Path\n"
        "from tests.registry.test_killed_registration import kill_everywhere\n"
        f"kill_everywhere(Path({str(tmp_path)!r}), {existing})"
    )
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": f"{repository}:{repository / 'scripts'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    if done.returncode == 77:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout
    assert "killed at" in done.stdout
    print(done.stdout)
