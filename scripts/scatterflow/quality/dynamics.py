"""Whether g2 can be what it should be: baseline, contrast, blur by the exposure, ageing.

An exposure of length T leaves of the contrast of a field that forgets itself as exp(-t / tau)

    B = (exp(-2 x) - 1 + 2 x) / (2 x^2),        x = T / tau

(Bandyopadhyay and others, Rev. Sci. Instrum. 76 (2005) 093110).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scatterflow.quality.checks import Finding, listed, unknown
from scatterflow.xpcs.analysis import Analysis
from scatterflow.xpcs.correlation import Correlation, bin_number, g2_error
from scatterflow.xpcs.fits import FAILED

LAST_DELAYS = 3
"""So many of the longest delays make the baseline."""
SIGNIFICANT = 3.0
"""A value is outside of its limits where it is by so many standard errors."""
AGEING_NOISE = 1.8
"""A difference between the halves of a run counts where it is so many times what noise gives."""
SHARE = 0.25
"""From this share of bins on a finding holds for the result; below it is a warning."""


def contrast_and_error(g2: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """g2 - 1 at the shortest delay, (Nd,), and its error. g2, error: (T, Nd), delays above 0."""
    return g2[0] - 1, error[0]


def baseline_and_error(g2: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """g2 at the longest delays, (Nd,), and its error."""
    return _weighted(g2[-LAST_DELAYS:], error[-LAST_DELAYS:])


def _weighted(g2: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean by 1 / error^2 over delays. These are of the same photons: their number makes the error no
    smaller."""
    known = np.isfinite(g2) & np.isfinite(error) & (error > 0)
    weight = np.where(known, 1 / np.square(np.where(known, error, 1.0)), 0.0)
    total, number = weight.sum(axis=0), known.sum(axis=0)
    some = number > 0
    value, uncertain = np.full(some.shape, np.nan), np.full(some.shape, np.nan)
    np.divide((weight * np.where(known, g2, 0)).sum(axis=0), total, out=value, where=some)
    np.divide(np.sqrt(number), np.sqrt(total), out=uncertain, where=some)
    return value, uncertain


