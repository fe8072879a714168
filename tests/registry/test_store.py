"""The registry of files: versions, names, and everything that may lie in its folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.registry import records, register_mask, verify
from scatterflow.registry.store import FileRegistry

from .conftest import some_mask

# What names must never be: catalogue of attacks, and plain slips.
HOSTILE = [
    *("../x", "..", ".", "", "/abs", "a/b", "a\\b", "a\0b", "a\nb", "a\n", "-x", ".x", "a..b"),
    *(
        "x" * 65,
        "x" * 300,
        "{run}",
        "a,b",
        "a b",
        "ｅiger",
        "ei\u0261er",
        "a~b",
        "$(id)",
        "a;b",
        "é",
    ),
]


def test_versions_count_from_one_and_hold_what_was_registered(registry, good):
    first = register_mask("waxs", "hot", good, registry=registry, comment="one")
    second = register_mask("waxs", "hot", some_mask(1), registry=registry)
    other = register_mask("waxs", "stop", good, registry=registry)
    assert [first.version, second.version, other.version] == [1, 2, 1]
    assert len({first.uid, second.uid, other.uid}) == 3
    assert other.sha256 == first.sha256
    assert registry.history("mask", "waxs", "hot") == [first, second]
    assert registry.history() == [first, second, other]
    # Equal masks are stored once.
    assert len(list((registry.root / "objects").glob("*/*"))) == 2


def test_a_record_says_who_when_and_what(registry, good):
    record = register_mask("waxs", "hot", good, registry=registry, sample="water")
    (path,) = (registry.root / "records").rglob("*.json")
    assert path.relative_to(registry.root).as_posix() == "records/mask/waxs/hot/v000001.json"
    data = json.loads(path.read_text())
    assert data["summary"]["masked_pixels"] == int((~good).sum())
    assert data["summary"]["reasons"] == {"user": int((~good).sum())}
    assert data["metadata"] == {"sample": "water"}
    assert data["author"] == record.author != ""
    assert data["created"].endswith("+00:00")
    assert records.from_text(path.read_bytes(), "here") == record
    assert path.stat().st_mode & 0o222 == 0


def test_compare_and_set(registry, good):
    register_mask("waxs", "hot", good, registry=registry, expected_version=0)
    with pytest.raises(UserError, match="is at version 1, not 0"):
        register_mask("waxs", "hot", good, registry=registry, expected_version=0)
    second = register_mask("waxs", "hot", good, registry=registry, expected_version=1)
    assert second.version == 2


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_hostile_names_are_refused_on_write_and_nothing_is_written(registry, good, name):
    before = sorted(registry.root.parent.rglob("*"))
    for detector, mask in ((name, "hot"), ("waxs", name)):
        with pytest.raises(UserError, match="cannot be a name"):
            register_mask(detector, mask, good, registry=registry)
    assert sorted(registry.root.parent.rglob("*")) == before


@pytest.mark.parametrize("name", [n for n in HOSTILE if n], ids=lambda name: ascii(name)[:20])
def test_hostile_names_are_refused_on_read(registry, good, name):
    from scatterflow.registry import delete_mask, find, get_mask, get_mask_uid

    register_mask("waxs", "hot", good, registry=registry)
    for call in (get_mask, get_mask_uid, delete_mask, find):
        for detector, mask in ((name, "hot"), ("waxs", name)):
            with pytest.raises(UserError, match="cannot be a name"):
                call(detector, mask, registry=registry)
    with pytest.raises(ValueError, match="no SHA-256"):
        registry.object_path(name)


@pytest.mark.parametrize("field", ["detector", "name", "kind"])
@pytest.mark.parametrize("value", ["../x", "a/b", "", None, 3, "hot\n"])
def test_a_record_with_a_hostile_name_inside_is_refused(registry, good, field, value):
    """Also one whose checksum is right, as an attacker would write it."""
    record = register_mask("waxs", "hot", good, registry=registry)
    path = registry.root / "records/mask/waxs/hot/v000001.json"
    forged = records.Record(**{**vars(record), field: value})
    path.unlink()
    path.write_text(records.to_text(forged))
    with pytest.raises(UserError, match="no record that scatterflow wrote"):
        registry.history()
    assert verify(registry).problems


def test_a_record_moved_to_another_name_is_refused(registry, good):
    register_mask("waxs", "hot", good, registry=registry)
    folder = registry.root / "records/mask/waxs"
    (folder / "hot").rename(folder / "cold")
    with pytest.raises(UserError, match="says that it is mask waxs/hot"):
        registry.history()


def test_every_changed_character_of_a_record_is_refused(registry, good):
    record = register_mask("waxs", "hot", good, registry=registry, comment="c")
    text = records.to_text(record)
    assert records.from_text(text, "here") == record
    for position in range(0, len(text), 3):
        if text[position].isspace():
            continue
        spoilt = text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]
        with pytest.raises(UserError):
            records.from_text(spoilt, "here")


def test_folders_with_other_names_are_left_alone_and_reported(registry, good):
    register_mask("waxs", "hot", good, registry=registry)
    (registry.root / "records/mask/-rf/x").mkdir(parents=True)
    (registry.root / "records/mask/waxs/.hidden").mkdir()
    (registry.root / "records/mask/waxs/hot/v1.json").write_text("{}")
    (registry.root / "objects/zz").mkdir()
    (registry.root / "objects/zz/core").write_text("x")
    assert len(registry.history()) == 1
    assert len(verify(registry).problems) == 4


@pytest.mark.parametrize(
    "text",
    ['{"detector": "waxs", "shape": [13, 20]}', '{"detector": "saxs", "shape": [13, 21]}', "{"],
)
def test_a_changed_shape_of_a_detector_is_reported(registry, good, text):
    register_mask("waxs", "hot", good, registry=registry)
    path = registry.root / "detectors/waxs.json"
    path.unlink()
    path.write_text(text)
    (problem,) = verify(registry).problems
    assert str(path) in problem
    with pytest.raises(UserError):
        register_mask("waxs", "hot", good, registry=registry)


@pytest.mark.parametrize("what", ["record", "object", "detector"])
def test_symbolic_links_are_not_followed(registry, good, what, tmp_path):
    record = register_mask("waxs", "hot", good, registry=registry)
    path = {
        "record": registry.root / "records/mask/waxs/hot/v000001.json",
        "object": registry.object_path(record.sha256),
        "detector": registry.root / "detectors/waxs.json",
    }[what]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    reading = {
        "record": registry.history,
        "object": lambda: registry.read(record),
        "detector": lambda: registry.shape("waxs"),
    }
    with pytest.raises(UserError, match="symbolic link"):
        reading[what]()


def test_names_that_differ_in_case_only_are_refused(registry, good):
    register_mask("waxs", "hot", good, registry=registry)
    for detector, name in (("waxs", "Hot"), ("WAXS", "hot"), ("WAXS", "other")):
        with pytest.raises(UserError, match="differ in case only"):
            register_mask(detector, name, good, registry=registry)
    assert len(registry.history()) == 1


def test_a_lost_object_is_named_and_comes_back_with_the_same_content(registry, good):
    record = register_mask("waxs", "hot", good, registry=registry)
    path = registry.object_path(record.sha256)
    path.unlink()
    with pytest.raises(UserError, match=f"{record.sha256} is missing") as caught:
        registry.read(record)
    assert "mask waxs/hot, version 1" in caught.value.where
    assert len(verify(registry).problems) == 1
    register_mask("waxs", "again", good, registry=registry)
    assert verify(registry).problems == []


def test_a_damaged_object_is_refused_named_and_mended_by_registering_again(registry, good):
    record = register_mask("waxs", "hot", good, registry=registry)
    path = registry.object_path(record.sha256)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged") as caught:
        registry.read(record)
    assert record.sha256 in caught.value.where
    assert len(verify(registry).problems) == 1
    register_mask("waxs", "hot", good, registry=registry)
    assert verify(registry).problems == []


def test_an_exchanged_version_is_seen(registry, good):
    """A record that is right by itself, put in the place of another."""
    for seed in range(3):
        register_mask("waxs", "hot", some_mask(seed), registry=registry)
    path = registry.root / "records/mask/waxs/hot/v000002.json"
    record = records.from_text(path.read_bytes(), "here")
    path.unlink()
    path.write_text(records.to_text(records.Record(**{**vars(record), "comment": "changed"})))
    (problem,) = verify(registry).problems
    assert "version 3" in problem
    path.unlink()
    assert any("versions are missing" in problem for problem in verify(registry).problems)


def test_a_missing_registry_is_an_error_and_not_an_empty_one(tmp_path):
    with pytest.raises(UserError, match="there is no registry"):
        FileRegistry(tmp_path / "none").history()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_not_made_a_registry(tmp_path, good):
    (tmp_path / "data.h5").write_text("x")
    with pytest.raises(UserError, match="other things"):
        register_mask("waxs", "hot", good, registry=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]


def test_a_newer_format_is_not_touched(registry, good):
    register_mask("waxs", "hot", good, registry=registry)
    mark = registry.root / "registry.json"
    mark.chmod(0o644)
    mark.write_text(json.dumps({"format": "scatterflow registry", "version": 2}))
    with pytest.raises(UserError, match="newer scatterflow"):
        registry.history()


def test_a_file_system_without_links_is_named(registry, good, monkeypatch):
    def refuse(*arguments):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(UserError, match="hard links"):
        register_mask("waxs", "hot", good, registry=registry)


def test_a_link_that_was_made_although_it_is_answered_by_exists(registry, good, monkeypatch):
    """NFS: the first answer is lost, the repeated request finds the name taken, by itself."""
    real = os.link

    def link_twice(source, target):
        real(source, target)
        real(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    record = register_mask("waxs", "hot", good, registry=registry)
    assert record.version == 1
    assert registry.history() == [record]


def test_a_full_disk_leaves_nothing_visible(registry, good, monkeypatch):
    register_mask("waxs", "hot", good, registry=registry)
    real = os.write

    def full(descriptor, data):
        if len(data) > 100:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        register_mask("waxs", "hot", some_mask(3), registry=registry)
    monkeypatch.undo()
    findings = verify(registry)
    assert (findings.records, findings.problems, findings.notes) == (1, [], [])


def test_an_object_of_a_registry_loads_in_any_process_order(registry):
    """Loading knows nothing but the folder and the name."""
    masks = {seed: some_mask(seed, (40, 50)) for seed in range(4)}
    found = {s: register_mask("d", f"m{s}", m, registry=registry) for s, m in masks.items()}
    from scatterflow.registry.masks import load_good

    for seed in (3, 0, 2, 1):
        np.testing.assert_array_equal(load_good(registry.root, found[seed].sha256), masks[seed])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user for a moment")
def test_users_of_one_registry_share_contents_and_are_named(good):
    """Both register the same mask, the second one is in no list of users."""
    folder = Path(
        tempfile.mkdtemp(prefix="scatterflow-users-")
    )  # others may not look into pytest's
    folder.chmod(0o777)
    try:
        # All is imported now: the other users may not be allowed to read the library.
        register_mask("waxs", "one", good, registry=folder / "first")
        root = folder / "registry"
        for user, name in ((65534, "one"), (54321, "two"), (54321, "one")):
            register_as(user, name, root, good)
        registry = FileRegistry(root)
        assert verify(registry).problems == []
        history = registry.history("mask", "waxs")
        assert [record.title for record in history] == [
            "mask waxs/one, version 1",
            "mask waxs/one, version 2",
            "mask waxs/two, version 1",
        ]
        assert [record.author for record in history][1:] == ["user 54321"] * 2
        assert len({record.sha256 for record in history}) == 1
    finally:
        shutil.rmtree(folder)


def register_as(user: int, name: str, root: Path, good: np.ndarray) -> None:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.umask(0)
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            register_mask("waxs", name, good, registry=root)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0
