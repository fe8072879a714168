"""The container: one Zarr v3 store per run and reduction, created empty from the plan.

Each chunk job fills exactly its own stored chunks. Layout:

    <detector>_<integration>/{signal,variance}   float64 (frames, bins...)
    <detector>_<integration>/lost    float64 (frames, bins...)  normalisation lost to invalid pixels
    <detector>_<integration>/rejected_pixels, rejected_frames  where outliers are left out: see `outliers`
    <detector>/frame_sum       float64 (chunks, rows, columns)  sum of valid pixel values, and
    <detector>/frame_sum_rest  float64 (chunks, rows, columns)  what float64 lacks of it
    <detector>/valid_count     uint32  (chunks, rows, columns)  frames in which the pixel was valid
    <detector>/frame_valid     bool    (frames,)                False: the frame is missing

The attribute `uid` tells one container from its re-creation.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_folder
from scatterflow.files.checksums import rows_sha256

# A tenth of the time of Zarr's default (zstd without shuffle), and smaller.
CODEC = BloscCodec(cname="lz4", clevel=1, shuffle="shuffle")
# Most frames lose nothing: stored chunks of zeros are not written.
SUMS = {"signal": np.nan, "variance": np.nan, "lost": 0.0}
REJECTED_PIXELS, REJECTED_FRAMES = "rejected_pixels", "rejected_frames"
PER_CHUNK = {"frame_sum": "float64", "frame_sum_rest": "float64", "valid_count": "uint32"}


def setup_container(
    path: str | Path,
    *,
    frames: int,
    chunk_frames: int,
    tasks: Iterable[Mapping[str, Any]],
    shapes: Mapping[str, tuple[int, int]],
) -> None:
    """Create an empty container.

    tasks: name, detector, bins (tuple), stored_frames and robust of each integration of each detector;
    shapes: (rows, columns) of each detector. Nothing is allocated: unwritten sums read as NaN.
    """
    chunks = -(-frames // chunk_frames)
    with whole_folder(path) as temporary:
        root = zarr.open_group(temporary, mode="w", zarr_format=3)
        root.attrs.update(
            {"uid": uuid.uuid4().hex, "frames": frames, "chunk_frames": chunk_frames, "format": 1}
        )
        for task in tasks:
            bins = tuple(task["bins"])
            for name, unwritten in SUMS.items():
                root.create_array(
                    f"{task['name']}/{name}",
                    shape=(frames, *bins),
                    chunks=(task["stored_frames"], *bins),
                    dtype="float64",
                    compressors=CODEC,
                    fill_value=unwritten,
                )
            if task["robust"]:
                _create_rejected(root, task["name"], frames, chunk_frames, shapes[task["detector"]])
        for detector, shape in shapes.items():
            for name, dtype in PER_CHUNK.items():
                root.create_array(
                    f"{detector}/{name}",
                    shape=(chunks, *shape),
                    chunks=(1, *shape),
                    dtype=dtype,
                    compressors=CODEC,
                    fill_value=0,
                )
            root.create_array(
                f"{detector}/frame_valid",
                shape=(frames,),
                chunks=(chunk_frames,),
                dtype="bool",
                fill_value=False,
            )


def _create_rejected(
    root: zarr.Group, task: str, frames: int, chunk_frames: int, shape: tuple[int, int]
) -> None:
    root.create_array(
        f"{task}/{REJECTED_PIXELS}",
        shape=(frames,),
        chunks=(chunk_frames,),
        dtype="float64",
        fill_value=np.nan,
    )
    root.create_array(
        f"{task}/{REJECTED_FRAMES}",
        shape=(-(-frames // chunk_frames), *shape),
        chunks=(1, *shape),
        dtype="uint32",
        fill_value=0,
    )


def open_container(path: str | Path, mode: Literal["r", "r+"] = "r") -> zarr.Group:
    """An existing container; raises UserError if there is none."""
    # Snakemake marks the folders that it made with a file that Zarr does not know.
    warnings.filterwarnings("ignore", "Object at .snakemake_timestamp", UserWarning)
    try:
        return zarr.open_group(path, mode=mode, zarr_format=3)
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise UserError(
            f"no container of integrated frames ({error})",
            str(path),
            "delete this folder and run snakemake again",
        ) from None


def array_names(container: zarr.Group) -> list[str]:
    """Paths of all arrays, sorted."""
    return sorted(name for name, _ in container.members(max_depth=None) if "/" in name)


def part_of_chunk(container: Any, name: str, start: int, stop: int) -> slice:
    """The rows of an array that belong to the chunk job of frames start..stop-1."""
    if name.rsplit("/", 1)[-1] not in (*PER_CHUNK, REJECTED_FRAMES):
        return slice(start, stop)
    chunk = start // int(container.attrs["chunk_frames"])
    return slice(chunk, chunk + 1)


def stored_checksums(container: Any, start: int, stop: int) -> dict[str, str]:
    """SHA-256 of what the store holds of one chunk job, per array."""
    found = {}
    for name in array_names(container):
        part = part_of_chunk(container, name, start, stop)
        found[name] = rows_sha256(container[name], part.start, part.stop)
    return found
