"""`quality:` - what is checked of each result, by technique, and what a violation means.

A check that is named in the configuration keeps its other defaults: `g2_baseline: {on_violation: fail}` has
the limits that it has here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from scatterflow.config.base import Exponent, Model, Name, Pair
from scatterflow.errors import suggestion

Violation = Literal["fail", "warn", "ignore"]


class Switch(Model):
    """A check that has no limit of its own."""

    on_violation: Violation = "warn"
    """The verdict where the check finds a fault; `ignore`: do not check."""


class Limit(Switch):
    """A check of one number."""

    limit: Annotated[float, Field(ge=0), Exponent] | None = None
    """The largest value that passes; of checks whose meaning says `at least`, the smallest. Left out: the
    check's own."""

    @model_validator(mode="after")
    def _is_given(self) -> Limit:
        if self.limit is None:
            raise ValueError("limit: a number, or leave the key out")
        return self


class Range(Switch):
    """A check of a number that may be too small or too large."""

    limit: Pair | None = None
    """The smallest and the largest value that passes. Left out: the check's own."""

    @model_validator(mode="after")
    def _ascends(self) -> Range:
        if self.limit is None:
            raise ValueError("limit: two numbers, or leave the key out")
        if not self.limit[0] < self.limit[1]:
            raise ValueError(f"limit: the first must be below the second, got {list(self.limit)}")
        return self


class _Checks(Model):
    """Checks by name; what is given replaces the default key by key."""

    @model_validator(mode="before")
    @classmethod
    def _over_the_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            name: {**cls.model_fields[name].default.model_dump(), **value}
            if isinstance(value, dict) and name in cls.model_fields
            else value
            for name, value in data.items()
        }


class CommonChecks(_Checks):
    """Checks of results of techniques `saxswaxs` and `xpcs`."""

    structure: Switch = Switch(on_violation="fail")
    """All fields that plots and the catalogue need are there, of the right shape, and not without a value."""
    frames_missing: Limit = Limit(limit=0.0)
    """Share of the frames that are missing, corrupt or without any valid pixel."""
    frames_dark: Limit = Limit(limit=0.1)
    """Counts of the darkest frame over the median of the run: at least."""
    outlier_frames: Limit = Limit(limit=0.02)
    """Share of the frames whose counts stand out from those of the frames around."""
    invalid_values: Limit = Limit(limit=1e-3)
    """Share of the values of unmasked pixels that are saturated or otherwise invalid."""
    dead_pixels: Limit = Limit(limit=1e-4)
    """Share of the unmasked pixels that count nothing although those around do."""
    hot_pixels: Limit = Limit(limit=1e-4)
    """Share of the unmasked pixels that count more than ten times as much as all but one of their eight
    neighbours."""
    beam_position: Limit = Limit(limit=1.0)
    """How far the pattern wanders during the run, pixels."""
    header_energy: Limit = Limit(limit=2e-3)
    """Photon energy in the raw file against that of the geometry, relative difference."""
    header_distance: Limit = Limit(limit=0.02)
    """Distance in the raw file against that of the geometry, relative difference."""
    header_beam_centre: Limit = Limit(limit=3.0)
    """Beam centre in the raw file against that of the geometry, pixels."""
    history_intensity: Range = Range(limit=(0.5, 2.0))
    """Intensity over the median of the sample's earlier runs."""


class SaxswaxsChecks(CommonChecks):
    """Checks of technique `saxswaxs`."""

    beam_intensity: Limit = Limit(limit=0.5)
    """Largest relative deviation of the flux monitor from its median."""
    transmission: Range = Range(limit=(0.01, 1.02), on_violation="fail")
    """Transmission of the sample."""
    calibrant_rings: Switch = Switch(on_violation="fail")
    """Positions of the rings of a calibrant; the limit is the reduction's `calibrant.tolerance`."""
    history_shape: Limit = Limit(limit=0.2)
    """Relative difference of the profile's shape from the median of the sample's earlier runs."""


class XpcsChecks(CommonChecks):
    """Checks of technique `xpcs`."""

    beam_intensity: Limit = Limit(limit=0.2)
    """Largest relative deviation of the counts of a tenth of the run from their mean."""
    beam_flicker: Limit = Limit(limit=0.05)
    """Relative fluctuation of the counts from frame to frame beyond that of photons; not where frames are
    normalised."""
    photon_starvation: Limit = Limit(limit=0.1, on_violation="fail")
    """Noise of g2 at the shortest delay, from the number of photons alone: bins above it are starved. Some
    starved bins are a warning, half of them or more a violation; plots draw them grey."""
    g2_baseline: Range = Range(limit=(0.95, 1.05))
    """g2 at the longest delays."""
    g2_contrast: Range = Range(limit=(0.01, 1.1))
    """g2 - 1 at the shortest delay."""
    speckle_blur: Limit = Limit(limit=0.8)
    """Contrast that is left of what an instantaneous exposure would have: at least."""
    ageing: Limit = Limit(limit=0.15)
    """Difference of g2 between the halves of the run, beyond its noise, over the range of g2."""
    history_contrast: Range = Range(limit=(0.7, 1.4))
    """Contrast over the median of the sample's earlier runs."""
    history_relaxation: Range = Range(limit=(0.5, 2.0))
    """Delay at which g2 has decayed by half, over the median of the sample's earlier runs."""


class ShotsChecks(_Checks):
    """Checks of technique `shots`."""

    structure: Switch = Switch(on_violation="fail")
    """All fields that plots and the catalogue need are there, and as long as the run."""
    frames_missing: Limit = Limit(limit=0.1)
    """Share of the shots that lack a detector of the reduction."""
    shots_passing: Limit = Limit(limit=0.05)
    """Share of the shots that pass the filter that lets the fewest pass: at least."""
    time_tool: Limit = Limit(limit=0.5)
    """Share of the shots with both beams in which the time tool found its edge: at least."""
    beam_intensity: Limit = Limit(limit=0.5)
    """Largest relative deviation of the intensity monitor in a tenth of the run from its median."""
    dead_pixels: Limit = Limit(limit=1e-3)
    """Share of the unmasked pixels that count nothing although those around do."""
    hot_pixels: Limit = Limit(limit=1e-3)
    """Share of the unmasked pixels that count more than ten times as much as all but one of their eight
    neighbours."""
    history_intensity: Range = Range(limit=(0.5, 2.0))
    """Intensity over the median of the sample's earlier runs."""


class Quality(Model):
    """Checks of results; a result that fails is not published."""

    saxswaxs: SaxswaxsChecks = SaxswaxsChecks()
    """Of technique `saxswaxs`."""
    xpcs: XpcsChecks = XpcsChecks()
    """Of technique `xpcs`."""
    shots: ShotsChecks = ShotsChecks()
    """Of technique `shots`."""
    stops_publication: list[Name] | None = None
    """Checks whose verdict `fail` stops publication; left out: any."""

    @model_validator(mode="after")
    def _stopping_checks_exist(self) -> Quality:
        techniques = (SaxswaxsChecks, XpcsChecks, ShotsChecks)
        known = {name for checks in techniques for name in checks.model_fields}
        for name in self.stops_publication or ():
            if name not in known:
                raise ValueError(f"stops_publication: no check {name!r}; {suggestion(name, known)}")
        return self
