"""The demo's raw data: simulated from known answers, written in real formats.

Six runs, each with its entry `raw` of the run table:

    demo/lab6::1            calibrant, WAXS       SPEC file + TIFFs
    demo/agbh::1            calibrant, SAXS       SPEC file + TIFFs
    demo/sample::1          scan of samx, both    SPEC file + TIFFs, monitors in the SPEC file
    demo/empty::1           the same, no sample   SPEC file + TIFFs
    demo/series_master.h5   time series           Eiger master and data files, monitors inside
    demo/mesh::1            mesh of two motors    SPEC file + TIFFs, stopped before its last point

`scatterflow.sources.simulated_physics` says what is simulated. Equal seeds give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.sources.simulated_physics import (
    CAMERAS,
    HOT_COUNTS,
    RUNS,
    SENTINEL,
    WAVELENGTH_ANGSTROM,
    Camera,
    SimulatedRun,
    beamstop,
    faulty,
    known_answers,
    poni_text,
)

__all__ = ["known_answers", "simulate_run", "simulated_files", "write_demo_detectors"]

FRAMES_PER_DATA_FILE = 25
SCAN = 1
FIRST_START = datetime(2026, 1, 15, 14, 0, tzinfo=UTC)
BEAMSTOP_LEAK = 1e-3


def simulated_files() -> dict[str, list[tuple[str, str | None, int, int]]]:
    """{raw entry: [(path below the raw folder, detector, first frame, frame after the last)]}.

    Known without running anything. Detector None: a file that every read of the run needs.
    """
    return {
        raw: _spec_files(run) if _is_spec(run) else _eiger_files(run) for raw, run in RUNS.items()
    }


def simulate_run(name: str, root: str | Path, seed: int) -> None:
    """Write the raw files of one run; older ones are replaced.

    name: a key of `simulated_files`. root: the raw folder. seed: of the Poisson noise.
    Raises UserError for an unknown name.
    """
    if name not in RUNS:
        raise UserError(f"no simulated run {name!r}", "", suggestion(name, RUNS))
    run, number = RUNS[name], list(RUNS).index(name)

    def random(detector: str) -> np.random.Generator:
        return np.random.default_rng([seed, number, list(CAMERAS).index(detector)])

    if _is_spec(run):
        _simulate_spec(run, number, Path(root), random)
    else:
        _simulate_eiger(run, Path(root), random)


def write_demo_detectors(config: str | Path) -> list[Path]:
    """Write geometry/demo_*.poni and masks/demo_* below the configuration folder; the files written.

    The beamstop mask is an EDF (nonzero = masked), the mask of faulty WAXS pixels a .npy (1 = good).
    """
    import io

    from scatterflow.files.atomic import write_bytes, write_text

    config = Path(config)
    written = []
    for camera in CAMERAS.values():
        path = config / "geometry" / f"demo_{camera.name}.poni"
        write_text(path, poni_text(camera))
        written.append(path)
    shadow = beamstop(CAMERAS["saxs"], margin=1.0).astype(np.uint8)
    path = config / "masks/demo_saxs_beamstop.edf"
    write_bytes(path, _edf(shadow))
    content = io.BytesIO()
    np.save(content, (~faulty(CAMERAS["waxs"])).astype(np.uint8))
    write_bytes(config / "masks/demo_waxs_good.npy", content.getvalue())
    return [*written, path, config / "masks/demo_waxs_good.npy"]


def _edf(mask: np.ndarray) -> bytes:
    # By hand: fabio's writer would do, but a mask needs five lines.
    header = (
        "{\nHeaderID = EH:000001:000000:000000 ;\nImage = 1 ;\nByteOrder = LowByteFirst ;\n"
        f"DataType = UnsignedByte ;\nDim_1 = {mask.shape[1]} ;\nDim_2 = {mask.shape[0]} ;\n"
        f"Size = {mask.nbytes} ;\n"
    )
    return header.ljust(510).encode() + b"}\n" + np.ascontiguousarray(mask).tobytes()


def _is_spec(run: SimulatedRun) -> bool:
    return "::" in run.raw


def _detectors(run: SimulatedRun) -> list[str]:
    return list(dict.fromkeys([*run.sample, *run.empty]))


# Frames


def _frames(run: SimulatedRun, camera: Camera, random: np.random.Generator) -> np.ndarray:
    """Counts of all frames, (frames, rows, columns) int64, with the camera's faults but its gap."""
    shadow = np.where(beamstop(camera), BEAMSTOP_LEAK, 1.0)
    frames = np.stack(
        [random.poisson(run.expected(camera.name, i) * shadow) for i in range(run.frames)]
    )
    for pixel in camera.dead:
        frames[:, pixel[0], pixel[1]] = 0
    for pixel in camera.hot:
        frames[:, pixel[0], pixel[1]] = HOT_COUNTS
    return frames


