"""The largest memory of sort and correlation jobs in processes of their own, against the plan's estimates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scatterflow.plan.chunks import memory_estimate_mb
from scatterflow.plan.memory_xpcs import correlate_mb, merge_mb, sort_load, twotime_mb

REPOSITORY = Path(__file__).parents[2]
SIDE, FRAMES, LAGS = 256, 1200, 400
MULTITAU = {"lags": "linear", "delays_per_level": 4, "most_delay": LAGS, "partial": 2}

SETTING = f"""
import sys
import numpy as np
from scatterflow.frame_range import FrameRange
from scatterflow.kernels.lags import chosen_lags
from scatterflow.xpcs.blocks import read_positions
from scatterflow.xpcs.correlate import correlate_block, time_windows
from scatterflow.xpcs.multitau_file import write_block_sums
from scatterflow.xpcs.preprocess import Preprocessing
from scatterflow.xpcs.sort import sort_chunk
from tests.xpcs.runs_in_memory import MemorySource, small_qmap

folder, frames, shape = sys.argv[1], {FRAMES}, ({SIDE}, {SIDE})
rings = np.add.outer(*[np.abs(np.arange({SIDE}) - {SIDE / 2})] * 2).astype(int) // 32 + 1
qmap = small_qmap(rings, rings)
"""
SORT = """
class Repeated(MemorySource):  # all frames in memory would count as well
    def read(self, detector, start, stop):
        return self.raw[np.arange(start, stop) % len(self.raw)]

raw = np.random.default_rng(0).poisson(3, (8, *shape)).astype(np.uint16)
source = Repeated(raw)
source.frames = frames
flat = np.full(shape, 1.1) if sys.argv[2] == "flat" else None
sort_chunk(source, "area", FrameRange(0, frames), 0, frames, qmap, Preprocessing({}, flat=flat),
           f"{folder}/chunk.h5", blocks=1)
"""
CORRELATE = f"""
block = read_positions([f"{{folder}}/chunk.h5"], 0, len(qmap.pixels))
sums = correlate_block(block, np.ones(frames, bool), None, chosen_lags({MULTITAU}, frames), 1,
                       time_windows(frames, 2), qmap.static_of_position)
write_block_sums(f"{{folder}}/sums.h5", sums, {{}})
"""
PEAK = """
with open("/proc/self/status") as status:  # ru_maxrss would count the process that started this one
    print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


def peak_mb(work: str, *arguments: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", SETTING + work + PEAK, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{REPOSITORY / 'scripts'}:{REPOSITORY}", "PATH": "/usr/bin:/bin"},
    )
    return int(done.stdout) * 1024 / 1e6


@pytest.mark.parametrize("kind", ["counts", "flat"])
def test_jobs_stay_within_what_the_plan_asks_for(kind, tmp_path):
    pixels, fractions = SIDE**2, kind == "flat"
    sorting = peak_mb(SORT, str(tmp_path), kind)
    values = pixels * FRAMES * (4 if fractions else 1) / 1e6
    assert values < sorting <= memory_estimate_mb(sort_load(pixels, FRAMES, 1, fractions), FRAMES)
    correlating = peak_mb(CORRELATE, str(tmp_path))
    assert correlating <= correlate_mb(pixels, FRAMES, FRAMES, fractions, MULTITAU)
    assert correlating > values + 24 * LAGS * pixels / 1e6


def test_what_estimates_grow_with():
    pixels, frames = 1_000_000, 20_000
    load = sort_load(pixels, frames, 1, True)
    more = memory_estimate_mb(load, 2000) - memory_estimate_mb(load, 1000)
    assert more == 1000 * pixels * np.dtype(np.float32).itemsize / 1e6
    multitau = {"lags": "multitau", "delays_per_level": 4, "most_delay": None, "partial": 0}
    short = correlate_mb(pixels, frames, 100, False, multitau)
    long = correlate_mb(pixels, frames, 100, False, {**multitau, "delays_per_level": 64})
    # Levels 0 to 12 for 4 delays per level and to 8 for 64, of which the last is cut short.
    assert long - short > (128 + 7 * 64 - 8 - 12 * 4) * 24 * pixels / 1e6
    settings = {"chi4": True, "largest_map": 2000}
    few, many = (twotime_mb(pixels, frames, 100, False, bins, settings) for bins in (4, 40))
    assert few > many + 2 * frames * pixels * (2 / 4 - 2 / 40) / 1e6
    assert merge_mb(pixels, 1, frames, 40, 2000) - merge_mb(pixels, 1, frames, 0, 0) > 40 * 16
