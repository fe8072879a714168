"""The whole of `config/config.yaml`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from scatterflow.config.base import (
    MERGED,
    Exponent,
    FilePath,
    Model,
    Name,
    Number,
    Text,
    refuse_alike,
)
from scatterflow.config.detectors import DetectorConfig
from scatterflow.config.live import Live
from scatterflow.config.maps import JointMap
from scatterflow.config.proposals import ProposalConfig
from scatterflow.config.publication import Publication
from scatterflow.config.quality import Quality
from scatterflow.config.saxswaxs import SaxswaxsReduction
from scatterflow.config.shot_sources import ShotSource
from scatterflow.config.shots import ShotsReduction
from scatterflow.config.sources import SourceConfig
from scatterflow.config.staging import Staging
from scatterflow.config.xpcs import XpcsReduction
from scatterflow.geometry_kind import has_plane

Reduction = Annotated[
    SaxswaxsReduction | XpcsReduction | ShotsReduction, Field(discriminator="technique")
]
Source = Annotated[SourceConfig | ShotSource, Field(discriminator="format")]


# Fields and groups beside which detectors, and integrations named after them, stand in result files.
RESERVED_DETECTORS = {
    *("source", "name", "monochromator", "process", "user", "entry", "experiment", "start", "end"),
    *("reduction", "processed", "solid", "polarization", "normalization", "monitor"),
    MERGED,
}


class Experiment(Model):
    """What every result file says about the experiment."""

    title: Annotated[Text, Field(min_length=1)]
    """Title of the experiment."""
    facility: Annotated[Text, Field(min_length=1)]
    """Facility, e.g. `ESRF`."""
    facility_type: Text = "Synchrotron X-ray Source"
    """Type of source, as NeXus names it (`Synchrotron X-ray Source`, `Free-Electron Laser`, ...)."""
    beamline: Annotated[Text, Field(min_length=1)]
    """Beamline or instrument."""
    proposal: Text = ""
    """Proposal or experiment number."""
    creators: list[Text] = Field(default=[])
    """People to be named as authors of the results."""


class Chunks(Model):
    """How a run's frames are shared among jobs. Results do not depend on it."""

    frames: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Frames per chunk job; left out: planned from the keys below."""
    minutes: Annotated[float, Field(gt=0, le=100_000), Exponent] = 5.0
    """Aim for the duration of a chunk job, minutes."""
    memory_mb: Annotated[int, Field(ge=1000, le=100_000_000)] = 4000
    """Memory that a chunk job may use, MB."""
    pixel_rate: Annotated[float, Field(gt=0, le=1_000_000), Exponent] = 200.0
    """Assumed speed of a chunk job on one core, million pixels per second and integration. Fixed here and not
    measured, so that the plan does not change from run to run."""
    threads: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Threads of a chunk job."""
    pixel_blocks: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Jobs that correlate pixels (`xpcs`), each a block of them; left out: planned from `memory_mb`."""


class Override(Model):
    """Different parameters for some runs."""

    runs: Text | int | None = None
    """Runs by name, number range or pattern: `20-35,40,lab6*`."""
    where: dict[str, Text | int | Number | bool] = Field(default={})
    """Only runs with these values in the run table's columns."""
    set: Annotated[dict[str, Any], Field(min_length=1)]
    """New values by dotted key: `reductions.swaxs.integrations.azimuthal.bins: 500`."""

    @model_validator(mode="after")
    def _selects_something(self) -> Override:
        if self.runs is None and not self.where:
            raise ValueError("give `runs`, `where` or both")
        return self


class Demo(Model):
    """The simulated experiment; leave the whole key out for your own data."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of the random numbers."""


