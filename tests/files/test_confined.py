"""Only regular files inside of the folder are opened."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from scatterflow.files.confined import open_regular


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "root/a/b/file").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "root"


def test_a_file_inside_is_opened(root):
    with open_regular(root, "a/b/file") as file:
        assert file.read() == b"inside"


def test_the_root_itself_may_be_a_link(root):
    (root.parent / "link").symlink_to(root, target_is_directory=True)
    with open_regular(root.parent / "link", "a/b/file") as file:
        assert file.read() == b"inside"


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "a", "a/b", "a/b/", "a//b/file", "/a/b/file", "a/b/none", "a/none/file"),
        *("../secret", "a/../../secret", "a/../a/b/file", "./a/b/file", ".hidden", "a/.b/file"),
        *("a/b/file\0", "\udcff", "x" * 5000, "a/b/file/c", "link", "folder/file", "up", "pipe"),
    ],
)
def test_everything_else_is_not(root, path):
    (root / ".hidden").write_bytes(b"secret")
    (root / "link").symlink_to(root.parent / "secret")
    (root / "folder").symlink_to(root / "a/b", target_is_directory=True)
    (root / "up").symlink_to("..")
    os.mkfifo(root / "pipe")
    with pytest.raises(FileNotFoundError):
        open_regular(root, path)


def test_no_descriptor_is_left_open(root):
    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_descriptors()
    for path in ("a/b/file", "a/b", "../secret", "a/none/file"):
        with suppress(FileNotFoundError):
            open_regular(root, path).close()
    assert open_descriptors() == before
