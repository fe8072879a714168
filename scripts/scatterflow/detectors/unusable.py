"""Pixels that a dark or flat image cannot correct are masked as dead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scatterflow.detectors.images import load_image
from scatterflow.detectors.masks import GoodMask

DEAD_BIT = np.uint32(1 << 1)


def mask_unusable(mask: GoodMask, detector: dict[str, Any]) -> GoodMask:
    """The mask without the pixels whose dark or flat value is unusable.

    detector: `DetectorConfig.model_dump()`; its `dark` and `flat` are read if given.
    """
    good, reasons = mask.good, mask.reasons
    for what in ("dark", "flat"):
        if detector[what] is None:
            continue
        unusable = ~np.isfinite(load_image(detector[what], good.shape, what))
        good = good & ~unusable
        reasons = np.where(unusable, reasons | DEAD_BIT, reasons)
    return replace(mask, good=good, reasons=reasons)
