"""Functions of a detector's shots beside those of regions, for `regions.apply_functions`.

    azimuthal        azav, azav_error (scatterflow.shots.azimuthal); needs the positions of the pixels
    autocorrelation  acf, profile, speckle size (correlations)
    fit_centre       xCen, yCen, R, ... (centre), in mm where positions are known, else columns and rows
    droplets         nDroplets, droplets, photons (photon_reductions)
    photon_map       nPhot (photon_reductions); hands on the map, whole photons per pixel

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
from scatterflow.shots.azimuthal import azimuthal_averages, prepare_azimuthal
from scatterflow.shots.centre import ring_centres
from scatterflow.shots.correlations import autocorrelations, prepare_autocorrelation
from scatterflow.shots.photon_reductions import droplets, photon_map
from scatterflow.shots.regions import Frames, Kind, Results


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
        return dict(azimuthal_averages(frames.values, bins, threads=threads)), frames

    def autocorrelation(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        mask = kept(
            "autocorrelation",
            frames,
            settings,
            lambda: prepare_autocorrelation(frames.good, settings),
        )
        return dict(autocorrelations(frames.values, mask, threads=threads)), frames

    def photons(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        found = photon_map(
            frames.values, frames.good, settings, noise=frames.noise, threads=threads
        )
        return {"nPhot": found["nPhot"]}, replace(frames, values=found["map"], noise=None)

    def find_droplets(frames: Frames, settings: Mapping[str, Any]) -> tuple[Results, Frames]:
        found = droplets(frames.values, frames.good, settings, noise=frames.noise, threads=threads)
        return found, frames

    return {
        "azimuthal": azimuthal,
        "autocorrelation": autocorrelation,
        "fit_centre": fit_centre,
        "droplets": find_droplets,
        "photon_map": photons,
    }


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
