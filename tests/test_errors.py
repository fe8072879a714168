"""Errors for users."""

from __future__ import annotations

import errno
import pickle

import pytest

from scatterflow.errors import (
    FrameError,
    UserError,
    from_os_error,
    is_disk_full,
    shortened,
    suggestion,
)


def test_an_error_is_three_lines():
    error = UserError("it is wrong", "file x, key y", "do this")
    assert str(error) == "error: it is wrong\nwhere: file x, key y\nmend:  do this"
    assert str(UserError("it is wrong")) == "error: it is wrong"


@pytest.mark.parametrize("kind", [UserError, FrameError])
def test_errors_survive_another_process_and_keep_their_kind(kind):
    error = pickle.loads(pickle.dumps(kind("a", "b", "c")))
    assert (type(error), error.what, error.where, error.how) == (kind, "a", "b", "c")


def test_an_outer_place_comes_first():
    assert FrameError("a", "frame 3", "c").inside("run 1").where == "run 1, frame 3"
    assert FrameError("a", "", "c").inside("run 1").where == "run 1"
    assert isinstance(FrameError("a").inside("run 1"), FrameError)


@pytest.mark.parametrize(
    ("word", "known", "text"),
    [
        ("detetcors", ["detectors", "sources"], "did you mean 'detectors'?"),
        ("I0", ["i0", "i1"], "did you mean 'i0'?"),
        ("I0", ["I0 ", "i0"], "did you mean 'i0'?"),
        ("xyz", ["b", "a"], "known: a, b"),
        ("xyz", [], "nothing is known here"),
        ("", ["a"], "known: a"),
        ("x" * 1_000_000, ["a"], "known: a"),
    ],
)
def test_the_nearest_word_or_all_words_are_suggested(word, known, text):
    assert suggestion(word, iter(known)) == text


def test_many_known_words_are_not_all_listed():
    text = suggestion("zzzz", [f"run_{number:04d}" for number in range(500)])
    assert text.startswith("known: run_0000, ")
    assert text.endswith("... (500 in all)")
    assert len(text) < 300


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb\x1b", r"'a\nb\x1b'"),
        ("x" * 41, f"'{'x' * 40}...'"),
        (3.5, "3.5"),
        (list(range(1000)), str(list(range(1000)))[:80] + "..."),
    ],
)
def test_values_are_shown_escaped_and_short(value, text):
    assert shortened(value) == text


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError(errno.ENOSPC, "x", "file"), "the disk is full"),
        (OSError(errno.EDQUOT, "x", "file"), "the disk is full"),
        (PermissionError(errno.EACCES, "x", "file"), "no permission"),
        (OSError(errno.EROFS, "x", "file"), "no permission"),
        (FileNotFoundError(errno.ENOENT, "x", "file"), "file not found"),
        (IsADirectoryError(errno.EISDIR, "x", "file"), "a folder stands where a file"),
        (NotADirectoryError(errno.ENOTDIR, "x", "file"), "a file stands where a folder"),
        (OSError(errno.ENAMETOOLONG, "x", "file"), "too long"),
    ],
)
def test_what_the_system_says_in_the_users_words(error, what):
    found = from_os_error(error)
    assert what in found.what
    assert found.where == "file"
    assert found.how


def test_the_number_of_an_hdf5_error_is_in_its_text():
    text = "Can't write data (file write failed: errno = 28, error message = 'No space left on device')"
    assert "disk is full" in from_os_error(OSError(text)).what
    assert is_disk_full(RuntimeError(text))


@pytest.mark.parametrize("error", [OSError("x"), OSError(errno.EIO, "x"), ConnectionError()])
def test_other_errors_of_the_system_stay_bugs(error):
    assert from_os_error(error) is None
    assert not is_disk_full(error)
