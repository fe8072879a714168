"""Results in a real Tiled server, configured as docs/publishing.md says."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from scatterflow.errors import UserError

from ..registry.conftest import KEY, key, serve  # noqa: F401
from .example_records import write_results
from .published import described_again, good_record, published

pytest.importorskip("tiled.client", reason="Tiled is not installed")

from tiled.queries import Key

from scatterflow.catalogue import publish_tiled
from scatterflow.catalogue.publish import publication

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("key")]
GUIDE = Path(__file__).resolve().parents[2] / "docs/publishing.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that the server may read."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def address(serve, folder) -> str:  # noqa: F811
    blocks = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    settings = next(yaml.safe_load(block) for block in blocks if "trees:" in block)
    settings["trees"][0]["args"] |= {
        "uri": f"sqlite:///{folder}/catalogue.db",
        "writable_storage": str(folder / "data"),
        "readable_storage": [str(folder)],
    }
    (folder / "tiled.yaml").write_text(yaml.safe_dump(settings))
    return serve("config", str(folder / "tiled.yaml"))


@pytest.fixture
def place(address, folder, key, request):  # noqa: F811
    """A container and a folder of the test's own."""
    client = publish_tiled.connect(address)
    client.create_container(request.node.name)
    own = folder / request.node.name
    own.mkdir()
    return publish_tiled.connect(f"{address}metadata/{request.node.name}"), own


def test_arrays_are_read_below_a_node_with_the_record(place):
    container, folder = place
    result = published(folder)
    assert publish_tiled.publish(container, result) == "registered"
    node = container["run_0001~dynamics"]
    assert {name: node.metadata[name] for name in result.record} == result.record
    assert set(node) == {"result.nxs", "analysis.nxs", "run_0001_results.hdf"}
    with h5py.File(result.folder / "result.nxs") as file:
        g2 = file["entry/data/g2"][()]
    np.testing.assert_array_equal(node["result.nxs"]["entry"]["data"]["g2"].read(), g2)


def test_results_are_found_and_counted(place):
    container, folder = place
    records = [r for r in write_results(folder / "results", 8) if r["quality"]["verdict"] != "fail"]
    for record in records:
        publish_tiled.publish(container, publication(folder / "results", record["id"]))
    for technique in ("xpcs", "saxswaxs", "shots"):
        found = container.search(Key("technique.name") == technique)
        assert {node.metadata["id"] for node in found.values()} == {
            record["id"] for record in records if record["technique"]["name"] == technique
        }
    hard = container.search(Key("energy.value") > 9.5)
    assert len(hard) == sum(record["energy"]["value"] > 9.5 for record in records)
    counted = container.distinct("sample", counts=True)["metadata"]["sample"]
    samples = [record["sample"] for record in records]  # one without
    assert {item["value"]: item["count"] for item in counted} == {
        sample: samples.count(sample) for sample in samples
    }


def test_the_same_record_again_changes_nothing(place):
    container, folder = place
    result = published(folder)
    publish_tiled.publish(container, result)
    before = container["run_0001~dynamics"].item
    assert publish_tiled.publish(container, result) == "unchanged"
    after = container["run_0001~dynamics"]
    assert after.item["attributes"] == before["attributes"]
    assert len(after.metadata_revisions[:]) == 0


def test_a_changed_record_and_a_changed_file_are_brought_up_to_date(place):
    container, folder = place
    result = published(folder)
    publish_tiled.publish(container, result)
    record = {**result.record, "sample": "another", "energy": None}
    with h5py.File(result.folder / "result.nxs", "a") as file:
        del file["entry/data/g2"]
        file["entry/data/g2"] = np.zeros((2, 5))
    (result.folder / "analysis.nxs").unlink()
    record["files"] = [file for file in record["files"] if file["path"] != "analysis.nxs"]
    changed = described_again(folder, record)
    assert publish_tiled.publish(container, changed) == "updated"
    node = container["run_0001~dynamics"]
    assert (node.metadata["sample"], node.metadata["energy"]) == ("another", None)
    assert "analysis.nxs" not in node
    assert node["result.nxs"]["entry"]["data"]["g2"].read().shape == (2, 5)
    assert publish_tiled.publish(container, changed) == "unchanged"
    assert len(container) == 1


