"""Parts of a reduction put together: the numbers of the definition, whatever the parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.xpcs.made_results import (
    DESCRIPTION,
    SETTINGS,
    made_correlation,
    made_counts,
    made_qmap,
    made_twotime,
    pixel_means,
    static_g2,
)

from scatterflow.detectors.good_mask import GoodMask, write_mask
from scatterflow.detectors.qmap_files import write_qmap
from scatterflow.errors import UserError
from scatterflow.files.checksums import mask_sha256
from scatterflow.files.nexus import read_note
from scatterflow.kernels.lags import multitau_lags
from scatterflow.xpcs.assemble import assemble_result, link
from scatterflow.xpcs.blocks import Block
from scatterflow.xpcs.correlate import correlate_block, time_windows
from scatterflow.xpcs.frames import write_frames
from scatterflow.xpcs.multitau_file import write_block_sums
from scatterflow.xpcs.photon_histograms import count_photons, write_histograms
from scatterflow.xpcs.result import read_result
from scatterflow.xpcs.twotime import TwoTimeSettings, correlate_bin
from scatterflow.xpcs.twotime_file import write_twotime

BLOCKS, PARTS = 3, ((1, 3), (0,))


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return made_counts()


@pytest.fixture(scope="module")
def parts(tmp_path_factory, counts) -> Path:
    """Folder with the parts of a reduction: all frames good, three blocks, two parts of two-time."""
    folder: Path = tmp_path_factory.mktemp("parts")
    qmap, frames = made_qmap(), len(counts)
    values = counts.reshape(frames, -1)[:, qmap.pixels].astype(np.uint16)
    valid = np.ones(frames, bool)
    write_qmap(folder / "qmap.h5", qmap)
    summary = made_correlation().frames
    summary.valid[:] = True
    write_frames(folder / "frames.h5", summary, {})
    lags = multitau_lags(frames, 4)
    edges = [number * values.shape[1] // BLOCKS for number in range(BLOCKS + 1)]
    static = np.asarray(qmap.static_of_position)
    settings = {"exposures": [1, 2], "most_photons": 20, "segments": 4}
    for number, (first, last) in enumerate(pairwise(edges)):
        block = Block(
            first, last, frames, "frames", values=np.ascontiguousarray(values[:, first:last])
        )
        windows = time_windows(frames, 3)
        sums = correlate_block(block, valid, None, lags, 1, windows, static)
        write_block_sums(folder / f"block{number}.h5", sums, {})
        photons = count_photons(block, valid, static, qmap.static_bins, settings)
        write_histograms(folder / f"photons{number}.h5", photons)
    for number, bins in enumerate(PARTS):
        write_twotime(folder / f"part{number}.h5", [_maps(values, qmap, bin_) for bin_ in bins], {})
    write_mask(folder / "mask.h5", GoodMask(qmap.mask, (~qmap.mask).astype(np.uint32)))
    (folder / "raw.imm").write_bytes(b"raw")
    return folder


def _maps(values: np.ndarray, qmap: Any, bin_: int) -> Any:
    own = np.flatnonzero(qmap.dynamic_of_position == bin_)
    first, last = int(own[0]), int(own[-1]) + 1
    block = Block(
        first, last, len(values), "frames", values=np.ascontiguousarray(values[:, first:last])
    )
    frames = np.ones(len(values), bool), np.ones(len(values))
    settings = TwoTimeSettings(smoothing="none", partial=3)
    static = np.asarray(qmap.static_of_position[first:last])
    return correlate_bin(block, static, *frames, settings, bin_)


@pytest.fixture
def assemble(parts, tmp_path) -> Callable[..., Path]:
    """Assembles the parts into `result.nxs`; arguments replace those of `assemble_result`."""

    def run(**replaced: Any) -> Path:
        blocks = [parts / f"block{number}.h5" for number in range(BLOCKS)]
        arguments: dict[str, Any] = {
            "qmap_path": parts / "qmap.h5",
            "frames_path": parts / "frames.h5",
            "blocks": blocks,
            "twotime": [parts / f"part{number}.h5" for number in range(len(PARTS))],
            "photons": [parts / f"photons{number}.h5" for number in range(BLOCKS)],
            "metadata": None,
            "mask": parts / "mask.h5",
            "raw_files": [parts / "raw.imm"],
            "settings": {**SETTINGS, "frame_time_s": 0.01},
            "description": DESCRIPTION,
            "result": tmp_path / "result.nxs",
            "linked": tmp_path / "made_0001_results.hdf",
        }
        assemble_result(**{**arguments, **replaced})
        return tmp_path / "result.nxs"

    return run


def test_g2_of_the_definition(assemble, counts):
    found = read_result(assemble())
    lags = list(zip(found.g2.level.tolist(), found.g2.delay.tolist(), strict=True))
    expected = np.array([static_g2(pixel_means(counts, *lag), found.qmap) for lag in lags])
    np.testing.assert_allclose(found.g2.g2, expected, rtol=1e-12)
    assert (found.g2.error > 0).all()
    assert found.g2.partial.shape == (3, *expected.shape)
    second = static_g2(pixel_means(counts[80:160], 0, 2), found.qmap)
    np.testing.assert_allclose(found.g2.partial[1, 1], second, rtol=1e-12)
    assert found.frame_step_s == pytest.approx(0.06)


def test_pixels_are_saved_as_means(assemble, counts):
    path = assemble()
    found = read_result(path)
    with h5py.File(path) as file:
        saved = file["xpcs/multitau/unnormalized_G2"]
        for number in (0, 12, -2):
            level, delay = int(found.g2.level[number]), int(found.g2.delay[number])
            expected = pixel_means(counts, level, delay) * found.qmap.mask
            np.testing.assert_allclose(saved[number], expected, rtol=1e-12)


def test_pixels_are_not_saved_unless_asked(assemble):
    settings = {**SETTINGS, "multitau": {**SETTINGS["multitau"], "save_pixels": False}}
    with h5py.File(assemble(settings={**settings, "frame_time_s": 1.0})) as file:
        assert "unnormalized_G2" not in file["xpcs/multitau"]


def test_delays_that_no_valid_frames_have_are_left_out(assemble, counts, tmp_path):
    """With frames 10 and 60 bad no pair of samples of 32 frames is left."""
    qmap, frames = made_qmap(), len(counts)
    values = counts.reshape(frames, -1)[:, qmap.pixels].astype(np.uint16)
    valid = np.ones(frames, bool)
    valid[[10, 60]] = False
    lags = multitau_lags(frames, 4)
    block = Block(0, values.shape[1], frames, "frames", values=np.ascontiguousarray(values))
    sums = correlate_block(block, valid, None, lags, 1)
    write_block_sums(tmp_path / "block.h5", sums, {})
    summary = made_correlation().frames
    write_frames(tmp_path / "f.h5", replace(summary, valid=valid), {})
    path = assemble(blocks=[tmp_path / "block.h5"], frames_path=tmp_path / "f.h5")
    found = read_result(path).g2
    assert found.delay.tolist() == lags.delay[sums.pairs > 0].tolist()
    assert 0 < found.delay.size < lags.delay.size
    assert np.isfinite(found.g2).all()
    with h5py.File(path) as file:
        saved = file["xpcs/multitau/unnormalized_G2"]
        assert len(saved) == found.delay.size
        # The last delay that is left, from its pairs one by one.
        length, lag = 2 ** int(found.level[-1]), int(found.delay[-1] >> found.level[-1])
        samples = counts[: frames // length * length].reshape(-1, length, *counts.shape[1:])
        good = valid[: frames // length * length].reshape(-1, length).all(axis=1)
        mean = samples.mean(axis=1)
        pairs = [t for t in range(len(mean) - lag) if good[t] and good[t + lag]]
        expected = np.mean([mean[t] * mean[t + lag] for t in pairs], axis=0) * qmap.mask
        np.testing.assert_allclose(saved[-1, 0], expected, rtol=1e-12)


def test_two_time_and_photons_of_all_parts(assemble, counts):
    found = read_result(assemble())
    # In the order of the bins, whichever part they come from.
    assert [item.bin for item in found.twotime] == [0, 1, 3]
    c2 = made_twotime(counts, found.qmap, 4)
    np.testing.assert_allclose(found.twotime[2].c2, np.triu(c2), rtol=1e-5)
    used = counts[:, found.qmap.mask]
    assert found.photons.counts[0].sum() == used.size
    assert found.photons.photons[0].sum() == used.sum()


def test_the_order_of_the_parts_does_not_matter(assemble, parts):
    first = read_result(assemble())
    backwards = [parts / f"block{number}.h5" for number in reversed(range(BLOCKS))]
    again = read_result(
        assemble(blocks=backwards, twotime=[parts / "part1.h5", parts / "part0.h5"])
    )
    for name in ("g2", "error", "error_time", "partial"):
        np.testing.assert_array_equal(getattr(first.g2, name), getattr(again.g2, name), name)
    assert [item.bin for item in again.twotime] == [0, 1, 3]


def test_provenance(assemble, parts):
    with h5py.File(assemble()) as file:
        notes = {name: read_note(note) for name, note in file["entry/provenance"].items()}
    (record,) = notes["raw_files"]
    assert record["path"] == str(parts / "raw.imm")
    assert len(record["sha256"]) == 64
    assert len(notes["qmap"]["digest"]) == 64
    assert notes["mask"]["sha256"] == mask_sha256(made_qmap().mask)
    assert "parameters" not in notes["description"]


def test_the_result_has_a_second_name(assemble, tmp_path):
    path = assemble()
    assert path.samefile(tmp_path / "made_0001_results.hdf")
    # A second run replaces both.
    os.utime(path, (1, 1))
    assert assemble().samefile(tmp_path / "made_0001_results.hdf")
    assert (tmp_path / "made_0001_results.hdf").stat().st_mtime > 1


def test_where_there_are_no_hard_links_there_is_a_copy(tmp_path, monkeypatch):
    def refused(*_: Any) -> None:
        raise OSError("Operation not permitted")

    (tmp_path / "a").write_bytes(b"content")
    monkeypatch.setattr(os, "link", refused)
    link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"content"
    assert not (tmp_path / "a").samefile(tmp_path / "b")


def test_faults(assemble, parts, tmp_path):
    with pytest.raises(UserError, match="from frame to frame is not known"):
        assemble(settings=SETTINGS)
    with pytest.raises(UserError, match="was expected to come next"):
        assemble(blocks=[parts / "block0.h5", parts / "block2.h5"])
    write_qmap(tmp_path / "other.h5", made_qmap(4))
    with pytest.raises(UserError, match="15 static bins, the q-map has 60"):
        assemble(qmap_path=tmp_path / "other.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.h5"]
