"""Whole CHAP configurations: what is written loads, plans, and means the same."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scatterflow.config.load import read_yaml
from scatterflow.convert.chap import convert_chap, write_converted
from scatterflow.errors import UserError
from scatterflow.plan.build import build_plan

from .conftest import CORRECTIONS, MAP, PYFAI

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def converted(chess, *more: str):
    found = convert_chap([chess.map, chess.pyfai, *more], "new")
    write_converted(found, "new")
    return found


def rows(path: str = "new/runs.tsv") -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_what_is_written_loads_and_plans(chess):
    converted(chess)
    plan = build_plan(read_yaml("new/config.yaml"), "new/config.yaml")
    assert set(plan.reductions) == {("sample_001", "integrated"), ("sample_002", "integrated")}
    planned = plan.find("sample_001", "integrated")
    assert planned.row.frames == 4
    assert planned.row.sample == "water"
    assert planned.row.columns["sample_description"] == "in a capillary"
    assert planned.detectors == ("PIL9",)
    assert planned.configuration.raw == "spec"
    assert planned.configuration.experiment.title == "water_map"
    assert planned.configuration.experiment.beamline == "ID3B"
    detector = planned.configuration.detectors["PIL9"]
    assert detector.shape == (44, 52)
    assert detector.geometry == "geometry.poni"
    assert [mask.path for mask in detector.masks] == ["mask.edf"]


def test_integrations_keep_their_meaning(chess):
    reduction = converted(chess).configuration["reductions"]["integrated"]
    waxs, cake, ring = reduction["integrations"].values()
    assert waxs["kind"] == "azimuthal"
    assert waxs["bins"] == 40
    assert waxs["unit"] == "q_A^-1"
    assert waxs["radial_range"] == [0.3, 2.0]
    assert waxs["split"] == "bbox"
    assert waxs["intensity"] == "per_steradian"
    assert cake["kind"] == "cake"
    assert (cake["azimuthal_bins"], cake["radial_bins"]) == (18, 20)
    assert "azimuth_range" not in waxs
    assert cake["azimuth_range"] == ring["azimuth_range"] == [-180.0, 180.0]
    assert ring["kind"] == "radial"
    assert (ring["bins"], ring["radial_bins"]) == (24, 100)
    assert ring["split"] == "bbox"
    assert "intensity" not in ring
    assert reduction["axis"] == "samx"


def test_scalars_keep_their_meaning(chess):
    source = converted(chess).configuration["sources"]["chess"]
    assert source["format"] == "spec"
    assert source["frames"] == {"PIL9": "PIL9"}
    assert source["scalars"] == {
        "samx": {"type": "spec_motor", "name": "samx", "unit": "mm"},
        "temp": {"type": "scan_column", "name": "temp", "unit": "K"},
        "start": {"type": "scan_start_time", "unit": "s"},
        "presample_intensity": {"type": "scan_column", "name": "ic1", "unit": "counts"},
        "postsample_intensity": {"type": "scan_column", "name": "diode", "unit": "counts"},
        "dwell_time_actual": {"type": "scan_column", "name": "sec", "unit": "s"},
        "ratio": {"type": "expression", "name": "sqrt(temp) / temp"},
    }


def test_corrections_become_a_reduction_with_background_runs(chess):
    chess.write("corrections.yaml", CORRECTIONS)
    found = converted(chess, "corrections.yaml")
    assert list(found.configuration["reductions"]) == ["integrated", "corrected"]
    assert list(found.configuration["reductions"]["corrected"]["integrations"]) == ["waxs"]
    assert found.configuration["reductions"]["corrected"]["corrections"] == {
        "flux": {
            "monitor": "presample_intensity",
            "dwell_time": "dwell_time_actual",
            "reference": 1000.0,
        },
        "absorption": {"monitor": "postsample_intensity"},
        "background": {"frames": "0-2"},
        "thickness": {"cm": 0.1},
    }
    one, two, background = rows()
    assert one["reduction"] == two["reduction"] == "integrated,corrected"
    assert one["background"] == two["background"] == "sample_003"
    assert background["run"] == "sample_003"
    assert background["raw"] == "sample::3"
    assert background["reduction"] == ""
    assert background["background"] == ""
    build_plan(read_yaml("new/config.yaml"), "new/config.yaml")


def test_the_map_and_the_fits_of_the_configuration(chess):
    chess.write(
        "fits.yaml",
        "fits: [{name: peak, input_data_name: corrected, models: [{model: lorentzian}, linear]}]",
    )
    found = converted(chess, "corrections.yaml", "fits.yaml")
    fit = found.configuration["reductions"]["corrected"]["fits"]["peak"]
    assert fit == {
        "integration": "waxs",
        "components": [{"model": "lorentzian"}, {"model": "linear"}],
    }
    assert found.configuration["maps"]["water_map_corrected"] == {
        "runs": "sample_001,sample_002",
        "reduction": "corrected",
        "axes": [{"scalar": "samx"}],
        "quantities": ["total_signal"],
        "profiles": ["waxs"],
    }
    plan = build_plan(read_yaml("new/config.yaml"), "new/config.yaml")
    assert ("sample_003", "corrected") in plan.reductions


def test_a_pipeline_holds_or_reads_it_all(chess, monkeypatch, tmp_path):
    chess.write(
        "pipeline.yaml",
        f"""\
config: {{root: {chess.folder}, inputdir: .}}
setup:
- pipeline.MultiplePipelineItem:
    items:
    - common.YAMLReader: {{filename: map_config.yaml, schema: common.models.map.MapConfig}}
    - common.YAMLReader:
        filename: pyfai_integration_processor_config.yaml
        schema: common.models.integration.PyfaiIntegrationConfig
