"""`proposals:` - masks that are made from frames, and written into the registry as proposals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scatterflow.config.base import Exponent, Model, Name, Number, Positive, Text

Fraction = Annotated[float, Field(gt=0, lt=1), Exponent]
Side = Annotated[int, Field(ge=3, le=99)]
Bins = Annotated[int, Field(ge=1, le=100_000)]


class ProposalBase(Model):
    """A mask to be made from the frames of a run."""

    detector: Name
    """Detector."""
    run: Text
    """Run of the run table whose frames are looked at."""
    name: Name | None = None
    """Name of the mask in the registry; left out: that of the proposal."""


class HotProposal(ProposalBase):
    """Pixels that count, or scatter, more than the others of a dark run."""

    type: Literal["hot"]
    """Hot and noisy pixels."""
    threshold: Positive = 6.0
    """Robust standard deviations above the median."""


class DeadProposal(ProposalBase):
    """Pixels that never count although their neighbours do, in a run with light everywhere."""

    type: Literal["dead"]
    """Dead pixels."""
    probability: Fraction = 1e-6
    """Chance that a live pixel is taken for dead, from the counts of its neighbours."""
    size: Side = 5
    """Side of the square of neighbours, pixels."""


class ResponseProposal(ProposalBase):
    """Pixels that count much less or more than their neighbours, in a run with light everywhere."""

    type: Literal["response"]
    """Under- and over-responding pixels."""
    low: Fraction = 0.5
    """Least ratio to the median of the neighbours."""
    high: Annotated[float, Field(gt=1), Exponent] = 2.0
    """Largest ratio to the median of the neighbours."""
    threshold: Positive = 6.0
    """And at least so many standard deviations of counting."""
    size: Side = 5
    """Side of the square of neighbours, pixels."""


class OutliersProposal(ProposalBase):
    """Pixels that differ from the others of their ring."""

    type: Literal["outliers"]
    """Azimuthal outliers."""
    threshold: Positive = 6.0
    """Robust standard deviations from the median of the ring."""
    bins: Bins = 200
    """Number of rings."""


class SaturatedProposal(ProposalBase):
    """Pixels that reach the limit of the counter."""

    type: Literal["saturated"]
    """Saturated pixels."""
    limit: Number | None = None
    """Value from which a pixel is saturated; left out: above the detector's valid range."""
    fraction: Annotated[float, Field(ge=0, lt=1), Exponent] = 0.0
    """Saturated in more than this fraction of the frames."""


class ShadowProposal(ProposalBase):
    """Connected regions that are much darker than the rest of their rings."""

    type: Literal["shadow"]
    """Beam stop, its holder, other shadows."""
    fraction: Fraction = 0.3
    """Dark is below this fraction of the ring's 75 % quantile."""
    smallest: Annotated[int, Field(ge=1)] = 20
    """Least number of pixels of a region."""
    margin: Annotated[int, Field(ge=0, le=100)] = 1
    """Pixels by which regions are grown."""
    bins: Bins = 200
    """Number of rings."""


ProposalConfig = Annotated[
    HotProposal
    | DeadProposal
    | ResponseProposal
    | OutliersProposal
    | SaturatedProposal
    | ShadowProposal,
    Field(discriminator="type"),
]
