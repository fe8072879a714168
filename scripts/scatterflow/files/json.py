"""JSON that is safe to keep: no NaN, sorted keys, numpy scalars as numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.atomic import write_text


def plain(value: Any) -> Any:
    """`value` with numpy and path objects turned into plain Python; non-finite numbers into None.

    Sets are sorted. Raises ValueError for two keys that are one as text (1 and "1").
    """
    if isinstance(value, dict):
        if len({str(key) for key in value}) != len(value):
            raise ValueError(f"two keys are the same as text: {list(value)}")
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, set | frozenset):
        # Sets of text have another order in every process.
        return sorted((plain(item) for item in value), key=to_json)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value


def to_json(value: Any, indent: int | None = 1) -> str:
    """Canonical JSON text of `value`."""
    return json.dumps(plain(value), allow_nan=False, sort_keys=True, indent=indent)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON, whole."""
    write_text(path, to_json(value) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raises UserError if it is not JSON (NaN is none)."""
    return parse_json(Path(path).read_bytes(), str(path))


def parse_json(content: bytes, where: str) -> Any:
    """The value that the bytes of a JSON file hold; raises UserError as `read_json`."""
    try:
        return json.loads(
            content.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"not a readable JSON file ({error})", where, "delete it and run snakemake again"
        ) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large for a number")
    return number
