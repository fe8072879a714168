"""Planned reductions of technique `xpcs`: q-maps, chunks of frames, blocks of pixels, parts of two-time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.config.model import Configuration
from scatterflow.config.runs import RunRow
from scatterflow.errors import UserError, suggestion
from scatterflow.files.checksums import value_digest
from scatterflow.frame_range import FrameRange, frame_range
from scatterflow.frame_selection import ranges_text, selected_frames
from scatterflow.plan.chunks import FrameLoad, chunk_ranges, frames_per_chunk, memory_estimate_mb
from scatterflow.plan.memory_xpcs import (
    correlate_mb,
    frames_mb,
    merge_mb,
    sort_load,
    table_mb,
    twotime_mb,
)
from scatterflow.plan.planned import Planned

if TYPE_CHECKING:
    from scatterflow.plan.build import Plan

# Pairs of frames times pixels that a job multiplies in a second, two-time; 200 GFLOP/s measured on two cores.
PAIR_RATE = 5e10
MOST_PARTS = 64


@dataclass(frozen=True)
class PlannedXpcs(Planned):
    """One xpcs reduction of one run. qmap, mask: keys of shared products; range: the frames that are used;
    chunk_frames: frames of a sort job; blocks: jobs that share the pixels; parts: jobs that share the bins
    of two-time."""

    qmap: str
    mask: str
    range: FrameRange
    load: FrameLoad
    chunk_frames: int
    blocks: int
    parts: int

    @property
    def detector(self) -> str:
        """The detector."""
        return self.detectors[0]

    @cached_property
    def chunks(self) -> list[tuple[int, int]]:
        """(start, stop) of every chunk, in frames as they are correlated."""
        return list(chunk_ranges(self.range.frames, self.chunk_frames))

    @property
    def raw_range(self) -> tuple[int, int]:
        """(first, after the last) raw frame that is used."""
        return self.range.raw_range(0, self.range.frames)

    @property
    def sort_memory_mb(self) -> int:
        """Memory of a sort job, MB."""
        return memory_estimate_mb(self.load, self.chunk_frames)

    @property
    def block_memory_mb(self) -> int:
        """Memory of a job that correlates a block of pixels, MB."""
        return math.ceil(self.table_mb) + correlate_mb(
            math.ceil(self.pixels / self.blocks),
            self.range.frames,
            self.chunk_frames,
            _makes_fractions(self.configuration, self.detector, self.reduction),
            self.reduction.multitau.model_dump(),
        )

    @property
    def pixels(self) -> int:
        """Pixels of the detector: no q-map has more."""
        return math.prod(self.configuration.detectors[self.detector].shape)

    @property
    def calibration(self) -> dict[str, Any]:
        """What is done with the stored values of the detector."""
        settings = self.configuration.detectors[self.detector]
        return settings.model_dump(include={"valid", "dark", "flat"})

    @property
    def twotime_memory_mb(self) -> int:
        """Memory of a two-time job, MB."""
        return math.ceil(self.table_mb) + twotime_mb(
            self.pixels,
            self.range.frames,
            self.chunk_frames,
            _makes_fractions(self.configuration, self.detector, self.reduction),
            self.reduction.qmap.bins,
            self.reduction.twotime.model_dump(),
        )

    @property
    def merge_memory_mb(self) -> int:
        """Memory of the job that makes the result, MB."""
        maps, side = 0, 0
        if self.reduction.twotime is not None:
            maps = _twotime_bins(self.reduction) or MOST_PARTS
            side = self.reduction.twotime.largest_map
        threads = self.configuration.chunks.threads
        merging = merge_mb(self.pixels, threads, self.range.frames, maps, side)
        return merging + math.ceil(3 * self.table_mb)

    @property
    def frames_memory_mb(self) -> int:
        """Memory of the job that summarises the frames, MB."""
        return frames_mb(self.pixels, self.range.frames, self.reduction.qmap.static_bins)

    @property
    def table_mb(self) -> float:
        """What each of these jobs reads of the frames, MB."""
        return table_mb(self.range.frames, self.reduction.qmap.static_bins)

    @cached_property
    def bad_frames(self) -> str | None:
        """The listed bad raw frames as frames of the correlation, `3,10-20`; None for none."""
        text = self.reduction.frames.bad
        ranges = selected_frames(text) if text else None
        if not ranges:
            return None
        raw = np.zeros(self.row.frames, bool)
        for first, last in ranges:
            if last >= len(raw):
                raise UserError(
                    f"raw frame {last} is listed as bad, the run has {len(raw)} frames",
                    f"run {self.row.run}, key reductions.{self.name}.frames.bad",
                    "frames count from 0",
                )
            raw[first : last + 1] = True
        made_of = self.range.raw_frames(0, self.range.frames)
        return ranges_text(np.flatnonzero(raw[made_of].any(axis=1)).tolist()) or None

    @property
    def parameters(self) -> dict[str, Any]:
        """What the result depends on: not what is fitted to it."""
        return self.reduction.model_dump(exclude={"fits", "diffusion"})


def plan_xpcs(plan: Plan, row: RunRow, name: str, configuration: Configuration) -> PlannedXpcs:
    """The planned reduction, its q-map and mask noted in the plan; raises UserError."""
    from scatterflow.plan.build import plan_mask

    reduction: Any = configuration.reductions[name]
    source: Any = configuration.sources[row.source]
    detector = _detector(reduction, row, name, configuration)
    used = frame_range(
        reduction.frames.model_dump(), row.frames, f"run {row.run}, key reductions.{name}.frames"
    )
    if used.frames < 2:
        raise UserError(
            "one frame cannot be correlated",
            f"run {row.run}, key reductions.{name}.frames",
            "lower stride or average, or take more frames",
        )
    if reduction.frame_time_s is None and source.metadata is None:
        raise UserError(
            "the time from one raw frame to the next is not known",
            f"run {row.run}, reduction {name}",
            f"set reductions.{name}.frame_time_s, or name the file that tells: sources.{row.source}.metadata",
        )
    _check_length(reduction, used.frames, f"run {row.run}, key reductions.{name}")
    _check_dark(configuration, detector, reduction, used, row)
    mask = plan_mask(plan, configuration, detector)
    pixels = math.prod(configuration.detectors[detector].shape)
    fractions = _makes_fractions(configuration, detector, reduction)
    chunks = configuration.chunks
    load = sort_load(pixels, used.frames, reduction.frames.average, fractions)
    chunk_frames = frames_per_chunk(
        used.frames,
        load,
        fixed=chunks.frames,
        minutes=chunks.minutes,
        memory_mb=chunks.memory_mb,
        pixel_rate=chunks.pixel_rate,
    )

    def needed_mb(blocks: int) -> int:
        block = math.ceil(pixels / blocks)
        table = math.ceil(table_mb(used.frames, reduction.qmap.static_bins))
        return table + correlate_mb(
            block, used.frames, chunk_frames, fractions, reduction.multitau.model_dump()
        )

    return PlannedXpcs(
        row=row,
        name=name,
        configuration=configuration,
        detectors=(detector,),
        qmap=_plan_qmap(plan, configuration, detector, reduction, mask),
        mask=mask,
        range=used,
        load=load,
        chunk_frames=chunk_frames,
        blocks=chunks.pixel_blocks or _fewest(pixels, needed_mb, chunks.memory_mb),
        parts=_parts(reduction, pixels, used.frames, chunks),
    )


def _detector(reduction: Any, row: RunRow, name: str, configuration: Configuration) -> str:
    source: Any = configuration.sources[row.source]
    available = list(source.frames)
    if reduction.detector is None and len(available) == 1:
        return available[0]
    if reduction.detector is None:
        raise UserError(
            f"source {row.source!r} has several detectors ({', '.join(available)})",
            f"run {row.run}, key reductions.{name}.detector",
            "name the one to correlate",
        )
    if reduction.detector not in available:
        raise UserError(
            f"source {row.source!r} has no detector {reduction.detector!r}",
            f"run {row.run}, key reductions.{name}.detector",
            suggestion(reduction.detector, available),
        )
    return reduction.detector


def _check_length(reduction: Any, frames: int, where: str) -> None:
    """Refuse what a run of so many frames cannot give."""
    multitau, statistics = reduction.multitau, reduction.speckle_statistics
    if multitau.most_delay is not None and multitau.most_delay >= frames:
        raise UserError(
            f"there is no delay of {multitau.most_delay} frames among {frames} frames",
            f"{where}.multitau.most_delay",
            f"give {frames - 1} or less, or leave it out",
        )
    # Short runs go without the windows that nobody asked for.
    needed = "partial" in multitau.model_fields_set or multitau.errors == "time_blocks"
    if needed and multitau.partial > frames:
        raise UserError(
            f"{frames} frames cannot be cut into {multitau.partial} windows",
            f"{where}.multitau.partial",
            "lower it",
        )
    if statistics is None:
        return
    longest, held = max(statistics.exposures), frames // statistics.segments
    if longest > held:
        raise UserError(
            f"an exposure of {longest} frames does not fit into a segment, which has {held} "
            f"({frames} frames in {statistics.segments} segments)",
            f"{where}.speckle_statistics",
            "leave out long exposures, or lower segments",
        )


def _check_dark(
    configuration: Configuration, detector: str, reduction: Any, used: FrameRange, row: RunRow
) -> None:
    """Refuse frames that are dark and correlated as well, that are not there, and a second dark."""
    if reduction.preprocessing.dark_frames is None:
        return
    first, after = reduction.preprocessing.dark_frames
    where = f"run {row.run}, key preprocessing.dark_frames"
    if after > row.frames:
        raise UserError(
            f"dark frames {first} to {after - 1} are not all in the run, which has {row.frames} frames",
            where,
            "give them as [first, one after the last], counted from 0",
        )
    if configuration.detectors[detector].dark is not None:
        raise UserError(
            "a dark image and dark frames are both given",
            where,
            f"leave it out, or detectors.{detector}.dark",
        )
    made_of = used.raw_frames(0, used.frames)
    dark = (made_of >= first) & (made_of < after)
    for begin, end in (reduction.frames.bad and selected_frames(reduction.frames.bad)) or ():
        dark &= (made_of < begin) | (made_of > end)
    if dark.any():
        raise UserError(
            f"raw frame {made_of[dark][0]} is one of the dark frames, and correlated as well",
            where,
            "begin behind them (frames.begin), or list them in frames.bad",
        )


def _plan_qmap(
    plan: Plan, configuration: Configuration, detector: str, reduction: Any, mask: str
) -> str:
    used = {"shape", "geometry", "orientation"}
    crop = reduction.crop
    parameters = {
        "detector": detector,
        "mask": mask,
        **configuration.detectors[detector].model_dump(include=used),
        "qmap": reduction.qmap.model_dump(),
        "crop": None if crop is None else crop.model_dump(),
    }
    key = f"{detector[:25]}-{value_digest(parameters)}"
    plan.qmaps[key] = parameters
    return key


def _makes_fractions(configuration: Configuration, detector: str, reduction: Any) -> bool:
    """Whether dark or flat field make counts that are no integers."""
    settings = configuration.detectors[detector]
    dark_frames = reduction.preprocessing.dark_frames
    return any(image is not None for image in (settings.dark, settings.flat, dark_frames))


def _fewest(most: int, needed_mb: Callable[[int], int], memory_mb: int) -> int:
    """As few blocks as the memory allows."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        if needed_mb(middle) <= memory_mb:
            high = middle
        else:
            low = middle + 1
    return low


def _twotime_bins(reduction: Any) -> int | None:
    """Dynamic bins that have two-time maps, None: the q-map's file tells."""
    chosen = reduction.twotime.bins
    found: int | None = reduction.qmap.bins if chosen is None else len(chosen)
    return found


def _parts(reduction: Any, pixels: int, frames: int, chunks: Any) -> int:
    """Jobs that share the bins of two-time, each aiming at the duration of a chunk job."""
    if reduction.twotime is None:
        return 0
    jobs = math.ceil(frames**2 * pixels / 2 / PAIR_RATE / (60 * chunks.minutes))
    bins = _twotime_bins(reduction)
    return max(1, min(jobs, MOST_PARTS if bins is None else bins, MOST_PARTS))
