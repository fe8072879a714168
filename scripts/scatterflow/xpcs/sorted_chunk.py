"""The file of one chunk of frames, sorted: pixel blocks in q-map order, and sums of frames and pixels.

HDF5, uncompressed, each block in datasets of its own, so that who correlates a block reads nothing else:

    attributes              format, start, stop (processed frames), form (events | frames), positions,
                            blocks, dtype of the counts, identity: digest of what it was made from
    provenance              JSON
    frames/total            (n,) sum over the pixels of the q-map; detector_total: over all good pixels
    frames/static_sums      (n, static bins) sums over the pixels of each static bin
    frames/valid, reason    (n,) bool; uint8, bits of `FrameReason`
    frames/invalid_pixels   (n,) int64, pixels of the q-map that measured nothing in the frame
    image/sum, sum_of_squares   (rows, columns) over the valid frames, all pixels
    image/invalid           (rows, columns) uint32, in how many of them the pixel measured nothing
    image/frames            their number; image/good_pixels: those that detector_total is summed over
    blocks/{b}/first, frame, count   form events: see `Block`; frame numbers are those of the run
    blocks/{b}/values                form frames: (n, pixels)

Sums are int64 where counts are integers, else float64; so is a sum of squares that int64 might not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, write_array, writing
from scatterflow.files.json import to_json
from scatterflow.xpcs.blocks import FORMAT, Block, Form, block_edges, read_head


class FrameReason(IntFlag):
    """Why a frame is not valid."""

    MISSING = 1
    """Not in the raw files, short or corrupt."""
    LISTED = 2
    """In the list of bad frames."""
    TOO_DARK = 4
    """Its total is below the chosen fraction of the median."""
    TOO_BRIGHT = 8
    """Its total is above the chosen multiple of the median."""
    NOTHING_MEASURED = 16
    """No pixel of the q-map holds a valid value."""


@dataclass(eq=False)
class FrameSums:
    """What a chunk says of its frames start..stop-1 and of each pixel; arrays as in the module's docstring.

    image_frames: number of valid frames, over which the images are summed; good_pixels: see there.
    """

    start: int
    stop: int
    total: np.ndarray
    detector_total: np.ndarray
    static_sums: np.ndarray
    valid: np.ndarray
    reason: np.ndarray
    invalid_pixels: np.ndarray
    image_sum: np.ndarray
    image_squares: np.ndarray
    image_invalid: np.ndarray
    image_frames: int
    good_pixels: int = 0


FRAME_ARRAYS = ("total", "detector_total", "static_sums", "valid", "reason", "invalid_pixels")
_IMAGES = {"image_sum": "sum", "image_squares": "sum_of_squares", "image_invalid": "invalid"}


def write_sorted_chunk(
    path: str | Path,
    sums: FrameSums,
    contents: Iterable[Block],
    form: Form,
    positions: int,
    blocks: int,
    dtype: np.dtype,
    provenance: dict[str, Any],
    identity: str = "",
) -> None:
    """Write a chunk whole.

    contents: pixel blocks 0, 1, ..., of this form, with counts of `dtype` and frames counted from the
    chunk's start. identity: see `blocks.sorted_heads`.
    """
    with writing(path) as file:
        file.attrs.update(
            format=FORMAT,
            start=sums.start,
            stop=sums.stop,
            form=form,
            positions=positions,
            blocks=blocks,
            dtype=np.dtype(dtype).name,
            identity=identity,
        )
        write_array(file, "provenance", to_json(provenance))
        frames, image = file.create_group("frames"), file.create_group("image")
        for name in FRAME_ARRAYS:
            write_array(frames, name, getattr(sums, name))
        for name, stored in _IMAGES.items():
            write_array(image, stored, getattr(sums, name))
        write_array(image, "frames", np.int64(sums.image_frames))
        write_array(image, "good_pixels", np.int64(sums.good_pixels))
        for number, block in enumerate(contents):
            if (block.first, block.last) != block_edges(number, blocks, positions):
                raise ValueError(f"block {number} holds positions {block.first}..{block.last}")
            _write_block(file.create_group(f"blocks/{number}"), block, sums.start, dtype)
            del block  # before the next one is made: a block may be the whole chunk


def _write_block(group: Any, block: Block, start: int, dtype: np.dtype) -> None:
    group.attrs["occupied"] = block.occupied
    if block.form == "frames":
        write_array(group, "values", block.values.astype(dtype, copy=False))
        return
    write_array(group, "first", block.starts)
    write_array(group, "frame", block.frame + np.int32(start))
    write_array(group, "count", block.count.astype(dtype, copy=False))


def read_frame_sums(path: str | Path) -> FrameSums:
    """What a chunk says of its frames and pixels. Raises UserError for a file that is no sorted chunk."""
    head = read_head(path)
    with reading(path) as file:
        try:
            return FrameSums(
                head.start,
                head.stop,
                **{name: file[f"frames/{name}"][()] for name in FRAME_ARRAYS},
                **{name: file[f"image/{stored}"][()] for name, stored in _IMAGES.items()},
                image_frames=int(file["image/frames"][()]),
                good_pixels=int(file["image/good_pixels"][()]),
            )
        except KeyError as error:
            raise UserError(
                f"the sorted chunk is not complete ({error})",
                str(path),
                "delete it and run snakemake again",
            ) from error
