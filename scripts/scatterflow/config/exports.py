"""`exports:` of a saxswaxs reduction - files for other programs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from scatterflow.config.base import Model
from scatterflow.units import Q_UNITS


class Exports(Model):
    """Files for other programs, made from the result into `results/RUN/REDUCTION/export/`."""

    curves: list[Literal["nxcansas", "text"]] = Field(default=[])
    """Formats of curves, with the mean over the frames in `DETECTOR_INTEGRATION.h5` or `.dat`. `nxcansas`:
    azimuthal integrations against q (SasView and others). `text`: azimuthal and radial integrations,
    three columns (axis, intensity, uncertainty) below lines that begin with `#`."""
    frames: Literal["mean", "all"] = "mean"
    """Curves of which frames: the `mean` only, or `all` as well: further SASdata groups in the NXcanSAS file,
    and a folder `DETECTOR_INTEGRATION_frames` of text files."""
    scalars: Literal["csv"] | None = None
    """`csv`: all per-frame scalars, correction factors and fitted values in `scalars.csv`, one row per frame;
    columns are named `NAME [UNIT]`."""

    @model_validator(mode="after")
    def _formats_differ(self) -> Exports:
        if len(set(self.curves)) != len(self.curves):
            raise ValueError(f"curves: a format is named twice ({', '.join(self.curves)})")
        if self.frames == "all" and not self.curves:
            raise ValueError("frames: all needs a format in `curves`")
        return self


def check_curves_exist(exports: Exports, integrations: dict[str, Any]) -> None:
    """Refuse an export that no integration can fill; raises ValueError."""
    kinds = {integration.kind for integration in integrations.values()}
    if "text" in exports.curves and not kinds & {"azimuthal", "radial"}:
        raise ValueError("exports.curves: text needs an azimuthal or radial integration")
    against_q = any(
        integration.kind == "azimuthal" and integration.unit in Q_UNITS
        for integration in integrations.values()
    )
    if "nxcansas" in exports.curves and not against_q:
        raise ValueError(
            "exports.curves: nxcansas needs an azimuthal integration with unit "
            + " or ".join(Q_UNITS)
        )
