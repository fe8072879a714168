"""The simulated experiment of the demo: cameras, samples, monitors; every true answer is known.

A pixel at scattering vector q counts, in a frame of length t,

    Poisson( t * (i0 / r) * T * I(q) * omega * p )

    i0   counts/s of the monitor before the sample (`ic1`), another in every frame
    r    reference rate of that monitor, 100 000 counts/s
    T    transmission of the sample; the monitor behind it (`diode`) counts i0 * T / 2
    I(q) intensity, counts/s per pixel at the reference rate: sample plus empty beam path
    omega, p  solid angle relative to the pixel of normal incidence (cos^3), and polarisation

with q, omega and p at the pixel centres from pyFAI. Dividing by omega, p, T, i0/r and t and subtracting
the empty run must therefore give back I(q) of the sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

WAVELENGTH_ANGSTROM = 12.398419843320026 / 12.0  # 12 keV
POLARIZATION = 0.99  # of a synchrotron, mostly horizontal
REFERENCE_RATE = 100_000.0  # counts/s of ic1
SAMPLE_TRANSMISSION = 0.8
HOT_COUNTS = 1_000_000
SENTINEL = 2**32 - 1  # what an Eiger says of a pixel that it does not read

Intensity = Callable[
    [np.ndarray, int], np.ndarray
]  # (q in 1/angstrom, frame) -> counts/s per pixel


@dataclass(frozen=True)
class Camera:
    """A detector in its place: PONI geometry (m, rad), file name of its frames, faulty pixels."""

    name: str
    label: str
    detector: str
    shape: tuple[int, int]
    pixel_m: float
    distance_m: float
    poni1_m: float
    poni2_m: float
    rotation1_rad: float = 0.0
    gap_rows: tuple[int, int] = (0, 0)
    dead: tuple[tuple[int, int], ...] = ()
    hot: tuple[tuple[int, int], ...] = ()
    beamstop: bool = False

    @property
    def detector_config(self) -> dict[str, Any]:
        """pyFAI's description of the detector."""
        if self.detector != "Detector":
            return {"orientation": 3}
        return {
            "pixel1": self.pixel_m,
            "pixel2": self.pixel_m,
            "max_shape": list(self.shape),
            "orientation": 3,
        }


CAMERAS = {
    camera.name: camera
    for camera in (
        Camera(
            "saxs", "PIL5", "Detector", (300, 320), 172e-6, 1.0, 0.006966, 0.027606,
            gap_rows=(195, 202), beamstop=True,
        ),
        Camera(
            "waxs", "PIL9", "Pilatus100k", (195, 487), 172e-6, 0.16, 0.017, 0.015, -0.55,
            dead=((12, 40), (12, 41), (77, 300), (150, 222), (151, 222), (190, 480)),
            hot=((60, 100), (101, 350), (33, 450)),
        ),
        Camera(
            "eiger", "EIG1", "Detector", (256, 256), 75e-6, 0.2, 0.002265, 0.0030525,
            gap_rows=(126, 130), dead=((5, 200), (90, 17), (200, 201), (201, 201)),
        ),
    )
}  # fmt: skip


def poni_text(camera: Camera) -> str:
    """The camera's geometry as a PONI file, version 2.1."""
    import json

    return (
        "# Nota: C-Order, 1 refers to the Y axis, 2 to the X axis\n"
        f"# Geometry of the demo's simulated detector {camera.name}\n"
        "poni_version: 2.1\n"
        f"Detector: {camera.detector}\n"
        f"Detector_config: {json.dumps(camera.detector_config)}\n"
        f"Distance: {camera.distance_m!r}\n"
        f"Poni1: {camera.poni1_m!r}\n"
        f"Poni2: {camera.poni2_m!r}\n"
        f"Rot1: {camera.rotation1_rad!r}\n"
        "Rot2: 0.0\n"
        "Rot3: 0.0\n"
        f"Wavelength: {WAVELENGTH_ANGSTROM * 1e-10!r}\n"
    )


