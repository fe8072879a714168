"""A place that is a folder of this computer: a mounted archive, a scratch disk."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


class FolderPlace:
    """See `scatterflow.staging.places.Place`."""

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    def sizes(self, paths: list[str]) -> dict[str, int]:
        return {
            path: (self._folder / path).stat().st_size
            for path in paths
            if (self._folder / path).is_file()
        }

    def fetch(self, files: dict[str, Path]) -> None:
        for path, local in files.items():
            with suppress(FileNotFoundError):
                _continue(self._folder / path, local)

    def store(self, files: dict[str, Path]) -> None:
        for path, local in files.items():
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            _continue(local, self._folder / path)

    def rename(self, names: dict[str, str]) -> None:
        for old, new in names.items():
            (self._folder / old).replace(self._folder / new)

    def remove(self, paths: list[str]) -> None:
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)


def _continue(source: Path, copy: Path) -> None:
    """Append to `copy` what it lacks of `source`; one that is longer stays as it is."""
    with open(source, "rb") as reader, open(copy, "ab") as writer:
        reader.seek(writer.tell())
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())
