"""Photon frames of a fluctuating speckle pattern whose every statistic is known.

Each pixel p and mode j holds a complex Gaussian field that forgets itself from frame to frame,

    E(t + 1) = a E(t) + sqrt(1 - a^2) noise,      a = exp(-1 / tau),    <|E|^2> = 1,

an autoregressive process of first order (Box & Jenkins, Time Series Analysis, 1970): g1(n) = exp(-n/tau)
exactly, for n frames. The photons of a frame are drawn from the Poisson distribution of mean

    I(q) W(t) b(t),     W = mean of |E|^2 over the modes,

I the mean intensity and b the beam's, so that g2(n) = 1 + exp(-2 n/tau) / modes (Siegert). A frame is
an instant: nothing averages over its exposure. Noise that neighbouring pixels share makes speckles larger
than a pixel and changes nothing in the time of any one pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError

FIELDS, PHOTONS, BEAM = range(3)
"""Streams of random numbers, so that dense and sparse drawing see the same fields."""


@dataclass(frozen=True)
class SpeckleRun:
    """What is simulated; q of a pixel is its distance from the beam times `q_per_pixel`.

    shape: (rows, columns). frames: how many. photons: mean per lit pixel and frame.
    beam_row, beam_column: of the direct beam, pixel centres at whole numbers.
    q_per_pixel: 1/angstrom. beamstop_pixels: radius within which it is dark.
    intensity_exponent: I(q) is proportional to q^-intensity_exponent.
    tau_frames: at q_reference (1/angstrom); tau = tau_frames (q / q_reference)^-tau_exponent.
    modes: incoherent ones; the contrast is 1/modes.
    speckle_block: side of square speckles, pixels. speckle_sigma: of a Gaussian filter of the field instead,
        pixels, 0: none; the intensities of pixels at distance d correlate as exp(-d^2 / (2 speckle_sigma^2)).
    jitter: standard deviation of the beam's intensity from frame to frame, relative.
    """

    shape: tuple[int, int] = (128, 128)
    frames: int = 500
    photons: float = 0.3
    beam_row: float = 63.5
    beam_column: float = 63.5
    q_per_pixel: float = 1e-4
    beamstop_pixels: float = 4.0
    intensity_exponent: float = 1.0
    tau_frames: float = 20.0
    q_reference: float = 3e-3
    tau_exponent: float = 2.0
    modes: int = 1
    speckle_block: int = 1
    speckle_sigma: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if self.speckle_sigma > 0 and self.speckle_block > 1:
            raise UserError(
                "speckles are square and filtered at once",
                "speckle_block, speckle_sigma",
                "give one of them",
            )

    @property
    def contrast(self) -> float:
        """g2 - 1 at no delay."""
        return 1 / self.modes

    @property
    def speckle_area(self) -> float:
        """Pixels per independent speckle: the sum of |g1|^2 between one pixel and all."""
        if self.speckle_sigma > 0:
            return max(1.0, 2 * np.pi * self.speckle_sigma**2)
        return float(self.speckle_block**2)

    @property
    def speckle_fwhm(self) -> float:
        """Full width at half maximum of the spatial correlation of the intensity, pixels, if filtered."""
        return 2 * np.sqrt(2 * np.log(2)) * self.speckle_sigma


def radius_pixels(run: SpeckleRun) -> np.ndarray:
    """Distance of the pixels from the beam, (rows, columns) float64, pixels."""
    rows, columns = np.indices(run.shape)
    return np.hypot(rows - run.beam_row, columns - run.beam_column)


def lit(run: SpeckleRun) -> np.ndarray:
    """Pixels beside the beamstop, (rows, columns) bool."""
    return radius_pixels(run) > run.beamstop_pixels


def q_of_pixels(run: SpeckleRun) -> np.ndarray:
    """Scattering vector, (rows, columns) float64, 1/angstrom."""
    return radius_pixels(run) * run.q_per_pixel


def relaxation_times(run: SpeckleRun, q: np.ndarray) -> np.ndarray:
    """tau(q) in frames; q: 1/angstrom, above 0."""
    return run.tau_frames * (q / run.q_reference) ** -run.tau_exponent


def mean_photons(run: SpeckleRun) -> np.ndarray:
    """Expected photons per pixel and frame, (rows, columns) float64; 0 behind the beamstop."""
    bright = lit(run)
    q = np.where(bright, q_of_pixels(run), np.inf)
    intensity = np.where(bright, (q / run.q_reference) ** -run.intensity_exponent, 0.0)
    return intensity * (run.photons / intensity[bright].mean())


def photon_frames(
    run: SpeckleRun, seed: int, most_frames: int = 64
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of frames in order: number of the first, (n <= most_frames, rows, columns) uint16.

    Equal seeds give equal photons, whatever `most_frames` is.
    """
    random = _random(seed, PHOTONS)
    expected = expected_photons(run, seed)
    for start in range(0, run.frames, most_frames):
        count = min(most_frames, run.frames - start)
        frames = np.empty((count, *run.shape), dtype=np.uint16)
        for frame in range(count):
            photons = random.poisson(next(expected))
            if photons.max() > np.iinfo(np.uint16).max:
                raise UserError(
                    f"{photons.max()} photons in a pixel", "photons", "simulate fewer than 65536"
                )
            frames[frame] = photons
        yield start, frames


