"""European XFEL runs: EXtra-data's own examples, and the writer's files against EXtra-data's components."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from extra_data import RunDirectory
from extra_data.components import AGIPD1M
from extra_data.tests import make_examples
from extra_data.tests.mockdata import write_file
from extra_data.tests.mockdata.detectors import AGIPDModule
from extra_data.tests.mockdata.xgm import XGM
from tests.sources.shot_runs import opened

from scatterflow.errors import UserError
from scatterflow.sources.shot_writers import write_euxfel

AGIPD = "SPB_DET_AGIPD1M-1"
MOTOR = "SPB_M/MOTOR/X/actualPosition"
PULSED = "SA1_XTD2_XGM/XGM/DOOCS:output/data/intensityTD"
TRAINS = np.array([10000, 10001, 10002, 10004, 10005, 10006])
PULSES = np.array([0, 2, 4])


def written(folder, modules=3, raw=False, present=None, **more):
    shots = len(TRAINS) * len(PULSES)
    frames = np.random.default_rng(3).integers(1, 1000, (shots, modules, 8, 4))
    frames = frames.astype(np.uint16 if raw else np.float32)
    write_euxfel(
        folder,
        5,
        TRAINS,
        PULSES,
        {AGIPD: frames},
        None if present is None else {AGIPD: present},
        {MOTOR: np.arange(6) / 2},
        {PULSED: np.arange(60, dtype=np.float32).reshape(6, 10)},
        {"SPB_A/B/C/energy": 9.3},
        trains_per_sequence=4,
        raw=raw,
        **more,
    )
    return frames


def all_tags():
    return (TRAINS[:, None] * 10000 + PULSES).ravel()


@pytest.mark.parametrize("raw", [False, True])
def test_the_writer_is_read_back(tmp_path, raw):
    frames = written(tmp_path / "r5", raw=raw)
    source = opened(tmp_path, "r5", "euxfel", 18, {AGIPD: (3, 8, 4)})
    assert source.tags.tolist() == all_tags().tolist()
    for start, stop in ((0, 18), (1, 2), (10, 15), (4, 4)):
        found, present = source.read(AGIPD, start, stop)
        assert present.all()
        np.testing.assert_array_equal(found, frames[start:stop])
        assert found.dtype == frames.dtype
    assert "trains: 1 missing (step 1) in 1 gaps: 10002..10004" in source.notes
    assert source.metadata()["runNumber"] == 5
    assert source.slow()["SPB_A/B/C/energy"] == 9.3
    assert len(source.files()) == 2 * 4
    source.close()
    np.testing.assert_array_equal(source.read(AGIPD, 0, 1)[0], frames[:1])


def test_equal_as_extra_data_reads_it(tmp_path):
    # EXtra-data's component takes no frames missing of single modules, only whole trains of them.
    there = np.repeat(np.random.default_rng(1).random((18, 1)) > 0.2, 16, axis=1)
    there[9:12, 7] = False
    written(tmp_path / "r5", modules=16, present=there)
    source = opened(tmp_path, "r5", "euxfel")
    wanted = there.any(axis=1)
    assert source.tags.tolist() == all_tags()[wanted].tolist()
    found, present = source.read(AGIPD, 0, source.shots)
    assert present.tolist() == there[wanted].all(axis=1).tolist()
    assert np.isnan(found[~present]).all()
    array = AGIPD1M(RunDirectory(tmp_path / "r5"), min_modules=16).get_array("image.data")
    whole = source.tags[present]
    for module in range(16):
        theirs = array.sel(module=module)
        for tag in whole[:: 1 + module]:
            one = theirs.sel(train=tag // 10000, pulse=tag % 10000).values
            ours = found[np.flatnonzero(source.tags == tag)[0], module]
            np.testing.assert_array_equal(ours, one.reshape(ours.shape))
    assert any("only some modules in" in note for note in source.notes)


def test_any_frames_may_be_missing(tmp_path):
    there = np.random.default_rng(2).random((18, 3)) > 0.3
    frames = written(tmp_path / "r5", present=there)
    source = opened(tmp_path, "r5", "euxfel")
    wanted = there.any(axis=1)
    assert source.tags.tolist() == all_tags()[wanted].tolist()
    found, present = source.read(AGIPD, 0, source.shots)
    assert present.tolist() == there[wanted].all(axis=1).tolist()
    np.testing.assert_array_equal(found[present], frames[there.all(axis=1)])


def test_a_missing_train_of_one_module(tmp_path):
    """EXtra-data's example: module 1 lacks train 10002, and nothing is shifted."""
    make_examples.make_lpd_run_mini_missed_train(tmp_path)
    source = opened(tmp_path.parent, tmp_path.name, "euxfel")
    (name,) = source.detectors
    assert name == "FXE_DET_LPD1M-1"
    assert source.shots == 50
    assert source.detectors[name].shape == (2, 256, 256)
    frames, present = source.read(name, 0, 50)
    trains, pulses = source.tags // 10000, source.tags % 10000
    np.testing.assert_array_equal(present, trains != 10002)
    # The example numbers pulse 8 of the trains that module 1 has, in row 0.
    for train, value in zip((10000, 10001, 10003, 10004), (1, 2, 3, 4), strict=True):
        shot = np.flatnonzero((trains == train) & (pulses == 8))[0]
        assert frames[shot, 1, 0, 0] == value
    assert frames[:, 1].astype(np.int64).sum() == 10
    assert any("only some modules in 10 shots" in note for note in source.notes)


