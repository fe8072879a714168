"""Prepared integration weights: geometry, mask, corrections and pixel splitting, folded in once.

The sparse matrix is pyFAI's (Ashiotis et al., J. Appl. Cryst. 48 (2015) 510): its rows are bins, its
coefficients the fraction of each good pixel that falls into the bin. Cake bins are stored azimuth by
azimuth; a radial integration is the cake's rows of one azimuth added up, which is what pyFAI's
`integrate_radial` does. Pixels that are split among radial steps are put together again there: their
variance is c^2 v with c their whole share of the bin, not the sum of the parts' (pyFAI's, as if the
steps were independent: errors are too small by sqrt(k) where a pixel covers k steps). Azimuths run as
`azimuth` says, intensities are on the scale of `scale`.
Beside it stands the same matrix in the order in which frames are integrated
(`scatterflow.kernels.tiles`). One HDF5 file per detector and integration, contiguous arrays, mapped
into memory by all jobs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.checksums import value_digest
from scatterflow.files.hdf5 import mapped, reading, write_array, writing
from scatterflow.files.json import to_json
from scatterflow.kernels.tiles import Tiles, cut_into_tiles
from scatterflow.saxswaxs.azimuth import azimuthal_axis, is_reversed, pyfai_azimuth_range
from scatterflow.saxswaxs.scale import pixel_solid_angle, weight_scale

if TYPE_CHECKING:
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator


@dataclass(frozen=True)
class Weights:
    """What one integration of one detector needs.

    indptr: (bins + 1) int64; indices: (entries) int32 pixel numbers, row-major; coefficients: (entries)
    float32; weight: (pixels) float64, solid angle x polarisation x flat; pixel_count: (bins) float64, good
    pixels in each bin; normalisation: (bins) float64, of a frame in which all of them are valid; tiles: the
    matrix without entries of 0; radial_axis, azimuthal_axis: bin centres in the integration's units, None
    where the integration has no such axis; settings: the integration's parameters and identities of geometry
    and mask.
    """

    indptr: np.ndarray
    indices: np.ndarray
    coefficients: np.ndarray
    weight: np.ndarray
    pixel_count: np.ndarray
    normalisation: np.ndarray
    tiles: Tiles
    radial_axis: np.ndarray | None
    azimuthal_axis: np.ndarray | None
    settings: dict[str, Any]

    @property
    def identity(self) -> str:
        """Digest of everything that the weights were made from."""
        return value_digest(self.settings, length=32)

    @property
    def bins(self) -> int:
        """Number of bins, all axes multiplied."""
        return self.indptr.size - 1


def prepare_weights(
    integrator: AzimuthalIntegrator,
    good: np.ndarray,
    integration: dict[str, Any],
    flat: np.ndarray | None = None,
    reference: AzimuthalIntegrator | None = None,
) -> Weights:
    """Weights of one integration.

    integrator: pyFAI's, with the detector's shape; good: (rows, columns) bool, True = good;
    integration: as the configuration's model dumps it; flat: (rows, columns), NaN where unusable;
    reference: the detector whose pixels the intensities refer to, left out: this one.
    Raises UserError if no good pixel falls into the requested range.
    """
    if flat is not None:
        good = good & np.isfinite(flat)
    matrix, radial, azimuthal = _pyfai_matrix(integrator, good, integration)
    reference = reference or integrator
    weight = _pixel_weight(integrator, good.shape, integration, flat).ravel()
    weight *= weight_scale(integrator, reference, integration)
    indptr, indices, coefficients = matrix
    pixel_count = _row_sums(indptr, coefficients)
    if not pixel_count.any():
        raise UserError(
            "no good pixel falls into the range of the integration",
            f"radial_range {integration['radial_range']} {integration['unit']}, "
            f"azimuth_range {integration['azimuth_range']} degrees",
            "correct the ranges, the geometry or the masks; ranges are in the integration's own unit",
        )
    return Weights(
        indptr=indptr.astype(np.int64),
        indices=indices,
        coefficients=coefficients,
        weight=weight,
        pixel_count=pixel_count,
        normalisation=static_normalisation(indptr, indices, coefficients, weight),
        tiles=cut_into_tiles(indptr, indices, coefficients, weight.size),
        radial_axis=radial,
        azimuthal_axis=azimuthal,
        settings={**integration, "pixel_solid_angle_sr": pixel_solid_angle(reference)},
    )


def _pyfai_matrix(
    integrator: AzimuthalIntegrator, good: np.ndarray, integration: dict[str, Any]
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray | None, np.ndarray | None]:
    """pyFAI's sparse matrix and bin centres, taken from an integration of an empty frame.

    Going through pyFAI's public call keeps its treatment of ranges, units and the azimuthal
    discontinuity.
    """
    if integration["chi_discontinuity"] == 0:
        integrator.setChiDiscAtZero()
    else:
        integrator.setChiDiscAtPi()
    method = (integration["split"], "csr", "cython")
    common = {
        "mask": (~good).astype(np.int8),
        "unit": integration["unit"],
        "method": method,
        "radial_range": integration["radial_range"],
        "azimuth_range": pyfai_azimuth_range(integration),
        "correctSolidAngle": False,
    }
    integrator.reset_engines()
    empty = np.zeros(good.shape, dtype=np.float32)
    if integration["kind"] == "azimuthal":
        result = integrator.integrate1d(empty, integration["bins"], **common)
        engine = _engine(integrator)
        return (engine.indptr, engine.indices, engine.data), np.asarray(result.radial), None
    if integration["kind"] == "cake":
        radial_bins, azimuthal_bins = integration["radial_bins"], integration["azimuthal_bins"]
    else:
        radial_bins, azimuthal_bins = integration["radial_bins"], integration["bins"]
    result = integrator.integrate2d(empty, radial_bins, azimuthal_bins, **common)
    engine = _engine(integrator)
    order = np.arange(radial_bins * azimuthal_bins).reshape(radial_bins, azimuthal_bins).T
    order = order[::-1] if is_reversed(integration) else order
    indptr, indices, data = _reordered(engine.indptr, engine.indices, engine.data, order.ravel())
    azimuthal = azimuthal_axis(np.asarray(result.azimuthal, dtype=np.float64), integration)
    if integration["kind"] == "cake":
        return (indptr, indices, data), np.asarray(result.radial), azimuthal
    if integration["azimuthal_unit"] == "chi_rad":
        azimuthal = np.radians(azimuthal)
    return _joined(indptr[::radial_bins], indices, data), None, azimuthal


def _engine(integrator: AzimuthalIntegrator) -> Any:
    (engine,) = (item.engine for item in integrator.engines.values())
    return engine


def _reordered(
    indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrix with its rows in another order."""
    lengths = np.diff(indptr)[order]
    new = np.zeros(order.size + 1, dtype=np.int64)
    np.cumsum(lengths, out=new[1:])
    entries = np.repeat(indptr[:-1][order] - new[:-1], lengths) + np.arange(new[-1])
    return new, indices[entries], data[entries]


