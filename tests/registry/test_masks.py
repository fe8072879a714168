"""The Python API of masks."""

from __future__ import annotations

import datetime
import json
import os
import pickle

import dask.array
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.registry import (
    accept,
    delete_mask,
    find,
    get_arrays,
    get_composite_mask,
    get_mask,
    get_mask_by_uid,
    get_mask_uid,
    get_masks,
    get_record,
    load_mask,
    register_arrays,
    register_composite,
    register_mask,
    sweep,
    verify,
)

from .conftest import SHAPE, some_mask


@pytest.fixture(autouse=True)
def default_registry(registry, monkeypatch):
    """The API is used as in the documentation, without naming the registry."""
    monkeypatch.setenv("SCATTERFLOW_REGISTRY", str(registry.root))


def test_a_mask_comes_back_as_a_lazy_array_with_its_identity(good, registry):
    record = register_mask("eiger4m", "beamstop", good, comment="new holder", run=7)
    mask = get_mask("eiger4m", "beamstop")
    assert isinstance(mask, dask.array.Array)
    assert (mask.shape, mask.dtype) == (good.shape, np.dtype(bool))
    assert (mask.uid, mask.version, mask.sha256) == (record.uid, 1, record.sha256)
    assert get_mask_uid("eiger4m", "beamstop") == record.uid
    np.testing.assert_array_equal(mask.compute(), good)
    np.testing.assert_array_equal(get_mask_by_uid(record.uid).compute(), good)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mask)).compute(), good)
    np.testing.assert_array_equal((mask[2:7, ::3] & True).compute(), good[2:7, ::3])


def test_nothing_is_read_before_it_is_computed_and_what_is_read_is_verified(good, registry):
    record = register_mask("eiger4m", "beamstop", good)
    path = registry.object_path(record.sha256)
    content = path.read_bytes()
    path.unlink()
    mask = get_mask("eiger4m", "beamstop")
    with pytest.raises(UserError, match="missing"):
        mask.compute()
    path.write_bytes(content[:-1])
    with pytest.raises(UserError, match="damaged"):
        mask.compute()


def test_the_newest_version_is_meant_unless_one_is_named(good):
    register_mask("d", "m", good)
    register_mask("d", "m", some_mask(1))
    np.testing.assert_array_equal(get_mask("d", "m").compute(), some_mask(1))
    np.testing.assert_array_equal(get_mask("d", "m", version=1).compute(), good)
    with pytest.raises(UserError, match="'2' is no whole number"):
        get_mask("d", "m", version="2")
    with pytest.raises(UserError, match="no version 3") as caught:
        get_mask("d", "m", version=3)
    assert "1, 2" in caught.value.how


def test_reasons_are_kept(good):
    reasons = np.where(good, 0, 1 << 4).astype(np.uint32)
    reasons[0, 0], reasons[3, 8] = 1 << 31, (1 << 4) | (1 << 8)
    good = (reasons & 0xFFFF) == 0
    record = register_mask("d", "m", good, reasons=reasons)
    assert good[0, 0]
    found_good, found = load_mask(record)
    np.testing.assert_array_equal(found_good, good)
    np.testing.assert_array_equal(found, reasons)
    assert record.summary["reasons"] == {
        "hot": int((~good).sum()),
        "user": int(~good[3, 8]),
        "bit 31": 1,
    }


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones(SHAPE, np.uint8), "nothing tells whether 1 is good"),
        (np.ones(SHAPE, float), "nothing tells"),
        (np.ones((2, *SHAPE), bool), "shape"),
        (np.ones((0, 3), bool), "shape"),
        (np.zeros(SHAPE, bool), "no good pixel"),
        (np.ones((14, 21), bool), "13 x 21"),
        (np.ones(SHAPE[::-1], bool), "look swapped"),
        ([[True, False]], "13 x 21"),
        ("mask.npy", "not bool"),
        (np.ma.masked_array(np.ones(SHAPE, bool), ~some_mask()), "two masks"),
    ],
)
def test_what_is_no_mask_of_this_detector_is_refused(mask, message, good, registry):
    register_mask("d", "first", good)
    before = sorted(registry.root.rglob("*"))
    with pytest.raises(UserError) as caught:
        register_mask("d", "m", mask)
    assert message in str(caught.value)
    assert sorted(registry.root.rglob("*")) == before


