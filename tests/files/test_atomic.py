"""Outputs whole or absent: through errors, kills, a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scatterflow.errors import from_os_error
from scatterflow.files.atomic import whole_file, whole_folder, write_bytes, write_text

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB; skipped where this user may not mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_text_and_bytes_arrive_as_given_in_new_folders(tmp_path):
    write_text(tmp_path / "a" / "b" / "text.txt", "Å\n")
    write_bytes(str(tmp_path / "a" / "bytes"), b"\x00\r\n")
    assert (tmp_path / "a" / "b" / "text.txt").read_bytes() == b"\xc3\x85\n"
    assert (tmp_path / "a" / "bytes").read_bytes() == b"\x00\r\n"
    assert names(tmp_path / "a") == ["b", "bytes"]


def test_nothing_is_there_before_the_end(tmp_path):
    path = tmp_path / "x.h5"
    with whole_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")  # hidden from globs and never a valid name
    assert path.read_text() == "half"
    assert names(tmp_path) == ["x.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("old", [None, "old"])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error, old):
    path = tmp_path / "x"
    if old:
        path.write_text(old)

    def interrupted():
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert names(tmp_path) == (["x"] if old else [])
    assert not old or path.read_text() == old


def test_an_error_before_the_first_byte_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "x"):
        pass  # nothing written: nothing to publish
    assert names(tmp_path) == []


def test_a_folder_is_never_replaced_by_a_file(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(OSError):
        write_text(tmp_path / "x", "text")
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("name", ["x" * 250, "å" * 120])
def test_the_longest_names_of_the_file_system_work(tmp_path, name):
    write_text(tmp_path / name, "text")
    assert names(tmp_path) == [name]


def test_a_folder_appears_whole_and_replaces_an_older_one(tmp_path):
    path = tmp_path / "store"
    path.mkdir()
    (path / "old").write_text("old")
    with whole_folder(path) as temporary:
        (temporary / "new").write_text("new")
        assert names(path) == ["old"]
    assert names(path) == ["new"]
    assert names(tmp_path) == ["store"]


def test_a_folder_replaces_a_file_of_its_name(tmp_path):
    (tmp_path / "store").write_text("a file")
    with whole_folder(tmp_path / "store") as temporary:
        (temporary / "new").write_text("new")
    assert names(tmp_path / "store") == ["new"]
    assert names(tmp_path) == ["store"]


def test_an_error_leaves_the_old_folder(tmp_path):
    path = tmp_path / "store"
    path.mkdir()
    (path / "old").write_text("old")

    def interrupted():
        with whole_folder(path) as temporary:
            (temporary / "half").write_text("half")
            raise ValueError

    with pytest.raises(ValueError):
        interrupted()
    assert names(tmp_path) == ["store"]
    assert names(path) == ["old"]


@pytest.mark.parametrize("kind", ["whole_file", "whole_folder"])
def test_a_killed_process_publishes_nothing(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "whole_file":
        path.write_text("old")
    else:
        path.mkdir()
        (path / "old").write_text("old")
    code = f"""
import sys, time
from scatterflow.files.atomic import {kind}
with {kind}({str(path)!r}) as temporary:
    target = temporary if {kind == "whole_file"} else temporary / "half"
    target.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    visible = [name for name in names(tmp_path) if not name.startswith(".")]
    assert visible == ["x"]
    assert (path if kind == "whole_file" else path / "old").read_text() == "old"
    # And the next attempt is not hindered by what the killed one left.
    if kind == "whole_file":
        write_text(path, "new")
        assert path.read_text() == "new"


def test_many_writers_of_one_file_leave_one_whole_file(tmp_path):
    path = tmp_path / "x"
    code = f"""
from scatterflow.files.atomic import write_text
for _ in range(30):
    write_text({str(path)!r}, NAME * 5000)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code.replace("NAME", repr(name))],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        )
        for name in "ab"
    ]
    while any(process.poll() is None for process in processes):
        if path.exists():
            assert path.read_text() in ("a" * 5000, "b" * 5000)
        time.sleep(0.01)
    assert [process.returncode for process in processes] == [0, 0]
    assert names(tmp_path) == ["x"]


def test_a_full_disk_keeps_the_old_file_and_is_the_users_to_mend(small_disk):
    path = small_disk / "x"
    write_text(path, "old")
    with pytest.raises(OSError) as caught:
        write_bytes(path, bytes(2_000_000))
    assert caught.value.errno == errno.ENOSPC
    assert "disk is full" in from_os_error(caught.value).what
    assert names(small_disk) == ["x"]
    assert path.read_text() == "old"


FILL = """
import sys
import numpy as np
from scatterflow.errors import from_os_error
from scatterflow.files.hdf5 import writing

values = np.random.default_rng(0)
path, way = sys.argv[1:]
try:
    with writing(path) as file:
        if way == "many small":
            for index in range(300):
                file[f"d{index}"] = values.random(500)
        elif way == "one large":
            file["large"] = values.random(400_000)
        elif way == "chunks":
            file.create_dataset("chunks", data=values.random(400_000), chunks=(1000,), compression=1)
        else:
            for index in range(40):
                file[f"d{index}"] = values.random(50_000)
                file.flush()
                file["d0"][:] = index
except OSError as error:
    print(from_os_error(error))
"""


@pytest.mark.parametrize("way", ["many small", "one large", "chunks", "flushed"])
def test_a_full_disk_under_an_hdf5_file_keeps_the_old_one(small_disk, way):
    # In a process of its own: HDF5 by itself would crash it.
    path = small_disk / "x.h5"
    write_text(path, "old")
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path), way],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("error: the disk is full")
    assert f"where: {path}\n" in done.stdout
    assert names(small_disk) == ["x.h5"]
    assert path.read_text() == "old"
