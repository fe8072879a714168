"""docs/saxswaxs.md: every configuration that it shows is valid, every command that it names exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scatterflow.config.load import validate

GUIDE = Path(__file__).resolve().parents[1] / "docs/saxswaxs.md"
TEXT = GUIDE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
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
            }
        },
        "detectors": {
            "saxs": {"shape": [20, 30], "geometry": GEOMETRY},
            "waxs": {"shape": [10, 10], "geometry": GEOMETRY},
        },
    }


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_configuration_plans(block, tmp_path):
    from scatterflow.plan.build import build_plan

    data = base() | yaml.safe_load(block)
    validate(data, "the guide")
    rows = ["run\treduction\tsource\traw\tframes\tbackground"]
    rows += ["a\tswaxs\tspec\ts::1\t5\tb", "b\t\tspec\ts::2\t5\t", "gc_01\t\tspec\ts::3\t5\tb"]
    (tmp_path / "runs.tsv").write_text("\n".join(rows) + "\n")
    plan = build_plan(data | {"runs": str(tmp_path / "runs.tsv")}, "the guide")
    assert ("a", "swaxs") in plan.reductions


def test_blocks_are_found():
    assert len(BLOCKS) == 7


def test_the_commands_that_the_guide_names_exist():
    from scatterflow.__main__ import _parser

    told = re.findall(r"python scripts/scatterflow ([\w-]+)", TEXT)
    assert told
    actions = _parser()._subparsers._group_actions  # type: ignore[union-attr]
    assert set(told) <= set(actions[0].choices)  # type: ignore[arg-type]


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    assert all((GUIDE.parent / link).is_file() for link in links)
