"""`sources:` of X-ray laser runs - where shots, their detectors and scalars are, for each facility."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from scatterflow.config.base import Exponent, Model, Name, Number, RelativePath, Text

DetectorId = Annotated[Text, Field(min_length=1)]
Factor = Annotated[float, Exponent]


class ShotScalar(Model):
    """One number per shot: stored value x factor + offset."""

    name: DetectorId
    """Name under which it is stored."""
    factor: Factor = 1.0
    """Factor."""
    offset: Number = 0.0
    """Offset, in the new unit."""
    unit: Text = ""
    """Unit of the result; empty: as stored."""


class ShotSourceBase(Model):
    """What sources of shots have in common."""

    scalars: dict[Name, DetectorId | ShotScalar] = Field(default={})
    """Scalars by names of your own, the stored name or more; left out: all, under their stored names."""
    missing: Literal["error", "nan"] = "error"
    """What a corrupt frame does: stop with an error, or count as absent from its shot."""

    def recipe(self) -> dict[str, Any]:
        """The source as plain values, keys that are not given left out."""
        return self.model_dump(exclude_none=True)


class SaclaSource(ShotSourceBase):
    """SACLA: HDF5 of DataConvert."""

    format: Literal["sacla"]
    """HDF5 file of SACLA's DataConvert."""
    file: RelativePath = "{raw}"
    """Path pattern (`{raw}`, `{run}`) of the file."""
    run_number: Annotated[int, Field(ge=0)] | None = None
    """Which run of the file, if it holds several."""
    detectors: dict[Name, DetectorId | list[DetectorId]] | None = None
    """Detector IDs, `MPCCD-8-2-001`; an octal's eight panels are the tiles of one detector. Left out: all."""


class EuxfelModules(Model):
    """Modules of a detector of the European XFEL, or a camera."""

    source: DetectorId
    """Source, `{module}` for the number of the module: `ID/DET/{module}CH0:xtdf`."""
    key: DetectorId
    """Key of the frames, `image.data`."""
    modules: list[Annotated[int, Field(ge=0)]] | None = None
    """Which modules, as tiles in this order; left out: all."""
    plane: Annotated[int, Field(ge=0)] | None = None
    """Plane of raw frames that have several (AGIPD: 0 signal, 1 gain); left out: 0."""


class PulsePattern(Model):
    """Which pulse each value of a train belongs to, for keys with one value per pulse."""

    first: Annotated[int, Field(ge=0)] = 0
    """pulseId of the first value."""
    step: Annotated[int, Field(ge=1)] = 1
    """Distance of pulseIds from value to value."""


class EuxfelSource(ShotSourceBase):
    """European XFEL, through EXtra-data."""

    format: Literal["euxfel"]
    """Folder of a run at the European XFEL, RAW or CORR."""
    folder: RelativePath = "{raw}"
    """Path pattern (`{raw}`, `{run}`) of the run's folder."""
    detectors: dict[Name, DetectorId | EuxfelModules] | None = None
    """Karabo IDs of detectors of several modules, `SPB_DET_AGIPD1M-1`, or where their frames are. Left out:
    all detectors of several modules."""
    pulses: PulsePattern | None = None
    """How values per pulse belong to pulses; left out: such keys cannot be used."""
    suspect_trains: bool = False
    """Also take trains whose number did not come from the time server."""


class SmalldataSource(ShotSourceBase):
    """LCLS: small data file."""

    format: Literal["smalldata"]
    """LCLS small data file, `<experiment>_Run####.h5`."""
    file: RelativePath = "{raw}"
    """Path pattern (`{raw}`, `{run}`) of the file."""
    detectors: dict[Name, DetectorId] | None = None
    """Arrays per shot that serve as detectors, `epix_1/ROI_area`; left out: all."""


class DatasetOfShots(Model):
    """A dataset with one entry per shot that has tags, or a file, of its own."""

    data: DetectorId
    """Path of the dataset."""
    tags: DetectorId | None = None
    """Path of its tags; left out: those of the run."""
    file: RelativePath | None = None
    """Path pattern of its file; left out: that of the run."""


class ShotHdf5Source(ShotSourceBase):
    """Plain HDF5 with one entry per shot."""

    format: Literal["shot_hdf5"]
    """HDF5 files with one entry per shot."""
    file: RelativePath = "{raw}"
    """Path pattern (`{raw}`, `{run}`) of the file."""
    tags: DetectorId
    """Dataset of the tags: one integer, or one time in seconds, per shot."""
    detectors: dict[Name, DetectorId | DatasetOfShots] = Field(default={})
    """Datasets of frames or other arrays, by name."""
    scalar_data: dict[Name, DatasetOfShots] | None = None
    """Where stored scalars are that have tags or files of their own."""


class PsanaDetector(Model):
    """A detector that psana reads."""

    detector: DetectorId
    """psana's name of it."""
    what: Literal["raw", "calib"] = "raw"
    """Stored frames, or frames that psana has calibrated."""


class PsanaSource(ShotSourceBase):
    """LCLS: xtc files through psana."""

    format: Literal["psana", "psana1"]
    """xtc files through psana 2 (LCLS-II, `psana`) or psana 1 (`psana1`), installed at the facility."""
    experiment: DetectorId
    """Name of the experiment."""
    run_number: Annotated[int, Field(ge=0)] | None = None
    """Number of the run; left out: `raw` of the run table."""
    detectors: Annotated[dict[Name, DetectorId | PsanaDetector], Field(min_length=1)]
    """Detectors by name."""
    source: dict[Name, Text | int] | None = None
    """Further arguments of psana's DataSource, `dir: /data`."""


class SaclaLiveSource(ShotSourceBase):
    """SACLA: the facility's storage, through dbpy and stpy."""

    format: Literal["sacla_live"]
    """SACLA's storage and database, through the facility's modules."""
    beamline: Annotated[int, Field(ge=1, le=99)] = 3
    """Number of the beamline."""
    run_number: Annotated[int, Field(ge=0)] | None = None
    """Number of the run; left out: `raw` of the run table."""
    detectors: dict[Name, DetectorId | list[DetectorId]]
    """Detector IDs; panels of a list are the tiles of one detector."""


ShotSource = Annotated[
    SaclaSource | EuxfelSource | SmalldataSource | ShotHdf5Source | PsanaSource | SaclaLiveSource,
    Field(discriminator="format"),
]
SHOT_SOURCES: dict[str, type[ShotSourceBase]] = {
    "sacla": SaclaSource,
    "euxfel": EuxfelSource,
    "smalldata": SmalldataSource,
    "shot_hdf5": ShotHdf5Source,
    "psana, psana1": PsanaSource,
    "sacla_live": SaclaLiveSource,
}
