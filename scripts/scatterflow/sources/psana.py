"""LCLS runs in xtc files, through psana 1 (LCLS-I, format psana1) or psana 2 (LCLS-II, format psana).

Recipe:

    format: psana                   # or psana1
    experiment: xpptut15
    run_number: 54                  # without: the run table's `raw`
    detectors: {jungfrau: {detector: jungfrau, what: raw}}   # or just its name; what: raw or calib
    scalars: {delay: lxt}           # a PV or detector read as a whole; "<detector>/<field>": one field;
                                    # "evr/code_N": 1 if event code N came with the shot
    source: {dir: /data}            # further arguments of psana.DataSource

Tags are event times, seconds << 32 | nanoseconds. psana 2 has no random access here: a chunk passes over the
events before it. Both packages are installed at the facility; psana 2 is on PyPI as `psana` (needs libkrb5).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.facility import FacilitySource, facility_package, needed, run_number
from scatterflow.sources.shots import lcls_times, ordered_tags, shot_range

INSTEAD = (
    "run where the facility's environment is loaded (psana 2 also: pip install psana), "
    "or read the run's small data file with format smalldata"
)
EVENT_CODE = "evr/code_"


def psana_source(location: RunLocation) -> PsanaSource:
    """The source of format psana or psana1; raises UserError if the package is absent, or the other."""
    package = facility_package("psana", location, INSTEAD)
    # Both are called psana; only the first has setOption.
    first = hasattr(package, "setOption")
    if first != (location.recipe["format"] == "psana1"):
        found, wanted = ("psana1", "psana") if first else ("psana", "psana1")
        raise UserError(
            f"the installed psana is of format {found!r}",
            f"run {location.run}",
            f"write `format: {found}`, or load the environment of {wanted}",
        )
    return (Psana1Source if first else PsanaSource)(location, package)


class PsanaSource(FacilitySource):
    """psana 2; see `ShotSource`."""

    def __init__(self, location: RunLocation, package: Any) -> None:
        super().__init__(location)
        self._package = package
        self._experiment = needed(location, "experiment", "the name of the experiment")
        self._number = run_number(location)
        self._handles: dict[str, Any] = {}
        self._run = self._open()
        self.tags, self._order, notes = ordered_tags(self._times(), "events")
        self.notes += notes
        configured = location.recipe.get("detectors") or {}
        self._what = {name: _detector(entry) for name, entry in configured.items()}
        self._open_detectors(list(configured))

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """See `ShotSource.times`; the tags are times."""
        start, stop = shot_range(start, stop, self.shots)
        return lcls_times(self.tags[start:stop])

    def metadata(self) -> dict[str, Any]:
        """Experiment, run, and `detectors` = {name: detector, what}."""
        detectors = {
            name: {"detector": detector, "what": what}
            for name, (detector, what) in self._what.items()
        }
        return {
            "facility": "LCLS",
            "tag": "event time: seconds << 32 | nanoseconds",
            "experiment": self._experiment,
            "run_number": self._number,
            "detectors": detectors,
        }

    def _open(self) -> Any:
        self._handles.clear()
        more = self.location.recipe.get("source", {})
        source = self._package.DataSource(exp=self._experiment, run=self._number, **more)
        return next(iter(source.runs()))

    def _times(self) -> np.ndarray:
        return np.array([event.timestamp for event in self._open().events()], np.uint64)

    def _events(self, start: int, stop: int) -> Iterator[Any]:
        """Events of shots start..stop-1, in the order of their tags."""
        wanted = self._order[start:stop]
        if not len(wanted):
            return
        self._run = self._open()
        first, last = int(wanted.min()), int(wanted.max()) + 1
        if np.all(np.diff(wanted) == 1):
            yield from islice(self._run.events(), first, last)
            return
        yield from _reordered(islice(self._run.events(), first, last), wanted - first)

    def _images(self, detector: str, start: int, stop: int) -> list[np.ndarray | None]:
        name, what = self._what[detector]
        return [self._image(name, what, event) for event in self._events(start, stop)]

    def _first_image(self, detector: str) -> np.ndarray | None:
        name, what = self._what[detector]
        images = (self._image(name, what, event) for event in self._events(0, self.shots))
        return next((image for image in images if image is not None), None)

    def _numbers(self, name: str, start: int, stop: int) -> np.ndarray:
        return np.array([_number(self._value(name, event)) for event in self._events(start, stop)])

    def _handle(self, name: str) -> Any:
        if name not in self._handles:
            try:
                self._handles[name] = self._run.Detector(name)
            except Exception as error:
                raise UserError(
                    f"psana has no detector {name!r} ({error})",
                    f"run {self.location.run}",
                    "correct the name; `detnames` lists those of a run",
                ) from error
        return self._handles[name]

    def _image(self, name: str, what: str, event: Any) -> np.ndarray | None:
        image = getattr(self._handle(name).raw, what)(event)
        return None if image is None else np.asarray(image)

    def _value(self, name: str, event: Any) -> Any:
        if name.startswith(EVENT_CODE):
            codes = self._handle("timing").raw.eventcodes(event)
            return None if codes is None else codes[int(name.removeprefix(EVENT_CODE))]
        detector, _, field = name.partition("/")
        handle = self._handle(detector)
        return getattr(handle.raw, field)(event) if field else handle(event)


class Psana1Source(PsanaSource):
    """psana 1, by its index of events; see `ShotSource`."""

    def _open(self) -> Any:
        self._handles.clear()
        more = "".join(f":{k}={v}" for k, v in self.location.recipe.get("source", {}).items())
        name = f"exp={self._experiment}:run={self._number}:idx{more}"
        return next(iter(self._package.DataSource(name).runs()))

    def _times(self) -> np.ndarray:
        return np.array([time.time() for time in self._run.times()], np.uint64)

    def _events(self, start: int, stop: int) -> Iterator[Any]:
        times = self._run.times()
        for number in self._order[start:stop]:
            yield self._run.event(times[number])

    def _handle(self, name: str) -> Any:
        if name not in self._handles:
            try:
                self._handles[name] = self._package.Detector(name)
            except Exception as error:
                raise UserError(
                    f"psana has no detector {name!r} ({error})",
                    f"run {self.location.run}",
                    "correct the name; DetNames() lists those of a run",
                ) from error
        return self._handles[name]

    def _image(self, name: str, what: str, event: Any) -> np.ndarray | None:
        image = getattr(self._handle(name), what)(event)
        return None if image is None else np.asarray(image)

    def _value(self, name: str, event: Any) -> Any:
        if name.startswith(EVENT_CODE):
            codes = self._handle("evr0").eventCodes(event)
            return None if codes is None else int(name.removeprefix(EVENT_CODE)) in codes
        detector, _, field = name.partition("/")
        handle = self._handle(detector)
        if not field:
            return handle(event)
        found = handle.get(event)
        return None if found is None else getattr(found, field)()


def _detector(entry: str | dict[str, str]) -> tuple[str, str]:
    if isinstance(entry, str):
        return entry, "raw"
    what = entry.get("what", "raw")
    if what not in ("raw", "calib"):
        raise UserError(f"`what` is {what!r}", "detectors of the source", "write raw or calib")
    return entry["detector"], what


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float | np.number | np.bool_) else float("nan")


def _reordered(events: Iterator[Any], order: np.ndarray) -> Iterator[Any]:
    # Events of a stream are in order but for a few.
    waiting = list(events)
    return (waiting[number] for number in order)
