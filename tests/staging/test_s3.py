"""Fetching from and returning to a real S3 server, over connections that are cut."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.staging import s3
from scatterflow.staging.manifest import MANIFEST
from scatterflow.staging.places import open_place
from scatterflow.staging.transfer import deliver, stage

from .conftest import free_port
from .test_transfer import FILES, contents, write_files, write_manifest

MEGABYTE = 1_000_000
SMALLEST_PART = 5 << 20  # that S3 takes


def place(port: int, address: str = "s3://data/2026/run12"):
    return open_place(address, s3_endpoint=f"http://127.0.0.1:{port}")


@pytest.fixture
def source(bucket, tmp_path) -> Path:
    """Files that are in the bucket as well, with their manifest."""
    folder = write_files(tmp_path / "source", {**FILES, "run1/long.h5": 6 * MEGABYTE})
    write_manifest(folder)
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            bucket.put_object(Key=f"2026/run12/{name}", Body=path.read_bytes())
    return folder


def stored(bucket, prefix: str) -> dict[str, bytes]:
    return {
        item.key.removeprefix(prefix): item.get()["Body"].read()
        for item in bucket.objects.filter(Prefix=prefix)
        if item.key != prefix + MANIFEST
    }


def test_what_arrives_is_what_was_there(s3_port, source, tmp_path):
    raw = tmp_path / "raw"
    done = stage(place(s3_port), raw)
    assert contents(raw) == contents(source)
    assert sorted(done.moved) == sorted(contents(source))
    assert not (raw / "run1/long.h5").stat().st_mode & 0o222
    assert stage(place(s3_port), raw).moved == []


def test_a_changed_byte_is_refused(s3_port, bucket, source, tmp_path):
    content = bytearray((source / "run1/long.h5").read_bytes())
    content[3 * MEGABYTE] ^= 1
    bucket.put_object(Key="2026/run12/run1/long.h5", Body=bytes(content))
    raw = tmp_path / "raw"
    with pytest.raises(UserError, match="checksum") as caught:
        stage(place(s3_port), raw, pause_seconds=0)
    assert "run1/long.h5" in caught.value.where
    assert not (raw / "run1/long.h5").exists()
    assert not list(raw.rglob("*.part"))


def test_a_file_that_is_missing_there_is_named(s3_port, bucket, source, tmp_path):
    bucket.Object("2026/run12/run1/more.h5").delete()
    with pytest.raises(UserError, match="not there") as caught:
        stage(place(s3_port), tmp_path / "raw", pause_seconds=0)
    assert "run1/more.h5" in caught.value.where


def test_fetching_that_is_cut_goes_on_where_it_was(s3_port, cutting, source, tmp_path):
    proxy = cutting([None, 2 * MEGABYTE, 2 * MEGABYTE])  # the manifest comes first
    raw = tmp_path / "raw"
    done = stage(place(proxy.port), raw, ["run1/long.h5"], pause_seconds=0)
    assert proxy.cuts >= 1
    assert done.interruptions >= 1
    assert (raw / "run1/long.h5").read_bytes() == (source / "run1/long.h5").read_bytes()
    # Not from the beginning: that would have been 2 MB more for each cut.
    assert proxy.passed < 6.5 * MEGABYTE


def test_results_return_and_only_new_ones_return_again(s3_port, bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(s3, "PART_BYTES", SMALLEST_PART)
    results = write_files(tmp_path / "results", {**FILES, "long": 12 * MEGABYTE})
    done = deliver(place(s3_port, "s3://data/back"), results)
    assert sorted(done.moved) == sorted(contents(results))
    assert stored(bucket, "back/") == contents(results)
    assert not list(bucket.multipart_uploads.all())
    write_files(results, {"run1/more.h5": 800_000, "new": 10}, seed=7)
    done = deliver(place(s3_port, "s3://data/back"), results)
    assert sorted(done.moved) == ["new", "run1/more.h5"]
    assert stored(bucket, "back/") == contents(results)
    # The manifest there is one to be staged from.
    stage(place(s3_port, "s3://data/back"), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(results)


def test_returning_that_is_cut_sends_no_part_twice(s3_port, bucket, cutting, tmp_path, monkeypatch):
    monkeypatch.setattr(s3, "PART_BYTES", SMALLEST_PART)
    results = write_files(tmp_path / "results", {"long": 18 * MEGABYTE})
    # Cut within the third of four parts; the next call is another process, which knows nothing of it.
    first = cutting([], total=13 * MEGABYTE)
    with pytest.raises(UserError, match="go on from there"):
        deliver(place(first.port, "s3://data"), results, attempts=2, pause_seconds=0)
    assert stored(bucket, "") == {}
    second = cutting([])
    deliver(place(second.port, "s3://data"), results, pause_seconds=0)
    assert stored(bucket, "") == contents(results)
    # Two parts of four, and all of it once to verify it.
    assert second.passed < (18 + 8.5) * MEGABYTE


@pytest.mark.parametrize(
    ("address", "environment", "said"),
    [
        ("s3://nowhere/x", {}, "NoSuchBucket"),
        ("s3://data/x", {"AWS_ACCESS_KEY_ID": None}, "credentials"),
        ("s3://data/x", {"AWS_PROFILE": "mine"}, "mine"),
        ("s3://data/x", {}, MANIFEST),
    ],
)
def test_what_trying_again_would_not_mend_is_told_at_once(
    s3_port, bucket, tmp_path, monkeypatch, address, environment, said
):
    for name, value in environment.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=said):
        stage(place(s3_port, address), tmp_path / "raw", pause_seconds=1000)


def test_a_server_that_is_not_there_ends_in_a_message(bucket, tmp_path):
    with pytest.raises(UserError, match="cut 2 times in a row"):
        stage(place(free_port()), tmp_path / "raw", attempts=2, pause_seconds=0)


def test_without_boto3_staging_says_how_to_get_it(tmp_path, monkeypatch):
    for name in ("boto3", "boto3.exceptions", "boto3.session"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match="boto3 is not installed") as caught:
        stage(place(1), tmp_path / "raw", attempts=1)
    assert "pip install boto3" in caught.value.how


@pytest.mark.parametrize("address", ["s3://", "s3:///x", "s3://user:key@data/x", "s3://data/x?a=b"])
def test_other_addresses_are_refused(address):
    with pytest.raises(UserError) as caught:
        open_place(address)
    assert ":key@" not in str(caught.value)


@given(st.integers(1, 6 << 40))
def test_parts_are_the_whole_file_and_few_enough(size):
    length = max(s3.PART_BYTES, -(-size // s3.MOST_PARTS))
    ranges = s3.part_ranges(size)
    if size / length > 100:  # the first and the number tell enough
        assert next(ranges) == (0, length)
        assert -(-size // length) <= 10_000
        return
    found = list(ranges)
    assert [start for start, _ in found] == [
        sum(n for _, n in found[:i]) for i in range(len(found))
    ]
    assert sum(n for _, n in found) == size
    assert all(n == length for _, n in found[:-1])
