"""Darks: made in any blocks, written, read and registered, once."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.errors import FrameError, UserError
from scatterflow.files.nexus import read_note
from scatterflow.shots.dark_file import read_dark
from scatterflow.shots.dark_register import register_dark
from scatterflow.shots.make_dark import make_dark
from scatterflow.shots.prepared import identities
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_writers import write_sacla
from scatterflow.sources.shots import open_shots

SHOTS, SHAPE = 12, (2, 4, 5)
FRAMES = np.random.default_rng(3).integers(90, 120, (SHOTS, *SHAPE)).astype(np.uint16)
FRAMES[:, 1, 2, 3] = 5
THERE = np.arange(SHOTS) != 4
SETTINGS = {"rms": [1, 30], "fraction": 0.01}


@pytest.fixture
def source(tmp_path):
    write_sacla(tmp_path / "1.h5", 1, 10 + np.arange(SHOTS), {"ccd": FRAMES}, {"ccd": THERE})
    recipe = {"format": "sacla", "detectors": {"ccd": ["ccd-1", "ccd-2"]}}
    return open_shots(RunLocation("1", "1.h5", str(tmp_path), SHOTS, recipe))


@pytest.mark.parametrize("shots", [1, 5, 100])
def test_of_any_blocks(source, tmp_path, monkeypatch, shots):
    monkeypatch.setattr("scatterflow.shots.make_dark.BLOCK_BYTES", 2 * 40 * shots)
    path = tmp_path / "d.h5"
    make_dark(path, source, "ccd", SETTINGS, "1", threads=2)
    dark = read_dark(path)
    own = FRAMES[THERE].astype(np.float64)
    np.testing.assert_allclose(dark.pedestal, own.mean(axis=0)[None], rtol=1e-12)
    np.testing.assert_allclose(dark.rms, own.std(axis=0, ddof=1)[None], rtol=1e-9)
    assert (dark.frames == THERE.sum()).all()
    expected = np.ones(SHAPE, bool)
    expected[1, 2, 3] = False  # never moves
    np.testing.assert_array_equal(dark.good, expected)
    with h5py.File(path) as file:
        assert file["pedestal"].attrs["units"] == "ADU"
        assert read_note(file["provenance/run"]) == {"run": "1", "detector": "ccd"}
        assert read_note(file["provenance/settings"]) == SETTINGS
    told = identities({}, {"ccd": str(path)})["darks"]["ccd"]
    assert told["run"] == "1"
    assert len(told["sha256"]) == 64
    assert told["raw_files"][0]["path"].endswith("1.h5")


def test_frames_that_cannot_be_read_stop_or_are_left_out(source, tmp_path, monkeypatch):
    read = type(source).read

    def damaged(self, detector, start, stop):
        if start <= 7 < stop:
            raise FrameError("shot 7 is corrupt", "1.h5")
        return read(self, detector, start, stop)

    monkeypatch.setattr(type(source), "read", damaged)
    with pytest.raises(FrameError, match="shot 7 is corrupt"):
        make_dark(tmp_path / "d.h5", source, "ccd", SETTINGS, "1")
    dark = make_dark(tmp_path / "d.h5", source, "ccd", SETTINGS, "1", skip_missing=True)
    own = FRAMES[THERE & (np.arange(SHOTS) != 7)].astype(np.float64)
    np.testing.assert_allclose(dark.pedestal, own.mean(axis=0)[None], rtol=1e-12)
    assert (dark.frames == SHOTS - 2).all()


def test_what_leaves_nothing_is_refused(source, tmp_path):
    with pytest.raises(UserError, match="no good pixel") as caught:
        make_dark(tmp_path / "d.h5", source, "ccd", {"rms": [100, 200]}, "1")
    assert "run 1, detector ccd" in caught.value.where
    with pytest.raises(UserError, match="no detector 'cdd'"):
        make_dark(tmp_path / "d.h5", source, "cdd", {}, "1")
    assert not (tmp_path / "d.h5").exists()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(UserError, match="no dark of scatterflow"):
        read_dark(tmp_path / "other.h5")


def test_registered_twice_is_one_version(source, tmp_path):
    path, registry = tmp_path / "d.h5", str(tmp_path / "registry")
    make_dark(path, source, "ccd", SETTINGS, "1")
    first = register_dark(path, "ccd", "night", registry)
    assert set(first) == {"night", "night-rms", "night-good"}
    assert register_dark(path, "ccd", "night", registry) == first
    make_dark(path, source, "ccd", {**SETTINGS, "rms": [1, 8.5]}, "1")
    third = register_dark(path, "ccd", "night", registry)
    assert third["night"] == first["night"]
    assert third["night-good"]["version"] == first["night-good"]["version"] + 1


def test_registered_images_are_those_of_the_dark(source, tmp_path):
    from scatterflow.registry.calibrations import get_arrays
    from scatterflow.registry.masks import load_mask
    from scatterflow.registry.versions import get_record

    path, registry = tmp_path / "d.h5", str(tmp_path / "registry")
    dark = make_dark(path, source, "ccd", SETTINGS, "1")
    register_dark(Path(path), "ccd", "night", registry)
    arrays = get_arrays("dark", "ccd", "night", registry=registry)
    np.testing.assert_array_equal(arrays["data"], dark.pedestal.reshape(1, 8, 5))
    record = get_record("mask", "ccd", "night-good", registry=registry)
    good, _ = load_mask(record, registry=registry)
    np.testing.assert_array_equal(good, dark.good.reshape(8, 5))
