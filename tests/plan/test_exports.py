"""Files that are exported: what the configuration asks for, and no more frames than a folder bears."""

from __future__ import annotations

import pytest

from scatterflow.errors import UserError
from scatterflow.plan.build import build_plan
from scatterflow.plan.targets import result_files


def exported(plan_of, exports) -> list[str]:
    plan = plan_of(exports)
    (planned,) = (item for item in plan.reductions.values() if item.row.source == "both")
    folder = f"results/{planned.row.run}/swaxs/export/"
    return [path.removeprefix(folder) for path in result_files(planned) if "/export/" in path]


@pytest.fixture
def plan_of(configuration, tmp_path):
    def make(exports, frames=3):
        configuration["reductions"]["swaxs"]["exports"] = exports
        row = f"a\tswaxs\tboth\tx\t{frames}"
        (tmp_path / "runs.tsv").write_text(f"run\treduction\tsource\traw\tframes\n{row}\n")
        return build_plan(configuration)

    return make


def test_nothing_is_exported_unless_asked_for(plan_of):
    assert exported(plan_of, {}) == []


def test_each_format_has_its_files(plan_of):
    assert exported(plan_of, {"curves": ["nxcansas"], "scalars": "csv"}) == [
        "saxs_azimuthal.h5",
        "waxs_azimuthal.h5",
        "scalars.csv",
    ]
    assert exported(plan_of, {"curves": ["text"], "frames": "all"}) == [
        "saxs_azimuthal.dat",
        "saxs_azimuthal_frames",
        "waxs_azimuthal.dat",
        "waxs_azimuthal_frames",
        "waxs_radial.dat",
        "waxs_radial_frames",
    ]


def test_merged_detectors_are_exported_as_one(configuration, plan_of):
    configuration["reductions"]["swaxs"]["integrations"] = {
        "both": {"kind": "azimuthal", "merge": True},
        "each": {"kind": "azimuthal"},
    }
    assert exported(plan_of, {"curves": ["nxcansas"]}) == [
        "merged_both.h5",
        "saxs_each.h5",
        "waxs_each.h5",
    ]


def test_too_many_frames_are_refused_before_anything_runs(plan_of):
    plan_of({"curves": ["text"], "frames": "mean"}, frames=10_001)
    plan_of({"curves": ["text"], "frames": "all"}, frames=10_000)
    with pytest.raises(UserError, match="10001 frames are too many") as refused:
        plan_of({"curves": ["text"], "frames": "all"}, frames=10_001)
    assert "reductions.swaxs.exports.frames" in refused.value.where


@pytest.mark.parametrize(
    ("integration", "exports", "message"),
    [
        ({"kind": "azimuthal", "unit": "2th_deg"}, {"curves": ["nxcansas"]}, "nxcansas needs"),
        ({"kind": "radial"}, {"curves": ["nxcansas"]}, "nxcansas needs"),
        ({"kind": "cake"}, {"curves": ["text"]}, "text needs"),
        ({"kind": "azimuthal"}, {"curves": ["text", "text"]}, "named twice"),
        ({"kind": "azimuthal"}, {"frames": "all"}, "needs a format"),
        ({"kind": "azimuthal"}, {"curve": ["text"]}, "did you mean 'curves'"),
    ],
)
def test_what_cannot_be_exported_is_refused(configuration, plan_of, integration, exports, message):
    configuration["reductions"]["swaxs"]["integrations"] = {"one": integration}
    with pytest.raises(UserError, match=message):
        plan_of(exports)
