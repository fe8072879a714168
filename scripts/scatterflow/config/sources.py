"""`sources:` - how raw data of one kind is laid out."""

from __future__ import annotations

import zoneinfo
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from scatterflow.config.base import (
    Exponent,
    FilePath,
    Model,
    Name,
    RelativePath,
    Text,
    check_relative_path,
)
from scatterflow.errors import shortened, suggestion

ScalarType = Literal[
    "dataset",
    "column",
    "scan_column",
    "spec_motor",
    "spec_motor_absolute",
    "spec_motor_static",
    "smb_par",
    "scan_start_time",
    "spec_epoch",
    "scan_step_index",
    "scan_number",
    "detector_log_timestamps",
    "expression",
]

SCALAR_TYPES_WITHOUT_NAME = {
    "scan_start_time",
    "spec_epoch",
    "scan_step_index",
    "scan_number",
    "detector_log_timestamps",
}
SCALAR_TYPES_OF_FORMAT = {
    "hdf5": {"dataset", "column", "expression"},
    "images": {"column", "expression"},
    "imm": {"column", "expression"},
    "rigaku": {"column", "expression"},
    "ufxc": {"column", "expression"},
    "timepix4": {"column", "expression"},
    "spec": {
        "column",
        "scan_column",
        "spec_motor",
        "spec_motor_absolute",
        "spec_motor_static",
        "smb_par",
        "expression",
        *SCALAR_TYPES_WITHOUT_NAME,
    },
}

PATH_FORMATS = {"images", "imm", "rigaku", "ufxc", "timepix4"}
"""Formats whose `frames` are paths."""
FORMATS_OF_KEY = {
    "pixel_order": ("rigaku",),
    "modules": ("rigaku", "timepix4"),
    "frame_time_s": ("timepix4",),
}


def _check_time_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # Only now: to list them all takes longer than the rest of the configuration.
        known = zoneinfo.available_timezones()
        raise ValueError(
            f"unknown time zone {shortened(name)}: {suggestion(name, known)}"
        ) from None
    return name


class Scalar(Model):
    """One number per frame: a monitor, a motor, a time."""

    type: ScalarType
    """Where the value comes from. `dataset`: HDF5 dataset. `column`: column of the `table` file.
    `scan_column`: SPEC counter. `spec_motor`: SPEC motor, for a scanned one the commanded position
    minus the position before the scan. `spec_motor_absolute`: commanded position.
    `spec_motor_static`: first commanded position. `smb_par`: column of the .par file.
    `scan_start_time`, `spec_epoch`: seconds since 1970 UTC. `scan_step_index`: point number from 0.
    `scan_number`. `detector_log_timestamps`: times from the detector's .log. `expression`: computed
    from the other scalars."""
    name: Text | None = None
    """Name of the dataset, column or motor; the text of an expression."""
    unit: Text = ""
    """Unit of the values as stored (`counts`, `s`, `mm`, `K`, ...); empty: that of the HDF5 dataset, if it
    states one, else dimensionless."""

    @model_validator(mode="after")
    def _name_where_needed(self) -> Scalar:
        if self.type not in SCALAR_TYPES_WITHOUT_NAME and not self.name:
            raise ValueError(f"a scalar of type {self.type!r} needs a name")
        return self


def _check_suffix(suffix: str) -> str:
    if "/" in suffix:
        raise ValueError(f"{shortened(suffix)} must be the end of a file's name, without '/'")
    return suffix


class ModuleConfig(Model):
    """Where one module of a detector is in its frames."""

    suffix: Annotated[Text, AfterValidator(_check_suffix)]
    """What is put behind the path of the run for the module's file (`.000`)."""
    row: Annotated[int, Field(ge=0)]
    """Row of the module's first pixel in the frame, from 0."""
    column: Annotated[int, Field(ge=0)]
    """Column of the module's first pixel in the frame, from 0."""
    turned: bool = False
    """Mounted upside down: turned by 180 degrees."""


