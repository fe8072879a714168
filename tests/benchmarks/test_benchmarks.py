"""The benchmarks on tiny detectors: all run, their peers agree, rows and table are right; no speeds."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from benchmarks import chap, integration, memory, results, workflow
from benchmarks.data import Size, eiger_series, pilatus_series
from benchmarks.measure import Contestant, Timing, measure
from benchmarks.run import BENCHMARKS

MARKERS = f"# Title\n\n{results.BEGIN}\nold\n{results.END}\n\nText.\n"


@pytest.fixture
def tiny(tmp_path) -> Size:
    return Size(
        eiger=(90, 80),
        eiger_frames=3,
        pilatus=(62, 50),
        pilatus_frames=3,
        bins=(40, 12, 20),
        rounds=1,
        workflow_gigabytes=0,
        processes=False,
        cache=tmp_path / "cache",
    )


# Measuring ------------------------------------------------------------------------------------------


def call(function: Callable, *arguments) -> Callable:
    """A `prepare` whose work is to call a function: importable in a fresh process."""
    return functools.partial(functools.partial, function, *arguments)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_fresh_process_has_its_own_number_of_threads(threads):
    before = dict(os.environ)
    ask = Contestant("ask", call(os.getenv, "OMP_NUM_THREADS"), {}, threads=threads)
    me = Contestant("me", call(os.getpid), {})
    found = measure([ask, me], rounds=2)
    assert found["ask"].result == str(threads)
    assert found["me"].result != os.getpid()
    assert len(found["ask"].wall) == len(found["me"].cpu) == 2
    assert dict(os.environ) == before


@pytest.mark.parametrize("processes", [True, False])
def test_a_contestant_that_fails_ends_the_measurement(processes):
    bad = Contestant("bad", call(os.stat, "/no/such/file"), {})
    with pytest.raises((RuntimeError, FileNotFoundError), match="/no/such/file"):
        measure([bad], processes=processes)


def test_a_contestant_that_dies_is_named():
    dead = Contestant("dead", call(os._exit, 3), {})
    with pytest.raises(RuntimeError, match="dead failed: its process ended with exit code 3"):
        measure([dead])


def test_seconds_are_per_unit():
    many = Contestant("many", call(sum, range(10)), {}, units=4)
    one = Contestant("one", call(sum, range(10)), {})
    found = measure([many, one], rounds=5, processes=False)
    assert found["many"].result == found["one"].result == 45
    assert len(found["many"].wall) == 5
    assert 0 < found["many"].seconds == sorted(found["many"].wall)[2]


# Rows -----------------------------------------------------------------------------------------------


def timing(name: str, *wall: float, threads: int | None = 1) -> Timing:
    return Timing(Contestant(name, int, {}, threads=threads), None, list(wall), list(wall))


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    ours, peer = timing("ours", 1, 2, 4), timing("peer", 10, 40, 20, threads=None)
    faster = results.compare("b", "p", ours, peer, times="faster", goal=10)
    assert (faster.ratio, faster.spread) == (10, (5, 20))
    assert (faster.goal, faster.met) == (">= 10", True)
    assert (faster.seconds, faster.peer_seconds) == (2, 20)
    assert faster.note == "1 thread, peer default threads; 3 rounds"
    longer = results.compare("b", "p", ours, peer, times="longer", goal=0.05)
    assert (longer.ratio, longer.goal, longer.met) == (0.1, "<= 0.05", False)
    assert results.compare("b", "p", ours, peer, times="longer").met is None


def test_the_faster_of_several_peers_counts():
    ours = timing("ours", 1)
    peers = [timing("slow", 30, threads=None), timing("quick", 3, threads=1)]
    assert results.compare("b", "p", ours, peers, times="faster").peer_seconds == 3


def rows(*names: str, ratio: float = 2.0) -> list[results.Row]:
    ours, peer = timing("ours", 1.0), timing("peer", ratio)
    return [results.compare(name, "peer", ours, peer, times="faster", goal=3) for name in names]


def test_new_rows_replace_their_like_and_leave_the_others(tmp_path):
    path = tmp_path / "results.json"
    results.merge_rows(path, rows("a", "b"))
    results.merge_rows(path, rows("b", "c", ratio=5.0))
    found = json.loads(path.read_text())
    assert [(row["benchmark"], row["ratio"], row["met"]) for row in found] == [
        ("a", 2.0, False),
        ("b", 5.0, True),
        ("c", 5.0, True),
    ]
    wanted = {
        "benchmark", "against", "ratio", "goal", "met", "seconds", "peer_seconds", "machine", "date",
    }  # fmt: skip
    assert wanted <= set(found[0])


def test_the_table_stands_between_its_markers_and_shows_missed_goals(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(MARKERS)
    merged = results.merge_rows(tmp_path / "results.json", rows("a"))
    for _ in range(2):
        results.write_table(path, merged)
        text = path.read_text()
        assert text.startswith("# Title\n\n<!--")
        assert text.endswith("-->\n\nText.\n")
        assert "old" not in text
        (line,) = [line for line in text.splitlines() if line.startswith("| a ")]
        assert "| 2 (2 to 2) | >= 3 | **no** | 1 s a frame | 2 s a frame |" in line
        header = next(line for line in text.splitlines() if line.startswith("| benchmark"))
        assert header.count("|") == line.count("|")


def test_a_failed_benchmark_is_told_and_the_others_are_run(tmp_path, capsys):
    def broken() -> list[results.Row]:
        raise ValueError("out of order")

    (tmp_path / "README.md").write_text(MARKERS)
    failed = results.run_benchmarks(
        {"broken": broken, "fine": lambda: rows("a")},
        results=tmp_path / "results.json",
        readme=tmp_path / "README.md",
    )
    assert failed == ["broken"]
    said = capsys.readouterr()
    assert "broken FAILED" in said.err
    assert "out of order" in said.err
    assert "MISSED" in said.out
    assert len(json.loads((tmp_path / "results.json").read_text())) == 1


def test_the_readme_of_the_benchmarks_shows_results_json():
    if not results.RESULTS.exists():
        pytest.skip("nothing has been measured yet")
    shown = results.README.read_text(encoding="utf-8")
    assert results.table(json.loads(results.RESULTS.read_text())) in shown


def test_an_unknown_name_lists_the_known_ones(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run.py", "nonsense"])
    with pytest.raises(SystemExit) as ended:
        results.command_line(BENCHMARKS, "")
    assert ended.value.code == 2
    assert "pilatus-tiff" in capsys.readouterr().err


# Data -----------------------------------------------------------------------------------------------


def test_eiger_frames_are_stored_as_the_detector_stores_them(tiny):
    series = eiger_series(tiny, frames=19)
    with h5py.File(series.raw / series.entry) as file:
        data = file["entry/data/data"]
        assert data.shape == (19, 90, 80)
        assert (data.dtype, data.chunks) == (np.uint32, (1, 90, 80))
        filters = data.id.get_create_plist()
        assert [filters.get_filter(i)[0] for i in range(filters.get_nfilters())] == [32008]
        frames = data[:]
    good = series.good()
    assert 0.9 < good.mean() < 1
    assert (frames[:, ~good] == 2**32 - 1).all()
    assert frames[:, good].max() < 1000
    assert frames[:, good].mean() == pytest.approx(1, abs=0.1)
    assert np.array_equal(frames[16], frames[0])  # stored bytes repeated
    assert not np.array_equal(frames[1], frames[0])


def test_the_data_are_the_same_every_time_and_made_once(tiny, tmp_path):
    from dataclasses import replace

    first = pilatus_series("tif", tiny)
    path = first.raw / "series_00001.tif"
    made = path.stat().st_mtime_ns
    assert pilatus_series("tif", tiny) == first
    assert path.stat().st_mtime_ns == made
    again = pilatus_series("tif", replace(tiny, cache=tmp_path / "other"))
    assert (again.raw / "series_00001.tif").read_bytes() == path.read_bytes()


# Benchmarks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", integration.BENCHMARKS)
def test_every_integration_benchmark_runs_and_its_peers_agree(tiny, name):
    found = integration.BENCHMARKS[name](tiny)
    assert len(found) >= 2
    for row in found:
        assert row.ratio > 0
        assert row.seconds > 0
        assert row.peer_seconds > 0
        assert row.machine
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row.date)
    assert any(row.goal for row in found)
    assert not list(tiny.cache.glob(".prepared-*"))


def test_peers_that_differ_are_noticed(tiny):
    series = pilatus_series("tif", tiny)
    sums = {
        "azimuthal": (np.array([[2.0, 6.0, 0.0]]), np.ones((1, 3)), np.array([[2.0, 3.0, 0.0]]))
    }
    scale = chap.steradians_per_pixel(series)
    right = np.array([[1.0, 2.0, 0.0]]) / scale
    chap.same_intensities(sums, {"azimuthal": right}, series)
    for wrong in (right * [[1, 1.001, 1]], right * scale, right + [[0, 0, 1]], right * np.nan):
        with pytest.raises(ValueError, match="azimuthal"):
            chap.same_intensities(sums, {"azimuthal": wrong}, series)


def test_the_memory_benchmark_runs(tiny):
    chunk, longer, assembled = memory.memory(tiny)
    assert chunk.goal == "<= 1"
    assert chunk.met == (chunk.ratio <= 1)
    assert longer.ratio >= 1  # all in one process here, whose peak only grows
    assert assembled.seconds is None
    assert results.table([vars(chunk)]).count("\n") == 4


@pytest.mark.end_to_end
@pytest.mark.slow
def test_the_workflow_benchmark_runs_everything_through_snakemake(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(workflow.REPOSITORY / ".numba_cache"))
    series = eiger_series(tiny)
    project = tmp_path / "project"
    project.mkdir()
    workflow.make_project(series, project, tiny.bins)
    seconds = workflow.whole_workflow(str(project))()
    assert {"prepare_integration", "integrate_chunk", "assemble_result"} <= set(seconds)
    assert min(seconds.values()) > 0
    with h5py.File(next(Path(project).glob("results/*/*/result.nxs"))) as file:
        assert file["entry"]
    assert "job" in workflow.snakemake(project, "--dry-run", "--forceall")
    with pytest.raises(RuntimeError, match="no_such_target"):
        workflow.snakemake(project, "no_such_target")
