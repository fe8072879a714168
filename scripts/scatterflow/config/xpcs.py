"""`reductions:` of technique `xpcs` - photon correlation spectroscopy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from scatterflow.config.base import (
    Exponent,
    Model,
    Name,
    Number,
    Pair,
    Positive,
    Text,
    refuse_alike,
)
from scatterflow.config.qmap import QMapSettings
from scatterflow.errors import suggestion
from scatterflow.frame_selection import check_frames

Count = Annotated[int, Field(ge=1, le=100_000_000)]
Ascending = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]


class AutomaticBadFrames(Model):
    """Frames left out because of their total counts."""

    low: Annotated[float, Field(ge=0, lt=1), Exponent] | None = 0.5
    """Frames with less than this fraction of the median total are bad; null: no limit."""
    high: Annotated[float, Field(gt=1), Exponent] | None = None
    """Frames with more than this multiple of the median total are bad; null: no limit."""


class FrameSelection(Model):
    """Which raw frames are used, and how they are put together."""

    begin: int = 0
    """First raw frame, from 0; negative: counted from the end."""
    end: int | None = None
    """Raw frame after the last; negative: counted from the end; left out: all."""
    stride: Count = 1
    """Every how many-th raw frame is used."""
    average: Count = 1
    """Raw frames that are added up to one."""
    bad: Annotated[Text, AfterValidator(check_frames)] | None = None
    """Raw frames to leave out, `17,200-230`; a frame made of several is bad if one of them is."""
    automatic_bad: AutomaticBadFrames | None = None
    """Frames to leave out because of their total counts; left out: none."""

    @model_validator(mode="after")
    def _something_is_left(self) -> FrameSelection:
        end = self.end
        if end is not None and (self.begin >= 0) == (end >= 0) and not self.begin < end:
            raise ValueError(f"begin ({self.begin}) must be below end ({end})")
        if self.bad == "all":
            raise ValueError("bad: `all` leaves no frame")
        return self


class Crop(Model):
    """A part of the detector; the rest is masked."""

    rows: Annotated[Ascending, Field(strict=False)] | None = None
    """First row, and row after the last."""
    columns: Annotated[Ascending, Field(strict=False)] | None = None
    """First column, and column after the last."""

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Crop:
        for key in ("rows", "columns"):
            limits = getattr(self, key)
            if limits is not None and not limits[0] < limits[1]:
                raise ValueError(f"{key}: the first must be below the second, got {list(limits)}")
        return self


class Preprocessing(Model):
    """What is done with the counts of each frame."""

    dark_frames: Annotated[Ascending, Field(strict=False)] | None = None
    """First raw frame, and raw frame after the last, of those without beam: their mean is subtracted, and
    a pixel counts if it is above `lower_level` + `dark_sigma` times their standard deviation."""
    dark_sigma: Annotated[float, Field(ge=0), Exponent] = 0.0
    """Standard deviations of the dark frames that a pixel must be above."""
    lower_level: Annotated[float, Field(ge=0), Exponent] = 0.0
    """Counts that a pixel must be above, after subtraction of the dark; what is not counts as 0."""
    normalise: Literal["none", "frame_sum"] = "none"
    """`frame_sum`: divide each frame by its total, relative to the mean total, for a beam that fluctuates."""

    @model_validator(mode="after")
    def _range_ascends(self) -> Preprocessing:
        if self.dark_frames is not None and not self.dark_frames[0] < self.dark_frames[1]:
            raise ValueError(
                f"dark_frames: the first must be below the second, got {list(self.dark_frames)}"
            )
        if self.dark_sigma and self.dark_frames is None:
            raise ValueError("dark_sigma: needs dark_frames")
        return self


class MultiTau(Model):
    """Correlation of each pixel with itself at later times."""

    lags: Literal["multitau", "linear", "log"] = "multitau"
    """`multitau`: each level adds frames up in pairs; `linear`, `log`: single frames at evenly spaced or
    logarithmically spaced delays."""
    delays_per_level: Annotated[int, Field(ge=1, le=64)] = 4
    """Delays of each level, and per doubling with `log`; level 0 has twice as many."""
    most_delay: Count | None = None
    """Longest delay, frames, fewer than the run has; left out: as long as the run allows (`linear`: 100)."""
    normalisation: Literal["static_bins", "dynamic_bins", "bias_corrected"] = "static_bins"
    """`static_bins`: each static bin by its own mean intensities, then their mean, as at the APS.
    `dynamic_bins`: the dynamic bin as a whole, as scikit-beam. `bias_corrected`: as `static_bins`, unbiased
    where bins hold few photons."""
    errors: Literal["speckles", "time_blocks"] = "speckles"
    """The error that is shown first and used in fits: from the scatter of independent speckles, or over
    blocks of time where that is larger. The result holds both where blocks of time suffice."""
    partial: Annotated[int, Field(ge=0, le=1000)] = 10
    """Windows of time that are also correlated by themselves: g2 as it ages, and errors over blocks of time;
    0: none. Left out, runs of fewer frames go without."""
    save_pixels: bool = False
    """Keep the sums of each pixel (G2, IP, IF) in the result."""

    @model_validator(mode="after")
    def _windows_suffice(self) -> MultiTau:
        if self.errors == "time_blocks" and self.partial < 4:
            raise ValueError("errors: `time_blocks` needs `partial` of 4 or more")
        return self


class TwoTime(Model):
    """Correlation of all pairs of times."""

    bins: list[Annotated[int, Field(ge=1)]] | None = None
    """Dynamic bins, from 1; left out: all."""
    smoothing: Literal["none", "static", "dynamic", "time_average"] = "static"
    """What intensities are divided by: nothing, the mean of the static or of the dynamic bin in each frame,
    or the mean of the static bin over all frames. Small bins with few photons bias `static`."""
    partial: Annotated[int, Field(ge=0, le=1000)] = 5
    """Windows of time for which g2 is also given by itself; 0: none."""
    ages: Annotated[int, Field(ge=0, le=1000)] = 5
    """Cuts at constant age, (t1 + t2) / 2; 0: none."""
    largest_map: Annotated[int, Field(ge=16, le=20_000)] = 2000
    """Side of the largest map that is stored; of longer runs the means over squares of frames."""
    chi4: bool = True
    """The variance of the correlation over time at each delay: dynamical heterogeneity."""


class SpeckleStatistics(Model):
    """Probabilities of photon counts: contrast and mean count at each exposure."""

    exposures: Annotated[list[Count], Field(min_length=1)] = Field(default=[1, 2, 4, 8])
    """Exposures, frames that are added up."""
    most_photons: Annotated[int, Field(ge=2, le=1000)] = 20
    """Counts from this on are taken together."""
    segments: Annotated[int, Field(ge=2, le=1000)] = 10
    """Parts of the run that are also counted by themselves, for the error."""


PARAMETERS = {
    "single": ("tau",),
    "stretched": ("tau", "stretching"),
    "double": ("tau", "tau_slow", "fraction"),
}
"""Of each model, besides baseline and contrast."""


class CorrelationFit(Model):
    """A model fitted to g2 of each dynamic bin."""

    model: Literal["single", "stretched", "double"] = "single"
    """baseline + contrast |g1|^2 with g1: `single`, exp(-t / tau); `stretched`, exp(-(t / tau)^stretching);
    `double`, fraction exp(-t / tau) + (1 - fraction) exp(-t / tau_slow)."""
    of: Literal["multitau", "twotime"] = "multitau"
    """The g2 that is fitted."""
    baseline: Literal["free", "fixed"] = "free"
    """`fixed`: 1."""
    heterodyne: bool = False
    """Let a part of the intensity that does not fluctuate interfere: `dynamic_fraction` is fitted, too."""
    range: Pair | None = None
    """Shortest and longest delay, s; left out: all."""
    start: dict[Name, Number] = Field(default={})
    """Where parameters begin; left out: guessed."""
    bounds: dict[Name, Pair] = Field(default={})
    """Smallest and largest values of parameters."""

    @model_validator(mode="after")
    def _range_ascends(self) -> CorrelationFit:
        for key, limits in {"range": self.range, **self.bounds}.items():
            if limits is not None and not limits[0] < limits[1]:
                raise ValueError(f"{key}: the first must be below the second, got {list(limits)}")
        return self

    @model_validator(mode="after")
    def _parameters_are_known(self) -> CorrelationFit:
        known = ("baseline", "contrast", *PARAMETERS[self.model])
        known += ("dynamic_fraction",) if self.heterodyne else ()
        for key in ("start", "bounds"):
            for name in getattr(self, key):
                if name not in known:
                    raise ValueError(f"{key}: no parameter {name!r}; {suggestion(name, known)}")
        return self


class Diffusion(Model):
    """How tau depends on q."""

    fit: Name | None = None
    """The fit whose tau is used; left out: the first."""
    q_range: Pair | None = None
    """Lowest and highest q, in the q-map's unit; left out: all."""
    temperature_K: Positive | None = None
    """Temperature, K, for the hydrodynamic radius."""
    viscosity_Pa_s: Positive | None = None
    """Viscosity of the liquid, Pa s, for the hydrodynamic radius."""


