"""Results of XPCS-Eigen as ours: the same numbers under new names, and what is not the same is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.convert.legacy_xpcs import convert_legacy_xpcs
from scatterflow.errors import UserError
from scatterflow.xpcs.correlation import g2_error
from scatterflow.xpcs.result import read_result

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SHAPE, FRAMES = (12, 16), 40
NQ, NPHI, STATIC = 4, 2, 2
EMPTY = 3
"""A dynamic bin (from 1) without pixels; old maps keep its number."""


def old_maps() -> tuple[np.ndarray, np.ndarray]:
    """Dynamic and static map: columns in four q bins of two static each, the two halves in phi."""
    rows, columns = np.indices(SHAPE)
    q, phi = columns // 4, (rows >= 6).astype(int)
    fine = columns // 2
    dynamic = q * NPHI + phi + 1
    static = fine * NPHI + phi + 1
    used = (columns < 15) & (dynamic != EMPTY)
    return np.where(used, dynamic, 0), np.where(used, static, 0)


def numbers() -> dict[str, np.ndarray]:
    """What the old file holds, seeded; bins without pixels hold zeros."""
    random = np.random.default_rng(8)
    dynamic, _ = old_maps()
    bins, static_bins = NQ * NPHI, NQ * STATIC * NPHI
    tau = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16], np.float32)
    pixels = random.random((3, tau.size, dynamic.size)).astype(np.float32) + 1
    c2 = random.random((2, FRAMES, FRAMES)).astype(np.float32) + 1
    return {
        "tau": tau[None],
        "norm-0-g2": (1 + random.random((tau.size, bins))).astype(np.float32),
        "norm-0-stderr": random.random((tau.size, bins)).astype(np.float32) / 100,
        "pixelSum": random.random(SHAPE).astype(np.float32),
        "frameSum": np.stack([np.arange(1, FRAMES + 1), random.random(FRAMES)]).astype(np.float32),
        "partition-mean-total": random.random((1, static_bins)).astype(np.float32),
        "partition-mean-partial": random.random((5, static_bins)).astype(np.float32),
        "G2": pixels[0],
        "IP": pixels[1],
        "IF": pixels[2],
        "C2T_all/g2_00002": np.triu((c2[0] + c2[0].T) / 2),
        "C2T_all/g2_00006": np.triu((c2[1] + c2[1].T) / 2),
        "g2partials": np.ones((10, 3, 2), np.float32),
        "tauFIT1": np.ones((1, bins)),
    }


def write_old(path: Path, leave_out: tuple[str, ...] = (), **replaced: np.ndarray) -> Path:
    """A file as XPCS-Eigen leaves it."""
    dynamic, static = old_maps()
    single = {
        "measurement/instrument/acquisition/beam_center_x": 7.5,
        "measurement/instrument/acquisition/beam_center_y": 5.5,
        "measurement/instrument/detector/distance": 4000.0,
        "measurement/instrument/detector/exposure_period": 0.02,
        "measurement/instrument/detector/exposure_time": 0.019,
        "measurement/instrument/detector/x_pixel_size": 0.055,
        "measurement/instrument/detector/y_pixel_size": 0.055,
        "measurement/instrument/source_begin/energy": 11.0,
        "xpcs/data_begin_todo": 11,
        "xpcs/data_end_todo": 90,
        "xpcs/stride_frames": 2,
        "xpcs/avg_frames": 1,
        "xpcs/delays_per_level": 4,
        "xpcs/dnoq": NQ,
        "xpcs/dnophi": NPHI,
        "xpcs/snoq": NQ * STATIC,
        "xpcs/snophi": NPHI,
    }
    with h5py.File(path, "w") as file:
        for name, value in single.items():
            file[name] = np.array([[value]])
        file["measurement/instrument/source_begin/datetime"] = "2019-07-01 10:00:00"
        file["xpcs/output_data"] = "/exchange"
        file["xpcs/smoothing_method"] = "symmetric"
        file["xpcs/smoothing_filter"] = "None"
        file["xpcs/dqmap"] = dynamic.astype(np.uint32)
        file["xpcs/sqmap"] = static.astype(np.uint32)
        file["xpcs/mask"] = (dynamic > 0).astype(np.uint8)
        for letter, counts in (("d", (NQ, NPHI)), ("s", (NQ * STATIC, NPHI))):
            q, phi = (np.arange(size) + 1.0 for size in counts)
            both = np.meshgrid(1e-3 * q, 90.0 * phi, indexing="ij")
            file[f"xpcs/{letter}qlist"], file[f"xpcs/{letter}philist"] = (
                part.reshape(1, -1) for part in both
            )
        for name, values in {**numbers(), **replaced}.items():
            if name not in leave_out:
                file[f"exchange/{name}"] = values
    return path


@pytest.fixture
def converted(tmp_path):
    path = write_old(tmp_path / "sample_0042.hdf")
    notes = convert_legacy_xpcs(path, tmp_path / "new.nxs")
    return read_result(tmp_path / "new.nxs"), notes.lines(), tmp_path / "new.nxs"


def test_g2_without_the_empty_bin(converted):
    found, _, path = converted
    kept = [number for number in range(NQ * NPHI) if number != EMPTY - 1]
    old = numbers()
    np.testing.assert_array_equal(found.g2.g2, old["norm-0-g2"].astype(float)[:, kept])
    np.testing.assert_array_equal(g2_error(found), old["norm-0-stderr"].astype(float)[:, kept])
    assert found.g2.delay.tolist() == old["tau"][0].tolist()
    assert found.g2.level.tolist() == [0] * 8 + [1] * 4
    # Period 0.02 s, every second frame.
    np.testing.assert_allclose(found.delay_s, 0.04 * old["tau"][0])
    with h5py.File(path) as file:
        assert file["xpcs/multitau/normalized_g2"].shape == (12, 7)


def test_means(converted):
    found, _, _ = converted
    old = numbers()
    _, static = old_maps()
    kept = np.unique(static[static > 0]) - 1
    np.testing.assert_array_equal(
        found.frames.static_mean, old["partition-mean-total"][0].astype(float)[kept]
    )
    np.testing.assert_array_equal(
        found.frames.segments, old["partition-mean-partial"].astype(float)[:, kept]
    )
    np.testing.assert_array_equal(found.frames.mean, old["pixelSum"])
    np.testing.assert_allclose(found.frames.total, old["frameSum"][1] * static.size)


def test_two_time_maps_by_bin(converted):
    found, _, path = converted
    old = numbers()
    # Bins 2 and 6 of the old map are 2 and 5 once the empty third one is gone.
    assert [item.bin + 1 for item in found.twotime] == [2, 5]
    for item, number in zip(found.twotime, (2, 6), strict=True):
        c2 = old[f"C2T_all/g2_{number:05d}"]
        np.testing.assert_array_equal(item.c2, c2)
        means = [np.diagonal(c2, lag).mean(dtype=float) for lag in range(FRAMES)]
        np.testing.assert_allclose(item.g2, means, rtol=1e-6)
        assert len(item.partial) == 3
    with h5py.File(path) as file:
        assert list(file["xpcs/twotime/correlation_map"]) == ["c2_00002", "c2_00005"]


def test_pixels_come_along(converted):
    _, _, path = converted
    dynamic, _ = old_maps()
    with h5py.File(path) as file:
        saved = file["xpcs/multitau/unnormalized_G2"][()]
    for part, name in enumerate(("G2", "IP", "IF")):
        expected = numbers()[name].reshape(-1, *SHAPE) * (dynamic > 0)
        np.testing.assert_array_equal(saved[:, part], expected)


def test_acquisition_and_settings(converted):
    found, _, _ = converted
    assert found.acquisition.distance_m == pytest.approx(4.0)
    assert found.acquisition.start_time == "2019-07-01 10:00:00"
    assert found.settings["frames"] == {"begin": 10, "end": 90, "stride": 2, "average": 1}
    assert found.settings["twotime"]["smoothing"] == "dynamic"
    assert found.qmap.attributes["energy"] == 11.0
    assert found.description["run"] == "sample_0042"
    assert len(found.provenance["converted_from"]["sha256"]) == 64


def test_what_is_not_the_same_is_told(converted):
    _, lines, _ = converted
    assert any("norm-0-stderr" in line and "too small" in line for line in lines)
    assert any(line.startswith("not translated: /exchange/tauFIT1") for line in lines)
    assert not any("norm-0-g2" in line for line in lines)


def test_the_viewer_opens_it(converted):
    viewer = pytest.importorskip("pyxpcsviewer")
    found, _, path = converted
    viewed = viewer.XpcsFile(str(path))
    np.testing.assert_array_equal(viewed.g2, found.g2.g2)
    np.testing.assert_allclose(viewed.t_el, found.delay_s)
    assert viewed.get_qbin_label(3) == "q=0.00200 Å⁻¹, φ=180.0 deg"


def test_only_two_time_or_only_multitau(tmp_path):
    old = write_old(tmp_path / "a.hdf", ("norm-0-g2", "norm-0-stderr", "tau", "G2", "IP", "IF"))
    convert_legacy_xpcs(old, tmp_path / "a.nxs")
    assert read_result(tmp_path / "a.nxs").g2 is None
    without = [name for name in numbers() if name.startswith("C2T_all")]
    old = write_old(tmp_path / "b.hdf", (*without, "partition-mean-partial"))
    convert_legacy_xpcs(old, tmp_path / "b.nxs")
    assert read_result(tmp_path / "b.nxs").twotime == ()


def test_faults_are_the_users_to_hear(tmp_path):
    new = tmp_path / "new.nxs"
    with pytest.raises(UserError, match="file not found") as caught:
        convert_legacy_xpcs(tmp_path / "none.hdf", new)
    assert caught.value.how == "give a whole result of XPCS-Eigen"
    (tmp_path / "cut.hdf").write_bytes(b"\x89HDF")
    with pytest.raises(UserError, match="not a complete HDF5 file") as caught:
        convert_legacy_xpcs(tmp_path / "cut.hdf", new)
    assert "delete" not in caught.value.how  # it is the only copy
    flat = write_old(tmp_path / "l.hdf", frameSum=np.ones((1, FRAMES), np.float32))
    with pytest.raises(UserError, match=r"frameSum is \(1, 40\)"):
        convert_legacy_xpcs(flat, new)
    with h5py.File(tmp_path / "other.hdf", "w") as file:
        file["exchange/tau"] = [[1.0]]
    with pytest.raises(UserError, match="no result of XPCS-Eigen"):
        convert_legacy_xpcs(tmp_path / "other.hdf", new)
    short = write_old(tmp_path / "s.hdf", **{"norm-0-g2": np.ones((12, 5), np.float32)})
    with pytest.raises(UserError, match=r"norm-0-g2 has 5 dynamic bins, the q-map 8"):
        convert_legacy_xpcs(short, new)
    fewer = write_old(tmp_path / "f.hdf", **{"tau": np.ones((1, 3), np.float32)})
    with pytest.raises(UserError, match="12 delays, tau 3"):
        convert_legacy_xpcs(fewer, new)
    for name in ("norm-0-stderr", "pixelSum", "frameSum", "partition-mean-total", "tau"):
        with pytest.raises(UserError, match=f"{name} is missing"):
            convert_legacy_xpcs(write_old(tmp_path / "m.hdf", (name,)), new)
    assert not new.exists()


def test_the_command(tmp_path):
    write_old(tmp_path / "old.hdf")
    command = [sys.executable, str(SCRIPTS / "scatterflow"), "convert-xpcs", "old.hdf", "new.nxs"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "written: new.nxs\n"
    assert "not translated: /exchange/tauFIT1" in done.stderr
    done = subprocess.run(
        [*command[:3], "none.hdf", "new.nxs"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: file not found\nwhere: none.hdf\n")
