"""Runs and shots: indexing against plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.run import Run, Shot, latest_run, open_run
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_writers import write_sacla

SHOTS = 12
TAGS = 1000 + 2 * np.arange(SHOTS)
IMAGES = np.arange(SHOTS * 6, dtype=np.float32).reshape(SHOTS, 2, 3)
THERE = np.arange(SHOTS) != 4
DELAY = np.arange(SHOTS) / 8


@pytest.fixture
def run(tmp_path) -> Run:
    events = {"delay": DELAY, "time_stamp": 1768489200.0 + np.arange(SHOTS) / 32}
    write_sacla(
        tmp_path / "a.h5", 7, TAGS, {"ccd<1>": IMAGES, "ccd": IMAGES}, {"ccd": THERE}, events
    )
    recipe = {"format": "sacla", "scalars": {"delay": "delay", "when": "time_stamp"}}
    return open_run(RunLocation("r7", "a.h5", str(tmp_path), SHOTS, recipe))


def test_by_position(run):
    assert len(run) == SHOTS
    assert run[3].tag == 1006
    assert run[-1].tag == TAGS[-1]
    np.testing.assert_array_equal(run[3].ccd, IMAGES[3])
    np.testing.assert_array_equal(run[3]["ccd<1>"], IMAGES[3])
    assert run[4].ccd is None
    assert run[4].detectors == ["ccd<1>"]
    assert run[5].delay == DELAY[5]
    assert run[5]["delay"] == DELAY[5]
    assert run[5].scalars["when"] == 1768489200 + 5 / 32
    for outside in (SHOTS, -SHOTS - 1):
        with pytest.raises(IndexError):
            run[outside]


def test_by_tag(run):
    assert run.at(1008).position == 4
    part = run[[5, 2, 7]]
    assert part.at(1004).position == 2
    with pytest.raises(UserError, match="no shot with tag 1001") as caught:
        run.at(1001)
    assert caught.value.how == "its tags go from 1000 to 1022"
    with pytest.raises(UserError, match="no shot with tag 1000"):
        part.at(1000)


@pytest.mark.parametrize("read_before", [False, True])
@pytest.mark.parametrize(
    "which",
    [slice(2, 9, 3), slice(None, None, -1), [5, 2, 7], np.arange(SHOTS) % 3 == 0, slice(0, 0)],
)
def test_parts_are_runs(run, which, read_before):
    if read_before:
        _ = run.scalars
    part = run[which]
    assert isinstance(part, Run)
    assert part.tags.tolist() == TAGS[which].tolist()
    assert part.scalars["delay"].tolist() == DELAY[which].tolist()
    assert part.scalars.index.tolist() == TAGS[which].tolist()
    assert part.detectors["ccd"].present.tolist() == THERE[which].tolist()
    frames, present = part.images("ccd")
    assert present.tolist() == THERE[which].tolist()
    np.testing.assert_array_equal(frames[present], IMAGES[which][present])
    assert [shot.tag for shot in part] == TAGS[which].tolist()
    assert [shot.delay for shot in part] == DELAY[which].tolist()
    assert all(isinstance(shot, Shot) for shot in part)


def test_parts_of_parts(run):
    assert run[2:10][1:4][-1].tag == TAGS[5]
    with pytest.raises(IndexError, match="12 bools for 8 shots"):
        run[2:10][THERE]


def test_times(run):
    assert str(run.start_time) == "2026-01-15T15:00:00.000000000"
    assert (run.stop_time - run.start_time) / np.timedelta64(1, "s") == 11 / 32
    assert run[2].time == run.start_time + np.timedelta64(62_500, "us")


def test_runs_without_times(tmp_path):
    write_sacla(tmp_path / "b.h5", 7, TAGS, {"ccd": IMAGES})
    run = open_run(RunLocation("r7", "b.h5", str(tmp_path), 0, {"format": "sacla"}))
    assert run.start_time is None
    assert "12 shots, tags 1000 to 1022" in repr(run)


def test_names_that_are_not_there(run):
    with pytest.raises(UserError, match="no detector or scalar is called 'dellay'") as caught:
        run[0]["dellay"]
    assert caught.value.how == "did you mean 'delay'?"
    with pytest.raises(AttributeError, match="did you mean 'delay'"):
        _ = run[0].dellay
    assert not hasattr(run[0], "_repr_png_")
    assert {"ccd", "delay", "tag"} <= set(dir(run[0]))
    assert "ccd<1>" not in dir(run[0])


def test_shown_in_a_notebook(run):
    page = run._repr_html_()
    assert "run r7: 12 shots, tags 1000 to 1022" in page
    assert "<td>11 / 12</td>" in page
    assert "ccd&lt;1&gt;" in page
    assert "<td>(2, 3)</td>" in page
    assert "no image in 1 of 12 shots" in page
    assert "ccd: (2, 3) float32, in 11 shots" in repr(run)
    assert "shot 1008 of run r7" in repr(run[4])
    assert "<th>delay</th><td>0.5</td>" in run[4]._repr_html_()
    assert "run r7: 0 shots" in run[:0]._repr_html_()


def test_latest_run(tmp_path):
    for name in ("r0009", "r0010", "r0002", "rest", "r11.tmp"):
        (tmp_path / name).mkdir()
    assert latest_run(tmp_path, "r{run}") == "0010"
    for number in (9, 12, 10):
        (tmp_path / f"run{number}[x]").mkdir()
        (tmp_path / f"run{number}[x]" / "a.h5").touch()
    assert latest_run(tmp_path, "run{run}[x]/a.h5") == "12"
    with pytest.raises(UserError, match="no run is there"):
        latest_run(tmp_path, "scan{run}")
    with pytest.raises(UserError, match=r"must hold \{run\} once"):
        latest_run(tmp_path, "r0010")
