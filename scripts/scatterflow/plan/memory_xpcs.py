"""Memory of the jobs of an `xpcs` reduction: upper estimates, before anything is known of the counts.

Values are taken as two bytes each, four where a dark or a flat field makes fractions: counts of a frame
rarely need more than 16 bits, and where they do, a second attempt is given twice the memory. Numbers without
another reason are from the measured peaks of whole jobs, on frames of up to a million pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scatterflow.kernels.lags import chosen_lags
from scatterflow.plan.chunks import BASE_MEMORY_MB, FrameLoad

# Until a frame has been seen its stored type is unknown; area detectors write 32-bit integers.
STORED_BYTES = 4
# Raw frames are read in blocks of this many bytes: one is worked on, one is read, one was just left.
RAW_BLOCK = 100_000_000
# Sums, sums of squares and places of each pixel of the detector, while frames are sorted.
SORT_BYTES_PER_PIXEL = 50
# Images, and g2's linearisation for one delay, of which each thread works on another.
MERGE_BYTES_PER_PIXEL = 400
MERGE_BYTES_PER_PIXEL_AND_THREAD = 120
# G2, IP and IF of one delay.
SUM_BYTES = 24
# Of two-time bins that are correlated by events: small counts, and lists of those of one in eight values.
LISTED_BYTES_PER_VALUE = 4
# Sides of the tiles of two-time maps (dense, and of the larger ones of events), and pixels of a panel.
SIDE, TILE_VALUES, PANEL = 2048, 1024 * 8192, 4096
# Sums along diagonals, weights of static bins: of each frame.
TWOTIME_BYTES_PER_FRAME = 4000

# Static bins, where the q-map's file tells how many.
USUAL_STATIC_BINS = 500
# Images of sums, squares, means and variances of all chunks.
FRAMES_BYTES_PER_PIXEL = 100


def table_mb(frames: int, static_bins: int | None) -> float:
    """The sums of each frame over each static bin, which all jobs read that know which frames are good."""
    return 8 * frames * (static_bins or USUAL_STATIC_BINS) / 1e6


def frames_mb(pixels: int, frames: int, static_bins: int | None) -> int:
    """Of the job that summarises frames: images, and the table as read, joined and cut for means."""
    images = FRAMES_BYTES_PER_PIXEL * pixels / 1e6
    return math.ceil(BASE_MEMORY_MB + images + 3 * table_mb(frames, static_bins))


def value_bytes(fractions: bool) -> int:
    """Bytes of a count, sorted."""
    return 4 if fractions else 2


def sort_load(pixels: int, frames: int, average: int, fractions: bool) -> FrameLoad:
    """What sorting costs: the values of a whole chunk are kept until its blocks of pixels are written.

    pixels: of the detector; frames: of the run; average: raw frames of each.
    """
    size = value_bytes(fractions)
    raw = STORED_BYTES * pixels * average
    block = min(max(RAW_BLOCK, raw), frames * raw)
    # A block's values, gathered, may be wider than stored; those of the block before are still there.
    gathered = min(2 * RAW_BLOCK * size // 2, 2 * frames * pixels * size)
    return FrameLoad(
        pixels=pixels * average,
        raw_bytes=0,
        result_bytes=0,
        sum_bytes=SORT_BYTES_PER_PIXEL * pixels + 3 * block + gathered,
        kept_bytes=size * pixels,
    )


def correlate_mb(
    pixels: int, frames: int, chunk: int, fractions: bool, multitau: Mapping[str, Any]
) -> int:
    """Of a job that correlates a block of so many pixels: all frames, a chunk's as they are read, and the
    sums of every delay, in the run and in one window of time."""
    lags = chosen_lags(multitau, frames)
    windows = multitau["partial"]
    delays = lags.delay.size + (lags.cut(frames // windows).delay.size if windows else 0)
    of_pixel = value_bytes(fractions) * (frames + chunk) + SUM_BYTES * delays
    return math.ceil(BASE_MEMORY_MB + pixels * of_pixel / 1e6)


def twotime_mb(
    pixels: int,
    frames: int,
    chunk: int,
    fractions: bool,
    bins: int | None,
    twotime: Mapping[str, Any],
) -> int:
    """Of a two-time job: all frames of one bin, a chunk's as they are read, tiles of maps, the map kept.

    bins: dynamic bins of the q-map, None: not known. The outermost ring has less than 2 / bins of the pixels.
    """
    share = 1 / 3 if bins is None else min(1.0, 2 / bins)
    size = value_bytes(fractions)
    values = (max(size, LISTED_BYTES_PER_VALUE) * frames + size * chunk) * pixels * share
    maps = 3 if twotime["chi4"] else 1
    # Beside the maps' tiles those of their divisors, two, where static bins are empty.
    tiles = 8 * (maps + 2) * min(frames**2, TILE_VALUES)
    panels = 16 * min(frames, SIDE) * PANEL + 12 * min(frames, SIDE) ** 2
    kept = 16 * min(frames, twotime["largest_map"]) ** 2
    return math.ceil(
        BASE_MEMORY_MB + (values + tiles + panels + kept + TWOTIME_BYTES_PER_FRAME * frames) / 1e6
    )


def merge_mb(pixels: int, threads: int, frames: int, maps: int, largest_map: int) -> int:
    """Of the job that makes the result: images, one delay of all pixels per thread, all two-time maps."""
    images = (MERGE_BYTES_PER_PIXEL + MERGE_BYTES_PER_PIXEL_AND_THREAD * threads) * pixels
    of_map = 4 * min(frames, largest_map) ** 2 + TWOTIME_BYTES_PER_FRAME * frames // 10
    return math.ceil(BASE_MEMORY_MB + (images + maps * of_map) / 1e6)