class Configuration(Model):
    """The configuration of one experiment."""

    experiment: Experiment
    """What every result file says about the experiment."""
    runs: FilePath = "config/runs.tsv"
    """The run table."""
    raw: FilePath = "raw"
    """Folder that the raw paths of the run table are relative to; it is only read."""
    registry: FilePath | None = None
    """Registry that masks of type `registry` come from: a folder, or the address of a Tiled server; left
    out: what the environment variable SCATTERFLOW_REGISTRY names, else the folder `registry`."""
    sources: Annotated[dict[Name, Source], Field(min_length=1)]
    """How raw data is laid out, by name; the run table's column `source` refers to it."""
    detectors: Annotated[dict[Name, DetectorConfig], Field(min_length=1)]
    """Detectors by name."""
    reductions: Annotated[dict[Name, Reduction], Field(min_length=1)]
    """Reductions by name; the run table's column `reduction` refers to it."""
    maps: dict[Name, JointMap] = Field(default={})
    """Maps of the frames of several runs, by name."""
    proposals: dict[Name, ProposalConfig] = Field(default={})
    """Masks to be made from frames by `snakemake proposals`; they go into the registry, to be accepted."""
    overrides: list[Override] = Field(default=[])
    """Run-dependent parameters, applied in order."""
    chunks: Chunks = Chunks()
    """How frames are shared among jobs."""
    publication: Publication = Publication()
    """What records of the results say besides: publisher, authors, licence."""
    quality: Quality = Quality()
    """What is checked of each result, and what a violation means."""
    live: Live = Live()
    """Runs that arrive while they are reduced, and runs that cannot be read."""
    staging: Staging = Staging()
    """Where raw data comes from and results go to, if that is not this computer."""
    demo: Demo | None = None
    """Simulate the demo's raw data."""

    @model_validator(mode="after")
    def _names_differ(self) -> Configuration:
        refuse_alike(self.sources, "the sources")
        refuse_alike(self.detectors, "the detectors")
        refuse_alike(self.reductions, "the reductions")
        refuse_alike(self.maps, "the maps")
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> Configuration:
        for name in self.detectors:
            if name.lower() in RESERVED_DETECTORS:
                raise ValueError(
                    f"detectors: {name!r} has a meaning in result files; choose another name"
                )
        for title, source in self.sources.items():
            if isinstance(source, SourceConfig) and "frame_number" in source.scalars:
                raise ValueError(
                    f"sources.{title}.scalars: every result has a scalar 'frame_number'; "
                    "choose another name"
                )
        return self

    @model_validator(mode="after")
    def _references_exist(self) -> Configuration:
        for name, source in self.sources.items():
            if isinstance(source, SourceConfig):
                self._check_frames(name, source)
        for name, proposal in self.proposals.items():
            if proposal.detector not in self.detectors:
                raise ValueError(
                    f"proposals.{name}.detector: {proposal.detector!r} is not in `detectors` "
                    f"({', '.join(self.detectors)})"
                )
        for name, reduction in self.reductions.items():
            if isinstance(reduction, ShotsReduction):
                continue
            if isinstance(reduction, XpcsReduction):
                if reduction.detector is not None and reduction.detector not in self.detectors:
                    raise ValueError(
                        f"reductions.{name}.detector: {reduction.detector!r} is not in `detectors` "
                        f"({', '.join(self.detectors)})"
                    )
                continue
            for title, integration in reduction.integrations.items():
                for detector in integration.detectors or []:
                    if detector not in self.detectors:
                        raise ValueError(
                            f"reductions.{name}.integrations.{title}.detectors: {detector!r} is not in "
                            f"`detectors` ({', '.join(self.detectors)})"
                        )
        return self

    def _check_frames(self, name: str, source: SourceConfig) -> None:
        """Raise ValueError for detectors of a source of frames that are not known, or have no geometry."""
        for detector in source.frames:
            if detector not in self.detectors:
                raise ValueError(
                    f"sources.{name}.frames: detector {detector!r} is not in `detectors` "
                    f"({', '.join(self.detectors)})"
                )
            settings = self.detectors[detector]
            if not has_plane(settings.geometry) or settings.tiles is not None:
                raise ValueError(
                    f"detectors.{detector}.geometry: frames of source {name!r} need a PONI file or explicit "
                    "parameters, and no `tiles`"
                )
