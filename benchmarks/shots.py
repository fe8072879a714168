"""Shots of an X-ray laser: droplets and the photons in them.

`python benchmarks/shots.py` runs this alone. Frames of 704 x 768 pixels are in memory, calibrated: 160 ADU a
photon, noise of 0.1 photon, charge shared among neighbours, 0.2 % bad pixels. Against a chain of
scipy.ndimage in the same run, whose photons must be the same, and against what smalldata_tools took for its
documented chain on such frames on two cores of an EPYC (one process; July 2026).
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from benchmarks.data import FULL, Size
from benchmarks.measure import Contestant, Timing, measure
from benchmarks.results import Row, command_line, compare, machine
from scatterflow.shots.photon_reductions import droplets

SHAPE = (704, 768)
FRAMES, PEER_FRAMES = 32, 4
ADU = 160.0
NOISE, CLOUD = 0.1, 0.11
HIGH, LOW, LEAST = 0.35 * ADU, 0.22 * ADU, 0.5 * ADU
SMALLDATA = {0.01: 10.2, 0.02: 9.6, 0.05: 7.8}
"""Frames a second of smalldata_tools 578c6c1, droplet + droplet2Photons + sparsify, by photons a pixel."""
SETTINGS: dict[str, Any] = {
    "in_noise": False, "threshold": HIGH, "threshold_low": LOW, "least_adu": LEAST,
}  # fmt: skip
GUESS = {"adu_per_photon": ADU, "probabilities": False}
FIT = {**GUESS, "method": "fit", "noise": NOISE, "cloud": CLOUD}


def shots(size: Size = FULL) -> list[Row]:
    """Droplets and photons at three occupancies."""
    small = size is not FULL
    shape, frames, fewer = ((60, 50), 3, 2) if small else (SHAPE, FRAMES, PEER_FRAMES)
    rows = []
    for density, figure in SMALLDATA.items():
        arguments = {"shape": shape, "density": density}
        ours = {**arguments, "frames": frames}
        contestants = [
            Contestant("guess", our_droplets, {**ours, "photons": GUESS}, frames, 1),
            Contestant("fit", our_droplets, {**ours, "photons": FIT}, frames, 1),
            Contestant("scipy", scipy_droplets, {**arguments, "frames": fewer}, fewer, 1),
        ]
        times = measure(contestants, size.rounds, processes=size.processes)
        same_photons(times["guess"].result[:fewer], times["scipy"].result)
        name = f"{shape[0]} x {shape[1]} shots, {density:g} photons a pixel: droplets"
        rows += [
            compare(
                f"{name}, photons by the greedy guess", "scipy.ndimage and Python, the same photons",
                times["guess"], times["scipy"], times="faster", goal=20,
            ),
            against_figure(f"{name}, photons by the greedy guess", times["guess"], figure, 50),
            compare(
                f"{name}, photons by fits of the charge cloud",
                "the greedy guess by scipy.ndimage and Python",
                times["fit"], times["scipy"], times="faster",
            ),
        ]  # fmt: skip
    return rows


def against_figure(benchmark: str, ours: Timing, figure: float, goal: float) -> Row:
    """Row against a peer's frames a second that were not measured in this run."""
    found = [1 / seconds / figure for seconds in ours.wall]
    ratio = float(f"{1 / ours.seconds / figure:.3g}")
    return Row(
        benchmark=benchmark,
        against="smalldata_tools: droplet + droplet2Photons + sparsify",
        ratio=ratio,
        goal=f">= {goal:g}",
        met=ratio >= goal,
        seconds=ours.seconds,
        peer_seconds=1 / figure,
        machine=machine(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        spread=(min(found), max(found)),
        cpu_seconds=ours.cpu_seconds,
        peer_cpu_seconds=None,
        unit="frame",
        note=f"1 thread, peer 1 process, {figure:g} frames/s measured in July 2026, not in this run",
    )


@functools.cache
def simulated(shape: tuple[int, int], frames: int, density: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, rows, columns) float32 in ADU, and their good pixels."""
    from scipy.special import ndtr

    images = np.empty((frames, shape[0] + 2, shape[1] + 2))
    for number, image in enumerate(images):
        random = np.random.default_rng([int(1000 * density), number])
        image[:] = random.normal(0, NOISE, image.shape)
        place = random.uniform(0, shape, (random.poisson(density * shape[0] * shape[1]), 2))
        pixel = np.floor(place).astype(int)
        for r, c in np.ndindex(3, 3):
            off = pixel - place + [r - 1, c - 1]
            share = (ndtr((off + 1) / CLOUD) - ndtr(off / CLOUD)).prod(axis=1)
            np.add.at(image, (pixel[:, 0] + r, pixel[:, 1] + c), share)
    good = np.random.default_rng(0).random(shape) > 0.002
    return (images[:, 1:-1, 1:-1] * ADU).astype(np.float32), good


def our_droplets(photons: dict[str, Any], **arguments: Any) -> Callable[[], list[np.ndarray]]:
    """Ours: photons (n, 2) of each frame, row and column."""
    frames, good = simulated(**arguments)

    def work() -> list[np.ndarray]:
        found = droplets(frames, good, {**SETTINGS, "photons": photons})["photons"]
        places = np.stack([found.values["row"], found.values["col"]], axis=1)
        return np.split(places, np.cumsum(found.lengths)[:-1])

    return work


def scipy_droplets(**arguments: Any) -> Callable[[], list[np.ndarray]]:
    """The chain of scipy.ndimage; droplets of several photons one by one."""
    frames, good = simulated(**arguments)
    return lambda: [scipy_photons(frame, good) for frame in frames]


def scipy_photons(frame: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Photons (n, 2) of a frame."""
    from scipy import ndimage

    image = np.where(good, frame, 0).astype(np.float64)
    grown = ndimage.binary_dilation(image >= HIGH) & (image >= LOW)
    labels, number = ndimage.label(grown)
    index = np.arange(1, number + 1)
    sums = ndimage.sum_labels(image, labels, index)
    centres = np.array(ndimage.center_of_mass(image, labels, index))
    boxes = ndimage.find_objects(labels)
    counts = np.where(sums >= LEAST, np.floor(sums / ADU + 0.5), 0).astype(int)
    photons = [centres[counts == 1]]
    for label in index[counts > 1]:
        box = boxes[label - 1]
        picture = np.where(labels[box] == label, image[box], 0) / ADU
        corner = [part.start for part in box]
        photons.append(np.array(guessed(picture, counts[label - 1])) + corner)
    return np.concatenate(photons)


def guessed(picture: np.ndarray, number: int) -> list[tuple[float, float]]:
    """Photons of one droplet by the greedy guess."""
    if np.count_nonzero(picture) == 1:
        (place,) = np.argwhere(picture)
        return [tuple(place)] * number
    whole = np.floor(picture)
    photons = [(r, c) for r, c in np.argwhere(whole) for _ in range(int(whole[r, c]))]
    left = np.pad(picture - whole, 1)
    inner = left[1:-1, 1:-1]
    while len(photons) < number:
        r, c = divmod(int(np.argmax(inner)), inner.shape[1])
        around = left[r, c + 1], left[r + 2, c + 1], left[r + 1, c], left[r + 1, c + 2]
        chosen = int(np.argmax(around))
        # Of equal neighbours the right one.
        if sum(other == around[chosen] for other in around) > 1:
            chosen = 3
        away = 1 - inner[r, c]
        y, x = ((-1, 0), (1, 0), (0, -1), (0, 1))[chosen]
        inner[r, c] = 0
        left[r + 1 + y, c + 1 + x] = max(left[r + 1 + y, c + 1 + x] - away, 0)
        photons.append((r + y * away, c + x * away))
    return photons


def same_photons(ours: list[np.ndarray], peers: list[np.ndarray]) -> None:
    """Raises ValueError if the photons of a frame differ."""
    for number, (own, peer) in enumerate(zip(ours, peers, strict=True)):
        ordered = [photons[np.lexsort(np.round(photons, 6).T)] for photons in (own, peer)]
        if own.shape != peer.shape or not np.allclose(*ordered, atol=1e-5):
            raise ValueError(f"frame {number}: {len(own)} photons, the peer finds {len(peer)}")


BENCHMARKS = {"droplets": shots}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
