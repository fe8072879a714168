"""`reductions.NAME.detectors.NAME.functions` (technique `shots`) - what is made of each shot."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from scatterflow.config.base import (
    AsTuple,
    Edges,
    Exponent,
    FilePath,
    Model,
    Name,
    Number,
    Pair,
    Positive,
)

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Place = Annotated[int, Field(ge=0)]


def _checked_span(span: tuple[int, int]) -> tuple[int, int]:
    if not span[0] < span[1]:
        raise ValueError(f"give [first, one after the last], got {list(span)}")
    return span


Span = Annotated[tuple[Place, Count], AsTuple, AfterValidator(_checked_span)]
Limit = Number | Annotated[tuple[Number | None, Number | None], AsTuple]


class FunctionBase(Model):
    """What all functions of a shot have in common."""

    functions: dict[Name, ShotFunction] = Field(default={})
    """Further functions, of what this one hands on, by name; results are `<name>_<sub>_<key>`."""


class RegionFunction(FunctionBase):
    """Region of interest: sum, mean, max, centre of mass, pixels; hands on the region."""

    kind: Literal["region"]
    """Region of interest: `sum`, `mean` (of good pixels), `max`, `com`, `npix`."""
    roi: Annotated[list[Span], Field(min_length=1, max_length=3)] | None = None
    """[first, last + 1] of each dimension, tiles first where there are any; left out: all."""
    threshold: Limit | None = None
    """Values below (or outside of [low, high]) count as 0."""
    saturation: Number | None = None
    """Value from which on a pixel is saturated: adds `nsat`."""
    area: bool = False
    """Keep the region itself, `area`."""


class ProjectionFunction(FunctionBase):
    """Sum or mean over an axis."""

    kind: Literal["projection"]
    """Sum over an axis, `data`."""
    axis: Annotated[int, Field(ge=-1, le=2)] = -1
    """Axis to sum over, -1: all."""
    mean: bool = False
    """Mean of the good pixels instead of their sum."""
    threshold: Limit | None = None
    """Values below (or outside of [low, high]) count as 0."""
    threshold_rms: Limit | None = None
    """The same in units of each pixel's noise."""
    single_photon: bool = False
    """Count 1 above the threshold, else 0."""


class LineoutFunction(FunctionBase):
    """The values at one index of an axis."""

    kind: Literal["lineout"]
    """Values at one index of an axis, `data`."""
    axis: Annotated[int, Field(ge=0, le=2)] = 0
    """The axis."""
    index: Place = 0
    """The index."""


class SpectrumFunction(FunctionBase):
    """Histogram of the pixels' values."""

    kind: Literal["spectrum"]
    """Histogram of values, `data`."""
    range: Pair | None = None
    """Lowest and highest value."""
    bins: Count | None = None
    """Number of bins in the range."""
    step: Positive | None = None
    """Width of the bins in the range."""
    edges: Edges | None = None
    """Edges of the bins, instead of a range."""

    @model_validator(mode="after")
    def _bins_are_given(self) -> SpectrumFunction:
        ways = [self.edges is not None, self.bins is not None, self.step is not None]
        if sum(ways) != 1 or (self.edges is None) != (self.range is not None):
            raise ValueError("give `range` with `bins` or `step`, or `edges`")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError("range: the first must be below the second")
        return self


class RebinFunction(FunctionBase):
    """Means over blocks of pixels."""

    kind: Literal["rebin"]
    """Means of the good pixels of blocks, `data`."""
    shape: Annotated[list[Count], Field(min_length=1, max_length=3)]
    """New shape; each size divides that of the frame."""


class ThresholdFunction(FunctionBase):
    """Values beyond limits count as 0; hands on the frame."""

    kind: Literal["threshold"]
    """Values beyond limits count as 0 for the functions inside."""
    threshold: Limit | None = None
    """Limit, or [low, high]."""
    threshold_rms: Limit | None = None
    """The same in units of each pixel's noise."""


class QuantiseFunction(FunctionBase):
    """Lossy compression with a bound: values rounded to a grid; hands on the rounded frame."""

    kind: Literal["quantise"]
    """Values rounded so that they compress well, `data`."""
    largest_error: Positive
    """Largest error of a value, in the unit of the frames."""


