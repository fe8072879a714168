"""`reductions:` of technique `saxswaxs` - integrations, corrections, plots."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from scatterflow.config.analysis import Figures, Fits, check_analysis
from scatterflow.config.base import (
    Exponent,
    Model,
    Name,
    Pair,
    Text,
    refuse_alike,
    refuse_truth_value,
)
from scatterflow.config.corrections import Corrections
from scatterflow.config.exports import Exports, check_curves_exist
from scatterflow.config.maps import MapSettings
from scatterflow.config.robust import Median, Robust, SigmaClipping
from scatterflow.errors import suggestion
from scatterflow.units import AZIMUTHAL_UNITS, RADIAL_UNITS


def _one_of(known: Collection[str]) -> Callable[[str], str]:
    def check(unit: str) -> str:
        if unit not in known:
            raise ValueError(f"unknown unit {unit!r}: {suggestion(unit, known)}")
        return unit

    return check


RadialUnit = Annotated[
    str,
    AfterValidator(_one_of(RADIAL_UNITS)),
    WithJsonSchema({"type": "string", "enum": list(RADIAL_UNITS)}),
]
AzimuthalUnit = Annotated[
    str,
    AfterValidator(_one_of(AZIMUTHAL_UNITS)),
    WithJsonSchema({"type": "string", "enum": list(AZIMUTHAL_UNITS)}),
]


def _no_as_word(value: Any) -> Any:
    # YAML reads the bare word `no` as false.
    return "no" if value is False else value


Bins = Annotated[int, Field(ge=1, le=1_000_000)]
# One map of 64-bit numbers is 200 MB then.
MOST_CAKE_BINS = 25_000_000


class IntegrationBase(Model):
    """What all integrations have in common."""

    detectors: Annotated[list[Name], Field(min_length=1)] | None = None
    """Detectors to integrate; left out: all detectors of the run's source."""
    merge: bool = False
    """Join the detectors into one profile per frame: in bins common to all, signals and normalisations are
    added, then divided, so that a bin seen twice holds the weighted mean. Needs the same wavelength."""
    unit: RadialUnit = "q_nm^-1"
    """Radial unit; names as in pyFAI."""
    radial_range: Pair | None = None
    """Lowest and highest radial value, in `unit`; left out: all that the detector (merged: any) covers."""
    azimuth_range: Pair | None = None
    """Lowest and highest azimuth, degrees, in `azimuth_direction`; left out: all."""
    azimuth_direction: Literal["pyfai", "reversed"] = "pyfai"
    """Which way the azimuth grows from detector axis 2 (columns, 0 degrees): `pyfai`, towards axis 1 (rows);
    `reversed`, away from it (CHAP's right-handed). Ranges, axes and intensities follow."""
    chi_discontinuity: Annotated[Literal[0, 180], BeforeValidator(refuse_truth_value)] = 180
    """Where the azimuth jumps by 360 degrees, degrees. Use 0 for a range that crosses 180."""
    split: Annotated[Literal["no", "bbox", "full"], BeforeValidator(_no_as_word)] = "bbox"
    """How a pixel is shared among bins: `no` (all to the bin of its centre), `bbox` (bounding box), `full`
    (its polygon). With `no`, bins are independent and sums of counts exact."""
    solid_angle: bool = True
    """Divide by the relative solid angle of each pixel."""
    intensity: Literal["per_pixel", "per_steradian"] = "per_pixel"
    """Scale of the intensities, the same for all kinds. `per_pixel`: counts of a pixel at the point of normal
    incidence (merged: of the first detector). `per_steradian`: counts divided by that pixel's solid angle,
    pixel1 pixel2 / distance^2, as pyFAI's MultiGeometry (CHAP)."""
    polarisation: Annotated[float, Field(ge=-1, le=1), Exponent] | None = None
    """Polarisation factor of the beam (synchrotron: 0.95 to 0.99; 0: unpolarised); left out: no
    correction."""
    error_model: Literal["poisson", "counting", "none"] = "poisson"
    """Variance of a pixel of n counts. `poisson`: max(1, n), as pyFAI; too large where most pixels hold no
    count. `counting`: n, unbiased for sums of few counts. `none`: no uncertainties."""
    robust: Robust | None = None
    """Leave outliers out (hot pixels, Bragg spots, cosmic rays); left out: all valid pixels count."""

    @model_validator(mode="after")
    def _ranges_ascend(self) -> IntegrationBase:
        for key in ("radial_range", "azimuth_range"):
            limits = getattr(self, key)
            if limits is not None and not limits[0] < limits[1]:
                raise ValueError(
                    f"{key}: the first value must be below the second, got {list(limits)}"
                )
        if self.azimuth_range is not None and self.azimuth_range[1] - self.azimuth_range[0] > 360:
            raise ValueError("azimuth_range: wider than 360 degrees")
        return self

    @model_validator(mode="after")
    def _settings_suit(self) -> IntegrationBase:
        if self.merge and self.detectors is not None and len(self.detectors) < 2:
            raise ValueError("merge: takes two detectors or more; name them, or leave merge out")
        if self.merge and isinstance(self.robust, Median):
            raise ValueError(
                "robust: no median over several detectors; use `trimmed`, or leave merge out"
            )
        expected = isinstance(self.robust, SigmaClipping) and self.robust.spread == "expected"
        if expected and self.error_model == "none":
            raise ValueError("robust: `spread: expected` needs an error_model other than `none`")
        if self.intensity == "per_steradian" and not self.solid_angle:
            raise ValueError("intensity: per_steradian needs `solid_angle: true`")
        return self

    @model_validator(mode="after")
    def _detectors_differ(self) -> IntegrationBase:
        if self.detectors is not None and len(set(self.detectors)) != len(self.detectors):
            raise ValueError(f"detectors: one is named twice ({', '.join(self.detectors)})")
        return self


