"""Curves as text: columns of axis, intensity and its uncertainty below a header of `#` lines.

    # scatterflow: intensity against q
    # run: silica_01
    # ...
    # q[1/nm] I sigma
    0.1 12.5 0.3

The axis keeps the unit of the integration. Bins without a value are left out and counted in the header.
Numbers are written with the fewest digits that read back as the same 64-bit number. Without
uncertainties there are two columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scatterflow.files.atomic import whole_folder, write_text
from scatterflow.saxswaxs.exports.curves import (
    Curve,
    CurveSet,
    Scalar,
    description,
    opened_curves,
    read_scalars,
)


def export_text(result: str | Path, name: str, path: str | Path) -> None:
    """Write the mean curve of an integration; raises UserError if the result has none of that name."""
    with opened_curves(result, name) as curves:
        write_text(path, curve_text(curves, curves.mean(), description(curves)))


def export_text_frames(result: str | Path, name: str, folder: str | Path) -> None:
    """Write the curve of each frame to `000000.dat`, ... in a new folder, with the frame's scalars."""
    with opened_curves(result, name) as curves, whole_folder(folder) as temporary:
        about = description(curves)
        scalars = read_scalars(curves.entry)
        for curve in curves.each_frame():
            own = about | _scalars_of(scalars, curve.frame or 0)
            text = curve_text(curves, curve, own)
            (temporary / f"{curve.frame:06d}.dat").write_text(text, encoding="utf-8")


def curve_text(curves: CurveSet, curve: Curve, about: dict[str, str]) -> str:
    """One curve with its header."""
    return "\n".join([*_header(curves, curve, about), *_rows(curves.axis, curve)]) + "\n"


def _header(curves: CurveSet, curve: Curve, about: dict[str, str]) -> Iterator[str]:
    there = int(curve.there.sum())
    missing = curves.axis.size - there
    which = "mean over the valid frames" if curve.frame is None else f"frame {curve.frame}"
    yield f"# scatterflow: intensity against {curves.quantity}, {which}"
    for key, value in about.items():
        yield f"# {key}: {' '.join(value.split())}"
    yield f"# {curves.quantity}: unit {curves.unit or 'none'} (pyFAI: {curves.pyfai_unit})"
    yield f"# I: {curves.intensity_label}, unit {curves.intensity_unit}"
    if curve.errors is not None:
        yield "# sigma: standard uncertainty of I, same unit"
    yield f"# bins: {there} of {curves.axis.size}; {missing} without a value are left out"
    unit = f"[{curves.unit}]" if curves.unit else ""
    columns = [f"{curves.quantity}{unit}", "I", *(["sigma"] if curve.errors is not None else [])]
    yield f"# {' '.join(columns)}"


def _rows(axis: np.ndarray, curve: Curve) -> Iterator[str]:
    columns = [axis, curve.intensity, *([] if curve.errors is None else [curve.errors])]
    for row in np.stack(columns, axis=1)[curve.there].tolist():
        yield " ".join(map(repr, row))


def _scalars_of(scalars: list[Scalar], frame: int) -> dict[str, str]:
    values = {}
    for scalar in scalars:
        value = scalar.values[frame]
        shown = repr(value.item()) if isinstance(value, np.generic) else str(value)
        values[f"scalar {scalar.name}"] = f"{shown} {scalar.unit}".strip()
    return values
