"""Pins: written when missing, rewritten when the content differs, and never otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.plan.pins import plan_pins
from scatterflow.registry import delete_mask, register_mask
from scatterflow.registry.pinned import with_pinned_masks
from scatterflow.registry.pins import ensure_pins, renew_pins

from .conftest import SHAPE, some_mask


def settings(**changes):
    mask = {"type": "registry", "name": "hot", "detector": None, "version": None, **changes}
    return {"detector": "waxs", "shape": list(SHAPE), "masks": [{"type": "gaps"}, mask]}


def wanted_pins(all_settings, folder):
    """Pins as the plan collects them."""
    pins: dict = {}
    for item in all_settings:
        plan_pins(pins, item["masks"], item["detector"], folder)
    return pins


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "pins")


def state(folder):
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_a_pin_is_made_once_and_kept(registry, folder, good):
    record = register_mask("waxs", "hot", good, registry=registry)
    wanted = wanted_pins([settings()], folder)
    assert ensure_pins(wanted, registry, folder) == []
    (path,) = wanted
    pin = json.loads(Path(path).read_text())
    assert {key: pin[key] for key in record.identity} == record.identity
    before = state(folder)

    register_mask("waxs", "hot", good, registry=registry, comment="the same again")
    assert ensure_pins(wanted, registry, folder) == []
    assert renew_pins(wanted, registry, folder) == []
    assert state(folder) == before

    register_mask("waxs", "hot", some_mask(1), registry=registry)
    (note,) = ensure_pins(wanted, registry, folder)
    assert "pins version 1, the newest is 3" in note
    assert state(folder) == before
    (change,) = renew_pins(wanted, registry, folder, check=True)
    assert state(folder) == before
    assert renew_pins(wanted, registry, folder) == [change]
    newly, no_longer = (good & ~some_mask(1)).sum(), (~good & some_mask(1)).sum()
    assert f"{newly} pixels newly masked, {no_longer} no longer" in change
    assert json.loads(Path(path).read_text())["version"] == 3


def test_what_is_loaded_by_a_pin_is_the_mask_and_who_it_is(registry, folder, good):
    record = register_mask("waxs", "hot", good, reason="hot", registry=registry)
    ensure_pins(wanted_pins([settings()], folder), registry, folder)
    gaps, mask = with_pinned_masks(settings(), "waxs", folder)["masks"]
    assert gaps == {"type": "gaps"}
    np.testing.assert_array_equal(mask["good"], good)
    np.testing.assert_array_equal(mask["reasons"], np.where(good, 0, 1 << 4))
    assert mask["identity"]["uid"] == record.uid
    assert mask["identity"]["sha256"] == record.sha256


def test_no_registry_is_needed_for_what_is_pinned(registry, folder, good, tmp_path):
    register_mask("waxs", "hot", good, registry=registry)
    wanted = wanted_pins([settings()], folder)
    ensure_pins(wanted, registry, folder)
    registry.root.rename(tmp_path / "moved")
    assert ensure_pins(wanted, registry, folder) == []
    with_pinned_masks(settings(), "waxs", folder)
    with pytest.raises(UserError, match="no registry"):
        renew_pins(wanted, registry, folder)


@pytest.mark.parametrize("spoil", ["content gone", "content changed", "pin gone", "pin broken"])
def test_what_is_lost_or_damaged_is_made_again(registry, folder, good, spoil):
    register_mask("waxs", "hot", good, registry=registry)
    wanted = wanted_pins([settings()], folder)
    ensure_pins(wanted, registry, folder)
    if spoil.startswith("content"):  # a newer version takes its place only when it is asked for
        register_mask("waxs", "hot", some_mask(1), registry=registry)
    (path,) = map(Path, wanted)
    (content,) = Path(folder, "objects").iterdir()
    before = path.read_bytes()
    if spoil == "content gone":
        content.unlink()
    elif spoil == "content changed":
        content.write_bytes(content.read_bytes()[:-1] + b"\0\0")
    elif spoil == "pin gone":
        path.unlink()
    else:
        path.write_text('{"kind": "mask"}')
    with pytest.raises((UserError, FileNotFoundError, KeyError)):
        with_pinned_masks(settings(), "waxs", folder)
    ensure_pins(wanted, registry, folder)
    assert path.read_bytes() == before
    with_pinned_masks(settings(), "waxs", folder)


def test_a_configured_version_is_pinned_and_the_way_back_rewrites_the_pin(registry, folder, good):
    """The same file each time, newer each time: Snakemake sees it by the time stamp alone."""
    register_mask("waxs", "hot", good, registry=registry)
    register_mask("waxs", "hot", some_mask(1), registry=registry)
    times = []
    for version, mask in ((None, some_mask(1)), (1, good), (2, some_mask(1)), (1, good)):
        wanted = wanted_pins([settings(version=version)], folder)
        ensure_pins(wanted, registry, folder)
        (path,) = map(Path, wanted)
        assert path.name == "hot.json"
        if (version is not None and version != 2) or not times:
            times.append(path.stat().st_mtime_ns)
        loaded = with_pinned_masks(settings(), "waxs", folder)["masks"][1]
        np.testing.assert_array_equal(loaded["good"], mask)
    assert times == sorted(set(times))


def test_the_same_pixels_for_other_frames_are_pinned(registry, folder, good):
    """A corrected orientation or energy is what jobs check, although no pixel differs."""
    register_mask("waxs", "hot", good, registry=registry, orientation=2, energy_from_keV=20.0)
    wanted = wanted_pins([settings()], folder)
    ensure_pins(wanted, registry, folder)
    register_mask("waxs", "hot", good, registry=registry, orientation=3, energy_from_keV=8.0)
    assert "the newest is 2" in ensure_pins(wanted, registry, folder)[0]
    (change,) = renew_pins(wanted, registry, folder)
    assert "version 2 (was 1): the same pixels, for other frames or times" in change
    mask = with_pinned_masks(settings(), "waxs", folder)["masks"][1]
    assert (mask["orientation"], mask["energy_keV"]) == (3, (8.0, None))
    assert renew_pins(wanted, registry, folder) == []


def test_a_configured_version_is_named_although_its_pixels_are_those_of_another(
    registry, folder, good
):
    register_mask("waxs", "hot", good, registry=registry)
    ensure_pins(wanted_pins([settings()], folder), registry, folder)
    third = [register_mask("waxs", "hot", good, registry=registry) for _ in range(2)][-1]
    wanted = wanted_pins([settings(version=3)], folder)
    ensure_pins(wanted, registry, folder)
    identity = with_pinned_masks(settings(), "waxs", folder)["masks"][1]["identity"]
    assert (identity["version"], identity["uid"]) == (3, third.uid)
    before = state(folder)
    ensure_pins(wanted, registry, folder)
    assert state(folder) == before


def test_the_version_is_no_parameter_of_what_is_made_from_the_mask(folder):
    (one, _), (two, three) = (
        plan_pins({}, settings()["masks"], "waxs"),
        plan_pins({}, settings(version=3)["masks"], "waxs"),
    )
    assert one == two
    assert "version" not in three


def test_one_name_in_two_versions_is_refused(folder):
    with pytest.raises(UserError, match="two versions of one registered mask") as caught:
        wanted_pins([settings(), settings(version=1)], folder)
    assert "mask hot" in caught.value.where


def test_a_deleted_version_cannot_be_pinned(registry, folder, good):
    register_mask("waxs", "hot", good, registry=registry)
    delete_mask("waxs", "hot", version=1, registry=registry)
    with pytest.raises(UserError, match="was deleted by"):
        ensure_pins(wanted_pins([settings(version=1)], folder), registry, folder)


def test_a_mask_that_is_not_registered_is_named(registry, folder, good):
    register_mask("waxs", "hot", good, registry=registry)
    with pytest.raises(UserError, match="no mask 'hott'") as caught:
        ensure_pins(wanted_pins([settings(name="hott")], folder), registry, folder)
    assert "did you mean 'hot'?" in caught.value.how


def test_a_mask_of_another_shape_is_refused(registry, folder):
    register_mask("waxs", "hot", np.eye(5, dtype=bool), registry=registry)
    ensure_pins(wanted_pins([settings()], folder), registry, folder)
    with pytest.raises(UserError, match="5 x 5 pixels"):
        with_pinned_masks(settings(), "waxs", folder)
