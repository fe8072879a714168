"""The registry in a Tiled database, SQLite or PostgreSQL below: the same API, and nothing lost in races."""

from __future__ import annotations

import multiprocessing
import os

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.registry import (
    delete_mask,
    find,
    get_arrays,
    get_composite_mask,
    get_geometry,
    get_mask,
    get_masks,
    load_mask,
    register_arrays,
    register_geometry,
    register_mask,
    verify,
)
from scatterflow.registry.records import to_text

from .conftest import KEY, SHAPE, answers_of, some_mask

pytest.importorskip("tiled.client", reason="Tiled is not installed")

from scatterflow.registry.tiled_store import connect, key_of

CONTEXT = multiprocessing.get_context("spawn")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("key")]


# --- the API, in a Tiled database --------------------------------------------------------------------


def test_the_same_api(container, good):
    first = register_mask("d", "stop", good, reason="beamstop", registry=container, run=1)
    second = register_mask("d", "stop", some_mask(1), registry=container, run=2.5)
    register_mask("d", "hot", some_mask(2), registry=container, comment="from a dark")
    assert [first.version, second.version] == [1, 2]
    mask = get_mask("d", "stop", registry=container)
    assert (mask.uid, mask.version, mask.dtype) == (second.uid, 2, bool)
    np.testing.assert_array_equal(mask.compute(), some_mask(1))
    np.testing.assert_array_equal(get_mask("d", "stop", 1, registry=container).compute(), good)
    np.testing.assert_array_equal(
        get_composite_mask("d", ["stop", "hot"], registry=container).compute(),
        some_mask(1) & some_mask(2),
    )
    assert [r.name for r in get_masks("d", registry=container)] == ["hot", "stop"]
    assert [r.version for r in find(run=(2, 3), registry=container)] == [2]
    assert [r.name for r in find(text="dark' OR 1", registry=container)] == []
    assert [r.name for r in find(text="dark", registry=container)] == ["hot"]

    reasons = np.where(good, 0, 1 << 4).astype(np.uint32)
    reasons[3, 8] |= 1 << 8
    third = register_mask("d", "stop", good, reasons=reasons, registry=container)
    np.testing.assert_array_equal(load_mask(third, registry=container)[1], reasons)
    np.testing.assert_array_equal(
        load_mask(first, registry=container)[1], np.where(good, 0, 1 << 9)
    )
    assert first.sha256 != third.sha256

    delete_mask("d", "stop", 3, registry=container)
    assert get_mask("d", "stop", registry=container).version == 2
    with pytest.raises(UserError, match="13 x 21"):
        register_mask("d", "stop", good[:5], registry=container)
    with pytest.raises(UserError, match="is at version 4, not 2"):
        register_mask("d", "stop", good, registry=container, expected_version=2)
    with pytest.raises(UserError, match="cannot be a name"):
        register_mask("d", "a/b", good, registry=container)


def test_other_kinds_are_kept_there_too(container, tmp_path):
    image = np.arange(273, dtype=np.float32).reshape(SHAPE)
    for kind in ("dark", "flat", "gain"):
        register_arrays(kind, "d", "x", {"data": image}, registry=container)
        np.testing.assert_array_equal(get_arrays(kind, "d", "x", registry=container)["data"], image)
    bins = {"dynamic": np.arange(5), "q": np.linspace(0, 1, 3)}
    register_arrays("qmap", "d", "x", bins, registry=container)
    found = get_arrays("qmap", "d", "x", registry=container)
    for name, array in bins.items():
        np.testing.assert_array_equal(found[name], array)
    lines = [f"{key}: 0.1" for key in ("Distance", "Poni1", "Poni2", "Rot1", "Rot2", "Rot3")]
    (tmp_path / "d.poni").write_text("\n".join([*lines, "Wavelength: 1e-10", ""]))
    record = register_geometry("d", "x", tmp_path / "d.poni", registry=container)
    text = get_geometry("d", "x", registry=container)
    assert text == (tmp_path / "d.poni").read_text()
    container.client[key_of(record)].write(np.zeros(record.size, np.uint8))
    with pytest.raises(UserError, match="damaged"):
        get_geometry("d", "x", registry=container)


