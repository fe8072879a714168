"""A writer that is killed at any system call: nothing half is visible, and the next registration works.

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

from scatterflow.registry import delete_mask, find, load_mask, register_mask, sweep, verify
from scatterflow.registry.store import FileRegistry

from .conftest import some_mask

TRACEME, SYSCALL = 0, 24


def trace(request: int, process: int) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.ptrace.restype = ctypes.c_long
    library.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return library.ptrace(request, process, None, None)


def act_and_die_at(root: Path, case: str, stop: int) -> bool:
    """Do something in a child that is killed at its stop-th stop; True if it was done before."""
    child = os.fork()
    if child == 0:
        try:
            if trace(TRACEME, 0) != 0:
                os._exit(77)
            os.kill(os.getpid(), signal.SIGSTOP)
            act(root, case)
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


# Case: versions that are visible before, and that may be visible after.
CASES = {
    "first": (0, 1),
    "later": (1, 2),
    "same content": (1, 2),
    "delete": (1, 0),
    "sweep": (1, 1),
}


def prepare(registry: FileRegistry, case: str) -> None:
    if case == "first":
        return
    register_mask("d", "m", some_mask(0), registry=registry)
    if case == "sweep":
        register_mask("d", "gone", some_mask(1), registry=registry)
        delete_mask("d", "gone", registry=registry)


def act(root: Path, case: str) -> None:
    if case == "delete":
        delete_mask("d", "m", registry=root)
    elif case == "sweep":
        assert len(sweep(root, older_than_hours=-1).objects) == 1
    else:
        register_mask("d", "m", some_mask(case != "same content"), registry=root)


def kill_everywhere(folder: Path, case: str) -> None:
    """Runs in a process of its own, without threads."""
    template = FileRegistry(folder / "template")
    prepare(template, case)
    seen = set()
    stop = 2
    while True:
        root = folder / f"r{stop}"
        if template.exists():
            shutil.copytree(template.root, root)
        done = act_and_die_at(root, case, stop)
        seen.add(check(FileRegistry(root), case, done))
        shutil.rmtree(root)
        if done:
            break
        stop += 2  # each call stops twice, and before a call is after the one before
    assert stop > 60, stop
    assert seen == set(CASES[case]), seen
    print(f"killed at {stop // 2 - 1} places")


def check(registry: FileRegistry, case: str, done: bool) -> int:
    """All that is visible is whole; the next registration works. Returns how many versions are visible."""
    visible = []
    if (registry.root / "registry.json").exists():
        findings = verify(registry)
        assert findings.problems == [], findings.problems
        visible = find(kind="mask", all_versions=True, registry=registry)
    before, after = CASES[case]
    assert len(visible) in (before, after)
    assert not done or len(visible) == after
    for record, seed in zip(visible, (0, case == "later") if before else (1,), strict=False):
        good, _ = load_mask(record, registry=registry)
        np.testing.assert_array_equal(good, some_mask(seed))
    following = register_mask("d", "m", some_mask(1), registry=registry)
    assert following.version == len(registry.history("mask", "d", "m"))
    np.testing.assert_array_equal(load_mask(following, registry=registry)[0], some_mask(1))
    assert verify(registry).problems == []
    return len(visible)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.skipif(sys.platform != "linux", reason="traces a process as Linux does")
def test_killed_between_any_two_system_calls(tmp_path, case):
    command = (
        "from pathlib import Path\n"
        "from tests.registry.test_killed_registration import kill_everywhere\n"
        f"kill_everywhere(Path({str(tmp_path)!r}), {case!r})"
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