def test_example_of_a_whole_run(tmp_path):
    make_examples.make_spb_run(tmp_path, sensor_size=(10, 12), format_version="1.2")
    camera = {"source": "SPB_IRU_CAM/CAM/SIDEMIC:daqOutput", "key": "data.image.pixels"}
    gmd = "SA1_XTD2_XGM/DOOCS/MAIN/pulseEnergy.photonFlux"
    source = opened(
        *(tmp_path.parent, tmp_path.name, "euxfel", 64 * 64),
        detectors={"agipd": AGIPD, "camera": camera},
        scalars={"gmd": gmd},
    )
    assert source.detectors["agipd"].shape == (16, 512, 128)
    assert source.detectors["agipd"].dtype == np.uint16
    # The camera saw each train; its image is that of all pulses of the train.
    assert source.detectors["camera"].shape == (10, 12)
    assert source.detectors["camera"].present.all()
    assert source.scalars(0, 3)["gmd"].tolist() == [0, 0, 0]
    assert any("plane 0 of 2" in note for note in source.notes)
    assert source.read("agipd", 100, 101)[0].shape == (1, 16, 512, 128)
    names = opened(tmp_path.parent, tmp_path.name, "euxfel").scalar_names
    assert gmd in names
    assert not any("intensityTD" in name for name in names)


@pytest.mark.parametrize(
    ("make", "shapes", "shots"),
    [
        (make_examples.make_modern_spb_proc_run, {AGIPD: (16, 512, 128)}, 64 * 32),
        (make_examples.make_scs_run, {"SCS_DET_DSSC1M-1": (16, 128, 512)}, 64 * 128),
        (make_examples.make_agipd500k_run, {"HED_DET_AGIPD500K2G": (8, 512, 128)}, 64 * 100),
        (
            make_examples.make_fxe_jungfrau_run,
            {"FXE_XAD_JF1M": (2, 512, 1024), "FXE_XAD_JF500K": (512, 1024)},
            16 * 100,
        ),
    ],
)
def test_detectors_of_other_examples_are_found(tmp_path, make, shapes, shots):
    make(tmp_path)
    source = opened(tmp_path.parent, tmp_path.name, "euxfel", shots, shapes)
    assert set(source.detectors) == set(shapes)
    assert all(info.present.all() for info in source.detectors.values())
    table = source.scalars(0, 2)
    assert table["trainId"].tolist() == [10000, 10000]


