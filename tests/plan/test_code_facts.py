"""What is remembered of source files: never anything but what reading them anew would give."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from scatterflow.plan import code_facts
from scatterflow.plan.code_facts import FactsMemory, read_facts

TEXT = "import numpy as np\nfrom . import near\nfrom ..far import thing\nX = 1\n"


@pytest.fixture
def module(tmp_path) -> Path:
    """A module of a package, an hour old."""
    path = tmp_path / "package" / "inner" / "module.py"
    path.parent.mkdir(parents=True)
    write_old(path, TEXT)
    return path


def write_old(path: Path, text: str, age: float = 3600) -> None:
    path.write_text(text)
    then = time.time() - age
    os.utime(path, (then, then))


def memory_of(root: Path) -> FactsMemory:
    return FactsMemory(root, root / "memory" / "facts.json")


@pytest.fixture
def read_once(monkeypatch):
    """Files that are really read from now on."""
    read: list[Path] = []

    def noted(path: Path, root: Path) -> code_facts.CodeFacts:
        read.append(path)
        return read_facts(path, root)

    monkeypatch.setattr(code_facts, "read_facts", noted)
    return read


def test_imports_have_absolute_names(module, tmp_path):
    assert set(read_facts(module, tmp_path).imports) == {
        "numpy",
        "package.inner",
        "package.inner.near",
        "package.far",
        "package.far.thing",
    }


def test_an_unchanged_file_is_read_once(module, tmp_path, read_once):
    memory = memory_of(tmp_path)
    facts = memory.facts(module)
    memory.remember()
    assert memory_of(tmp_path).facts(module) == facts == read_facts(module, tmp_path)
    assert read_once == [module]


@pytest.mark.parametrize("text", [TEXT + "Y = 2\n", TEXT.replace("X = 1", "X = 2")])
def test_a_changed_file_is_read_again(module, tmp_path, text):
    memory = memory_of(tmp_path)
    before = memory.facts(module)
    memory.remember()
    write_old(module, text, age=60)
    assert memory_of(tmp_path).facts(module) == read_facts(module, tmp_path) != before


def test_what_has_just_been_written_is_not_remembered(module, tmp_path, read_once):
    stamp = time.time_ns()
    for _ in range(2):
        os.utime(module, ns=(stamp, stamp))
        memory = memory_of(tmp_path)
        memory.facts(module)
        memory.remember()
    assert len(read_once) == 2


@pytest.mark.parametrize("junk", ["", "[]", '{"made_by": "x"}', '{"files": 1', "\x00"])
def test_a_damaged_memory_does_not_matter(module, tmp_path, junk):
    path = tmp_path / "memory" / "facts.json"
    path.parent.mkdir()
    path.write_text(junk)
    assert memory_of(tmp_path).facts(module) == read_facts(module, tmp_path)


def test_entries_that_are_none_do_not_matter(module, tmp_path):
    memory = memory_of(tmp_path)
    memory.facts(module)
    memory.remember()
    path = tmp_path / "memory" / "facts.json"
    path.write_text(path.read_text().replace('["numpy"', '5, ["numpy"'))
    assert memory_of(tmp_path).facts(module) == read_facts(module, tmp_path)


def test_another_python_or_another_version_of_this_code_starts_anew(module, tmp_path, read_once):
    memory = memory_of(tmp_path)
    memory.facts(module)
    memory.remember()
    path = tmp_path / "memory" / "facts.json"
    path.write_text(path.read_text().replace('"made_by": "', '"made_by": "older '))
    memory_of(tmp_path).facts(module)
    assert len(read_once) == 2


def test_a_folder_that_cannot_be_written_does_not_matter(module, tmp_path):
    (tmp_path / "memory").write_text("a file where the folder should be")
    memory = memory_of(tmp_path)
    memory.facts(module)
    memory.remember()
