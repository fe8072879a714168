"""The peer: frames integrated one by one with pyFAI, in the way of CHAP's saxswaxs pipeline.

1-D and cake go through MultiGeometry, so their intensities are counts per steradian; I(chi) through
`integrate_radial` of each integrator. Frames become float64 first; integrations follow one another, each
over all frames; zeros of I(chi) become NaN. In the peer's favour each integration has an integrator of its
own, so that none throws out another's tables, its fastest splitting method in the Cython CSR engine is
taken, its tables are made before the clock starts, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.data import WAVELENGTH_M, Series
from benchmarks.prepared import geometry, integrations, radial_range

METHOD = ("bbox", "csr", "cython")
UNIT = "q_A^-1"
AZIMUTHS = (-180.0, 180.0)


def integrator(series: Series) -> Any:
    """pyFAI's integrator of a series' detector."""
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    settings = geometry(series)
    return AzimuthalIntegrator(
        dist=settings["distance_m"],
        poni1=settings["poni1_m"],
        poni2=settings["poni2_m"],
        wavelength=WAVELENGTH_M,
        detector=Detector(series.pixel_m, series.pixel_m, max_shape=series.shape),
    )


def steradians_per_pixel(series: Series) -> float:
    """What MultiGeometry divides by."""
    return (series.pixel_m / series.distance_m) ** 2


def multi_geometry(series: Series) -> Any:
    """A MultiGeometry of one detector."""
    from pyFAI.multi_geometry import MultiGeometry

    return MultiGeometry(
        [integrator(series)],
        unit=UNIT,
        radial_range=radial_range(series),
        azimuth_range=AZIMUTHS,
        chi_disc=180,
    )


def integrate_1d(
    series: Series, bins: int, error_model: str | None = None
) -> Callable[[np.ndarray], Any]:
    """I(q) of one frame."""
    geometry, mask = multi_geometry(series), _mask(series)
    return lambda frame: geometry.integrate1d(
        lst_data=[frame], npt=bins, lst_mask=[mask], method=METHOD, error_model=error_model
    )


def integrate_cake(
    series: Series, azimuthal_bins: int, radial_bins: int
) -> Callable[[np.ndarray], Any]:
    """I(chi, q) of one frame."""
    geometry, mask = multi_geometry(series), _mask(series)
    return lambda frame: geometry.integrate2d(
        lst_data=[frame],
        npt_rad=radial_bins,
        npt_azim=azimuthal_bins,
        lst_mask=[mask],
        method=METHOD,
    )


def integrate_radial(series: Series, bins: int, radial_bins: int) -> Callable[[np.ndarray], Any]:
    """I(chi) of one frame."""
    detector, mask = integrator(series), _mask(series)
    return lambda frame: detector.integrate_radial(
        frame,
        bins,
        npt_rad=radial_bins,
        radial_range=radial_range(series),
        azimuth_range=AZIMUTHS,
        mask=mask,
        method=METHOD,
        unit="chi_deg",
        radial_unit=UNIT,
    )


def three_integrations(
    series: Series, bins: tuple[int, int, int]
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """1-D, cake and radial intensities of a stack of frames, integration after integration."""
    settings = integrations(bins)
    profile = integrate_1d(series, settings["azimuthal"]["bins"])
    cake = integrate_cake(
        series, settings["cake"]["azimuthal_bins"], settings["cake"]["radial_bins"]
    )
    radial = integrate_radial(series, settings["radial"]["bins"], settings["radial"]["radial_bins"])

    def run(frames: np.ndarray) -> dict[str, np.ndarray]:
        counts = np.asarray(frames, dtype=np.float64)
        found = {
            "azimuthal": [profile(frame).intensity for frame in counts],
            "cake": [cake(frame).intensity for frame in counts],
            "radial": [_zeros_to_nan(radial(frame).intensity) for frame in counts],
        }
        return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}

    return run


def _zeros_to_nan(intensity: np.ndarray) -> np.ndarray:
    return np.where(intensity == 0, np.nan, intensity)


def _mask(series: Series) -> np.ndarray:
    return (~series.good()).astype(np.int8)


def same_intensities(
    sums: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    intensities: dict[str, np.ndarray],
    series: Series,
    *,
    rtol: float = 1e-4,
    per_steradian: tuple[str, ...] = ("azimuthal", "cake"),
) -> None:
    """Raise ValueError unless the peer's intensities are ours (sums: signal, variance, normalisation) to
    `rtol`, in the first frames, those that both have; the peer has zero or NaN in bins without counts."""
    for name, peers in intensities.items():
        frames = min(len(peers), len(sums[name][0]))
        theirs = peers[:frames]
        signal, _, normalisation = (values[:frames] for values in sums[name])
        with np.errstate(invalid="ignore", divide="ignore"):
            ours = (signal / normalisation).reshape(theirs.shape)
        if name in per_steradian:
            ours = ours / steradians_per_pixel(series)
        compared = np.isfinite(ours) & (ours != 0)
        if not compared.any():
            raise ValueError(f"{name}: nothing to compare")
        if np.nan_to_num(theirs[~compared]).any():
            raise ValueError(f"{name}: the peer has counts in bins that are empty in ours")
        # The peer sums in single precision.
        difference = np.abs(theirs - ours)[compared]
        allowed = rtol * np.abs(ours[compared]) + 1e-6 * np.abs(ours[compared]).max()
        if not (difference <= allowed).all():
            worst = np.nan_to_num(difference / np.abs(ours[compared]), nan=np.inf).max()
            raise ValueError(f"{name}: the peer's intensities differ from ours by {worst:.2g}")
