"""`reductions.NAME.corrections:` - from integrated counts to absolute intensity, in the order given here.

    result = (C / t) [ (1 / T) I r / I0  -  s Ib r / I0b ]

C absolute factor, t thickness, T transmission, r reference, I0 monitor before the sample, s scale of the
background Ib, which is normalised by its own monitor I0b.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from scatterflow.config.base import Exponent, FilePath, Model, Name, Pair, Positive
from scatterflow.frame_selection import check_frames

NotNegative = Annotated[float, Field(ge=0), Exponent]
Fraction = Annotated[float, Field(ge=0, lt=1), Exponent]
ReadingUncertainty = Literal["none", "counting"] | Fraction
Policy = Literal["error", "warn"]
FrameSelection = Annotated[
    str,
    AfterValidator(check_frames),
    WithJsonSchema({"type": "string", "pattern": "^(all|[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)$"}),
]


class DarkSubtraction(Model):
    """Subtract the mean profile of the runs in the run table's column `dark`."""

    scale: Literal["exposure"] | Positive = "exposure"
    """`exposure`: the dark runs' counts per second times the exposure of each frame; a number: that many
    times the dark runs' mean frame."""
    exposure: Name | None = None
    """Scalar with the exposure of each frame, s; needed for `scale: exposure`."""

    @model_validator(mode="after")
    def _exposure_is_named(self) -> DarkSubtraction:
        if self.scale == "exposure" and self.exposure is None:
            raise ValueError("exposure: name the scalar that holds it, or give `scale` as a number")
        return self


class FluxNormalisation(Model):
    """Divide each frame by the incident beam: I r / I0."""

    monitor: Name
    """Scalar I0, the monitor before the sample."""
    dwell_time: Name | None = None
    """Scalar with the duration of each frame, s: the reference is a rate then, and intensities are per
    second. Left out: the reference is a reading."""
    reference: Literal["mean"] | Positive = "mean"
    """r. `mean`: mean reading over all valid frames of the run (with `dwell_time`: mean reading / mean
    duration); a number: in the monitor's unit (with `dwell_time`: per second). It is a convention, known
    exactly, and the same for the run's background and standard."""
    minimum: NotNegative = 0.0
    """Readings at or below this are refused: no beam, in the monitor's unit."""
    uncertainty: ReadingUncertainty = "none"
    """Uncertainty of a reading m: none; sqrt(m) (`counting`); or a fraction of it (0.01: 1 %)."""
    on_violation: Policy = "error"
    """Frames with refused readings: `error` stops; `warn` leaves these frames without value."""


class AbsorptionCorrection(Model):
    """Divide each frame by the transmission of the sample, T = (I1 / I0) / (I1b / I0b)."""

    monitor: Name
    """Scalar I1, the monitor behind the sample."""
    reference: Literal["background"] | Positive = "background"
    """Ratio I1 / I0 without sample. `background`: that of the background runs, sum of readings over sum of
    readings; a number: measured before."""
    minimum: NotNegative = 0.0
    """Readings at or below this are refused, in the monitor's unit."""
    uncertainty: ReadingUncertainty = "none"
    """Uncertainty of a reading m: none; sqrt(m) (`counting`); or a fraction of it (0.01: 1 %)."""
    tolerance: Fraction = 0.02
    """Accepted excess of T over 1 (noise of the monitors)."""
    on_violation: Policy = "error"
    """Frames with refused readings or T > 1 + tolerance: `error` stops; `warn` leaves frames with refused
    readings without value, and keeps the others."""


class BackgroundSubtraction(Model):
    """Subtract the runs in the run table's column `background` (one or several, comma-separated)."""

    scale: NotNegative = 1.0
    """Factor s of the background."""
    scale_uncertainty: Fraction = 0.0
    """Relative uncertainty of s."""
    frames: FrameSelection = "all"
    """Frames of each background run to use, counted from 0: `all` or `0-9,15`."""
    most_negative: Fraction = 0.02
    """Accepted share of the bins of the mean profile that lie more than 3 standard errors below 0."""
    on_violation: Policy = "warn"
    """A background above the sample: `error` stops; `warn` says so in the result."""


