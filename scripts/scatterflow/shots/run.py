"""Runs and shots of an X-ray laser, for notebooks.

    run = open_run(location)            # or Run(source)
    run[10].octal                       # image of detector `octal` in the eleventh shot; None: absent
    run[10]["ipm2/sum"]                 # a scalar by its name
    run.at(1201032200)                  # the shot with this tag
    for shot in run[100:200]: ...       # a part of a run is a run
    run.scalars                         # one row per shot, indexed by tag (pandas)

Nothing is read before it is asked for.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shots import ShotDetectorInfo, ShotSource, open_shots

if TYPE_CHECKING:
    import pandas as pd

SHOWN_SCALARS = 20


class Run:
    """The shots of a run, or a part of them; as a sequence, and by tag."""

    def __init__(
        self, source: ShotSource, name: str = "run", positions: np.ndarray | None = None
    ) -> None:
        """positions: which shots of the source, in this order; None: all."""
        self.source = source
        self.name = name
        self.positions = np.arange(source.shots) if positions is None else positions
        self._scalars: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[Shot]:
        return (self[number] for number in range(len(self)))

    @overload
    def __getitem__(self, which: int) -> Shot: ...
    @overload
    def __getitem__(self, which: slice | Sequence[int] | np.ndarray) -> Run: ...
    def __getitem__(self, which):
        """A shot by its position; a run by a slice, positions, or a bool per shot."""
        if isinstance(which, int | np.integer):
            if not -len(self) <= which < len(self):
                raise IndexError(f"shot {which} of {len(self)}")
            return Shot(self, int(self.positions[which]))
        chosen = which if isinstance(which, slice) else np.asarray(which)
        if isinstance(chosen, np.ndarray) and chosen.dtype == bool and len(chosen) != len(self):
            raise IndexError(f"{len(chosen)} bools for {len(self)} shots")
        part = Run(self.source, self.name, self.positions[chosen])
        if self._scalars is not None:
            part._scalars = self._scalars.iloc[chosen]
        return part

    def at(self, tag: int) -> Shot:
        """The shot with a tag; raises UserError if the run has no such shot."""
        found = np.flatnonzero(self.tags == self.tags.dtype.type(tag))
        if not len(found):
            span = f"its tags go from {self.tags.min()} to {self.tags.max()}" if len(self) else ""
            raise UserError(f"no shot with tag {tag}", f"run {self.name}", span or "it is empty")
        return self[int(found[0])]

    @property
    def tags(self) -> np.ndarray:
        """(shots,) tags."""
        return self.source.tags[self.positions]

    @property
    def detectors(self) -> dict[str, ShotDetectorInfo]:
        """Shape, dtype and presence of every detector in these shots."""
        return {
            name: ShotDetectorInfo(info.shape, info.dtype, info.present[self.positions])
            for name, info in self.source.detectors.items()
        }

    @property
    def scalars(self) -> pd.DataFrame:
        """All scalars, one row per shot; `attrs["units"]`."""
        if self._scalars is None:
            self._scalars = self.source.scalars(*self._span()).iloc[self._in_span()]
        return self._scalars

    def images(self, detector: str) -> tuple[np.ndarray, np.ndarray]:
        """All frames of a detector, (shots, *shape), and present (shots,) bool."""
        frames, present = self.source.read(detector, *self._span())
        return frames[self._in_span()], present[self._in_span()]

    @property
    def times(self) -> np.ndarray:
        """(shots,) datetime64[ns], UTC; NaT where the files do not say."""
        return self.source.times(*self._span())[self._in_span()]

    @property
    def start_time(self) -> np.datetime64 | None:
        """Time of the first shot, UTC; None: not known."""
        known = self.times[~np.isnat(self.times)]
        return known.min() if len(known) else None

    @property
    def stop_time(self) -> np.datetime64 | None:
        """Time of the last shot, UTC; None: not known."""
        known = self.times[~np.isnat(self.times)]
        return known.max() if len(known) else None

    @property
    def metadata(self) -> dict[str, Any]:
        """What the files say of the run."""
        return self.source.metadata()

    @property
    def slow(self) -> dict[str, Any]:
        """Values that hold for the whole run."""
        return self.source.slow()

    @property
    def notes(self) -> list[str]:
        """What was odd about the run's files."""
        return list(self.source.notes)

    def _span(self) -> tuple[int, int]:
        if not len(self):
            return 0, 0
        return int(self.positions.min()), int(self.positions.max()) + 1

    def _in_span(self) -> np.ndarray:
        return self.positions - self._span()[0]

    def __repr__(self) -> str:
        return "\n".join([self._title(), *(f"  {line}" for line in self._detector_lines())])

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><th>{html.escape(name)}</th><td>{info.shape}</td><td>{info.dtype}</td>"
            f"<td>{int(info.present.sum())} / {len(self)}</td></tr>"
            for name, info in self.detectors.items()
        ]
        head = "<tr><th>detector</th><th>shape</th><th>type</th><th>shots</th></tr>"
        names = self.source.scalar_names
        more = f", ... ({len(names)} in all)" if len(names) > SHOWN_SCALARS else ""
        scalars = html.escape(", ".join(names[:SHOWN_SCALARS]) + more)
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        return (
            f"<p><b>{html.escape(self._title())}</b></p><table>{head}{''.join(rows)}</table>"
            f"<p>scalars: {scalars or 'none'}</p>" + (f"<ul>{notes}</ul>" if notes else "")
        )

    def _title(self) -> str:
        text = f"run {self.name}: {len(self)} shots"
        if len(self):
            text += f", tags {self.tags[0]} to {self.tags[-1]}"
        start, stop = self.start_time, self.stop_time
        if start is not None and stop is not None:
            shown = [np.datetime_as_string(time, unit="ms") for time in (start, stop)]
            text += f", {shown[0]}Z to {shown[1]}Z"
        return text

    def _detector_lines(self) -> list[str]:
        return [
            f"{name}: {info.shape} {info.dtype}, in {int(info.present.sum())} shots"
            for name, info in self.detectors.items()
        ]


