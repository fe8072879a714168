"""Simulated runs of speckles, with a fault each, through the real reduction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import h5py
import numpy as np
from tests.xpcs.made_results import DESCRIPTION, SETTINGS
from tests.xpcs.runs_in_memory import MemorySource

from scatterflow.config.qmap import QMapSettings
from scatterflow.detectors.geometry import load_geometry
from scatterflow.detectors.good_mask import GoodMask, write_mask
from scatterflow.detectors.qmap import QMap
from scatterflow.detectors.qmap_files import write_qmap
from scatterflow.detectors.qmap_partition import prepare_qmap
from scatterflow.frame_range import frame_range
from scatterflow.kernels.lags import multitau_lags
from scatterflow.sources.simulate_xpcs import COLLOID, DISTANCE_M, PIXEL_M, write_acquisition
from scatterflow.sources.simulated_physics import WAVELENGTH_ANGSTROM
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames
from scatterflow.xpcs.analyse import analyse_result
from scatterflow.xpcs.assemble import assemble_result
from scatterflow.xpcs.blocks import read_positions
from scatterflow.xpcs.correlate import correlate_block, time_windows
from scatterflow.xpcs.frames import summarise_frames, write_frames
from scatterflow.xpcs.multitau_file import write_block_sums
from scatterflow.xpcs.preprocess import Preprocessing
from scatterflow.xpcs.sort import sort_chunk
from scatterflow.xpcs.twotime import TwoTimeSettings, correlate_twotime
from scatterflow.xpcs.twotime_file import write_twotime

SHAPE, FRAMES = (72, 80), 320
FRAME_TIME_S = 1e-3
SPECKLES = SpeckleRun(
    shape=SHAPE,
    frames=FRAMES,
    photons=0.6,
    beam_row=35.5,
    beam_column=39.5,
    q_per_pixel=COLLOID.q_per_pixel,
    beamstop_pixels=3.0,
    intensity_exponent=1.5,
    tau_frames=4.0,
    q_reference=1.5e-3,
    tau_exponent=0.0,
    modes=2,
)
DETECTOR = {
    "shape": list(SHAPE),
    "orientation": None,
    "geometry": {
        "distance_m": DISTANCE_M,
        "poni1_m": (SPECKLES.beam_row + 0.5) * PIXEL_M,
        "poni2_m": (SPECKLES.beam_column + 0.5) * PIXEL_M,
        "rotation1_rad": 0.0,
        "rotation2_rad": 0.0,
        "rotation3_rad": 0.0,
        "wavelength_m": WAVELENGTH_ANGSTROM * 1e-10,
        "pixel1_m": PIXEL_M,
        "pixel2_m": PIXEL_M,
        "detector": None,
    },
}
QMAP = {
    "coordinates": [
        {"name": "q", "dynamic": {"range": [4.5e-4, 2.85e-3], "bins": 4}, "static": 4},
        {"name": "phi", "dynamic": {"bins": 1}, "static": 6},
    ]
}
FITS = {
    "fits": {"simple": {"model": "single", "of": "multitau", "baseline": "fixed", "range": None}},
    "diffusion": None,
    "speckle_statistics": None,
}


@dataclass
class Taken:
    """How a run was taken. change: of the frames; missing: frames; average: frames added up; header: numbers
    of the metadata to be replaced; most: largest valid count."""

    speckles: SpeckleRun = SPECKLES
    seed: int = 1
    change: Callable[[np.ndarray], np.ndarray] | None = None
    missing: set[int] = field(default_factory=set)
    average: int = 1
    count_time_s: float = 1e-5
    header: dict[str, float] = field(default_factory=dict)
    most: float | str = "auto"
    twotime: bool = False


@cache
def qmap_of_detector() -> QMap:
    geometry = load_geometry(DETECTOR, "area")
    settings = QMapSettings.model_validate(QMAP).model_dump()
    return prepare_qmap(settings, np.ones(SHAPE, bool), geometry, "area")


@cache
def photons(speckles: SpeckleRun, seed: int) -> np.ndarray:
    """All frames, (frames, rows, columns) uint16."""
    return np.concatenate([block for _, block in photon_frames(speckles, seed)])


def reduce_run(folder: Path, taken: Taken) -> tuple[Path, Path]:
    """Result and analysis of a simulated run."""
    raw = photons(taken.speckles, taken.seed).copy()
    raw = raw if taken.change is None else taken.change(raw)
    result = reduce_frames(folder, raw, qmap_of_detector(), taken)
    analyse_result(result, folder / "analysis.nxs", FITS)
    return result, folder / "analysis.nxs"


def reduce_frames(folder: Path, raw: np.ndarray, qmap: QMap, taken: Taken) -> Path:
    """The result of raw frames (frames, rows, columns)."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = qmap.shape
    write_qmap(folder / "qmap.h5", qmap)
    write_mask(folder / "mask.h5", GoodMask(np.ones(shape, bool), np.zeros(shape, np.uint32)))
    selection = {"begin": 0, "end": None, "stride": 1, "average": taken.average, "bad": None}
    frames = frame_range({**selection, "automatic_bad": None}, len(raw), "")
    chunk = folder / "chunk.h5"
    sort_chunk(
        MemorySource(raw, missing=taken.missing),
        "area",
        frames,
        0,
        frames.frames,
        qmap,
        Preprocessing({"minimum": 0.0, "maximum": taken.most, "bit_depth": None}),
        chunk,
        blocks=1,
        skip_missing=True,
    )
    summary = summarise_frames(
        [chunk], {"bad": None, "automatic_bad": None, "normalise": "none"}, qmap
    )
    write_frames(folder / "frames.h5", summary, {})
    lags = multitau_lags(frames.frames, 4)
    block = read_positions([chunk], 0, qmap.pixels.size)
    windows = time_windows(frames.frames, 8)
    sums = correlate_block(block, summary.valid, None, lags, 1, windows, qmap.static_of_position)
    write_block_sums(folder / "block.h5", sums, {})
    parts = []
    if taken.twotime:
        read = partial(read_positions, [chunk], valid=summary.valid)
        found = correlate_twotime(read, qmap, summary, TwoTimeSettings(partial=2), [1, 2])
        write_twotime(folder / "twotime.h5", found, {})
        parts.append(folder / "twotime.h5")
    metadata = folder / "run_metadata.hdf"
    write_acquisition(metadata, taken.speckles, FRAME_TIME_S, taken.count_time_s)
    with h5py.File(metadata, "r+") as file:
        for name, value in taken.header.items():
            file[f"entry/instrument/{name}"][...] = value
    assemble_result(
        folder / "qmap.h5",
        folder / "frames.h5",
        [folder / "block.h5"],
        parts,
        [],
        metadata,
        mask=folder / "mask.h5",
        raw_files=[metadata],
        settings={
            **SETTINGS,
            "frames": selection,
            "multitau": {**SETTINGS["multitau"], "partial": 8, "save_pixels": False},
        },
        description=DESCRIPTION,
        result=folder / "result.nxs",
        linked=folder / "run_results.hdf",
    )
    return folder / "result.nxs"
