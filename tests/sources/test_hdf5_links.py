"""HDF5 sources: links and virtual datasets are followed, but not out of the run's folder."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5 import Hdf5Source

SHAPE = (6, 8)


def counts(n, dtype=np.uint32, shape=SHAPE):
    return np.random.default_rng(n).poisson(5, (n, *shape)).astype(dtype)


def source(root, raw, frames, wanted="auto", shape=SHAPE, **recipe):
    recipe = {"format": "hdf5", "frames": {"d": wanted}, **recipe}
    shapes = {"d": shape} if shape else {}
    return Hdf5Source(RunLocation("r1", raw, str(root), frames, recipe, shapes))


def plain(path, frames, name="entry/data/data", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=frames, **options)
    return path


# Links that lead out


@pytest.mark.parametrize("target", ["../out/d.h5", "{absolute}", "link/d.h5"])
def test_a_link_out_of_the_folder_is_refused(tmp_path, target):
    plain(tmp_path / "out/d.h5", counts(2))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "out")
    target = target.format(absolute=tmp_path / "out/d.h5")
    with h5py.File(tmp_path / "in/m.h5", "w") as file:
        file["entry/data/data"] = h5py.ExternalLink(target, "/entry/data/data")
    for wanted in ("auto", "/entry/data/data"):
        with pytest.raises(UserError, match="leads out of the run's folder"):
            source(tmp_path / "in", "m.h5", 2, wanted).read("d", 0, 1)


def test_a_group_on_the_way_may_not_lead_out(tmp_path):
    plain(tmp_path / "out/d.h5", counts(2), "data/data")
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in/m.h5", "w") as file:
        file["entry"] = h5py.ExternalLink("../out/d.h5", "/")
    with pytest.raises(UserError, match="leads out"):
        source(tmp_path / "in", "m.h5", 2, "/entry/data/data").read("d", 0, 1)
    scalars = {"m": {"type": "dataset", "name": "/entry/data/data", "unit": ""}}
    with pytest.raises(UserError, match="leads out"):
        source(tmp_path / "in", "m.h5", 2, scalars=scalars).scalars()


def test_virtual_sources_out_of_the_folder_are_refused(tmp_path):
    plain(tmp_path / "out/d.h5", counts(2))
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in/m.h5", "w") as file:
        layout = h5py.VirtualLayout((2, *SHAPE), "u4")
        layout[:] = h5py.VirtualSource("../out/d.h5", "entry/data/data", (2, *SHAPE))
        file.create_virtual_dataset("entry/data/data", layout)
    with pytest.raises(UserError, match="leads out"):
        source(tmp_path / "in", "m.h5", 2).read("d", 0, 1)


def test_a_virtual_source_whose_link_leads_out_is_refused(tmp_path):
    plain(tmp_path / "out/d.h5", counts(2))
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "in/d.h5", "w") as file:
        file["data"] = h5py.ExternalLink("../out/d.h5", "/entry/data/data")
    with h5py.File(tmp_path / "in/m.h5", "w") as file:
        layout = h5py.VirtualLayout((2, *SHAPE), "u4")
        layout[:] = h5py.VirtualSource("d.h5", "data", (2, *SHAPE))
        file.create_virtual_dataset("entry/data/data", layout)
    with pytest.raises(UserError, match="leads out"):
        source(tmp_path / "in", "m.h5", 2).read("d", 0, 1)


def external_storage(path, secret):
    secret.write_bytes(bytes(range(48)) * 2)
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "entry/data/data", (2, *SHAPE), "u1", external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
        )
        assert file["entry/data/data"][0, 0, 1] == 1  # HDF5 itself hands the bytes out


def test_external_raw_storage_is_refused(tmp_path):
    external_storage(tmp_path / "m.h5", tmp_path / "secret")
    with pytest.raises(UserError, match="external raw storage"):
        source(tmp_path, "m.h5", 2).read("d", 0, 1)
    scalars = {"m": {"type": "dataset", "name": "/entry/data/data", "unit": ""}}
    with pytest.raises(UserError, match="external raw storage"):
        source(tmp_path, "m.h5", 2, scalars=scalars).scalars()


def test_external_storage_behind_a_virtual_dataset_is_refused(tmp_path):
    external_storage(tmp_path / "d.h5", tmp_path / "secret")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layout = h5py.VirtualLayout((2, *SHAPE), "u1")
        layout[:] = h5py.VirtualSource("d.h5", "entry/data/data", (2, *SHAPE))
        file.create_virtual_dataset("entry/data/data", layout)
    with pytest.raises(UserError, match="external raw storage"):
        source(tmp_path, "m.h5", 2).read("d", 0, 1)


def test_links_in_a_circle_end(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
        file["c"] = h5py.ExternalLink("m.h5", "/c")
    for name in ("a", "c"):
        with pytest.raises(UserError, match="circle"):
            source(tmp_path, "m.h5", 2, name).read("d", 0, 1)


@pytest.mark.parametrize("raw", ["../m.h5", "/m.h5", "a/../../m.h5"])
def test_the_master_itself_lies_below_the_raw_folder(tmp_path, raw):
    with pytest.raises(UserError, match="not a path below"):
        source(tmp_path, raw, 1)


# Virtual datasets


def test_interleaved_virtual_frames(tmp_path):
    frames = counts(6)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layout = h5py.VirtualLayout(frames.shape, "u4")
        for k in range(2):  # two writers, every other frame each
            plain(tmp_path / f"w{k}.h5", frames[k::2], "d", chunks=(1, *SHAPE))
            layout[k::2] = h5py.VirtualSource(f"w{k}.h5", "d", (3, *SHAPE))
        file.create_virtual_dataset("entry/data/data", layout)
    it = source(tmp_path, "m.h5", 6)
    np.testing.assert_array_equal(it.read("d", 1, 5), frames[1:5])
    assert {p.name for p in it.files("d", 0, 1)} == {"m.h5", "w0.h5"}
    it.close()
    (tmp_path / "w1.h5").unlink()  # HDF5 gives zeros for its frames
    it = source(tmp_path, "m.h5", 6)
    np.testing.assert_array_equal(it.read("d", 2, 3), frames[2:3])
    with pytest.raises(FrameError) as caught:
        it.read("d", 2, 5)
    assert "frame 3" in caught.value.where


def test_modules_tiled_by_a_virtual_dataset(tmp_path):
    frames = counts(3)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layout = h5py.VirtualLayout((3, 7, 8), "u4")
        for k, rows in enumerate((slice(0, 3), slice(4, 7))):  # one row of gap
            plain(tmp_path / f"m{k}.h5", frames[:, 3 * k : 3 * k + 3], "d")
            layout[:, rows] = h5py.VirtualSource(f"m{k}.h5", "d", (3, 3, 8))
        file.create_virtual_dataset("entry/data/data", layout, fillvalue=2**32 - 1)
    read = source(tmp_path, "m.h5", 3, shape=(7, 8)).read("d", 1, 3)
    np.testing.assert_array_equal(read[:, :3], frames[1:, :3])
    np.testing.assert_array_equal(read[:, 4:], frames[1:, 3:])
    assert (read[:, 3] == 2**32 - 1).all()


def test_frames_that_no_source_fills(tmp_path):
    plain(tmp_path / "d.h5", counts(2), "d")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layout = h5py.VirtualLayout((4, *SHAPE), "u4")
        layout[:2] = h5py.VirtualSource("d.h5", "d", (2, *SHAPE))
        file.create_virtual_dataset("entry/data/data", layout)
    it = source(tmp_path, "m.h5", 4)
    np.testing.assert_array_equal(it.read("d", 0, 2), counts(2))
    with pytest.raises(FrameError, match="frame 2"):
        it.read("d", 1, 4)
