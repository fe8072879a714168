"""Opening a run: the right source, and run table against raw files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.config.sources import SourceConfig
from scatterflow.errors import FrameError, UserError
from scatterflow.sources import RunLocation, open_source
from scatterflow.sources.open import new_source
from scatterflow.sources.writers import write_eiger, write_images

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def place(root, config, raw, frames, shapes):
    recipe = SourceConfig.model_validate(config).model_dump()
    return RunLocation("r1", raw, str(root), frames, recipe, shapes)


def images(root, frames=3, shapes=None, **config):
    stack = np.arange(3 * 4 * 5, dtype=np.int32).reshape(3, 4, 5)
    write_images([root / f"s/a_{i:03d}.tif" for i in range(3)], stack)
    config = {"format": "images", "frames": {"a": "{raw}/a_{frame:03d}.tif"}, **config}
    return place(root, config, "s", frames, {"a": (4, 5)} if shapes is None else shapes), stack


def eiger(root, frames=3, shape=(4, 5)):
    stack = np.arange(3 * 4 * 5, dtype=np.uint32).reshape(3, 4, 5)
    write_eiger(root / "x_master.h5", stack, 2)
    config = {"format": "hdf5", "frames": {"e": "auto"}}
    return place(root, config, "x_master.h5", frames, {"e": shape}), stack


@pytest.mark.parametrize("make", [images, eiger])
def test_a_run_opens_with_the_configuration_as_it_is_dumped(tmp_path, make):
    location, stack = make(tmp_path)
    source = open_source(location)
    name = next(iter(location.shapes))
    assert source.frames == 3
    assert source.detectors[name].shape == (4, 5)
    np.testing.assert_array_equal(source.read(name, 1, 3), stack[1:3])
    assert source.scalars().shape == (3, 0)


@pytest.mark.parametrize("make", [images, eiger])
@pytest.mark.parametrize("frames", [2, 4])
def test_the_number_of_frames_is_held_against_the_run_table(tmp_path, make, frames):
    location, _ = make(tmp_path, frames)
    with pytest.raises(UserError) as caught:
        open_source(location)
    assert f"the run table says {frames} frames" in caught.value.what
    assert "r1" in caught.value.where
    assert "column `frames` of the run table" in caught.value.how


def test_every_detector_is_counted(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["p"], file["q"] = np.ones((3, 4, 5), "u2"), np.ones((2, 4, 6), "u2")
    config = {"format": "hdf5", "frames": {"p": "/p", "q": "/q"}}
    with pytest.raises(UserError, match="hold 2") as caught:
        open_source(place(tmp_path, config, "a.h5", 3, {"p": (4, 5), "q": (4, 6)}))
    assert "detector q" in caught.value.where
    # A detector that the run does not use is not looked at.
    assert open_source(place(tmp_path, config, "a.h5", 3, {"p": (4, 5)})).frames == 3


@pytest.mark.parametrize("make", [images, eiger])
def test_shapes_are_held_against_the_detectors(tmp_path, make):
    location, _ = make(tmp_path)
    name = next(iter(location.shapes))
    wrong = RunLocation("r1", location.raw, location.root, 3, location.recipe, {name: (5, 4)})
    with pytest.raises(UserError, match=r"4 x 5.*5 x 4") as caught:
        open_source(wrong)
    assert f"detectors.{name}.shape" in caught.value.how


def test_a_detector_without_frames(tmp_path):
    location, _ = images(tmp_path, shapes={"waxs": (4, 5)})
    with pytest.raises(UserError, match="no frames of detector 'waxs'"):
        open_source(location)


def test_raw_files_that_are_not_there(tmp_path):
    config = {"format": "images", "frames": {"a": "{raw}_{frame}.tif"}}
    location = place(tmp_path, config, "s", 3, {"a": (4, 5)})
    assert len(new_source(location).files()) == 3
    with pytest.raises(UserError, match="0 of 3 files"):
        open_source(location)
    config = {"format": "hdf5", "frames": {"a": "auto"}}
    with pytest.raises(FrameError, match="missing"):
        open_source(place(tmp_path, config, "s.h5", 3, {"a": (4, 5)}))


def test_an_unknown_format():
    with pytest.raises(UserError, match="did you mean 'hdf5'"):
        new_source(RunLocation("r1", "x", "/x", 1, {"format": "hdf", "frames": {}}))


@pytest.mark.parametrize("form", ["images", "hdf5", "imm", "rigaku", "ufxc", "timepix4"])
def test_a_job_imports_only_what_its_format_needs(form):
    code = (
        "import sys; from scatterflow.sources import open;"
        "from scatterflow.sources.base import RunLocation;"
        f"open.new_source(RunLocation('r', 'x', '/x', 1, {{'format': '{form}', 'frames': {{}}}}));"
        "heavy = {'h5py', 'pandas', 'hdf5plugin', 'fabio', 'pyFAI', 'PIL', 'pydantic', 'scatterflow.config',"
        " 'numba'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("make", [images, eiger])
def test_a_source_closes_more_than_once_and_reads_again(tmp_path, make):
    location, stack = make(tmp_path)
    source = open_source(location)
    name = next(iter(location.shapes))
    for _ in range(2):
        np.testing.assert_array_equal(source.read(name, 0, 3), stack)
        source.close()
        source.close()
    assert source.shared_files() == []
    assert source.fingerprint(scalars=False) is None
