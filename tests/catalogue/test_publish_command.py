"""`scatterflow publish` as a user calls it, and what it says of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from scatterflow.__main__ import main
from scatterflow.config.load import read_yaml, validate
from scatterflow.plan.build import build_plan
from scatterflow.plan.catalogue import configuration_sha256, description
from scatterflow.plan.targets import delivered

from .example_records import write_result
from .published import SECRET, good_record, published
from .test_publish_globus import TARGET

GUIDE = Path(__file__).resolve().parents[2] / "docs/publishing.md"


def project(folder: Path, publication: dict, *runs: str) -> None:
    """A project that plans the runs given, with one detector."""
    (folder / "config").mkdir()
    geometry = {"distance_m": 0.2, "poni1_m": 0, "poni2_m": 0, "wavelength_m": 1e-10}
    configuration = {
        "experiment": {"title": "t", "facility": "f", "beamline": "b"},
        "sources": {"tiff": {"format": "images", "frames": {"saxs": "{raw}_{frame:03d}.tif"}}},
        "detectors": {
            "saxs": {
                "shape": [20, 30],
                "geometry": {**geometry, "pixel1_m": 1e-4, "pixel2_m": 1e-4},
            }
        },
        "reductions": {
            "swaxs": {
                "technique": "saxswaxs",
                "integrations": {"azimuthal": {"kind": "azimuthal", "bins": 100}},
            }
        },
        "publication": publication,
    }
    (folder / "config/config.yaml").write_text(yaml.safe_dump(configuration))
    rows = [f"{run}\tswaxs\ttiff\t{run}\t5" for run in runs]
    table = ["run\treduction\tsource\traw\tframes", *rows]
    (folder / "config/runs.tsv").write_text("\n".join(table) + "\n")


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    project(tmp_path, {"licence": "CC-BY-4.0", "globus": TARGET}, "run_0000")
    return tmp_path


def test_those_that_may_are_published_and_the_others_are_told(place, capsys):
    for number in (0, 1, 4):
        write_result(place / "results", good_record(number))
    assert main(["publish", "globus", "--all"]) == 1
    said = capsys.readouterr()
    assert "photons_per_bin" in said.err
    assert "quality.json" in said.err
    assert "Traceback" not in said.err
    document = json.loads(Path("results/catalogue/globus-search.json").read_text())
    subjects = [entry["subject"] for entry in document["ingest_data"]["gmeta"]]
    assert [subject.split("/")[-3] for subject in subjects] == ["run_0000", "run_0001"]
    assert all(subject in said.out for subject in subjects)
    assert main(["publish", "globus", "run_0000/swaxs", "--output", "one.json"]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["globus"], "no result is named"),
        (["globus", "--all"], "no result has a record"),
        (["globus", "../x/y"], "cannot be a name"),
        (["globus", "run_9/swaxs"], "no record"),
        (["tiled", "run_0000/swaxs"], "publication.tiled"),
        (["scicat", "run_0000/swaxs"], "publication.scicat"),
    ],
)
def test_mistakes_end_in_three_lines(place, capsys, arguments, told):
    assert main(["publish", *arguments]) == 1
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 3
    assert not Path("results/catalogue/globus-search.json").exists()


def used_configuration(run: str) -> str:
    plan = build_plan(read_yaml("config/config.yaml"), "config/config.yaml")
    return {each.row.run: configuration_sha256(each) for each in delivered(plan).values()}[run]


def test_a_crate_holds_the_configuration_that_was_used(place, capsys):
    pytest.importorskip("rocrate", reason="rocrate is not installed")
    record = good_record(0)
    record["processing"]["configuration_sha256"] = used_configuration("run_0000")
    published(place, record)
    assert main(["publish", "rocrate", "run_0000/swaxs"]) == 0
    said = capsys.readouterr()
    assert "run_0000/swaxs: written results/run_0000/swaxs/ro-crate.zip" in said.out
    assert "by a commit that is not known" in said.err
    assert main(["publish", "rocrate", "run_0000/swaxs"]) == 0
    assert "unchanged" in capsys.readouterr().out
    config = Path("config/config.yaml")
    config.write_text(config.read_text().replace("bins: 100", "bins: 101"))
    assert main(["publish", "rocrate", "run_0000/swaxs"]) == 1
    assert "no longer the one that made" in capsys.readouterr().err


def test_where_to_publish_to_is_no_part_of_the_record(place):
    def described(publication: dict) -> list[dict]:
        data = {**read_yaml("config/config.yaml"), "publication": publication}
        plan = build_plan(data, "test")
        return [description(plan, planned) for planned in delivered(plan).values()]

    without = described({"licence": "CC-BY-4.0"})
    assert without == described({"licence": "CC-BY-4.0", "globus": TARGET})
    assert without != described({"licence": "CC0-1.0"})


@pytest.mark.parametrize(
    "publication",
    [
        {"tiled": {"address": f"https://host/api/v1?api_key={SECRET}"}},
        {"tiled": {"address": f"https://me:{SECRET}@host/api/v1"}},
        {"tiled": {"address": "https://host/api/v1", "api_key": SECRET}},
        {"scicat": {"address": "https://host/api/v3", "token": SECRET}},
    ],
)
def test_keys_in_the_configuration_are_refused_and_not_repeated(
    tmp_path, monkeypatch, capsys, publication
):
    monkeypatch.chdir(tmp_path)
    project(tmp_path, publication, "run_0000")
    assert main(["publish", "tiled", "run_0000/swaxs"]) == 1
    said = capsys.readouterr()
    assert SECRET not in said.err + said.out


def test_the_configuration_of_the_guide_is_valid():
    import re

    blocks = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (block,) = [yaml.safe_load(block) for block in blocks if "publication:" in block]
    configuration = {
        "experiment": {"title": "t", "facility": "f", "beamline": "b"},
        "sources": {"tiff": {"format": "images", "frames": {"saxs": "{raw}_{frame:03d}.tif"}}},
        "detectors": {"saxs": {"shape": [20, 30], "geometry": "a.poni"}},
        "reductions": {
            "x": {"technique": "saxswaxs", "integrations": {"a": {"kind": "azimuthal", "bins": 9}}}
        },
    }
    found = validate(configuration | block, "the guide").publication
    assert found.tiled
    assert found.globus
    assert found.scicat


@pytest.mark.parametrize("target", ["rocrate", "scicat"])
def test_a_package_that_is_not_installed_is_named(place, capsys, monkeypatch, target):
    import sys

    from scatterflow.catalogue import publish_rocrate, publish_scicat

    called = {"rocrate": publish_rocrate._rocrate, "scicat": publish_scicat._scitacean}[target]
    package = {"rocrate": "rocrate.rocrate", "scicat": "scitacean"}[target]
    monkeypatch.setitem(sys.modules, package, None)
    from scatterflow.errors import UserError

    with pytest.raises(UserError, match="not installed") as caught:
        called()
    assert "pip install" in caught.value.how
