"""Raw files of jobs, so that Snakemake can watch them: with real files on disk."""

from __future__ import annotations

import fabio.tifimage
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.plan.raw import frame_files, metadata_files, scalar_files

SHAPES = {"saxs": (20, 30), "waxs": (10, 10)}


@pytest.fixture
def folder(tmp_path):
    """Ten frames of both detectors and the table of counters."""
    folder = tmp_path / "raw" / "r"
    folder.mkdir(parents=True)
    for detector, shape in SHAPES.items():
        for frame in range(10):
            image = fabio.tifimage.TifImage(data=np.full(shape, frame, dtype=np.int32))
            image.write(str(folder / f"{detector}_{frame:03d}.tif"))
    (folder / "counters.csv").write_text("I0\n" + "1\n" * 10)
    return folder


def test_a_chunk_depends_on_its_own_frames_of_all_detectors(plan_of, folder):
    planned = plan_of({}).find("1", "swaxs")
    expected = [str(folder / f"{name}_{frame:03d}.tif") for name in SHAPES for frame in (3, 4, 5)]
    assert sorted(frame_files(planned, 3, 6)) == sorted(expected)


def test_a_chunk_does_not_depend_on_detectors_that_are_not_used(plan_of, configuration, folder):
    for integration in configuration["reductions"]["swaxs"]["integrations"].values():
        integration["detectors"] = ["waxs"]
    planned = plan_of({}).find("1", "swaxs")
    assert frame_files(planned, 0, 2) == [str(folder / f"waxs_{frame:03d}.tif") for frame in (0, 1)]


def test_the_result_depends_on_the_table(plan_of, folder):
    assert str(folder / "counters.csv") in scalar_files(plan_of({}).find("1", "swaxs"))


def test_a_file_that_is_not_there_is_named_with_its_run(plan_of, folder):
    planned = plan_of({}).find("1", "swaxs")
    (folder / "waxs_004.tif").unlink()
    with pytest.raises(UserError) as caught:
        frame_files(planned, 3, 6)
    assert "waxs_004.tif" in str(caught.value)
    assert "run 1" in caught.value.where
    assert len(frame_files(planned, 0, 3)) == 6  # other chunks are not concerned


def test_a_missing_frame_may_be_passed_over(plan_of, configuration, folder):
    configuration["sources"]["both"]["missing"] = "nan"
    planned = plan_of({}).find("1", "swaxs")
    (folder / "waxs_004.tif").unlink()
    found = frame_files(planned, 3, 6)
    assert len(found) == 5
    assert str(folder / "waxs_004.tif") not in found


def test_a_raw_folder_that_is_not_there_is_one_message(plan_of, configuration):
    planned = plan_of({"raw": "nowhere"}).find("1", "swaxs")
    with pytest.raises(UserError, match=r"raw folder .* does not exist") as caught:
        frame_files(planned, 0, 2)
    assert caught.value.where == "key raw"


def test_a_file_in_place_of_a_folder_is_one_message(plan_of, folder):
    planned = plan_of({"raw": "r/counters.csv"}).find("1", "swaxs")
    with pytest.raises(UserError):
        frame_files(planned, 0, 2)


def test_the_demo_knows_its_files_before_they_are_made(plan_of, configuration, tmp_path):
    simulate = pytest.importorskip("scatterflow.sources.simulate")
    raw, files = next(iter(simulate.simulated_files().items()))
    configuration["demo"] = {}
    detectors = {detector for _, detector, _, _ in files if detector}
    detector = sorted(detectors)[0]
    configuration["detectors"] = {detector: configuration["detectors"]["saxs"]}
    configuration["sources"]["both"] = {"format": "spec", "frames": {detector: detector}}
    del configuration["sources"]["single"]
    configuration["reductions"]["swaxs"]["integrations"] = {"a": {"kind": "azimuthal"}}
    planned = plan_of({"raw": raw, "frames": 2}).find("1", "swaxs")
    found = frame_files(planned, 0, 1)
    assert not (tmp_path / "raw").exists()
    expected = {
        str(tmp_path / "raw" / path)
        for path, name, first, stop in files
        if name is None or (name == detector and first < 1)
    }
    assert set(found) == expected
    assert set(scalar_files(planned)) == {
        str(tmp_path / "raw" / p) for p, d, _, _ in files if d is None
    }


def test_the_file_that_describes_a_run(plan_of, configuration, folder):
    assert metadata_files(plan_of({}).find("1", "swaxs")) == []
    before = plan_of({}).find("1", "swaxs").location(scalars=False)
    configuration["sources"]["both"]["metadata"] = "{raw}/{run}_metadata.hdf"
    planned = plan_of({}).find("1", "swaxs")
    with pytest.raises(UserError, match=r"1_metadata\.hdf does not exist") as caught:
        metadata_files(planned)
    assert "source 'both'" in caught.value.how
    (folder / "1_metadata.hdf").touch()
    assert metadata_files(planned) == [str(folder / "1_metadata.hdf")]
    # Jobs that only read frames do not run again because of it.
    assert planned.location(scalars=False) == before