def photon_events(run: SpeckleRun, seed: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Frames in order: number, (n,) int64 flat pixels ascending, (n,) uint32 photons above 0.

    The same law as `photon_frames` of the same fields, drawn in time proportional to the photons: their
    number is Poisson distributed, and each falls into a pixel with a probability proportional to its mean.
    """
    random = _random(seed, PHOTONS)
    for frame, expected in enumerate(expected_photons(run, seed)):
        edges = np.cumsum(expected, dtype=np.float64)
        places = random.random(random.poisson(edges[-1])) * edges[-1]
        # side right: a pixel of mean 0 is never hit.
        pixels, photons = np.unique(
            np.searchsorted(edges, places, side="right"), return_counts=True
        )
        yield frame, pixels.astype(np.int64), photons.astype(np.uint32)


def expected_photons(run: SpeckleRun, seed: int) -> Iterator[np.ndarray]:
    """Mean of the Poisson distribution of every pixel, frame after frame, (rows, columns) float32."""
    random, beam = _random(seed, FIELDS), _random(seed, BEAM)
    mean = mean_photons(run).astype(np.float32) / np.float32(2 * run.modes)
    q = np.where(lit(run), q_of_pixels(run), run.q_reference)
    kept = np.exp(-1 / relaxation_times(run, q))
    renewed = np.sqrt(1 - kept**2).astype(np.float32)
    kept = kept.astype(np.float32)
    # Real and imaginary parts of variance 1: their squares sum up to 2 modes on average.
    fields = _noise(run, random)
    for _ in range(run.frames):
        intensity = np.einsum("mrc,mrc->rc", fields, fields)
        yield mean * intensity * np.float32(_beam(run, beam))
        fields *= kept
        fields += renewed * _noise(run, random)


def _random(seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, stream])


def _beam(run: SpeckleRun, random: np.random.Generator) -> float:
    """Intensity of the beam in a frame: gamma distributed, of mean 1, as it cannot be negative."""
    if run.jitter == 0:
        return 1.0
    shape = run.jitter**-2
    return float(random.gamma(shape)) / shape


def _noise(run: SpeckleRun, random: np.random.Generator) -> np.ndarray:
    """(2 modes, rows, columns) float32 standard normal, shared by the pixels of a speckle."""
    rows, columns = run.shape
    block = run.speckle_block
    noise = random.standard_normal(
        (2 * run.modes, -(-rows // block), -(-columns // block)), dtype=np.float32
    )
    if run.speckle_sigma > 0:
        return _filtered(noise, run.speckle_sigma)
    if block == 1:
        return noise
    return noise.repeat(block, axis=1).repeat(block, axis=2)[:, :rows, :columns]


def _filtered(noise: np.ndarray, sigma: float) -> np.ndarray:
    """White noise smoothed by a Gaussian and brought back to variance 1; opposite edges are neighbours."""
    from scipy.ndimage import gaussian_filter

    single = np.zeros(noise.shape[1:], dtype=np.float32)
    single[0, 0] = 1
    scale = np.sqrt(np.sum(gaussian_filter(single, sigma, mode="wrap") ** 2, dtype=np.float64))
    return gaussian_filter(noise, sigma, mode="wrap", axes=(1, 2)) / np.float32(scale)
