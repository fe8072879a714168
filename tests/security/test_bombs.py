"""Attack 15: small files that declare more than memory holds."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.live.completeness import expected_frames
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5_metadata import single_values
from tests.sources.shot_runs import opened

GIGABYTE = 1 << 30


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """Half a gigabyte more than is in use: what reads a bomb fails, the computer goes on."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + GIGABYTE // 2
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_text_as_long_as_memory_is_no_metadata(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["tags"] = np.arange(3)
        file["about/energy"] = 9.5
        file.create_dataset("about/text", (1,), f"S{GIGABYTE}", chunks=(1,), compression="gzip")
    assert (tmp_path / "run.h5").stat().st_size < 100_000
    source = opened(tmp_path, "run.h5", "shot_hdf5", tags="/tags")
    assert source.slow() == {"about/energy": 9.5}
    with h5py.File(tmp_path / "run.h5", locking=False) as file:
        assert single_values(file) == {"/about/energy": 9.5}


def test_a_number_of_frames_that_is_no_number(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_dataset("frames", (10**12,), np.float64, chunks=(1000,))
        file["group/frames"] = 7
    location = RunLocation("r", "run.h5", str(tmp_path), 1, {}, {})
    assert expected_frames("frames", location) is None
    assert expected_frames("group", location) is None
    assert expected_frames("group/frames", location) == 7