@cache
def pixel_values(name: str) -> tuple[np.ndarray, np.ndarray]:
    """q (1/angstrom) at the pixel centres of a camera, and omega * p; both (rows, columns)."""
    from pyFAI.detectors import detector_factory
    from pyFAI.geometry import Geometry

    camera = CAMERAS[name]
    geometry = Geometry(
        dist=camera.distance_m,
        poni1=camera.poni1_m,
        poni2=camera.poni2_m,
        rot1=camera.rotation1_rad,
        detector=detector_factory(camera.detector, camera.detector_config),
        wavelength=WAVELENGTH_ANGSTROM * 1e-10,
    )
    q = geometry.center_array(camera.shape, unit="q_A^-1")
    solid_angle = geometry.solidAngleArray(camera.shape)
    polarisation = geometry.polarization(camera.shape, factor=POLARIZATION)
    return q, np.asarray(solid_angle, float) * np.asarray(polarisation, float)


def beamstop(camera: Camera, margin: float = 0.0) -> np.ndarray:
    """Pixels in the shadow of the beamstop and its arm, grown by `margin` pixels (True = shadow)."""
    row, column = np.indices(camera.shape)
    if not camera.beamstop:
        return np.zeros(camera.shape, bool)
    # The centre of the first pixel is (0, 0), its corner half a pixel before.
    beam_row = camera.poni1_m / camera.pixel_m - 0.5
    beam_column = camera.poni2_m / camera.pixel_m - 0.5
    disc = np.hypot(row - beam_row, column - beam_column) <= 6 + margin
    arm = (np.abs(column - beam_column) <= 1.5 + margin) & (row <= beam_row)
    return disc | arm


def faulty(camera: Camera) -> np.ndarray:
    """Dead and hot pixels (True = faulty); gaps are told by their values."""
    bad = np.zeros(camera.shape, bool)
    for pixel in camera.dead + camera.hot:
        bad[pixel] = True
    return bad


def good_pixels(camera: Camera) -> np.ndarray:
    """Good mask (True = good) that leaves out beamstop, faulty pixels and gap."""
    good = ~(beamstop(camera, margin=1.0) | faulty(camera))
    good[slice(*camera.gap_rows)] = False
    return good


# Samples


def _peak(q: np.ndarray, centre: float, sigma: float) -> np.ndarray:
    return np.exp(-0.5 * ((q - centre) / sigma) ** 2)


@cache
def calibrant_rings(name: str, camera: str) -> tuple[float, ...]:
    """q of a calibrant's rings (1/angstrom), from pyFAI's d-spacings, as far as the camera sees."""
    from pyFAI.calibrant import get_calibrant

    largest = pixel_values(camera)[0].max()
    rings = [2 * np.pi / d for d in get_calibrant(name).dspacing]
    return tuple(float(ring) for ring in rings if ring < largest)


def lab6(q: np.ndarray, frame: int) -> np.ndarray:
    """Lanthanum hexaboride on the WAXS camera: rings 3.6 pixels wide on a flat ground."""
    rings = calibrant_rings("LaB6", "waxs")
    peaks = [400.0 / (1 + 0.2 * i) * _peak(q, r, 0.012) for i, r in enumerate(rings)]
    return 8.0 + np.sum(peaks, axis=0)


def agbh(q: np.ndarray, frame: int) -> np.ndarray:
    """Silver behenate on the SAXS camera."""
    rings = calibrant_rings("AgBh", "saxs")
    peaks = [500.0 / (1 + i) * _peak(q, r, 0.0025) for i, r in enumerate(rings)]
    return 6.0 + np.sum(peaks, axis=0)


SAMPLE_POSITIONS = np.linspace(0.0, 10.0, 11)  # samx, mm


def phase_fraction(samx_mm: float | np.ndarray) -> float | np.ndarray:
    """What varies along the sample: the share of one phase, 0.2 with a band of 1.0 at 6 mm."""
    return 0.2 + 0.8 * np.exp(-(((samx_mm - 6.0) / 2.0) ** 2))


def sample_saxs(q: np.ndarray, frame: int) -> np.ndarray:
    """Guinier scattering of 20 angstrom particles, and a lamellar peak that follows the phase."""
    share = phase_fraction(SAMPLE_POSITIONS[frame])
    guinier = 300.0 * np.exp(-((20.0 * q) ** 2) / 3)
    return guinier + 250.0 * share * _peak(q, 0.1, 0.008)


