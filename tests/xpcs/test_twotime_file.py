"""The file of two-time results, and the script that makes it from sorted chunks."""

from __future__ import annotations

import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.detectors.qmap import Partition, make_qmap
from scatterflow.detectors.qmap_files import write_qmap
from scatterflow.errors import UserError
from scatterflow.xpcs.blocks import Block
from scatterflow.xpcs.frames import Frames, write_frames
from scatterflow.xpcs.sorted_chunk import FrameSums, write_sorted_chunk
from scatterflow.xpcs.twotime import (
    TwoTimeResult,
    TwoTimeSettings,
    bins_of_part,
    correlate_bin,
)
from scatterflow.xpcs.twotime_file import read_twotime, write_twotime

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "correlate_twotime.py"
GROUPS = np.repeat([0, 1], 5)


def a_result(number: int | None = 3, chi4: bool = True) -> TwoTimeResult:
    values = np.random.default_rng(1).poisson(0.7, (20, 10)).astype(np.uint8)
    valid = np.arange(20) != 4
    return correlate_bin(
        Block(0, 10, 20, "frames", values=values),
        GROUPS,
        valid,
        np.ones(20),
        TwoTimeSettings("static", ages=2, partial=2, chi4=chi4),
        number,
    )


@pytest.mark.parametrize("chi4", [True, False])
def test_results_come_back_as_they_were(tmp_path, chi4):
    results = [a_result(11, chi4), a_result(2, chi4)]
    write_twotime(tmp_path / "0.h5", results, {"a": 1})
    found = read_twotime(tmp_path / "0.h5")
    assert [item.bin for item in found] == [2, 11]
    for item, expected in zip(found, reversed(results), strict=True):
        for name, value in vars(expected).items():
            stored = getattr(item, name)
            assert type(stored) is type(value), name
            assert np.array_equal(stored, value, equal_nan=not isinstance(value, str | None)), name
            assert getattr(stored, "dtype", None) == getattr(value, "dtype", None), name


def test_a_run_that_fails_leaves_no_file(tmp_path):
    def results():
        yield a_result()
        raise UserError("the disk is gone")

    with pytest.raises(UserError):
        write_twotime(tmp_path / "0.h5", results(), {})
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "0.h5", "w") as file:
        file["other"] = 1
    with pytest.raises(UserError, match="not a two-time correlation"):
        read_twotime(tmp_path / "0.h5")


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
@pytest.mark.parametrize("chosen", [None, [5, 1, 2, 2]])
def test_parts_hold_every_chosen_bin_once(chosen, parts):
    found = [number for part in range(parts) for number in bins_of_part(chosen, 6, part, parts)]
    assert found == ([0, 1, 4] if chosen else [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("number", [0, 7])
def test_a_bin_that_the_qmap_has_not(number):
    with pytest.raises(UserError) as caught:
        bins_of_part([1, number], 6, 0, 1, "run a, key reductions.x.twotime")
    assert f"no dynamic bin {number}" in str(caught.value)
    assert "reductions.x.twotime.bins" in str(caught.value)


def rings(numbers: np.ndarray) -> Partition:
    """A partition by one coordinate."""
    bins = int(numbers.max())
    centres = np.arange(1.0, bins + 1)
    return Partition(
        numbers.astype(np.uint32), np.arange(bins), centres[:, None], (bins, 1), (centres,)
    )


def a_run(folder: Path, values: np.ndarray, valid: np.ndarray) -> dict:
    """Files of a run of (frames, 24) counts on 4 x 6 pixels: three dynamic bins of two static ones each."""
    static = np.arange(24).reshape(4, 6) // 4 + 1
    qmap = make_qmap(
        rings((static + 1) // 2),
        rings(static),
        np.ones((4, 6), bool),
        ("q",),
        ("1/angstrom",),
        {},
        "the map",
    )
    write_qmap(folder / "qmap.h5", qmap)
    frames, ordered = len(values), values[:, qmap.pixels]
    for start, stop in ((0, 13), (13, frames)):
        part = ordered[start:stop]
        zeros, image = np.zeros(stop - start, np.int64), np.zeros((4, 6), np.int64)
        sums = FrameSums(
            start, stop, zeros, zeros, np.zeros((len(part), 6), np.int64), zeros == 0,
            zeros.astype(np.uint8), zeros, image, image, image.astype(np.uint32), 0,
        )  # fmt: skip
        block = Block(0, 24, len(part), "frames", values=np.ascontiguousarray(part))
        write_sorted_chunk(folder / f"{start}.h5", sums, [block], "frames", 24, 1, part.dtype, {})
    nothing, image = np.zeros(frames, np.int64), np.zeros((4, 6))
    write_frames(
        folder / "frames.h5",
        Frames(
            valid, np.ones(frames), nothing, nothing, (~valid).astype(np.uint8),
            np.zeros((frames, 6)), np.full(6, 4), image, image, np.zeros(6), np.zeros(6),
            np.zeros((1, 6)), True,
        ),
        {},
    )  # fmt: skip
    return {
        "qmap": str(folder / "qmap.h5"),
        "chunks": [str(folder / "0.h5"), str(folder / "13.h5")],
        "frames": str(folder / "frames.h5"),
    }


def test_parts_of_a_run_are_those_of_the_whole(tmp_path):
    rng = np.random.default_rng(4)
    values, valid = rng.poisson(2.0, (30, 24)).astype(np.uint16), np.arange(30) != 9
    files = a_run(tmp_path, values, valid)
    main = runpy.run_path(str(SCRIPT))["main"]
    settings = {
        "bins": None, "smoothing": "dynamic", "partial": 2, "ages": 3, "largest_map": 30, "chi4": True,
    }  # fmt: skip
    for part in range(2):
        main(
            **files, part=part, parts=2, settings=settings, threads=2, output=f"{tmp_path}/p{part}"
        )
    main(**files, part=0, parts=1, settings=settings, threads=1, output=f"{tmp_path}/all")
    whole = read_twotime(tmp_path / "all")
    parts = read_twotime(tmp_path / "p0") + read_twotime(tmp_path / "p1")
    assert [item.bin for item in parts] == [item.bin for item in whole] == [0, 1, 2]
    for number, (one, other) in enumerate(zip(parts, whole, strict=True)):
        assert np.array_equal(one.c2, other.c2, equal_nan=True)
        assert np.array_equal(one.g2, other.g2, equal_nan=True)
        own = values[:, 8 * number : 8 * (number + 1)].astype(float)
        expected = 8 * own[3] @ own[20] / (own[3].sum() * own[20].sum())
        assert one.c2[3, 20] == pytest.approx(expected, rel=1e-6)
        assert np.isnan(one.c2[9, 20])
        assert one.invalid_frames == 1
