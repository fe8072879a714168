"""The subtracted background as a profile of its own, and whether it lies above the sample."""

from __future__ import annotations

import numpy as np

from scatterflow.saxswaxs.chain import RunData
from scatterflow.saxswaxs.corrections import Chain, MeanResult
from scatterflow.saxswaxs.monitors import violation

SIGNIFICANT = 3.0


def scaled_background(chain: Chain) -> MeanResult:
    """s Ib r / I0b with its variances, on the scale of the sample before subtraction."""
    assert chain.background is not None
    factors = chain.factors
    intensity = factors.scale * chain.background.intensity
    nothing = np.zeros_like(intensity)
    return MeanResult(
        intensity,
        nothing,
        {
            "counts": (np.full_like(intensity, factors.scale), chain.background.variance),
            "monitor": (intensity, factors.beam_incident),
            "scale": (intensity, factors.scale_variance),
        },
    )


def check_background(mean: MeanResult, data: RunData, task: str, warnings: list[str]) -> None:
    """Raise UserError, or add to `warnings`, if too many bins of the mean profile are negative."""
    settings = data.settings["background"]
    known = np.isfinite(mean.intensity) & (mean.errors > 0)
    negative = known & (mean.intensity < -SIGNIFICANT * np.where(known, mean.errors, 1.0))
    share = negative.sum() / max(known.sum(), 1)
    if share > settings["most_negative"]:
        violation(
            settings["on_violation"],
            warnings,
            f"the background ({', '.join(data.background)}) is above the sample in {negative.sum()} of "
            f"{known.sum()} bins of {task}, by more than {SIGNIFICANT:g} standard errors of the mean over "
            f"{data.valid.sum()} frames",
            data.where,
            "check transmission, monitors and background run, or raise corrections.background.most_negative",
        )