class AzimuthalFunction(FunctionBase):
    """Azimuthal average with errors, in sectors."""

    kind: Literal["azimuthal"]
    """Azimuthal averages `azav`, `azav_error`, in sectors; needs the positions of the pixels."""
    centre_mm: Pair
    """x and y of the beam in the detector's plane, mm."""
    distance_mm: Positive
    """Sample to detector, mm."""
    photon_energy_ev: Positive
    """Photon energy, eV."""
    q_step: Positive | None = None
    """Width of the bins in q, 1/angstrom."""
    q_edges: Edges | None = None
    """Edges of the bins in q, 1/angstrom, instead of a width."""
    sectors: Annotated[int, Field(ge=1, le=10_000)] | Edges = 1
    """Number of sectors, the first around +y, or their edges, degrees."""
    tilt_x_deg: Number = 0.0
    """Tilt about x, degrees."""
    tilt_y_deg: Number = 0.0
    """Tilt about y, degrees."""
    polarisation: Annotated[float, Field(ge=0, le=1), Exponent] | None = None
    """Share of the polarisation along y; left out: not corrected."""
    geometry: bool = True
    """Correct for incidence and distance of each pixel."""
    threshold: Limit | None = None
    """Values below (or outside of [low, high]) count as 0."""
    photon: Positive = 1.0
    """What one photon gives, in the unit of the frames, for the errors."""

    @model_validator(mode="after")
    def _bins_are_given(self) -> AzimuthalFunction:
        if (self.q_step is None) == (self.q_edges is None):
            raise ValueError("give either `q_step` or `q_edges`")
        return self


class AutocorrelationFunction(FunctionBase):
    """Masked spatial autocorrelation: speckle size and contrast."""

    kind: Literal["autocorrelation"]
    """Spatial autocorrelation, its radial profile, speckle size."""
    reach: Annotated[int, Field(ge=2, le=1000)] = 20
    """Largest lag, pixels."""
    threshold: Limit | None = None
    """Values below (or outside of [low, high]) count as 0."""
    fit: bool = True
    """Fit the speckles."""


class FitCentreFunction(FunctionBase):
    """Centre of a ring, by a circle through the brightest pixels."""

    kind: Literal["fit_centre"]
    """Circle through the brightest pixels: `xCen`, `yCen`, `R`, with errors."""
    percentile: Annotated[float, Field(ge=0, lt=100), Exponent] = 90.0
    """Percentile of the good pixels above which they are fitted."""
    threshold: Limit | None = None
    """Values below (or outside of [low, high]) count as 0."""


class PhotonSettings(Model):
    """How photons are found in droplets."""

    adu_per_photon: Positive
    """What one photon gives, in the unit of the frames."""
    method: Literal["guess", "fit"] = "guess"
    """`guess`: the greedy guess of smalldata_tools; `fit`: by a model of the charge cloud."""
    probabilities: bool = True
    """Shares of pixels with 0 to 10 photons, `prob`."""
    noise: Positive | None = None
    """Noise of a pixel, photons (`fit`, required)."""
    cloud: Positive | None = None
    """Standard deviation of the charge cloud, pixels (`fit`, required)."""
    density: Positive | None = None
    """Photons per pixel that are expected (`fit`); left out: as many as the frame's droplets hold."""

    @model_validator(mode="after")
    def _keys_fit_method(self) -> PhotonSettings:
        given = [key for key in ("noise", "cloud", "density") if getattr(self, key) is not None]
        if self.method == "guess" and given:
            raise ValueError(f"`{given[0]}` has no meaning for method `guess`")
        if self.method == "fit" and (self.noise is None or self.cloud is None):
            raise ValueError("method `fit` needs `noise` and `cloud`")
        return self


class DropletSettings(Model):
    """Which pixels make a droplet."""

    threshold: Positive = 5.0
    """Bright pixels of a droplet are above it."""
    threshold_low: Positive | None = None
    """Pixels beside bright ones are above it; left out: `threshold`."""
    in_noise: bool = True
    """Thresholds are in units of each pixel's noise, else in the unit of the frames."""
    least_adu: Number | None = None
    """Droplets of a lower sum are left out."""
    most_adu: Number | None = None
    """Brighter pixels count as 0."""
    shapes: bool = False
    """Keep bounding boxes and second moments."""
    photons: PhotonSettings | None = None
    """Photons in the droplets; left out: none."""


class DropletsFunction(DropletSettings, FunctionBase):
    """Droplets of pixels that belong together, and the photons in them, as lists of variable length."""

    kind: Literal["droplets"]
    """Droplets `nDroplets`, `droplets`, and the photons in them, `nPhotons`, `photons`, `prob`."""