def sample_waxs(q: np.ndarray, frame: int) -> np.ndarray:
    """An amorphous halo, one ring that grows with the phase and one that goes."""
    share = phase_fraction(SAMPLE_POSITIONS[frame])
    halo = 60.0 * _peak(q, 1.6, 0.25)
    return halo + 180.0 * share * _peak(q, 2.1, 0.03) + 120.0 * (1 - share) * _peak(q, 2.7, 0.03)


def empty_saxs(q: np.ndarray, frame: int) -> np.ndarray:
    """Air and windows, small angles."""
    return 20.0 + 80.0 * np.exp(-q / 0.03)


def empty_waxs(q: np.ndarray, frame: int) -> np.ndarray:
    """Air and windows, wide angles."""
    return 15.0 + 10.0 * np.exp(-q / 1.5)


SERIES_FRAME_TIME = 0.1  # s


def series_peaks(frame: int | np.ndarray) -> tuple[Any, Any]:
    """q of the two peaks of the series (1/angstrom): one moves out, one in, linearly with time."""
    return 0.20 + 0.0006 * frame, 0.40 - 0.0008 * frame


def series(q: np.ndarray, frame: int) -> np.ndarray:
    """Two broad peaks that shift with time."""
    first, second = series_peaks(frame)
    return 30.0 + 400.0 * _peak(q, first, 0.02) + 250.0 * _peak(q, second, 0.025)


MESH_SHAPE = (5, 6)  # samz slow, samx fast
MESH_SAMZ, MESH_SAMX = np.linspace(0.0, 2.0, 5), np.linspace(0.0, 2.5, 6)  # mm
MESH_FRAMES = 29  # the scan was stopped before its last point
MESH_JITTER = 0.02  # mm, either way


