"""Sources that need a facility's own package: the message without it, and the calls with a stand-in.

psana, dbpy and stpy are not to be had outside their facilities, so small modules take their places, that
answer the calls which those packages document.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from tests.sources.shot_runs import opened

from scatterflow.errors import UserError

PSANA = {"experiment": "xpptut15", "run_number": 54, "detectors": {"epix": "epix100"}}
SACLA = {"beamline": 3, "run_number": 7, "detectors": {"octal": ["MPCCD-1", "MPCCD-2"]}}
TIMES = [(1768489200 << 32) + number for number in (1, 2, 4, 3, 5)]


def image(number):
    return np.full((2, 3), number, np.uint16)


class Psana2(ModuleType):
    """psana 2 with five events; event 2 has no image."""

    def DataSource(self, exp, run):
        assert (exp, run) == ("xpptut15", 54)
        return SimpleNamespace(runs=lambda: [self])

    def events(self):
        return (SimpleNamespace(timestamp=time, number=i) for i, time in enumerate(TIMES))

    def Detector(self, name):
        if name == "epix100":
            raw = SimpleNamespace(
                raw=lambda event: image(event.number) if event.number != 2 else None
            )
            return SimpleNamespace(raw=raw)
        if name == "timing":
            codes = [np.arange(300) == 137 + event for event in range(5)]
            return SimpleNamespace(
                raw=SimpleNamespace(eventcodes=lambda event: codes[event.number])
            )
        if name == "lxt":
            return lambda event: event.number / 2 if event.number else None
        raise KeyError(name)


class Psana1(ModuleType):
    """psana 1 with the same events."""

    def setOption(self):
        raise NotImplementedError

    def DataSource(self, name):
        assert name == "exp=xpptut15:run=54:idx"
        return SimpleNamespace(runs=lambda: [self])

    def times(self):
        return [SimpleNamespace(time=lambda t=time: t, number=i) for i, time in enumerate(TIMES)]

    def event(self, time):
        return time.number

    def Detector(self, name):
        if name == "evr0":
            return SimpleNamespace(eventCodes=lambda event: [137 + event])
        if name == "lxt":
            return lambda event: event / 2 if event else None
        return SimpleNamespace(raw=lambda event: image(event) if event != 2 else None)


@pytest.mark.parametrize("form", ["psana", "psana1", "sacla_live"])
def test_without_the_package_there_is_one_message(tmp_path, form, monkeypatch):
    for name in ("psana", "dbpy", "stpy"):
        monkeypatch.setitem(sys.modules, name, None)
    recipe = SACLA if form == "sacla_live" else PSANA
    with pytest.raises(UserError, match=f"format '{form}' needs the package") as caught:
        opened(tmp_path, "54", form, **recipe)
    assert "read" in caught.value.how


@pytest.mark.parametrize(("form", "package"), [("psana", Psana2), ("psana1", Psana1)])
def test_psana(tmp_path, form, package, monkeypatch):
    monkeypatch.setitem(sys.modules, "psana", package("psana"))
    scalars = {"delay": "lxt", "laser": "evr/code_138"}
    source = opened(tmp_path, "54", form, 5, {"epix": (2, 3)}, **PSANA, scalars=scalars)
    assert source.tags.tolist() == sorted(TIMES)
    # Tags are sorted, so event 3 comes before event 2.
    frames, present = source.read("epix", 1, 5)
    assert present.tolist() == [True, True, False, True]
    assert frames[:, 0, 0].tolist() == [1, 3, 0, 4]
    table = source.scalars(0, 4)
    np.testing.assert_array_equal(table["delay"], [np.nan, 0.5, 1.5, 1.0])
    assert table["laser"].tolist() == [0, 1, 0, 0]
    assert str(source.times(0, 1)[0]) == "2026-01-15T15:00:00.000000001"
    assert source.metadata()["detectors"]["epix"] == {"detector": "epix100", "what": "raw"}


def test_the_other_psana(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psana", Psana1("psana"))
    with pytest.raises(UserError, match="is of format 'psana1'"):
        opened(tmp_path, "54", "psana", **PSANA)


def test_psana_without_such_a_detector(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psana", Psana2("psana"))
    with pytest.raises(UserError, match="psana has no detector 'epx'"):
        opened(tmp_path, "54", "psana", **{**PSANA, "detectors": {"epix": "epx"}})


def test_a_run_is_a_number(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psana", Psana2("psana"))
    recipe = {name: value for name, value in PSANA.items() if name != "run_number"}
    with pytest.raises(UserError, match="is no number of a run") as caught:
        opened(tmp_path, "run54", "psana", **recipe)
    assert "column raw" in caught.value.where


class Stpy(ModuleType):
    """stpy with images of two panels; tag 104 has none."""

    class APIError(Exception):
        """As in stpy."""

    def StorageReader(self, panel, beamline, runs):
        assert (beamline, runs) == (3, (7,))
        if not panel.startswith("MPCCD"):
            raise self.APIError(panel)

        def collect(buffer, tag):
            if tag == 104:
                raise self.APIError("no image")
            buffer.tag = tag

        return SimpleNamespace(collect=collect, panel=int(panel[-1]))

    def StorageBuffer(self, reader):
        def read(_):
            return np.full((3, 2), buffer.tag * reader.panel, np.float32)

        info = {"mp_absgain": 17.0, "xsize": 2, "ysize": 3}
        buffer = SimpleNamespace(read_det_data=read, read_det_info=lambda _: info)
        return buffer


def stand_in_dbpy():
    dbpy = ModuleType("dbpy")
    dbpy.read_taglist_byrun = lambda beamline, run: (100, 102, 104, 106)
    dbpy.read_hightagnumber = lambda beamline, run: 2026
    dbpy.read_syncdatalist_float = lambda key, high, tags: [{"delay": 0.1}[key] * t for t in tags]
    return dbpy


def test_sacla(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dbpy", stand_in_dbpy())
    monkeypatch.setitem(sys.modules, "stpy", Stpy("stpy"))
    scalars = {"t": {"name": "delay", "factor": 10.0}}
    source = opened(tmp_path, "7", "sacla_live", 4, {"octal": (2, 3, 2)}, **SACLA, scalars=scalars)
    frames, present = source.read("octal", 0, 4)
    assert present.tolist() == [True, True, False, True]
    assert frames[1, :, 0, 0].tolist() == [102, 204]
    np.testing.assert_allclose(source.scalars(1, 3)["t"], [102, 104])
    assert source.metadata()["detectors"]["octal"][1]["mp_absgain"] == 17
    with pytest.raises(UserError, match="the database has no values of 'dely'"):
        source.scalars(names=["dely"])
    with pytest.raises(UserError, match="no detector 'CCD'"):
        opened(tmp_path, "7", "sacla_live", **{**SACLA, "detectors": {"a": "CCD"}})
