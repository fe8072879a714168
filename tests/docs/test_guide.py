"""The guides: every configuration that they show is valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scatterflow.config.load import validate

DOCS = Path(__file__).resolve().parents[2] / "docs"
SAXSWAXS, XPCS, SHOTS = (DOCS / f"{name}.md" for name in ("saxswaxs", "xpcs", "shots"))


def blocks(guide: Path) -> list[str]:
    text = guide.read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


GEOMETRY = {
    "distance_m": 0.2,
    "poni1_m": 0.001,
    "poni2_m": 0.001,
    "wavelength_m": 1e-10,
    "pixel1_m": 1e-4,
    "pixel2_m": 1e-4,
}
SCALARS = ("i0", "diode", "seconds", "samx", "samz")


def base() -> dict[str, Any]:
    """The rest of a configuration, for the parts that the guide shows."""
    return {
        "experiment": {"title": "t", "facility": "f", "beamline": "b"},
        "sources": {
            "spec": {
                "format": "spec",
                "frames": {"saxs": "PIL5", "waxs": "PIL9"},
                "scalars": {name: {"type": "scan_column", "name": name} for name in SCALARS},
            },
            "events": {
                "format": "imm",
                "frames": {"area": "{raw}.imm"},
                "metadata": "{raw}_metadata.hdf",
            },
        },
        "detectors": {
            "saxs": {"shape": [20, 30], "geometry": GEOMETRY},
            "waxs": {"shape": [10, 10], "geometry": GEOMETRY},
            "area": {"shape": [200, 200], "geometry": GEOMETRY},
        },
    }


def planned(block: str, rows: list[str], tmp_path: Path):
    from scatterflow.plan.build import build_plan

    data = base() | yaml.safe_load(block)
    validate(data, "the guide")
    table = ["run\treduction\tsource\traw\tframes\tbackground", *rows]
    (tmp_path / "runs.tsv").write_text("\n".join(table) + "\n")
    return build_plan(data | {"runs": str(tmp_path / "runs.tsv")}, "the guide")


@pytest.mark.parametrize("block", blocks(SAXSWAXS), ids=range(len(blocks(SAXSWAXS))))
def test_every_configuration_of_saxswaxs_plans(block, tmp_path):
    rows = ["a\tswaxs\tspec\ts::1\t5\tb"]
    rows += ["b\t\tspec\ts::2\t5\t", "gc_01\t\tspec\ts::3\t5\tb"]
    assert ("a", "swaxs") in planned(block, rows, tmp_path).reductions


@pytest.mark.parametrize("block", blocks(XPCS), ids=range(len(blocks(XPCS))))
def test_every_configuration_of_xpcs_plans(block, tmp_path):
    found = planned(block, ["a\tdynamics\tevents\tgel\t1000\t"], tmp_path)
    assert ("a", "dynamics") in found.xpcs


@pytest.mark.parametrize("block", blocks(SHOTS), ids=range(len(blocks(SHOTS))))
def test_every_configuration_of_shots_plans(block, tmp_path):
    told = yaml.safe_load(block)
    (source,), (reduction,) = told["sources"], told["reductions"]
    rows = [f"dark\t\t{source}\t6\t100\t", f"1020\t{reduction}\t{source}\t7\t100\t"]
    assert ("1020", reduction) in planned(block, rows, tmp_path).shots


def test_blocks_are_found():
    assert [len(blocks(guide)) for guide in (SAXSWAXS, XPCS, SHOTS)] == [7, 1, 6]