class PhotonMapFunction(FunctionBase):
    """Whole photons per pixel; hands on the map."""

    kind: Literal["photon_map"]
    """Photons of each pixel: `nPhot`; hands on the map."""
    method: Literal["pairs", "droplets"] = "pairs"
    """`pairs`: the two-pixel rule of psana; `droplets`: from droplets and their photons."""
    adu_per_photon: Positive | None = None
    """What one photon gives (`pairs`, required)."""
    pair_fraction: Positive | None = None
    """Charge of two pixels from which on they make a photon, 0.9 (`pairs`)."""
    least_adu: Number | None = None
    """Lower values count as 0 (`pairs`)."""
    droplets: DropletSettings | None = None
    """Droplets with `photons` (`droplets`, required)."""

    @model_validator(mode="after")
    def _keys_fit_method(self) -> PhotonMapFunction:
        if self.method == "pairs" and (self.adu_per_photon is None or self.droplets is not None):
            raise ValueError("method `pairs` needs `adu_per_photon`, and no `droplets`")
        if self.method == "droplets" and (self.droplets is None or self.droplets.photons is None):
            raise ValueError("method `droplets` needs `droplets` with `photons`")
        return self


class WindowFunction(FunctionBase):
    """Integral of a waveform over a window, less the median of a background window."""

    kind: Literal["integrate"]
    """Waveform: `sum`, `sum_error`, `background`."""
    window: Span | None = None
    """First sample, and sample after the last; left out: all."""
    background: Span
    """First sample, and sample after the last, of the background."""


class SimpleHitsFunction(FunctionBase):
    """Places where a waveform stays above a threshold."""

    kind: Literal["simple_hits"]
    """Waveform: `nhits`, `time`, `height` above a threshold."""
    threshold: Number
    """Threshold."""
    window: Span | None = None
    """First sample, and sample after the last; left out: all."""
    most: Count = 100
    """Hits that are kept."""


class FractionHitsFunction(FunctionBase):
    """Times of pulses in a waveform by constant fraction."""

    kind: Literal["fraction_hits"]
    """Waveform: `nhits`, `time`, `height` by constant fraction."""
    fraction: Annotated[float, Field(gt=0, lt=1), Exponent] = 0.75
    """Fraction."""
    delay: Count = 25
    """Delay, samples."""
    sigmas: Positive = 4.0
    """Standard deviations of the noise that a pulse must be above."""
    smoothing: Annotated[float, Field(ge=0), Exponent] = 35.0
    """Standard deviation of the smoothing, samples."""
    negative: bool = False
    """Pulses go down."""
    most: Count = 100
    """Hits that are kept."""


class PulseFitFunction(FunctionBase):
    """Amplitudes of pulses at known delays, by components of single-pulse waveforms."""

    kind: Literal["fit_pulses"]
    """Waveform: `coefficients`, `intensities`, `norms`, `score` of pulses at known delays."""
    basis: FilePath
    """.npy file of (components, samples), made by `scatterflow.shots.waveforms.svd_basis`."""
    delays: Annotated[list[int], Field(min_length=1)] = Field(default=[0])
    """Delays of the pulses after that of the basis, samples."""
    background: Span | None = None
    """First sample, and sample after the last, whose median is taken off; left out: none."""


ShotFunction = Annotated[
    RegionFunction
    | ProjectionFunction
    | LineoutFunction
    | SpectrumFunction
    | RebinFunction
    | ThresholdFunction
    | QuantiseFunction
    | AzimuthalFunction
    | AutocorrelationFunction
    | FitCentreFunction
    | DropletsFunction
    | PhotonMapFunction
    | WindowFunction
    | SimpleHitsFunction
    | FractionHitsFunction
    | PulseFitFunction,
    Field(discriminator="kind"),
]
FUNCTIONS: dict[str, type[FunctionBase]] = {
    "region": RegionFunction,
    "projection": ProjectionFunction,
    "lineout": LineoutFunction,
    "spectrum": SpectrumFunction,
    "rebin": RebinFunction,
    "threshold": ThresholdFunction,
    "quantise": QuantiseFunction,
    "azimuthal": AzimuthalFunction,
    "autocorrelation": AutocorrelationFunction,
    "fit_centre": FitCentreFunction,
    "droplets": DropletsFunction,
    "photon_map": PhotonMapFunction,
    "integrate": WindowFunction,
    "simple_hits": SimpleHitsFunction,
    "fraction_hits": FractionHitsFunction,
    "fit_pulses": PulseFitFunction,
}