def test_a_refused_first_mask_does_not_state_the_shape(good):
    with pytest.raises(UserError):
        register_mask("d", "m", np.ones((3, 4), bool), bad=float("nan"))
    assert register_mask("d", "m", good).version == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"version": 7},
        {"uid": "x"},
        {"sha256": "x"},
        {"x": float("nan")},
        {"x": [1, float("inf")]},
        {"x": complex(1, 2)},
        {"x": {1: 2}},
        {"x": np.zeros(3)},
        {"x": "y" * 200_000},
        {"x": [[[[[[[[[[1]]]]]]]]]]},
        {"a b": 1},
        {"orientation": 5},
        {"valid_from": "yesterday"},
        {"valid_from": "2026-01-01T00:00"},
        {"valid_from": "2026-02-01T00:00Z", "valid_to": "2026-01-01T00:00Z"},
        {"energy_from_keV": 12.0, "energy_to_keV": 9.0},
        {"energy_from_keV": float("nan")},
        {"reason": "bad"},
        {"comment": 5},
        {"comment": "a\0b"},
        {"x": "a\0b"},
        {"x": ["\ud800"]},
        {"x": 2**63},
        {"at": "2026"},
        {"text": "x"},
        {"source": {"x": float("nan")}},
        {"source": {"x": np.zeros(3)}},
        {"recipe": "and"},
    ],
    ids=lambda metadata: str(metadata)[:30],
)
def test_metadata_that_cannot_be_kept_as_it_is_is_refused(metadata, good, registry):
    with pytest.raises(UserError):
        register_mask("d", "m", good, **metadata)
    assert not (registry.root / "records/mask").exists()


def test_metadata_comes_back_as_it_was_given(good):
    given = {"a": 1, "b": 2.5, "c": "é\n", "d": None, "e": [True, {"x": [1]}], "f": np.float32(0.5)}
    register_mask("d", "m", good, **given)
    (record,) = get_masks()
    assert record.metadata == {**given, "f": 0.5}


def test_a_composite_is_the_and_of_its_members_and_names_them(good):
    one, two = register_mask("d", "a", good), register_mask("d", "b", some_mask(1))
    register_mask("d", "b", some_mask(2))
    mask = get_composite_mask("d", ["a", ("b", 1)])
    assert isinstance(mask, dask.array.Array)
    np.testing.assert_array_equal(mask.compute(), good & some_mask(1))
    assert [member["uid"] for member in mask.members] == [one.uid, two.uid]
    newest = get_composite_mask("d", ["a", "b"])
    np.testing.assert_array_equal(newest.compute(), good & some_mask(2))
    assert [member["version"] for member in newest.members] == [1, 2]
    np.testing.assert_array_equal(get_composite_mask("d", ["a"]).compute(), good)


def test_a_registered_composite_fits_where_all_of_its_members_do(good):
    day = "2026-01-{:02d}T00:00:00+00:00".format
    register_mask("d", "a", good, orientation=2, energy_from_keV=8.0, valid_to=day(20))
    register_mask("d", "b", some_mask(1), valid_from=day(2), energy_to_keV=12.0)
    register_mask("d", "c", some_mask(2), energy_from_keV=9.0, valid_from=day(5), valid_to=day(25))
    record = register_composite("d", "all", ["a", "b", "c"])
    assert record.orientation == 2
    assert (record.valid_from, record.valid_to) == (day(5), day(20))
    assert (record.energy_from_keV, record.energy_to_keV) == (9.0, 12.0)
    assert register_composite("d", "all", ["a", "b"], energy_to_keV=10.0).energy_to_keV == 10.0


def test_masks_for_different_orientations_are_not_combined(good):
    register_mask("d", "a", good, orientation=2)
    register_mask("d", "b", some_mask(1), orientation=3)
    for combine in (get_composite_mask, lambda d, names: register_composite(d, "all", names)):
        with pytest.raises(UserError, match="the orientations 2 and 3"):
            combine("d", ["a", "b"])


@pytest.mark.parametrize("names", [[], "a", ["nothing"], [("a", 9)]])
def test_a_composite_of_nothing_is_refused(names, good):
    register_mask("d", "a", good)
    with pytest.raises(UserError):
        get_composite_mask("d", names)


def test_a_registered_composite_keeps_its_recipe_and_reasons(good):
    register_mask("d", "a", good, reason="hot")
    register_mask("d", "b", some_mask(1), reason="beamstop")
    record = register_composite("d", "all", ["a", "b"], comment="both")
    both, reasons = load_mask(record)
    np.testing.assert_array_equal(both, good & some_mask(1))
    np.testing.assert_array_equal((reasons & 1 << 4) != 0, ~good)
    np.testing.assert_array_equal((reasons & 1 << 9) != 0, ~some_mask(1))
    assert [m["name"] for m in record.recipe["members"]] == ["a", "b"]
    assert record.recipe["members"][0] == get_record("mask", "d", "a").identity


