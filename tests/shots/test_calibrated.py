"""Detectors made ready: constants of dark and file, masks, positions of all kinds; blocks of frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.detectors.good_mask import GoodMask, write_mask
from scatterflow.errors import UserError
from scatterflow.geometry_kind import has_plane
from scatterflow.shots.calibrated import CalibratedDetector, calibrated_detector
from scatterflow.shots.dark_file import write_dark
from scatterflow.shots.darks import DarkSums
from scatterflow.sources.base import RunLocation
from scatterflow.sources.shot_writers import write_sacla
from scatterflow.sources.shots import open_shots

SHOTS, SHAPE = 23, (2, 4, 5)
BITS = {"mask": 0xC000, "modes": [0, 1, -1, 2]}
RNG = np.random.default_rng(8)
VALUES = RNG.integers(100, 4000, (SHOTS, *SHAPE)).astype(np.uint16)
THERE = np.arange(SHOTS) % 5 != 2
PONI = {
    "distance_m": 0.2,
    "poni1_m": 1e-3,
    "poni2_m": 2e-3,
    "wavelength_m": 1e-10,
    "pixel1_m": 1e-4,
    "pixel2_m": 2e-4,
}


@pytest.fixture
def folder(tmp_path) -> Path:
    write_sacla(tmp_path / "7.h5", 7, 10 + np.arange(SHOTS), {"ccd": VALUES}, {"ccd": THERE})
    return tmp_path


def ready(
    folder: Path, calibration: dict[str, Any] | None = None, **more: Any
) -> CalibratedDetector:
    recipe = {"format": "sacla", "detectors": {"ccd": ["ccd-1", "ccd-2"]}}
    source = open_shots(RunLocation("7", "7.h5", str(folder), SHOTS, recipe))
    own = {"calibration": calibration or {}, "constants": None, "geometry": None}
    own |= {key: more.pop(key) for key in list(more) if key in own}
    return calibrated_detector(
        source, "ccd", own, **{"mask": None, "dark": None, "run": "7", **more}
    )


def constants(folder: Path, **arrays: Any) -> str:
    path = folder / "constants.h5"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return str(path)


def dark_file(folder: Path, frames: np.ndarray, **limits: Any) -> str:
    sums = DarkSums(SHAPE, np.uint16, limits)
    sums.update(frames)
    write_dark(folder / "dark.h5", sums.finalize(), "1", "ccd", limits, [])
    return str(folder / "dark.h5")


def mask_file(folder: Path, good: np.ndarray) -> str:
    flat = good.reshape(-1, SHAPE[-1])  # masks are of the stacked tiles
    write_mask(folder / "mask.h5", GoodMask(flat, (~flat).astype(np.uint32), [], []))
    return str(folder / "mask.h5")


def all_frames(detector: CalibratedDetector, *, threads: int = 1) -> np.ndarray:
    return np.concatenate([block[2] for block in detector.blocks(0, SHOTS, threads=threads)])


def test_good_pixels_are_good_in_dark_mask_and_constants(folder):
    frames = np.full((5, *SHAPE), 100, np.uint16)
    frames[::2] += 2
    frames[::2, 0, 0, 1] += 500  # noisy
    masked, stated = np.ones(SHAPE, bool), np.ones(SHAPE, np.uint8)
    masked[1, 3, 4], stated[1, 0, 0] = False, 0
    gain = np.ones(SHAPE)
    gain[0, 2, 2] = np.nan
    detector = ready(
        folder,
        dark=dark_file(folder, frames, rms=[0.1, 50]),
        mask=mask_file(folder, masked),
        constants=constants(folder, good=stated, gain=gain),
    )
    expected = np.ones(SHAPE, bool)
    for bad in ((0, 0, 1), (1, 3, 4), (1, 0, 0), (0, 2, 2)):
        expected[bad] = False
    np.testing.assert_array_equal(detector.good, expected)
    values = np.where(expected, VALUES - frames.mean(axis=0), 0)[THERE]
    np.testing.assert_allclose(all_frames(detector), values, rtol=1e-6)
    np.testing.assert_allclose(detector.noise[0, 0, 0], frames[:, 0, 0, 0].std(ddof=1), rtol=1e-6)


def test_constants_of_the_file_replace_those_of_the_dark(folder):
    frames = np.full((3, *SHAPE), 100, np.uint16)
    path = constants(folder, pedestal=np.full(SHAPE, 7.0), rms=4.0)
    detector = ready(folder, {"adu_per_photon": 8}, dark=dark_file(folder, frames), constants=path)
    assert detector.unit == "photons"
    np.testing.assert_allclose(all_frames(detector), (VALUES[THERE] - 7.0) / 8, rtol=1e-6)
    np.testing.assert_allclose(detector.noise, np.full(SHAPE, 0.5))


def test_darks_of_several_gains(folder):
    """Words of 14 bits with the mode in the two above; each mode has its own dark."""
    rng = np.random.default_rng(1)
    mode = np.repeat([0, 1, 3], 6)
    words = (rng.integers(900, 1100, (18, *SHAPE)) | (mode << 14)[:, None, None, None]).astype(
        np.uint16
    )
    stored_mode = rng.integers(0, 4, VALUES.shape)
    write_sacla(
        folder / "7.h5", 7, 10 + np.arange(SHOTS), {"ccd": (VALUES | stored_mode << 14).astype(np.uint16)},
        {"ccd": THERE},
    )  # fmt: skip
    gain = np.stack([np.full(SHAPE, number) for number in (1.0, -30.0, -800.0)])
    detector = ready(
        folder,
        {"gain_bits": BITS},
        dark=dark_file(folder, words, gain_bits=BITS),
        constants=constants(folder, gain=gain),
    )
    pedestal = [(words[mode == bits] & 0x3FFF).mean(axis=0) for bits in (0, 1, 3)]
    expected = np.full(VALUES.shape, np.nan)
    for number, bits in enumerate((0, 1, 3)):
        own = (VALUES - pedestal[number]) * gain[number]
        expected = np.where(stored_mode == bits, own, expected)
    found = all_frames(detector)
    np.testing.assert_allclose(found, expected[THERE], rtol=1e-5, atol=2e-1)
    invalid = np.concatenate([block[3] for block in detector.blocks(0, SHOTS)])
    np.testing.assert_array_equal(invalid, (stored_mode == 2).sum(axis=(1, 2, 3))[THERE])


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_blocks_give_each_shot_once(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("blocks")
    write_sacla(folder / "7.h5", 7, 10 + np.arange(SHOTS), {"ccd": VALUES}, {"ccd": THERE})
    detector = ready(folder)
    start = data.draw(st.integers(0, SHOTS - 1))
    stop = data.draw(st.integers(start + 1, SHOTS))
    wanted = np.array(
        data.draw(st.lists(st.booleans(), min_size=stop - start, max_size=stop - start))
    )
    size = data.draw(st.integers(1, SHOTS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scatterflow.shots.calibrated.BLOCK_BYTES", 4 * 40 * size)
        assert detector.block_shots() == size
        found = list(detector.blocks(start, stop, wanted, threads=data.draw(st.integers(1, 3))))
    kept = np.concatenate([block[1] for block in found])
    np.testing.assert_array_equal(kept, THERE[start:stop] & wanted)
    frames = np.concatenate([block[2] for block in found])
    np.testing.assert_array_equal(frames, VALUES[start:stop][kept].astype(np.float32))
    assert [block[0] for block in found] == list(range(start, stop, size))
    assert all(len(block[2]) == len(block[3]) == block[1].sum() for block in found)


def test_positions_of_one_plane(folder):
    """Tiles lie one above the other: row r of tile t is row 4 t + r of the plane."""
    geometry = {"geometry": PONI, "shape": [8, 5], "orientation": None, "tiles": 2}
    x, y, z = ready(folder, geometry=geometry).positions
    rows = (np.arange(8).reshape(2, 4) + 0.5) * 0.1 - 1.0
    columns = (np.arange(5) + 0.5) * 0.2 - 2.0
    np.testing.assert_allclose(y, np.broadcast_to(rows[:, :, None], SHAPE), atol=1e-9)
    np.testing.assert_allclose(x, np.broadcast_to(columns, SHAPE), atol=1e-9)
    assert np.ptp(z) < 1e-9


def test_positions_of_every_pixel(folder):
    given = {axis: RNG.normal(0, 10, SHAPE) for axis in "xyz"}
    with h5py.File(folder / "p.h5", "w") as file:
        for axis, values in given.items():
            file[axis] = values
            file[axis].attrs["units"] = "mm"
    geometry = {"geometry": str(folder / "p.h5"), "shape": [8, 5], "orientation": None, "tiles": 2}
    found = ready(folder, geometry=geometry).positions
    for axis, values in zip("xyz", found, strict=True):
        np.testing.assert_allclose(values, given[axis])


def test_no_geometry_no_positions(folder):
    none = {"geometry": None, "shape": [8, 5], "orientation": None, "tiles": 2}
    assert ready(folder, geometry=none).positions is None
    assert ready(folder).positions is None


@pytest.mark.parametrize(
    ("geometry", "plane"),
    [
        (PONI, True),
        ("a.poni", True),
        ("a.geom", False),
        ("a.h5", False),
        ("a.h5::/entry/pixels", False),
        ("source", False),
        ({"family": "AGIPD_1M", "quadrants": []}, False),
        (None, False),
    ],
)
def test_kinds_of_geometry(geometry, plane):
    assert has_plane(geometry) is plane


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"pedestal": np.ones((3, 3))}, "the constant pedestal is 3 x 3, a frame 2 x 4 x 5"),
        ({"good": np.ones((3, 3))}, "the constant good is of shape"),
        ({"pedestall": np.ones(SHAPE)}, "holds 'pedestall'"),
        ({"rms": "text"}, "'rms' is no array of numbers"),
        ({"gain/map": np.ones(SHAPE)}, "'gain' is no array of numbers"),
    ],
)
@pytest.mark.parametrize("with_dark", [False, True])
def test_constants_that_do_not_fit(folder, arrays, text, with_dark):
    dark = dark_file(folder, np.full((3, *SHAPE), 9, np.uint16)) if with_dark else None
    with pytest.raises(UserError, match=text) as caught:
        ready(folder, constants=constants(folder, **arrays), dark=dark)
    assert caught.value.how


def test_mistakes_of_masks_and_names(folder):
    write_mask(
        folder / "m.h5", GoodMask(np.ones((3, 5), bool), np.zeros((3, 5), np.uint32), [], [])
    )
    with pytest.raises(UserError, match=r"a mask of \(3, 5\) for frames of \(2, 4, 5\)"):
        ready(folder, mask=str(folder / "m.h5"))
    source = ready(folder).source
    with pytest.raises(UserError, match="the run has no detector 'ccdd'") as caught:
        calibrated_detector(source, "ccdd", {"calibration": {}}, mask=None, dark=None, run="7")
    assert caught.value.how == "did you mean 'ccd'?"
