"""The index: rebuilt from records, incremental, one writer, whole or absent."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import scatterflow
from scatterflow.catalogue.index import all_records, build_index, open_index
from scatterflow.catalogue.record_file import write_record
from scatterflow.errors import UserError

from .example_records import example_record

SCRIPTS = Path(scatterflow.__file__).resolve().parents[1]


def write(results: Path, record: dict) -> Path:
    path = results / record["id"] / "record.json"
    write_record(path, record)
    return path


def content(database: Path) -> tuple[list, list, list]:
    with open_index(database) as index:
        return (
            list(all_records(index)),
            list(index.execute("SELECT * FROM facets ORDER BY id, facet, value")),
            sorted(index.execute("SELECT text FROM words")),
        )


@pytest.fixture
def results(tmp_path) -> Path:
    for number in range(15):
        write(tmp_path / "results", example_record(number))
    return tmp_path / "results"


@pytest.fixture
def database(results) -> Path:
    return results / "catalogue" / "index.sqlite"


def test_all_records_are_in_the_index_the_newest_first(results, database) -> None:
    done = build_index(results, database)
    assert (done.records, done.added, done.refused) == (15, 15, [])
    with open_index(database) as index:
        found = list(all_records(index))
    assert found == [example_record(number) for number in reversed(range(15))]


def test_deleted_and_rebuilt_it_is_the_same(results, database) -> None:
    build_index(results, database)
    before = content(database)
    database.unlink()
    build_index(results, database)
    assert content(database) == before


def test_step_by_step_it_becomes_what_one_scan_makes(results, database) -> None:
    build_index(results, database)
    write(results, example_record(3, sample="another sample"))
    write(results, example_record(40))
    shutil.rmtree(results / example_record(5)["run"])
    done = build_index(results, database)
    assert (done.records, done.added, done.changed, done.removed) == (15, 1, 1, 1)
    step_by_step = content(database)
    build_index(results, database, full=True)
    assert content(database) == step_by_step
    assert "another sample" in json.dumps(step_by_step[1])


def test_an_unchanged_folder_leaves_the_file_as_it_is(results, database) -> None:
    build_index(results, database)
    os.utime(database, (1, 1))
    before = database.stat()
    done = build_index(results, database)
    after = database.stat()
    assert (done.records, done.added, done.changed) == (15, 0, 0)
    assert after.st_ino == before.st_ino
    assert after.st_mtime > 1  # Snakemake compares it with the records


# Attack 18: the same size and time, other content.
def test_a_record_forged_behind_its_time_is_found_by_full(results, database) -> None:
    path = write(results, example_record(0, sample="gold"))
    build_index(results, database)
    status = path.stat()
    text = path.read_text().replace("gold", "lead")
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert build_index(results, database).changed == 0
    build_index(results, database, full=True)
    assert "lead" in {record["sample"] for record in content(database)[0]}


def test_a_change_of_size_or_nanoseconds_is_seen(results, database) -> None:
    build_index(results, database)
    path = results / example_record(0)["id"] / "record.json"
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert build_index(results, database).changed == 1


def test_a_spoilt_record_is_left_out_and_told_of(results, database, caplog) -> None:
    build_index(results, database)
    (results / example_record(2)["id"] / "record.json").write_text('{"schema": 1}')
    caplog.set_level("WARNING", "scatterflow")
    done = build_index(results, database)
    assert (done.records, len(done.refused)) == (14, 1)
    assert "run_0002" in done.refused[0]
    assert "run_0002" in caplog.text
    # Not forgotten by the next scan either.
    assert len(build_index(results, database).refused) == 1


# Attack 16: links.
def test_links_are_not_followed(results, database, tmp_path) -> None:
    outside = tmp_path / "outside"
    write(outside, example_record(20))
    (results / "run_0020").symlink_to(outside / "run_0020", target_is_directory=True)
    write(outside, example_record(21))
    (results / example_record(21)["id"]).mkdir(parents=True)
    link = results / example_record(21)["id"] / "record.json"
    link.symlink_to(outside / example_record(21)["id"] / "record.json")
    done = build_index(results, database)
    assert done.records == 15
    assert sorted("run_0020" in message for message in done.refused) == [False, True]


# Attack 1: folders of other names are none of ours.
def test_folders_that_cannot_be_runs_are_passed_over(results, database) -> None:
    for name in ("-rf", ".hidden", "a b", "x" * 65, "ü"):
        folder = results / name / "swaxs"
        folder.mkdir(parents=True)
        shutil.copy(results / example_record(0)["id"] / "record.json", folder)
    assert build_index(results, database).records == 15


def test_there_is_no_index_yet(tmp_path) -> None:
    with pytest.raises(UserError, match="no index"):
        open_index(tmp_path / "index.sqlite")


@pytest.mark.parametrize("damage", ["text", "truncated", "other version", "midst", "empty"])
def test_a_damaged_index_is_made_anew(results, database, damage) -> None:
    build_index(results, database)
    before = content(database)
    whole = database.read_bytes()
    if damage == "other version":
        with sqlite3.connect(database) as index:
            index.execute("PRAGMA user_version = 999")
        index.close()
    else:
        half = len(whole) // 2
        damaged = {"text": b"hello", "truncated": whole[:half], "empty": b""}
        damaged["midst"] = whole[:8192] + b"\xff" * (len(whole) - 8192)
        database.write_bytes(damaged[damage])
    if damage != "midst":  # what can be told at once
        with pytest.raises(UserError, match="damaged"):
            open_index(database)
    write(results, example_record(0))
    os.utime(results / example_record(0)["id"] / "record.json", (2, 2))
    build_index(results, database)
    assert content(database) == before


# Attack 17: two writers.
WRITER = """
import sys
from scatterflow.catalogue.index import build_index
from scatterflow.errors import UserError
try:
    print(build_index(sys.argv[1], sys.argv[2], full=True).records)
