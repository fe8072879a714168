"""SACLA files, made by hand with h5py and by the writer."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from tests.sources.shot_runs import opened

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.shot_writers import write_sacla

TAGS = [100, 102, 104, 108, 110]


def image(tag, panel=1):
    return (np.arange(12, dtype=np.float32).reshape(3, 4) + tag) * panel


def by_hand(path, tags=TAGS, number=7, panels=2, images=None, kind=5):
    """images: {panel: tags}; all by default."""
    with h5py.File(path, "a") as file:
        run = file.create_group(f"run_{number}")
        run["event_info/tag_number_list"] = np.array(tags, np.int32)
        run["event_info/bl_3/lh_1/electrical_delay_in_psec"] = np.array(tags) / 10.0
        run["event_info/acc/accelerator_status"] = np.ones(len(tags), np.int32)
        run["event_info/time_stamp"] = 1768489200.25 + np.arange(len(tags)) / 30
        run["run_info/sacla_config/photon_energy_in_eV"] = 9000.0
        run["exp_info/comment"] = b"by hand"
        for panel in range(1, panels + 1):
            group = run.create_group(f"detector_2d_{panel}")
            group["detector_info/detector_name"] = f"MPCCD-8-2-001-{panel}".encode()
            group["detector_info/detector_type"] = np.int32(kind)
            group["detector_info/absolute_gain"] = np.float32(17 + panel)
            for tag in (images or {}).get(panel, tags):
                group[f"tag_{tag}/detector_data"] = image(tag, panel)
                group[f"tag_{tag}/detector_status"] = np.int32(tag % 3)


def test_a_file_made_by_hand(tmp_path):
    by_hand(tmp_path / "a.h5")
    source = opened(tmp_path, "a.h5", "sacla", 5, {"MPCCD-8-2-001": (2, 3, 4)})
    assert source.tags.tolist() == TAGS
    assert source.notes == ["tags: 1 missing (step 2) in 1 gaps: 104..108"]
    frames, present = source.read("MPCCD-8-2-001", 1, 4)
    assert present.all()
    assert frames.dtype == np.float32
    for shot, tag in enumerate(TAGS[1:4]):
        np.testing.assert_array_equal(frames[shot], [image(tag, 1), image(tag, 2)])
    table = source.scalars()
    assert table["bl_3/lh_1/electrical_delay_in_psec"].tolist() == [10, 10.2, 10.4, 10.8, 11]
    assert table.index.tolist() == TAGS
    assert table.attrs["units"]["bl_3/lh_1/electrical_delay_in_psec"] == "ps"
    assert table["acc/accelerator_status"].dtype == np.int32
    about = source.metadata()
    assert [panel["absolute_gain"] for panel in about["detectors"]["MPCCD-8-2-001"]] == [18, 19]
    assert about["comment"] == "by hand"
    assert source.slow()["sacla_config/photon_energy_in_eV"] == 9000
    assert str(source.times(0, 1)[0]) == "2026-01-15T15:00:00.250000000"
    assert source.files() == [tmp_path / "a.h5"]


def test_images_meet_shots_by_tag(tmp_path):
    # Panel 2 lacks one tag, and has one that no shot has.
    by_hand(tmp_path / "a.h5", images={1: [100, 104, 108, 110], 2: [100, 102, 104, 108, 999]})
    source = opened(tmp_path, "a.h5", "sacla")
    frames, present = source.read("MPCCD-8-2-001", 0, 5)
    assert present.tolist() == [True, False, True, True, False]
    np.testing.assert_array_equal(frames[2], [image(104, 1), image(104, 2)])
    assert np.isnan(frames[~present]).all()
    notes = " | ".join(source.notes)
    assert "no image in 2 of 5 shots" in notes
    assert "only some panels in 2 shots" in notes
    assert "1 tag (999) belong to no shot" in notes


def test_doubled_and_unordered_tags(tmp_path):
    by_hand(tmp_path / "a.h5", tags=[104, 100, 102, 100], images={1: [100, 104], 2: [100, 104]})
    source = opened(tmp_path, "a.h5", "sacla")
    assert source.tags.tolist() == [100, 102, 104]
    # The second row, the first of tag 100.
    assert source.scalars()["time_stamp"].tolist() == [
        1768489200.25 + row / 30 for row in (1, 2, 0)
    ]
    assert source.read("MPCCD-8-2-001", 0, 3)[1].tolist() == [True, False, True]
    assert any("1 tag (100) more than once" in note for note in source.notes)


def test_single_panels_have_no_tiles(tmp_path):
    by_hand(tmp_path / "a.h5", kind=6)
    source = opened(tmp_path, "a.h5", "sacla", detectors={"side": "MPCCD-8-2-001-2"})
    assert source.detectors["side"].shape == (3, 4)
    np.testing.assert_array_equal(source.read("side", 4, 5)[0][0], image(110, 2))


def test_status_and_temperature_by_name(tmp_path):
    by_hand(tmp_path / "a.h5", images={1: [100, 104], 2: TAGS})
    source = opened(tmp_path, "a.h5", "sacla")
    name = "MPCCD-8-2-001-1/detector_status"
    assert name not in source.scalars().columns
    found = source.scalars(names=[name])[name]
    np.testing.assert_array_equal(found, [100 % 3, np.nan, 104 % 3, np.nan, np.nan])


def test_scalars_by_names_of_ones_own(tmp_path):
    by_hand(tmp_path / "a.h5")
    delay = {"name": "bl_3/lh_1/electrical_delay_in_psec", "factor": 1000.0, "offset": -1.0}
    source = opened(tmp_path, "a.h5", "sacla", scalars={"delay": {**delay, "unit": "fs"}})
    table = source.scalars(3, 5)
    assert list(table.columns) == ["delay"]
    np.testing.assert_allclose(table["delay"], [10799, 10999])
    assert table.attrs["units"] == {"delay": "fs"}
    with pytest.raises(UserError, match="no scalar 'dellay'") as caught:
        source.scalars(names=["dellay"])
    assert "did you mean 'delay'" in caught.value.how


def test_several_runs_in_a_file(tmp_path):
    by_hand(tmp_path / "a.h5", number=7)
    by_hand(tmp_path / "a.h5", number=8, tags=[200, 202])
    with pytest.raises(UserError, match="several runs") as caught:
        opened(tmp_path, "a.h5", "sacla")
    assert "7, 8" in caught.value.how
    assert opened(tmp_path, "a.h5", "sacla", run_number=8).tags.tolist() == [200, 202]


def test_an_averaged_dark_image(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run_0/detector_2d_1/detector_info/detector_name"] = b"MPCCD-1"
        file["run_0/detector_2d_1/tag_0/detector_data"] = image(0)
    source = opened(tmp_path, "a.h5", "sacla")
    assert source.tags.tolist() == [0]
    np.testing.assert_array_equal(source.read("MPCCD-1", 0, 1)[0][0], image(0))


def test_faults(tmp_path):
    with pytest.raises(UserError, match="raw file is missing"):
        opened(tmp_path, "a.h5", "sacla")
    (tmp_path / "junk.h5").write_bytes(b"no HDF5")
    with pytest.raises(UserError, match="not a complete HDF5 file"):
        opened(tmp_path, "junk.h5", "sacla")
    h5py.File(tmp_path / "empty.h5", "w").close()
    with pytest.raises(UserError, match="no SACLA run"):
        opened(tmp_path, "empty.h5", "sacla")
    by_hand(tmp_path / "a.h5")
    with pytest.raises(UserError, match="no detector 'MPCCD-8-2-01'") as caught:
        opened(tmp_path, "a.h5", "sacla", detectors={"ccd": "MPCCD-8-2-01"})
    assert "MPCCD-8-2-001" in caught.value.how
    with pytest.raises(UserError, match="the run table says 6 shots, the raw files hold 5"):
        opened(tmp_path, "a.h5", "sacla", 6)
    with pytest.raises(UserError, match="the configuration says"):
        opened(tmp_path, "a.h5", "sacla", 5, {"MPCCD-8-2-001": (2, 4, 3)})
    with pytest.raises(UserError, match="no detector 'cdd'"):
        opened(tmp_path, "a.h5", "sacla").read("cdd", 0, 1)


def test_an_image_of_another_shape(tmp_path):
    by_hand(tmp_path / "a.h5", images={1: TAGS, 2: [*TAGS[:3], 110]})
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["run_7/detector_2d_2/tag_108/detector_data"] = np.zeros((4, 4), np.float32)
    source = opened(tmp_path, "a.h5", "sacla")
    assert source.read("MPCCD-8-2-001", 0, 3)[1].all()
    with pytest.raises(FrameError, match=r"\(4, 4\) among float32 \(3, 4\)") as caught:
        source.read("MPCCD-8-2-001", 3, 5)
    assert "MPCCD-8-2-001-2, tag 108" in caught.value.where


def test_values_for_another_number_of_tags_are_left_out(tmp_path):
    by_hand(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["run_7/event_info/short"] = np.zeros(4)
    source = opened(tmp_path, "a.h5", "sacla")
    assert "event_info/short: 4 values for 5 tags, left out" in source.notes
    assert "short" not in source.scalar_names


def test_the_writer_is_read_back(tmp_path):
    random = np.random.default_rng(1)
    tags = 500 + 2 * np.arange(9)
    octal = random.integers(0, 1000, (9, 2, 5, 6)).astype(np.float32)
    single = random.integers(0, 1000, (9, 4, 3)).astype(np.int16)
    there = random.random((9, 2)) > 0.2
    arguments = (
        *(12, tags, {"MPCCD-8-1": octal, "side": single}, {"MPCCD-8-1": there}),
        {"delay": np.arange(9.0)},
        {"side": {"absolute_gain": np.float32(13.9)}},
        {"sacla_config/photon_energy_in_eV": 8000.0},
    )
    write_sacla(tmp_path / "a.h5", *arguments)
    write_sacla(tmp_path / "b.h5", *arguments)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    source = opened(tmp_path, "a.h5", "sacla", 9)
    frames, present = source.read("MPCCD-8-1", 0, 9)
    assert present.tolist() == there.all(axis=1).tolist()
    np.testing.assert_array_equal(frames[present], octal[there.all(axis=1)])
    np.testing.assert_array_equal(source.read("side", 2, 7)[0], single[2:7])
    assert source.metadata()["detectors"]["side"]["absolute_gain"] == pytest.approx(13.9)
    with pytest.raises(UserError, match="one entry for each of 9"):
        write_sacla(tmp_path / "c.h5", 12, tags, {"side": single[:5]})
    assert not (tmp_path / "c.h5").exists()
