"""The tables of fields in docs/results.md, and how files are held against them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py

from .conftest import REPOSITORY

GUIDE = REPOSITORY / "docs" / "results.md"
EVERY_FILE = "every NeXus file"


@dataclass(frozen=True)
class Row:
    """A documented path; dimensions: None if any number, else (number, whether more may follow)."""

    pattern: str
    dimensions: tuple[int, bool] | None
    kind: str
    units: str

    def matches(self, path: str) -> bool:
        return self.expression.fullmatch(path) is not None

    @cached_property
    def expression(self) -> re.Pattern[str]:
        parts = re.split(r"(\{\w+\}|\*\*)", self.pattern)
        wild = {"**": r".+"}
        return re.compile(
            "".join(
                wild.get(part, r"[^/]+") if part.startswith(("{", "*")) else re.escape(part)
                for part in parts
            )
        )

    def faults(self, path: str, field: h5py.Dataset) -> Iterator[str]:
        """What is not as documented."""
        kind = "text" if field.dtype.kind in "OS" else str(field.dtype)
        units = field.attrs.get("units", "") or "-"
        if self.kind not in ("any", "link", kind):
            yield f"{path} is {kind}, documented as {self.kind}"
        if self.units not in ("any", "own", "", units):
            yield f"{path} is in {units!r}, documented in {self.units!r}"
        if self.dimensions is not None and self.kind != "link":
            number, more = self.dimensions
            if field.ndim != number and not (more and field.ndim >= number):
                yield f"{path} has {field.ndim} dimensions, documented with {number}"


def tables() -> dict[str, list[Row]]:
    """Documented rows by the files that they are of (a glob)."""
    found: dict[str, list[Row]] = {}
    files = None
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        marked = re.fullmatch(r"<!-- fields of: (.+) -->", line)
        if marked:
            files = marked[1]
            found[files] = []
        elif line.startswith("| `") and files is not None:
            found[files] += rows(line)
        elif not line.startswith("|"):
            files = None if line.strip() else files
    return found


def rows(line: str) -> Iterator[Row]:
    """Rows of a line of a table; names after the first are beside it unless they are whole paths."""
    names, shape, kind, units, _ = (cell.strip() for cell in line.strip("|").split("|"))
    listed = re.findall(r"`([^`]+)`", names)
    folder = listed[0].rpartition("/")[0]
    for name in listed:
        whole = "/" in name or not folder
        yield Row(name if whole else f"{folder}/{name}", dimensions(shape), kind, units)


def dimensions(shape: str) -> tuple[int, bool] | None:
    if shape == "any":
        return None
    names = [name for name in shape.split(",") if name.strip()]
    open_ended = [name for name in names if name.strip().endswith("...")]
    return len(names) - len(open_ended), bool(open_ended)


def fields(file: h5py.Group, above: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset by every path that leads to it, links included."""
    for name in file:
        path, item = f"{above}/{name}".lstrip("/"), file[name]
        if isinstance(item, h5py.Dataset):
            yield path, item
        else:
            yield from fields(item, path)


def compare(results: Path, glob: str, documented: list[Row]) -> list[str]:
    """What files have that is not documented, or otherwise; what is documented and in none of them."""
    files = [path for part in braces(glob) for path in sorted(results.parent.glob(part))]
    if not files:
        return [f"there is no {glob}"]
    faults, met = [], set()
    common = tables()[EVERY_FILE]
    for file in files:
        with h5py.File(file) as content:
            for path, field in fields(content):
                row = next((row for row in (*common, *documented) if row.matches(path)), None)
                if row is None:
                    faults.append(f"{file.name}: {path} is not documented")
                    continue
                met.add(row)
                faults += [f"{file.name}: {fault}" for fault in row.faults(path, field)]
    faults += [f"{glob}: no {row.pattern}" for row in documented if row not in met]
    return list(dict.fromkeys(faults))


def braces(glob: str) -> list[str]:
    """a/{b,c}/d as a/b/d and a/c/d."""
    found = re.search(r"\{([^}]+)\}", glob)
    if found is None:
        return [glob]
    return [glob.replace(found[0], part) for part in found[1].split(",")]


def documented_json() -> dict[str, set[str]]:
    """Names of the fields of JSON files, as their paragraphs list them."""
    text = GUIDE.read_text(encoding="utf-8")
    found = {}
    for name in ("quality.json", "record.json"):
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        listed = section[section.index("`schema`") :].split(", each with")[0]
        words = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", listed))
        found[name] = set(words)
    return found


def documented_columns() -> dict[str, list[str]]:
    """Columns of the tables of the index."""
    section = GUIDE.read_text(encoding="utf-8").split("\n## The catalogue\n")[1].split("\n## ")[0]
    found = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            table, *columns = re.findall(r"`(\w+)`", line.split(" (")[0])
            found[table] = columns
    return found
