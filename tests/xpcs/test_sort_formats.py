"""The rules' scripts on raw files: the same photons give the same bits in all formats."""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.sources.event_runs import FORMATS, opened
from tests.xpcs.runs_in_memory import random_qmap, small_qmap

from scatterflow.config.sources import SourceConfig
from scatterflow.detectors.good_mask import GoodMask, write_mask
from scatterflow.detectors.qmap_files import write_qmap
from scatterflow.errors import FrameError, UserError
from scatterflow.frame_range import FrameRange
from scatterflow.sources.writers import write_eiger
from scatterflow.xpcs.blocks import read_positions
from scatterflow.xpcs.frames import read_frames
from scatterflow.xpcs.preprocess import Preprocessing
from scatterflow.xpcs.sort import sort_chunk
from scatterflow.xpcs.sorted_chunk import read_frame_sums

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SHAPE = (64, 96)
VALID = {"minimum": 0.0, "maximum": "auto", "bit_depth": None}
EIGER = {"format": "hdf5", "frames": {"d": "auto"}}


def script(name: str):
    return runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]


def photons(rate: float) -> np.ndarray:
    raw = np.random.default_rng(12).poisson(rate, (30, *SHAPE)).astype(np.uint16)
    raw[[4, 28]] = 0
    return raw


def location(folder: Path, name: str, raw: np.ndarray) -> dict:
    """Photons written in a format, and where they are."""
    folder.mkdir()
    if name == "eiger":
        recipe = EIGER
        write_eiger(folder / "a_master.h5", raw, frames_per_data_file=11)
    else:
        recipe, _, _, write = FORMATS[name]
        recipe = {"frames": {"d": "{raw}.x"}, **recipe}
        write(folder / "a.x", raw)
    return {
        "run": "r1",
        "raw": "a_master.h5" if name == "eiger" else "a",
        "root": str(folder),
        "frames": len(raw),
        "recipe": SourceConfig.model_validate(recipe).model_dump(),
        "shapes": {"d": list(raw.shape[1:])},
    }


def sort_and_summarise(folder: Path, place: dict, frames: dict, edges: list[int]) -> list[Path]:
    write_qmap(folder / "qmap.h5", random_qmap(np.random.default_rng(1), SHAPE))
    good = np.random.default_rng(2).random(SHAPE) < 0.9
    write_mask(folder / "mask.h5", GoodMask(good, np.uint32(1) - good))
    paths = []
    for start, stop in pairwise(edges):
        paths.append(folder / f"{start}-{stop}.h5")
        script("sort_chunk")(
            qmap=str(folder / "qmap.h5"),
            mask=str(folder / "mask.h5"),
            location=place,
            detector="d",
            calibration={"valid": VALID, "dark": None, "flat": None},
            frames=frames,
            preprocessing={"dark_frames": None, "dark_sigma": 0.0, "lower_level": 0.0},
            crop=None,
            start=start,
            stop=stop,
            blocks=3,
            threads=2,
            output=str(paths[-1]),
        )
    script("summarise_frames")(
        chunks=[str(path) for path in paths],
        qmap=str(folder / "qmap.h5"),
        settings={"bad": "3", "automatic_bad": None, "normalise": "frame_sum"},
        where="run r1",
        output=str(folder / "frames.h5"),
    )
    return paths


@pytest.mark.parametrize("rate", [0.02, 0.5])
def test_the_same_photons_give_the_same_bits_in_all_formats(tmp_path, rate):
    raw = photons(rate)
    frames = {"begin": 2, "end": None, "stride": 1, "average": 2}
    first = None
    for name in ("eiger", "imm sparse", "imm dense", "rigaku"):
        place = location(tmp_path / name, name, raw)
        paths = sort_and_summarise(tmp_path / name, place, frames, [0, 6, 14])
        block = read_positions(paths, 0, 500)
        summary = read_frames(tmp_path / name / "frames.h5")
        found = [
            item.tobytes()
            for item in (block.starts, block.frame, block.count, block.values)
            + (summary.mean, summary.mean_variance, summary.static_sums, summary.scale)
        ]
        first = first or found
        assert found == first, name
    pairs = raw[2:].reshape(14, 2, *SHAPE).sum(axis=1)
    qmap = random_qmap(np.random.default_rng(1), SHAPE)
    assert summary.total.tolist() == pairs[:, qmap.mask].sum(axis=1).tolist()


def test_what_a_chunk_is_made_of_is_kept(tmp_path):
    place = location(tmp_path / "run", "eiger", photons(0.5))
    paths = sort_and_summarise(tmp_path / "run", place, {}, [0, 15, 30])
    with h5py.File(paths[1]) as file:
        kept = file["provenance"][()].decode()
    assert "a_data_000002.h5" in kept
    assert "a_data_000001.h5" not in kept


@pytest.mark.parametrize("policy", ["error", "nan"])
def test_a_file_that_ends_early(tmp_path, policy):
    place = location(tmp_path / "run", "imm sparse", photons(0.5))
    path = tmp_path / "run/a.x"
    path.write_bytes(path.read_bytes()[:-2000])
    place["recipe"]["missing"] = policy
    if policy == "error":
        with pytest.raises(FrameError):
            sort_and_summarise(tmp_path / "run", place, {}, [0, 30])
        assert not (tmp_path / "run/0-30.h5").exists()
        return
    sort_and_summarise(tmp_path / "run", place, {}, [0, 30])
    valid = read_frames(tmp_path / "run/frames.h5").valid
    assert np.flatnonzero(~valid).tolist() == [3, 29]


def test_a_chunk_that_begins_after_the_end_is_refused(tmp_path):
    place = location(tmp_path / "run", "imm sparse", photons(0.5))
    with pytest.raises(UserError, match="no frame lies from begin 30"):
        sort_and_summarise(tmp_path / "run", place, {"begin": 30}, [0, 1])


def test_a_real_file(real_data, tmp_path):
    """One pixel is stuck at all twelve bits; the other events are counted, frame by frame."""
    path = real_data("aps-8idi-imm") / "B020_bluesky_demo_00001-00021.imm"
    source = opened(path.parent, {"format": "imm", "frames": {"d": path.name}}, 21, (516, 1556))
    static = np.arange(516 * 1556).reshape(516, 1556) // 200_000 + 1
    qmap = small_qmap((static + 1) // 2, static)
    given_by = Preprocessing({**VALID, "bit_depth": 12})
    out = tmp_path / "0-21.h5"
    sort_chunk(source, "d", FrameRange(0, 21), 0, 21, qmap, given_by, out, blocks=3)
    sums = read_frame_sums(out)
    raw = source.read("d", 0, 21).astype(np.int64)
    raw[raw == 4095] = 0
    assert sums.total.tolist() == raw.sum(axis=(1, 2)).tolist()
    assert sums.image_invalid.reshape(-1)[35824] == 21
    assert np.array_equal(sums.image_sum, raw.sum(axis=0))
    assert np.array_equal(sums.image_squares, (raw**2).sum(axis=0))
    block = read_positions([out], 0, len(qmap.pixels), "frames")
    assert np.array_equal(block.values, raw.reshape(21, -1)[:, qmap.pixels])
