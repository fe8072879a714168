"""Many processes at one registry of files: versions contiguous, none lost, none twice."""

from __future__ import annotations

import multiprocessing
import threading

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.registry import delete_mask, find, load_mask, register_mask, sweep, verify

from .conftest import answers_of

SHAPE = (30, 40)
ROUNDS = 100
CONTEXT = multiprocessing.get_context("spawn")


def own_mask(process: int, turn: int) -> np.ndarray:
    """A mask that tells who registered it when."""
    good = np.ones(SHAPE, bool)
    good[process, turn % 40] = False
    good[20 + turn // 40] = False
    return good


def register_often(root, process: int, rounds: int, barrier, answers) -> None:
    for turn in range(rounds):
        barrier.wait(600)  # all at once, every time
        record = register_mask(
            "d", "m", own_mask(process, turn), registry=root, process=process, turn=turn
        )
        answers.put((process, turn, record.version, record.uid, record.sha256))


@pytest.mark.parametrize("processes", [2, 8])
def test_processes_racing_for_one_name(registry, processes):
    barrier, answers = CONTEXT.Barrier(processes), CONTEXT.Queue()
    workers = [
        CONTEXT.Process(
            target=register_often, args=(registry.root, process, ROUNDS, barrier, answers)
        )
        for process in range(processes)
    ]
    for worker in workers:
        worker.start()
    told = answers_of(workers, answers, processes * ROUNDS)

    history = registry.history("mask", "d", "m")
    assert [record.version for record in history] == list(range(1, processes * ROUNDS + 1))
    stored = {
        (r.metadata["process"], r.metadata["turn"], r.version, r.uid, r.sha256) for r in history
    }
    assert stored == set(told)
    assert len({record.uid for record in history}) == processes * ROUNDS
    for record in history[:: len(history) // 20]:
        good, _ = load_mask(record, registry=registry)
        metadata = record.metadata
        np.testing.assert_array_equal(good, own_mask(metadata["process"], metadata["turn"]))
    findings = verify(registry)
    assert (findings.problems, findings.notes) == ([], [])


def set_once(root, process: int, barrier, answers) -> None:
    barrier.wait(600)
    try:
        record = register_mask("d", "m", own_mask(process, 0), registry=root, expected_version=0)
        answers.put((process, record.version))
    except UserError as error:
        answers.put((process, error.what))


def test_of_those_that_expect_the_same_version_one_wins(registry):
    barrier, answers = CONTEXT.Barrier(4), CONTEXT.Queue()
    workers = [
        CONTEXT.Process(target=set_once, args=(registry.root, process, barrier, answers))
        for process in range(4)
    ]
    for worker in workers:
        worker.start()
    told = dict(answers_of(workers, answers, 4))
    (winner,) = [process for process, answer in told.items() if answer == 1]
    assert all("not 0" in str(answer) for process, answer in told.items() if process != winner)
    (record,) = registry.history()
    good, _ = load_mask(record, registry=registry)
    np.testing.assert_array_equal(good, own_mask(winner, 0))


def test_sweeps_beside_registrations_take_no_object_away(registry):
    """Contents that come, are deleted, are swept at once, and come again."""
    register_mask("d", "m", own_mask(0, 0), registry=registry)
    stop = threading.Event()
    failures: list[BaseException] = []

    def sweep_all_the_time() -> None:
        try:
            while not stop.is_set():
                sweep(registry, older_than_hours=-1)
        except BaseException as error:
            failures.append(error)

    sweeper = threading.Thread(target=sweep_all_the_time)
    sweeper.start()
    try:
        for turn in range(30):
            register_mask("d", "other", own_mask(1, turn % 3), registry=registry)
            if turn % 2:
                delete_mask("d", "other", registry=registry)
    finally:
        stop.set()
        sweeper.join(60)
    assert not failures
    assert verify(registry).problems == []
    for record in find(kind="mask", registry=registry):
        load_mask(record, registry=registry)
