"""Progress: lines at intervals, a bar on a terminal."""

from __future__ import annotations

import fcntl
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from scatterflow import progress as module
from scatterflow.progress import progress

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
WORK = """
import logging, sys, time
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
from scatterflow.progress import progress
with progress(50, "run 1") as bar:
    for _ in range(5):
        time.sleep(0.03)
        bar.add(10)
"""


@pytest.fixture
def clock(monkeypatch):
    """Time as the test sets it."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_lines_come_at_intervals_and_at_the_end(clock, caplog):
    with (
        caplog.at_level(logging.INFO, "scatterflow"),
        progress(100, "run 1, frames 0 to 99") as bar,
    ):
        for _ in range(10):
            clock[0] += 4
            bar.add(10)
    assert caplog.messages == [
        "run 1, frames 0 to 99: 30 of 100 frames (30 %), 2.5 frames/s",
        "run 1, frames 0 to 99: 60 of 100 frames (60 %), 2.5 frames/s",
        "run 1, frames 0 to 99: 90 of 100 frames (90 %), 2.5 frames/s",
        "run 1, frames 0 to 99: 100 of 100 frames (100 %), 2.5 frames/s",
    ]


def test_a_quick_job_has_one_line(caplog):
    with caplog.at_level(logging.INFO, "scatterflow"), progress(3, "label", "pixels") as bar:
        for _ in range(3):
            bar.add(1)
    (line,) = caplog.messages
    assert re.fullmatch(r"label: 3 of 3 pixels \(100 %\), [\d.]+ pixels/s", line)


def test_nothing_to_do_does_not_divide_by_zero(clock):
    with progress(0, "label") as bar:
        bar.add(0)
        assert bar.line() == "label: 0 of 0 frames (0 %), 0.0 frames/s"


def test_an_error_inside_passes_through():
    def fail():
        with progress(10, "label") as bar:
            bar.add(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()


def run(code: str, **streams) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        **streams,
    )


def test_without_a_terminal_there_is_no_bar():
    with run(WORK, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert errors == b""
    assert output.decode().startswith("run 1: 50 of 50 frames (100 %)")
    assert output.count(b"\n") == 1


def test_on_a_terminal_there_is_a_bar_and_it_is_removed():
    try:
        ours, theirs = pty.openpty()
    except OSError:
        pytest.skip("this machine has no pseudo-terminals")
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))  # 24 lines of 80
    with run(WORK, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = read_all(ours)
        process.communicate(timeout=30)
    assert process.returncode == 0
    text = shown.decode()
    assert re.search(r"run 1:.*\d+/50", text)
    # The last thing on the line is its own end: nothing is left of the bar.
    assert text.rstrip(" ").endswith("\r")


def read_all(descriptor: int) -> bytes:
    content, until = b"", time.monotonic() + 30
    while time.monotonic() < until:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        content += part
    os.close(descriptor)
    return content