def test_uneven_numbers_of_frames(tmp_path):
    random = np.random.RandomState(5)
    make_examples.make_reduced_spb_run(tmp_path, raw=False, rng=random, format_version="1.0")
    counts = np.random.RandomState(5).randint(0, 20, size=64)
    source = opened(tmp_path.parent, tmp_path.name, "euxfel")
    trains, found = np.unique(source.tags // 10000, return_counts=True)
    np.testing.assert_array_equal(trains - 10000, np.flatnonzero(counts))
    np.testing.assert_array_equal(found, counts[counts > 0])
    empty = int((counts == 0).sum())
    assert any(f"{empty} of 64 without any pulse" in note for note in source.notes)


def test_memory_cells_of_a_jungfrau_are_shots(tmp_path):
    make_examples.make_jungfrau_run(tmp_path)
    path = next(path for path in sorted(tmp_path.glob("*JNGFR01*")))
    with h5py.File(path, "r+") as file:
        (source_name,) = [
            name for name in file["INSTRUMENT/SPB_IRDA_JF4M/DET"] if name.startswith("JNGFR")
        ]
        data = file[f"INSTRUMENT/SPB_IRDA_JF4M/DET/{source_name}/data/adc"]
        data[3, 5, 7, 9] = 77
    modules = "SPB_IRDA_JF4M/DET/JNGFR0{module}:daqOutput"
    entry = {"source": modules, "key": "data.adc", "modules": [1, 2]}
    source = opened(tmp_path.parent, tmp_path.name, "euxfel", detectors={"jf": entry})
    assert source.detectors["jf"].shape == (2, 512, 1024)
    shot = 3 * 16 + 5
    frames, present = source.read("jf", shot - 1, shot + 2)
    assert present.all()
    assert source.tags[shot] % 10000 == 5
    assert np.argwhere(frames == 77).tolist() == [[1, 0, 7, 9]]


def test_old_files_with_first_and_last(tmp_path):
    make_examples.make_agipd_example_file(tmp_path / "CORR-R0803-AGIPD07-S00000.h5")
    source = opened(tmp_path.parent, tmp_path.name, "euxfel")
    assert source.shots == 250 * 64
    assert source.detectors[AGIPD].shape == (512, 128)
    assert np.isnat(source.times(0, 2)).all()


def test_scalars_per_train_and_per_pulse(tmp_path):
    written(tmp_path / "r5")
    gmd, motor = PULSED.replace("data/", "data."), MOTOR
    source = opened(
        *(tmp_path, "r5", "euxfel"),
        pulses={"first": 2, "step": 2},
        scalars={"gmd": gmd, "x": {"name": motor, "factor": 2.0}},
    )
    table = source.scalars(3, 9)
    assert table["x"].tolist() == [1, 1, 1, 2, 2, 2]
    # Value i of a train is of pulse 2 + 2 i; pulse 0 has none.
    np.testing.assert_array_equal(table["gmd"], [np.nan, 10, 11, np.nan, 20, 21])
    assert source.scalars(3, 5, names=["pulseId", "trainId"]).to_numpy().tolist() == [
        [0, 10001],
        [2, 10001],
    ]
    assert set(opened(tmp_path, "r5", "euxfel").scalars(0, 1).columns) == {
        *("trainId", "pulseId", motor)
    }


def test_a_slow_source_that_misses_trains_is_not_shifted(tmp_path):
    written(tmp_path / "r5")
    xgm = XGM("SA9_XGM/XGM/DOOCS")
    write_file(tmp_path / "r5" / "CORR-R0005-DA02-S00000.h5", [xgm], 3, 10001, format_version="1.2")
    with h5py.File(tmp_path / "r5" / "CORR-R0005-DA02-S00000.h5", "r+") as file:
        file["CONTROL/SA9_XGM/XGM/DOOCS/pulseEnergy/photonFlux/value"][:3] = [1, 2, 3]
    name = "SA9_XGM/XGM/DOOCS/pulseEnergy.photonFlux"
    source = opened(tmp_path, "r5", "euxfel", scalars={"gmd": name})
    by_train = source.scalars()["gmd"].to_numpy()[::3]
    np.testing.assert_array_equal(by_train, [np.nan, 1, 2, np.nan, np.nan, np.nan])


def test_doubled_trains_and_suspect_ones(tmp_path):
    path = tmp_path / "r1" / "CORR-R0001-AGIPD00-S00000.h5"
    path.parent.mkdir()
    module = AGIPDModule(f"{AGIPD}/DET/0CH0", frames_per_train=2, raw=False)
    write_file(path, [module], ntrains=5, chunksize=5, format_version="1.2")
    with h5py.File(path, "r+") as file:
        file["INDEX/trainId"][:5] = [10000, 10001, 10001, 99999, 10003]
        file["INDEX/flag"][:5] = [1, 1, 1, 0, 1]
        data = file[f"INSTRUMENT/{AGIPD}/DET/0CH0:xtdf/image/data"]
        data[:, 0, 0] = np.arange(10)
    source = opened(tmp_path, "r1", "euxfel")
    assert (source.tags // 10000).tolist() == [10000, 10000, 10001, 10001, 10003, 10003]
    assert source.read(AGIPD, 0, 6)[0][:, 0, 0].tolist() == [0, 1, 2, 3, 8, 9]
    notes = " | ".join(source.notes)
    assert "1 suspect train ID (99999), left out" in notes
    assert "1 train (10001) more than once; the first of each was taken" in notes
    kept = opened(tmp_path, "r1", "euxfel", suspect_trains=True)
    assert kept.read(AGIPD, 6, 8)[0][:, 0, 0].tolist() == [6, 7]
    again = opened(tmp_path, "r1", "euxfel")
    assert again.tags.tolist() == source.tags.tolist()
    assert again.notes == source.notes


def test_a_run_without_pulses_has_a_shot_per_train(tmp_path):
    path = tmp_path / "RAW-R0001-DA01-S00000.h5"
    write_file(path, [XGM("SA1_XTD2_XGM/DOOCS/MAIN")], 7, format_version="1.2")
    source = opened(tmp_path.parent, tmp_path.name, "euxfel")
    assert source.tags.tolist() == [(10000 + train) * 10000 for train in range(7)]
    assert source.detectors == {}


def test_nothing_is_left_in_the_folder(tmp_path):
    written(tmp_path / "r5")
    before = sorted(tmp_path.rglob("*"))
    opened(tmp_path, "r5", "euxfel").read(AGIPD, 0, 1)
    assert sorted(tmp_path.rglob("*")) == before


def test_equal_arguments_give_equal_bytes(tmp_path):
    written(tmp_path / "a", raw=True)
    written(tmp_path / "b", raw=True)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 8
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_faults(tmp_path):
    with pytest.raises(UserError, match="folder is missing"):
        opened(tmp_path, "r5", "euxfel")
    (tmp_path / "r4").mkdir()
    with pytest.raises(UserError, match="no HDF5 files"):
        opened(tmp_path, "r4", "euxfel")
    written(tmp_path / "r5")
    with pytest.raises(UserError, match="no detector 'SPB_DET_AGIPD2M-1'") as caught:
        opened(tmp_path, "r5", "euxfel", detectors={"agipd": "SPB_DET_AGIPD2M-1"})
    assert AGIPD in caught.value.how
    pattern = AGIPD + "/DET/{module}CH0:xtdf"
    entry = {"source": pattern, "key": "image.data", "modules": [0, 9]}
    with pytest.raises(UserError, match="no module 9") as caught:
        opened(tmp_path, "r5", "euxfel", detectors={"agipd": entry})
    assert "0, 1, 2" in caught.value.how
    with pytest.raises(UserError, match=r"no key 'image.dat'") as caught:
        opened(tmp_path, "r5", "euxfel", detectors={"a": {"source": pattern, "key": "image.dat"}})
    assert "image.data" in caught.value.how
    with pytest.raises(UserError, match="no scalar 'SPB_M/MOTOR/X/actualPositio'") as caught:
        opened(tmp_path, "r5", "euxfel").scalars(names=[MOTOR[:-1]])
    assert MOTOR in caught.value.how
    # EXtra-data would pass over it, and the module would be missing unnoticed.
    written(tmp_path / "r6")
    path = tmp_path / "r6" / "CORR-R0005-AGIPD01-S00000.h5"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="not a complete file of the European XFEL") as caught:
        opened(tmp_path, "r6", "euxfel")
    assert "AGIPD01-S00000.h5" in caught.value.where
