"""The digest of code: on a small library of its own, and on this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scatterflow.plan import code
from scatterflow.plan.code import code_digest, library_modules

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

FILES = {
    "job.py": '''"""A script."""
from scatterflow.script import run


def main(x):
    from scatterflow.physics.average import average

    return average(x)
''',
    "other.py": "from scatterflow.unrelated import nothing\n",
    "scatterflow/__init__.py": "",
    "scatterflow/script.py": "def run(main):\n    return main\n",
    "scatterflow/unrelated.py": "nothing = 0\n",
    "scatterflow/physics/__init__.py": '"""Physics."""\n',
    "scatterflow/physics/average.py": """import numpy as np

from scatterflow.physics import constants
from scatterflow.physics.readers import read


class Average:
    total = 0.0


def average(x):
    return np.mean(x) * constants.FACTOR
""",
    "scatterflow/physics/constants.py": "FACTOR = 2\n",
    "scatterflow/physics/readers.py": """def read(form):
    if form == "a":
        from scatterflow.physics import reader_a as reader
    else:
        import scatterflow.physics.reader_b as reader
    return reader
""",
    "scatterflow/physics/reader_a.py": "from .shared import WORD\n",
    "scatterflow/physics/reader_b.py": "from . import shared\n\nNUMBER = 1\n",
    "scatterflow/physics/shared.py": "WORD = 'x'\n",
}


def forget() -> None:
    for cached in (code.code_digest, code._imports, code._files_of, code._facts, code._memory):
        cached.cache_clear()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A copy of the small library; calling it with (path, text) edits it and forgets what was read."""
    monkeypatch.setattr(code, "SCRIPTS", tmp_path)
    monkeypatch.setattr(code, "LIBRARY", tmp_path / "scatterflow")

    def edit(path: str, text: str) -> None:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        forget()

    for path, text in FILES.items():
        edit(path, text)
    yield edit
    forget()


def test_modules_are_found_through_all_ways_of_importing(library, tmp_path):
    found = {path.relative_to(tmp_path).as_posix() for path in library_modules(tmp_path / "job.py")}
    assert found == {path for path in FILES if "/" in path} - {"scatterflow/unrelated.py"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("scatterflow/physics/constants.py", "# a comment\nFACTOR = 2  # another one\n"),
        ("scatterflow/physics/constants.py", '"""A docstring."""\n\nFACTOR = (\n    2\n)\n'),
        ("scatterflow/physics/constants.py", 'FACTOR = 2\n"""What it is."""\n'),
        (
            "scatterflow/physics/average.py",
            FILES["scatterflow/physics/average.py"]
            .replace("    return np", '    """Mean."""\n    return  np')
            .replace("total = 0.0", 'total = 0.0\n    """The total."""'),
        ),
        ("scatterflow/script.py", "def run( main ):\n\n    return main\n"),
        ("scatterflow/unrelated.py", "nothing = 1\n"),
        ("scatterflow/physics/unused.py", "x = 1\n"),
        ("other.py", "from scatterflow.unrelated import nothing as n\n"),
    ],
)
def test_what_changes_no_number_changes_no_digest(library, path, text):
    before = code_digest("job")
    library(path, text)
    assert code_digest("job") == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("scatterflow/physics/constants.py", "2", "3"),
        ("scatterflow/physics/constants.py", "2", "2.0"),
        ("scatterflow/physics/constants.py", "2", "'2'"),
        ("scatterflow/physics/average.py", "mean", "median"),
        ("scatterflow/physics/average.py", "0.0", "1.0"),
        ("scatterflow/physics/shared.py", "x", "y"),  # through a relative import in a nested one
        ("scatterflow/physics/reader_b.py", "1", "2"),
        ("scatterflow/__init__.py", "", "x = 1"),
        ("scatterflow/script.py", "return main", "return None"),
    ],
)
def test_a_changed_line_anywhere_below_changes_the_digest(library, path, old, new):
    before = code_digest("job")
    library(path, FILES[path].replace(old, new))
    assert code_digest("job") != before
    library(path, FILES[path])
    assert code_digest("job") == before


def test_a_module_moved_or_added_changes_the_digest(library):
    before = code_digest("job")
    library(
        "scatterflow/physics/average.py",
        "from scatterflow import unrelated\n" + FILES["scatterflow/physics/average.py"],
    )
    assert code_digest("job") != before


def test_readers_that_a_job_does_not_reach_do_not_count(library):
    unused = frozenset({"physics.reader_b"})
    before, whole = code_digest("job", unused), code_digest("job")
    assert before != whole
    library("scatterflow/physics/reader_b.py", "from . import shared\n\nNUMBER = 2\n")
    assert code_digest("job", unused) == before
    assert code_digest("job") != whole
    library("scatterflow/physics/shared.py", "WORD = 'y'\n")  # the other reader needs it, too
    assert code_digest("job", unused) != before


def test_circles_of_imports_end(library):
    library("scatterflow/physics/constants.py", "import scatterflow.physics.average\nFACTOR = 2\n")
    assert len(code_digest("job")) == 16


# --- this library -----------------------------------------------------------------------------------


def scripts() -> list[str]:
    return sorted(path.stem for path in SCRIPTS.glob("*.py"))


def test_the_digest_is_the_same_in_every_process():
    command = "from scatterflow.plan.code import code_digest as d; print(d('integrate_chunk'))"
    found = {
        subprocess.run(
            [sys.executable, "-c", command],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in "12"
    }
    assert found == {code_digest("integrate_chunk")}


def test_every_script_has_a_digest_and_a_kernel_counts_where_it_is_used():
    used = {name: library_modules(SCRIPTS / f"{name}.py") for name in scripts()}
    kernel = SCRIPTS / "scatterflow" / "kernels" / "azimuthal.py"
    assert kernel in used["integrate_chunk"]
    assert kernel not in used["plot_profiles"]
    assert len({code_digest(name) for name in scripts()}) > len(scripts()) / 2


def test_jobs_do_not_import_the_configuration_models():
    """They are given plain values; pydantic would cost them time, and every new key a rerun."""
    base = SCRIPTS / "scatterflow" / "config" / "base.py"
    assert base.is_file()
    for name in scripts():
        assert base not in library_modules(SCRIPTS / f"{name}.py"), name


FORMATS = {"images", "hdf5", "spec", "imm", "rigaku", "ufxc", "timepix4"}


@pytest.mark.parametrize("form", sorted(FORMATS - {"spec"}))
def test_readers_left_out_of_a_digest_are_not_loaded(form):
    """What rules leave out for one format must really not be reached by its reader."""
    others = FORMATS - {form}
    command = f"""
import sys
import scatterflow.sources.{form}
print(*(name for name in sys.modules if name.startswith("scatterflow.sources.")))
"""
    loaded = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert f"scatterflow.sources.{form}" in loaded
    assert not {f"scatterflow.sources.{name}" for name in others} & set(loaded)
    # Imports inside functions count as well; `open` is what chooses among the readers.
    sources = SCRIPTS / "scatterflow" / "sources"
    modules = library_modules(sources / f"{form}.py", frozenset({sources / "open.py"}))
    reached = {path.stem for path in modules if path.parent == sources}
    assert not others & reached
