"""A binary raw file, read piece by piece; what is wrong with it is said with file, run and frame."""

from __future__ import annotations

import os
from pathlib import Path

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.raw_faults import (
    NotAFile,
    missing_file_advice,
    open_descriptor,
    system_errors_reported,
)

GONE = (FileNotFoundError, NotADirectoryError)
COPY_HINT = (
    "copy it again from the detector; `missing: nan` goes on without the frames that are lost"
)
COUNT_HINT = "correct the column `frames` of the run table"


class RawFile:
    """One file of a detector in a run; it opens with the first read, and again after `close`."""

    def __init__(self, path: Path, location: RunLocation, detector: str) -> None:
        self.path = path
        self._place = f"{path}, run {location.run}, detector {detector}"
        self._missing_matters = location.recipe.get("missing", "error") != "nan"
        self._descriptor: int | None = None

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def size(self) -> int:
        """Bytes of the file; raises FrameError if it is missing."""
        return os.fstat(self._open()).st_size

    def read(self, start: int, size: int) -> bytearray:
        """Bytes start..start+size-1; fewer where the file ends. Raises FrameError if it is missing."""
        descriptor, content, done = self._open(), bytearray(size), 0
        view = memoryview(content)
        with system_errors_reported(self._place):
            # One call of the system reads 2 GiB at most.
            while done < size and (count := os.preadv(descriptor, [view[done:]], start + done)):
                done += count
        view.release()
        del content[done:]
        return content

    def frame_error(self, what: str, frame: int, how: str = COPY_HINT) -> FrameError:
        """The error of a frame of this file."""
        return FrameError(what, f"{self._place}, frame {frame}", how)

    def count_error(self, what: str) -> UserError:
        """The error of a file that contradicts the number of frames in the run table."""
        return UserError(what, self._place, COUNT_HINT)

    def file_error(self, what: str, how: str = COPY_HINT) -> FrameError:
        """The error of all frames of this file."""
        return FrameError(what, self._place, how)

    def _open(self) -> int:
        if self._descriptor is None:
            try:
                with system_errors_reported(self._place):
                    self._descriptor = open_descriptor(self.path)
            except NotAFile as error:
                raise self.file_error(str(error), "put the detector's file there") from None
            except GONE:
                # Under policy `nan` nobody reads the advice, and looking into a folder takes long.
                how = "put the file there, or correct `raw` in the run table"
                if self._missing_matters:
                    how = missing_file_advice(self.path, how)
                raise self.file_error("raw file is missing", how) from None
        return self._descriptor
