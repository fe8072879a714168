"""All per-frame numbers of a result as CSV (RFC 4180): one row per frame.

The first line names the columns, `NAME [UNIT]` or, without a dimension, `NAME`: `pandas.read_csv`
needs no option, and spreadsheets and Origin show the unit with the name. An empty cell is a value
that is not known. Floats have the fewest digits that read back as the same 64-bit number.

Columns, in this order: the frame number and the scalars of the run; whether each detector has the
frame; the counts of each integration; the factor of each correction step, with its uncertainty; and
the results of the analysis of each frame.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.atomic import whole_file
from scatterflow.files.hdf5 import reading, text_of
from scatterflow.files.spreadsheet import cell
from scatterflow.saxswaxs.exports.curves import Scalar, read_scalars, steps

# Per-frame numbers that stand beside the intensities of an integration.
COUNTS = ("total_signal", "rejected_pixels")


def export_scalars(
    result: str | Path, path: str | Path, analysis: str | Path | None = None
) -> None:
    """Write the per-frame numbers of a result.

    analysis: file with fitted values of each frame in /entry/per_frame, if there is one.
    """
    with reading(result) as file:
        columns = result_columns(file["entry"])
    if analysis is not None:
        with reading(analysis) as file:
            columns += analysis_columns(file["entry"])
    with (
        whole_file(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([_heading(column) for column in columns])
        writer.writerows(zip(*(map(_cell, column.values) for column in columns), strict=True))


def result_columns(entry: h5py.Group) -> list[Scalar]:
    """All per-frame numbers of a result's entry."""
    columns = read_scalars(entry)
    columns += list(_valid_frames(entry["instrument"]))
    columns += list(_integration_counts(entry))
    columns += list(_factors(entry, {column.name for column in columns}))
    return columns


def _valid_frames(instrument: h5py.Group) -> Iterator[Scalar]:
    for name, item in instrument.items():
        if isinstance(item, h5py.Group) and "frame_valid" in item:
            yield Scalar(f"{name}_frame_valid", item["frame_valid"][()].astype(np.int64), "")


def _integration_counts(entry: h5py.Group) -> Iterator[Scalar]:
    for name, item in entry.items():
        if "integration" not in item.attrs:
            continue
        for field in COUNTS:
            if field in item["data"]:
                dataset = item["data"][field]
                yield Scalar(f"{name}_{field}", dataset[()], text_of(dataset.attrs.get("units")))


def _factors(entry: h5py.Group, taken: set[str]) -> Iterator[Scalar]:
    """What each correction step has found of every frame; names that are taken get the step's before."""
    for name, step in steps(entry)[1:]:
        for field, dataset in step.items():
            per_frame = isinstance(dataset, h5py.Dataset) and dataset.ndim == 1
            if per_frame and dataset.shape == entry["scalars/frame_number"].shape:
                own = f"{name}_{field}" if field in taken else field
                taken.add(own)
                yield Scalar(own, dataset[()], text_of(dataset.attrs.get("units")))


def analysis_columns(entry: h5py.Group) -> list[Scalar]:
    """The fitted values of each frame, each before its uncertainty."""
    return [
        Scalar(name, item[()], text_of(item.attrs.get("units")))
        for name, item in sorted(entry["per_frame"].items())
        if isinstance(item, h5py.Dataset) and item.ndim == 1 and name != "frame_number"
    ]


def _heading(column: Scalar) -> str:
    unit = "" if column.unit in ("", "1") else f" [{column.unit}]"
    return cell(f"{column.name}{unit}")


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return cell(value.decode())
    if isinstance(value, np.bool_):
        return str(int(value))
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return "" if value != value else repr(value)
    return str(cell(value))
