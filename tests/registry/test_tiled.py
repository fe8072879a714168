"""The registry in a Tiled database and served by a Tiled server: real servers on this machine.

PostgreSQL is the system's own, started for the test in a temporary folder; without it those tests are
skipped. Starting a server takes some seconds, so tests share them.
"""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
from scatterflow.registry.copying import copy_version
from scatterflow.registry.records import to_text
from scatterflow.registry.store import FileRegistry

from .conftest import SHAPE, answers_of, some_mask

pytest.importorskip("tiled.client", reason="Tiled is not installed")

from scatterflow.registry.tiled_store import TiledRegistry, connect, fetch_foreign, key_of

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
KEY = "secretkey"
CONTEXT = multiprocessing.get_context("spawn")
pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Start Tiled servers; returns their address when they answer. They end with the module."""
    import httpx

    servers = {}

    def stop(address: str) -> None:
        servers[address].terminate()
        servers[address].wait(60)

    def start(*arguments: str) -> str:
        port = free_port()
        log = tmp_path_factory.mktemp("tiled") / "log"
        with log.open("w") as stream:
            server = subprocess.Popen(
                [sys.executable, "-m", "tiled", "serve", *arguments, "--port", str(port)],
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={
                    **os.environ,
                    "PYTHONPATH": str(SCRIPTS),
                    "TILED_SINGLE_USER_API_KEY": KEY,
                },
            )
        address = f"http://127.0.0.1:{port}/api/v1/"
        servers[address] = server
        for _ in range(1200):
            assert server.poll() is None, log.read_text()
            try:
                httpx.get(address, timeout=5).raise_for_status()
                return address
            except httpx.HTTPError:
                time.sleep(0.25)
        raise AssertionError(log.read_text())

    start.stop = stop
    yield start
    for server in servers.values():
        server.terminate()
    for server in servers.values():
        server.wait(60)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TILED_API_KEY", KEY)


@pytest.fixture(scope="module")
def sqlite(serve, tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    return serve("catalog", f"{folder}/catalogue.db", "--init", "-w", str(folder / "data"))


@pytest.fixture(scope="module")
def postgresql(serve, tmp_path_factory):
    """A catalogue in the system's PostgreSQL, run by an account that is not root."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates += [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    needed = ("initdb", "postgres", "createdb")
    programs = [f for f in candidates if all((f / name).exists() for name in needed)]
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    # Not in pytest's folder: no other account may look into that.
    folder = Path(tempfile.mkdtemp(prefix="scatterflow-postgresql-"))
    account = {}
    if os.getuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        account = {"user": "postgres" if "postgres" in names else "nobody"}
        shutil.chown(folder, account["user"])
    port = free_port()
    data = str(folder / "data")
    options = {"cwd": folder, "capture_output": True, "text": True, **account}
    made = subprocess.run(
        [programs[0] / "initdb", "-D", data, "-A", "trust", "-U", "scatterflow"], **options
    )
    assert made.returncode == 0, made.stderr
    database = subprocess.Popen(
        [programs[0] / "postgres", "-D", data, "-p", str(port), "-k", str(folder)]
        + ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account,
    )
    ask = [programs[0] / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "scatterflow"]
    ask.append("masks")
    try:
        for _ in range(240):
            if (made := subprocess.run(ask, **options)).returncode == 0:
                break
            time.sleep(0.25)
        assert made.returncode == 0, made.stderr
        uri = f"postgresql+asyncpg://scatterflow@127.0.0.1:{port}/masks"
        yield serve("catalog", uri, "--init", "-w", str(tmp_path_factory.mktemp("files")))
    finally:
        database.send_signal(signal.SIGINT)  # ends its connections, too
        database.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def container(address, request):
    """A container of the test's own: its registry, and the address for other processes."""
    client = connect(address).client
    name = request.node.name.replace("[", "-").replace("]", "")
    client.create_container(name)
    return TiledRegistry(client[name])


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
    """Two processes 100 times, eight 15 times, as a round of eight takes the server a quarter of a second to
    sort out; SCATTERFLOW_RACES=100 lets each process register 100 times."""
    rounds = int(os.environ.get("SCATTERFLOW_RACES", 100 if processes == 2 else 15))
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


# --- a folder, served; import and publish --------------------------------------------------------------


@pytest.fixture(scope="module")
def served(serve, tmp_path_factory):
    """A registry in a folder, and the address of a server that shows it, configured as ours."""
    import yaml

    folder = tmp_path_factory.mktemp("served")
    registry = FileRegistry(folder / "registry")
    register_mask("d", "stop", some_mask(), registry=registry, sample="water", comment="drawn")
    reasons = np.where(some_mask(1), 0, 1 << 4).astype(np.uint32)
    reasons[3, 8] |= 1 << 8
    register_mask("d", "hot", some_mask(1), reasons=reasons, registry=registry, sample="oil")
    settings = yaml.safe_load((SCRIPTS.parent / "config/tiled.yaml").read_text())
    assert settings["expose_raw_assets"] is False
    assert settings["uvicorn"]["host"] == "127.0.0.1"
    settings["trees"][0]["args"]["registry"] = str(registry.root)
    (folder / "tiled.yaml").write_text(yaml.safe_dump(settings))
    return registry, serve("config", str(folder / "tiled.yaml"))