class Thickness(Model):
    """Divide by the thickness of the sample: given, or t = -ln T / mu of each frame."""

    cm: Positive | None = None
    """Thickness, cm."""
    mu_per_cm: Positive | None = None
    """Linear attenuation coefficient mu of the sample, 1/cm."""
    uncertainty: Fraction = 0.0
    """Relative uncertainty of thickness or mu, shared by all frames."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Thickness:
        if (self.cm is None) == (self.mu_per_cm is None):
            raise ValueError("give either `cm` or `mu_per_cm`")
        return self


class AbsoluteScale(Model):
    """Multiply by the factor C that makes intensities differential cross sections per volume, 1/cm."""

    factor: Positive | dict[Name, Positive] | None = None
    """C: one number, or one for each detector (`{saxs: 1.2e-3, waxs: 4e-3}`; `merged`: of those that an
    integration joins), as pixels differ in size. It belongs to a `flux.reference` that is a number."""
    uncertainty: Fraction = 0.0
    """Relative uncertainty of `factor`, or of the standard's curve where that has none of its own."""
    standard: Literal["water", "glassy_carbon"] | FilePath | None = None
    """Determine C from a standard: `water`, `glassy_carbon` (NIST SRM 3600), or a table of 2 or 3 columns
    (q in 1/angstrom, intensity in 1/cm, its standard uncertainty)."""
    run: Name | None = None
    """Run of the standard; its own thickness is set by `overrides`."""
    integration: Name | None = None
    """Azimuthal integration in which the standard is compared."""
    range: Pair | None = None
    """Radial range of the comparison, in the unit of that integration."""
    temperature_celsius: Annotated[float, Field(ge=0, le=100), Exponent] = 20.0
    """Temperature of the standard water, degrees Celsius."""
    on_violation: Policy = "warn"
    """A measured curve that has not the shape of the standard: `error` stops; `warn` says so."""

    @model_validator(mode="after")
    def _one_way(self) -> AbsoluteScale:
        if (self.factor is None) == (self.standard is None):
            raise ValueError("give either `factor` or `standard`")
        if self.standard is not None:
            missing = [key for key in ("run", "integration", "range") if getattr(self, key) is None]
            if missing:
                raise ValueError(f"standard: give {' and '.join(missing)} as well")
        if self.range is not None and not 0 < self.range[0] < self.range[1]:
            raise ValueError(f"range: must ascend and be above 0, got {list(self.range)}")
        return self


class Corrections(Model):
    """Corrections of the integrated intensities, all optional, in the order given here:
    (C / t) [ (1 / T) I r / I0 - s Ib r / I0b ]. A run that names no background in the run table although
    `background` (or `absorption.reference: background`) asks for one gets `dark` and `flux` only: it is a
    background itself."""

    dark: DarkSubtraction | None = None
    """Dark counts."""
    flux: FluxNormalisation | None = None
    """Normalisation to the monitor before the sample."""
    absorption: AbsorptionCorrection | None = None
    """Absorption in the sample; needs `flux`."""
    background: BackgroundSubtraction | None = None
    """Background."""
    thickness: Thickness | None = None
    """Thickness of the sample."""
    absolute: AbsoluteScale | None = None
    """Absolute scale; needs `flux` and `thickness`."""

    @model_validator(mode="after")
    def _needs(self) -> Corrections:
        if self.absorption is not None and self.flux is None:
            raise ValueError("absorption: needs `flux`, whose monitor is the one before the sample")
        if (
            self.thickness is not None
            and self.thickness.mu_per_cm is not None
            and self.absorption is None
        ):
            raise ValueError("thickness: t = -ln T / mu needs `absorption`, which measures T")
        if self.absolute is not None and (self.flux is None or self.thickness is None):
            raise ValueError("absolute: needs `flux` and `thickness`")
        given = self.absolute is not None and self.absolute.factor is not None
        if given and self.flux is not None and self.flux.reference == "mean":
            raise ValueError(
                "absolute: a given `factor` belongs to one reference r; give `flux.reference` as a number "
                "(with `mean` every run has its own)"
            )
        return self

    def scalars(self) -> dict[str, str]:
        """The scalars that are used, by key."""
        found = {
            "dark.exposure": self.dark and self.dark.scale == "exposure" and self.dark.exposure,
            "flux.monitor": self.flux and self.flux.monitor,
            "flux.dwell_time": self.flux and self.flux.dwell_time,
            "absorption.monitor": self.absorption and self.absorption.monitor,
        }
        return {key: name for key, name in found.items() if name}
