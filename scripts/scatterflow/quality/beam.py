"""Whether the beam is steady: its intensity, and where it stands.

When the beam (or the detector) moves by d, the pattern moves with it, and the intensity at radius r and
azimuth chi changes by

    dI = -(dI/dr) (dx cos chi + dy sin chi)

An isotropic sample changes so in no other way. dx and dy of each tenth of the run against the mean of all
follow from weighted least squares, with a free factor at each radius: how bright beam and sample are, and how
the sample scatters, may change.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scatterflow.quality.checks import Finding, at_most, percent, unknown

PARTS = 10
"""A run is cut into so many parts."""
FEWEST_AZIMUTHS = 3
SIGNIFICANT = 4.0
"""A displacement counts where it is so many times its standard error."""


def intensity_of_parts(counts: np.ndarray, limit: float) -> Finding:
    """Largest relative deviation of the mean of a tenth of the run. counts: (frames,), NaN: left out."""
    parts = [part for part in np.array_split(counts, PARTS) if np.isfinite(part).any()]
    mean = float(np.nanmean(counts)) if parts else 0.0
    if mean <= 0 or len(parts) < 2:
        return unknown("There are too few counts, or too few frames.")
    means = np.array([np.nanmean(part) for part in parts]) / mean
    deviation = means - 1
    worst = int(np.argmax(np.abs(deviation)))
    # What the counts of the part themselves leave open is no drift.
    noise = 1 / np.sqrt(max(np.nansum(parts[worst]), 1.0))
    value = max(0.0, abs(float(deviation[worst])) - 3 * noise)
    return at_most(
        value,
        limit,
        f"Counts of part {worst + 1} of {len(parts)} of the run differ from the mean by "
        f"{percent(abs(float(deviation[worst])))}.",
        parts=means,
    )


def intensity_of_monitor(name: str, values: np.ndarray, limit: float) -> Finding:
    """Largest relative deviation of a monitor's readings from their median. values: (frames,)."""
    finite = np.isfinite(values)
    median = float(np.median(values[finite])) if finite.any() else 0.0
    if median <= 0:
        return unknown(f"Monitor {name} has no readings above 0.")
    deviation = np.where(finite, np.abs(values / median - 1), -1.0)
    frame = int(np.argmax(deviation))
    return at_most(
        float(deviation[frame]),
        limit,
        f"Monitor {name} deviates by up to {percent(float(deviation[frame]))} from its median, most in "
        f"frame {frame}.",
        monitor=name,
        frame=frame,
    )


def flicker(total: np.ndarray, limit: float) -> Finding:
    """Relative fluctuation of the photons from frame to frame, without that of photons themselves.

    total: (frames,) photons, NaN: left out. Neighbouring frames are compared, so that no drift is in it.
    """
    steps = np.diff(total)
    steps = steps[np.isfinite(steps)]
    mean = float(np.nanmean(total)) if np.isfinite(total).any() else 0.0
    if steps.size < 10 or mean <= 0:
        return unknown("There are too few counts, or too few frames.")
    variance = float(np.mean(steps**2)) / 2 / mean**2 - 1 / mean
    # The variance of n steps, neighbours of which share a frame, is known to about sqrt(3 / n).
    noise = np.sqrt(3 / steps.size) * max(variance + 1 / mean, 0.0)
    value = float(np.sqrt(max(variance - 3 * noise, 0.0)))
    return at_most(
        value,
        limit,
        f"The counts fluctuate from frame to frame by {percent(np.sqrt(max(variance, 0.0)))} more than "
        f"photons do; the square of that adds to the contrast.",
    )


def radius_pixels(
    axis: np.ndarray, unit: str, wavelength_m: float, distance_m: float, pixel_m: float
) -> np.ndarray | None:
    """Distance from the direct beam, pixels, of the bins of a radial axis in a pyFAI unit; None for others.

    For a detector that is not tilted: r = L tan 2 theta.
    """
    if unit in ("q_A^-1", "q_nm^-1"):
        q = axis * (1e10 if unit == "q_A^-1" else 1e9)
        angle = 2 * np.arcsin(np.clip(q * wavelength_m / (4 * np.pi), -1, 1))
    elif unit in ("2th_deg", "2th_rad"):
        angle = np.radians(axis) if unit == "2th_deg" else axis
    elif unit in ("r_mm", "r_m"):
        return axis * (1e-3 if unit == "r_mm" else 1.0) / pixel_m
    else:
        return None
    if np.any(angle >= np.pi / 2):
        return None
    return distance_m * np.tan(angle) / pixel_m


