"""Memory of jobs that bin shots, against the sums that they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scatterflow.config.yaml_file import read_yaml
from scatterflow.plan.build import build_plan
from scatterflow.plan.memory_cubes import (
    calculation_memory_mb,
    cube_chunk_memory_mb,
    cube_file_memory_mb,
    cube_memory_mb,
)
from scatterflow.shots.cube_axes import Label, axis_from_edges
from scatterflow.shots.cubes import Cube

REPOSITORY = Path(__file__).resolve().parents[2]
LASER = Label("laser", (0.0, 1.0), ("off", "on"))


@pytest.mark.parametrize("normalised", [False, True])
def test_sums_take_what_was_estimated(normalised):
    axes = [axis_from_edges("x", np.arange(8.0)), axis_from_edges("y", np.arange(5.0))]
    cube = Cube(axes, [LASER], {"image": "m"} if normalised else {})
    place = {"x": np.array([0.5]), "y": np.array([1.5]), "laser": np.array([1])}
    cube.update(place, {"image": np.ones((1, 50, 60))}, monitors={"m": np.ones(1)})
    held = sum(array.nbytes for array in cube.state().values()) / 1e6
    estimate = cube_memory_mb((50, 60), [7, 4], [2], normalised=normalised)
    assert held * 0.999 - 0.01 < estimate < 1.2 * held + 1


@pytest.fixture
def planned(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    config = read_yaml("config/config.yaml")
    return build_plan(config, "config/config.yaml").find_shots("pump_sacla", "pumpprobe")


def test_jobs_ask_for_what_their_cubes_hold(planned):
    cube = planned.cube("delay")
    pixels = 96 * 64
    few = cube_chunk_memory_mb(planned, cube)
    images = cube_memory_mb((pixels,), [10], [2])
    assert images < few
    wide = cube.model_copy(
        update={"axes": {"delay": cube.axes["delay"].model_copy(update={"bins": 100_000})}}
    )
    # A chunk's shots cannot fall into more cells than there are shots; the file's sums can.
    most = cube_memory_mb((pixels,), [planned.chunk_shots], [])
    assert cube_chunk_memory_mb(planned, wide) <= few - images + most + 1
    profiles = cube_memory_mb((50,), [100_000], [2])
    assert cube_file_memory_mb(planned, wide) > cube_file_memory_mb(planned, cube) + profiles
    assert calculation_memory_mb(planned) > 500
