"""`qmap:` of an XPCS reduction - which pixels are correlated together."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

from pydantic import Field, model_validator

from scatterflow.bin_spans import check_period, dynamic_spans
from scatterflow.config.base import Exponent, FilePath, Model, Number, Pair

MOST_BINS = 1_000_000

_Count = Annotated[int, Field(ge=1, le=MOST_BINS)]
_Width = Annotated[float, Field(gt=0), Exponent]


class DynamicBins(Model):
    """Intervals of one coordinate: evenly spaced (`bins`), between `edges`, or round `centres`."""

    spacing: Literal["linear", "log"] = "linear"
    """Of `bins`: equal widths (`linear`), or equal ratios (`log`, for q alone)."""
    range: Pair | None = None
    """Of `bins`: lower and upper end. Left out: all good pixels; for phi one period, 360/`symmetry`
    degrees round 0."""
    bins: _Count | None = None
    """Number of intervals."""
    edges: Annotated[list[Number], Field(min_length=2, max_length=MOST_BINS)] | None = None
    """Edges of the intervals, ascending."""
    centres: Annotated[list[Number], Field(min_length=1, max_length=MOST_BINS)] | None = None
    """Centres of intervals that need not touch, ascending."""
    widths: _Width | list[_Width] | None = None
    """With `centres`: full width of the intervals, one number or a list."""

    @model_validator(mode="after")
    def _one_way(self) -> DynamicBins:
        given = [key for key in ("bins", "edges", "centres") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                "give one of `bins`, `edges` and `centres`"
                + (f", not {' and '.join(given)}" if given else "")
            )
        if (self.widths is not None) != (given == ["centres"]):
            raise ValueError("`centres` and `widths` go together")
        if given != ["bins"] and (self.range is not None or self.spacing != "linear"):
            raise ValueError(f"`range` and `spacing` have no meaning with `{given[0]}`")
        if given != ["bins"] or self.range is not None:
            dynamic_spans(self.model_dump(), self.range or (0.0, 1.0))
        return self

    @property
    def count(self) -> int:
        """Number of intervals."""
        return self.bins or len(self.centres or self.edges[1:])  # type: ignore[index]


class _Coordinate(Model):
    dynamic: DynamicBins
    """Dynamic intervals: a correlation function for each."""
    static: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Static intervals within each dynamic one, over which the intensity is taken as constant."""

    @model_validator(mode="after")
    def _log_is_for_q(self) -> _Coordinate:
        if self.dynamic.spacing == "log" and getattr(self, "name", "q") != "q":
            raise ValueError("dynamic: `spacing: log` is for q alone")
        return self


class QCoordinate(_Coordinate):
    """The momentum transfer q = (4 pi / wavelength) sin(theta)."""

    name: Literal["q"]
    """The momentum transfer."""
    unit: Literal["q_A^-1", "q_nm^-1"] = "q_A^-1"
    """Unit of edges, centres and widths: 1/angstrom or 1/nm. Viewers of APS results expect 1/angstrom."""


class PhiCoordinate(_Coordinate):
    """The azimuth phi, degrees: 0 along the columns of the stored frame, counter-clockwise where the
    first row is on top (the opposite of pyFAI's chi)."""

    name: Literal["phi"]
    """The azimuth."""
    offset_deg: Number = 0.0
    """Added to phi before it is divided, degrees; edges and centres count in the sum."""
    symmetry: Annotated[int, Field(ge=1, le=360)] = 1
    """n-fold symmetry: phi is folded into one period of 360/n degrees, from the lowest edge on."""

    @model_validator(mode="after")
    def _within_a_period(self) -> PhiCoordinate:
        if self.dynamic.bins is None or self.dynamic.range is not None:
            spans = dynamic_spans(self.dynamic.model_dump(), self.dynamic.range or (0.0, 1.0))
            check_period(spans, self.symmetry)
        return self


class PixelCoordinate(_Coordinate):
    """A coordinate on the detector, pixels; 0 is the centre of the first one."""

    name: Literal["x", "y"]
    """`x`: column, `y`: row of the stored frame."""


Coordinate = Annotated[QCoordinate | PhiCoordinate | PixelCoordinate, Field(discriminator="name")]


class QMapSettings(Model):
    """The q-map: a file, or made from the detector's geometry and mask."""

    file: FilePath | None = None
    """A q-map file of APS 8-ID (`/qmap` or `/data`) or an XPCS result that holds one. The detector's masks
    apply as well."""
    coordinates: Annotated[list[Coordinate], Field(min_length=1, max_length=2)] | None = None
    """One or two coordinates, the slow one first: `q`, `phi`; `x`, `y`. Bins are their products."""

    @model_validator(mode="after")
    def _file_or_coordinates(self) -> QMapSettings:
        if (self.file is None) == (self.coordinates is None):
            raise ValueError("give either `file` or `coordinates`")
        if self.coordinates:
            self._check_coordinates(self.coordinates)
        return self

    @property
    def bins(self) -> int | None:
        """Number of dynamic bins, with those that may turn out empty; None: the file tells."""
        if self.coordinates is None:
            return None
        return prod(item.dynamic.count for item in self.coordinates)

    @property
    def static_bins(self) -> int | None:
        """Number of static bins, likewise."""
        if self.coordinates is None:
            return None
        return prod(item.dynamic.count * item.static for item in self.coordinates)

    @staticmethod
    def _check_coordinates(coordinates: list[Coordinate]) -> None:
        names = [item.name for item in coordinates]
        if len(set(names)) != len(names):
            raise ValueError(f"coordinates: {names[0]!r} is named twice")
        bins = prod(item.dynamic.count * item.static for item in coordinates)
        if bins > MOST_BINS:
            raise ValueError(f"coordinates: {bins} static bins; at most {MOST_BINS} are allowed")
