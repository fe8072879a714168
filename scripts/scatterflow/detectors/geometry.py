"""Geometry of a detector: from a PONI file or explicit parameters to a pyFAI integrator.

The geometry is pyFAI's (https://pyfai.readthedocs.io/en/stable/geometry.html): distance and point
of normal incidence (PONI) in metres, three rotations in radians, axis 1 along the slow direction
(rows), axis 2 along the fast one (columns).

Orientation (pyFAI, 1 to 4) says where the first pixel of the stored frame lies on the detector:
1 and 2 turn axis 1 round, 1 and 4 turn axis 2 round, 3 is pyFAI's native one.
"""

from __future__ import annotations

import hashlib
import math
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.detectors.poni import (
    GENERIC_DETECTOR,
    POSITIONS,
    finite_number,
    is_file,
    read_poni,
)
from scatterflow.detectors.quiet import quiet
from scatterflow.errors import UserError, suggestion
from scatterflow.files.checksums import array_sha256
from scatterflow.files.json import to_json
from scatterflow.geometry_kind import SOURCE, has_plane
from scatterflow.units import HC_KEV_METRE

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator


def load_geometry(detector: dict[str, Any], name: str) -> AzimuthalIntegrator:
    """The pyFAI integrator of a detector.

    detector: `DetectorConfig.model_dump()`; a PONI path is relative to the current folder.
    name: the detector's name, for messages.

    The detector inside has the configured shape and the stated orientation (the PONI file's, else
    the configuration's, else 3). Its `mask` holds the gaps that pyFAI knows; pyFAI applies them by
    itself where no mask is given, so always give one.

    Raises UserError for a file that is missing or no PONI, for values that are missing, not finite
    or impossible, for another shape, and for two orientations that contradict.
    """
    shape = tuple(detector["shape"])
    if isinstance(detector["geometry"], str):
        place = f"detector {name}, geometry {detector['geometry']}"
        entries = read_poni(detector["geometry"], place)
    else:
        place = f"detector {name}, geometry"
        entries = _entries_of_parameters(detector["geometry"], place)
    _agree_on_orientation(entries, detector.get("orientation"), place)
    return _integrator(entries, shape, place)


def geometry_files(detector: dict[str, Any]) -> list[str]:
    """The files that a detector's geometry is read from: the PONI file and what it names in turn
    (a NeXus detector description, a spline file), or the file with the positions of its pixels."""
    if not has_plane(detector["geometry"]):
        geometry = detector["geometry"]
        named = isinstance(geometry, str) and geometry != SOURCE
        return [geometry.partition("::")[0]] if named else []
    if isinstance(detector["geometry"], str):
        entries = read_poni(detector["geometry"], f"geometry {detector['geometry']}")
        config = entries["detector_config"]
        first = [detector["geometry"]]
        candidates = [config.get("filename"), config.get("splinefile"), entries.get("splinefile")]
    else:
        entries, first, candidates = detector["geometry"], [], []
    candidates.append(entries.get("detector"))
    return first + sorted({str(path) for path in candidates if path and is_file(str(path))})


def _entries_of_parameters(parameters: dict[str, Any], place: str) -> dict[str, Any]:
    """`GeometryParameters` as the entries of a PONI file."""
    config = {
        key: parameters[f"{key}_m"]
        for key in ("pixel1", "pixel2")
        if parameters.get(f"{key}_m") is not None
    }
    detector = parameters.get("detector")
    if detector is None and len(config) < 2:
        raise UserError(
            "the pixel size is missing",
            place,
            "give pixel1_m and pixel2_m, or the name of a detector that pyFAI knows",
        )
    positions = {
        "distance": parameters["distance_m"],
        "poni1": parameters["poni1_m"],
        "poni2": parameters["poni2_m"],
        "rot1": parameters.get("rotation1_rad", 0.0),
        "rot2": parameters.get("rotation2_rad", 0.0),
        "rot3": parameters.get("rotation3_rad", 0.0),
        "wavelength": parameters["wavelength_m"],
    }
    entries: dict[str, Any] = {key: finite_number(positions[key], key, place) for key in POSITIONS}
    entries["poni_version"] = 2.1
    entries["detector"] = detector or GENERIC_DETECTOR
    entries["detector_config"] = config
    return entries


