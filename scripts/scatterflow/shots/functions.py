"""Functions of a detector's shots beside those of regions, for `regions.apply_functions`.

    azimuthal        azav, azav_error (scatterflow.shots.azimuthal); needs the positions of the pixels
    autocorrelation  acf, profile, speckle size (correlations)
    fit_centre       xCen, yCen, R, ... (centre), in mm where positions are known, else columns and rows
    droplets         nDroplets, droplets, photons (photon_reductions)
    photon_map       nPhot (photon_reductions); hands on the map, whole photons per pixel
    quantise         data, rounded to a bound on the error so that it compresses; hands on the same
    integrate, simple_hits, fraction_hits, fit_pulses   of waveforms (waveforms)

Each may stand inside of a region. What they need to know of masks and geometry is made ready at the first
block of shots and kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots import waveforms
from scatterflow.shots.azimuthal import azimuthal_averages, prepare_azimuthal
from scatterflow.shots.centre import ring_centres
from scatterflow.shots.correlations import autocorrelations, prepare_autocorrelation
from scatterflow.shots.photon_reductions import droplets, photon_map
from scatterflow.shots.regions import Fixed, Frames, Kind, Results
from scatterflow.shots.settings import above_zero, needed, refuse_unknown


def detector_functions(threads: int = 1) -> dict[str, Kind]:
    """Functions of one detector, by kind; they keep what they have made ready."""
    ready: dict[str, Any] = {}

    def kept(kind: str, frames: Frames, settings: Mapping[str, Any], prepare: Callable) -> Any:
        key = f"{kind} {_identity(frames, settings)}"
        if key not in ready:
            ready[key] = prepare()
        return ready[key]

    def azimuthal(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        if frames.positions is None:
            raise UserError(
                "azimuthal averages of pixels whose positions are not known",
                "azimuthal",
                "give the detector a geometry; projections and blocks have none",
            )
        x, y, z = frames.positions
        bins = kept(
            "azimuthal",
            frames,
            settings,
            lambda: prepare_azimuthal(x, y, z, frames.good, settings, frames.noise),
        )
        found: Results = dict(azimuthal_averages(frames.values, bins, threads=threads))
        found |= {
            "q": Fixed(bins.q, "1/angstrom"),
            "q_edges": Fixed(bins.q_edges, "1/angstrom"),
            "sector_edges": Fixed(bins.sector_edges, "degree"),
            "pixels": Fixed(bins.pixels),
        }
        return found, frames

    def autocorrelation(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        _check_images(frames)
        mask = kept(
            "autocorrelation",
            frames,
            settings,
            lambda: prepare_autocorrelation(frames.good, settings),
        )
        found: Results = dict(autocorrelations(frames.values, mask, threads=threads))
        return found | {"radius": Fixed(mask.radius, "pixel")}, frames

    def photons(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        _check_images(frames)
        found = photon_map(
            frames.values, frames.good, settings, noise=frames.noise, threads=threads
        )
        return {"nPhot": found["nPhot"]}, replace(frames, values=found["map"], noise=None)

    def find_droplets(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        _check_images(frames)
        found = droplets(frames.values, frames.good, settings, noise=frames.noise, threads=threads)
        return found, frames

    def pulses(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        fit = kept("fit_pulses", frames, settings, lambda: _pulse_fit(settings))
        return dict(waveforms.fit_pulses(frames.values, fit)), frames

    return {
        "azimuthal": azimuthal,
        "autocorrelation": autocorrelation,
        "fit_centre": fit_centre,
        "droplets": find_droplets,
        "photon_map": photons,
        "quantise": quantise,
        "integrate": _of_traces(waveforms.integrate),
        "simple_hits": _of_traces(waveforms.simple_hits),
        "fraction_hits": _of_traces(waveforms.fraction_hits),
        "fit_pulses": pulses,
    }


def _check_images(frames: Frames) -> None:
    if frames.good.ndim not in (2, 3):
        raise UserError(
            f"an image is needed, not {frames.good.ndim} dimension{'s' * (frames.good.ndim != 1)}",
            "the function's frames",
            "use it on a camera, not on a waveform or a projection",
        )


def quantise(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
    """Values rounded to multiples of twice `largest_error`, float32: few different ones, that compress well.

    Hands on the rounded frames, so that functions inside tell what the rounding does.
    """
    refuse_unknown(settings, ("largest_error",), "settings")
    # Half a percent less than twice the error leaves room for the rounding of float32.
    largest = above_zero(settings, "largest_error", "quantise")
    step, exact = 1.99 * largest, frames.values.astype(np.float64)
    values = (np.round(exact / step) * step).astype(np.float32)
    # That room is too small for values of more than some 10^5 steps: they stay as they are.
    values = np.where(np.abs(values - exact) <= largest, values, frames.values.astype(np.float32))
    values = np.where(frames.good, values, np.float32(0))
    return {"data": values}, replace(frames, values=values)


def _of_traces(function: Callable[..., dict[str, np.ndarray]]) -> Kind:
    """A function of waveforms as a kind."""

    def reduce(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        return dict(function(frames.values, settings)), frames

    return reduce


def _pulse_fit(settings: Mapping[str, Any]) -> waveforms.PulseFit:
    """Components from a file, pulses at the delays."""
    refuse_unknown(settings, ("basis", "delays", "background"), "settings")
    path = needed(settings, "basis", "fit_pulses")
    try:
        basis = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"the basis cannot be read ({error})", str(path), "give a .npy file made by `svd_basis`"
        ) from error
    if basis.ndim != 2 or basis.dtype.kind not in "fiu":
        raise UserError(
            f"a basis of shape {basis.shape}", str(path), "give (components, samples) numbers"
        )
    delays = settings.get("delays", (0,))
    return waveforms.prepare_pulse_fit(basis, delays, settings.get("background"))


def fit_centre(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
    """Centre of the ring in each shot."""
    x, y = frames.positions[:2] if frames.positions is not None else (None, None)
    return dict(ring_centres(frames.values, frames.good, settings, x=x, y=y)), frames


def _identity(frames: Frames, settings: Mapping[str, Any]) -> str:
    """What tells one region of a detector, and one set of settings, from another."""
    digest = hashlib.sha256(np.ascontiguousarray(frames.good).tobytes())
    corners = [] if frames.positions is None else [p.flat[0] for p in frames.positions]
    known = [frames.good.shape, [float(value) for value in corners], dict(settings)]
    digest.update(json.dumps(known, sort_keys=True, default=str).encode())
    return digest.hexdigest()
