"""Waveforms of digitisers, shot by shot: integrals, hits, amplitudes of known pulses.

`integrate`     the samples of a window less the median of a background window, summed; its error from the
                noise of the background, 1.4826 x median deviation: s sqrt(n + pi n^2 / (2 m)), n samples
                in the window and m in the background, whose median has an error, too
`simple_hits`   places where the trace stays above a threshold: position and height of the largest sample
`fraction_hits` constant-fraction discriminator (Gedcke & McDonald, Nucl. Instrum. Methods 55 (1967) 377): the
                trace less its median, smoothed, and of it fraction x trace - delayed trace; where that
                falls through 0 within a region above `sigmas` of noise. The time does not depend on the
                height of a pulse; between samples it is interpolated
`svd_basis`,    the first components of the singular value decomposition of single-pulse traces, signs such
`fit_pulses`    that the largest sample of each is positive; amplitudes of pulses at known delays by least
                squares on shifted copies of them

What smalldata_tools calls wave integration, simple and CFD hit finder, and svdFit. Times are in samples.
Traces are (n, samples), or (n, channels, samples); a trace with NaN gives NaN, or no hits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots.settings import needed, refuse_unknown

SIGMA_OF_MEDIAN_DEVIATION = 1.482602218505602
FRACTION, DELAY, SIGMAS, SMOOTHING, MOST = 0.75, 25, 4.0, 35.0, 100


def integrate(traces: np.ndarray, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """sum, sum_error, background of each trace, (n,) or (n, channels) float64.

    settings: window, background: [first, last + 1] samples. Raises UserError.
    """
    refuse_unknown(settings, ("window", "background"), "waveforms")
    window = _window(settings, "window", traces.shape[-1])
    before = _window(settings, "background", traces.shape[-1])
    traces = traces.astype(np.float64)
    background = np.median(traces[..., before], axis=-1)
    noise = _noise(traces[..., before], background)
    inside, outside = window.stop - window.start, before.stop - before.start
    growth = math.sqrt(inside + math.pi * inside**2 / (2 * outside))
    return {
        "sum": (traces[..., window] - background[..., None]).sum(axis=-1),
        "sum_error": noise * growth,
        "background": background,
    }


def simple_hits(traces: np.ndarray, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Places above a threshold.

    settings: threshold; window ([first, last + 1], None: all); most (100). nhits: (n, ...) int64, all there
    are; time, height: (n, ..., most) float64, the first of them, then NaN. Raises UserError.
    """
    refuse_unknown(settings, ("threshold", "window", "most"), "waveforms")
    threshold = float(needed(settings, "threshold", "simple_hits"))
    window = _window(settings, "window", traces.shape[-1])

    def find(trace: np.ndarray) -> list[tuple[float, float]]:
        trace = trace[window]
        peaks = (
            start + int(np.argmax(trace[start:stop])) for start, stop in _runs(trace > threshold)
        )
        return [(window.start + peak, trace[peak]) for peak in peaks]

    return _hits(traces, find, int(settings.get("most", MOST)))


