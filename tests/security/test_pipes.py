"""A pipe in a raw folder: who opens one without a writer waits for ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fabio
import numpy as np
import pytest

from scatterflow.errors import FrameError, UserError
from scatterflow.plan.raw_folder import list_files
from scatterflow.sources.base import RunLocation
from scatterflow.sources.open import open_source
from scatterflow.sources.raw_file import RawFile


@contextmanager
def without_waiting() -> Iterator[None]:
    """A minute is enough even for a busy machine."""

    def stop(*_: object) -> None:
        pytest.fail("a pipe was opened and waited for")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_frame_that_is_a_pipe_is_a_bad_frame(tmp_path: Path) -> None:
    for i in range(3):
        image = fabio.tifimage.TifImage(np.full((4, 5), i, np.int32))
        image.write(str(tmp_path / f"one_{i:03d}.tif"))
    (tmp_path / "one_001.tif").unlink()
    os.mkfifo(tmp_path / "one_001.tif")
    recipe = {"format": "images", "frames": {"saxs": "{raw}_{frame:03d}.tif"}}
    location = RunLocation("one", "one", str(tmp_path), 3, recipe, {"saxs": (4, 5)})
    with without_waiting(), pytest.raises(FrameError, match="a pipe or a device"):
        open_source(location).read("saxs", 0, 3)


def test_events_in_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.bin")
    location = RunLocation("one", "run.bin", str(tmp_path), 3, {"format": "rigaku"}, {})
    with without_waiting(), pytest.raises(UserError, match="a pipe or a device"):
        RawFile(tmp_path / "run.bin", location, "d").read(0, 8)


def test_a_pipe_is_no_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.h5")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "shadow.h5").symlink_to("/etc/shadow")
    (tmp_path / "real.h5").write_bytes(b"")
    assert list_files(tmp_path) == ["real.h5"]
