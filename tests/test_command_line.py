"""`python scripts/scatterflow COMMAND`, as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
GEOMETRY = {
    "distance_m": 0.2,
    "poni1_m": 0.001,
    "poni2_m": 0.001,
    "wavelength_m": 1e-10,
    "pixel1_m": 1e-4,
    "pixel2_m": 1e-4,
}


@pytest.fixture
def project(tmp_path):
    """A folder with a configuration and two runs."""
    configuration = {
        "experiment": {"title": "t", "facility": "f", "beamline": "b"},
        "sources": {"tiff": {"format": "images", "frames": {"saxs": "{raw}_{frame:03d}.tif"}}},
        "detectors": {"saxs": {"shape": [20, 30], "geometry": GEOMETRY}},
        "reductions": {
            "swaxs": {
                "technique": "saxswaxs",
                "integrations": {"azimuthal": {"kind": "azimuthal", "bins": 100}},
            }
        },
        "chunks": {"frames": 10},
    }
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(configuration))
    (tmp_path / "config" / "runs.tsv").write_text(
        "run\treduction\tsource\traw\tframes\na\tswaxs\ttiff\ta\t25\nb\tswaxs\ttiff\tb\t7\n"
    )
    return tmp_path


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, str(SCRIPTS / "scatterflow"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )


def refused(folder: Path, *arguments: str) -> str:
    done = call(folder, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert "\nwhere: " in done.stderr
    return done.stderr


def test_the_plan_is_printed_and_nothing_is_run(project):
    before = sorted(project.rglob("*"))
    done = call(project, "plan")
    assert done.returncode == 0, done.stderr
    jobs = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()[1:-1]}
    assert jobs["integrate_chunk"] == "4"
    assert jobs["assemble_result"] == "2"
    assert sorted(project.rglob("*")) == before


def test_the_plan_for_programs_has_the_same_numbers(project):
    costs = json.loads(call(project, "plan", "--json").stdout)
    (chunks,) = [cost for cost in costs if cost["rule"] == "integrate_chunk"]
    assert chunks["jobs"] == 4
    assert chunks["read_bytes"] == 32 * 600 * 4
    assert chunks["rate"]["jobs"] == 0


def test_another_configuration_is_read_when_named(project):
    (project / "config" / "config.yaml").rename(project / "other.yaml")
    assert call(project, "plan", "--configfile", "other.yaml").returncode == 0
    assert "config/config.yaml" in refused(project, "plan")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("detectors:", "detetcors:", "did you mean 'detectors'?"),
        ("bins: 100", "bins: many", "must be a whole number"),
        ("kind: azimuthal", "kind: azimutal", "did you mean 'azimuthal'?"),
        ("title: t", "title: [", "not valid YAML"),
        ("title: t", "title: !!python/object/apply:os.system [exit]", "not valid YAML"),
        ("title: t", "title: t\n  title: u", "given twice"),
        ("  saxs:", "  ../x:", "cannot be a name"),
    ],
)
def test_a_wrong_configuration_is_one_message(project, old, new, message):
    path = project / "config" / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert message in refused(project, "plan")
    assert "config/config.yaml" in refused(project, "plan")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a\tswaxs\ttiff\tx\t3\n", "stands twice"),
        ("../../x\tswaxs\ttiff\tx\t3\n", "cannot be a name"),
        ("/abs\tswaxs\ttiff\tx\t3\n", "cannot be a name"),
        ("x" * 300 + "\tswaxs\ttiff\tx\t3\n", "cannot be a name"),
        ('"x\n', "cannot be read"),
        ("c\tswaxs\ttiff\tx\t0\n", "frames"),
        ("c\tswax\ttiff\tx\t3\n", "did you mean 'swaxs'?"),
        ("c\tswaxs\ttif\tx\t3\n", "did you mean 'tiff'?"),
    ],
)
def test_a_wrong_run_table_is_one_message(project, row, message):
    with open(project / "config" / "runs.tsv", "a") as stream:
        stream.write(row)
    assert message in refused(project, "plan")


def test_an_unknown_command_lists_the_known_ones(project):
    done = call(project, "paln")
    assert done.returncode == 2
    for command in ("plan", "discover", "schema", "keys"):
        assert command in done.stderr
    assert "Traceback" not in done.stderr


def test_help_is_printed(project):
    done = call(project, "--help")
    assert done.returncode == 0
    assert "plan" in done.stdout


def test_a_reader_that_has_seen_enough_is_no_error(project):
    command = f"{sys.executable} {SCRIPTS / 'scatterflow'} keys | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=project)
    assert done.stdout == "### Top level\n"
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr


def test_the_reference_is_renewed_between_its_markers(project):
    path = project / "README.md"
    path.write_text("before\n<!-- keys: begin -->\nold\n<!-- keys: end -->\nafter\n")
    assert call(project, "keys", "--write", "README.md").returncode == 0
    text = path.read_text()
    assert text.startswith("before\n<!-- keys: begin -->\n### Top level\n")
    assert text.endswith("<!-- keys: end -->\nafter\n")
    assert "old" not in text.split("###")[0]
    assert "file not found" in refused(project, "keys", "--write", "missing.md")


def test_runs_are_discovered_into_the_run_table(project):
    import fabio.tifimage
    import numpy as np

    (project / "raw").mkdir()
    for frame in range(3):
        image = fabio.tifimage.TifImage(data=np.zeros((20, 30), dtype=np.int32))
        image.write(str(project / "raw" / f"c_{frame:03d}.tif"))
    done = call(project, "discover", "--reduction", "swaxs")
    assert done.returncode == 0, done.stderr
    rows = (project / "config" / "runs.tsv").read_text().splitlines()
    assert rows[-1].split("\t")[:5] == ["c", "swaxs", "tiff", "c", "3"]
    assert len(rows) == 4
    again = call(project, "discover")
    assert again.returncode == 0
    assert (project / "config" / "runs.tsv").read_text().splitlines() == rows


def test_discovery_without_a_raw_folder_is_one_message(project):
    assert "raw folder does not exist" in refused(project, "discover")
