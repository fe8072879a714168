"""Runs of event formats for tests: photons, where they are written, the source that reads them."""

from __future__ import annotations

from functools import cache

import numpy as np

from scatterflow.config.sources import SourceConfig
from scatterflow.sources import RunLocation, open_source
from scatterflow.sources.event_writers import (
    write_imm,
    write_rigaku,
    write_rigaku_3m,
    write_timepix4,
    write_ufxc,
)
from scatterflow.sources.timepix4 import DIGITAL_PIXELS

FRAME_TIME_S = 1e-3

# name: recipe, shape of the frames, most that a pixel counts, writer(path, frames)
FORMATS = {
    "imm sparse": ({"format": "imm"}, (37, 53), 65535, write_imm),
    "imm dense": (
        {"format": "imm"},
        (37, 53),
        65535,
        lambda path, frames: write_imm(path, frames, dense=True),
    ),
    "rigaku": ({"format": "rigaku"}, (64, 96), 4095, write_rigaku),
    "rigaku by columns": (
        {"format": "rigaku", "pixel_order": "column"},
        (64, 96),
        4095,
        lambda path, frames: write_rigaku(path, frames, pixel_order="column"),
    ),
    "rigaku 3m": (
        {"format": "rigaku", "modules": "rigaku_3m"},
        (1676, 2100),
        4095,
        write_rigaku_3m,
    ),
    "ufxc": ({"format": "ufxc"}, (128, 256), 3, write_ufxc),
    "timepix4": (
        {"format": "timepix4", "frame_time_s": FRAME_TIME_S},
        (512, 448),
        40,
        lambda path, frames: write_timepix4(path, frames, FRAME_TIME_S),
    ),
}


def usable(name):
    """Pixels of a format that can count, (rows, columns) bool."""
    _, shape, _, _ = FORMATS[name]
    good = np.ones(shape, bool)
    if name == "timepix4":
        good.reshape(-1)[DIGITAL_PIXELS] = False
    if name == "rigaku 3m":
        # Gaps as the reference has them: 512 + 70 rows, 1024 + 52 columns.
        for row in (512, 1094):
            good[row : row + 70] = False
        good[:, 1024:1076] = False
    return good


@cache
def photons(name, frames=7, hits=150, seed=1):
    """Frames (n, rows, columns) with hits at random places; the second and the last but one are empty."""
    _, shape, most, _ = FORMATS[name]
    rng = np.random.default_rng(seed)
    stack = np.zeros((frames, *shape), np.uint16)
    lit = rng.integers(0, stack.size, hits)
    stack.reshape(-1)[lit] = rng.integers(1, most + 1, hits)
    stack *= usable(name)
    stack[1] = stack[-2] = 0
    stack.flags.writeable = False
    return stack


def opened(root, recipe, frames, shape, check=True, **more):
    """The source of the run in root/a.x."""
    config = {"frames": {"d": "{raw}.x"}, **recipe, **more}
    dumped = SourceConfig.model_validate(config).model_dump()
    location = RunLocation("r1", "a", str(root), frames, dumped, {"d": shape})
    if check:
        return open_source(location)
    from scatterflow.sources.open import new_source

    return new_source(location)


def written(root, name, stack, frames=None):
    """The source of photons that are written in a format first."""
    recipe, shape, _, write = FORMATS[name]
    write(root / "a.x", stack)
    return opened(root, recipe, len(stack) if frames is None else frames, shape)
