"""A run of simulated speckles and its correlation functions by plain numpy, for what reads results."""

from __future__ import annotations

from typing import Any

import numpy as np

from scatterflow.detectors.qmap import Partition, QMap, make_qmap
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames, q_of_pixels
from scatterflow.xpcs.acquisition import Acquisition
from scatterflow.xpcs.correlation import Correlation
from scatterflow.xpcs.frames import Frames
from scatterflow.xpcs.g2 import G2Result
from scatterflow.xpcs.twotime_result import TwoTimeResult

FRAME_TIME_S, STRIDE, AVERAGE = 0.01, 2, 3
RUN = SpeckleRun(
    shape=(48, 56),
    frames=240,
    photons=3.0,
    beam_row=22.0,
    beam_column=27.0,
    tau_frames=8.0,
    q_reference=1.5e-3,
    tau_exponent=1.0,
)
ENERGY_KEV, PIXEL_M = 10.0, 75e-6
# q of a pixel is small-angle: distance * k * pixel / detector distance.
DISTANCE_M = PIXEL_M * 2 * np.pi * ENERGY_KEV / 12.39841984 / RUN.q_per_pixel
SETTINGS: dict[str, Any] = {
    "frames": {"begin": 0, "end": None, "stride": STRIDE, "average": AVERAGE, "bad": None},
    "preprocessing": {"normalise": "none", "dark_frames": None},
    "crop": None,
    "multitau": {
        "lags": "multitau",
        "delays_per_level": 4,
        "normalisation": "static_bins",
        "errors": "speckles",
        "partial": 3,
        "save_pixels": True,
    },
    "twotime": {"bins": None, "smoothing": "none", "partial": 3, "largest_map": 2000},
    "speckle_statistics": None,
}
DESCRIPTION: dict[str, Any] = {
    "run": "made_0001",
    "reduction": "xpcs",
    "sample": "silica",
    "experiment": {
        "title": "speckles",
        "proposal": "12345",
        "creators": ["A. Author"],
        "facility": "nowhere",
        "facility_type": "Synchrotron X-ray Source",
        "beamline": "8-ID",
    },
}


