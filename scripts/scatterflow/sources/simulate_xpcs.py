"""The demo's raw data of XPCS: spheres that diffuse in water, the same photons in three formats.

    xpcs/imm/colloid.imm                IMM, sparse
    xpcs/rigaku/colloid.bin             Rigaku, 64-bit events
    xpcs/eiger/colloid_master.h5        Eiger master and data file
    each with colloid_metadata.hdf      how it was taken, as the APS writes it

Spheres of radius R diffuse with D = k_B T / (6 pi viscosity R), so that tau(q) = 1 / (D q^2). What a photon
does is in `scatterflow.sources.simulated_speckles`. Equal seeds give equal photons and bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import writing
from scatterflow.files.nexus import add_fields, add_group
from scatterflow.sources.simulated_physics import WAVELENGTH_ANGSTROM
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames

__all__ = ["known_xpcs_answers", "simulate_xpcs_run", "simulated_xpcs_files", "write_acquisition"]

DETECTOR = "speckles"
PIXEL_M = 75e-6
DISTANCE_M = 5.0
FRAME_TIME_S = 20e-6
COUNT_TIME_S = 1e-6  # simulated frames are instants
TEMPERATURE_K = 293.15
VISCOSITY_PA_S = 1.0016e-3  # of water
RADIUS_M = 50e-9
BOLTZMANN_J_PER_K = 1.380649e-23
DIFFUSION_M2_PER_S = BOLTZMANN_J_PER_K * TEMPERATURE_K / (6 * math.pi * VISCOSITY_PA_S * RADIUS_M)
Q_REFERENCE = 3e-3  # 1/angstrom

COLLOID = SpeckleRun(
    shape=(128, 128),
    frames=1000,
    photons=0.15,
    beam_row=60.25,
    beam_column=66.75,
    q_per_pixel=2 * math.pi / WAVELENGTH_ANGSTROM * PIXEL_M / DISTANCE_M,
    beamstop_pixels=5.0,
    intensity_exponent=1.0,
    tau_frames=1 / (DIFFUSION_M2_PER_S * (Q_REFERENCE * 1e10) ** 2) / FRAME_TIME_S,
    q_reference=Q_REFERENCE,
    tau_exponent=2.0,
    modes=2,
    speckle_sigma=0.7,
)
METADATA = "colloid_metadata.hdf"


def known_xpcs_answers() -> dict[str, Any]:
    """What the analysis of any of the runs must find."""
    return {
        "contrast": COLLOID.contrast,
        "tau_exponent": -COLLOID.tau_exponent,
        "diffusion_m2_per_s": DIFFUSION_M2_PER_S,
        "radius_m": RADIUS_M,
        "temperature_K": TEMPERATURE_K,
        "viscosity_Pa_s": VISCOSITY_PA_S,
        "frame_time_s": FRAME_TIME_S,
        "frames": COLLOID.frames,
        "shape": COLLOID.shape,
        "beam_centre": (COLLOID.beam_row, COLLOID.beam_column),
        "speckle_fwhm_pixels": COLLOID.speckle_fwhm,
    }


def simulated_xpcs_files() -> dict[str, list[tuple[str, str | None, int, int]]]:
    """{raw entry: [(path below the raw folder, detector, first frame, frame after the last)]}.

    Known without running anything. Detector None: a file that every read of the run needs.
    """
    files: dict[str, list[tuple[str, str | None, int, int]]] = {}
    for raw in _WRITERS:
        folder = Path(raw).parent
        data = "colloid_data_000001.h5" if raw.endswith("_master.h5") else Path(raw).name
        files[raw] = [(str(folder / data), DETECTOR, 0, COLLOID.frames)]
        if data != Path(raw).name:
            files[raw].insert(0, (raw, None, 0, COLLOID.frames))
        files[raw].append((str(folder / METADATA), None, 0, COLLOID.frames))
    return files


def simulate_xpcs_run(name: str, root: str | Path, seed: int) -> None:
    """Write the raw files of one run; older ones are replaced.

    name: a key of `simulated_xpcs_files`. root: the raw folder. seed: of fields and photons.
    Raises UserError for an unknown name.
    """
    if name not in _WRITERS:
        raise UserError(f"no simulated run {name!r}", "", suggestion(name, _WRITERS))
    frames = np.concatenate([block for _, block in photon_frames(COLLOID, seed)])
    path = Path(root) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[name](path, frames)
    write_acquisition(path.with_name(METADATA), COLLOID, FRAME_TIME_S, COUNT_TIME_S)


def write_acquisition(
    path: str | Path,
    run: SpeckleRun,
    frame_time_s: float,
    count_time_s: float,
    temperature_C: float = TEMPERATURE_K - 273.15,
) -> None:
    """Write the metadata of a simulated run in the layout of APS-U (schema 0.1.0), a NeXus file."""
    energy = 12.398419843320026 / WAVELENGTH_ANGSTROM
    with writing(path) as file:
        file.attrs["default"] = "entry"
        entry = add_group(file, "entry", "NXentry")
        add_fields(
            entry,
            {
                "definition": "NXxpcs",
                "schema_version": "0.1.0",
                "entry_identifier": "simulated colloid",
                "scan_number": np.int64(1),
                "start_time": "2026-01-15T15:00:00+00:00",
                "end_time": "2026-01-15T15:00:01+00:00",
            },
        )
        instrument = add_group(entry, "instrument", "NXinstrument")
        add_fields(
            add_group(instrument, "detector_1", "NXdetector"),
            {
                "beam_center_x": (run.beam_column, "pixel"),
                "beam_center_y": (run.beam_row, "pixel"),
                "beam_center_position_x": (0.0, "m"),
                "beam_center_position_y": (0.0, "m"),
                "position_x": (0.0, "m"),
                "position_y": (0.0, "m"),
                "count_time": (count_time_s, "s"),
                "frame_time": (frame_time_s, "s"),
                "detector_name": "simulated",
                "distance": (DISTANCE_M, "m"),
                "x_pixel_size": (PIXEL_M, "m"),
                "y_pixel_size": (PIXEL_M, "m"),
            },
        )
        add_fields(
            add_group(instrument, "incident_beam", "NXbeam"),
            {"incident_energy": (energy, "keV")},
        )
        add_fields(
            add_group(entry, "sample", "NXsample"),
            {
                "short_description": "spheres of 50 nm in water",
                "qnw1_temperature": (temperature_C, "degC"),
            },
        )


def _write_imm(path: Path, frames: np.ndarray) -> None:
    from scatterflow.sources.event_writers import write_imm

    elapsed = np.arange(len(frames)) * FRAME_TIME_S
    write_imm(path, frames, header={"elapsed": elapsed, "preset": COUNT_TIME_S})


def _write_rigaku(path: Path, frames: np.ndarray) -> None:
    from scatterflow.sources.event_writers import write_rigaku

    write_rigaku(path, frames)


def _write_eiger(path: Path, frames: np.ndarray) -> None:
    from scatterflow.sources.writers import write_eiger

    times = {"count_time": (COUNT_TIME_S, "s"), "frame_time": (FRAME_TIME_S, "s")}
    write_eiger(path, frames, detector=times)


_WRITERS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "xpcs/imm/colloid.imm": _write_imm,
    "xpcs/rigaku/colloid.bin": _write_rigaku,
    "xpcs/eiger/colloid_master.h5": _write_eiger,
}
