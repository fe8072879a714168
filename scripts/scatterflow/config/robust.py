"""`robust:` of an integration - averages that outliers do not spoil."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from scatterflow.config.base import Exponent, Model, Pair


class SigmaClipping(Model):
    """Leave out pixels far from the mean of their bin, and repeat."""

    method: Literal["sigma_clip"]
    """Sigma-clipping, as pyFAI's `sigma_clip_ng`. Choose `split: no` to have each pixel judged once."""
    threshold: Annotated[float, Field(ge=0, le=1000), Exponent] = 5.0
    """Largest distance from the mean of the bin, in standard deviations, but never less than Chauvenet's
    criterion allows (sqrt(2 ln(n / 2.5)) for n pixels: 3.3 for 600). 0: that criterion alone."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 5
    """Repeat until no pixel is left out, at most so many times."""
    spread: Literal["observed", "expected"] = "observed"
    """Standard deviation of a pixel: `observed` among the pixels of the bin, or `expected` from the
    integration's `error_model`, which takes smooth structure along the azimuth for outliers as well."""


class Median(Model):
    """The median of each bin."""

    method: Literal["median"]
    """The pixel in the middle, each weighted by its share and correction, as pyFAI's `medfilt1d_ng`."""


class Trimmed(Model):
    """The mean of the pixels between two quantiles of each bin."""

    method: Literal["trimmed"]
    """Trimmed mean, as pyFAI's `medfilt1d_ng`."""
    quantiles: Pair = (0.25, 0.75)
    """Lower and upper quantile, from 0 to 1."""

    @model_validator(mode="after")
    def _quantiles_ascend(self) -> Trimmed:
        lower, upper = self.quantiles
        if not 0 <= lower < upper <= 1:
            raise ValueError(
                f"quantiles: two numbers from 0 to 1, the first below the second, got {[lower, upper]}"
            )
        return self


Robust = Annotated[SigmaClipping | Median | Trimmed, Field(discriminator="method")]
