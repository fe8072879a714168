"""Good masks: which pixels of a detector count. True = good, everywhere inside scatterflow.

A detector's mask is the AND of its members (gaps, files, polygons, circles). Beside the bool array
goes the reason for each pixel, as bits of a NeXus NXdetector `pixel_mask`:

| member | bits |
| --- | --- |
| gaps | bit 0 (gap) |
| file, polygon, circle | bit 8 (user: beam stop, shadow, ...) |
| dataset named pixel_mask | its own |
| registry | its own |

The bits of NeXus: 0 gap, 1 dead, 2 under-responding, 3 over-responding, 4 noisy (hot), 6 cluster,
8 user; 16 and up are tags, not reasons. Always good == ((reasons & 0xFFFF) == 0).

pyFAI wants the opposite polarity: give it `~mask.good`. Its `create_mask` is never used: by default
it inverts a mask with more than half its pixels masked.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.detectors.geometry import beam_centre, load_geometry
from scatterflow.detectors.good_mask import GoodMask, masked_fraction
from scatterflow.detectors.mask_files import USER_BIT, read_mask_file
from scatterflow.errors import UserError
from scatterflow.files.checksums import mask_sha256
from scatterflow.geometry_kind import has_plane
from scatterflow.units import HC_KEV_METRE

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

GAP_BIT = np.uint32(1 << 0)


def build_mask(
    detector: dict[str, Any], name: str, integrator: AzimuthalIntegrator | None = None
) -> GoodMask:
    """The good mask of a detector: all its members, combined and checked.

    detector: `DetectorConfig.model_dump()`. name: the detector's name, for messages. integrator:
    its geometry, loaded if not given (for gaps, circles round the beam, the check of the gaps); a detector
    whose geometry is no plane, or that has none, does without.

    Raises UserError for a member that cannot be made, for a mask that leaves no good pixel, and for
    more masked pixels than `most_masked` (an inverted mask).
    """
    if integrator is None and has_plane(detector["geometry"]):
        integrator = load_geometry(detector, name)
    shape = tuple(detector["shape"])
    good = np.ones(shape, bool)
    reasons = np.zeros(shape, np.uint32)
    members, warnings = [], []
    for mask in detector["masks"]:
        member_good, member_reasons = make_member(mask, shape, integrator, f"detector {name}")
        good &= member_good
        reasons |= member_reasons
        members.append(_describe(mask, member_good))
        if mask["type"] == "registry" and integrator is not None:
            warnings += _check_registered(mask, integrator, name)
        if mask["type"] != "gaps" and member_good.all():
            warnings.append(f"mask {mask['name']!r} of detector {name} masks no pixel")
    _check_fraction(good, members, detector.get("most_masked", 0.95), name)
    if masked_fraction(good) > 0.5:
        warnings.append(
            f"the masks of detector {name} mask {masked_fraction(good):.0%} of its pixels: "
            "check their polarity, unless so many are meant"
        )
    warnings += _check_gaps(good, known_gaps(integrator, shape), name)
    return GoodMask(good, reasons, members, warnings)


def make_member(
    mask: dict[str, Any], shape: tuple[int, int], integrator: AzimuthalIntegrator | None, place: str
) -> tuple[np.ndarray, np.ndarray]:
    """Good mask (bool) and reasons (uint32) of one member, both of `shape`. Raises UserError."""
    place = f"{place}, mask {mask['name']}"
    if mask["type"] == "registry":  # loaded by its pin before
        return mask["good"], mask["reasons"]
    if mask["type"] == "file":
        return read_mask_file(mask, shape, f"{place}, file {mask['path']}")
    if mask["type"] == "gaps":
        good = ~_required_gaps(integrator, shape, place)
        return good, np.where(good, np.uint32(0), GAP_BIT)
    inside = _inside(mask, shape, integrator, place)
    good = inside if mask.get("inside_is", "masked") == "good" else ~inside
    return good, np.where(good, np.uint32(0), USER_BIT)


def _inside(
    mask: dict[str, Any], shape: tuple[int, int], integrator: AzimuthalIntegrator | None, place: str
) -> np.ndarray:
    if mask["type"] == "polygon":
        _check_finite(mask["corners"], place)
        return inside_polygon(mask["corners"], shape)
    centre = mask["centre"]
    if centre == "beam":
        if integrator is None:
            raise UserError(
                "the beam of a detector whose geometry is no plane",
                place,
                "give the centre in pixels",
            )
        try:
            centre = beam_centre(integrator)
        except UserError as error:
            raise error.inside(place) from error
    _check_finite([centre, (mask["radius"], 0.0)], place)
    return inside_circle(centre, mask["radius"], shape)


def _check_finite(points: Any, place: str) -> None:
    if not all(math.isfinite(value) for point in points for value in point):
        raise UserError(
            "a coordinate is infinite or NaN",
            place,
            "give (row, column) in pixels as plain numbers",
        )


def inside_polygon(corners: list[tuple[float, float]], shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies inside a polygon: bool (rows, cols), by the even-odd rule.

    corners: (row, column) in pixels, the centre of the first pixel is (0, 0); the last corner is
    joined to the first. A centre is inside if an odd number of edges crosses its row at a larger
    column; edges hold their upper end and not their lower one, so that polygons that share an edge
    share no pixel and leave none out.
    """
    inside = np.zeros(shape, bool)
    columns = np.arange(shape[1], dtype=float)
    for (row1, column1), (row2, column2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        # From the upper end always: two polygons that share an edge compute the same crossings.
        (row1, column1), (row2, column2) = sorted([(row1, column1), (row2, column2)])
        first = min(max(math.ceil(row1), 0), shape[0])
        last = min(max(math.ceil(row2), 0), shape[0])
        if last <= first:
            continue
        along = (np.arange(first, last, dtype=float) - row1) / (row2 - row1)
        crossing = column1 + along * (column2 - column1)
        inside[first:last] ^= columns < crossing[:, np.newaxis]
    return inside


def inside_circle(centre: tuple[float, float], radius: float, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies within `radius` (pixels, rim included) of `centre` (row, column)."""
    rows = np.arange(shape[0], dtype=float)[:, np.newaxis] - centre[0]
    columns = np.arange(shape[1], dtype=float)[np.newaxis, :] - centre[1]
    return rows**2 + columns**2 <= float(radius) ** 2


def known_gaps(integrator: AzimuthalIntegrator | None, shape: tuple[int, int]) -> np.ndarray | None:
    """Gaps between modules: bool (rows, cols), True = gap; None where pyFAI knows none.

    pyFAI gives them in the order of the stored frame, whatever the orientation.
    """
    from scatterflow.detectors.quiet import quiet

    if integrator is None:
        return None
    with quiet():
        gaps = integrator.detector.mask
    if gaps is None or np.shape(gaps) != tuple(shape):
        return None
    return np.asarray(gaps) != 0


def _required_gaps(
    integrator: AzimuthalIntegrator | None, shape: tuple[int, int], place: str
) -> np.ndarray:
    gaps = known_gaps(integrator, shape)
    if gaps is None:
        kind = "none" if integrator is None else type(integrator.detector).__name__
        raise UserError(
            f"pyFAI knows no gaps of the geometry's detector, {kind}",
            place,
            "remove this mask, or name the detector in the geometry (such as `Pilatus1M`)",
        )
    return gaps


def _describe(mask: dict[str, Any], good: np.ndarray) -> dict[str, Any]:
    return {
        "name": mask["name"],
        "type": mask["type"],
        "path": mask.get("path"),
        "sha256": mask_sha256(good),
        "masked_fraction": masked_fraction(good),
        **mask.get("identity", {}),
    }


def _check_registered(
    mask: dict[str, Any], integrator: AzimuthalIntegrator, name: str
) -> list[str]:
    """A registered mask says which frames it fits: those of this geometry?"""
    wanted, found = mask["orientation"], int(integrator.detector.orientation)
    if wanted is not None and wanted != found:
        raise UserError(
            f"the mask fits frames of orientation {wanted}, the geometry has orientation {found}",
            f"detector {name}, mask {mask['name']}",
            "register the mask for this orientation, or correct `orientation` and the PONI file",
        )
    low, high = mask["energy_keV"]
    energy = HC_KEV_METRE / integrator.wavelength
    if (low is not None and energy < low) or (high is not None and energy > high):
        return [
            f"mask {mask['name']!r} of detector {name} is valid from {low} to {high} keV, the geometry's "
            f"energy is {energy:.3f} keV"
        ]
    return []


def _check_fraction(
    good: np.ndarray, members: list[dict[str, Any]], most_masked: float, name: str
) -> None:
    fraction = masked_fraction(good)
    parts = ", ".join(f"{member['name']} {member['masked_fraction']:.1%}" for member in members)
    if not good.any():
        raise UserError(
            f"the mask leaves no good pixel (masked: {parts})",
            f"detector {name}, masks",
            "check the polarity of each mask (`true_means`, `inside_is`)",
        )
    if fraction > most_masked:
        raise UserError(
            f"{fraction:.1%} of the pixels are masked, more than most_masked ({most_masked:.1%}): "
            f"a mask looks inverted (masked: {parts})",
            f"detector {name}, masks",
            "check the polarity of each mask (`true_means`, `inside_is`); "
            "if so many are meant, raise `most_masked`",
        )


def _check_gaps(good: np.ndarray, gaps: np.ndarray | None, name: str) -> list[str]:
    """A mask made for this detector covers its gaps; one for another, or turned round, does not."""
    if gaps is None or not gaps.any():
        return []
    left_open = np.count_nonzero(good & gaps) / np.count_nonzero(gaps)
    if left_open <= 0.5:
        return []
    return [
        f"the masks of detector {name} leave {left_open:.0%} of the gaps between its modules "
        "unmasked: a mask may be flipped, inverted or of another detector; "
        "a mask of type `gaps` covers them"
    ]