def test_a_publication_that_was_killed_is_completed(place, monkeypatch):
    container, folder = place
    result = published(folder)
    register = publish_tiled._register

    def killed(*arguments):
        register(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(publish_tiled, "_register", killed)
    with pytest.raises(KeyboardInterrupt):
        publish_tiled.publish(container, result)
    node = container["run_0001~dynamics"]
    assert node.metadata["state"] == "writing"
    assert "technique" not in node.metadata
    monkeypatch.undo()
    assert publish_tiled.publish(container, result) == "updated"
    assert container["run_0001~dynamics"].metadata["state"] == "complete"
    assert publish_tiled.publish(container, result) == "unchanged"


def test_a_file_with_a_second_name_is_registered_once(place):
    container, folder = place
    result = published(folder)
    second = result.folder / "run_0001_results.hdf"
    second.unlink()
    second.hardlink_to(result.folder / "result.nxs")
    publish_tiled.publish(container, described_again(folder, result.record))
    assert set(container["run_0001~dynamics"]) == {"result.nxs", "analysis.nxs"}


def test_results_that_moved_are_registered_where_they_are(place):
    container, folder = place
    result = published(folder / "old")
    publish_tiled.publish(container, result)
    (folder / "old").rename(folder / "new")
    moved = publication(folder / "new" / "results", result.name)
    assert publish_tiled.publish(container, moved) == "updated"
    g2 = container["run_0001~dynamics"]["result.nxs"]["entry"]["data"]["g2"]
    assert g2.read().shape == (3, 40)


def test_another_thing_of_that_name_is_left_alone(place):
    container, folder = place
    container.create_container("run_0001~dynamics", metadata={"mine": 1})
    with pytest.raises(UserError, match="another thing has the key"):
        publish_tiled.publish(container, published(folder))
    assert dict(container["run_0001~dynamics"].metadata) == {"mine": 1}


def test_files_outside_of_what_the_server_may_read_are_refused(place, tmp_path):
    container, _ = place
    with pytest.raises(UserError, match="cannot read the file") as caught:
        publish_tiled.publish(container, published(tmp_path))
    assert "readable_storage" in str(caught.value)
    assert container["run_0001~dynamics"].metadata["state"] == "writing"


def test_a_server_as_the_guide_says_gives_nothing_away(place, address):
    import httpx

    container, folder = place
    publish_tiled.publish(container, published(folder))
    node = f"{folder.name}/run_0001~dynamics"
    with_key = {"Authorization": f"Apikey {KEY}"}
    for path in (f"metadata/{node}", f"search/{node}", f"metadata/{node}/result.nxs"):
        assert httpx.get(address + path).status_code == 401
        assert httpx.get(address + path, headers=with_key).status_code == 200
    for path in (f"asset/bytes/{node}/result.nxs?id=1", f"asset/manifest/{node}/result.nxs?id=1"):
        assert httpx.get(address + path, headers=with_key).status_code == 403
    # What a reader of metadata sees tells no folder of this computer.
    for found in (container["run_0001~dynamics"], container["run_0001~dynamics"]["result.nxs"]):
        assert str(folder) not in str(dict(found.metadata))


def test_a_key_in_the_address_and_a_wrong_key_are_refused(address, monkeypatch):
    with pytest.raises(UserError, match="holds a key") as caught:
        publish_tiled.connect(f"{address}?api_key={KEY}")
    assert KEY not in str(caught.value)
    monkeypatch.setenv("TILED_API_KEY", "wrong-key")
    with pytest.raises(UserError, match="does not answer") as caught:
        publish_tiled.connect(address)
    assert "wrong-key" not in str(caught.value)


def test_hostile_text_in_a_record_stays_text(place):
    container, folder = place
    hostile = "x' OR 1=1; -- <script>alert(1)</script> \\u0000 {}"
    publish_tiled.publish(container, published(folder, good_record(sample=hostile)))
    assert container["run_0001~dynamics"].metadata["sample"] == hostile
    assert len(container.search(Key("sample") == hostile)) == 1