def _agree_on_orientation(entries: dict[str, Any], configured: int | None, place: str) -> None:
    """Put the one stated orientation into the entries' detector configuration."""
    stated = entries["detector_config"].pop("orientation", None) or None  # pyFAI: 0 is 'not stated'
    if stated is not None and stated not in (1, 2, 3, 4):
        raise UserError(
            f"orientation {stated!r} is not supported",
            place,
            "pyFAI knows orientations 1 to 4; a transposed frame must be transposed when stored",
        )
    if stated is not None and configured is not None and stated != configured:
        raise UserError(
            f"the PONI file says orientation {stated}, the configuration says {configured}",
            place,
            "remove `orientation:` from the configuration, or calibrate in that orientation",
        )
    entries["orientation"] = int(stated or configured or 0)


def _integrator(entries: dict[str, Any], shape: tuple[int, int], place: str) -> AzimuthalIntegrator:
    """The integrator of PONI entries, with everything checked that pyFAI takes on trust."""
    _check_positions(entries, place)
    with quiet():
        detector = _make_detector(entries, place)
        _fit_shape(detector, shape, place)
        _check_pixel_size(detector, entries["detector_config"], place)
        return _place_detector(detector, entries, place)


def _check_positions(entries: dict[str, Any], place: str) -> None:
    if entries["distance"] <= 0:
        raise UserError(
            f"the distance is {entries['distance']:g} m; it must be positive", place, "mend it"
        )
    if not 1e-13 < entries["wavelength"] < 1e-7:
        raise UserError(
            f"a wavelength of {entries['wavelength']:g} m is no X-ray wavelength",
            place,
            "give it in metres (1 angstrom = 1e-10)",
        )


def _make_detector(entries: dict[str, Any], place: str) -> Any:
    """pyFAI's detector object. PONI version 1 keeps the pixel size outside a detector_config."""
    from pyFAI.detectors.orientation import Orientation
    from pyFAI.io.ponifile import PoniFile

    described = dict(entries)
    if entries["poni_version"] < 2:
        del described["detector_config"]
    try:
        detector = PoniFile(data=described).detector
    except Exception as error:  # pyFAI raises whatever its detector classes raise
        raise UserError(
            f"pyFAI cannot make the detector {entries['detector'][:60]!r}: {str(error)[:120]}",
            place,
            _detector_hint(entries["detector"]),
        ) from error
    if entries["orientation"]:
        # No setter, and version 1 has no place for it: pyFAI's Geometry sets it the same way.
        detector._orientation = Orientation(entries["orientation"])
    return detector


def _detector_hint(name: str) -> str:
    from pyFAI.detectors import ALL_DETECTORS

    if name.lower() in ALL_DETECTORS:
        return "check Detector_config (pixel sizes, files that it names)"
    near = suggestion(name, {detector.__name__ for detector in ALL_DETECTORS.values()})
    return near if near.startswith("did") else "use a detector that pyFAI knows, or `Detector`"


def _fit_shape(detector: Any, shape: tuple[int, int], place: str) -> None:
    if detector.shape is None:
        detector.max_shape = shape
        detector.shape = shape
    known = tuple(int(size) for size in detector.shape)
    if known == shape:
        return
    swapped = "; rows and columns look swapped" if known == shape[::-1] else ""
    raise UserError(
        f"the geometry is of a detector of {known[0]} x {known[1]} pixels, "
        f"the configuration says {shape[0]} x {shape[1]}{swapped}",
        place,
        "shape is (rows, columns) of the stored frame; calibrate with the same binning",
    )


