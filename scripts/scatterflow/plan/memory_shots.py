"""What jobs of technique `shots` hold in memory."""

from __future__ import annotations

import math
from typing import Any

from scatterflow.config.model import Configuration
from scatterflow.plan.chunks import FrameLoad

# Sums of a mean: two float64 for twice the precision, a count; a variance has as much for the squares.
MEAN_BYTES = 24
VARIANCE_BYTES = 40
EXTREME_BYTES = 16
# Stored words of 4 bytes become float32, and what functions make of them is float64.
BYTES_PER_PIXEL = 16
# Pedestal, gain, noise, mask, positions and work space of the calibration.
CONSTANT_BYTES_PER_PIXEL = 64
# Row, column, tile, charge and size of a droplet or photon; of so many pixels one holds a droplet.
LIST_BYTES = 48
DROPLETS_PER_PIXEL = 0.05
# Of each shot: numbers that functions give, and the columns of the default detectors.
SCALAR_BYTES = 4000
# A detector of which nothing is configured is a waveform or a small array.
UNKNOWN_PIXELS = 100_000


def shot_load(
    configuration: Configuration, reduction: Any, detectors: tuple[str, ...]
) -> FrameLoad:
    """What one shot costs, and what a chunk job holds besides shots."""
    pixels, work, kept, sums = 0, 0, SCALAR_BYTES, 0
    for detector in detectors:
        known = configuration.detectors.get(detector)
        own = UNKNOWN_PIXELS if known is None else math.prod(known.frame_shape)
        settings = reduction.detectors[detector]
        asked = len(settings.functions) + len(settings.sums) + len(settings.statistics)
        pixels += own
        work += own * (1 + asked)
        kept += sum(function_bytes(function, own) for function in settings.functions.values())
        sums += (
            sum((EXTREME_BYTES if name.endswith("max") else MEAN_BYTES) for name in settings.sums)
            * own
        )
        sums += sum(_statistic_bytes(item) for item in settings.statistics.values()) * own
    return FrameLoad(
        pixels=work,
        raw_bytes=BYTES_PER_PIXEL * pixels,
        result_bytes=0,
        # Held once more while the partial file is written.
        sum_bytes=2 * sums + CONSTANT_BYTES_PER_PIXEL * pixels,
        threads=configuration.chunks.threads,
        thread_bytes=CONSTANT_BYTES_PER_PIXEL * pixels,
        kept_bytes=2 * kept,
    )


def function_bytes(function: Any, pixels: int) -> int:
    """Of each shot, what a function and those inside keep to the end of the job."""
    own = 100
    if function.kind == "region":
        if function.roi is not None:
            pixels = min(pixels, math.prod(last - first for first, last in function.roi))
        own += 4 * pixels if function.area else 0
    elif function.kind in ("droplets", "photon_map"):
        own += int(2 * LIST_BYTES * DROPLETS_PER_PIXEL * pixels)
    elif function.kind == "quantise":
        own += 4 * pixels
    elif function.kind == "rebin":
        own += 8 * math.prod(function.shape)
    elif function.kind == "spectrum":
        own += 8 * (function.bins or 1000)
    elif function.kind in ("projection", "lineout"):
        own += 8 * math.isqrt(pixels)
    elif function.kind == "autocorrelation":
        own += 8 * (2 * function.reach + 1) ** 2
    elif function.kind == "azimuthal":
        sectors = function.sectors if isinstance(function.sectors, int) else len(function.sectors)
        own += 16 * sectors * (len(function.q_edges) if function.q_edges else 1000)
    return own + sum(function_bytes(inner, pixels) for inner in function.functions.values())


def _statistic_bytes(statistic: Any) -> int:
    """Of each pixel, what a statistic holds."""
    if statistic.kind == "quantiles":
        return 4 * (statistic.bins + 2)
    if statistic.kind == "reservoir":
        return 8 * statistic.shots
    return EXTREME_BYTES if statistic.kind in ("minimum", "maximum") else VARIANCE_BYTES