def delayed(correlation: Correlation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Delays above 0 in s, (T,), g2 and its error at them, (T, Nd)."""
    assert correlation.g2 is not None
    later = correlation.g2.delay > 0
    return correlation.delay_s[later], correlation.g2.g2[later], g2_error(correlation)[later]


def outside(
    values: np.ndarray,
    errors: np.ndarray,
    usable: np.ndarray,
    limit: Sequence[float],
    what: str,
    cause: tuple[str, str],
) -> Finding:
    """Values of bins against limits, which they must miss significantly. cause: of low and of high ones."""
    known = usable & np.isfinite(values) & np.isfinite(errors)
    if not known.any():
        return unknown(f"No bin has photons enough to tell the {what}.")
    low = known & (values + SIGNIFICANT * errors < limit[0])
    high = known & (values - SIGNIFICANT * errors > limit[1])
    out = low | high
    median = float(np.median(values[known]))
    details = {
        "bins": listed(np.flatnonzero(out) + 1),
        "number": int(out.sum()),
        "median": median,
        "values": values,
    }
    if not out.any():
        sentence = f"The {what} is {median:.4g} in the median of {known.sum()} bins"
        if limit[0] <= median <= limit[1]:
            return Finding(median, "fine", f"{sentence}.", details)
        return Finding(
            median, "doubtful", f"{sentence}, outside of its limits, but uncertain.", details
        )
    beyond = np.where(out, np.maximum(limit[0] - values, values - limit[1]), -np.inf)
    worst = int(np.argmax(beyond))
    sentence = (
        f"The {what} is out of its limits in {out.sum()} of {known.sum()} bins, most in bin {worst + 1} "
        f"({values[worst]:.4g} ± {errors[worst]:.2g}): {cause[0] if low[worst] else cause[1]}."
    )
    return Finding(float(values[worst]), "bad", sentence, details)


# Blur ----------------------------------------------------------------------------------------------


def half_decay(delay_s: np.ndarray, g2: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Delay at which g2 - 1 has fallen to half of its value at the shortest delay, (Nd,) s.

    Interpolated over the logarithm of the delay; NaN where the shortest delay shows no contrast beyond its
    error, or where it does not fall so far.
    """
    start, uncertain = contrast_and_error(g2, error)
    found = np.full(start.shape, np.nan)
    for number in range(g2.shape[1]):
        curve = g2[:, number] - 1
        known = np.isfinite(curve)
        if not known.any() or not start[number] > SIGNIFICANT * uncertain[number]:
            continue
        delay, curve = delay_s[known], curve[known]
        half = start[number] / 2
        below = np.flatnonzero(curve <= half)
        if not below.size:
            continue
        place = int(below[0])
        before, after = curve[place - 1], curve[place]
        share = (before - half) / (before - after)
        found[number] = delay[place - 1] * (delay[place] / delay[place - 1]) ** share
    return found


def exposure_s(correlation: Correlation) -> float | None:
    """How long a processed frame looks: from the start of its first raw frame to the end of its last, s."""
    acquisition, settings = correlation.acquisition, correlation.settings["frames"]
    single = acquisition.count_time_s or acquisition.frame_time_s
    if single is None or acquisition.frame_time_s is None:
        return None
    between = (int(settings["average"]) - 1) * int(settings["stride"]) * acquisition.frame_time_s
    return between + single


def contrast_left(exposure: float, tau: np.ndarray) -> np.ndarray:
    """B of the module's docstring; exposure and tau in the same unit."""
    x = exposure / tau
    small = x < 1e-3
    safe = np.where(small, 1.0, x)
    exact = (np.exp(-2 * safe) - 1 + 2 * safe) / (2 * safe**2)
    return np.where(small, 1 - 2 * x / 3, exact)


def relaxation_times(correlation: Correlation, analysis: Analysis | None) -> tuple[np.ndarray, str]:
    """tau of the bins, (Nd,) s, NaN where not known, and where it is from: the first fit, the contrast over
    the exposure, or the half decay of g2."""
    bins = correlation.qmap.dynamic_bins
    tau = np.full(bins, np.nan)
    if analysis is not None and analysis.fits:
        fitted = analysis.fits[0]
        values = fitted.fit.column("tau")[0]
        # A tau below the shortest delay is not known well, but it is short.
        tau[fitted.bins] = np.where((fitted.fit.flags & FAILED) > 0, np.nan, values)
        return tau, f"fit {fitted.name}"
    if analysis is not None and analysis.decay is not None:
        return np.asarray(analysis.decay.tau, np.float64), "contrast over exposure"
    if correlation.g2 is None:
        return tau, ""
    # |g1|^2 = exp(-2 t / tau) is one half at t = tau ln 2 / 2.
    return half_decay(*delayed(correlation)) * 2 / np.log(2), "half decay of g2"


def blur(
    correlation: Correlation, analysis: Analysis | None, usable: np.ndarray, limit: float
) -> Finding:
    """What the exposure leaves of the contrast."""
    exposure = exposure_s(correlation)
    if exposure is None:
        return unknown("The exposure time is not known.")
    tau, source = relaxation_times(correlation, analysis)
    known = usable & (tau > 0)
    if not known.any():
        return unknown("No bin has a relaxation time.")
    left = np.full(tau.shape, np.nan)
    left[known] = contrast_left(exposure, tau[known])
    blurred = known & (left < limit)
    median = float(np.median(left[known]))
    level = "fine"
    if median < limit:
        level = "bad"
    elif blurred.sum() >= SHARE * known.sum():
        level = "doubtful"
    sentence = (
        f"An exposure of {exposure:.3g} s leaves {100 * median:.0f} % of the contrast in the median of "
        f"{known.sum()} bins"
    )
    sentence += f"; {blurred.sum()} bins are blurred." if blurred.any() else "."
    details = {
        "bins": listed(np.flatnonzero(blurred) + 1),
        "exposure_s": exposure,
        "tau_from": source,
        "left": left,
    }
    return Finding(median, level, sentence, details)  # type: ignore[arg-type]


# Ageing --------------------------------------------------------------------------------------------


def halves_of_windows(correlation: Correlation) -> tuple[np.ndarray, np.ndarray]:
    """Index and noise of each bin from g2 of windows of time: as the stationarity of two-time, (Nd,).

    Root mean square over the delays of the difference between the windows of the second and of the first half
    of the run, over the range of g2 at these delays.
    """
    g2 = correlation.g2
    bins = correlation.qmap.dynamic_bins
    index, noise = np.full(bins, np.nan), np.full(bins, np.nan)
    if g2 is None or g2.partial is None or g2.partial_error is None or len(g2.partial) < 4:
        return index, noise
    half = len(g2.partial) // 2
    later = g2.delay > 0
    for number in range(bins):
        values, errors = g2.partial[:, later, number], g2.partial_error[:, later, number]
        known = np.isfinite(values).all(axis=0) & np.isfinite(errors).all(axis=0)
        if known.sum() < 3:
            continue
        values, errors = values[:, known], errors[:, known]
        difference = values[-half:].mean(axis=0) - values[:half].mean(axis=0)
        variance = ((errors[-half:] ** 2).sum(axis=0) + (errors[:half] ** 2).sum(axis=0)) / half**2
        # Windows whose scatter is larger than their errors know these badly.
        scatter = (values[-half:].var(axis=0, ddof=1) + values[:half].var(axis=0, ddof=1)) / half
        span = float(np.ptp(values.mean(axis=0)))
        if span > 0:
            index[number] = np.sqrt(np.mean(difference**2)) / span
            noise[number] = np.sqrt(np.mean(np.maximum(variance, scatter))) / span
    return index, noise


def stationarity_of_bins(correlation: Correlation) -> tuple[np.ndarray, np.ndarray, str]:
    """Index and noise of every bin, (Nd,), NaN where not known, and where they are from."""
    if correlation.twotime:
        bins = correlation.qmap.dynamic_bins
        index, noise = np.full(bins, np.nan), np.full(bins, np.nan)
        for item in correlation.twotime:
            index[bin_number(item) - 1] = item.stationarity
            noise[bin_number(item) - 1] = item.stationarity_noise
        return index, noise, "two-time"
    return *halves_of_windows(correlation), "windows of time"


def ageing(index: np.ndarray, noise: np.ndarray, usable: np.ndarray, limit: float) -> Finding:
    """Whether the halves of a run have the same g2. index, noise: (Nd,), see `stationarity_of_bins`."""
    known = usable & np.isfinite(index) & np.isfinite(noise)
    if not known.any():
        return unknown("There is neither two-time nor g2 of windows of time with photons enough.")
    excess = np.sqrt(np.maximum(index[known] ** 2 - noise[known] ** 2, 0.0))
    aged = (excess > limit) & (index[known] > AGEING_NOISE * noise[known])
    bins = np.flatnonzero(known) + 1
    worst = int(np.argmax(np.where(aged, excess, -1.0))) if aged.any() else int(np.argmax(excess))
    details = {"bins": listed(bins[aged]), "index": index, "noise": noise}
    value = float(excess[worst])
    if not aged.any():
        sentence = f"g2 of the first and of the second half of the run agree in {bins.size} bins."
        # What is within the noise is no value of its own.
        return Finding(min(value, limit), "fine", sentence, details)
    sentence = (
        f"The dynamics change during the run: g2 of its halves differs by {100 * value:.0f} % of its range "
        f"in bin {bins[worst]} ({aged.sum()} of {bins.size} bins)."
    )
    return Finding(value, "bad" if aged.mean() >= SHARE else "doubtful", sentence, details)