class Shot:
    """One shot: its detectors and scalars, as attributes where their names allow, else by [name]."""

    def __init__(self, run: Run, position: int) -> None:
        """position: in the source."""
        self._run = run
        self._images: dict[str, np.ndarray | None] = {}
        self._values: dict[str, Any] | None = None
        self.position = position

    @property
    def tag(self) -> int:
        """Its tag."""
        return int(self._run.source.tags[self.position])

    @property
    def time(self) -> np.datetime64:
        """When it was, UTC; NaT: not known."""
        return self._run.source.times(self.position, self.position + 1)[0]

    @property
    def detectors(self) -> list[str]:
        """Names of the detectors that have an image of this shot."""
        found = self._run.source.detectors.items()
        return [name for name, info in found if info.present[self.position]]

    @property
    def scalars(self) -> dict[str, Any]:
        """All scalars, {name: value}; NaN where the shot has none."""
        if self._values is None:
            table = self._run._scalars
            if table is not None and self.tag in table.index:
                row = table.loc[[self.tag]]
            else:
                row = self._run.source.scalars(self.position, self.position + 1)
            self._values = {name: row[name].iloc[0] for name in row.columns}
        return self._values

    def __getitem__(self, name: str) -> Any:
        """Image of a detector (None: the shot has none), or value of a scalar, by name.

        Raises UserError, with the nearest name, for what the run does not have.
        """
        if name in self._run.source.detectors:
            return self._image(name)
        if name in self.scalars:
            return self.scalars[name]
        known = [*self._run.source.detectors, *self.scalars]
        where = f"run {self._run.name}, tag {self.tag}"
        raise UserError(f"no detector or scalar is called {name!r}", where, suggestion(name, known))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except UserError as error:
            raise AttributeError(f"{error.what}: {error.how}") from None

    def __dir__(self) -> list[str]:
        names = [*self._run.source.detectors, *self.scalars]
        return [*super().__dir__(), *(name for name in names if name.isidentifier())]

    def _image(self, name: str) -> np.ndarray | None:
        if name not in self._images:
            frames, present = self._run.source.read(name, self.position, self.position + 1)
            self._images[name] = frames[0] if present[0] else None
        return self._images[name]

    def __repr__(self) -> str:
        there = ", ".join(self.detectors) or "none"
        return f"shot {self.tag} of run {self._run.name}; detectors: {there}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in list(self.scalars.items())[:SHOWN_SCALARS]
        )
        return f"<p><b>{html.escape(repr(self))}</b></p><table>{rows}</table>"


def open_run(location: RunLocation) -> Run:
    """A run by its place and recipe; raises UserError as `open_shots`."""
    return Run(open_shots(location), location.run)


def latest_run(root: str | Path, pattern: str) -> str:
    """The run with the highest number in a raw folder, as the text that {run} stands for.

    pattern: path below root with {run} for the digits of the number, as "r{run}" or "run{run}/data.h5".
    Raises UserError: no {run} in the pattern, no such run.
    """
    before, field, after = pattern.partition("{run}")
    where = f"{root}, pattern {pattern!r}"
    if not field or "{run}" in after:
        raise UserError("the pattern must hold {run} once", where, 'write it as in "r{run}"')
    numbers = []
    form = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    for path in Path(root).glob(before.translate(_LITERAL) + "*" + after.translate(_LITERAL)):
        if match := form.fullmatch(path.relative_to(root).as_posix()):
            numbers.append(match[1])
    if not numbers:
        raise UserError("no run is there", where, "check the folder and the pattern")
    return max(numbers, key=lambda number: (int(number), number))


_LITERAL = str.maketrans({"*": "[*]", "?": "[?]", "[": "[[]"})
