"""q-maps made from a geometry: the coordinates of each pixel, divided into bins.

Coordinates of the centre of a pixel that lies at (x, y, z) from the sample, z along the beam:

| name | value |
| --- | --- |
| q | (4 pi / wavelength) sin(theta), 2 theta = atan2(hypot(x, y), z); tilts are exact |
| phi | -atan2(v, h) in degrees, -180 to 180, then offset and symmetry |
| x, y | column and row of the stored frame, pixels, 0 is the centre of the first |

v and h are y and x in the directions in which the rows and columns of the stored frame ascend: phi
is 0 along its columns and grows against the clock for whoever sees the first row on top. This is the
convention of APS 8-ID's q-map files (pySimpleMask: `phi = -atan2(v, h)`), the opposite of pyFAI's
chi. phi + offset is folded into one period of 360/symmetry degrees that begins at the lowest edge;
edges and centres count in that folded angle.

A bin holds its lower edge, and its upper edge unless the next bin begins there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow import bin_spans
from scatterflow.detectors.geometry import beam_centre, geometry_description, is_regular
from scatterflow.detectors.qmap import Partition, QMap, check_shape, make_qmap, with_mask
from scatterflow.detectors.qmap_files import read_qmap
from scatterflow.errors import UserError
from scatterflow.units import RADIAL_UNITS

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

_PER_ANGSTROM = {"q_A^-1": 1.0, "q_nm^-1": 10.0}
_UNITS = {"phi": "degree", "x": "pixel", "y": "pixel"}


@dataclass(frozen=True)
class _Division:
    """One coordinate, divided: interval of each pixel (from 0, -1 = none), spans, centres."""

    dynamic: np.ndarray
    static: np.ndarray
    dynamic_spans: list[bin_spans.Span]
    static_spans: list[bin_spans.Span]
    logarithmic: bool


def prepare_qmap(
    settings: dict[str, Any],
    good: np.ndarray | None,
    integrator: AzimuthalIntegrator | None,
    where: str,
    geometry_file: str | None = None,
) -> QMap:
    """The q-map that the configuration asks for: of a file, or made from the geometry.

    settings: `QMapSettings.model_dump()`. good: (rows, columns) bool, True = good; it applies to a
    q-map of a file as well; None: only what the file masks. integrator: may be None with a file, else
    tells what the file leaves open (beam centre, distance, energy). where: for messages.
    geometry_file: where the geometry stands.

    Raises UserError as `read_qmap`, `with_mask` and `partition_detector` do.
    """
    if settings.get("file") is None:
        if good is None or integrator is None:
            raise UserError(
                "a q-map of `coordinates` needs a detector with a geometry",
                where,
                "give the reduction's `detector`, or the `file` of a q-map",
            )
        coordinates = settings["coordinates"]
        return partition_detector(integrator, good, coordinates, where, geometry_file)
    path = str(settings["file"])
    qmap = read_qmap(path, None if good is None else good.shape)
    if good is not None:
        qmap = with_mask(qmap, good, path)
    known = geometry_attributes(integrator) if integrator is not None else {}
    return replace(qmap, attributes=known | {"source_file": path} | qmap.attributes)


def partition_detector(
    integrator: AzimuthalIntegrator,
    good: np.ndarray,
    coordinates: list[dict[str, Any]],
    where: str,
    source_file: str | None = None,
) -> QMap:
    """The q-map of a detector.

    good: (rows, columns) bool, True = good. coordinates: `QMapSettings.model_dump()["coordinates"]`,
    one or two, the slow one first. where: for messages. source_file: the geometry's file, if any.

    Raises UserError for a mask of another shape, for bins that overlap, that reach beyond the period
    of phi or hold no good pixel at all.
    """
    check_shape(good.shape, tuple(integrator.detector.shape), f"{where}, mask")
    if not good.any():
        raise UserError(
            "the mask of the detector removes all pixels", where, "check the polarity of its masks"
        )
    position = pixel_positions(integrator)
    divisions = []
    for coordinate in coordinates:
        place = f"{where}, coordinate {coordinate['name']}"
        try:
            divisions.append(_divide(integrator, position, good, coordinate))
        except ValueError as error:
            raise UserError(str(error), place, "mend `dynamic` of this coordinate") from error
    return make_qmap(
        _product([item.dynamic for item in divisions], [_lists(d, "dynamic") for d in divisions]),
        _product([item.static for item in divisions], [_lists(d, "static") for d in divisions]),
        good,
        tuple(coordinate["name"] for coordinate in coordinates),
        tuple(_unit(coordinate) for coordinate in coordinates),
        geometry_attributes(integrator) | {"source_file": source_file},
        where,
    )


def _unit(coordinate: dict[str, Any]) -> str:
    name = coordinate["name"]
    return _UNITS[name] if name in _UNITS else RADIAL_UNITS[coordinate["unit"]].nexus


def pixel_positions(integrator: AzimuthalIntegrator) -> tuple[np.ndarray, ...]:
    """z, y, x of all pixels, m, float64: along the beam, and along pyFAI's axes 1 and 2."""
    places: dict[str, np.ndarray] = {}
    if is_regular(integrator.detector):
        # Left to itself pyFAI counts pixels in float32, which shows in phi next to the beam.
        rows, columns = np.indices(integrator.detector.shape, dtype=np.float64)
        places = {"d1": rows, "d2": columns}
    return tuple(np.asarray(part, np.float64) for part in integrator.calc_pos_zyx(**places))


