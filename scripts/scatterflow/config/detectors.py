"""`detectors:` - shape, geometry, masks and calibration images of each detector."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from scatterflow.config.base import (
    Exponent,
    FilePath,
    Model,
    Name,
    Number,
    Pair,
    Text,
)

# More than any detector has; a mistaken shape must not fill the memory.
Side = Annotated[int, Field(ge=1, le=100_000)]


class GeometryParameters(Model):
    """Explicit geometry, as pyFAI defines it (see its documentation for the axes)."""

    distance_m: Annotated[float, Field(gt=0), Exponent]
    """Sample to detector distance along the normal, m."""
    poni1_m: Number
    """Point of normal incidence along axis 1 (slow, rows), m."""
    poni2_m: Number
    """Point of normal incidence along axis 2 (fast, columns), m."""
    rotation1_rad: Number = 0.0
    """Rotation around axis 1, rad."""
    rotation2_rad: Number = 0.0
    """Rotation around axis 2, rad."""
    rotation3_rad: Number = 0.0
    """Rotation around the beam, rad."""
    wavelength_m: Annotated[float, Field(gt=0, lt=1e-7), Exponent]
    """Wavelength, m."""
    pixel1_m: Annotated[float, Field(gt=0), Exponent] | None = None
    """Pixel size along axis 1, m; may be left out when `detector` names a known detector."""
    pixel2_m: Annotated[float, Field(gt=0), Exponent] | None = None
    """Pixel size along axis 2, m."""
    detector: Text | None = None
    """Name of a detector that pyFAI knows (`Pilatus1M`, `Eiger2_4M`, ...): pixel size and gaps."""


class QuadrantGeometry(Model):
    """A camera of the European XFEL, by the positions of its quadrants (EXtra-geom)."""

    family: Annotated[Text, Field(min_length=1)]
    """Camera: `AGIPD_1M`, `LPD_1M`, `DSSC_1M`."""
    quadrants: Annotated[list[Pair], Field(min_length=4, max_length=4)]
    """x and y of the four quadrants as EXtra-geom takes them: pixels for AGIPD, else mm."""


class GapsMask(Model):
    """The gaps of the detector as pyFAI knows them (needs a known detector in the geometry)."""

    type: Literal["gaps"]
    """The gaps of a detector that pyFAI knows."""
    name: Name = "gaps"
    """Name of the mask."""


class FileMask(Model):
    """A mask from a file: .npy, .edf, .tif, .msk (also .gz), or a dataset of an HDF5/NeXus file."""

    type: Literal["file"]
    """A file."""
    name: Name
    """Name of the mask."""
    path: FilePath
    """The file."""
    dataset: Text | None = None
    """Dataset in an HDF5 file (`entry/instrument/detector/pixel_mask`)."""
    true_means: Literal["masked", "good"] | None = None
    """What a nonzero value means. Fixed by the format for .msk and .edf (masked) and for datasets named
    `pixel_mask` (bits set: masked); must be given for all others."""
    bits: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] = 0xFFFF
    """For a `pixel_mask`: the bits that make a pixel bad (NeXus: the lower 16; the upper are tags)."""


class PolygonMask(Model):
    """Pixels with their centre inside a polygon are masked."""

    type: Literal["polygon"]
    """A polygon."""
    name: Name
    """Name of the mask."""
    corners: Annotated[list[Pair], Field(min_length=3)]
    """Corners as (row, column) in pixels; the centre of the first pixel is (0, 0)."""
    inside_is: Literal["masked", "good"] = "masked"
    """Mask the inside, or everything but the inside."""


class CircleMask(Model):
    """Pixels with their centre inside a circle are masked."""

    type: Literal["circle"]
    """A circle."""
    name: Name
    """Name of the mask."""
    centre: Pair | Literal["beam"]
    """(row, column) in pixels, or `beam`: the direct beam of the geometry."""
    radius: Annotated[float, Field(gt=0), Exponent]
    """Radius, pixels."""
    inside_is: Literal["masked", "good"] = "masked"
    """Mask the inside, or everything but the inside."""


class RegistryMask(Model):
    """A mask of the registry; pinned to a version before anything runs."""

    type: Literal["registry"]
    """A mask of the registry."""
    name: Name
    """Name of the mask in the registry."""
    detector: Name | None = None
    """Name of the detector in the registry; left out: the name of this detector."""
    version: Annotated[int, Field(ge=1)] | None = None
    """Version; left out: the newest one when it was pinned. `scatterflow registry pin` renews the pin."""


MaskConfig = Annotated[
    GapsMask | FileMask | PolygonMask | CircleMask | RegistryMask, Field(discriminator="type")
]


class ValidRange(Model):
    """Stored pixel values outside this range are no measurement: left out frame by frame."""

    minimum: Number | None = 0.0
    """Smallest valid value (Pilatus marks gaps and dead pixels by negative values); null: no limit."""
    maximum: Number | Literal["auto"] | None = "auto"
    """Largest valid value. `auto`: for unsigned integers all but the sentinel (all bits of `bit_depth`
    set), for other types no limit; null: no limit."""
    bit_depth: Annotated[int, Field(ge=1, le=64)] | None = None
    """Counter depth of the detector where it is less than that of the stored type (e.g. 12), bits."""

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> ValidRange:
        limits = self.minimum, self.maximum
        if None not in limits and "auto" not in limits and not limits[0] <= limits[1]:  # type: ignore[operator]
            raise ValueError(
                f"no value is valid: minimum {limits[0]:g} is above maximum {limits[1]:g}"
            )
        return self


class DeadTime(Model):
    """Correct a counter's dead time, pixel by pixel: n / (1 - n tau / t), non-paralysable."""

    seconds: Annotated[float, Field(gt=0), Exponent]
    """Dead time tau after each count, s."""
    exposure: Name | Annotated[float, Field(gt=0), Exponent]
    """Exposure t of a frame, s: a number, or the name of the scalar that holds it."""


