"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
# Kernels are compiled once for all tests, and for the copies of the workflow that they make.
os.environ["NUMBA_CACHE_DIR"] = str(REPOSITORY / ".numba_cache")

# A busy machine is no failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Folder of a real measured data set; the test is skipped where it is not at hand."""
    root = Path(os.environ.get("SCATTERFLOW_TEST_DATA", REPOSITORY.parent / "shared" / "data"))

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"real data set {name!r} is not on this machine")
        return root / name

    return folder
