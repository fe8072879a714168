"""Masks in every form that users bring, with the polarity that the form fixes or the user declares.

| format | holds | masked is |
| --- | --- | --- |
| array | .npy, .tif, .edf, .msk, an HDF5 dataset | what `true_means` says; nonzero in .edf, .msk |
| pixel_mask | dataset of NXdetector, NXmx, Dectris: bits | a bit of `bits` (0xFFFF) set |
| xfel | dataset `image/mask` of European XFEL: bits | any bit set |
| crystfel | dataset and the geometry's `mask_good`, `mask_bad` | a bad bit set, or a good bit not |
| nxcansas | dataset `mask` of NXcanSAS | nonzero |
| qmap | dataset `qmap/mask` of APS 8-ID, pySimpleMask | zero |
| cbf-map | map mask in CBF/imgCIF | zero |
| eiger-image | an image: all bits of the pixel's depth set | 2^bit_depth - 1 |
| pilatus-image | an image: negative values | -1 (gap), below (dead) |
| indices | numbers of bad pixels: .npy (one or two columns) or text, from 0 | listed |
| bad-pixels | JSON of EPICS areaDetector's bad pixel plug-in | listed, as (x, y) |
| shapes | JSON or YAML list of polygons, circles, rectangles | inside |
| xds | UNTRUSTED_RECTANGLE, _ELLIPSE, _QUADRILATERAL of XDS.INP | inside |
| pyfai-detector | the gaps of a detector that pyFAI knows | gap |

A pickle (DIALS) is never opened: reading one runs what is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.detectors.images import Shape, read_image
from scatterflow.detectors.mask_files import from_pixel_mask, is_pixel_mask, read_mask_file
from scatterflow.errors import UserError, shortened
from scatterflow.files.checksums import file_sha256
from scatterflow.registry.import_lists import (
    read_bad_pixels,
    read_indices,
    read_shapes,
    read_xds,
    with_reason,
)
from scatterflow.registry.objects import REASONS


@dataclass(frozen=True, eq=False)
class Imported:
    """good: bool, reasons: uint32, (rows, columns). source: file, its sha256, format and polarity."""

    good: np.ndarray
    reasons: np.ndarray
    source: dict[str, Any] = field(default_factory=dict)


def import_mask(
    path: str | Path,
    shape: Shape,
    format: str = "array",
    *,
    reason: str = "user",
    dataset: str | None = None,
    true_means: str | None = None,
    bits: int | None = None,
    mask_good: int | None = None,
    mask_bad: int | None = None,
    bit_depth: int | None = None,
    order: str | None = None,
) -> Imported:
    """A mask from a file in another convention (pyfai-detector: `path` is the detector's name).

    reason: of all pixels, where the format tells none. Raises UserError for a file that cannot be read,
    has another shape, or whose polarity or order nothing tells.
    """
    if format not in FORMATS:
        raise UserError(f"format {shortened(format)} is unknown", "--format", ", ".join(FORMATS))
    given = {
        "dataset": dataset,
        "true_means": true_means,
        "bits": bits,
        "mask_good": mask_good,
        "mask_bad": mask_bad,
        "bit_depth": bit_depth,
        "order": order,
    }
    if reason not in REASONS:
        raise UserError(f"reason {shortened(reason)} is unknown", "--reason", ", ".join(REASONS))
    reader, allowed, polarity = FORMATS[format]
    options = {key: value for key, value in given.items() if value is not None}
    for key in options:
        if key not in allowed:
            raise UserError(
                f"{key} is not for format {format}",
                str(path),
                f"leave --{key.replace('_', '-')} out",
            )
    if format != "pyfai-detector":
        _refuse_pickle(Path(path))
    good, reasons = reader(path, shape, REASONS[reason], **options)
    source = {"file": str(path), "format": format, "masked is": polarity, **options}
    if Path(path).is_file():
        source["sha256"] = file_sha256(path)
    return Imported(good, reasons, source)


def _refuse_pickle(path: Path) -> None:
    if not path.is_file():
        raise UserError("the file does not exist", str(path), "correct the path")
    with path.open("rb") as stream:
        start = stream.read(2)
    # Protocol 2 and later begin so; the older ones, text, are no image either.
    if start[:1] == b"\x80" and start[1:] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise UserError(
            "this is a pickle, and reading one runs what is in it",
            str(path),
            "save the mask as .npy where it was made: numpy.save('mask.npy', mask)",
        )


def _read_array(
    path: str, shape: Shape, bit: int, dataset: str | None = None, true_means: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    mask = {"path": str(path), "dataset": dataset, "true_means": true_means}
    good, reasons = read_mask_file(mask, shape, f"file {path}")
    return (good, reasons) if is_pixel_mask(dataset) else with_reason(good, bit)


def _read_pixel_mask(
    path: str, shape: Shape, bit: int, dataset: str | None = None, bits: int = 0xFFFF
) -> tuple[np.ndarray, np.ndarray]:
    pixels = read_image(path, dataset, shape, f"file {path}").pixels
    return from_pixel_mask(pixels, bits, f"file {path}")


def _read_xfel(
    path: str, shape: Shape, bit: int, dataset: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    # Its bits mean other things than NeXus's: any of them masks, none is kept.
    pixels = read_image(path, dataset, shape, f"file {path}").pixels
    return with_reason(from_pixel_mask(pixels, 0xFFFFFFFF, f"file {path}")[0], bit)


def _read_crystfel(
    path: str,
    shape: Shape,
    bit: int,
    dataset: str | None = None,
    mask_good: int = 0,
    mask_bad: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    if not mask_good and not mask_bad:
        raise UserError(
            "nothing says which bits are good or bad",
            f"file {path}",
            "give --mask-good and --mask-bad as in the CrystFEL geometry",
        )
    if not (0 <= mask_good <= 0xFFFFFFFF and 0 <= mask_bad <= 0xFFFFFFFF):
        raise UserError(
            f"mask_good {mask_good:#x} and mask_bad {mask_bad:#x} do not fit 32 bits",
            f"file {path}",
            "give them as in the CrystFEL geometry",
        )
    pixels = read_image(path, dataset, shape, f"file {path}").pixels
    from_pixel_mask(pixels, 0xFFFFFFFF, f"file {path}")  # refuses what holds no bits
    values = pixels.astype(np.int64) & 0xFFFFFFFF
    good = ((values & mask_bad) == 0) & ((values & mask_good) == mask_good)
    return with_reason(good, bit)


def _read_nonzero_is_masked(
    path: str, shape: Shape, bit: int, dataset: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    return with_reason(_finite(path, shape, dataset) == 0, bit)


def _read_nonzero_is_good(
    path: str, shape: Shape, bit: int, dataset: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    return with_reason(_finite(path, shape, dataset) != 0, bit)


def _finite(path: str, shape: Shape, dataset: str | None) -> np.ndarray:
    pixels = read_image(path, dataset, shape, f"file {path}").pixels
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise UserError(
            "the image contains NaN or infinite values",
            f"file {path}",
            "NaN is neither good nor masked: give the file as the detector or program wrote it",
        )
    return pixels


def _read_eiger_image(
    path: str,
    shape: Shape,
    bit: int,
    dataset: str | None = None,
    bit_depth: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    pixels = read_image(path, dataset, shape, f"file {path}").pixels
    if pixels.dtype.kind != "u":
        raise UserError(
            f"the image holds {pixels.dtype}, not unsigned integers",
            f"file {path}",
            "give an image as the Eiger wrote it: a conversion may have changed the marks",
        )
    depth = 8 * pixels.dtype.itemsize if bit_depth is None else bit_depth
    if not 1 <= depth <= 8 * pixels.dtype.itemsize:
        raise UserError(f"pixels of {pixels.dtype} have no {depth} bits", f"file {path}")
    return with_reason(pixels != 2**depth - 1, bit)


def _read_pilatus_image(
    path: str, shape: Shape, bit: int, dataset: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    pixels = _finite(path, shape, dataset)
    if pixels.dtype.kind not in "if":
        raise UserError(
            f"the image holds {pixels.dtype}: it has no negative values that could mark pixels",
            f"file {path}",
            "give an image as the Pilatus wrote it",
        )
    reasons = np.zeros(shape, np.uint32)
    reasons[pixels < 0] = 1 << REASONS["dead"]
    reasons[pixels == -1] = 1 << REASONS["gap"]
    return reasons == 0, reasons


def _read_pyfai_detector(name: str, shape: Shape, bit: int) -> tuple[np.ndarray, np.ndarray]:
    gaps = detector_gaps(str(name), shape)
    return with_reason(~gaps, REASONS["gap"])


def detector_gaps(name: str, shape: Shape) -> np.ndarray:
    """Gaps of a detector that pyFAI knows: bool (rows, columns), True = gap. Raises UserError."""
    from scatterflow.detectors.quiet import quiet

    with quiet():
        from pyFAI.detectors import detector_factory

        try:
            detector = detector_factory(name)
        except (RuntimeError, TypeError, ValueError):
            raise UserError(
                f"pyFAI knows no detector {shortened(name)}", "pyFAI", "e.g. Eiger4M, Pilatus1M"
            ) from None
        gaps = detector.mask
    if gaps is None or not np.any(gaps):
        raise UserError(f"pyFAI knows no gaps of a {name}", "pyFAI", "leave it out")
    if np.shape(gaps) != tuple(shape):
        raise UserError(
            f"a {name} has {' x '.join(map(str, np.shape(gaps)))} pixels, "
            f"this detector {' x '.join(map(str, shape))}",
            "pyFAI",
            "name the right one",
        )
    return np.asarray(gaps) != 0


# Name: reader, its options, what is masked.
FORMATS: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "array": (_read_array, ("dataset", "true_means"), "as true_means says; nonzero in EDF, .msk"),
    "pixel_mask": (_read_pixel_mask, ("dataset", "bits"), "one of the bits set"),
    "xfel": (_read_xfel, ("dataset",), "any bit set"),
    "crystfel": (_read_crystfel, ("dataset", "mask_good", "mask_bad"), "bad bit, or no good bit"),
    "nxcansas": (_read_nonzero_is_masked, ("dataset",), "nonzero"),
    "qmap": (_read_nonzero_is_good, ("dataset",), "zero"),
    "cbf-map": (_read_nonzero_is_good, (), "zero"),
    "eiger-image": (_read_eiger_image, ("dataset", "bit_depth"), "all bits set"),
    "pilatus-image": (_read_pilatus_image, ("dataset",), "negative"),
    "indices": (read_indices, ("order",), "listed"),
    "bad-pixels": (read_bad_pixels, (), "listed"),
    "shapes": (read_shapes, ("order",), "inside"),
    "xds": (read_xds, (), "inside"),
    "pyfai-detector": (_read_pyfai_detector, (), "gap"),
}


def check_plausible(
    good: np.ndarray,
    place: str,
    *,
    gaps: np.ndarray | None = None,
    allow_many: bool = False,
    allow_open_gaps: bool = False,
) -> None:
    """Raises UserError for a mask that looks inverted, turned round, or of another detector.

    That is: more than half of the pixels masked (unless allow_many), or more than half of the gaps
    between modules not masked (unless allow_open_gaps).
    """
    masked = 1 - np.count_nonzero(good) / good.size
    if masked > 0.5 and not allow_many:
        raise UserError(
            f"{masked:.1%} of the pixels would be masked: the polarity may be wrong",
            place,
            "check it; if so many are meant, say --allow-many",
        )
    if gaps is not None and not allow_open_gaps:
        left_open = np.count_nonzero(good & gaps) / np.count_nonzero(gaps)
        if left_open > 0.5:
            raise UserError(
                f"{left_open:.0%} of the gaps between modules are not masked: the mask may be turned "
                "round, or of another detector",
                place,
                "check its orientation; if it is not meant to cover gaps, say --allow-open-gaps",
            )