class AzimuthalIntegration(IntegrationBase):
    """Intensity against the radial coordinate: I(q)."""

    kind: Literal["azimuthal"]
    """Azimuthal average: one profile I(q) per frame."""
    bins: Bins = 1000
    """Radial bins."""


class CakeIntegration(IntegrationBase):
    """Intensity against azimuth and the radial coordinate: I(chi, q)."""

    kind: Literal["cake"]
    """Two-dimensional regrouping: one map I(chi, q) per frame."""
    radial_bins: Bins = 500
    """Radial bins."""
    azimuthal_bins: Bins = 360
    """Azimuthal bins."""

    @model_validator(mode="after")
    def _map_fits_memory(self) -> CakeIntegration:
        if self.radial_bins * self.azimuthal_bins > MOST_CAKE_BINS:
            raise ValueError(
                f"{self.azimuthal_bins} x {self.radial_bins} bins: "
                f"a cake has at most {MOST_CAKE_BINS} in all"
            )
        return self


class RadialIntegration(IntegrationBase):
    """Intensity against azimuth, averaged over a radial range: I(chi)."""

    kind: Literal["radial"]
    """Radial average: one profile I(chi) per frame."""
    bins: Bins = 360
    """Azimuthal bins."""
    radial_bins: Bins = 100
    """Radial steps over which the splitting is computed before they are added up."""
    azimuthal_unit: AzimuthalUnit = "chi_deg"
    """Unit of the azimuth in the result."""


Integration = Annotated[
    AzimuthalIntegration | CakeIntegration | RadialIntegration, Field(discriminator="kind")
]


class CalibrantCheck(Model):
    """Comparison of the rings of a calibrant run with the calibrant's d-spacings."""

    integration: Name | None = None
    """The azimuthal integration to use; left out: the first."""
    detectors: list[Name] | None = None
    """Detectors that see rings of the calibrant; left out: all of the integration."""
    calibrant: Text | None = None
    """pyFAI's name of the calibrant; left out: recognised by the run's `sample`."""
    tolerance: Annotated[float, Field(gt=0, lt=0.1), Exponent] = 1e-3
    """Largest accepted rms of the relative ring offsets."""
    refine: list[Literal["distance", "poni1", "poni2", "rot1", "rot2"]] = Field(default=[])
    """Geometry parameters to refine from the rings of calibrant runs; the refined geometry is a new file,
    `results/RUN/REDUCTION/geometry/DETECTOR.poni`. One ring determines `poni1` and `poni2` only."""

    @model_validator(mode="after")
    def _refine_differ(self) -> CalibrantCheck:
        if len(set(self.refine)) != len(self.refine):
            raise ValueError(f"refine: one is named twice ({', '.join(self.refine)})")
        return self


class SaxswaxsReduction(Model):
    """Integration of area-detector frames, with corrections."""

    technique: Literal["saxswaxs"]
    """The technique."""
    integrations: Annotated[dict[Name, Integration], Field(min_length=1)]
    """Integrations by name; all are done in one pass over the frames."""
    corrections: Corrections = Corrections()
    """Corrections of the integrated intensities."""
    axis: Name | None = None
    """Scalar to plot series of frames against (a scanned motor, a temperature); left out: frame number."""
    calibrant: CalibrantCheck = CalibrantCheck()
    """How runs of a calibrant are checked."""
    fits: Fits
    """Models fitted to the profile of every frame, by name."""
    figures: Figures
    """Figures of merit of every frame, by name."""
    map: MapSettings | None = None
    """Frames placed on the grid that was scanned."""
    exports: Exports = Exports()
    """Files for other programs."""

    @model_validator(mode="after")
    def _names_differ(self) -> SaxswaxsReduction:
        refuse_alike(self.integrations, "the integrations")
        return self

    @model_validator(mode="after")
    def _exported_curves_exist(self) -> SaxswaxsReduction:
        check_curves_exist(self.exports, self.integrations)
        return self

    @model_validator(mode="after")
    def _calibrant_integration_exists(self) -> SaxswaxsReduction:
        wanted = self.calibrant.integration
        if wanted is not None and (
            wanted not in self.integrations or self.integrations[wanted].kind != "azimuthal"
        ):
            raise ValueError(
                f"calibrant: {wanted!r} is not an azimuthal integration of this reduction"
            )
        return self

    @model_validator(mode="after")
    def _analysis_fits(self) -> SaxswaxsReduction:
        check_analysis(self.fits, self.figures, self.integrations)
        return self

    @model_validator(mode="after")
    def _standard_integration_exists(self) -> SaxswaxsReduction:
        absolute = self.corrections.absolute
        wanted = None if absolute is None else absolute.integration
        if wanted is not None and (
            wanted not in self.integrations or self.integrations[wanted].kind != "azimuthal"
        ):
            raise ValueError(
                f"corrections.absolute: {wanted!r} is not an azimuthal integration of this reduction"
            )
        scales = {item.intensity for item in self.integrations.values()}
        if absolute is not None and len(scales) > 1:
            raise ValueError(
                "corrections.absolute: one factor cannot hold for intensities per pixel and per steradian; "
                "give all integrations the same `intensity`"
            )
        return self
