"""A detector's good mask and its file. True = good, everywhere inside scatterflow.

Beside the bool array goes the reason for each pixel, as bits of a NeXus NXdetector `pixel_mask`
(`detectors.masks` makes both). Always good == ((reasons & 0xFFFF) == 0).

A mask is kept in one HDF5 file: `/mask/good` (uint8, 1 = good), `/mask/pixel_mask` (uint32), and as
JSON text `/mask/members` and `/mask/warnings`; `/mask` carries the convention and both checksums.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.detectors.mask_files import REASON_BITS
from scatterflow.errors import UserError
from scatterflow.files.checksums import array_sha256, mask_sha256
from scatterflow.files.json import to_json

CONVENTION = "True = good"


@dataclass(frozen=True, eq=False)
class GoodMask:
    """A detector's mask.

    good: bool (rows, cols), True = good.
    reasons: uint32 (rows, cols), bits of a NeXus pixel_mask.
    members: one dict per member: name, type, path (None without a file), sha256 (of the member's
        own good mask), masked_fraction. One of the registry has detector, version, uid and sha256 as
        they are there, and good_sha256 (of its good mask).
    warnings: what looks odd but may be meant.
    """

    good: np.ndarray
    reasons: np.ndarray
    members: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        """Identity of the mask: SHA-256 of shape and good pixels."""
        return mask_sha256(self.good)

    @property
    def masked_fraction(self) -> float:
        """Fraction of masked pixels."""
        return masked_fraction(self.good)


def masked_fraction(good: np.ndarray) -> float:
    """Fraction of masked pixels of a good mask."""
    return 1.0 - np.count_nonzero(good) / good.size


def write_mask(path: str | Path, mask: GoodMask) -> None:
    """Write a mask as one HDF5 file, whole; equal masks give equal bytes."""
    from scatterflow.files.hdf5 import writing

    with writing(path) as file:
        file.attrs["default"] = "mask"
        group = file.create_group("mask")
        group.attrs["NX_class"] = "NXcollection"
        group.attrs["convention"] = CONVENTION
        group.attrs["sha256"] = mask.sha256
        group.attrs["pixel_mask_sha256"] = array_sha256(mask.reasons)
        for name, pixels in (("good", mask.good.astype(np.uint8)), ("pixel_mask", mask.reasons)):
            group.create_dataset(
                name, data=pixels, compression="gzip", shuffle=True, track_times=False
            )
        for name, value in (("members", mask.members), ("warnings", mask.warnings)):
            group.create_dataset(name, data=to_json(value), track_times=False)


def read_mask(path: str | Path) -> GoodMask:
    """Read a mask that `write_mask` wrote; raises UserError unless it is whole and unchanged."""
    import h5py

    if not Path(path).is_file():
        raise UserError("the mask file does not exist", str(path), "run snakemake again")
    try:
        with h5py.File(path, "r", locking=False) as file:
            group = file["mask"]
            attributes = dict(group.attrs)
            good, reasons = group["good"][()], group["pixel_mask"][()]
            members = json.loads(group["members"][()])
            warnings = json.loads(group["warnings"][()])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _spoilt(f"it cannot be read: {str(error)[:120]}", path) from error
    if attributes.get("convention") != CONVENTION:
        raise _spoilt(f"it does not state the convention {CONVENTION!r}", path)
    if good.ndim != 2 or good.dtype != np.uint8 or (good > 1).any():
        raise _spoilt("`good` is no image of 0 and 1", path)
    good = good.astype(bool)
    if mask_sha256(good) != attributes.get("sha256"):
        raise _spoilt("its pixels do not have the checksum that it states", path)
    if array_sha256(reasons) != attributes.get("pixel_mask_sha256"):
        raise _spoilt("its reasons do not have the checksum that it states", path)
    if reasons.shape != good.shape or not np.array_equal(good, (reasons & REASON_BITS) == 0):
        raise _spoilt("`good` and `pixel_mask` contradict", path)
    return GoodMask(good, reasons, members, warnings)


def _spoilt(why: str, path: str | Path) -> UserError:
    return UserError(
        f"this is no mask that scatterflow wrote, or it is damaged: {why}",
        str(path),
        "delete it and run snakemake again",
    )
