"""Azimuthal averages of shots in sectors, with errors, from the pixels where they are: no image is made.

The geometry is that of `azimuthalBinning` in SLAC's smalldata_tools, with its parameters. With the tilts tx,
ty, the distance D to the pixel's plane and the centre (xc, yc) the vector from the sample to a pixel and
the direction of the beam are

    v = (x - xc - D tan ty, y - yc + D tan tx, D),    u = (-sin ty cos tx, -sin tx, cos ty cos tx)

so that 2 theta is the angle between v and u, and phi that around u, 0 along +y and 90 degrees along +x. (With
tx other than 0 the beam meets the plane beside (xc, yc): as in smalldata_tools, whose fitted numbers
are to be used as they are.) A pixel's intensity is divided by

    polarisation   (1 - P) (1 - (sin phi sin 2theta)^2) + P (1 - (cos phi sin 2theta)^2),  P: share along y
    geometry       (D / |v|)^3, cosine of incidence times inverse square

and averaged: I = 1/n sum_p c_p I_p, c = 1 / (polarisation geometry), over the n good pixels of a bin. The
variance is sum c^2 (g I_p + rms_p^2) / n^2 with g what one photon gives: that of the photons, estimated from
the sum over the bin so that it has no bias, and that of the noise. Where the noise is not given, a bin
without a photon has an error of 0. Settings:

    centre_mm, distance_mm, photon_energy_ev
    q_step, or q_edges   1/angstrom; bins are half open; of q_step they begin one step below the smallest q
    sectors              a number (1) on the whole circle, the first around phi = 0; or edges, degrees
    tilt_x_deg, tilt_y_deg (0), polarisation (P; None: no correction), geometry (True)
    threshold            number or [low, high]: values beyond count as 0
    photon               what one photon gives, in the frames' unit; 1

smalldata_tools counts masked pixels in the divisor of its first bin, stretches sectors over the phi that a
detector happens to cover, and joins its last half sector to the first whatever lies between: not here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.azimuthal import Target, integrate_frames
from scatterflow.kernels.tiles import cut_into_tiles
from scatterflow.shots.settings import above_zero, needed, refuse_unknown
from scatterflow.shots.thresholds import above_threshold

HC_EV_ANGSTROM = 12398.419843320026
KNOWN = (
    "centre_mm", "distance_mm", "photon_energy_ev", "q_step", "q_edges", "sectors", "tilt_x_deg",
    "tilt_y_deg", "polarisation", "geometry", "threshold", "photon",
)  # fmt: skip


@dataclass(frozen=True)
class PixelAngles:
    """Of each pixel, float64: two_theta, phi (0..2 pi) in radians; q in 1/angstrom; correction: what
    its intensity is divided by."""

    two_theta: np.ndarray
    phi: np.ndarray
    q: np.ndarray
    correction: np.ndarray


@dataclass(frozen=True)
class AzimuthalBins:
    """Bins made ready.

    q: (nq,) centres, q_edges: (nq + 1,), 1/angstrom; sector_edges: (sectors + 1,) degrees; pixels: (sectors,
    nq) int64, good ones. The rest is for `azimuthal_averages`.
    """

    q: np.ndarray
    q_edges: np.ndarray
    sector_edges: np.ndarray
    pixels: np.ndarray
    shape: tuple[int, ...]
    targets: tuple[Target, Target]
    settings: dict[str, Any]


def pixel_angles(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, settings: Mapping[str, Any]
) -> PixelAngles:
    """Angles of pixels.

    x, y, z: their positions, mm, any one shape; z counts from the plane at distance_mm. Raises UserError for
    settings that cannot be.
    """
    distance, energy = (
        above_zero(settings, name, "azimuthal") for name in ("distance_mm", "photon_energy_ev")
    )
    xc, yc = (float(value) for value in needed(settings, "centre_mm", "azimuthal"))
    tx, ty = (math.radians(float(settings.get(f"tilt_{axis}_deg", 0.0))) for axis in "xy")
    plane = distance + np.asarray(z, dtype=np.float64)
    vector = np.stack([x - xc - plane * np.tan(ty), y - yc + plane * np.tan(tx), plane], axis=-1)
    beam = np.array([-np.sin(ty) * np.cos(tx), -np.sin(tx), np.cos(ty) * np.cos(tx)])
    along = vector @ beam
    across = vector - along[..., None] * beam
    size = np.linalg.norm(across, axis=-1)
    # By the tangent: the cosine tells small angles to 1e-8 only.
    two_theta = np.arctan2(size, along)
    upwards = np.array([0.0, 1.0, 0.0]) - beam[1] * beam
    upwards /= np.linalg.norm(upwards)
    on_axis = size == 0
    cosine = (across @ upwards) / np.where(on_axis, 1.0, size)
    phi = np.where(on_axis, np.where(y >= yc, 0.0, np.pi), np.arccos(np.clip(cosine, -1, 1)))
    phi = np.where(x < xc, 2 * np.pi - phi, phi)
    correction = np.ones(phi.shape)
    if settings.get("polarisation") is not None:
        share = float(settings["polarisation"])
        sine = np.sin(two_theta)
        correction *= (1 - share) * (1 - (np.sin(phi) * sine) ** 2)
        correction += share * (1 - (np.cos(phi) * sine) ** 2)
    if settings.get("geometry", True):
        correction *= (plane / np.linalg.norm(vector, axis=-1)) ** 3
    q = 4 * np.pi * energy / HC_EV_ANGSTROM * np.sin(two_theta / 2)
    return PixelAngles(two_theta, phi, q, correction)


def prepare_azimuthal(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    good: np.ndarray,
    settings: Mapping[str, Any],
    noise: np.ndarray | None = None,
) -> AzimuthalBins:
    """Bins of a detector.

    x, y, z: positions of the pixels, mm; good: bool; noise: rms in the frames' unit, or None; all of a
    frame's shape, (rows, columns) or (tiles, rows, columns). Raises UserError for settings that cannot be,
    and where no good pixel is in any bin.
    """
    refuse_unknown(settings, KNOWN, "azimuthal")
    if not all(np.shape(array) == good.shape for array in (x, y, z)):
        raise UserError(
            f"positions of {np.shape(x)} pixels and a mask of {good.shape}",
            "azimuthal",
            "choose the geometry of this detector",
        )
    angles = pixel_angles(x, y, z, settings)
    # Beyond 90 degrees a plane sees nothing, and nothing is divided by 0.
    good = good & np.isfinite(angles.q) & (angles.correction > 0)
    if noise is not None:
        good = good & np.isfinite(noise)
    q_edges = _q_edges(angles.q[good], settings)
    sector_edges, sector = _sectors(angles.phi, settings.get("sectors", 1))
    sectors, nq = sector_edges.size - 1, q_edges.size - 1
    place = np.searchsorted(q_edges, angles.q, side="right") - 1
    used = good & (place >= 0) & (place < nq) & (sector >= 0)
    if not used.any():
        raise UserError(
            "no good pixel is in any bin",
            "azimuthal",
            "correct centre, distance, q_edges or sectors; lengths are mm, q 1/angstrom",
        )
    pixel = np.flatnonzero(used.ravel())
    bins = (sector * nq + place).ravel()[pixel]
    variance = np.zeros(good.size) if noise is None else np.square(noise, dtype=np.float64).ravel()
    weight = 1 / angles.correction.ravel()[pixel]
    return AzimuthalBins(
        q=(q_edges[1:] + q_edges[:-1]) / 2,
        q_edges=q_edges,
        sector_edges=sector_edges,
        pixels=np.bincount(bins, minlength=sectors * nq).reshape(sectors, nq),
        shape=good.shape,
        targets=(
            _target(bins, pixel, weight, None, sectors * nq, good.size),
            _target(bins, pixel, weight**2, variance, sectors * nq, good.size),
        ),
        settings=dict(settings),
    )


def azimuthal_averages(
    frames: np.ndarray, bins: AzimuthalBins, *, threads: int = 1
) -> dict[str, np.ndarray]:
    """azav, azav_error: (n, sectors, nq) float64, NaN where no pixel is valid.

    frames: (n, *shape), calibrated. Pixels that are NaN in a shot take no part in it. Raises UserError for
    frames of another shape.
    """
    if frames.shape[1:] != bins.shape:
        raise UserError(
            f"frames of {frames.shape[1:]} pixels and bins of {bins.shape}",
            "azimuthal",
            "choose the geometry of this detector",
        )
    frames = above_threshold(frames, {"threshold": bins.settings.get("threshold")}, None)
    limits = np.finfo(frames.dtype) if frames.dtype.kind == "f" else np.iinfo(frames.dtype)
    signal, spread = integrate_frames(
        frames, (limits.min, limits.max), bins.targets, threads=threads
    )
    pixels = np.rint(_left(bins.targets[0], signal.lost))
    photon = float(bins.settings.get("photon", 1.0))
    variance = photon * spread.signal + _left(bins.targets[1], spread.lost)
    divisor = np.where(pixels > 0, pixels, np.nan)
    shape = (len(frames), *bins.pixels.shape)
    return {
        "azav": (signal.signal / divisor).reshape(shape),
        "azav_error": (np.sqrt(np.maximum(variance, 0)) / divisor).reshape(shape),
    }


def _left(target: Target, lost: np.ndarray | None) -> np.ndarray:
    """Normalisation of each frame and bin, (n, bins) or (1, bins)."""
    whole = target.normalisation[None]
    return whole if lost is None else whole - lost


def _target(
    bins: np.ndarray,
    pixel: np.ndarray,
    coefficient: np.ndarray,
    share: np.ndarray | None,
    number: int,
    pixels: int,
) -> Target:
    """Sums of coefficient x value; normalisation: the number of pixels, or the sum of coefficient x share."""
    order = np.lexsort((pixel, bins))
    indptr = np.searchsorted(bins[order], np.arange(number + 1))
    coefficients = coefficient[order].astype(np.float32)
    weight = np.zeros(pixels)
    if share is None:
        weight[pixel[order]] = 1 / coefficients.astype(np.float64)
    else:
        weight[pixel[order]] = share[pixel[order]]
    entries = coefficients * weight[pixel[order]]
    return Target(
        cut_into_tiles(indptr, pixel[order], coefficients, pixels),
        np.bincount(bins[order], weights=entries, minlength=number),
        weight,
        "none",
    )


def _q_edges(q: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    if settings.get("q_edges") is not None:
        edges = np.asarray(settings["q_edges"], dtype=np.float64)
    elif q.size == 0:
        return np.array([0.0, 1.0])
    else:
        step = above_zero(settings, "q_step", "azimuthal")
        edges = np.arange(q.min() - step, q.max() + step, step)
        if edges[-1] <= q.max():  # by rounding; bins are half open
            edges = np.append(edges, edges[-1] + step)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0):
        raise UserError(
            f"{edges.size} edges in q that do not ascend",
            "azimuthal: q_edges",
            "give ascending numbers, or q_step",
        )
    return edges


def _sectors(phi: np.ndarray, given: int | Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Edges, degrees, and the sector of each pixel, -1 none."""
    degrees = np.degrees(phi)
    if np.ndim(given) == 0:
        number = int(np.asarray(given))
        if number < 1:
            raise UserError(f"{number} sectors", "azimuthal: sectors", "give 1 or more")
        width = 360 / number
        edges = (np.arange(number + 1) - 0.5) * width
    else:
        edges = np.asarray(given, dtype=np.float64)
        if edges.size < 2 or not np.all(np.diff(edges) > 0) or edges[-1] - edges[0] > 360:
            raise UserError(
                f"sectors with edges {edges.tolist()}",
                "azimuthal: sectors",
                "give ascending degrees within one circle",
            )
    turned = edges[0] + np.mod(degrees - edges[0], 360)
    sector = np.searchsorted(edges, turned, side="right") - 1
    return edges, np.where(sector < edges.size - 1, sector, -1)
