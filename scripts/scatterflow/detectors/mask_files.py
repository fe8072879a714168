"""Masks from files, with the polarity that the format fixes or the user declares.

Half of the field writes 1 = good (pyCHX, APS 8-ID, psana), the other half 1 = masked (pyFAI, silx,
Fit2D, NeXus). Nothing in an array tells, so nothing is guessed:

| format | a nonzero value means |
| --- | --- |
| EDF (pyFAI, silx), Fit2D .msk | masked: fixed |
| dataset named `pixel_mask`, `pixel_mask_N` (NeXus NXdetector, Dectris) | masked if `bits` say so |
| .npy, .tif, other HDF5 datasets, others | what `true_means` says; it must be given |
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from scatterflow.detectors.images import StoredImage, read_image
from scatterflow.errors import UserError, shortened

REASON_BITS = np.uint32(0xFFFF)  # NeXus: the lower 16 bits are reasons, the upper ones tags
USER_BIT = np.uint32(1 << 8)

_FIXED_MASKED = {"EdfImage": "EDF", "Fit2dMaskImage": "Fit2D .msk"}
_PIXEL_MASK = re.compile(r"pixel_mask(_\d+)?\Z")
_DEFAULT_BITS = 0xFFFF


def read_mask_file(
    mask: dict[str, Any], shape: tuple[int, int], place: str
) -> tuple[np.ndarray, np.ndarray]:
    """Good mask (bool, True = good) and reasons (uint32, bits of a NeXus pixel_mask), (rows, cols).

    mask: `FileMask.model_dump()`. place: for messages. Raises UserError for a file that cannot be
    read, has another shape or NaN, and for a polarity that is missing or contradicts the format.
    """
    dataset = mask.get("dataset")
    bits_hold = is_pixel_mask(dataset)
    if mask.get("bits", _DEFAULT_BITS) != _DEFAULT_BITS and not bits_hold:
        raise UserError(
            "`bits` is only for a dataset named pixel_mask", place, "remove `bits` from this mask"
        )
    if bits_hold:
        _check_polarity(mask.get("true_means"), "a NeXus pixel_mask", place)
    image = read_image(mask["path"], dataset, shape, place)
    if bits_hold:
        return from_pixel_mask(image.pixels, mask.get("bits", _DEFAULT_BITS), place)
    good = _from_values(image, mask.get("true_means"), place)
    return good, np.where(good, np.uint32(0), USER_BIT)


def is_pixel_mask(dataset: str | None) -> bool:
    """Whether a dataset's name says that it is a NeXus pixel_mask, whose polarity is fixed."""
    return bool(dataset and _PIXEL_MASK.match(dataset.rstrip("/").rpartition("/")[2]))


def _check_polarity(declared: str | None, format: str, place: str) -> None:
    if declared == "good":
        raise UserError(
            f"in {format} a nonzero value means masked, but the configuration says `good`",
            place,
            "remove `true_means`; if the file really holds 1 = good, save it as .npy and say so",
        )


def _from_values(image: StoredImage, declared: str | None, place: str) -> np.ndarray:
    if image.pixels.dtype.kind == "f" and np.isnan(image.pixels).any():
        raise UserError("the mask contains NaN", place, "save it with two values, 0 and 1")
    if declared not in (None, "good", "masked"):
        raise UserError(
            f"{shortened(declared)} is no polarity", place, "say what nonzero means: good or masked"
        )
    fixed = _FIXED_MASKED.get(image.format)
    if fixed:
        _check_polarity(declared, fixed, place)
    elif declared is None:
        raise UserError(
            "nothing says whether a nonzero value in this mask means good or masked",
            place,
            "add `true_means: good` (pyCHX, APS, psana) or `true_means: masked` (pyFAI, silx)",
        )
    nonzero = image.pixels != 0
    return nonzero if declared == "good" else ~nonzero


def from_pixel_mask(values: np.ndarray, bits: int, place: str) -> tuple[np.ndarray, np.ndarray]:
    """A NeXus pixel_mask: bad where one of `bits` is set.

    The reasons keep the file's own bits, as far as they count: upper bits (tags) always, lower ones
    where `bits` asks for them. A pixel that only a tag makes bad gets the user bit, so that always
    good == ((reasons & 0xFFFF) == 0).
    """
    if not 1 <= bits <= 0xFFFFFFFF:
        raise UserError(
            f"bits {bits:#x} do not fit a pixel_mask: they are one or more of its 32",
            place,
            "NeXus rejects by 0xFFFF",
        )
    if values.dtype.kind not in "iu":
        raise UserError(
            f"a pixel_mask holds bits, not {values.dtype} values",
            place,
            "store it as uint32, or under another name with `true_means`",
        )
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype == np.int32:
        values = values.view(np.uint32)  # bit 31 is the sign of what some writers store as int32
    if values.size and (values.min() < 0 or values.max() > 0xFFFFFFFF):
        raise UserError(
            "the pixel_mask has values beyond 32 bits", place, "store it as uint32 (NeXus)"
        )
    values = values.astype(np.uint32)
    bad = (values & np.uint32(bits)) != 0
    reasons = (values & ~REASON_BITS) | (values & np.uint32(bits) & REASON_BITS)
    reasons[bad & ((reasons & REASON_BITS) == 0)] |= USER_BIT
    return ~bad, reasons