def test_deleting_hides_and_registering_goes_on(good, registry):
    register_mask("d", "m", good)
    register_mask("d", "m", some_mask(1))
    tombstone = delete_mask("d", "m", version=2, comment="wrong orientation")
    assert tombstone.deletes == (2,)
    assert get_mask("d", "m").version == 1
    with pytest.raises(UserError, match=f"deleted by {tombstone.author}"):
        get_mask("d", "m", version=2)
    delete_mask("d", "m")
    assert get_masks() == []
    with pytest.raises(UserError, match="all versions were deleted"):
        get_mask("d", "m")
    with pytest.raises(UserError):
        delete_mask("d", "m")
    again = register_mask("d", "m", good)
    assert again.version == 5
    assert get_mask("d", "m").uid == again.uid
    assert verify().problems == []


def test_deleting_what_is_not_there_is_an_error(good):
    register_mask("d", "beamstop", good)
    with pytest.raises(UserError, match="no mask 'beamstp'") as caught:
        delete_mask("d", "beamstp")
    assert "did you mean 'beamstop'?" in caught.value.how
    with pytest.raises(UserError, match="no version 2"):
        delete_mask("d", "beamstop", version=2)


def test_a_sweep_removes_what_only_deleted_versions_name(good, registry, tmp_path):
    kept = register_mask("d", "kept", good)
    gone = register_mask("d", "gone", some_mask(1))
    pinned = register_mask("d", "pinned", some_mask(2))
    delete_mask("d", "gone")
    delete_mask("d", "pinned")
    for name in ("dead.tmp", "alive.tmp"):
        (registry.root / "incoming" / name).write_text("x")
    os.utime(registry.root / "incoming" / "dead.tmp", (0, 0))
    pin = tmp_path / "pins" / "d" / "pinned.json"
    pin.parent.mkdir(parents=True)
    pin.write_text(json.dumps({"sha256": pinned.sha256}))

    young = sweep(pins=[tmp_path / "pins"])
    assert (young.objects, young.leftovers) == ([], 1)
    plan = sweep(older_than_hours=-1, pins=[tmp_path / "pins"], dry_run=True)
    assert plan.objects == [gone.sha256]
    assert registry.object_path(gone.sha256).exists()
    done = sweep(older_than_hours=-1, pins=[tmp_path / "pins"])
    assert (done.objects, done.leftovers) == ([gone.sha256], 0)
    assert sorted(path.name for path in (registry.root / "objects").glob("*/*")) == sorted(
        [kept.sha256, pinned.sha256]
    )
    assert verify().problems == []
    assert sweep(older_than_hours=-1).objects == [pinned.sha256]


def test_a_sweep_puts_back_what_a_killed_one_had_taken_aside(good, registry):
    """Killed between taking an object aside and seeing that a record had named it meanwhile."""
    record = register_mask("d", "m", good)
    path = registry.object_path(record.sha256)
    path.rename(registry.root / "incoming" / f"{record.sha256}.0123.swept")
    assert len(verify().problems) == 1
    assert sweep(dry_run=True).objects == []
    assert not path.exists()
    assert sweep().leftovers == 0
    assert verify().problems == []
    np.testing.assert_array_equal(load_mask(record)[0], good)


def test_a_sweep_stops_at_a_record_that_it_cannot_read(good, registry):
    record = register_mask("d", "m", good)
    path = registry.root / "records/mask/d/m/v000001.json"
    path.unlink()
    path.write_text("{}")
    with pytest.raises(UserError):
        sweep(older_than_hours=-1)
    assert registry.object_path(record.sha256).exists()


# --- finding ----------------------------------------------------------------------------------------


@pytest.fixture
def several(good):
    for index, (detector, name) in enumerate(
        [("saxs", "hot"), ("saxs", "stop"), ("waxs", "hot"), ("waxs", "shadow")]
    ):
        register_mask(
            detector,
            name,
            some_mask(index),
            comment=f"Mask {index}, drawn by hand",
            threshold=index * 1.5,
            taken=f"2026-0{index + 1}-01T00:00:00+00:00",
            beamtime=["A1", "B2"] if index < 2 else ["C3"],
            accepted=index == 1,
            orientation=index + 1,
        )
    register_mask("saxs", "hot", some_mask(9), threshold=100, comment="later")