except UserError as error:
    print(error.what)
"""


def test_a_second_writer_is_told_to_wait(results, database) -> None:
    from scatterflow.catalogue.index import _only_writer

    with _only_writer(database):
        second = subprocess.run(
            [sys.executable, "-c", WRITER, str(results), str(database)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            check=True,
        )
    assert second.stdout.startswith(f"the index is being built by 'process {os.getpid()} on ")
    assert not database.exists()
    assert build_index(results, database).records == 15


def test_writers_that_do_not_see_each_others_locks_spoil_nothing(results, tmp_path) -> None:
    """As hosts that share a file system which passes no locks on."""
    folder = results / "catalogue"
    folder.mkdir()
    writers = []
    for _ in range(3):
        code = WRITER.replace(
            "try:",
            "import contextlib, scatterflow.catalogue.index as index\n"
            "index._only_writer = lambda path: contextlib.nullcontext()\ntry:",
        )
        writers.append(
            subprocess.Popen(
                [sys.executable, "-c", code, str(results), str(folder / "index.sqlite")],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            )
        )
    assert [writer.communicate()[0].strip() for writer in writers] == ["15"] * 3
    with sqlite3.connect(folder / "index.sqlite") as index:
        assert index.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert index.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    index.close()
    assert len(content(folder / "index.sqlite")[0]) == 15
    assert [path.name for path in folder.iterdir()] == ["index.sqlite"]


def test_a_reader_keeps_the_index_that_it_opened(results, database) -> None:
    build_index(results, database)
    with open_index(database) as index:
        records = all_records(index)
        next(records)
        shutil.rmtree(results / "run_0000")
        build_index(results, database)
        assert len(list(records)) == 14


def test_the_index_cannot_be_written_through_a_reader(results, database) -> None:
    build_index(results, database)
    with open_index(database) as index, pytest.raises(sqlite3.OperationalError, match="readonly"):
        index.execute("DELETE FROM records")


def test_a_failed_build_leaves_the_index_before(results, database, monkeypatch) -> None:
    build_index(results, database)
    before = database.read_bytes()
    write(results, example_record(30))
    monkeypatch.setattr("scatterflow.catalogue.index.searched_text", lambda record: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build_index(results, database)
    assert database.read_bytes() == before
    assert sorted(path.name for path in database.parent.iterdir()) == [
        ".index.sqlite.lock",
        "index.sqlite",
    ]
