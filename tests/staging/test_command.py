"""`scatterflow manifest`, `stage` and `deliver`, as a user calls them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scatterflow.__main__ import main

CONFIGURATION = {
    "experiment": {"title": "Test", "facility": "Lab", "beamline": "B1"},
    "sources": {"frames": {"format": "hdf5", "frames": {"area": "data"}}},
    "detectors": {"area": {"shape": [4, 4], "geometry": "area.poni"}},
    "reductions": {
        "x": {"technique": "saxswaxs", "integrations": {"mean": {"kind": "azimuthal", "bins": 4}}}
    },
}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def configure(project: Path, **staging: str) -> None:
    (project / "config").mkdir(exist_ok=True)
    text = yaml.safe_dump({**CONFIGURATION, "staging": staging})
    (project / "config" / "config.yaml").write_text(text)


def test_raw_data_comes_and_results_go(project, tmp_path, capsys):
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "run1.h5").write_bytes(b"frames")
    assert main(["manifest", str(archive)]) == 0
    configure(project, raw=str(archive), results=str(tmp_path / "returned"))
    assert main(["stage"]) == 0
    assert (project / "raw" / "run1.h5").read_bytes() == b"frames"
    assert main(["stage", "run1*", "--again"]) == 0
    assert "0 files fetched" in capsys.readouterr().out
    (project / "results" / "run1").mkdir(parents=True)
    (project / "results" / "run1" / "result.nxs").write_bytes(b"numbers")
    assert main(["deliver"]) == 0
    assert (tmp_path / "returned" / "run1" / "result.nxs").read_bytes() == b"numbers"
    assert "1 files returned" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "staging", "said"),
    [
        (["stage"], {}, "staging.raw"),
        (["deliver"], {}, "staging.results"),
        (["stage"], {"raw": "ftp://host/raw"}, "sftp://"),
        (["stage"], {"raw": "/nowhere"}, "MANIFEST.tsv"),
        (["deliver"], {"results": "/nowhere"}, "run the workflow first"),
        (["manifest", "nowhere"], {}, "no folder"),
    ],
)
def test_mistakes_are_told_in_three_lines(project, capsys, command, staging, said):
    configure(project, **staging)
    assert main(command) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.strip().splitlines()) == 3
