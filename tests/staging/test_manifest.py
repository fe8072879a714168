"""Manifests: what is written is read again, what is none is refused."""

from __future__ import annotations

import hashlib

import pytest

from scatterflow.errors import UserError
from scatterflow.staging.manifest import (
    HEADER,
    MANIFEST,
    FileMark,
    chosen,
    manifest_text,
    mark_folder,
    read_manifest,
)

MARK = FileMark(3, hashlib.sha256(b"abc").hexdigest())


def test_all_files_are_marked_but_hidden_ones_and_the_manifest(tmp_path):
    (tmp_path / "run 1").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("run 1/a b.h5", "empty", ".hidden/x", ".y", MANIFEST):
        (tmp_path / name).write_bytes(b"" if name == "empty" else b"abc")
    empty = FileMark(0, hashlib.sha256(b"").hexdigest())
    assert mark_folder(tmp_path) == {"empty": empty, "run 1/a b.h5": MARK}


def test_what_is_written_is_read_again():
    marks = {"run 1/ä [1]*.h5": MARK, "b": FileMark(0, "0" * 64)}
    assert read_manifest(manifest_text(marks), "here") == marks


@pytest.mark.parametrize(
    "line",
    [
        f"3\t{MARK.sha256}\t../a",
        f"3\t{MARK.sha256}\t/etc/passwd",
        f"3\t{MARK.sha256}\ta/../../b",
        f"3\t{MARK.sha256}\ta//b",
        f"-3\t{MARK.sha256}\ta",
        f"3\t{MARK.sha256[1:]}\ta",
        "3 bytes",
        "",
    ],
)
def test_other_lines_are_refused(line):
    with pytest.raises(UserError) as caught:
        read_manifest(f"{HEADER}\n{line}\n", "there")
    assert "there, line 2" in caught.value.where


@pytest.mark.parametrize("text", ["", "junk\n", f"{HEADER}\n3\t{MARK.sha256}\ta"])
def test_a_manifest_that_is_cut_off_is_refused(text):
    with pytest.raises(UserError, match="complete manifest"):
        read_manifest(text, "there")


def test_a_name_with_a_line_break_is_refused():
    with pytest.raises(UserError, match="control"):
        manifest_text({"a\nb": MARK})


def test_patterns_choose_and_must_match():
    marks = {"run1/a.h5": MARK, "run12/b.h5": MARK}
    assert list(chosen(marks, ["run1/*"])) == ["run1/a.h5"]
    assert list(chosen(marks, [])) == list(marks)
    with pytest.raises(UserError, match="run3"):
        chosen(marks, ["run1/*", "run3/*"])
