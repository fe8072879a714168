"""Masks made from frames, registered as proposals with how they were found; a user accepts them.

A proposal is a version of the kind `proposal`: nothing uses it before `registry accept` makes it a mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from scatterflow.detectors.valid_range import valid_limits
from scatterflow.errors import UserError
from scatterflow.registry import detection
from scatterflow.registry.masks import register_mask
from scatterflow.registry.objects import REASONS
from scatterflow.registry.records import Record
from scatterflow.registry.statistics import StackStatistics
from scatterflow.registry.versions import RegistryLike

BLOCK_FRAMES = 8


def source_statistics(
    source: Any, detector: str, valid: dict[str, Any], limit: float | None = None
) -> StackStatistics:
    """Statistics of all frames of a run's detector.

    valid: `ValidRange.model_dump()`; limit: saturation, None: whatever is above the valid range.
    """
    info = source.detectors[detector]
    lowest, highest = valid_limits(valid, info.dtype)
    if limit is None:
        limit = float(np.nextafter(float(highest), np.inf))
    statistics = StackStatistics(
        (info.shape[0], info.shape[1]), limit=limit, lowest=float(lowest), highest=float(highest)
    )
    for block in _blocks(source, detector):
        statistics.update(block)
    return statistics


def _blocks(source: Any, detector: str) -> Iterator[np.ndarray]:
    for start in range(0, source.frames, BLOCK_FRAMES):
        yield source.read(detector, start, min(start + BLOCK_FRAMES, source.frames))


def find_bad_pixels(
    statistics: StackStatistics, settings: dict[str, Any], radial: np.ndarray | None = None
) -> np.ndarray:
    """Reasons (uint32, rows x columns) of a detection.

    settings: a proposal of the configuration, as plain values; radial: q or angle of each pixel, for
    `outliers` and `shadow`.
    """
    kind, threshold = settings["type"], settings.get("threshold", 0.0)
    if kind == "hot":
        found = {"hot": detection.hot_pixels(statistics, threshold)}
    elif kind == "dead":
        size, probability = settings["size"], settings["probability"]
        found = {"dead": detection.dead_pixels(statistics, probability, size)}
    elif kind == "response":
        low, high, size = settings["low"], settings["high"], settings["size"]
        under, over = detection.odd_response(statistics, low, high, threshold, size)
        found = {"underresponding": under, "overresponding": over}
    elif kind == "saturated":
        found = {"saturated": detection.saturated_pixels(statistics, settings["fraction"])}
    elif radial is None:
        raise ValueError(f"{kind} needs the radial coordinate")
    elif kind == "outliers":
        mean, bins = statistics.mean, settings["bins"]
        frames = statistics.frames
        outliers = detection.azimuthal_outliers(
            mean, radial, bins, threshold, counts_per_unit=frames
        )
        found = {"outlier": outliers}
    else:
        dark = detection.shadow(
            statistics.mean,
            radial,
            settings["bins"],
            settings["fraction"],
            settings["smallest"],
            margin=settings["margin"],
        )
        found = {"beamstop": dark}
    reasons = np.zeros(statistics.shape, np.uint32)
    for name, pixels in found.items():
        reasons[pixels] |= np.uint32(1 << REASONS[name])
    return reasons


def propose_mask(
    name: str,
    settings: dict[str, Any],
    source: Any,
    *,
    run: str,
    valid: dict[str, Any],
    radial: np.ndarray | None = None,
    registry: RegistryLike = None,
) -> Record:
    """Find bad pixels in a run and register them as a proposal; the record says how they were found.

    name: of the proposal; settings: as configured; source: the run's; run: its name. Raises UserError if
    nothing, or every pixel, was found.
    """
    detector = settings["detector"]
    statistics = source_statistics(source, detector, valid, settings.get("limit"))
    reasons = find_bad_pixels(statistics, settings, radial)
    if not reasons.any():
        raise UserError(
            "no pixel was found: there is nothing to propose",
            f"proposal {name}, run {run}",
            "lower the threshold, or take the proposal out of the configuration",
        )
    parameters = {k: v for k, v in settings.items() if k not in ("detector", "run", "name")}
    return register_mask(
        detector,
        settings["name"] or name,
        reasons == 0,
        reasons=reasons,
        kind="proposal",
        comment=f"{settings['type']} pixels of run {run}",
        source={
            "found by": parameters,
            "run": run,
            "frames": [0, statistics.frames],
            "files": [str(path) for path in source.files(detector)[:100]],
        },
        registry=registry,
    )