- saxswaxs.SetupProcessor:
    detectors: [{{id: PIL9, shape: [44, 52]}}]
    correction_config: &corrections
      corrections:
      - {{correction_type: flux, name: flux, input_data_name: [waxs, cake]}}
- common.ZarrWriter: {{filename: data.zarr}}
update:
- saxswaxs.UpdateValuesProcessor:
    spec_file: spec/sample
    scan_number: 1
    idx_slice: {{start: 0, stop: 2}}
    correction_config: *corrections
""",
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    found = convert_chap([chess.folder / "pipeline.yaml"], "new")
    assert [row["raw"] for row in found.rows] == ["spec/sample::1", "spec/sample::2"]
    assert list(found.configuration["reductions"]) == ["integrated", "flux"]
    assert found.configuration["reductions"]["flux"]["corrections"] == {
        "flux": {"monitor": "presample_intensity", "dwell_time": "dwell_time_actual"}
    }
    assert found.configuration["detectors"]["PIL9"]["geometry"] == str(
        chess.folder / "geometry.poni"
    )


def test_scans_that_are_not_there_get_no_row(chess):
    chess.write("map_config.yaml", MAP.replace('"1-2"', '["1", "7-8"]'))
    found = converted(chess)
    assert [row["run"] for row in rows()] == ["sample_001"]
    assert sum("scan 7" in line or "scan 8" in line for line in found.notes.lines()) == 2
    assert "7" not in Path("new/runs.tsv").read_text()


def test_without_the_spec_file_the_run_table_is_empty_and_valid(chess):
    chess.write("map_config.yaml", MAP.replace("spec/sample", "later/sample"))
    found = converted(chess)
    assert rows() == []
    assert build_plan(read_yaml("new/config.yaml"), "new/config.yaml").reductions == {}
    (line,) = [line for line in found.notes.lines() if "discover" in line]
    assert "later/sample" in line


def test_existing_files_are_never_overwritten(chess):
    chess.write("new/runs.tsv", "mine\n")
    with pytest.raises(UserError, match="the file exists"):
        converted(chess)
    assert Path("new/runs.tsv").read_text() == "mine\n"
    assert [path.name for path in Path("new").iterdir()] == ["runs.tsv"]


@pytest.mark.parametrize(
    ("map_text", "pyfai_text", "message"),
    [
        ("- 1\n", PYFAI, "no CHAP configuration"),
        ("spec_scan: []\n", PYFAI, "no CHAP configuration"),
        ("spec_scans: []\n", PYFAI, "there are no scans"),
        ("a: [\n", PYFAI, "not valid YAML"),
        ("a: &x [*x]\n", PYFAI, "not valid YAML"),
        (PYFAI, PYFAI, "no map configuration"),
        (MAP, MAP, "no integrations"),
        (MAP.replace('"1-2"', '"2-1"'), PYFAI, "no scan numbers"),
        (MAP.replace('"1-2"', "[one]"), PYFAI, "no scan numbers"),
        (MAP.replace("  scan_numbers", "  numbers"), PYFAI, "no spec_file or no scan_numbers"),
        (MAP, PYFAI.replace("integrate1d", "integrate_1d"), "integration_method is"),
        (MAP, PYFAI.replace("ais: PIL9", "ais: PIL1"), "there is no detector 'PIL1'"),
        (MAP, PYFAI.replace("geometry.poni", "other.poni"), "geometry file does not exist"),
        (MAP, PYFAI.replace("poni_file: geometry.poni, ", ""), "either poni_file or params"),
        (MAP, PYFAI.replace("name: cake", "name: waxs"), "two integrations are called"),
        (MAP, PYFAI.replace("q_A^-1, radial", "q_A, radial"), "unknown unit"),
    ],
)
def test_what_cannot_be_translated_is_one_message(chess, map_text, pyfai_text, message):
    chess.write("map_config.yaml", map_text)
    chess.write("pyfai_integration_processor_config.yaml", pyfai_text)
    with pytest.raises(UserError, match=message):
        converted(chess)
    assert not Path("new").exists()


def test_the_command_tells_what_changed_and_what_was_lost(chess):
    text = PYFAI.replace("npt: 40,", "npt: 40, polarization_factor: 0.99,")
    chess.write("pyfai_integration_processor_config.yaml", text)
    command = [sys.executable, str(SCRIPTS / "scatterflow")]
    files = [chess.map.name, chess.pyfai.name, "--corrections", "corrections.yaml"]
    done = subprocess.run(
        [*command, "convert-chap", *files, "--output", "new"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["written: new/runs.tsv", "written: new/config.yaml"]
    lines = done.stderr.splitlines()
    assert all(line.startswith(("changed: ", "not translated: ")) for line in lines)
    for text in ("polarization_factor", "sample_thickness_cm", "T = (I1/I0)"):
        assert any(text in line for line in lines), text
    planned = subprocess.run(
        [*command, "plan", "--configfile", "new/config.yaml"], capture_output=True, text=True
    )
    assert planned.returncode == 0, planned.stderr
    assert "assemble_result" in planned.stdout
    again = subprocess.run(
        [*command, "convert-chap", *files, "--output", "new"], capture_output=True, text=True
    )
    assert again.returncode == 1
    assert "the file exists" in again.stderr


def test_nothing_of_a_configuration_is_shared_by_anchors(chess):
    found = converted(chess)
    text = Path("new/config.yaml").read_text()
    assert "&id" not in text
    assert yaml.safe_load(text) == found.configuration
