"""A simulated pump-probe run of an X-ray laser: a delay scan, seen by a detector of two tiles.

A ring on a background. Per shot, photons are Poisson around pulse energy x (background + ring x
(1 + A response(delay))) in laser-on shots, with

    response(t) = exp(s^2 / 2 tau^2 - t / tau) erfc((s / tau - t / s) / sqrt 2) / 2

a step that decays with tau, seen through a Gaussian of width s. A photon's charge is a Gaussian cloud around
its place of impact, integrated over pixels. ADU = pedestal + common mode of the tile + noise + gain x charge.
Delays jitter around the steps of the scan; the time tool sees the jitter through a polynomial, and fails at
times. Some shots come without X-rays, some without an image of one tile. Equal seeds give equal photons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class PumpProbe:
    """A pump-probe run. Delays in ps, lengths in pixels, charges in ADU, energies in units of the mean."""

    shape: tuple[int, int, int] = (2, 48, 64)
    steps: tuple[float, ...] = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
    trains_per_step: int = 3
    pulses: int = 12
    pulse_step: int = 4
    first_train: int = 10_000
    missing_train: int = 13  # the train after so many is not recorded
    first_tag: int = 500_000_000
    background: float = 0.02  # photons per pixel
    ring: float = 0.12  # at its maximum
    ring_radius: float = 18.0
    ring_width: float = 4.0
    amplitude: float = 0.5
    decay_ps: float = 2.0
    response_ps: float = 0.1
    jitter_ps: float = 0.2
    time_tool: tuple[float, float, float] = (-1.05, 2e-3, 2e-7)  # ps, per pixel, per pixel squared
    time_tool_error_ps: float = 0.02
    time_tool_fails: float = 0.03
    laser_off_every: int = 3
    without_xrays: float = 0.05
    energy_spread: float = 0.25
    monitor_error: float = 0.005
    lost: tuple[int, ...] = (17, 101)
    cloud: float = 0.2
    adu_per_photon: float = 154.0
    pedestal: float = 1000.0
    pedestal_spread: float = 20.0
    noise: float = 4.0
    common_mode: float = 3.0
    gain_spread: float = 0.02
    photon_energy_eV: float = 9000.0

    @property
    def trains(self) -> int:
        """Number of trains."""
        return len(self.steps) * self.trains_per_step

    @property
    def shots(self) -> int:
        """Number of shots."""
        return self.trains * self.pulses


PUMP_PROBE = PumpProbe()
SIDES = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class SimulatedShots:
    """A run and its truth; n shots.

    frames: (n, tiles, rows, columns) uint16. present: (n, tiles) bool. photons: like frames, what hit each
    pixel. scalars: {name: (n,)}: as measured. delay: (n,) ps, true. energy: (n,) true, 0 without X-rays.
    trains, pulses: (n,). pedestal, gain: (tiles, rows, columns).
    """

    frames: np.ndarray
    present: np.ndarray
    photons: np.ndarray
    scalars: dict[str, np.ndarray]
    delay: np.ndarray
    energy: np.ndarray
    trains: np.ndarray
    pulses: np.ndarray
    pedestal: np.ndarray
    gain: np.ndarray


def response(run: PumpProbe, delay: np.ndarray) -> np.ndarray:
    """The response at delays in ps: 0 long before time zero, 1 just after it for a slow decay."""
    from scipy.special import erfcx

    s, tau = run.response_ps, run.decay_ps
    delay = np.asarray(delay, np.float64)
    u = (s / tau - delay / s) / math.sqrt(2)
    # exp(a) erfc(u) = erfcx(u) exp(a - u^2): neither overflows where the response is 0 or 1.
    a = s**2 / (2 * tau**2) - delay / tau
    late = np.where(u < 0, np.exp(np.minimum(a, 50)) * 2 - erfcx(np.abs(u)) * np.exp(a - u**2), 0)
    early = np.where(u >= 0, erfcx(np.maximum(u, 0)) * np.exp(a - u**2), 0)
    return 0.5 * (late + early)


def expected_photons(
    run: PumpProbe, energy: np.ndarray, delay: np.ndarray, laser: np.ndarray
) -> np.ndarray:
    """Photons of a whole frame to be expected at pulse energies (1: the mean), delays (ps), laser (bool)."""
    background, ring = (part.sum() for part in _pattern(run))
    change = np.where(laser, run.amplitude * response(run, delay), 0.0)
    return energy * (background + ring * (1 + change))


def known_shot_answers(run: PumpProbe = PUMP_PROBE) -> dict[str, Any]:
    """What the analysis of the run must find."""
    background, ring = (float(part.sum()) for part in _pattern(run))
    return {
        "shots": run.shots,
        "lost_images": len(run.lost),
        "missing_trains": 1,
        "steps_ps": list(run.steps),
        "photons_per_shot": background + ring,
        "ring_fraction": ring / (background + ring),
        "amplitude": run.amplitude,
        "decay_ps": run.decay_ps,
        "response_ps": run.response_ps,
        "jitter_ps": run.jitter_ps,
        "time_tool_coefficients": list(run.time_tool),
        "adu_per_photon": run.adu_per_photon,
        "noise_adu": run.noise,
        "common_mode_adu": run.common_mode,
        "cloud_pixels": run.cloud,
        "photon_energy_eV": run.photon_energy_eV,
    }


def simulate_shots(
    run: PumpProbe = PUMP_PROBE, seed: int = 0, dark: bool = False
) -> SimulatedShots:
    """The shots of a run, or of its dark run (same pedestal, no light)."""
    pixels = np.random.default_rng([seed, 0])
    pedestal = pixels.normal(run.pedestal, run.pedestal_spread, run.shape)
    gain = pixels.normal(1.0, run.gain_spread, run.shape)
    machine = _machine(run, np.random.default_rng([seed, 1, int(dark)]), dark)
    background, ring = _pattern(run)
    frames = np.empty((run.shots, *run.shape), np.uint16)
    photons = np.zeros(frames.shape, np.uint16)
    change = np.where(machine["laser"], run.amplitude * response(run, machine["delay"]), 0.0)
    for shot in range(run.shots):
        # Every shot has a generator of its own: a shorter run has the same shots.
        random = np.random.default_rng([seed, 2, int(dark), shot])
        expected = machine["energy"][shot] * (background + ring * (1 + change[shot]))
        photons[shot] = random.poisson(expected)
        frames[shot] = _frame(run, photons[shot], pedestal, gain, random)
    present = np.ones((run.shots, run.shape[0]), bool)
    if not dark:
        present[list(run.lost), -1] = False
    numbers = np.arange(run.trains)
    numbers += run.first_train + (numbers >= run.missing_train)
    return SimulatedShots(
        frames=frames,
        present=present,
        photons=photons,
        scalars=_measured(run, machine, np.random.default_rng([seed, 3, int(dark)])),
        delay=machine["delay"],
        energy=machine["energy"],
        trains=np.repeat(numbers, run.pulses),
        pulses=np.tile(np.arange(run.pulses) * run.pulse_step, run.trains),
        pedestal=pedestal,
        gain=gain,
    )


def _pattern(run: PumpProbe) -> tuple[np.ndarray, np.ndarray]:
    """Photons per pixel of a mean pulse: background and ring, around the middle of the tiles, stacked."""
    tiles, rows, columns = run.shape
    y = np.arange(tiles * rows)[:, None] - (tiles * rows - 1) / 2
    x = np.arange(columns)[None, :] - (columns - 1) / 2
    distance = (np.hypot(y, x) - run.ring_radius) / run.ring_width
    ring = run.ring * np.exp(-(distance**2) / 2)
    return np.full(run.shape, run.background), ring.reshape(run.shape)


def _machine(run: PumpProbe, random: np.random.Generator, dark: bool) -> dict[str, np.ndarray]:
    """What truly happened in each shot: energy, xray, laser, step, delay."""
    shots = run.shots
    numbers = np.arange(shots)
    step = np.repeat(run.steps, run.trains_per_step * run.pulses)
    xray = (random.random(shots) >= run.without_xrays) & (not dark)
    # So many modes that the energy spreads as wanted: pulses of a self-amplified laser.
    modes = 1 / run.energy_spread**2
    energy = np.where(xray, random.gamma(modes, 1 / modes, shots), 0.0)
    laser = (numbers % run.laser_off_every != run.laser_off_every - 1) & (not dark)
    delay = step + random.normal(0, run.jitter_ps, shots)
    return {"energy": energy, "xray": xray, "laser": laser, "step": step, "delay": delay}


def _measured(run: PumpProbe, machine, random: np.random.Generator) -> dict[str, np.ndarray]:
    shots = run.shots
    offset = random.normal(0, 0.05, (2, shots))
    shares = {"left": -offset[0], "right": offset[0], "top": offset[1], "bottom": -offset[1]}
    diodes = {
        f"diode_{side}": machine["energy"]
        * (1 + share)
        / 4
        * (1 + random.normal(0, run.monitor_error, shots))
        for side, share in shares.items()
    }
    c0, c1, c2 = run.time_tool
    seen = machine["delay"] - machine["step"] + random.normal(0, run.time_tool_error_ps, shots)
    position = (-c1 + np.sqrt(c1**2 - 4 * c2 * (c0 - seen))) / (2 * c2)
    works = machine["xray"] & machine["laser"] & (random.random(shots) >= run.time_tool_fails)
    return {
        "xray": machine["xray"].astype(np.int32),
        "laser": machine["laser"].astype(np.int32),
        "delay": machine["step"],
        "time_tool": np.where(works, position, 0.0),
        **diodes,
    }


def _frame(run: PumpProbe, photons, pedestal, gain, random: np.random.Generator) -> np.ndarray:
    charge = _shared_charge(photons, run.cloud, random)
    adu = pedestal + gain * charge * run.adu_per_photon
    adu += random.normal(0, run.common_mode, (len(photons), 1, 1))
    adu += random.normal(0, run.noise, photons.shape)
    return np.clip(np.round(adu), 0, np.iinfo(np.uint16).max).astype(np.uint16)


def _shared_charge(photons: np.ndarray, cloud: float, random: np.random.Generator) -> np.ndarray:
    """Charge per pixel in photons: each cloud over 3 x 3 pixels; what falls off a tile is lost."""
    from scipy.special import ndtr

    tiles, rows, columns = photons.shape
    tile, row, column = (np.repeat(index, photons[photons > 0]) for index in np.nonzero(photons))
    charge = np.zeros((tiles, rows + 2, columns + 2))
    edges = np.array([-1.0, 0.0, 1.0, 2.0])
    shares = [
        np.diff(ndtr((edges - random.random(len(tile))[:, None]) / cloud), axis=1) for _ in range(2)
    ]
    for i in range(3):
        for j in range(3):
            np.add.at(charge, (tile, row + i, column + j), shares[0][:, i] * shares[1][:, j])
    return charge[:, 1:-1, 1:-1]