def made_qmap(phi_bins: int = 1) -> QMap:
    """Five rings of three static bins each, in `phi_bins` sectors; one corner is masked."""
    q = q_of_pixels(RUN)
    rows, columns = np.indices(RUN.shape)
    phi = -np.degrees(np.arctan2(rows - RUN.beam_row, columns - RUN.beam_column))
    edges = np.linspace(5e-4, 2e-3, 16)
    fine = np.digitize(q, edges) - 1
    inside = (fine >= 0) & (fine < 15)
    sector = np.minimum(((phi + 180) / 360 * phi_bins).astype(int), phi_bins - 1)
    good = np.ones(RUN.shape, bool)
    good[:6, :9] = False
    parts = []
    for interval, count in ((fine // 3, 5), (fine, 15)):
        span = np.linspace(5e-4, 2e-3, count + 1)
        centres = (span[:-1] + span[1:]) / 2
        phis = -180 + 360 * (np.arange(phi_bins) + 0.5) / phi_bins
        lists = (centres, phis) if phi_bins > 1 else (centres,)
        number = np.where(inside, interval * phi_bins + sector + 1, 0)
        index = np.arange(count * phi_bins)
        values = np.stack([axis.reshape(-1) for axis in np.meshgrid(*lists, indexing="ij")], 1)
        parts.append(Partition(number.astype(np.uint32), index, values, (count, phi_bins), lists))
    names, units = ("q", "phi"), ("1/angstrom", "degree")
    attributes = {
        "beam_center_x": RUN.beam_column,
        "beam_center_y": RUN.beam_row,
        "pixel_size": PIXEL_M,
        "energy": ENERGY_KEV,
        "detector_distance": DISTANCE_M,
    }
    count = 1 + (phi_bins > 1)
    return make_qmap(*parts, good, names[:count], units[:count], attributes, "made")


def made_counts(seed: int = 5) -> np.ndarray:
    """All frames, (N, rows, columns) float64."""
    return np.concatenate([block for _, block in photon_frames(RUN, seed)]).astype(np.float64)


def multitau_delays(frames: int, delays_per_level: int = 4) -> list[tuple[int, int]]:
    """(level, delay in frames), the list of the definition, cut where fewer than 2 pairs are left."""
    found, level = [], 0
    while frames >> level > 2:
        first = 1 if level == 0 else delays_per_level + 1
        found += [
            (level, k << level)
            for k in range(first, 2 * delays_per_level + 1)
            if k + 1 < frames >> level
        ]
        level += 1
    return found


def pixel_means(counts: np.ndarray, level: int, delay: int) -> np.ndarray:
    """G2, IP, IF of every pixel, (3, ...): means over the pairs of frames of a level."""
    length = 1 << level
    whole = counts[: len(counts) // length * length]
    coarse = whole.reshape(-1, length, *counts.shape[1:]).mean(axis=1)
    lag = delay // length
    first, last = coarse[: len(coarse) - lag], coarse[lag:]
    return np.stack([(first * last).mean(axis=0), first.mean(axis=0), last.mean(axis=0)])


def static_g2(means: np.ndarray, qmap: QMap) -> np.ndarray:
    """g2 of each dynamic bin: mean over its static bins of <G2> / (<IP> <IF>)."""
    static = [
        means[:, qmap.static == number + 1].mean(axis=1) for number in range(qmap.static_bins)
    ]
    of_static = np.array([g / (p * f) for g, p, f in static])
    return np.array([of_static[qmap.parent == bin_].mean() for bin_ in range(qmap.dynamic_bins)])


def made_twotime(counts: np.ndarray, qmap: QMap, bin_: int) -> np.ndarray:
    """C2 = n sum_p x x / (S S) of a dynamic bin (from 1), (N, N)."""
    pixels = counts[:, qmap.dynamic == bin_]
    total = pixels.sum(axis=1)
    return pixels.shape[1] * (pixels @ pixels.T) / np.outer(total, total)


def diagonal_means(c2: np.ndarray) -> np.ndarray:
    """Mean of C2 by lag, from 0."""
    return np.array([np.diagonal(c2, lag).mean() for lag in range(len(c2))])


def made_correlation(phi_bins: int = 1, seed: int = 5, **settings: Any) -> Correlation:
    """What a reduction of the simulated run finds; settings: parts of the configuration to replace."""
    qmap, counts = made_qmap(phi_bins), made_counts(seed)
    return Correlation(
        qmap=qmap,
        frames=_frames(counts, qmap),
        g2=_g2(counts, qmap),
        acquisition=made_acquisition(),
        settings={**SETTINGS, **settings},
        description=DESCRIPTION,
        twotime=tuple(_twotime(counts, qmap, number) for number in (2, 4)),
        provenance={"raw_files": [{"path": "raw/made.imm", "size": 1, "sha256": None}]},
    )


def made_acquisition() -> Acquisition:
    """Times and geometry of the run."""
    return Acquisition(
        frame_time_s=FRAME_TIME_S,
        count_time_s=0.009,
        energy_kev=ENERGY_KEV,
        distance_m=DISTANCE_M,
        beam_centre_row=RUN.beam_row,
        beam_centre_column=RUN.beam_column,
        pixel_size_m=(PIXEL_M, PIXEL_M),
        start_time="2026-11-21T10:00:00+00:00",
        end_time=None,
        detector="made",
        sample={"temperature_K": 300.0},
        raw={},
    )


def _frames(counts: np.ndarray, qmap: QMap) -> Frames:
    used = counts.reshape(len(counts), -1)[:, qmap.pixels]
    membership = qmap.static_of_position[:, None] == np.arange(qmap.static_bins)
    static = used @ membership
    pixels = membership.sum(axis=0)
    valid = np.ones(len(counts), bool)
    valid[[17, 90]] = False
    reason = np.where(valid, 0, 4).astype(np.uint8)
    parts = [part.mean(axis=0) / pixels for part in np.array_split(static, 4)]
    mean = counts.mean(axis=0)
    static_mean = static.mean(axis=0) / pixels
    return Frames(
        valid=valid,
        scale=np.ones(len(counts)),
        total=used.sum(axis=1),
        detector_total=counts.sum(axis=(1, 2)),
        reason=reason,
        static_sums=static,
        static_pixels=pixels,
        mean=mean,
        mean_variance=counts.var(axis=0) / len(counts),
        static_mean=static_mean,
        static_error=np.sqrt(static_mean / pixels / len(counts)),
        segments=np.stack(parts),
        unscaled=True,
    )


def _g2(counts: np.ndarray, qmap: QMap) -> G2Result:
    lags = multitau_delays(len(counts))

    def of(part: np.ndarray) -> np.ndarray:
        return np.array(
            [
                static_g2(pixel_means(part, *lag), qmap)
                if lag[1] + (2 << lag[0]) <= len(part)
                else np.full(qmap.dynamic_bins, np.nan)
                for lag in lags
            ]
        )

    partial = np.stack([of(part) for part in np.array_split(counts, 3)])
    delay = np.array([delay for _, delay in lags])
    bins = np.arange(1, qmap.dynamic_bins + 1)
    error = 0.004 * np.sqrt(delay)[:, None] * (1 + 0.1 * bins)
    return G2Result(
        delay=delay,
        level=np.array([level for level, _ in lags]),
        pairs=np.array([(len(counts) >> level) - (delay >> level) for level, delay in lags]),
        g2=of(counts),
        empty=np.zeros((delay.size, qmap.dynamic_bins), np.int64),
        error=error,
        error_time=1.1 * error,
        partial=partial,
        partial_error=np.repeat(1.7 * error[None], 3, axis=0),
        partial_labels=("0-80", "80-160", "160-240"),
        speckle_size=np.full(qmap.dynamic_bins, 1.0),
        independent_pixels=np.tile(
            np.bincount(qmap.dynamic_of_position).astype(float), (delay.size, 1)
        ),
    )


def _twotime(counts: np.ndarray, qmap: QMap, number: int) -> TwoTimeResult:
    c2 = made_twotime(counts, qmap, number)
    frames, windows = len(c2), 3
    length = frames // windows
    parts = [slice(n * length, (n + 1) * length) for n in range(windows)]
    halves = [diagonal_means(c2[half, half]) for half in (slice(0, 120), slice(120, 240))]
    half_g2 = np.full((2, frames), np.nan)
    half_g2[:, :120] = halves
    g2 = diagonal_means(c2)
    return TwoTimeResult(
        bin=number - 1,
        frames=frames,
        pixels=int(np.count_nonzero(qmap.dynamic == number)),
        smoothing="none",
        step=1,
        c2=np.triu(c2).astype(np.float32),
        g2=g2,
        error=np.full(g2.shape, 0.01),
        pairs=np.arange(frames, 0, -1),
        variance=np.array([np.diagonal(c2, lag).var() for lag in range(frames)]),
        chi4=None,
        partial=np.stack([diagonal_means(c2[part, part]) for part in parts]),
        partial_error=np.full((windows, length), 0.02),
        partial_edges=np.arange(windows + 1) * length,
        age_g2=g2[None],
        age_error=np.full((1, frames), 0.01),
        age_centres=np.array([frames / 2]),
        age_width=float(frames),
        half_g2=half_g2,
        half_error=np.full((2, frames), 0.015),
        stationarity=0.1,
        stationarity_noise=0.1,
    )
