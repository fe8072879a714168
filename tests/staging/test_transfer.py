"""Fetching and returning files: from a folder, and over a real sftp connection that is cut."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.staging.folder import FolderPlace
from scatterflow.staging.manifest import MANIFEST, manifest_text, mark_folder
from scatterflow.staging.places import open_place
from scatterflow.staging.transfer import deliver, stage

# Names that shells and sftp read otherwise, and sizes around those of blocks.
FILES = {
    "run1/frames.h5": 3_000_000,
    "run1/more.h5": 700_000,
    "run 2/a [1]*?.tif": 32_768,
    "run 2/quote\"s 'and' \\ back.tif": 1,
    "run 2/ümlaut.tif": 1000,
    "empty": 0,
}


def write_files(folder: Path, files: dict[str, int] = FILES, seed: int = 5) -> Path:
    rng = np.random.default_rng(seed)
    for name, size in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(rng.bytes(size))
    return folder


def write_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text(manifest_text(mark_folder(folder)))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.name != MANIFEST
    }


@pytest.fixture
def source(tmp_path) -> Path:
    folder = write_files(tmp_path / "source")
    write_manifest(folder)
    return folder


@pytest.fixture(params=["folder", "sftp"])
def place_of(request):
    """Makes a place of a folder: as it is, or through sftp."""
    if request.param == "folder":
        return FolderPlace
    server = request.getfixturevalue("server")
    return lambda folder: open_place(
        f"sftp://127.0.0.1:{server.port}{folder}", str(server.ssh_config)
    )


def test_what_arrives_is_what_was_there_and_cannot_be_written(source, tmp_path, place_of):
    raw = tmp_path / "raw"
    done = stage(place_of(source), raw)
    assert contents(raw) == contents(source)
    assert sorted(done.moved) == sorted(FILES)
    assert done.bytes == sum(FILES.values())
    for path in raw.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o222
    assert not list(raw.rglob("*.part"))


def test_a_second_call_moves_nothing_and_new_files_come(source, tmp_path, place_of):
    raw = tmp_path / "raw"
    stage(place_of(source), raw, ["run1/*"])
    assert set(contents(raw)) == {"run1/frames.h5", "run1/more.h5"}
    before = {path: path.stat().st_mtime_ns for path in raw.rglob("*.h5")}
    done = stage(place_of(source), raw)
    assert sorted(done.there) == ["run1/frames.h5", "run1/more.h5"]
    assert {path: path.stat().st_mtime_ns for path in raw.rglob("*.h5")} == before
    assert contents(raw) == contents(source)


def test_a_changed_byte_is_refused_and_does_not_stand_among_the_raw_files(
    source, tmp_path, place_of
):
    damaged = source / "run1/frames.h5"
    content = bytearray(damaged.read_bytes())
    content[1_500_000] ^= 1
    damaged.write_bytes(content)
    raw = tmp_path / "raw"
    with pytest.raises(UserError, match="checksum") as caught:
        stage(place_of(source), raw, pause_seconds=0)
    assert "run1/frames.h5" in caught.value.where
    assert not (raw / "run1/frames.h5").exists()
    assert not list(raw.rglob("*.part"))


@pytest.mark.parametrize("size", [2_999_999, 3_000_001])
def test_another_size_is_refused(source, tmp_path, size):
    os.truncate(source / "run1/frames.h5", size)
    with pytest.raises(UserError, match=f"{size} bytes"):
        stage(FolderPlace(source), tmp_path / "raw", ["run1/frames.h5"], pause_seconds=0)


def test_a_file_that_is_missing_there_is_named(source, tmp_path):
    (source / "run1/more.h5").unlink()
    with pytest.raises(UserError, match="not there") as caught:
        stage(FolderPlace(source), tmp_path / "raw", pause_seconds=0)
    assert "run1/more.h5" in caught.value.where


def test_raw_files_are_never_overwritten(source, tmp_path):
    raw = write_files(tmp_path / "raw", {"run1/more.h5": 700_000}, seed=6)
    before = (raw / "run1/more.h5").read_bytes()
    with pytest.raises(UserError, match="never overwritten"):
        stage(FolderPlace(source), raw)
    assert (raw / "run1/more.h5").read_bytes() == before


def test_a_file_that_was_changed_after_it_came_is_found_by_again(source, tmp_path):
    raw = tmp_path / "raw"
    stage(FolderPlace(source), raw)
    changed = raw / "run1/more.h5"
    changed.chmod(0o644)
    changed.write_bytes(bytes(700_000))
    with pytest.raises(UserError, match="never overwritten"):
        stage(FolderPlace(source), raw, again=True)


def test_a_damaged_beginning_is_fetched_anew(source, tmp_path, place_of):
    """As after a cut by a crash: the right length so far, other bytes."""
    raw = tmp_path / "raw"
    stage(place_of(source), raw, ["empty"])
    digest = hashlib.sha256((source / "run1/frames.h5").read_bytes()).hexdigest()
    part = raw / "run1" / f".frames.h5.{digest[:12]}.part"
    part.parent.mkdir()
    part.write_bytes(bytes(1_000_000))
    stage(place_of(source), raw)
    assert contents(raw) == contents(source)


def test_without_a_manifest_nothing_is_fetched(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(UserError, match=MANIFEST):
        stage(FolderPlace(tmp_path / "source"), tmp_path / "raw")


def test_results_return_and_only_new_ones_return_again(tmp_path, place_of):
    results, there = write_files(tmp_path / "results"), tmp_path / "archive" / "results"
    there.parent.mkdir()
    done = deliver(place_of(there), results)
    assert sorted(done.moved) == sorted(FILES)
    assert contents(there) == contents(results)
    assert not list(there.rglob("*.part"))
    write_files(results, {"run1/more.h5": 800_000, "new": 10}, seed=7)
    done = deliver(place_of(there), results)
    assert sorted(done.moved) == ["new", "run1/more.h5"]
    assert contents(there) == contents(results)
    # The manifest there is one to be staged from.
    stage(place_of(there), tmp_path / "back")
    assert contents(tmp_path / "back") == contents(results)


def test_results_that_went_missing_there_return_again(tmp_path):
    results, there = write_files(tmp_path / "results"), tmp_path / "archive"
    there.mkdir()
    deliver(FolderPlace(there), results)
    (there / "empty").unlink()
    assert deliver(FolderPlace(there), results).moved == ["empty"]


# --- connections that are cut -----------------------------------------------------------------------


def through(proxy, server, folder):
    return open_place(f"sftp://127.0.0.1:{proxy.port}{folder}", str(server.ssh_config))


def test_a_transfer_that_is_cut_goes_on_where_it_was(server, cutting, source, tmp_path):
    proxy = cutting([1_200_000, 1_000_000])
    raw = tmp_path / "raw"
    done = stage(through(proxy, server, source), raw, pause_seconds=0)
    assert proxy.cuts == 2
    assert done.interruptions >= 2
    assert contents(raw) == contents(source)
    # Not from the beginning: that would have been 1.2 + 1.0 MB more.
    assert proxy.passed < sum(FILES.values()) + 700_000


def test_returning_survives_cuts(server, cutting, tmp_path):
    results, there = write_files(tmp_path / "results"), tmp_path / "archive"
    there.mkdir()
    proxy = cutting([3000, 1_500_000, 5_000_000])
    done = deliver(through(proxy, server, there), results, pause_seconds=0)
    assert proxy.cuts == 3
    assert done.interruptions >= 3
    assert contents(there) == contents(results)


def test_a_connection_that_never_holds_ends_in_a_message(server, cutting, source, tmp_path):
    proxy = cutting([500] * 100)
    with pytest.raises(UserError, match="cut 3 times in a row"):
        stage(through(proxy, server, source), tmp_path / "raw", attempts=3, pause_seconds=0)


def test_a_killed_transfer_is_taken_up_by_the_next_call(server, cutting, source, tmp_path):
    proxy = cutting([1_200_000, *[500] * 50])
    raw = tmp_path / "raw"
    with pytest.raises(UserError, match="go on from there"):
        stage(through(proxy, server, source), raw, attempts=2, pause_seconds=0)
    parts = list(raw.rglob("*.part"))
    assert sum(part.stat().st_size for part in parts) > 500_000
    assert "run1/frames.h5" not in contents(raw)
    direct = cutting([])
    stage(through(direct, server, source), raw, pause_seconds=0)
    assert contents(raw) == contents(source)
    assert direct.passed < sum(FILES.values())


def test_a_key_that_is_refused_is_told_at_once(server, source, tmp_path):
    config = tmp_path / "ssh_config"
    config.write_text(server.ssh_config.read_text().replace("/user\n", "/host\n"))
    place = open_place(f"sftp://127.0.0.1:{server.port}{source}", str(config))
    with pytest.raises(UserError, match="Permission denied"):
        stage(place, tmp_path / "raw")


@pytest.mark.parametrize(
    "address",
    ["http://host/raw", "sftp://host", "sftp://-oProxyCommand=x/raw", "sftp://a:b@host/raw", ""],
)
def test_other_addresses_are_refused(address):
    with pytest.raises(UserError) as caught:
        open_place(address)
    assert ":b@" not in str(caught.value)