def displacements(
    parts: np.ndarray, errors: np.ndarray, radius: np.ndarray, azimuth_rad: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the pattern of each part stands against the mean of all.

    parts, errors: (n, azimuths, radii) mean intensities of the parts and standard errors, NaN where nothing
    was measured. radius: (radii,) pixels, ascending. azimuth_rad: (azimuths,).
    Returns (n, 2) displacements along azimuths 0 and 90 degrees, pixels, and (n, 2) standard errors from the
    scatter around the fit; NaN where there is too little to see.
    """
    found = np.full((len(parts), 2), np.nan)
    uncertain = np.full((len(parts), 2), np.nan)
    with np.errstate(invalid="ignore"):
        weights = np.isfinite(parts) & (errors > 0)
    mean = _mean(parts, weights)
    profile = _mean(mean, np.isfinite(mean))
    slope = np.gradient(profile, radius)
    moved = np.stack([-slope * np.cos(azimuth_rad)[:, None], -slope * np.sin(azimuth_rad)[:, None]])
    known = np.isfinite(mean) & np.isfinite(moved).all(axis=0)
    for number, (part, error) in enumerate(zip(parts, errors, strict=True)):
        used = known & weights[number]
        # With one azimuth at a radius its factor explains everything.
        used &= used.sum(axis=0) >= FEWEST_AZIMUTHS
        if used.sum() < 10:
            continue
        scale = np.where(used, 1 / np.where(used, error, 1.0), 0.0)
        shape = np.where(used, mean, 0.0) * scale
        columns = np.stack(
            [_without(shape, np.where(used, item, 0.0) * scale)[used] for item in moved], axis=1
        )
        values = _without(shape, np.where(used, part, 0.0) * scale)[used]
        normal = columns.T @ columns
        if not np.linalg.cond(normal) < 1e12:
            continue
        solution = np.linalg.solve(normal, columns.T @ values)
        residual = values - columns @ solution
        free = values.size - int(used.any(axis=0).sum()) - 2
        scatter = max(1.0, float(residual @ residual) / max(free, 1))
        found[number] = solution
        uncertain[number] = np.sqrt(scatter * np.diagonal(np.linalg.inv(normal)))
    return found, uncertain


def _without(shape: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values less what is proportional to the shape at each radius; (azimuths, radii), weighted."""
    norm = (shape**2).sum(axis=0)
    factor = np.divide((shape * values).sum(axis=0), norm, out=np.zeros(norm.shape), where=norm > 0)
    return values - factor * shape


def _mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is known, NaN where nothing is."""
    number = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def wandering(found: np.ndarray, uncertain: np.ndarray, limit: float, of: str = "") -> Finding:
    """How far apart the parts of a run stand. found, uncertain: as `displacements` gives them."""
    known = np.isfinite(found).all(axis=1) & np.isfinite(uncertain).all(axis=1)
    if known.sum() < 2:
        return unknown("The pattern does not tell where the beam stands.")
    places, errors = found[known], uncertain[known]
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    error = np.sqrt((errors**2).sum(axis=1))
    between = np.hypot(error[:, None], error[None])
    # Not what noise alone puts between them.
    sure = np.where(apart > SIGNIFICANT * between, apart, 0.0)
    value = float(sure.max())
    hidden = SIGNIFICANT * float(between.max())
    if value == 0 and hidden > limit:
        return unknown(
            f"The pattern{of} tells no better than to {hidden:.2g} pixels where it stands."
        )
    if value == 0:
        sentence = f"The pattern{of} does not move: by less than {hidden:.2g} pixels."
    else:
        sentence = f"The pattern{of} moves by {value:.2g} pixels during the run."
    return at_most(value, limit, sentence, displacements=places.round(4), errors=errors.round(4))


def parts_of(frames: int) -> Sequence[np.ndarray]:
    """Numbers of the frames of each part of a run."""
    return np.array_split(np.arange(frames), min(PARTS, frames))
