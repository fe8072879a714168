"""What is made from the correlation functions of a run: fits, tau over q, speckle statistics.

Plain arrays in, plain arrays out; `scatterflow.xpcs.analyse` takes them from a result file, and
`scatterflow.xpcs.analysis_file` keeps what is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.xpcs.contrast_decay import ContrastDecay
from scatterflow.xpcs.delays import Delays
from scatterflow.xpcs.diffusion import Diffusion, fit_diffusion
from scatterflow.xpcs.fits import DOUBTFUL, CorrelationFit, covariance_of_windows, fit_g2
from scatterflow.xpcs.speckle_statistics import SpeckleStatistics


@dataclass(frozen=True)
class Measured:
    """g2 of some dynamic bins.

    bins: (n,) int64 0-based. g2, error: (T, n). windows: (W, T, n) g2 of windows of time, None without.
    """

    bins: np.ndarray
    delays: Delays
    g2: np.ndarray
    error: np.ndarray
    windows: np.ndarray | None = None


@dataclass(frozen=True)
class FittedG2:
    """A fit beside what was fitted. delay_s: (T,). settings: of the fit."""

    name: str
    settings: Mapping[str, Any]
    bins: np.ndarray
    delay_s: np.ndarray
    g2: np.ndarray
    error: np.ndarray
    fit: CorrelationFit


@dataclass(frozen=True)
class Bins:
    """Coordinates of all dynamic bins. names, units: of the c coordinates; values: (Nd, c)."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray

    def q(self) -> tuple[np.ndarray, str]:
        """q of all bins and its unit. Raises UserError if the bins are not of q."""
        if "q" not in self.names:
            raise UserError(
                f"the dynamic bins are of {' and '.join(self.names)}, not of q",
                "diffusion",
                "leave out `diffusion`, or make a q-map with q",
            )
        place = self.names.index("q")
        return self.values[:, place], self.units[place]


@dataclass(frozen=True)
class Analysis:
    """All that was found. fits: in their order. diffusion_fit: name of the fit that diffusion takes tau from.
    statistics, decay: of photon counts, None without."""

    bins: Bins
    fits: tuple[FittedG2, ...]
    diffusion: Diffusion | None = None
    diffusion_fit: str = ""
    statistics: SpeckleStatistics | None = None
    decay: ContrastDecay | None = None


def fit_all(
    settings: Mapping[str, Mapping[str, Any]], measured: Mapping[str, Measured]
) -> tuple[FittedG2, ...]:
    """Every configured fit. settings: by name. measured: by kind, `multitau` and `twotime`.

    Raises UserError, with the name of the fit.
    """
    found = []
    for name, own in settings.items():
        kind = own.get("of", "multitau")
        if kind not in measured:
            raise UserError(
                f"there is no g2 of {kind}", f"fits.{name}: of", suggestion(kind, measured)
            )
        data = measured[kind]
        covariance = None
        if data.windows is not None:
            covariance = covariance_of_windows(data.error, data.windows)
        try:
            fit = fit_g2(own, data.delays, data.g2, data.error, covariance)
        except UserError as error:
            raise error.inside(f"fits.{name}") from None
        found.append(FittedG2(name, own, data.bins, data.delays.seconds, data.g2, data.error, fit))
    return tuple(found)


def tau_over_q(
    settings: Mapping[str, Any], bins: Bins, fits: Sequence[FittedG2]
) -> tuple[Diffusion | None, str]:
    """The diffusion that a fit's relaxation times show, None if too few can be used, and the name of the fit.

    settings: `fit` (name or None: the first), `q_range`, `temperature_K`, `viscosity_Pa_s`.
    """
    by_name = {fitted.name: fitted for fitted in fits}
    name = settings.get("fit") or next(iter(by_name), "")
    if name not in by_name:
        raise UserError(f"there is no fit {name!r}", "diffusion.fit", suggestion(name, by_name))
    chosen = by_name[name]
    q, unit = bins.q()
    tau, error = chosen.fit.column("tau")
    found = fit_diffusion(
        q[chosen.bins],
        unit,
        tau,
        error,
        (chosen.fit.flags & DOUBTFUL) > 0,
        settings.get("q_range"),
        settings.get("temperature_K"),
        settings.get("viscosity_Pa_s"),
    )
    return found, name
