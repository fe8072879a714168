"""The demo's XPCS runs: the same photons in every format, and metadata that say how they were taken."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.config.sources import SourceConfig
from scatterflow.errors import UserError
from scatterflow.sources import RunLocation, open_source
from scatterflow.sources.simulate_xpcs import (
    known_xpcs_answers,
    simulate_xpcs_run,
    simulated_xpcs_files,
)
from scatterflow.xpcs.acquisition import read_acquisition

RECIPES = {
    "xpcs/imm/colloid.imm": {"format": "imm", "frames": {"speckles": "{raw}"}},
    "xpcs/rigaku/colloid.bin": {"format": "rigaku", "frames": {"speckles": "{raw}"}},
    "xpcs/eiger/colloid_master.h5": {"format": "hdf5", "frames": {"speckles": "auto"}},
}
ANSWERS = known_xpcs_answers()


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Folder with all runs, seed 1."""
    root = tmp_path_factory.mktemp("raw")
    for name in simulated_xpcs_files():
        simulate_xpcs_run(name, root, 1)
    return root


def frames_of(root, name):
    recipe = SourceConfig.model_validate(RECIPES[name]).model_dump()
    shapes = {"speckles": ANSWERS["shape"]}
    location = RunLocation("demo", name, str(root), ANSWERS["frames"], recipe, shapes)
    source = open_source(location)
    assert source.frames == ANSWERS["frames"]
    frames = source.read("speckles", 0, ANSWERS["frames"])
    source.close()
    return frames


def test_every_format_holds_the_same_photons(raw):
    first, *others = (frames_of(raw, name) for name in RECIPES)
    assert first.shape == (ANSWERS["frames"], *ANSWERS["shape"])
    assert 0.1 < first.mean() < 0.2
    for frames in others:
        assert np.array_equal(first, frames)


def test_announced_files_are_those_written(raw):
    announced = {path for files in simulated_xpcs_files().values() for path, *_ in files}
    assert announced == {str(p.relative_to(raw)) for p in raw.rglob("*") if p.is_file()}


def test_metadata_say_how_it_was_taken(raw):
    found = read_acquisition(raw / "xpcs/imm/colloid_metadata.hdf")
    assert found.frame_time_s == ANSWERS["frame_time_s"]
    assert (found.beam_centre_row, found.beam_centre_column) == ANSWERS["beam_centre"]
    assert found.pixel_size_m == (75e-6, 75e-6)
    assert found.distance_m == 5.0
    assert found.energy_kev == pytest.approx(12.0)
    assert not found.notes


def test_relaxation_is_that_of_the_spheres():
    from scatterflow.sources.simulate_xpcs import COLLOID
    from scatterflow.sources.simulated_speckles import relaxation_times

    # 1 / (4.286e-12 m^2/s (4e7 1/m)^2) = 146 us, 7.3 frames.
    diffusion = 1.380649e-23 * 293.15 / (6 * np.pi * 1.0016e-3 * 50e-9)
    tau = relaxation_times(COLLOID, np.array([4e-3])) * ANSWERS["frame_time_s"]
    assert tau[0] == pytest.approx(1 / (diffusion * 4e7**2))


def test_equal_seeds_give_equal_bytes(raw, tmp_path):
    simulate_xpcs_run("xpcs/rigaku/colloid.bin", tmp_path, 1)
    for name in ("colloid.bin", "colloid_metadata.hdf"):
        again, before = (root / "xpcs/rigaku" / name for root in (tmp_path, raw))
        assert again.read_bytes() == before.read_bytes(), name


def test_an_unknown_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="no simulated run"):
        simulate_xpcs_run("xpcs/imm/coloid.imm", tmp_path, 1)
