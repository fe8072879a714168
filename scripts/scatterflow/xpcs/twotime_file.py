"""The file of the two-time correlation of some dynamic bins.

attributes      format
{bin}/...       a group for each bin, named by its number from 1 in five digits: the fields of `TwoTimeResult`
provenance      JSON
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, write_array, writing
from scatterflow.files.hdf5_fields import read_fields, write_fields
from scatterflow.files.json import to_json
from scatterflow.xpcs.twotime_result import TwoTimeResult

FORMAT = "scatterflow two-time 1"


def write_twotime(
    path: str | Path, results: Iterable[TwoTimeResult], provenance: dict[str, Any]
) -> None:
    """Write results as they come, so that one map at a time is in memory; the file appears whole."""
    with writing(path) as file:
        file.attrs["format"] = FORMAT
        for result in results:
            if result.bin is None:
                raise ValueError("a map of no dynamic bin")
            write_fields(file.create_group(f"{result.bin + 1:05d}"), result)
        write_array(file, "provenance", to_json(provenance))


def read_twotime(path: str | Path) -> list[TwoTimeResult]:
    """Results of all bins, ascending. Raises UserError if the file is none."""
    with reading(path) as file:
        if file.attrs.get("format") != FORMAT:
            raise UserError(
                "not a two-time correlation of this version",
                str(path),
                "delete it and run snakemake again",
            )
        return [read_fields(file[name], TwoTimeResult) for name in sorted(file) if name.isdigit()]