def test_a_server_that_is_gone_is_one_message(serve, good, tmp_path, monkeypatch):
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_ATTEMPTS", 1)
    address = serve("catalog", f"{tmp_path}/catalogue.db", "--init", "-w", f"{tmp_path}/data")
    registry = connect(address)
    record = register_mask("d", "m", good, registry=registry)
    serve.stop(address)
    for call in (
        lambda: find(registry=registry),
        lambda: register_mask("d", "m", good, registry=registry),
        lambda: register_mask("new", "m", good, registry=registry),
        lambda: load_mask(record, registry=registry),
    ):
        with pytest.raises(UserError, match="does not answer as it should"):
            call()


def test_lost_data_is_refused_and_not_read_as_all_masked(container, good):
    record = register_mask("d", "m", good, registry=container)
    node = container.client[key_of(record)]
    node.write(np.zeros(SHAPE, bool))  # what Tiled reads where the data is missing
    with pytest.raises(UserError, match="damaged") as caught:
        get_mask("d", "m", registry=container).compute()
    assert "mask d/m, version 1" in caught.value.where
    flipped = good.copy()
    flipped[0, 0] ^= True
    node.write(flipped)
    with pytest.raises(UserError, match="checksum"):
        get_mask("d", "m", registry=container).compute()
    (problem,) = verify(container).problems
    assert key_of(record) in problem
    node.write(good)
    assert verify(container).problems == []
    np.testing.assert_array_equal(get_mask("d", "m", registry=container).compute(), good)


def test_a_writer_that_dies_leaves_nothing_visible(container, good, monkeypatch):
    """Between the node's creation and its completion, and within the creation."""
    register_mask("d", "m", good, registry=container)
    for method in ("update_metadata", "write"):
        with monkeypatch.context() as patched:

            def die(*arguments, **options):
                raise KeyboardInterrupt

            node = type(container.client[key_of(get_mask("d", "m", registry=container).record)])
            patched.setattr(node, method, die)
            with pytest.raises(KeyboardInterrupt):
                register_mask("d", "m", some_mask(1), registry=container)
        assert [record.version for record in container.history("mask", "d", "m")] == [1]
        assert get_mask("d", "m", registry=container).version == 1
    findings = verify(container)
    assert findings.problems == []
    assert "2 versions are being written" in findings.notes[0]
    following = register_mask("d", "m", some_mask(2), registry=container)
    assert following.version == 4
    assert [record.version for record in container.history()] == [1, 4]


def test_changed_metadata_is_seen(container, good):
    record = register_mask("d", "m", good, registry=container)
    text = to_text(record).replace('"comment": ""', '"comment": "x"')
    container.client[key_of(record)].update_metadata({"record": text})
    with pytest.raises(UserError, match="checksum"):
        get_masks(registry=container)


# --- races -------------------------------------------------------------------------------------------


def race_mask(process: int, turn: int) -> np.ndarray:
    good = np.ones((16, 20), bool)
    good[process, turn % 20] = False
    good[8 + turn // 20] = False
    return good


def register_often(address, process, rounds, barrier, answers) -> None:
    os.environ["TILED_API_KEY"] = KEY
    registry = connect(address)
    for turn in range(rounds):
        barrier.wait(600)
        record = register_mask(
            "d", "m", race_mask(process, turn), registry=registry, process=process, turn=turn
        )
        answers.put((process, turn, record.version, record.uid))


@pytest.mark.parametrize("processes", [2, 8])
def test_processes_racing_for_one_name(container, processes):
    """Two processes 100 times, eight 6 times, as a round of eight takes the server a quarter of a second to
    sort out; SCATTERFLOW_RACES=100 lets each process register 100 times."""
    rounds = int(os.environ.get("SCATTERFLOW_RACES", 100 if processes == 2 else 6))
    barrier, answers = CONTEXT.Barrier(processes), CONTEXT.Queue()
    workers = [
        CONTEXT.Process(
            target=register_often, args=(container.location, process, rounds, barrier, answers)
        )
        for process in range(processes)
    ]
    for worker in workers:
        worker.start()
    told = answers_of(workers, answers, processes * rounds)
    history = container.history("mask", "d", "m")
    assert [record.version for record in history] == list(range(1, processes * rounds + 1))
    stored = {(r.metadata["process"], r.metadata["turn"], r.version, r.uid) for r in history}
    assert stored == set(told)
    for record in history[:: max(len(history) // 10, 1)]:
        good, _ = load_mask(record, registry=container)
        np.testing.assert_array_equal(
            good, race_mask(record.metadata["process"], record.metadata["turn"])
        )
