"""The correction chain of integrated intensities, with all variances.

For frame i, with counts X_i, dark D, background B (normalised by its own monitors) and T_i = I1_i/(I0_i R):

    Y_i = A_i (X_i - a_i D) - G_i B        A_i = C r / (t_i T_i I0_i)        G_i = C s / t_i

Each uncertain quantity is either independent from frame to frame (counts, monitor readings), or shared by
all frames of the run (dark, background and its monitors, scale, thickness, C). A shared one of variance v
enters frame i with a coefficient c_i = dY_i/dz, the mean over N frames with the mean of the coefficients:

    var(Y_i) = independent_i + sum_z c_i^2 v_z
    var(mean) = sum_i independent_i / N^2 + sum_z (mean_i c_i)^2 v_z

Readings are taken by their logarithm: I0_i stands in the normalisation and in T_i and cancels there; T_i
stands in t_i = -ln T_i / mu, too. With k = dln t / dln T (1 / ln T, or 0 for a given thickness)

    dY/dln T = -(1 + k) A (X - a D) + k G B
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from scatterflow.saxswaxs.merge import Sums


@dataclass(frozen=True)
class Factors:
    """What multiplies each frame of a run; arrays (frames,) float64, neutral where a step is left out.

    flux: r / I0; transmission: T; thickness: t, cm; thickness_slope: dln t / dln T; dark: a; incident and
    transmitted: relative variances of the readings; scale: s; absolute: C. The other variances are relative
    and shared by all frames: scale, thickness (or mu), absolute, and those of the sums of the background's
    monitors (beam_incident, beam_transmitted). beam: whether T is relative to that background.
    """

    flux: np.ndarray
    transmission: np.ndarray
    thickness: np.ndarray
    thickness_slope: np.ndarray
    dark: np.ndarray
    incident: np.ndarray
    transmitted: np.ndarray
    absorbed: bool = False
    beam: bool = False
    scale: float = 1.0
    absolute: float = 1.0
    scale_variance: float = 0.0
    thickness_variance: float = 0.0
    absolute_variance: float = 0.0
    beam_incident: float = 0.0
    beam_transmitted: float = 0.0

    @classmethod
    def neutral(cls, frames: int) -> Factors:
        """Factors that change nothing."""
        one, zero = np.ones(frames), np.zeros(frames)
        return cls(one, one, one, zero, zero, zero, zero)

    @property
    def scale_error(self) -> float:
        """Relative standard error that all bins of all frames share: of C, and of t or mu."""
        return float(np.sqrt(self.thickness_variance + self.absolute_variance))

    def without_background(self) -> Factors:
        """The same up to absorption: what the background is subtracted from."""
        neutral = Factors.neutral(self.flux.size)
        return replace(
            self,
            thickness=neutral.thickness,
            thickness_slope=neutral.thickness_slope,
            absolute=1.0,
            thickness_variance=0.0,
            absolute_variance=0.0,
        )


@dataclass(frozen=True)
class Pooled:
    """A profile shared by all frames of a run: intensity, variance (bins...) float64.

    dark_share: how much of the sample's own dark profile was taken off it, (bins...); 0 if none.
    """

    intensity: np.ndarray
    variance: np.ndarray
    dark_share: np.ndarray


@dataclass(frozen=True)
class Chain:
    """The corrections of one integration: factors of the run, its dark and background profiles."""

    factors: Factors
    dark: Pooled | None = None
    background: Pooled | None = None

    def without_background(self) -> Chain:
        """The same up to absorption."""
        return Chain(self.factors.without_background(), self.dark)


@dataclass(frozen=True)
class Corrected:
    """Some frames, corrected. first: number of the first; intensity and independent variance (frames,
    bins...), NaN where there is no value; shared: (coefficients (frames, bins...), variance of the shared
    quantity, one number or (bins...)) by name."""

    first: int
    intensity: np.ndarray
    independent: np.ndarray
    shared: dict[str, tuple[np.ndarray, np.ndarray | float]] = field(default_factory=dict)

    @property
    def variance(self) -> np.ndarray:
        """Variance of each frame, (frames, bins...): independent and shared."""
        total = self.independent.copy()
        for coefficient, variance in self.shared.values():
            total += coefficient**2 * variance
        return total


def correct(sums: Iterable[Sums], chain: Chain) -> Iterator[Corrected]:
    """Corrected frames of a container's sums, part by part; no number depends on the parts."""
    for part in sums:
        yield correct_part(part, chain)


