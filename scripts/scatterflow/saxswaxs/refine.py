"""Geometry refined from the rings of a calibrant on the mean frame of a run.

Each ring is cut into sectors of azimuth; in each, a Gaussian on a straight line is fitted to the
pixels' intensities over their 2theta (`ring_fit`). Where the fitted top lies on the detector is a
control point p_i with standard error s_i. The parameters x (distance, poni1, poni2, rot1, rot2 or
some of them) then minimise

    sum_i rho((2theta(p_i; x) - 2 arcsin(lambda / 2 d_i)) / s_i)

with pyFAI's 2theta(p; x) (Kieffer et al., J. Synchrotron Rad. 27 (2020) 558) and the soft l1 loss
rho; control points are found anew with the refined geometry until they stay. Standard errors are
those of linear least squares, scaled by the scatter of the residuals where that is larger than s_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.detectors.quiet import quiet
from scatterflow.files.atomic import write_text
from scatterflow.files.json import write_json
from scatterflow.saxswaxs.ring_fit import fit_ring
from scatterflow.saxswaxs.ring_positions import (
    calibrant_d_spacings,
    ring_positions,
    ring_window,
)

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

PARAMETERS = {"distance": "m", "poni1": "m", "poni2": "m", "rot1": "rad", "rot2": "rad"}
_ORDER = (*PARAMETERS, "rot3")
SECTOR_DEG = 4.0
ROUNDS = 4
FEWEST_PIXELS = 15
"""Pixels of a ring in a sector that a fit needs."""
LEAST_SIGNIFICANCE = 5.0
FEWEST_PER_PARAMETER = 3
"""Control points for each refined parameter."""
SOFT = 3.0
"""Residuals beyond this many standard errors count less than squared."""
LARGEST_ERRORS = {"distance": 0.01, "poni1": 5.0, "poni2": 5.0, "rot1": 0.02, "rot2": 0.02}
"""Errors from which a parameter counts as undetermined: of the distance relative, of the point of normal
incidence in pixels, of the rotations in rad."""


@dataclass(frozen=True)
class ControlPoints:
    """Points of rings on the detector.

    position: (n, 2) float64 (row, column), the first pixel's centre at (0, 0); ring: (n,) int64
    number, 0 for the largest d-spacing; expected: (n,) 2theta of the ring, rad; error: (n,) standard
    error of 2theta, rad; azimuth: (n,) rad.
    """

    position: np.ndarray
    ring: np.ndarray
    expected: np.ndarray
    error: np.ndarray
    azimuth: np.ndarray


@dataclass(frozen=True)
class Refinement:
    """Outcome of a refinement.

    before, after: all six parameters by name, m and rad; errors: standard errors of the refined ones;
    points: the last control points; residual_before, residual_after: (n,) 2theta found minus expected,
    rad; verdict: `pass`, `warn` or `fail` (then nothing was refined and after is before); sentence:
    the reason, for people.
    """

    calibrant: str
    before: dict[str, float]
    after: dict[str, float]
    errors: dict[str, float]
    points: ControlPoints
    residual_before: np.ndarray
    residual_after: np.ndarray
    verdict: str
    sentence: str

    @property
    def refined(self) -> bool:
        """Whether there is a new geometry."""
        return self.verdict != "fail"

    @property
    def rings(self) -> int:
        """Number of rings with control points."""
        return int(np.unique(self.points.ring).size)


def find_control_points(
    image: np.ndarray, geometry: AzimuthalIntegrator, two_theta: np.ndarray
) -> ControlPoints:
    """Control points of rings on a frame.

    image: (rows, columns) float64, NaN where masked. two_theta: (rings,) expected positions, rad,
    ascending, NaN for rings that the wavelength does not reach.
    """
    angle = geometry.center_array(image.shape, unit="2th_rad", scale=False)
    azimuth = geometry.center_array(image.shape, unit="chi_rad", scale=False)
    good = np.isfinite(image)
    found: list[tuple[float, ...]] = []
    for number, position in enumerate(two_theta):
        if not np.isfinite(position):
            continue
        _, half = ring_window(two_theta, number)
        near = good & (np.abs(angle - position) <= half)
        rows, columns = np.nonzero(near)
        sectors = np.floor(np.degrees(azimuth[near]) / SECTOR_DEG).astype(np.int64)
        for sector in np.unique(sectors):
            own = sectors == sector
            point = _control_point(
                image, angle, geometry, rows[own], columns[own], float(position), half
            )
            if point is not None:
                found.append((*point, number, position, azimuth[near][own].mean()))
    table = np.array(found, dtype=np.float64).reshape(-1, 6)
    return ControlPoints(
        table[:, :2], table[:, 3].astype(np.int64), table[:, 4], table[:, 2], table[:, 5]
    )


def _control_point(
    image: np.ndarray,
    angle: np.ndarray,
    geometry: AzimuthalIntegrator,
    rows: np.ndarray,
    columns: np.ndarray,
    position: float,
    half: float,
) -> tuple[float, float, float] | None:
    """Row, column and 2theta error of a ring in the pixels of one sector; None if there is no ring."""
    if rows.size < FEWEST_PIXELS:
        return None
    order = np.argsort(angle[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    x = angle[rows, columns]
    # A ring that the detector's edge or the mask cuts would be found off its place.
    if x[0] > position - 0.6 * half or x[-1] < position + 0.6 * half:
        return None
    peak = fit_ring(x, image[rows, columns], None, position)
    if peak is None or not peak.height > LEAST_SIGNIFICANCE * peak.height_error:
        return None
    if abs(peak.centre - position) > 0.8 * half or not 0 < peak.width < half:
        return None
    # Start at the pixel nearest to the ring in the middle of the sector, then go along the gradient.
    middle = np.array([rows.mean(), columns.mean()])
    away = np.hypot(rows - middle[0], columns - middle[1])
    on_ring = np.abs(x - peak.centre) <= np.partition(np.abs(x - peak.centre), 4)[4]
    place = np.flatnonzero(on_ring)[np.argmin(away[on_ring])]
    point = np.array([rows[place], columns[place]], dtype=np.float64)
    for _ in range(3):
        point = _step_to(geometry, point, peak.centre)
    return float(point[0]), float(point[1]), peak.centre_error


def _step_to(geometry: AzimuthalIntegrator, point: np.ndarray, angle: float) -> np.ndarray:
    """One Newton step along the gradient of 2theta to where it is `angle`."""
    offsets = np.array([[0, 0], [0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])
    values = geometry.tth(*(point + offsets).T)
    gradient = np.array([values[1] - values[2], values[3] - values[4]])
    return point + (angle - values[0]) * gradient / (gradient @ gradient)


def refine_geometry(
    image: np.ndarray, geometry: AzimuthalIntegrator, calibrant: str, refine: Sequence[str]
) -> Refinement:
    """Refine some parameters of a geometry, so that the rings of a calibrant lie where they should.

    image: (rows, columns) float64 mean frame, NaN where masked. refine: names of `PARAMETERS`.
    geometry is not changed. Raises UserError for an unknown calibrant.
    """
    spacings = calibrant_d_spacings(calibrant)
    two_theta = ring_positions(spacings, "2th_rad", geometry.wavelength)
    before = _parameters(geometry)
    with quiet():
        current, after = geometry, before
        errors: dict[str, float] = {}
        for _ in range(ROUNDS):
            points = find_control_points(image, current, two_theta)
            if why := _too_few(points, refine, calibrant):
                residual = _residual(geometry, points, before)
                return Refinement(
                    calibrant, before, before, {}, points, residual, residual, "fail", why
                )
            last = after
            after, errors = _least_squares(geometry, points, last, refine)
            current = moved(geometry, after)
            if all(abs(after[name] - last[name]) < 0.05 * errors[name] for name in refine):
                break
        residual_before = _residual(geometry, points, before)
        residual_after = _residual(geometry, points, after)
    verdict, sentence = _judge(
        geometry, before, after, errors, points, (residual_before, residual_after)
    )
    if verdict == "fail":
        after, errors, residual_after = before, {}, residual_before
    return Refinement(
        calibrant,
        before,
        after,
        errors,
        points,
        residual_before,
        residual_after,
        verdict,
        sentence,
    )


def moved(geometry: AzimuthalIntegrator, parameters: dict[str, float]) -> AzimuthalIntegrator:
    """The same detector and wavelength with other parameters (m, rad)."""
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    return AzimuthalIntegrator(
        dist=parameters["distance"],
        detector=geometry.detector,
        wavelength=geometry.wavelength,
        **{name: parameters[name] for name in _ORDER if name != "distance"},
    )


def _parameters(geometry: AzimuthalIntegrator) -> dict[str, float]:
    values = (geometry.dist, *(getattr(geometry, name) for name in _ORDER[1:]))
    return {name: float(value) for name, value in zip(_ORDER, values, strict=True)}


def _residual(
    geometry: AzimuthalIntegrator, points: ControlPoints, parameters: dict[str, float]
) -> np.ndarray:
    """2theta of control points minus that of their rings, rad."""
    if points.ring.size == 0:
        return np.zeros(0)
    values = np.array([parameters[name] for name in _ORDER])
    return geometry.tth(points.position[:, 0], points.position[:, 1], values) - points.expected


def _least_squares(
    geometry: AzimuthalIntegrator,
    points: ControlPoints,
    start: dict[str, float],
    refine: Sequence[str],
) -> tuple[dict[str, float], dict[str, float]]:
    """Best parameters and standard errors of those refined."""
    from scipy.optimize import least_squares

    def residual(values: np.ndarray) -> np.ndarray:
        parameters = start | dict(zip(refine, map(float, values), strict=True))
        return _residual(geometry, points, parameters) / points.error

    first = np.array([start[name] for name in refine])
    scale = np.full(first.size, 1e-3)
    best = least_squares(residual, first, x_scale=scale, loss="soft_l1", f_scale=SOFT)
    left = residual(best.x)
    slope = np.stack(
        [
            (residual(best.x + step) - residual(best.x - step)) / 2e-6
            for step in np.diag(1e-6 + 0 * first)
        ],
        axis=1,
    )
    spread = max(1.0, float(left @ left) / max(1, left.size - first.size))
    covariance = np.linalg.pinv(slope.T @ slope) * spread
    errors = np.sqrt(np.diag(covariance))
    return (
        start | dict(zip(refine, map(float, best.x), strict=True)),
        dict(zip(refine, map(float, errors), strict=True)),
    )


def _too_few(points: ControlPoints, refine: Sequence[str], calibrant: str) -> str:
    """Why the control points do not determine the parameters, or ''."""
    rings = np.unique(points.ring).size
    # One ring fixes its centre and nothing else.
    needed = 1 if set(refine) <= {"poni1", "poni2"} else 2
    if rings < needed:
        found = "no ring" if rings == 0 else f"only {rings} ring"
        return (
            f"Not refined: {found} of {calibrant} was found, {needed} are needed to refine "
            f"{', '.join(refine)}. Check the calibrant, the geometry and the mask, or refine less."
        )
    fewest = FEWEST_PER_PARAMETER * len(refine)
    if points.ring.size < fewest:
        return (
            f"Not refined: {points.ring.size} control points on {rings} rings of {calibrant}, "
            f"{fewest} are needed to refine {', '.join(refine)}."
        )
    return ""


def _judge(
    geometry: AzimuthalIntegrator,
    before: dict[str, float],
    after: dict[str, float],
    errors: dict[str, float],
    points: ControlPoints,
    residuals: tuple[np.ndarray, np.ndarray],
) -> tuple[str, str]:
    """Verdict and the sentence that explains it."""
    old, new = (float(np.degrees(np.sqrt(np.mean(item**2)))) for item in residuals)
    rings = np.unique(points.ring).size
    measured = (
        f"{points.ring.size} control points on {rings} rings, rms of 2theta {old:.2g} degrees before, "
        f"{new:.2g} after"
    )
    if not new <= old or after["distance"] <= 0:
        return "fail", f"Not refined: {measured}: the rings are not those of the calibrant."
    pixel = float(geometry.detector.pixel1)
    units = {"distance": before["distance"], "poni1": pixel, "poni2": pixel}
    loose = [
        name
        for name, error in errors.items()
        if not error < LARGEST_ERRORS[name] * units.get(name, 1.0)
    ]
    if loose:
        return "warn", (
            f"{measured}, but these rings do not determine {', '.join(loose)}: leave out one or "
            "more of them."
        )
    return "pass", f"{measured}."


# Writing -----------------------------------------------------------------------------------------


def write_refined_poni(
    path: str, geometry: AzimuthalIntegrator, refinement: Refinement, source: Sequence[str]
) -> None:
    """Write the refined geometry as a PONI file; source: lines that say what it was made from."""
    from pyFAI.io.ponifile import PoniFile

    text = StringIO()
    with quiet():
        PoniFile(data=moved(geometry, refinement.after)).write(text)
    # pyFAI's date would make every file another one.
    lines = [line for line in text.getvalue().splitlines() if not line.startswith("# Calibration")]
    told = "Refined geometry." if refinement.refined else "NOT REFINED: the configured geometry."
    header = [told, *source, refinement.sentence]
    header += [
        f"{name}: {refinement.after[name] - refinement.before[name]:+.6g} {PARAMETERS[name]}, "
        f"standard error {error:.2g}"
        for name, error in refinement.errors.items()
    ]
    write_text(path, "\n".join([*(f"# {line}" for line in header), *lines]) + "\n")


def write_refinement(path: str, detector: str, refinement: Refinement) -> None:
    """Write verdict, rms before and after (degrees of 2theta), and parameters as JSON."""
    rms = [
        float(np.degrees(np.sqrt(np.mean(item**2)))) if item.size else None
        for item in (refinement.residual_before, refinement.residual_after)
    ]
    parameters: dict[str, Any] = {
        name: {
            "before": refinement.before[name],
            "after": refinement.after[name],
            "change": refinement.after[name] - refinement.before[name],
            "error": refinement.errors.get(name),
            "unit": unit,
        }
        for name, unit in PARAMETERS.items()
    }
    write_json(
        path,
        {
            "detector": detector,
            "calibrant": refinement.calibrant,
            "verdict": refinement.verdict,
            "sentence": refinement.sentence,
            "refined": refinement.refined,
            "rings": refinement.rings,
            "control_points": int(refinement.points.ring.size),
            "rms_before_deg": rms[0],
            "rms_after_deg": rms[1],
            "parameters": parameters,
        },
    )