def fraction_hits(traces: np.ndarray, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Times of pulses by constant fraction.

    settings: fraction (0.75), delay (25 samples), sigmas (4), smoothing (35 samples, standard deviation of
    the Gaussian; 0: none), negative (False): pulses go down; most (100). As `simple_hits`; height: largest
    smoothed sample of the pulse over the median. Raises UserError.
    """
    refuse_unknown(
        settings, ("fraction", "delay", "sigmas", "smoothing", "negative", "most"), "waveforms"
    )
    fraction, delay = float(settings.get("fraction", FRACTION)), int(settings.get("delay", DELAY))
    if not 0 < fraction < 1 or not 1 <= delay < traces.shape[-1]:
        raise UserError(
            f"a fraction of {fraction} and a delay of {delay} samples",
            "fraction_hits",
            "give a fraction between 0 and 1, and a delay of 1 to fewer than all samples",
        )
    kernel = _gaussian(float(settings.get("smoothing", SMOOTHING)), traces.shape[-1])
    sigmas = float(settings.get("sigmas", SIGMAS))
    sign = -1.0 if settings.get("negative") else 1.0

    def find(trace: np.ndarray) -> list[tuple[float, float]]:
        pulses = sign * (trace - np.median(trace))
        pulses = _smoothed(pulses, kernel)
        noise = _noise(pulses, np.median(pulses))
        crossing = fraction * pulses
        crossing[delay:] -= pulses[:-delay]
        found = []
        for start, stop in _runs(pulses > sigmas * noise):
            time = _falls_through_zero(crossing, start, min(stop + delay, trace.size))
            if time is not None:
                found.append((time, float(pulses[start:stop].max())))
        return found

    return _hits(traces, find, int(settings.get("most", MOST)))


@dataclass(frozen=True)
class PulseFit:
    """components: (k, samples) float64, orthonormal; model: (samples, pulses k), pulses shifted; inverse:
    its pseudo-inverse, (pulses k, samples); background: samples whose median is taken off."""

    components: np.ndarray
    model: np.ndarray
    inverse: np.ndarray
    pulses: int
    background: slice | None


def svd_basis(
    traces: np.ndarray, components: int, background: Sequence[int] | None = None
) -> np.ndarray:
    """First right singular vectors of single-pulse traces, (components, samples) float64.

    traces: (n, samples). background: [first, last + 1] samples whose median is taken off; None: none. Signs
    do not depend on the library: the largest sample is positive. Raises UserError for more
    components than traces or samples, and for traces with NaN.
    """
    rows = _less_background(traces.astype(np.float64), _background(background, traces.shape[-1]))
    if not np.isfinite(rows).all():
        raise UserError("traces with NaN", "svd_basis", "leave these shots out of the basis")
    if not 1 <= components <= min(rows.shape):
        raise UserError(
            f"{components} components of {rows.shape[0]} traces of {rows.shape[1]} samples",
            "svd_basis: components",
            "give at least 1, and no more than there are traces and samples",
        )
    basis = np.linalg.svd(rows, full_matrices=False)[2][:components]
    largest = np.argmax(np.abs(basis), axis=1)
    return basis * np.sign(basis[np.arange(components), largest])[:, None]


def prepare_pulse_fit(
    components: np.ndarray, delays: Sequence[int] = (0,), background: Sequence[int] | None = None
) -> PulseFit:
    """Least squares of pulses at known delays, in samples after that of the basis.

    components: (k, samples), from `svd_basis`. Raises UserError for delays outside of the trace or twice the
    same.
    """
    size = components.shape[1]
    if len(set(delays)) != len(delays) or not all(-size < delay < size for delay in delays):
        raise UserError(
            f"pulses at delays {list(delays)} of {size} samples",
            "fit_pulses: delays",
            "give different whole numbers of samples, shorter than the trace",
        )
    model = np.zeros((size, len(delays) * len(components)))
    for pulse, delay in enumerate(delays):
        own = slice(pulse * len(components), (pulse + 1) * len(components))
        kept = slice(max(delay, 0), size + min(delay, 0))
        model[kept, own] = components[:, max(-delay, 0) : size - max(delay, 0)].T
    return PulseFit(
        components, model, np.linalg.pinv(model), len(delays), _background(background, size)
    )


def fit_pulses(traces: np.ndarray, fit: PulseFit) -> dict[str, np.ndarray]:
    """Amplitudes of pulses in each trace.

    traces: (n, samples). coefficients: (n, pulses, k); intensities: (n, pulses), largest sample of each
    pulse; norms: (n, pulses), square root of the sum of its squared coefficients; score: (n,), 1 - residual
    sum of squares / sum of squares about the mean (r²). Raises UserError for traces of another length.
    """
    if traces.shape[-1] != len(fit.model) or traces.ndim != 2:
        raise UserError(
            f"traces {traces.shape[1:]} and a basis of {len(fit.model)} samples",
            "fit_pulses",
            "make the basis from traces of the same length",
        )
    rows = _less_background(traces.astype(np.float64), fit.background)
    coefficients = rows @ fit.inverse.T
    residual = np.sum((rows - coefficients @ fit.model.T) ** 2, axis=1)
    spread = np.sum((rows - rows.mean(axis=1, keepdims=True)) ** 2, axis=1)
    coefficients = coefficients.reshape(len(rows), fit.pulses, len(fit.components))
    pulses = coefficients @ fit.components
    return {
        "coefficients": coefficients,
        "intensities": pulses.max(axis=2),
        "norms": np.linalg.norm(coefficients, axis=2),
        "score": np.where(spread > 0, 1 - residual / np.where(spread > 0, spread, 1.0), np.nan),
    }


def _hits(traces: np.ndarray, find: Any, most: int) -> dict[str, np.ndarray]:
    """nhits, time and height of all traces; find: of one, finite and float64."""
    if most < 1:
        raise UserError(f"at most {most} hits", "waveforms: most", "give 1 or more")
    rows = traces.astype(np.float64).reshape(math.prod(traces.shape[:-1]), traces.shape[-1])
    number = np.zeros(len(rows), np.int64)
    values = np.full((2, len(rows), most), np.nan)
    for place, trace in enumerate(rows):
        hits = find(trace) if np.isfinite(trace).all() else []
        number[place] = len(hits)
        for hit, pair in enumerate(hits[:most]):
            values[:, place, hit] = pair
    shape = traces.shape[:-1]
    time, height = values.reshape(2, *shape, most)
    return {"nhits": number.reshape(shape), "time": time, "height": height}


def _runs(above: np.ndarray) -> np.ndarray:
    """(k, 2) first and last + 1 of the runs of True."""
    steps = np.diff(np.concatenate([[False], above, [False]]).astype(np.int8))
    return np.stack([np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)], axis=1)


def _falls_through_zero(signal: np.ndarray, start: int, stop: int) -> float | None:
    """First time from sample start to stop - 1 at which the signal falls from above 0 to 0 or below."""
    part = signal[start:stop]
    falls = np.flatnonzero((part[:-1] > 0) & (part[1:] <= 0))
    if falls.size == 0:
        return None
    first = falls[0]
    return float(start + first + part[first] / (part[first] - part[first + 1]))


def _gaussian(sigma: float, samples: int) -> np.ndarray:
    if not sigma >= 0 or 8 * sigma > samples:
        raise UserError(
            f"smoothing over {sigma} of {samples} samples",
            "fraction_hits: smoothing",
            "give the standard deviation in samples, an eighth of the trace at most, or 0",
        )
    if sigma == 0:
        return np.ones(1)
    reach = math.ceil(4 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return weights / weights.sum()


def _smoothed(trace: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution, the ends mirrored."""
    reach = kernel.size // 2
    return np.convolve(np.pad(trace, reach, mode="symmetric"), kernel, mode="valid")


def _noise(traces: np.ndarray, middle: np.ndarray) -> np.ndarray:
    deviation = np.abs(traces - np.asarray(middle)[..., None])
    return SIGMA_OF_MEDIAN_DEVIATION * np.median(deviation, axis=-1)


def _less_background(rows: np.ndarray, background: slice | None) -> np.ndarray:
    if background is None:
        return rows
    return rows - np.median(rows[:, background], axis=1, keepdims=True)


def _background(given: Sequence[int] | None, samples: int) -> slice | None:
    return None if given is None else _window({"background": given}, "background", samples)


def _window(settings: Mapping[str, Any], name: str, samples: int) -> slice:
    given = settings.get(name)
    if given is None:
        return slice(0, samples)
    if len(given) != 2 or not 0 <= int(given[0]) < int(given[1]) <= samples:
        raise UserError(
            f"a window {list(given)} of {samples} samples",
            f"waveforms: {name}",
            "give [first, last + 1] within the trace",
        )
    return slice(int(given[0]), int(given[1]))
