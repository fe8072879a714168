"""Discovery in HDF5 files: which hold frames, how many, and which are only parts of others."""

from __future__ import annotations

import os
from pathlib import Path

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.hdf5_layout import frame_datasets
from scatterflow.sources.hdf5_links import LinkedFiles, open_hdf5

MOST_OBJECTS = 10_000


def frames_of_dataset(path: Path, wanted: str, shape: tuple[int, int] | None) -> tuple[int, str]:
    """(number of frames, "") of an HDF5 file; (0, why) if it has frames that cannot be counted.

    wanted: dataset or `auto`; shape: of a frame, where known. (0, ""): the file has no such frames.
    """
    files = LinkedFiles(path)
    try:
        total = 0
        for name in frame_datasets(files, wanted, shape, 1):
            try:
                dataset, _ = files.dataset(name)
            except FrameError as error:
                return 0, f"the number of frames cannot be told: {error.what} ({error.where})"
            fits = dataset.ndim in (2, 3) and dataset.dtype.kind in "iuf"
            if not fits or (shape is not None and dataset.shape[-2:] != tuple(shape)):
                return 0, ""
            total += dataset.shape[0] if dataset.ndim == 3 else 1
        return total, ""
    except FrameError as error:
        return 0, f"cannot be read: {error.what}"
    except (UserError, OSError):
        return 0, ""
    finally:
        files.close()


def image_stacks(path: Path) -> dict[str, int]:
    """Datasets of a file that could be frames, {name: number of frames}; links are not followed."""
    import h5py

    stacks: dict[str, int] = {}

    def look(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim == 3 and item.dtype.kind in "iuf":
            stacks["/" + name] = item.shape[0]

    try:
        with open_hdf5(path) as file:
            file.visititems(look)
    except (OSError, RuntimeError):
        return {}
    return stacks


def linked_files(root: Path, paths: list[str]) -> set[str]:
    """Those of `paths` (relative to `root`) that another one of them links to or gathers."""
    by_real_path = {os.path.realpath(root / path): path for path in paths}
    linked = set()
    for path in paths:
        for target in _targets(root / path):
            real = os.path.realpath((root / path).parent / target)
            if real in by_real_path and by_real_path[real] != path:
                linked.add(by_real_path[real])
    return linked


def _targets(path: Path) -> set[str]:
    """Names of the files that an HDF5 file links to; none for one that cannot be opened."""
    import h5py

    targets: set[str] = set()
    seen = 0

    def look(name: str, link: object) -> bool | None:
        nonlocal seen
        seen += 1
        if isinstance(link, h5py.ExternalLink):
            targets.add(link.filename)
        elif isinstance(link, h5py.HardLink):
            item = file[name]
            if isinstance(item, h5py.Dataset) and item.is_virtual:
                targets.update(source.file_name for source in item.virtual_sources())
        return True if seen >= MOST_OBJECTS else None

    try:
        with open_hdf5(path) as file:
            file.visititems_links(look)
    except (OSError, RuntimeError, KeyError):
        return targets
    return targets - {"."}