def names(found):
    return [f"{record.detector}/{record.name}/{record.version}" for record in found]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["saxs/hot/2", "saxs/stop/1", "waxs/hot/1", "waxs/shadow/1"]),
        ({"detector": "saxs"}, ["saxs/hot/2", "saxs/stop/1"]),
        ({"name": "hot"}, ["saxs/hot/2", "waxs/hot/1"]),
        ({"name": "hot", "all_versions": True}, ["saxs/hot/1", "saxs/hot/2", "waxs/hot/1"]),
        ({"threshold": 3.0}, ["waxs/hot/1"]),
        ({"threshold": (1, 4)}, ["saxs/stop/1", "waxs/hot/1"]),
        ({"threshold": (None, 3)}, ["saxs/stop/1", "waxs/hot/1"]),
        ({"threshold": (3, None)}, ["saxs/hot/2", "waxs/hot/1", "waxs/shadow/1"]),
        ({"taken": ("2026-02-01T00:00Z", "2026-03-01T01:00+01:00")}, ["saxs/stop/1", "waxs/hot/1"]),
        ({"taken": (datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC), None)}, ["waxs/shadow/1"]),
        ({"beamtime": "A1"}, ["saxs/stop/1"]),
        ({"beamtime": ["C3"]}, ["waxs/hot/1", "waxs/shadow/1"]),
        ({"accepted": True}, ["saxs/stop/1"]),
        ({"accepted": 1}, []),
        ({"orientation": 4}, ["waxs/shadow/1"]),
        ({"version": 2}, ["saxs/hot/2"]),
        ({"text": "HAND drawn"}, ["saxs/stop/1", "waxs/hot/1", "waxs/shadow/1"]),
        ({"text": "c3 shadow"}, ["waxs/shadow/1"]),
        ({"text": "beam-stop' OR 1"}, []),
        ({"nothing": 1}, []),
        ({"nothing": (0, 1)}, []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_find(several, wanted, expected):
    assert names(find(**wanted)) == expected


def test_validity_in_time_and_energy(good):
    day = "2026-01-{:02d}T12:00:00+00:00".format
    register_mask("d", "m", some_mask(1), valid_from=day(1), valid_to=day(10), energy_to_keV=9)
    register_mask("d", "m", some_mask(2), valid_from=day(5), energy_from_keV=8, energy_to_keV=12)
    assert get_mask("d", "m", at=day(3)).version == 1
    assert get_mask("d", "m", at=day(7)).version == 2
    assert get_mask("d", "m", at=day(7), energy_keV=7.5).version == 1
    assert get_mask("d", "m", at="2026-01-05T13:00:00+01:00", energy_keV=8).version == 2
    with pytest.raises(UserError, match="no version is valid"):
        get_mask("d", "m", at=day(20), energy_keV=7.5)
    assert names(find(at=day(3), all_versions=True)) == ["d/m/1"]
    with pytest.raises(UserError, match="no time zone"):
        get_mask("d", "m", at="2026-01-05T13:00:00")


# --- other kinds ------------------------------------------------------------------------------------


def test_images_and_maps_are_kept_in_the_same_way(good, registry):
    dark = np.arange(good.size, dtype=np.float32).reshape(good.shape)
    record = register_arrays("dark", "d", "cold", {"data": dark}, metadata={"temperature_K": 250})
    assert find(kind="dark", temperature_K=(200, 300)) == [record]
    found = get_arrays("dark", "d", "cold")["data"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, dark)
    qmap = {"dynamic": np.ones(good.shape, np.uint32), "q": np.linspace(0, 1, 5)}
    assert register_arrays("qmap", "d", "rings", qmap).version == 1
    with pytest.raises(UserError, match="13 x 21"):
        register_arrays("flat", "d", "f", {"data": dark[:5]})
    assert get_masks() == []


def test_a_proposal_is_no_mask_before_it_is_accepted(good):
    proposal = register_mask("d", "hot", good, kind="proposal", reason="hot", source={"z": 5})
    assert get_masks() == []
    with pytest.raises(UserError):
        get_mask("d", "hot")
    record = accept("d", "hot", comment="looked at")
    assert record.sha256 == proposal.sha256
    assert record.source == {"z": 5, "accepted": proposal.identity}
    np.testing.assert_array_equal(get_mask("d", "hot").compute(), good)