def _check_pixel_size(detector: Any, config: dict[str, Any], place: str) -> None:
    for key in ("pixel1", "pixel2"):
        size = getattr(detector, key)
        if size is None or not (math.isfinite(size) and size > 0):
            raise UserError(
                f"{key} is {size}: the geometry states no usable pixel size",
                place,
                "give the pixel size in metres, or a detector that pyFAI knows",
            )
    _check_native_size(detector, place)
    for key in ("pixel1", "pixel2"):
        stated, size = config.get(key), getattr(detector, key)
        if stated and not math.isclose(finite_number(stated, key, place), size, rel_tol=1e-6):
            raise UserError(
                f"{key} is stated as {stated} m, but {type(detector).__name__} has {size:g} m",
                place,
                f"leave {key} out, or use the generic detector",
            )


def _check_native_size(detector: Any, place: str) -> None:
    """Pixels of a known detector are a whole number of its own pixels wide, within one per cent."""
    if not (detector.force_pixel and hasattr(type(detector), "PIXEL_SIZE")):
        return
    default = type(detector)()  # some are binned by default
    for axis, key in enumerate(("pixel1", "pixel2")):
        size, own = getattr(detector, key), getattr(default, key) / default.binning[axis]
        if not math.isclose(size, own * max(round(size / own), 1), rel_tol=0.01):
            raise UserError(
                f"{type(detector).__name__} has pixels of {own:g} m, the geometry says {size:g} m",
                place,
                "leave the pixel size out, or use the generic detector",
            )


def _place_detector(detector: Any, entries: dict[str, Any], place: str) -> AzimuthalIntegrator:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    integrator = AzimuthalIntegrator(
        dist=entries["distance"],
        detector=detector,
        **{key: entries[key] for key in POSITIONS if key != "distance"},
    )
    if str(entries.get("parallax", "")).lower() == "true":
        _correct_parallax(integrator, place)
    return integrator


def _correct_parallax(integrator: AzimuthalIntegrator, place: str) -> None:
    reason = ""
    try:
        integrator.enable_parallax()
    except Exception as error:  # pyFAI raises here for one bad sensor and only logs for another
        reason = f": {str(error)[:120]}"
    if not integrator.parallax:
        raise UserError(
            f"pyFAI cannot correct parallax for this sensor{reason}",
            place,
            "state the sensor's material and thickness in Detector_config, or Parallax: False",
        )


def beam_centre(integrator: AzimuthalIntegrator) -> tuple[float, float]:
    """Where the direct beam meets the detector, as (row, column) of the stored frame in pixels.

    (0, 0) is the centre of the first pixel, so the frame's corner is at (-0.5, -0.5); pyFAI and
    Fit2D count from the corner, half a pixel more. On a tilted detector this is not the PONI: the
    beam, third axis of the laboratory, has the direction d = R^T e3 in the detector's frame and
    meets its plane at poni + distance * (d1, d2) / d3. Orientation is followed. The point may lie
    off the detector.

    On a curved detector, or one with pixels of different size, the neighbourhood of the nearest
    pixel is taken as linear (good on the detector, rough beside it). Raises UserError where the
    beam never meets the detector (tilts of 90 degrees or more).
    """
    detector = integrator.detector
    if not is_regular(detector):
        return _beam_centre_by_search(integrator)
    direction = _rotation_matrix(integrator)[2]
    if direction[2] < 1e-6:
        raise _beam_misses()
    slow = integrator.poni1 + integrator.dist * direction[0] / direction[2]
    fast = integrator.poni2 + integrator.dist * direction[1] / direction[2]
    row, column = slow / detector.pixel1 - 0.5, fast / detector.pixel2 - 0.5
    rows, columns = detector.shape
    if detector.orientation in (1, 2):
        row = rows - 1 - row
    if detector.orientation in (1, 4):
        column = columns - 1 - column
    return float(row), float(column)


