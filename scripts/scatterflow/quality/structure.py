"""Whether a result file holds what plots and the catalogue need: there, of the right shape, with values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from scatterflow.files.hdf5 import reading
from scatterflow.quality.checks import LISTED, Finding, unknown

BLOCK = 4_000_000
"""Numbers that are looked at in one go."""


@dataclass(frozen=True)
class Need:
    """A dataset that must be there.

    path: below the root. shape: None for any; names in it stand for lengths that must agree.
    finite: `some` of its numbers, `all` of them, or `any` number will do.
    """

    path: str
    shape: Sequence[int | str] | None = None
    finite: str = "any"


def problems(file: h5py.File, needs: Sequence[Need]) -> list[str]:
    """What is missing, of another shape than the rest, or without a value; a sentence each."""
    found: list[str] = []
    lengths: dict[str, int] = {}
    for need in needs:
        dataset = file.get(need.path)
        if not isinstance(dataset, h5py.Dataset):
            found.append(f"{need.path} is missing")
            continue
        if need.shape is not None and not _fits(dataset.shape, need.shape, lengths):
            expected = tuple(lengths.get(n, n) if isinstance(n, str) else n for n in need.shape)
            found.append(f"{need.path} has shape {dataset.shape}, not {expected}")
            continue
        if need.finite != "any" and (fault := _not_finite(dataset, need.finite)):
            found.append(f"{need.path} {fault}")
    return found


def _fits(shape: tuple[int, ...], wanted: Sequence[int | str], lengths: dict[str, int]) -> bool:
    if len(shape) != len(wanted):
        return False
    for length, name in zip(shape, wanted, strict=True):
        expected = lengths.setdefault(name, length) if isinstance(name, str) else name
        if length != expected:
            return False
    return True


def _not_finite(dataset: h5py.Dataset, wanted: str) -> str:
    """What is wrong with the numbers of a dataset, '' if nothing."""
    if dataset.dtype.kind not in "fc":
        return "is empty" if dataset.size == 0 else ""
    rows = dataset.shape[0] if dataset.ndim else 1
    step = max(1, BLOCK // max(1, dataset.size // max(rows, 1)))
    number = 0
    for start in range(0, rows, step):
        block = dataset[start : start + step] if dataset.ndim else dataset[()]
        number += int(np.count_nonzero(np.isfinite(block)))
        if number and wanted == "some":
            return ""
    if number == 0:
        return "has no value"
    missing = dataset.size - number
    return f"has {missing} of {dataset.size} numbers without a value" if missing else ""


def structure(found: Sequence[str], fields: int) -> Finding:
    """The finding. found: problems; fields: that were looked at."""
    if not fields:
        return unknown("No field was looked at.")
    if not found:
        return Finding(0, "fine", f"All {fields} fields that plots and catalogue need are there.")
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return Finding(
        len(found),
        "bad",
        f"The result is not whole: {'; '.join(found[:3])}{more}.",
        {"problems": list(found[:LISTED])},
    )


def analysis_problems(path: str | Path | None) -> tuple[list[str], int]:
    """Faults of the file of fits beside a result, and how many fields were looked for; path None: none."""
    if path is None:
        return [], 0
    needs = [Need("entry/title")]
    with reading(path) as fits:
        return [f"analysis.nxs: {fault}" for fault in problems(fits, needs)], len(needs)


def integrations(file: h5py.File) -> list[str]:
    """Names of the integrations in a result of saxswaxs."""
    return [
        name
        for name, item in file["entry"].items()
        if isinstance(item, h5py.Group) and "integration" in item.attrs
    ]


def text(file: h5py.File, path: str) -> str:
    """A text of a result file, '' where there is none."""
    item = file.get(path)
    if not isinstance(item, h5py.Dataset):
        return ""
    value = item[()]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def needs_of(prefix: str, shapes: Mapping[str, tuple[Sequence[int | str], str]]) -> list[Need]:
    """Needs below a group. shapes: name -> (shape, finite)."""
    return [Need(f"{prefix}/{name}", shape, finite) for name, (shape, finite) in shapes.items()]
