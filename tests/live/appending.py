"""A detector that appends frames to one HDF5 file, readers welcome (SWMR): a process of its own, as HDF5
shares what it knows of a file within one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType

WRITER = """
import json, sys
import h5py, hdf5plugin
path, name, shape, step = json.loads(sys.argv[1])
with h5py.File(path, "w", libver="latest") as file:
    data = file.create_dataset(name, (0, *shape), "u2", maxshape=(None, *shape), chunks=(step, *shape),
                               **hdf5plugin.Bitshuffle(cname="lz4"))
    file["nimages"] = 7
    file["entry/i0"] = [500.0 + i for i in range(6)]
    file.swmr_mode = True
    print("", flush=True)
    for line in sys.stdin:
        frames, number, value = json.loads(line)
        if number > len(data) or frames > len(data):
            data.resize(max(frames, number), axis=0)
        if value is not None:
            data[number - 1] = value
        data.flush()
        print("", flush=True)
"""


class Detector:
    """Writes frames until it is closed. frames_of_a_chunk: of HDF5's chunks."""

    def __init__(
        self, path: Path, name: str, shape: tuple[int, int], frames_of_a_chunk: int = 1
    ) -> None:
        arguments = json.dumps([str(path), name, shape, frames_of_a_chunk])
        self.frames = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        self._answer()

    def append(self, *values: int) -> None:
        """Frames that hold these values everywhere."""
        for value in values:
            self.frames += 1
            self._tell(self.frames, self.frames, value)

    def replace(self, frame: int, value: int) -> None:
        """Write a frame once more."""
        self._tell(0, frame + 1, value)

    def make_room(self, frames: int) -> None:
        """Lengthen the dataset before there are frames."""
        self._tell(frames, 0, None)

    def close(self) -> None:
        """Close the file as a whole one."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait() == 0

    def _tell(self, *words: int | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "\n"

    def __enter__(self) -> Detector:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