def coordinate_values(
    integrator: AzimuthalIntegrator, position: tuple[np.ndarray, ...], coordinate: dict[str, Any]
) -> np.ndarray:
    """A coordinate of all pixels, (rows, columns) float64, in its unit; phi before it is folded.

    position: of `pixel_positions`.
    """
    along, slow, fast = position
    name = coordinate["name"]
    if name in ("x", "y"):
        return np.indices(along.shape, dtype=np.float64)[1 if name == "x" else 0]
    if name == "q":
        half = 0.5 * np.arctan2(np.hypot(slow, fast), along)
        factor = _PER_ANGSTROM[coordinate["unit"]] * 4e-10 * math.pi / integrator.wavelength
        return factor * np.sin(half)
    # pyFAI turns its axes round for these orientations; the stored frame's own ones are wanted.
    orientation = int(integrator.detector.orientation)
    v = -slow if orientation in (1, 2) else slow
    h = -fast if orientation in (1, 4) else fast
    return -np.degrees(np.arctan2(v, h))


def _divide(
    integrator: AzimuthalIntegrator,
    position: tuple[np.ndarray, ...],
    good: np.ndarray,
    coordinate: dict[str, Any],
) -> _Division:
    values = coordinate_values(integrator, position, coordinate)
    division = coordinate["dynamic"]
    logarithmic = bin_spans.is_logarithmic(division)
    spans = bin_spans.dynamic_spans(division, _whole_range(values, good, coordinate))
    if coordinate["name"] == "phi":
        symmetry = coordinate.get("symmetry") or 1
        bin_spans.check_period(spans, symmetry)
        values = folded(values + (coordinate.get("offset_deg") or 0.0), spans[0][0], symmetry)
    parts = int(coordinate.get("static") or 1)
    static = bin_spans.static_spans(spans, parts, logarithmic)
    lows = np.array([low for low, _ in spans])
    highs = np.array([high for _, high in spans])
    dynamic = np.searchsorted(lows, values, side="right") - 1
    dynamic[(dynamic >= 0) & ~(values <= highs[dynamic])] = -1
    within = np.searchsorted(np.array([low for low, _ in static]), values, side="right") - 1
    first = dynamic * parts
    within = np.where(dynamic >= 0, np.clip(within, first, first + parts - 1), -1)
    return _Division(dynamic, within, spans, static, logarithmic)


def folded(phi: np.ndarray, lowest: float, symmetry: int) -> np.ndarray:
    """Angles (degrees) in the period of 360/symmetry that begins at `lowest`."""
    period = 360.0 / symmetry
    beyond = np.mod(phi - lowest, period)
    beyond[beyond >= period] = 0.0  # a tiny negative angle is rounded up to the whole period
    return lowest + beyond


def _whole_range(
    values: np.ndarray, good: np.ndarray, coordinate: dict[str, Any]
) -> bin_spans.Span:
    """The range where none is configured: all good pixels; for phi one period; for x, y all pixels."""
    name = coordinate["name"]
    if name == "phi":
        half = 180.0 / (coordinate.get("symmetry") or 1)
        return -half, half
    if name in ("x", "y"):
        return -0.5, values.shape[1 if name == "x" else 0] - 0.5
    found = values[good]
    if bin_spans.is_logarithmic(coordinate["dynamic"]):
        found = found[found > 0]
    return (float(found.min()), float(found.max())) if found.size else (0.0, 0.0)


def _lists(division: _Division, name: str) -> tuple[np.ndarray, np.ndarray]:
    spans = division.dynamic_spans if name == "dynamic" else division.static_spans
    return np.array(bin_spans.centres(spans, division.logarithmic)), np.array(spans)


def _product(
    intervals: list[np.ndarray], described: list[tuple[np.ndarray, np.ndarray]]
) -> Partition:
    """The bins of one or two coordinates: all pairs of intervals, in natural order."""
    lists = tuple(centres for centres, _ in described)
    n0, n1 = len(lists[0]), len(lists[1]) if len(lists) > 1 else 1
    numbers = intervals[0] + 1
    if len(intervals) > 1:
        inside = (intervals[0] >= 0) & (intervals[1] >= 0)
        numbers = np.where(inside, intervals[0] * n1 + intervals[1] + 1, 0)
    grid = np.meshgrid(*lists, indexing="ij")
    return Partition(
        numbers.astype(np.uint32),
        np.arange(n0 * n1, dtype=np.int64),
        np.stack([values.reshape(-1) for values in grid], axis=1),
        (n0, n1),
        lists,
        tuple(spans for _, spans in described),
    )


def geometry_attributes(integrator: AzimuthalIntegrator) -> dict[str, Any]:
    """What a q-map tells about the geometry (`NUMBERS`); the distance is along the direct beam."""
    known = geometry_description(integrator)
    numbers = {"pixel_size": known["pixel2_m"], "energy": known["energy_keV"]}
    try:
        row, column = beam_centre(integrator)
    except UserError:  # detectors at 90 degrees and more have none
        return numbers | {"detector_distance": known["distance_m"]}
    tilt = math.cos(known["rot1_rad"]) * math.cos(known["rot2_rad"])
    return numbers | {
        "beam_center_x": column,
        "beam_center_y": row,
        "detector_distance": known["distance_m"] / tilt,
    }