def _mesh_points() -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each frame: every second row runs back."""
    row, column = np.divmod(np.arange(MESH_FRAMES), MESH_SHAPE[1])
    return row, np.where(row % 2 == 1, MESH_SHAPE[1] - 1 - column, column)


def _mesh_readings() -> dict[str, np.ndarray]:
    """What the encoders say at each point of the mesh, mm."""
    row, column = _mesh_points()
    jitter = np.random.default_rng(29).uniform(-MESH_JITTER, MESH_JITTER, (2, MESH_FRAMES))
    return {
        "samx": np.round(MESH_SAMX[column] + jitter[0], 4),
        "samz": np.round(MESH_SAMZ[row] + jitter[1], 4),
    }


def grain_fraction(samz_mm: np.ndarray, samx_mm: np.ndarray) -> np.ndarray:
    """The share of crystal on the mesh: a grain around samz = 1 mm, samx = 1.5 mm."""
    return np.exp(-(((samz_mm - 1.0) / 0.8) ** 2) - ((samx_mm - 1.5) / 0.8) ** 2)


def grains(q: np.ndarray, frame: int) -> np.ndarray:
    """A peak that grows with the share of crystal, on a flat ground."""
    row, column = (index[frame] for index in _mesh_points())
    share = grain_fraction(MESH_SAMZ[row], MESH_SAMX[column])
    return 20.0 + 200.0 * share * _peak(q, 0.25, 0.02)


@dataclass(frozen=True)
class SimulatedScan:
    """A SPEC scan: its command, and the positions, mm, that its columns give to each motor."""

    command: str
    readings: dict[str, np.ndarray]


SAMPLE_SCAN = SimulatedScan("ascan samx 0 10 10 1", {"samx": SAMPLE_POSITIONS})
MESH_SCAN = SimulatedScan("flymesh samx 0 2.5 5 0.5 samz 0 2 4", _mesh_readings())


@dataclass(frozen=True)
class SimulatedRun:
    """One run: its entry `raw` in the run table, its frames, what is in the beam.

    sample: per detector the intensity of the sample; empty: that of the empty beam path.
    phase: where the swing of the beam's intensity begins, rad.
    """

    raw: str
    frames: int
    frame_time_s: float
    sample: dict[str, Intensity]
    empty: dict[str, Intensity]
    transmission: float
    phase: float
    scan: SimulatedScan | None = None

    def ic1(self) -> np.ndarray:
        """Counts of the monitor before the sample per frame, int64: a swing of 8 %."""
        swing = 1 + 0.08 * np.sin(0.9 * np.arange(self.frames) + self.phase)
        # Steps of 20, so that the counts of the diode are whole numbers too and T comes back exactly.
        return 20 * np.rint(REFERENCE_RATE * self.frame_time_s * swing / 20).astype(np.int64)

    def diode(self) -> np.ndarray:
        """Counts of the monitor behind the sample per frame, int64."""
        return np.rint(self.ic1() * self.transmission / 2).astype(np.int64)

    def expected(self, detector: str, frame: int) -> np.ndarray:
        """Mean counts of a frame without faults, (rows, columns) float64."""
        q, efficiency = pixel_values(detector)
        intensity = np.zeros(q.shape)
        for part in (self.sample, self.empty):
            if detector in part:
                intensity = intensity + part[detector](q, frame)
        exposure = self.ic1()[frame] / REFERENCE_RATE  # frame time times relative rate, s
        return exposure * self.transmission * intensity * efficiency


_EMPTY: dict[str, Intensity] = {"saxs": empty_saxs, "waxs": empty_waxs}

RUNS = {
    run.raw: run
    for run in (
        SimulatedRun("demo/lab6::1", 4, 1.0, {"waxs": lab6}, {}, 1.0, 0.3),
        SimulatedRun("demo/agbh::1", 4, 1.0, {"saxs": agbh}, {}, 1.0, 1.1),
        SimulatedRun(
            "demo/sample::1", 11, 1.0, {"saxs": sample_saxs, "waxs": sample_waxs}, _EMPTY,
            SAMPLE_TRANSMISSION, 0.7, SAMPLE_SCAN,
        ),
        SimulatedRun("demo/empty::1", 11, 1.0, {}, _EMPTY, 1.0, 2.9, SAMPLE_SCAN),
        SimulatedRun(
            "demo/series_master.h5", 60, SERIES_FRAME_TIME, {"eiger": series}, {}, 0.9, 0.0
        ),
        SimulatedRun(
            "demo/mesh::1", MESH_FRAMES, 0.5, {"eiger": grains}, {}, 1.0, 1.9, MESH_SCAN
        ),
    )
}  # fmt: skip


def known_answers() -> dict[str, Any]:
    """What a right reduction of the demo must find.

    wavelength_angstrom, polarization, reference_rate; rings {raw: {detector: q of the rings}};
    runs {raw: {frames, frame_time_s, ic1, diode, transmission, sample, empty}} with sample and empty
    {detector: function (q in 1/angstrom, frame) -> counts/s per pixel at the reference rate};
    samx_mm and phase_fraction of the sample scan; series_peaks, the q of both peaks per frame;
    mesh {samz_mm, samx_mm: grid values; frame_index (5, 6), -1 where the scan has no frame}.
    """
    frames = np.arange(RUNS["demo/series_master.h5"].frames)
    mesh_frames = np.full(MESH_SHAPE, -1)
    mesh_frames[_mesh_points()] = np.arange(MESH_FRAMES)
    return {
        "wavelength_angstrom": WAVELENGTH_ANGSTROM,
        "polarization": POLARIZATION,
        "reference_rate": REFERENCE_RATE,
        "rings": {
            "demo/lab6::1": {"waxs": calibrant_rings("LaB6", "waxs")},
            "demo/agbh::1": {"saxs": calibrant_rings("AgBh", "saxs")},
        },
        "runs": {
            raw: {
                "frames": run.frames,
                "frame_time_s": run.frame_time_s,
                "ic1": run.ic1(),
                "diode": run.diode(),
                "transmission": run.transmission,
                "sample": run.sample,
                "empty": run.empty,
            }
            for raw, run in RUNS.items()
        },
        "samx_mm": SAMPLE_POSITIONS,
        "phase_fraction": phase_fraction(SAMPLE_POSITIONS),
        "series_peaks": series_peaks(frames),
        "mesh": {"samz_mm": MESH_SAMZ, "samx_mm": MESH_SAMX, "frame_index": mesh_frames},
    }
