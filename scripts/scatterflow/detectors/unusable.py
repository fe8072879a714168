"""Pixels that a dark or flat image cannot correct are masked as dead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scatterflow.detectors.good_mask import GoodMask, masked_fraction
from scatterflow.detectors.images import load_image
from scatterflow.files.checksums import array_sha256, mask_sha256

DEAD_BIT = np.uint32(1 << 1)


def mask_unusable(mask: GoodMask, detector: dict[str, Any]) -> GoodMask:
    """The mask without the pixels whose dark or flat value is unusable.

    detector: `DetectorConfig.model_dump()`; its `dark` and `flat` are read if given, and named with
    their checksum among the members.
    """
    good, reasons, members = mask.good, mask.reasons, list(mask.members)
    for what in ("dark", "flat"):
        if detector[what] is None:
            continue
        image = load_image(detector[what], good.shape, what)
        usable = np.isfinite(image)
        good = good & usable
        reasons = np.where(usable, reasons, reasons | DEAD_BIT)
        members.append(
            {
                "name": what,
                "type": f"{what} image",
                "path": detector[what],
                "sha256": mask_sha256(usable),
                "masked_fraction": masked_fraction(usable),
                "image_sha256": array_sha256(image),
            }
        )
    return replace(mask, good=good, reasons=reasons, members=members)


def image_sha256(mask: GoodMask, what: str) -> str | None:
    """Identity of the dark or flat image that a mask was made with, None without one."""
    found = [member["image_sha256"] for member in mask.members if member["type"] == f"{what} image"]
    return found[0] if found else None
