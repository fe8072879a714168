"""Scalars per shot: which ones are wanted, in which unit, and the table that holds them.

The recipe's `scalars` gives names of one's own: {name: stored name}, or {name: {"name": stored name,
"factor": 1.0, "offset": 0.0, "unit": ""}} for value x factor + offset. Without it, a source gives what its
files hold under the stored names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import FrameError, UserError, suggestion
from scatterflow.sources.shots import ABSENT

if TYPE_CHECKING:
    import pandas as pd

EXACT_IN_FLOAT = 2**53


@dataclass(frozen=True)
class WantedScalar:
    """One column: stored name, and value x factor + offset in `unit` (empty: as stored)."""

    name: str
    factor: float = 1.0
    offset: float = 0.0
    unit: str = ""


def wanted_scalars(
    recipe: dict[str, Any], stored: Iterable[str], names: Sequence[str] | None, where: str
) -> dict[str, WantedScalar]:
    """The columns to read: `names` out of configured and stored ones; None: configured, else all stored.

    Raises UserError for a name that is neither, and for a configured one that the files lack.
    """
    stored = set(stored)
    configured = {name: _entry(entry) for name, entry in (recipe.get("scalars") or {}).items()}
    if names is None:
        names = sorted(configured or stored)
    wanted = {}
    for name in names:
        entry = configured.get(name, WantedScalar(name))
        if entry.name not in stored:
            raise UserError(
                f"the run has no scalar {entry.name!r}",
                f"{where}, scalar {name}",
                suggestion(entry.name, stored | set(configured) - {entry.name}),
            )
        wanted[name] = entry
    return wanted


def all_names(recipe: dict[str, Any], stored: Iterable[str]) -> list[str]:
    """Configured names, then stored ones."""
    return list(dict.fromkeys([*(recipe.get("scalars") or {}), *stored]))


def scalar_table(
    tags: np.ndarray,
    wanted: dict[str, WantedScalar],
    read: Callable[[str], tuple[np.ndarray, str]],
) -> pd.DataFrame:
    """The table of the wanted scalars, indexed by tag.

    read: values (n,) of a stored name and its unit. Raises FrameError for values that cannot be read.
    """
    import pandas as pd

    columns, units = {}, {}
    for column, entry in wanted.items():
        try:
            values, unit = read(entry.name)
        except OSError as error:
            raise FrameError(
                f"values cannot be read ({error})",
                f"scalar {entry.name}",
                "copy the file again from the facility",
            ) from error
        if entry.factor != 1.0 or entry.offset != 0.0:
            values = values.astype(np.float64) * entry.factor + entry.offset
        columns[column] = values
        units[column] = entry.unit or unit
    table = pd.DataFrame(columns, index=pd.Index(tags, name="tag"), columns=list(wanted))
    table.attrs["units"] = units
    return table


def at_rows(values: np.ndarray, rows: np.ndarray, some_absent: bool, what: str) -> np.ndarray:
    """Values (m,) at rows (n,); where a row is ABSENT, NaN.

    some_absent: whether any shot of the run lacks the scalar. Then integers become float64, in every chunk
    of the run alike, else they stay what they are. Raises UserError for integers that float64 cannot hold.
    """
    there = rows != ABSENT
    found = np.zeros(len(rows), values.dtype)
    found[there] = values[rows[there]]
    if not some_absent:
        return found
    if found.dtype.kind != "f":
        if len(found) and max(int(found.max()), -int(found.min())) > EXACT_IN_FLOAT:
            raise UserError(
                "integers beyond 2^53 in a scalar that some shots lack", what, "leave it out"
            )
        found = found.astype(np.float64)
    found[~there] = np.nan
    return found


def _entry(entry: str | dict[str, Any]) -> WantedScalar:
    return WantedScalar(entry) if isinstance(entry, str) else WantedScalar(**entry)