class DetectorConfig(Model):
    """One area detector."""

    shape: Annotated[tuple[Side, Side], Field(strict=False)]
    """(rows, columns) of a stored frame, pixels; of frames with tiles, all tiles one above the other."""
    tiles: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Tiles that a frame consists of (`shots`); left out: it is one image."""
    geometry: FilePath | GeometryParameters | QuadrantGeometry | None = None
    """A PONI file, or explicit parameters. For `shots` also a CrystFEL file (.geom), an HDF5 file (.h5) with
    `x`, `y`, `z` of each pixel, quadrants, or `source`: what the raw files say; may be left out."""
    orientation: Annotated[int, Field(ge=1, le=4)] | None = None
    """pyFAI's orientation of the frame (1 top left ... 3 bottom right, the default ... 4); must agree
    with the PONI file if that states one."""
    masks: list[MaskConfig] = Field(default=[])
    """Masks; a pixel is good if it is good in all of them."""
    most_masked: Annotated[float, Field(gt=0, le=1), Exponent] = 0.95
    """Largest fraction of masked pixels that is accepted; more is taken for an inverted mask."""
    valid: ValidRange = ValidRange()
    """Valid range of stored pixel values."""
    dark: FilePath | None = None
    """Dark image (anything that fabio reads, .npy): subtracted from each frame."""
    flat: FilePath | None = None
    """Flat-field image: each pixel's relative efficiency, divided out."""
    dead_time: DeadTime | None = None
    """Correction of the counters' dead time."""

    @model_validator(mode="after")
    def _tiles_divide_rows(self) -> DetectorConfig:
        if self.tiles is not None and self.shape[0] % self.tiles:
            raise ValueError(f"{self.shape[0]} rows cannot be {self.tiles} tiles")
        return self

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame as shots have it: (tiles, rows, columns), or (rows, columns)."""
        if self.tiles is None:
            return self.shape
        return self.tiles, self.shape[0] // self.tiles, self.shape[1]

    @model_validator(mode="after")
    def _mask_names_differ(self) -> DetectorConfig:
        names = [mask.name for mask in self.masks]
        if len(set(names)) != len(names):
            raise ValueError(f"two masks have the same name: {', '.join(names)}")
        return self