def correct_part(sums: Sums, chain: Chain) -> Corrected:
    """The formula of the module for some frames."""
    factors = chain.factors
    rows = slice(sums.first, sums.first + len(sums.signal))
    one_bin = (-1,) + (1,) * (sums.signal.ndim - 1)

    def frames(values: np.ndarray) -> np.ndarray:
        return values[rows].reshape(one_bin)

    norm = np.where(sums.normalisation > 0, sums.normalisation, np.nan)
    counts, variance = sums.signal / norm, sums.variance / norm**2
    background_factor = factors.absolute * factors.scale / frames(factors.thickness)
    sample_factor = (
        factors.absolute
        * frames(factors.flux)
        / (frames(factors.thickness) * frames(factors.transmission))
    )
    dark = frames(factors.dark)
    net = counts if chain.dark is None else counts - dark * chain.dark.intensity
    sample = sample_factor * net
    background = np.zeros(sums.signal.shape[1:])
    if chain.background is not None:
        background = background_factor * chain.background.intensity
    intensity = sample - background

    slope = frames(factors.thickness_slope)
    by_transmission = (
        slope * background - (1 + slope) * sample if factors.absorbed else np.zeros_like(sample)
    )
    independent = (
        sample_factor**2 * variance
        + (sample + by_transmission) ** 2 * frames(factors.incident)
        + by_transmission**2 * frames(factors.transmitted)
    )
    shared: dict[str, tuple[np.ndarray, np.ndarray | float]] = {}
    if chain.dark is not None:
        coefficient = -sample_factor * dark * np.ones_like(counts)
        if chain.background is not None:
            coefficient = coefficient + background_factor * chain.background.dark_share
        shared["dark"] = coefficient, chain.dark.variance
    if chain.background is not None:
        coefficient = -background_factor * np.ones_like(counts)
        shared["background"] = coefficient, chain.background.variance
        shared["background_scale"] = -background, factors.scale_variance
    # The background's monitors: both in T, the incident one in the background's normalisation as well.
    by_incident = background + (by_transmission if factors.beam else 0.0)
    shared["background_incident_monitor"] = by_incident, factors.beam_incident
    if factors.beam:
        shared["background_transmitted_monitor"] = -by_transmission, factors.beam_transmitted
    shared["thickness"] = -intensity, factors.thickness_variance
    shared["absolute"] = intensity, factors.absolute_variance
    known = {
        name: (np.broadcast_to(coefficient, intensity.shape), value)
        for name, (coefficient, value) in shared.items()
        if np.any(np.asarray(value) > 0)
    }
    return Corrected(sums.first, intensity, independent, known)


class MeanProfile:
    """Mean over frames, with what all frames share kept whole; bins without value in a frame are passed over.

    Frames are added one after the other, so that the sums do not depend on how the run was cut.
    """

    def __init__(self, bins: tuple[int, ...]) -> None:
        self._sum = np.zeros(bins)
        self._independent = np.zeros(bins)
        self._count = np.zeros(bins, dtype=np.int64)
        self._shared: dict[str, tuple[np.ndarray, np.ndarray | float]] = {}

    def update(self, part: Corrected) -> None:
        """Add frames."""
        for name, (coefficients, variance) in part.shared.items():
            self._shared.setdefault(name, (np.zeros(self._sum.shape), variance))
            total = self._shared[name][0]
            for coefficient, intensity in zip(coefficients, part.intensity, strict=True):
                total += np.where(np.isfinite(intensity), coefficient, 0.0)
        for intensity, variance in zip(part.intensity, part.independent, strict=True):
            there = np.isfinite(intensity)
            self._sum += np.where(there, intensity, 0.0)
            self._independent += np.where(there, variance, 0.0)
            self._count += there

    def finalize(self) -> MeanResult:
        """Mean and its variances, NaN where no frame has a value."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return MeanResult(
                self._sum / self._count,
                self._independent / self._count**2,
                {name: (total / self._count, v) for name, (total, v) in self._shared.items()},
            )


@dataclass(frozen=True)
class MeanResult:
    """Mean over frames: intensity and independent variance (bins...); shared: as in
    `Corrected`, of the mean."""

    intensity: np.ndarray
    independent: np.ndarray
    shared: dict[str, tuple[np.ndarray, np.ndarray | float]]

    @property
    def shared_variance(self) -> np.ndarray:
        """Variance of what all frames share, (bins...)."""
        total = np.zeros_like(self.intensity)
        for coefficient, variance in self.shared.values():
            total += coefficient**2 * variance
        return total

    @property
    def errors(self) -> np.ndarray:
        """Standard error of the mean, (bins...)."""
        return np.sqrt(self.independent + self.shared_variance)
