"""Discovery of event files: their frames are counted, their runs named."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from scatterflow.config.sources import SourceConfig
from scatterflow.plan.discovery import discover
from scatterflow.sources.base import RunLocation
from scatterflow.sources.event_writers import (
    write_imm,
    write_rigaku,
    write_rigaku_3m,
    write_timepix4,
    write_ufxc,
)
from scatterflow.sources.open import open_source

SHAPES = {
    "imm": (6, 8),
    "rigaku": (512, 1024),
    "rigaku_3m": (1676, 2100),
    "ufxc": (128, 256),
    "timepix4": (512, 448),
}
FRAME_TIME_S = 1e-5


def recipe(name, pattern, **more):
    form = "rigaku" if name == "rigaku_3m" else name
    more |= {"modules": "rigaku_3m"} if name == "rigaku_3m" else {}
    more |= {"frame_time_s": FRAME_TIME_S} if name == "timepix4" else {}
    config = {"format": form, "frames": {"d": pattern}, **more}
    return SourceConfig.model_validate(config).model_dump()


def write(path, name, frames=5, last=4):
    """Photons in the first and in frame `last`, of so many frames."""
    stack = np.zeros((frames, *SHAPES[name]), np.uint16)
    stack[0, 2, 3] = stack[last, 5, 6] = 2
    path.parent.mkdir(parents=True, exist_ok=True)
    if name == "timepix4":
        write_timepix4(path, stack, FRAME_TIME_S)
    else:
        writers = {"imm": write_imm, "rigaku": write_rigaku, "ufxc": write_ufxc}
        writers.get(name, write_rigaku_3m)(path, stack)


def only(rows):
    assert len(rows) == 1, rows
    return rows[0]


@pytest.mark.parametrize("name", SHAPES)
def test_a_run_is_found_and_opens(tmp_path, name):
    write(tmp_path / "day1" / "A001_gel.bin", name)
    config = recipe(name, "{raw}.bin")
    row = only(discover(tmp_path, {"s": config}, {"d": SHAPES[name], "other": (3, 3)}))
    expected = {"run": "A001_gel", "source": "s", "raw": "day1/A001_gel", "frames": 5}
    assert {key: row[key] for key in expected} == expected
    told = any("counted to the last one with an event" in note for note in row["notes"])
    assert told == (name != "imm")
    location = RunLocation("r", row["raw"], str(tmp_path), 5, config, {"d": SHAPES[name]})
    assert open_source(location).read("d", 4, 5).sum() == 2


@pytest.mark.parametrize("name", SHAPES)
def test_empty_frames_at_the_end(tmp_path, name):
    write(tmp_path / "a.bin", name, frames=9, last=4)
    row = only(discover(tmp_path, {"s": recipe(name, "{raw}.bin")}, {"d": SHAPES[name]}))
    assert row["frames"] == (9 if name == "imm" else 5)


def test_the_run_may_be_named_by_its_folder(tmp_path):
    for run in ("one", "two"):
        write(tmp_path / run / "scan.imm", "imm")
    rows = discover(tmp_path, {"s": recipe("imm", "{run}/scan.imm")}, {"d": (6, 8)})
    assert [(row["run"], row["named_by_path"]) for row in rows] == [("one", True), ("two", True)]


def test_the_path_itself_as_raw(tmp_path):
    write(tmp_path / "x" / "gel.imm", "imm")
    row = only(discover(tmp_path, {"s": recipe("imm", "{raw}")}, {"d": (6, 8)}))
    assert (row["run"], row["raw"]) == ("gel", "x/gel.imm")


def test_a_file_cut_off_is_told(tmp_path):
    write(tmp_path / "a.imm", "imm")
    whole = (tmp_path / "a.imm").read_bytes()
    (tmp_path / "a.imm").write_bytes(whole[:-3])
    row = only(discover(tmp_path, {"s": recipe("imm", "{raw}.imm")}, {"d": (6, 8)}))
    assert row["frames"] == 4
    assert "frame 4: its pixels are cut off" in only(row["notes"])


def test_files_of_other_formats_are_left_alone(tmp_path):
    hits = np.random.default_rng(2).integers(0, 4, (4, *SHAPES["ufxc"]))
    write_ufxc(tmp_path / "u.bin", hits)
    (tmp_path / "noise.bin").write_bytes(np.random.default_rng(1).bytes(8000))
    (tmp_path / "empty.bin").write_bytes(b"")
    (tmp_path / "text.imm").write_text("not an image\n" * 200)
    (tmp_path / "text.tpx").write_text("no hits\n" * 200)
    sources = {name: recipe(name, "{raw}.bin") for name in ("rigaku", "timepix4", "imm")}
    assert discover(tmp_path, sources, {"d": (512, 1024)}) == []


# The two hits of the last frame, of 10 us, are 5 us apart; the source to add has frames of 1 us.
@pytest.mark.parametrize(
    ("name", "file", "frames"),
    [
        ("imm", "a.imm", 5),
        ("rigaku", "a.bin", 5),
        ("rigaku_3m", "a.bin", 5),
        ("timepix4", "a.tpx", 46),
    ],
)
def test_the_source_to_add_reads_the_file(tmp_path, name, file, frames):
    write(tmp_path / "day1" / file, name)
    row = only(discover(tmp_path, {}, {}))
    assert (row["run"], row["source"], row["frames"]) == ("", "", frames)
    advice = only(row["notes"])
    entry = yaml.safe_load(advice.split("add to config.yaml:\n")[1])["sources"]["NAME"]
    config = SourceConfig.model_validate(entry).model_dump()
    again = only(discover(tmp_path, {"s": config}, {"DETECTOR": SHAPES[name]}))
    assert (again["source"], again["raw"], again["frames"]) == ("s", "day1/a", frames)
