"""The mask registry with 1000 masks of 2167 x 2070 pixels: time to register, list and load one; memory.

`python benchmarks/registry.py` runs this alone. Against the limits that the registry must hold; each in a
fresh process, as the jobs of a workflow are.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
sys.path.insert(0, str(REPOSITORY / "scripts"))

from benchmarks.data import FULL, Size  # noqa: E402
from benchmarks.results import Row, against_limit, command_line  # noqa: E402

MASKS = 1000
REGISTER = """
import time, numpy as np
from scatterflow.registry import register_mask
good = np.ones(({rows}, {columns}), bool)
good[500:540], good[:, 1000:1010] = False, False
places = np.random.default_rng(0).integers(0, good.size, ({masks}, 500))
seconds = 0.0
for number in range({masks}):
    mask = good.copy()
    mask.ravel()[places[number]] = False
    began = time.perf_counter()
    register_mask("eiger4m", f"mask_{{number:04d}}", mask, registry={folder!r}, number=number)
    seconds += time.perf_counter() - began
print(seconds)
"""
LIST = """
import time
from scatterflow.registry import get_masks
began = time.perf_counter()
assert len(get_masks(registry={folder!r})) == {masks}
print(time.perf_counter() - began)
"""
LOAD = """
import time
from scatterflow.registry import get_record
from scatterflow.registry.masks import load_good
began = time.perf_counter()
record = get_record("mask", "eiger4m", "mask_0007", registry={folder!r})
assert load_good({folder!r}, record.sha256).shape == ({rows}, {columns})
print(time.perf_counter() - began)
"""
PEAK = """
print(int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM:")).split()[1]) / 1024)
"""


def registry(size: Size = FULL) -> list[Row]:
    """1000 masks of an Eiger 4M."""
    small = size is not FULL
    values = {"masks": 20 if small else MASKS, "rows": 2167, "columns": 2070}
    with tempfile.TemporaryDirectory() as folder:
        values["folder"] = f"{folder}/registry"
        (register,) = run_code(REGISTER.format(**values))
        listed = sorted(run_code(LIST.format(**values))[0] for _ in range(3))[1]
        loads = sorted(run_code((LOAD + PEAK).format(**values)) for _ in range(3))[1]
    masks = values["masks"]
    return [
        against_limit(f"Register {masks} masks of 4.5 million pixels", "10 s", register, 10.0),
        against_limit(f"List {masks} masks", "0.5 s", listed, 0.5),
        against_limit(f"Load one of {masks} masks", "0.1 s", loads[0], 0.1),
        against_limit("Peak memory of a process that loads a mask", "60 MB", loads[1], 60.0, "MB"),
    ]


def run_code(code: str) -> list[float]:
    """The numbers that a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(REPOSITORY / "scripts"), "PATH": ""},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [float(line) for line in done.stdout.split()]


BENCHMARKS = {"registry": registry}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