def test_a_served_folder_is_read_and_searched_with_tiled_alone(served):
    from tiled.client import from_uri
    from tiled.queries import FullText, Key

    _, address = served
    client = from_uri(address)
    (key,) = list(client.search(Key("name") == "stop"))
    np.testing.assert_array_equal(client[key].read(), some_mask())
    assert client[key].metadata["metadata"] == {"sample": "water"}
    assert [spec.name for spec in client[key].specs] == ["mask"]
    assert len(client.search(Key("spec") == "mask")) == 2
    assert len(client.search(Key("metadata.sample") == "oil")) == 1
    assert len(client.search(FullText("drawn"))) == 1


def test_a_served_folder_is_read_only_and_needs_the_key(served, good, monkeypatch):
    import httpx

    registry, address = served
    with pytest.raises(UserError, match="Tiled server refused"):
        register_mask("d", "new", good, registry=connect(address))
    assert len(registry.history()) == 2
    node = key_of(registry.history()[-1])
    key = {"Authorization": f"Apikey {KEY}"}
    for path in ("metadata/", "search/", f"metadata/{node}", f"array/full/{node}?format=text/csv"):
        assert httpx.get(address + path).status_code == 401
        assert httpx.get(address + path, headers=key).status_code == 200
    for path in (f"asset/bytes/{node}?id=1", f"asset/manifest/{node}?id=1"):
        assert httpx.get(address + path, headers=key).status_code == 403
    assert httpx.delete(f"{address}metadata/{node}", headers=key).status_code == 405
    assert httpx.put(f"{address}array/full/{node}", headers=key, content=b"x").status_code == 405
    monkeypatch.setenv("TILED_API_KEY", "wrong")
    with pytest.raises(UserError, match="does not answer"):
        connect(address)


def test_a_served_folder_shows_what_is_registered_later(served):
    registry, address = served
    remote = connect(address)
    before = len(get_masks(registry=remote))
    register_mask("d", "later", some_mask(5), registry=registry)
    assert len(get_masks(registry=remote)) == before + 1
    np.testing.assert_array_equal(get_mask("d", "later", registry=remote).compute(), some_mask(5))
    delete_mask("d", "later", registry=registry)
    assert len(get_masks(registry=remote)) == before


def test_import_from_and_publish_to_a_server(served, container, tmp_path):
    registry, address = served
    mine = FileRegistry(tmp_path / "mine")
    copy = copy_version(connect(address), mine, "d", "hot")
    original = find("d", "hot", registry=registry)[0]
    assert copy.sha256 == original.sha256
    assert copy.source["copy_of"]["uid"] == original.uid
    np.testing.assert_array_equal(
        load_mask(copy, registry=mine)[1], load_mask(original, registry=registry)[1]
    )
    published = copy_version(mine, container, "d", "hot")
    assert published.sha256 == original.sha256
    assert copy_version(mine, container, "d", "hot").uid == published.uid
    np.testing.assert_array_equal(get_mask("d", "hot", registry=container).compute(), some_mask(1))


def test_masks_that_another_program_keeps_in_tiled(container, good, tmp_path):
    """The convention of CHX: arrays with detector, name and version in their metadata."""
    for version, mask in enumerate((good, some_mask(1))):
        container.client.write_array(
            mask,
            metadata={
                "spec": "mask",
                "detector": "eiger1m",
                "name": "m",
                "version": version,
                "x": 7,
            },
            specs=["mask"],
        )
    mine = FileRegistry(tmp_path / "mine")
    record = fetch_foreign(container, mine, "eiger1m", "m")
    np.testing.assert_array_equal(load_mask(record, registry=mine)[0], some_mask(1))
    assert record.source["copy_of"]["metadata"] == {"x": 7}
    older = fetch_foreign(container, mine, "eiger1m", "m", version=0)
    np.testing.assert_array_equal(load_mask(older, registry=mine)[0], good)
    # A node whose data never arrived reads as all masked: refused.
    container.client.write_array(
        np.zeros(SHAPE, bool),
        metadata={"spec": "mask", "detector": "eiger1m", "name": "lost", "version": 0},
    )
    with pytest.raises(UserError, match="no good pixel"):
        fetch_foreign(container, mine, "eiger1m", "lost")


def test_a_key_in_an_address_is_refused(sqlite):
    with pytest.raises(UserError, match="holds a key") as caught:
        connect(f"{sqlite}?api_key={KEY}")
    assert KEY not in str(caught.value)
