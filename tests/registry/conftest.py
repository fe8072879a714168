"""A registry in a folder of the test, and masks for it."""

from __future__ import annotations

import queue

import numpy as np
import pytest

from scatterflow.registry.store import FileRegistry

SHAPE = (13, 21)  # no multiple of 8


@pytest.fixture
def registry(tmp_path) -> FileRegistry:
    """An empty registry; nothing is made before the first registration."""
    return FileRegistry(tmp_path / "registry")


@pytest.fixture
def good() -> np.ndarray:
    """A mask with a stop and two single pixels."""
    return some_mask()


def answers_of(workers: list, answers, count: int) -> list:
    """What processes put into a queue, so many of them; fails as soon as one of them has died."""
    found: list = []
    while len(found) < count:
        try:
            found.append(answers.get(timeout=2))
        except queue.Empty:
            died = [worker.exitcode for worker in workers if worker.exitcode]
            assert not died, f"processes ended with {died}"
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    return found


def some_mask(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A good mask; another one for each seed."""
    good = np.ones(shape, bool)
    good[3:6, 8:12] = False
    good.ravel()[np.random.default_rng(seed).integers(0, good.size, 5)] = False
    return good