def _joined(
    indptr: np.ndarray, indices: np.ndarray, data: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrix with what a row holds of one pixel added up to one entry."""
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    order = np.lexsort((indices, rows))
    rows, indices = rows[order], indices[order]
    new = np.ones(rows.size, dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]) | (indices[1:] != indices[:-1])
    first = np.flatnonzero(new)
    if not first.size:
        return indptr, indices, data
    shares = np.add.reduceat(data[order].astype(np.float64), first).astype(data.dtype)
    return np.searchsorted(rows[first], np.arange(indptr.size)), indices[first], shares


def _pixel_weight(
    integrator: AzimuthalIntegrator,
    shape: tuple[int, int],
    integration: dict[str, Any],
    flat: np.ndarray | None,
) -> np.ndarray:
    weight = np.ones(shape)
    if integration["solid_angle"]:
        weight *= integrator.solidAngleArray(shape)
    if integration["polarisation"] is not None:
        weight *= integrator.polarization(shape, integration["polarisation"])
    if flat is not None:
        weight *= np.nan_to_num(flat, nan=1.0)  # those pixels are masked
    return weight


def static_normalisation(
    indptr: np.ndarray, indices: np.ndarray, coefficients: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Normalisation of a frame in which all pixels of the matrix are valid, (bins) float64."""
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    return np.bincount(
        rows, coefficients.astype(np.float64) * weight[indices], minlength=indptr.size - 1
    )


def _row_sums(indptr: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    total = np.zeros(coefficients.size + 1)
    np.cumsum(coefficients, dtype=np.float64, out=total[1:])
    return total[indptr[1:]] - total[indptr[:-1]]


def describe_weights(
    weights: Weights,
    integrator: AzimuthalIntegrator,
    mask_sha256: str,
    flat_sha256: str | None = None,
) -> Weights:
    """The weights with the identities of the geometry, mask and flat that made them in `settings`."""
    from scatterflow.detectors.geometry import beam_centre, geometry_description, geometry_sha256

    identities = {
        "geometry": geometry_description(integrator),
        "geometry_sha256": geometry_sha256(integrator),
        "beam_centre": [float(value) for value in beam_centre(integrator)],
        "mask_sha256": mask_sha256,
        "flat_sha256": flat_sha256,
    }
    return replace(weights, settings={**weights.settings, **identities})


_ARRAYS = ("indptr", "indices", "coefficients", "weight", "pixel_count", "normalisation")
_TILES = tuple(field.name for field in fields(Tiles))
_AXES = ("radial_axis", "azimuthal_axis")


def write_weights(path: str | Path, weights: Weights) -> None:
    """Write weights as one HDF5 file of contiguous arrays, whole."""
    with writing(path) as file:
        for name in (*_ARRAYS, *_AXES):
            value = getattr(weights, name)
            if value is not None:
                write_array(file, name, np.ascontiguousarray(value))
        tiles = file.create_group("tiles")
        for name in _TILES:
            write_array(tiles, name, getattr(weights.tiles, name))
        write_array(file, "settings", to_json(weights.settings))


def read_weights(path: str | Path) -> Weights:
    """Weights from a file, arrays mapped into memory."""
    import json

    with reading(path) as file:
        arrays: dict[str, Any] = {name: mapped(path, file[name]) for name in _ARRAYS}
        tiles = Tiles(**{name: mapped(path, file["tiles"][name]) for name in _TILES})
        axes: dict[str, Any] = {name: file[name][()] if name in file else None for name in _AXES}
        settings = json.loads(file["settings"].asstr()[()])
    return Weights(**arrays, **axes, tiles=tiles, settings=settings)


def bin_edges(centres: np.ndarray) -> np.ndarray:
    """Edges of equally spaced bins from their centres, (bins + 1)."""
    width = (centres[-1] - centres[0]) / (centres.size - 1) if centres.size > 1 else math.nan
    return np.append(centres - width / 2, centres[-1] + width / 2)
