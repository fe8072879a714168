"""A registry in a folder, served by Tiled; masks to and from other servers."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.registry import (
    delete_mask,
    find,
    get_mask,
    get_masks,
    load_mask,
    register_mask,
)
from scatterflow.registry.copying import copy_version
from scatterflow.registry.store import FileRegistry

from .conftest import KEY, SCRIPTS, SHAPE, some_mask

pytest.importorskip("tiled.client", reason="Tiled is not installed")

from scatterflow.registry.tiled_store import connect, fetch_foreign, key_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("key")]


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