def is_regular(detector: Any) -> bool:
    """Flat, all pixels alike: the position of a pixel is its index times the pixel size."""
    undistorted = getattr(detector, "spline", None) is None
    return bool(detector.uniform_pixel and detector.IS_FLAT and undistorted)


def _beam_misses() -> UserError:
    return UserError(
        "the direct beam never meets the plane of the detector",
        "geometry",
        "give the centre as (row, column) instead of `beam`, or check the rotations",
    )


def _rotation_matrix(integrator: AzimuthalIntegrator) -> np.ndarray:
    # The parameters are passed: pyFAI's own cache of them is not kept up to date on all its paths.
    return integrator.rotation_matrix(
        [0.0, 0.0, 0.0, integrator.rot1, integrator.rot2, integrator.rot3]
    )


def _beam_centre_by_search(integrator: AzimuthalIntegrator) -> tuple[float, float]:
    """Beam centre from the positions of all pixels: nearest pixel plus one linear step."""
    along, slow, fast = (np.asarray(part, dtype=float) for part in integrator.calc_pos_zyx())
    if not (along > 0).any():
        raise _beam_misses()
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.stack([slow / along, fast / along])
    off_axis = np.where(along > 0, np.hypot(*slopes), np.inf)
    row, column = (int(index) for index in np.unravel_index(np.argmin(off_axis), off_axis.shape))
    step = np.empty((2, 2))
    for axis, centre in enumerate((row, column)):
        low = max(centre - 1, 0)
        high = min(centre + 1, off_axis.shape[axis] - 1)
        first = slopes[:, low, column] if axis == 0 else slopes[:, row, low]
        last = slopes[:, high, column] if axis == 0 else slopes[:, row, high]
        step[:, axis] = (last - first) / (high - low)
    shift = np.linalg.solve(step, -slopes[:, row, column])
    return float(row + shift[0]), float(column + shift[1])


def geometry_description(integrator: AzimuthalIntegrator) -> dict[str, Any]:
    """The geometry as plain values for result files and records; each key ends in its unit."""
    detector = integrator.detector
    return {
        "distance_m": float(integrator.dist),
        "poni1_m": float(integrator.poni1),
        "poni2_m": float(integrator.poni2),
        "rot1_rad": float(integrator.rot1),
        "rot2_rad": float(integrator.rot2),
        "rot3_rad": float(integrator.rot3),
        "pixel1_m": float(detector.pixel1),
        "pixel2_m": float(detector.pixel2),
        "wavelength_m": float(integrator.wavelength),
        "energy_keV": HC_KEV_METRE / float(integrator.wavelength),
        "detector": type(detector).__name__,
        "shape": [int(size) for size in detector.shape],
        "orientation": int(detector.orientation),
        "parallax": bool(integrator.parallax),
        "poni": _poni_of(integrator),
    }


def _poni_of(integrator: AzimuthalIntegrator) -> str:
    """The text of a PONI file without the date, so that equal geometries give equal text."""
    from pyFAI.io.ponifile import PoniFile

    text = StringIO()
    with quiet():
        PoniFile(data=integrator).write(text)
    lines = [line for line in text.getvalue().splitlines() if not line.startswith("# Calibration")]
    return "\n".join(lines) + "\n"


def geometry_sha256(integrator: AzimuthalIntegrator) -> str:
    """SHA-256 of the numbers that place each pixel: neither comments, dates nor names change it."""
    numbers = geometry_description(integrator)
    for key in ("poni", "detector", "energy_keV"):
        del numbers[key]
    detector = integrator.detector
    if not is_regular(detector):
        numbers["pixel_corners"] = array_sha256(detector.get_pixel_corners())
    if numbers["parallax"]:
        sensor = getattr(detector, "sensor", None)
        numbers["sensor"] = sensor.as_dict() if sensor else None
    return hashlib.sha256(to_json(numbers, indent=None).encode()).hexdigest()
