"""Photons shot by shot: droplets, the photons in them, photon maps.

What `droplet`, `droplet2Photons` and `photon` do in SLAC's smalldata_tools, in the names of
its small data files (`nDroplets`, `data`, `row`, `col`, `tile`, `npix`, `prob`, `nPhot`), for frames in
memory. Settings are plain dictionaries. Of droplets:

    threshold       of a droplet's bright pixels (`threshold`)
    threshold_low   of the pixels beside them; None: the same (`thresholdLow`)
    in_noise        thresholds are in units of the pixels' noise, else in ADU (`useRms`); True
    least_adu       droplets of a lower sum are left out (`thresADU`); None: none
    most_adu        brighter pixels count as 0 (`pixmax`); None: none
    shapes          add bounding boxes and second moments; False
    photons         settings of photons, or None

of photons:

    adu_per_photon
    method          "guess", the greedy guess of `droplet2Photons`, or "fit", by a model of the charge cloud
    probabilities   shares of pixels with k photons, `prob`; True
    noise, cloud    fit only: of a pixel, in photons; standard deviation of the charge cloud, in pixels
    density         fit only: photons a pixel that are expected; None: as much as is in the frame's droplets

Frames are (n, rows, columns) or (n, tiles, rows, columns); results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.photon_pairs import PairSpace, new_pair_space, pair_photons
from scatterflow.shots.droplet_frames import CLASSES, DropletFinder, as_tiles, positive
from scatterflow.shots.ragged import joined, unsparsify

M = TypeVar("M")
R = TypeVar("R")
PAIR_FRACTION = 0.9


def droplets(
    frames: np.ndarray,
    good: np.ndarray,
    settings: Mapping[str, Any],
    *,
    noise: np.ndarray | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Droplets of each shot, and the photons in them.

    frames: calibrated, in ADU. good: bool, of one frame; noise: rms over gain in ADU, of one frame,
    where thresholds are in its units.

    Returns nDroplets_all, nDroplets: (n,) int64, before and after the cut by `least_adu`; droplets: `Ragged`
    of data (sum, ADU), npix, row, col (centre of mass in the tile), tile, with `shapes` box (first row
    and column, last row and column) and moments (variance of rows, covariance, variance of columns,
    pixels²).
    With photons: nPhotons (n,) int64, photons: `Ragged` of row, col (float64), tile, data (always 1), and
    prob (n, 12): share of good pixels with 0..10 photons, and photons per good pixel.
    Raises UserError for settings that cannot be, constants of another shape, damaged pixels that would
    hold millions of photons.
    """
    finder = DropletFinder(frames, good, settings, noise)
    found = _by_frame(finder.memory, finder.find, len(frames), threads)
    empty = finder.empty()
    results: dict[str, Any] = {
        "nDroplets_all": np.array([one.found for one in found], np.int64),
        "nDroplets": np.array([len(one.droplets["data"]) for one in found], np.int64),
        "droplets": joined([one.droplets for one in found], empty.droplets),
    }
    if finder.photons is None:
        return results
    lists = joined([one.photons for one in found], empty.photons)
    results |= {"nPhotons": lists.lengths, "photons": lists}
    if finder.photons.probabilities:
        rows = [one.probabilities for one in found]
        results["prob"] = np.array(rows, np.float64).reshape(len(frames), CLASSES + 1)
    return results


def photon_map(
    frames: np.ndarray,
    good: np.ndarray,
    settings: Mapping[str, Any],
    *,
    noise: np.ndarray | None = None,
    threads: int = 1,
) -> dict[str, np.ndarray]:
    """Photons of each pixel and shot: `nPhot` (n,) int64, and `map`, like frames, uint16.

    settings: `method` "pairs" with `adu_per_photon`, `pair_fraction` (0.9) and `least_adu` (None): the
    two-pixel rule; or "droplets" with `droplets`, settings as of `droplets` with photons. 65535 in a map
    is 65535 or more. Photons that the greedy guess puts outside of the frame are in nPhot only.
    Raises UserError as `droplets`.
    """
    method = settings.get("method", "pairs")
    if method == "pairs":
        return _pair_maps(frames, good, settings, threads)
    if method != "droplets":
        raise UserError(
            f"photon maps by {method!r}", "photon_map: method", 'give "pairs" or "droplets"'
        )
    found = droplets(frames, good, settings["droplets"], noise=noise, threads=threads)
    if "photons" not in found:
        raise UserError(
            "a photon map of droplets without photons",
            "photon_map: droplets",
            "give the settings `photons` too",
        )
    return {"nPhot": found["nPhotons"], "map": unsparsify(found["photons"], frames.shape[1:])}


def _pair_maps(
    frames: np.ndarray, good: np.ndarray, settings: Mapping[str, Any], threads: int
) -> dict[str, np.ndarray]:
    values, usable = as_tiles(frames, good)
    adu_per_photon = positive(settings, "adu_per_photon", "photon_map")
    fraction = float(settings.get("pair_fraction", PAIR_FRACTION))
    given = settings.get("least_adu")
    least = -np.inf if given is None else float(given)
    maps = np.empty(values.shape, np.uint16)

    def memory() -> PairSpace:
        return new_pair_space(*values.shape[2:])

    def count(space: PairSpace, shot: int) -> int:
        return sum(
            pair_photons(frame, mask, adu_per_photon, fraction, least, space, counts)
            for frame, mask, counts in zip(values[shot], usable, maps[shot], strict=True)
        )

    photons = _by_frame(memory, count, len(values), threads)
    return {"nPhot": np.array(photons, np.int64), "map": maps.reshape(frames.shape)}


def _by_frame(
    memory: Callable[[], M], reduce: Callable[[M, int], R], frames: int, threads: int
) -> list[R]:
    """`reduce` of every frame, in order; each thread takes a range of them, in memory of its own."""
    edges = [part * frames // threads for part in range(threads + 1)]

    def work(first: int, last: int) -> list[R]:
        own = memory()
        return [reduce(own, frame) for frame in range(first, last)]

    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(work, edges[:-1], edges[1:])
        return [result for part in parts for result in part]
