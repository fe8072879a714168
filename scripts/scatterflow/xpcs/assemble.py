"""Put the parts of a reduction together: sums of pixel blocks, two-time parts, histograms -> result file."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.detectors.good_mask import read_mask
from scatterflow.detectors.qmap import QMap
from scatterflow.detectors.qmap_files import read_qmap
from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_file
from scatterflow.files.provenance import raw_file_record
from scatterflow.xpcs.acquisition import Acquisition, frame_time, read_acquisition
from scatterflow.xpcs.correlation import Correlation, with_geometry
from scatterflow.xpcs.frames import Frames, read_frames
from scatterflow.xpcs.g2 import G2Result
from scatterflow.xpcs.merge import merge_blocks
from scatterflow.xpcs.multitau_file import open_blocks
from scatterflow.xpcs.photon_histograms import PhotonHistograms, merge_histograms, read_histograms
from scatterflow.xpcs.result import write_result
from scatterflow.xpcs.result_aps import PixelMeans
from scatterflow.xpcs.twotime_file import read_twotime
from scatterflow.xpcs.twotime_result import TwoTimeResult

logger = logging.getLogger(__name__)

Paths = Sequence[str | Path]


def assemble_result(
    qmap_path: str | Path,
    frames_path: str | Path,
    blocks: Paths,
    twotime: Paths,
    photons: Paths,
    metadata: str | Path | None,
    *,
    mask: str | Path,
    raw_files: Paths,
    settings: Mapping[str, Any],
    description: Mapping[str, Any],
    result: str | Path,
    linked: str | Path,
    threads: int = 1,
) -> None:
    """Write the result of a reduction, and give it the name that APS 8-ID's programs look for.

    blocks, twotime, photons: files of all parts, in any order. metadata: file of the acquisition, None:
    there is none. mask: file of the detector's good mask. settings: the reduction's configuration.
    linked: the second name, a hard link where the file system has them.
    Raises UserError if parts are missing or of another run, or if the time between frames is not known.
    """
    where = f"run {description['run']}, reduction {description['reduction']}"
    acquisition = _acquisition(metadata, settings.get("frame_time_s"), where)
    qmap = with_geometry(read_qmap(qmap_path), acquisition)
    frames = read_frames(frames_path)
    _check_bins(frames, qmap, where)
    correlation = Correlation(
        qmap=qmap,
        frames=frames,
        g2=_merged(blocks, qmap, frames, settings["multitau"], threads, where),
        acquisition=acquisition,
        settings=settings,
        description={key: value for key, value in description.items() if key != "parameters"},
        twotime=tuple(_all_maps(twotime)),
        photons=_all_photons(photons),
        provenance={
            "raw_files": [raw_file_record(path) for path in raw_files],
            "metadata_file": None if metadata is None else raw_file_record(metadata),
            "mask": _mask_identity(mask),
            "qmap": {"digest": qmap.digest, "source_file": qmap.attributes.get("source_file")},
            "warnings": [*qmap.notes, *acquisition.notes],
        },
    )
    for warning in correlation.provenance["warnings"]:
        logger.warning("warning: %s: %s", where, warning)
    means = _pixel_means(blocks, qmap) if settings["multitau"]["save_pixels"] else None
    write_result(result, correlation, means)
    link(result, linked)


def _acquisition(path: str | Path | None, override: float | None, where: str) -> Acquisition:
    """The acquisition with the time between frames that counts."""
    acquisition = Acquisition() if path is None else read_acquisition(path)
    place = where if path is None else f"{where}, {path}"
    return replace(acquisition, frame_time_s=frame_time(acquisition, override, place))


def _mask_identity(path: str | Path) -> dict[str, Any]:
    mask = read_mask(path)
    return {
        "sha256": mask.sha256,
        "masked_fraction": mask.masked_fraction,
        "members": mask.members,
    }


def _check_bins(frames: Frames, qmap: QMap, where: str) -> None:
    if frames.static_sums.shape[1] != qmap.static_bins:
        raise UserError(
            f"frames were summed over {frames.static_sums.shape[1]} static bins, the q-map has "
            f"{qmap.static_bins}",
            where,
            "delete the work folder of this reduction and run snakemake again",
        )


def _merged(
    blocks: Paths, qmap: QMap, frames: Frames, settings: Mapping[str, Any], threads: int, where: str
) -> G2Result:
    """g2 at the delays that pairs of valid frames have."""
    merged = merge_blocks(
        blocks,
        qmap,
        settings["normalisation"],
        frames.valid,
        None if frames.unscaled else frames.scale,
        frames.static_sums,
        threads,
    )
    kept = merged.pairs > 0
    if not kept.any():
        raise UserError(
            "no delay has a pair of valid frames",
            where,
            "check frames.bad and frames.automatic_bad",
        )
    by_delay = ("delay", "level", "pairs", "g2", "empty", "error", "error_time")
    cut: dict[str, Any] = {
        name: _rows(getattr(merged, name), kept) for name in (*by_delay, "independent_pixels")
    }
    for name in ("partial", "partial_error"):
        values = getattr(merged, name)
        cut[name] = None if values is None else values[:, kept]
    return replace(merged, **cut)


def _rows(values: np.ndarray | None, kept: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[kept]


def _all_maps(paths: Paths) -> list[TwoTimeResult]:
    """Two-time results of all parts, in the order of their bins."""
    found = [item for path in paths for item in read_twotime(path)]
    return sorted(found, key=lambda item: -1 if item.bin is None else item.bin)


def _all_photons(paths: Paths) -> PhotonHistograms | None:
    return merge_histograms(read_histograms(path) for path in paths) if paths else None


def _pixel_means(paths: Paths, qmap: QMap) -> PixelMeans:
    """Means per pair of frames out of the sums: samples of level l are sums of 2**l frames."""
    blocks = open_blocks(paths, qmap.static_bins)
    delays = np.flatnonzero(blocks.pairs > 0)

    def means(number: int) -> np.ndarray:
        delay = int(delays[number])
        length = 2.0 ** blocks.lags.level[delay]
        divisor = blocks.pairs[delay] * np.array([length**2, length, length])
        return blocks.of_delay(delay) / divisor[:, None]

    return means


def link(path: str | Path, second: str | Path) -> None:
    """Give a file a second name: a hard link, or a copy where there are none."""
    with whole_file(second) as temporary:
        with suppress(OSError):
            os.link(path, temporary)
        if not temporary.exists():
            shutil.copyfile(path, temporary)
