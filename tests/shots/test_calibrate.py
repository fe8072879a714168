"""Calibration against its formula in numpy, common mode against plain medians, and real frames."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.calibrate import calibrate, prepare_calibration

JUNGFRAU = {"mask": 0xC000, "modes": [0, 1, -1, 2]}


def calibrated(frames, constants, settings, threads=1):
    return calibrate(
        frames, prepare_calibration(constants, settings, frames.shape[1:]), threads=threads
    )


def plain_common_mode(values, good, level, blocks, neighbours=False, fraction=0.25, largest=np.inf):
    """One tile, float32, by numpy's medians; returns the blocks that were left alone, too."""
    usable = good & (np.abs(values) <= level)
    if neighbours:
        bright = np.pad(good & (values > level), 1)
        beside = bright[:-2, 1:-1] | bright[2:, 1:-1] | bright[1:-1, :-2] | bright[1:-1, 2:]
        usable &= ~beside
    values, left = values.copy(), 0
    for rows, columns in blocks:
        rows, columns = rows or values.shape[0], columns or values.shape[1]
        for top in range(0, values.shape[0], rows):
            for begin in range(0, values.shape[1], columns):
                block = slice(top, top + rows), slice(begin, begin + columns)
                chosen = values[block][usable[block]]
                if chosen.size < np.ceil(fraction * rows * columns) or not chosen.size:
                    left += 1
                    continue
                middle = np.median(chosen.astype(np.float64))
                if abs(middle) > largest:
                    left += 1
                    continue
                values[block] = values[block] - middle
    return values, left


def test_gain_modes_by_bits():
    rng = np.random.default_rng(1)
    shape = (2, 5, 7)
    value, bits = rng.integers(0, 2**14, (4, *shape)), rng.integers(0, 4, (4, *shape))
    frames = (value | bits << 14).astype(np.uint16)
    pedestal, offset = rng.uniform(500, 3000, (3, *shape)), rng.uniform(-5, 5, (3, *shape))
    gain = rng.uniform(0.5, 2, (3, *shape)) * np.array([1, -30, -800]).reshape(3, 1, 1, 1)
    good = rng.uniform(size=shape) > 0.2
    found = calibrated(
        frames,
        {"pedestal": pedestal, "offset": offset, "gain": gain, "good": good},
        {"adu_per_photon": 40.0, "gain_bits": JUNGFRAU},
    )
    mode = np.array([0, 1, -1, 2])[bits]
    pick = np.maximum(mode, 0)
    tile, row, column = np.indices(shape)
    exact = (
        (value - (pedestal + offset)[pick, tile, row, column]) * gain[pick, tile, row, column] / 40
    )
    expected = np.where(good, np.where(mode < 0, np.nan, exact), 0.0)
    # Constants, differences and results are float32: 2^-24 each of numbers below 2^14.
    scale = np.abs(gain[pick, tile, row, column] / 40) * 2**14
    assert np.array_equal(np.isnan(found.frames), np.isnan(expected))
    assert np.all((np.abs(found.frames - expected) <= 2.5e-7 * scale)[~np.isnan(expected)])
    assert found.invalid.tolist() == np.isnan(expected).sum(axis=(1, 2, 3)).tolist()
    assert found.frames.dtype == np.float32


@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("steps", [[[1, 0]], [[0, 1], [1, 12]], [[16, 12]], [[7, 5]]])
def test_common_mode_is_that_of_plain_medians(steps, neighbours):
    rng = np.random.default_rng(5)
    shape = (2, 32, 24)
    frames = rng.normal(0, 3, (3, *shape)) + rng.normal(0, 4, (3, 2, 32, 1))
    frames += 60.0 * (rng.uniform(size=frames.shape) < 0.1)
    frames = frames.astype(np.float32)
    good = rng.uniform(size=shape) > 0.05
    common = {
        "steps": steps, "level_adu": 15.0, "neighbours": neighbours, "least_fraction": 0.5, "least_pixels": 1,
        "largest_adu": 6.0,
    }  # fmt: skip
    found = calibrated(frames, {"good": good}, {"common_mode": common}, threads=2)
    for shot in range(3):
        left = 0
        for tile in range(2):
            values, missed = plain_common_mode(
                frames[shot, tile], good[tile], 15.0, steps, neighbours, 0.5, 6.0
            )
            left += missed
            expected = np.where(good[tile], values, 0)
            assert np.abs(found.frames[shot, tile] - expected).max() < 1e-5
        assert found.uncorrected[shot] == left


def test_photons_do_not_pull_the_common_mode():
    rng = np.random.default_rng(8)
    baseline = rng.normal(0, 6, (40, 1, 32, 1))
    photons = rng.poisson(0.15, (40, 1, 32, 96))
    frames = 1000 + baseline + 160.0 * photons + rng.normal(0, 4, photons.shape)
    stored = np.round(frames).astype(np.uint16)
    settings = {
        "adu_per_photon": 160.0,
        "common_mode": {"steps": [[1, 0]], "level_adu": 60.0, "largest_adu": 40.0},
    }
    found = calibrated(stored, {"pedestal": np.full((1, 32, 96), 1000.0)}, settings)
    dark = np.ma.masked_array(found.frames, photons > 0)
    # The standard error of a median of 83 values of noise 4.01 ADU is 0.55 ADU.
    residual = np.ma.mean(dark, axis=3) * 160
    assert residual.std() < 0.9 * np.sqrt(0.55**2 + 4.01**2 / 83)
    assert abs(float(residual.mean())) < 0.1
    assert abs(found.frames[photons == 1].mean() - 1) < 0.002
    assert not found.uncorrected.any()


