"""DataCite, steps, delivered files, thumbnails."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from scatterflow.catalogue.datacite import datacite_field, technique_field
from scatterflow.catalogue.delivered import MOST_IN_FOLDER, delivered_files
from scatterflow.catalogue.steps import run_steps
from scatterflow.catalogue.thumbnail import SIDE, write_thumbnail
from scatterflow.errors import UserError

EXPERIMENT = {"title": "Title", "facility": "ESRF", "creators": ["Curie, Marie"]}
PUBLICATION = {"publisher": None, "creators": None, "year": None, "licence": None, "keywords": []}


def datacite(experiment: dict | None = None, publication: dict | None = None, **changed) -> dict:
    arguments = {
        "q_range": (0.001, 0.1),
        "collected": ("2026-01-15T15:00:00Z", "2026-01-15T15:10:00Z"),
        "created": "2027-01-16T00:00:00Z",
        "formats": ["image/png", "image/png", "application/x-hdf5"],
        **changed,
    }
    return datacite_field(
        "r/x",
        {**EXPERIMENT, **(experiment or {})},
        {**PUBLICATION, **(publication or {})},
        "saxswaxs",
        **arguments,
    )


def test_publisher_creators_and_year_have_defaults() -> None:
    found = datacite()
    assert found["publisher"] == "ESRF"
    assert found["creators"] == [{"name": "Curie, Marie"}]
    assert found["publicationYear"] == 2027
    assert found["formats"] == ["application/x-hdf5", "image/png"]
    assert found["dates"][0] == {
        "date": "2026-01-15T15:00:00Z/2026-01-15T15:10:00Z",
        "dateType": "Collected",
    }
    assert "rightsList" not in found


def test_the_publication_block_comes_first() -> None:
    chosen = {
        "publisher": "Zenodo",
        "creators": ["Laue, Max"],
        "year": 2030,
        "licence": "CC-BY-4.0",
        "keywords": ["colloid"],
    }
    found = datacite(publication=chosen, collected=(None, None))
    assert (found["publisher"], found["publicationYear"]) == ("Zenodo", 2030)
    assert found["creators"] == [{"name": "Laue, Max"}]
    assert found["rightsList"] == [{"rights": "CC-BY-4.0"}]
    assert {"subject": "colloid"} in found["subjects"]
    assert [item["dateType"] for item in found["dates"]] == ["Created"]


@pytest.mark.parametrize("creators", [[], [" "], ["A", ""]])
def test_without_creators_it_says_which_key_to_fill(creators) -> None:
    with pytest.raises(UserError) as caught:
        datacite({"creators": creators})
    assert caught.value.where == "key experiment.creators"


@pytest.mark.parametrize("key", ["title", "facility"])
def test_other_texts_are_needed_too(key) -> None:
    with pytest.raises(UserError) as caught:
        datacite({key: " \t"})
    assert caught.value.where == f"key experiment.{key}"


@pytest.mark.parametrize(
    ("technique", "q_range", "term"),
    [
        ("xpcs", (0.001, 0.01), "PaNET01205"),
        ("saxswaxs", (0.001, 0.3), "PaNET01188"),
        ("saxswaxs", (1.0, 5.0), "PaNET01191"),
        ("saxswaxs", (0.01, 5.0), "PaNET01184"),
        ("saxswaxs", None, "PaNET01184"),
    ],
)
def test_terms_of_techniques(technique, q_range, term) -> None:
    found = technique_field(technique, q_range)
    assert found["term"] == f"http://purl.org/pan-science/PaNET/{term}"
    assert found["name"] == technique


# --- steps ---------------------------------------------------------------------------------------


def leave(logs, name: str, began: str | None, seconds: str | None, kind: str = "local") -> None:
    log, benchmark = logs / f"{name}.log", logs / "benchmarks" / f"{name}.tsv"
    for path in (log, benchmark):
        path.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"# began {began} on a host of kind {kind}\nmore\n" if began else "old log\n")
    if seconds is not None:
        benchmark.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")


def test_jobs_of_one_rule_are_told_together(tmp_path) -> None:
    leave(
        tmp_path, "integrate_chunk/r/x/000000-000002", "2026-01-15T10:00:00+00:00", "30.5", "slurm"
    )
    leave(tmp_path, "integrate_chunk/r/x/000002-000004", "2026-01-15T10:00:10+00:00", "40")
    leave(tmp_path, "assemble_result/r/x", "2026-01-15T12:01:00+02:00", "5.25")
    leave(tmp_path, "build_mask/saxs-1", "2026-01-15T09:00:00+00:00", "1")
    leave(tmp_path, "build_mask/saxs-2", "2026-01-15T09:00:00+00:00", "1")
    # Of other results, of an older plan, and the record's own.
    leave(tmp_path, "assemble_result/r/y", "2026-01-15T10:00:00+00:00", "1")
    leave(tmp_path, "integrate_chunk/r/x/000000-000004", "2025-01-15T10:00:00+00:00", "99")
    leave(tmp_path, "describe_result/r/x", "2026-01-15T10:00:00+00:00", "1")
    found = run_steps(tmp_path, "r", "x", ["build_mask/saxs-1"], [[0, 2], [2, 4]])
    assert found == [
        {
            "rule": "build_mask",
            "started": "2026-01-15T09:00:00Z",
            "finished": "2026-01-15T09:00:01Z",
            "seconds": 1.0,
            "jobs": 1,
            "host_kind": "local",
        },
        {
            "rule": "integrate_chunk",
            "started": "2026-01-15T10:00:00Z",
            "finished": "2026-01-15T10:00:50Z",
            "seconds": 70.5,
            "jobs": 2,
            "host_kind": "local, slurm",
        },
        {
            "rule": "assemble_result",
            "started": "2026-01-15T10:01:00Z",
            "finished": "2026-01-15T10:01:05Z",
            "seconds": 5.25,
            "jobs": 1,
            "host_kind": "local",
        },
    ]


def test_what_is_not_known_is_none_and_what_left_nothing_is_left_out(tmp_path) -> None:
    leave(tmp_path, "a/r/x", None, "3")
    leave(tmp_path, "b/r/x", "2026-01-15T10:00:00+00:00", None)
    leave(tmp_path, "c/r/x", None, None)
    leave(tmp_path, "d/r/x", "2026-01-15T10:00:00+00:00", "-")
    leave(tmp_path, "e/r/x", "2026-99-15T10:00:00+00:00", "nan")
    found = {step["rule"]: step for step in run_steps(tmp_path, "r", "x", [], None)}
    assert found.keys() == {"a", "b", "d"}
    assert found["a"]["started"] is None
    assert found["a"]["host_kind"] is None
    assert found["a"]["seconds"] == 3
    assert found["b"]["seconds"] is None
    assert found["b"]["finished"] is None
    assert run_steps(tmp_path / "none", "r", "x", ["a/b"], None) == []


# --- files ---------------------------------------------------------------------------------------


def test_files_with_size_checksum_type_and_role(tmp_path) -> None:
    names = {
        "result.nxs": ("application/x-hdf5", "result"),
        "r_results.hdf": ("application/x-hdf5", "result"),
        "analysis.nxs": ("application/x-hdf5", "analysis"),
        "map.nxs": ("application/x-hdf5", "analysis"),
        "r.h5": ("application/x-hdf5", "small_data"),
        "cube_delay.nxs": ("application/x-hdf5", "cube"),
        "plots/a.png": ("image/png", "plot"),
        "thumbnail.png": ("image/png", "thumbnail"),
        "quality.json": ("application/json", "quality"),
        "waxs_rings.tsv": ("text/tab-separated-values", "export"),
        "export/a.h5": ("application/x-hdf5", "export"),
        "odd.bin": ("application/octet-stream", "export"),
    }
    for name in [*names, "plots/a.svg"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    notes: list[str] = []
    found = delivered_files(tmp_path, [tmp_path / name for name in names], notes)
    assert {item["path"]: (item["mime"], item["role"]) for item in found} == {
        **names,
        "plots/a.svg": ("image/svg+xml", "plot"),
    }
    for item in found:
        content = item["path"].encode()
        assert item["sha256"] == hashlib.sha256(content).hexdigest()
        assert item["bytes"] == len(content)
    assert notes == []


def test_files_of_a_folder_are_listed_if_they_are_not_too_many(tmp_path) -> None:
    folder = tmp_path / "export" / "frames"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.dat").write_text("1")
    (folder / ".snakemake_timestamp").touch()
    notes: list[str] = []
    found = delivered_files(tmp_path, [folder], notes)
    assert [item["path"] for item in found] == [
        f"export/frames/{number}.dat" for number in range(3)
    ]
    for number in range(MOST_IN_FOLDER):
        (folder / f"{number}.txt").touch()
    assert delivered_files(tmp_path, [folder], notes) == []
    assert notes == ["the 1004 files in export/frames are not listed"]


# Attack 16: links out of the folder.
def test_links_and_what_is_no_file_are_refused(tmp_path) -> None:
    folder, outside = tmp_path / "x", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (folder / "result.nxs").symlink_to(outside / "secret")
    (folder / "linked").symlink_to(outside, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    for path in (
        folder / "result.nxs",
        folder / "linked",
        folder / "linked/secret",
        folder / "pipe",
        outside / "secret",
        folder / "../outside/secret",
        folder / "none",
    ):
        with pytest.raises(UserError):
            delivered_files(folder, [path], [])


# --- thumbnails ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1200, 900), (900, 1200), (100, 50)])
def test_a_thumbnail_is_small_and_shows_the_plot(tmp_path, size) -> None:
    columns, rows = size
    picture = np.zeros((rows, columns, 4), np.uint8)
    picture[..., 3] = 255
    picture[:, : columns // 2, 0] = 255
    Image.fromarray(picture).save(tmp_path / "plot.png")
    write_thumbnail(tmp_path / "plot.png", tmp_path / "thumbnail.png")
    with Image.open(tmp_path / "thumbnail.png") as small:
        assert small.mode == "RGB"
        assert max(small.size) == min(SIDE, max(size))
        assert abs(small.width / small.height - columns / rows) < 0.02
        assert small.getpixel((2, 2)) == (255, 0, 0)
        assert small.getpixel((small.width - 3, 2)) == (0, 0, 0)


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


# Attack 15: a small file that declares a huge picture.
@pytest.mark.parametrize("damage", ["text", "gif", "bomb", "larger bomb", "truncated"])
def test_what_is_no_plot_is_refused_and_leaves_nothing(tmp_path, damage) -> None:
    plot = tmp_path / "plot.png"
    if damage == "gif":
        Image.new("RGB", (8, 8)).save(plot, "gif")
    elif damage == "truncated":
        rng = np.random.default_rng(1)
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(plot)
        plot.write_bytes(plot.read_bytes()[:3000])
    elif damage == "text":
        plot.write_text("no picture")
    else:
        side = 12_000 if damage == "bomb" else 60_000
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        data = zlib.compress(bytes(1000))
        plot.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", data)
            + chunk(b"IEND", b"")
        )
    with pytest.raises(UserError, match="cannot be made small"):
        write_thumbnail(plot, tmp_path / "thumbnail.png")
    assert [path.name for path in tmp_path.iterdir()] == ["plot.png"]
