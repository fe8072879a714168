"""Per-frame scalars: CSV and TSV tables, and the scalars of a recipe gathered into one table.

A table is text with one header line and one line per frame; lines that begin with `#` are comments.
The delimiter is a tab in `.tsv`, a comma in `.csv`; in other files (or a `.csv` whose header has no
comma) it is the tab, comma, semicolon or white space found in the header.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.sources.base import RunLocation
from scatterflow.sources.patterns import run_path
from scatterflow.sources.raw_faults import (
    missing_file_advice,
    system_errors_reported,
    with_place,
)

if TYPE_CHECKING:
    import pandas as pd

# From the name of a dataset, column or motor to its values: one number per frame, or one number (0-d)
# that holds for all frames; or such values with the unit that the file states.
Getter = Callable[[str | None], np.ndarray | tuple[np.ndarray, str]]


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV or TSV table.

    Returns one column per header entry: int64 or float64 where every entry is a number (`nan` is
    one, an empty entry is not), else str. `attrs["lines"]`: line number of each row in the file.

    Raises UserError: missing file, no header, two columns of one name, a row of another length.
    """
    import pandas as pd

    path = Path(path)
    lines = [
        (number, line)
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise UserError("the table is empty", str(path), "it needs a header and one line per frame")
    split = _splitter(path, lines[0][1])
    header = split(lines[0][1])
    _check_header(header, f"{path}, line {lines[0][0]}")
    rows = []
    for number, line in lines[1:]:
        row = split(line)
        if len(row) != len(header):
            raise UserError(
                f"a row has {len(row)} entries, the header {len(header)}",
                f"{path}, line {number}",
                "complete the row (is the file cut off?)",
            )
        rows.append(row)
    columns = zip(*rows, strict=True) if rows else [[] for _ in header]
    table = pd.DataFrame({name: _numbers(c) for name, c in zip(header, columns, strict=True)})
    table.attrs["lines"] = [number for number, _ in lines[1:]]
    return table


def table_path(location: RunLocation) -> Path | None:
    """Path of the run's table, None if its recipe has none."""
    pattern = location.recipe.get("table")
    return run_path(location, pattern) if pattern else None


def table_getter(location: RunLocation) -> Getter:
    """Getter for scalars of type `column`; the table is read at the first call, once."""
    read: list[pd.DataFrame] = []

    def column(name: str | None) -> np.ndarray:
        path = table_path(location)
        if path is None:
            raise UserError(
                "no table is given",
                f"run {location.run}",
                "add `table` to the source in config.yaml",
            )
        if not read:
            read.append(_frame_table(path, location))
        return _column(read[0], str(name), path)

    return column


def resolve_scalars(
    scalars: Mapping[str, Mapping[str, Any]],
    frames: int,
    getters: Mapping[str, Getter],
    where: str = "",
) -> pd.DataFrame:
    """The scalars of a recipe as one table.

    scalars: {name: {"type", "name", "unit"}} as in the configuration.
    frames: number of frames; every scalar must have that many values, or be one number (0-d).
    getters: per scalar type a function from the scalar's `name` to its values (see `Getter`).
    where: place for error messages (the run).

    Returns one row per frame, one column per scalar in the order of `scalars`, dtypes as read;
    `attrs["units"]` = {column: unit}. A unit that the file states is taken where the configuration
    has none.

    Raises UserError: a length that differs, a stated unit that contradicts the configured one,
    anything that is no number, an expression that fails or refers to itself.
    """
    import pandas as pd

    values: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    for name, scalar in scalars.items():
        if scalar["type"] == "expression":
            continue
        place = _place(where, name)
        try:
            found = getters[scalar["type"]](scalar.get("name"))
        except UserError as error:
            raise with_place(error, where, _key(name)) from error
        array, stated = found if isinstance(found, tuple) else (found, "")
        values[name] = _per_frame(array, frames, place)
        units[name] = _unit(scalar.get("unit") or "", stated, place)
    expressions = {n: s["name"] for n, s in scalars.items() if s["type"] == "expression"}
    for name, array in _evaluate(expressions, values, where).items():
        values[name] = _per_frame(array, frames, _place(where, name))
        units[name] = scalars[name].get("unit") or ""
    table = pd.DataFrame({name: values[name] for name in scalars}, index=pd.RangeIndex(frames))
    table.attrs["units"] = {name: units[name] for name in scalars}
    return table


def _text(path: Path) -> str:
    try:
        with system_errors_reported(path):
            return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        hint = "put the table there, or correct `table` in config.yaml"
        raise UserError(
            "the table is missing", str(path), missing_file_advice(path, hint)
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"the table is not UTF-8 text ({error})", str(path), "save it as CSV or TSV in UTF-8"
        ) from error


def _splitter(path: Path, header: str) -> Callable[[str], list[str]]:
    usual = {".tsv": "\t", ".csv": ","}.get(path.suffix.lower(), "")
    present = [mark for mark in (usual, "\t", ",", ";") if mark and mark in header]
    delimiter = present[0] if present else usual
    if not delimiter:
        return str.split
    return lambda line: [entry.strip() for entry in next(csv.reader([line], delimiter=delimiter))]


def _check_header(header: list[str], where: str) -> None:
    if any(_is_number(entry) for entry in header) or not all(header):
        raise UserError(
            "the first line is not a header: an entry is empty or a number",
            where,
            "put a line with the names of the columns first (not behind a #)",
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UserError(f"two columns are named {twice[0]!r}", where, "rename one of them")


def _is_number(entry: str) -> bool:
    try:
        float(entry)
    except ValueError:
        return False
    return "_" not in entry  # Python reads 1_000 as a number; a table means a word by it


def _numbers(entries: Sequence[str]) -> np.ndarray:
    if not all(_is_number(entry) for entry in entries):
        return np.array(entries, dtype=object)
    try:
        return np.array([int(entry) for entry in entries], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array([float(entry) for entry in entries], dtype=np.float64)


def _frame_table(path: Path, location: RunLocation) -> pd.DataFrame:
    table = read_table(path)
    if len(table) != location.frames:
        raise UserError(
            f"the table has {len(table)} rows, the run has {location.frames} frames",
            f"{path}, run {location.run}",
            "the table needs one row per frame; or correct the column `frames` of the run table",
        )
    return table


def _column(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    if name not in table.columns:
        raise UserError(f"no column {name!r}", str(path), suggestion(name, map(str, table.columns)))
    values = table[name].to_numpy()
    if values.dtype == object:
        row = next(i for i, entry in enumerate(values) if not _is_number(entry))
        raise UserError(
            f"{values[row]!r} in column {name!r} is not a number",
            f"{path}, line {table.attrs['lines'][row]}, frame {row}",
            "write a number, or nan where there is no value",
        )
    return values


def _per_frame(values: np.ndarray, frames: int, where: str) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind not in "buif":
        raise UserError(
            f"the values are not numbers (type {values.dtype})", where, "choose numeric values"
        )
    if values.ndim == 0:
        return np.full(frames, values)
    if values.shape != (frames,):
        raise UserError(
            f"shape {values.shape} does not fit: the run has {frames} frames",
            where,
            "give one number per frame; or correct the column `frames` of the run table",
        )
    return values


def _unit(configured: str, stated: str, where: str) -> str:
    if configured and stated and configured != stated:
        raise UserError(
            f"the configuration says unit {configured!r}, the file says {stated!r}",
            where,
            "leave `unit` out: the file's own is used",
        )
    return configured or stated


def _evaluate(
    expressions: Mapping[str, str], values: Mapping[str, np.ndarray], where: str
) -> dict[str, np.ndarray]:
    """Values of the expressions, each evaluated after those that it uses."""
    if not expressions:
        return {}
    from scatterflow.config.expressions import ExpressionError, compile_expression

    known = dict(values)
    compiled = {}
    for name, text in expressions.items():
        try:
            compiled[name] = compile_expression(text)
        except ExpressionError as error:
            raise UserError(str(error), _place(where, name), "correct the expression") from error
    for name in _dependency_order({n: c.names for n, c in compiled.items()}, known, where):
        expression = compiled[name]
        try:
            known[name] = expression.evaluate({n: known[n] for n in expression.names})
        except ExpressionError as error:
            raise UserError(str(error), _place(where, name), "correct the expression") from error
    return {name: known[name] for name in expressions}


def _dependency_order(
    uses: Mapping[str, Any], known: Mapping[str, np.ndarray], where: str
) -> list[str]:
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in order or name in known:
            return
        if name in above:
            circle = " -> ".join([*above[above.index(name) :], name])
            raise UserError(
                f"the expressions refer to each other in a circle: {circle}",
                _place(where, above[-1]),
                "one of them must not use the others",
            )
        if name not in uses:
            raise UserError(
                f"the expression uses {name!r}, which is no scalar of this source",
                _place(where, above[-1]),
                suggestion(name, [*known, *uses]),
            )
        for other in sorted(uses[name]):
            visit(other, (*above, name))
        order.append(name)

    for name in uses:
        visit(name, ())
    return order


def _place(where: str, name: str) -> str:
    return f"{where}, {_key(name)}" if where else _key(name)


def _key(name: str) -> str:
    return f"key scalars.{name} of the source"