# SPEC scans


def _spec_stem(run: SimulatedRun) -> str:
    return run.raw.split("::")[0]


def _spec_frame(run: SimulatedRun, camera: Camera, point: int) -> str:
    stem = _spec_stem(run)
    name = f"{Path(stem).name}_{camera.label}_{SCAN:03d}_{point:03d}.tiff"
    return f"{stem}_{SCAN:03d}/{name}"


def _spec_files(run: SimulatedRun) -> list[tuple[str, str | None, int, int]]:
    files: list[tuple[str, str | None, int, int]] = [(_spec_stem(run), None, 0, run.frames)]
    for detector in _detectors(run):
        camera = CAMERAS[detector]
        files += [(_spec_frame(run, camera, i), detector, i, i + 1) for i in range(run.frames)]
    return files


def _simulate_spec(
    run: SimulatedRun, number: int, root: Path, random: Callable[[str], np.random.Generator]
) -> None:
    from scatterflow.sources.spec_writer import write_spec_scan
    from scatterflow.sources.writers import write_images

    for detector in _detectors(run):
        camera = CAMERAS[detector]
        frames = _frames(run, camera, random(detector))
        # Pilatus marks its gaps with -1.
        frames[:, slice(*camera.gap_rows)] = -1
        write_images([root / _spec_frame(run, camera, i) for i in range(run.frames)], frames)
    columns: dict[str, np.ndarray] = {}
    if run.scan is not None:
        columns.update(run.scan.readings)
    # A second of overhead per point.
    columns["Epoch"] = np.arange(run.frames) * (run.frame_time_s + 1) + run.frame_time_s
    columns["Seconds"] = np.full(run.frames, run.frame_time_s)
    columns["ic1"], columns["diode"] = run.ic1(), run.diode()
    path = root / _spec_stem(run)
    path.unlink(missing_ok=True)  # the writer appends
    write_spec_scan(
        path,
        SCAN,
        run.scan.command if run.scan else f"loopscan {run.frames} {run.frame_time_s:g}",
        {"samx": 0.0, "samz": 1.25, "phi": 0.0},
        columns,
        FIRST_START + timedelta(minutes=10 * number),
        count_time_s=run.frame_time_s,
        title="scatterflow demo",
        user="simulated",
    )


# Eiger series


def _eiger_files(run: SimulatedRun) -> list[tuple[str, str | None, int, int]]:
    (detector,) = _detectors(run)
    files: list[tuple[str, str | None, int, int]] = [(run.raw, None, 0, run.frames)]
    for number, first in enumerate(range(0, run.frames, FRAMES_PER_DATA_FILE), start=1):
        path = run.raw.replace("_master.h5", f"_data_{number:06d}.h5")
        files.append((path, detector, first, min(first + FRAMES_PER_DATA_FILE, run.frames)))
    return files


def _simulate_eiger(
    run: SimulatedRun, root: Path, random: Callable[[str], np.random.Generator]
) -> None:
    from scatterflow.sources.writers import write_eiger

    (detector,) = _detectors(run)
    camera = CAMERAS[detector]
    frames = _frames(run, camera, random(detector)).astype(np.uint32)
    pixel_mask = np.zeros(camera.shape, np.uint32)
    pixel_mask[slice(*camera.gap_rows)] = 1  # NeXus: bit 0 gap, bit 1 dead
    for pixel in camera.dead:
        pixel_mask[pixel] = 2
    frames[:, pixel_mask > 0] = SENTINEL
    write_eiger(
        root / run.raw,
        frames,
        FRAMES_PER_DATA_FILE,
        detector={
            "count_time": (run.frame_time_s, "s"),
            "frame_time": (run.frame_time_s, "s"),
            "x_pixel_size": (camera.pixel_m, "m"),
            "y_pixel_size": (camera.pixel_m, "m"),
            "beam_center_x": (camera.poni2_m / camera.pixel_m, "pixel"),
            "beam_center_y": (camera.poni1_m / camera.pixel_m, "pixel"),
            "detector_distance": (camera.distance_m, "m"),
        },
        beam={"incident_wavelength": (WAVELENGTH_ANGSTROM, "angstrom")},
        scalars={
            "ic1": (run.ic1(), "counts"),
            "diode": (run.diode(), "counts"),
            "time": (np.arange(run.frames) * run.frame_time_s, "s"),
            "count_time": (np.full(run.frames, run.frame_time_s), "s"),
        },
        pixel_mask=pixel_mask,
    )