class XpcsReduction(Model):
    """Photon correlation spectroscopy: g2, two-time correlation, speckle statistics."""

    technique: Literal["xpcs"]
    """The technique."""
    detector: Name | None = None
    """The detector; may be left out where the source has only one."""
    qmap: QMapSettings
    """Which pixels belong together: a file, or a partition by coordinates."""
    frame_time_s: Positive | None = None
    """Time from one raw frame to the next, s; left out: what the metadata says."""
    frames: FrameSelection = FrameSelection()
    """Which raw frames are used."""
    crop: Crop | None = None
    """A part of the detector."""
    preprocessing: Preprocessing = Preprocessing()
    """What is done with the counts of each frame."""
    multitau: MultiTau = MultiTau()
    """g2."""
    twotime: TwoTime | None = None
    """Two-time correlation; left out: none."""
    speckle_statistics: SpeckleStatistics | None = None
    """Speckle statistics; left out: none."""
    fits: dict[Name, CorrelationFit] = Field(default={})
    """Models fitted to g2, by name."""
    diffusion: Diffusion | None = None
    """How tau depends on q; left out: not asked."""

    @model_validator(mode="after")
    def _fits_suit(self) -> XpcsReduction:
        refuse_alike(self.fits, "the fits")
        for name, fit in self.fits.items():
            if fit.of == "twotime" and self.twotime is None:
                raise ValueError(f"fits.{name}: there is no g2 of two-time without `twotime`")
        if self.diffusion is None:
            return self
        if not self.fits:
            raise ValueError("diffusion: needs a fit; add one to `fits`")
        if self.diffusion.fit is not None and self.diffusion.fit not in self.fits:
            raise ValueError(f"diffusion.fit: {self.diffusion.fit!r} is not in `fits`")
        coordinates = self.qmap.coordinates
        if coordinates and "q" not in [item.name for item in coordinates]:
            raise ValueError("diffusion: needs dynamic bins of q, and the q-map has none")
        return self

    @model_validator(mode="after")
    def _bins_can_be(self) -> XpcsReduction:
        bins, most = self.twotime and self.twotime.bins, self.qmap.bins
        if bins and most and max(bins) > most:
            raise ValueError(
                f"twotime.bins: the q-map has no more than {most} bins, not {max(bins)}"
            )
        return self