class SourceConfig(Model):
    """How raw data of one kind is laid out: format, detectors' frames, per-frame scalars."""

    format: Literal["images", "hdf5", "spec", "imm", "rigaku", "ufxc", "timepix4"]
    """`images`: one file or a numbered series of files that fabio reads. `hdf5`: HDF5 or NeXus file
    (also Eiger master + data files, Lambda modules). `spec`: SPEC file with frames in CHESS layout.
    `imm`: IMM file of APS 8-ID-I, sparse or dense. `rigaku`: 64-bit events of a Rigaku 500K or 3M.
    `ufxc`: 32-bit events of a UFXC. `timepix4`: SPIDR4 file of a Timepix4."""
    frames: Annotated[dict[Name, FilePath], Field(min_length=1)]
    """Per detector, where its frames are. `images`: path pattern below the raw folder with `{raw}` (the
    run table's entry), `{run}` and, for a series, `{frame}` or `{frame:05d}`. `hdf5`: dataset path,
    `auto`, or `pattern::dataset` where each detector has a file of its own. `spec`: the detector's name
    in the file names, matched exactly. `imm`, `rigaku`, `ufxc`, `timepix4`: path pattern of the file
    with `{raw}` and `{run}`; with `modules` without what differs between the modules' files."""
    first_frame: Annotated[int, Field(ge=0)] = 0
    """Number in the name of the first file of a series (`images`)."""
    frames_per_file: Annotated[int, Field(ge=1)] = 1
    """Frames in each file of a series (`images`)."""
    pixel_order: Literal["row", "column"] = "row"
    """Whether the pixels of a module are numbered row by row or, in old files, column by column
    (`rigaku`)."""
    modules: Literal["rigaku_3m"] | Annotated[list[ModuleConfig], Field(min_length=1)] | None = None
    """Modules with a file each (`rigaku`: of 512 x 1024 pixels; `timepix4`: chips of 512 x 448 pixels, or
    the halves of one, both with the place of the chip); left out: one file holds all. `rigaku_3m`: the
    six of a Rigaku 3M, `.000` to `.005`, 1676 x 2100 pixels with the gaps."""
    frame_time_s: Annotated[float, Field(gt=0), Exponent] | None = None
    """Length of the frames that hits are put into, in s, a multiple of 25 ns (`timepix4`, required)."""
    scalars: dict[Name, Scalar] = Field(default={})
    """Per-frame scalars by name."""
    table: RelativePath | None = None
    """Path pattern (`{raw}`, `{run}`) of a CSV or TSV file with one row per frame."""
    metadata: RelativePath | None = None
    """Path pattern (`{raw}`, `{run}`) of the HDF5 file that describes the run: `<name>_metadata.hdf` of
    APS 8-ID, or the older file with `/measurement`."""
    par_file: RelativePath | None = None
    """Path of the .par file below the raw folder (`spec`); its columns are named by the .json beside it."""
    time_zone: Annotated[Text, AfterValidator(_check_time_zone)] | None = None
    """Time zone of the times in a SPEC file (`Europe/Paris`); left out: `America/New_York`."""
    missing: Literal["error", "nan"] = "error"
    """What a missing or corrupt frame does: stop with an error, or leave NaN, flagged, in the result."""

    @model_validator(mode="after")
    def _patterns_stay_below_the_raw_folder(self) -> SourceConfig:
        if self.format in PATH_FORMATS:
            for pattern in self.frames.values():
                check_relative_path(pattern)
        return self

    @model_validator(mode="after")
    def _keys_fit_format(self) -> SourceConfig:
        for key, formats in FORMATS_OF_KEY.items():
            default = type(self).model_fields[key].default
            if getattr(self, key) != default and self.format not in formats:
                raise ValueError(
                    f"`{key}` has no meaning for format {self.format!r} (only for "
                    f"{', '.join(formats)})"
                )
        if self.format == "timepix4" and self.frame_time_s is None:
            raise ValueError("format 'timepix4' needs `frame_time_s`, the length of a frame in s")
        if self.format == "timepix4" and self.modules == "rigaku_3m":
            raise ValueError("`modules: rigaku_3m` has no meaning for format 'timepix4'")
        return self

    @model_validator(mode="after")
    def _a_file_for_each_module(self) -> SourceConfig:
        modules = self.modules if isinstance(self.modules, list) else []
        if len({module.suffix for module in modules}) < len(modules):
            raise ValueError("two `modules` have the same suffix: their events would count twice")
        return self

    @model_validator(mode="after")
    def _scalars_fit_format(self) -> SourceConfig:
        allowed = SCALAR_TYPES_OF_FORMAT[self.format]
        for name, scalar in self.scalars.items():
            if scalar.type not in allowed:
                raise ValueError(
                    f"scalar {name!r}: type {scalar.type!r} is not available in format {self.format!r} "
                    f"(available: {', '.join(sorted(allowed))})"
                )
            if scalar.type == "column" and self.table is None:
                raise ValueError(f"scalar {name!r} is a column, but no `table` is given")
        return self