def test_no_dependence_on_threads_or_chunks():
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 2**16, (7, 3, 20, 30)).astype(np.uint16)
    settings = {"gain_bits": JUNGFRAU, "common_mode": {"steps": [[1, 0], [0, 1]], "level_adu": 5e3}}
    constants = {"pedestal": rng.uniform(0, 4000, (3, 3, 20, 30)), "gain": 2.0}
    whole = calibrated(frames, constants, settings)
    parts = [
        calibrated(frames[i : i + 3], constants, settings, threads=2).frames for i in (0, 3, 6)
    ]
    assert whole.frames.tobytes() == np.concatenate(parts).tobytes()


def test_gain_switched_pixels_neither_make_nor_take_the_common_mode():
    frames = np.full((1, 1, 20), 10, np.uint16)
    frames[0, 0, :15] = 1 << 14 | 500
    settings = {
        "gain_bits": {"mask": 0x4000, "modes": [0, 1]},
        "common_mode": {"steps": [[1, 0]], "level_adu": 1000, "least_pixels": 5},
    }
    found = calibrated(frames, {}, settings)
    assert found.frames[0, 0].tolist() == [500.0] * 15 + [0.0] * 5


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4"])
def test_any_byte_order(dtype):
    frames = np.arange(12).reshape(1, 3, 4).astype(dtype)
    found = calibrated(frames, {"pedestal": 2.0, "gain": 3.0}, {})
    assert np.array_equal(found.frames[0], 3 * (np.arange(12).reshape(3, 4) - 2))


def test_nan_in_constants_and_frames():
    frames = np.ones((2, 2, 3), np.float32)
    frames[1, 0, 0] = np.inf
    pedestal = np.zeros((2, 3))
    pedestal[1, 2] = np.nan
    calibration = prepare_calibration({"pedestal": pedestal}, {}, (2, 3))
    assert calibration.good_pixels.tolist() == [[True] * 3, [True, True, False]]
    found = calibrate(frames, calibration)
    assert found.invalid.tolist() == [0, 1]
    assert np.isnan(found.frames[1, 0, 0])
    assert found.frames[0, 1, 2] == 0


@pytest.mark.parametrize(
    ("constants", "settings", "told"),
    [
        ({"pedestal": np.zeros((3, 2))}, {}, "3 x 2"),
        ({"pedestal": np.zeros((2, 3))}, {"gain_bits": JUNGFRAU}, "3 gain modes"),
        ({"pedestals": np.zeros((2, 3))}, {}, "did you mean 'pedestal'"),
        ({}, {"adu_per_photon": 0}, "adu_per_photon is 0"),
        ({}, {"gain_bits": {"mask": 0x5000, "modes": [0, 1]}}, "beside each other"),
        ({}, {"gain_bits": {"mask": 0x4000, "modes": [0, 1, 2]}}, "2 gain modes"),
        ({}, {"common_mode": {"steps": [[1, 0]]}}, "level"),
        ({}, {"common_mode": {"steps": [[1, 0]], "level_rms": 3}}, "rms"),
        ({}, {"common_mode": {"steps": [1], "level_adu": 3}}, "blocks"),
    ],
)
def test_what_cannot_be_is_told(constants, settings, told):
    with pytest.raises(UserError, match=told):
        prepare_calibration(constants, settings, (2, 3))


def test_frames_that_do_not_fit():
    with pytest.raises(UserError, match="4 x 3"):
        calibrated_other_shape()
    with pytest.raises(UserError, match="floats"):
        calibrated(np.zeros((1, 2, 3), np.float32), {}, {"gain_bits": JUNGFRAU})
    with pytest.raises(UserError, match="uint8"):
        calibrated(np.zeros((1, 2, 3), np.uint8), {}, {"gain_bits": JUNGFRAU})


def calibrated_other_shape():
    return calibrate(np.zeros((1, 4, 3), np.uint16), prepare_calibration({}, {}, (2, 3)))


def test_measured_cspad(real_data):
    """A 2x1 of a CsPad: a baseline given to one of its two chips of 194 columns is taken off again."""
    frame = np.load(real_data("lcls-cspad-asic") / "cxitut13_r10_32_cspadAsic.npy")
    lifted = frame.copy()
    lifted[:, 194:] += 3
    common = {"steps": [[0, 194]], "level_adu": 8.0, "largest_adu": 10.0}
    found = calibrated(np.stack([frame, lifted]), {}, {"common_mode": common})
    assert found.uncorrected.tolist() == [0, 0]
    for number, stored in enumerate((frame, lifted)):
        for chip in (slice(0, 194), slice(194, 388)):
            # One number for a chip, so photons keep their height.
            taken = stored[:, chip] - found.frames[number][:, chip]
            assert np.ptp(taken) < 1e-3
            assert (
                abs(np.median(stored[:, chip][np.abs(stored[:, chip]) <= 8]) - taken.mean()) < 1e-3
            )
    # Of this frame half the pixels hold photons of 24 ADU: the level cuts into their tail.
    assert np.abs(found.frames[0][:, :194] - frame[:, :194]).max() < 0.5
    assert 1.5 < (lifted - found.frames[1])[:, 194:].mean() < 3.5
