"""q-map files: written and read back, files as other programs write them, damaged ones."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from scatterflow.detectors.qmap import Partition, make_qmap
from scatterflow.detectors.qmap_files import read_qmap, write_qmap
from scatterflow.errors import UserError

DYNAMIC = np.array([[0, 1, 1, 2], [3, 3, 2, 2]])
STATIC = np.array([[0, 1, 2, 3], [5, 5, 4, 3]])
INDEX = {"dynamic": [0, 3, 4], "static": [0, 1, 6, 7, 8]}
SIZES = {"dynamic": [3, 2], "static": [6, 2]}
LISTS = {
    "dynamic": (np.array([0.01, 0.02, 0.03]), np.array([-90.0, 90.0])),
    "static": (0.008 + 0.004 * np.arange(6.0), np.array([-90.0, 90.0])),
}


def partition(name, numbers, coordinates=2, spans=False):
    n0, n1 = SIZES[name]
    index = np.array(INDEX[name])
    values = np.stack([LISTS[name][0][index // n1], LISTS[name][1][index % n1]], axis=1)
    edges = tuple(np.stack([x - 0.5, x + 0.5], 1) for x in LISTS[name][:coordinates])
    return Partition(
        numbers.astype(np.uint32),
        index,
        values[:, :coordinates],
        (n0, n1),
        LISTS[name][:coordinates],
        edges if spans else (),
    )


def qmap(spans=True):
    attributes = {
        "beam_center_x": 3.25,
        "beam_center_y": -1.5,
        "pixel_size": 75e-6,
        "energy": 10.0,
        "detector_distance": 8.0,
        "source_file": "x.poni",
    }
    parts = partition("dynamic", DYNAMIC, 2, spans), partition("static", STATIC, 2, spans)
    mask = np.ones(DYNAMIC.shape, bool)
    return make_qmap(*parts, mask, ("q", "phi"), ("1/angstrom", "degree"), attributes, "x")


def write_foreign(path, group="/qmap", kind=np.uint8, **changes):
    """A file as pySimpleMask writes it; a change to None leaves a dataset out."""
    content = {
        "mask": (DYNAMIC > 0).astype(kind),
        "blemish": np.ones(DYNAMIC.shape, kind),
        "map_names": np.array(["q", "phi"], dtype=object),
        "map_units": np.array(["Å⁻¹", "deg"], dtype=object),
        "beam_center_x": 3.25,
        "beam_center_y": -1.5,
        "pixel_size": 75e-6,
        "energy": 10.0,
        "detector_distance": 8.0,
        "source_file": "x.poni",
    }
    for name, numbers in (("dynamic", DYNAMIC), ("static", STATIC)):
        content |= {
            f"{name}_roi_map": numbers.astype(kind),
            f"{name}_num_pts": SIZES[name],
            f"{name}_v_list_dim0": LISTS[name][0],
            f"{name}_v_list_dim1": LISTS[name][1],
            f"{name}_index_mapping": INDEX[name],
        }
    with h5py.File(path, "w") as file:
        for name, value in (content | changes).items():
            if value is not None:
                file[f"{group}/{name}"] = value
    return path


def same(one, two):
    assert one.dynamic.tolist() == two.dynamic.tolist()
    assert one.static.tolist() == two.static.tolist()
    assert one.names == two.names
    assert one.units == two.units
    assert one.dynamic_values.tolist() == two.dynamic_values.tolist()
    assert one.static_index.tolist() == two.static_index.tolist()
    assert one.attributes == two.attributes
    assert one.digest == two.digest


@pytest.mark.parametrize("spans", [True, False])
def test_written_and_read_back(tmp_path, spans):
    written = qmap(spans)
    write_qmap(tmp_path / "q.h5", written)
    same(read_qmap(tmp_path / "q.h5", (2, 4)), written)
    first = (tmp_path / "q.h5").read_bytes()
    write_qmap(tmp_path / "q.h5", written)
    assert (tmp_path / "q.h5").read_bytes() == first


def test_one_coordinate_is_written_with_a_second_of_one_interval(tmp_path):
    part = Partition(
        DYNAMIC.astype(np.uint32),
        np.arange(3),
        LISTS["dynamic"][0][:, np.newaxis],
        (3, 1),
        (LISTS["dynamic"][0],),
    )
    one = make_qmap(part, part, DYNAMIC > 0, ("q",), ("1/nm",), {}, "x")
    write_qmap(tmp_path / "q.h5", one)
    same(read_qmap(tmp_path / "q.h5"), one)
    with h5py.File(tmp_path / "q.h5") as file:
        assert [name.decode() for name in file["qmap/map_names"]] == ["q", "phi"]
        assert [name.decode() for name in file["qmap/map_units"]] == ["nm⁻¹", "deg"]
        assert file["qmap/dynamic_num_pts"][()].tolist() == [3, 1]
        assert file["qmap/dynamic_v_list_dim1"].shape == (1,)


def test_other_programs_find_what_they_read(tmp_path):
    # The paths and kinds that boost_corr and pyXpcsViewer take from the group.
    write_qmap(tmp_path / "q.h5", qmap())
    with h5py.File(tmp_path / "q.h5") as file:
        group = file["qmap"]
        assert group.attrs["hash"] == qmap().digest
        assert len(group.attrs["hash"]) == 64
        assert group.attrs["version"]
        for name, numbers in (("dynamic", DYNAMIC), ("static", STATIC)):
            assert group[f"{name}_roi_map"].dtype == np.uint8
            assert group[f"{name}_roi_map"][()].tolist() == numbers.tolist()
            assert group[f"{name}_index_mapping"][()].tolist() == INDEX[name]
            first = group[f"{name}_v_list_dim0"]
            assert first[()].tolist() == LISTS[name][0].tolist()
            assert (first.attrs["name"], first.attrs["unit"], first.attrs["size"]) == (
                "q",
                "Å⁻¹",
                SIZES[name][0],
            )
        for name in ("mask", "blemish"):
            assert group[name].dtype == np.uint8
            assert group[name][()].tolist() == (DYNAMIC > 0).tolist()
        for name in ("beam_center_x", "beam_center_y", "pixel_size", "energy"):
            assert group[name].shape == ()
        assert group["detector_distance"][()] == 8.0


@pytest.mark.parametrize("group", ["/qmap", "/xpcs/qmap"])
@pytest.mark.parametrize("kind", [np.uint8, ">i8", np.float32])
def test_files_of_pysimplemask(tmp_path, group, kind):
    # The type that the numbers are stored in changes nothing, the digest included.
    found = read_qmap(write_foreign(tmp_path / "q.hdf", group, kind))
    same(found, qmap(spans=False))
    assert found.notes == ()


def test_no_second_coordinate_where_it_has_one_interval(tmp_path):
    changes = {}
    for name, numbers in (("dynamic", DYNAMIC), ("static", STATIC)):
        count = int(numbers.max())
        changes |= {
            f"{name}_num_pts": [count, 1],
            f"{name}_v_list_dim0": 0.01 * np.arange(1, count + 1),
            f"{name}_v_list_dim1": [0.0],
            f"{name}_index_mapping": np.arange(count),
        }
    found = read_qmap(write_foreign(tmp_path / "q.hdf", **changes))
    assert (found.names, found.units) == (("q",), ("1/angstrom",))
    assert found.dynamic_values.tolist() == [[0.01], [0.02], [0.03]]


def test_mask_and_blemish_both_remove(tmp_path):
    blemish = np.ones((2, 4))
    blemish[0, 1] = 0
    mask = (DYNAMIC > 0).astype(int)
    mask[1, 3] = 0
    found = read_qmap(write_foreign(tmp_path / "q.hdf", mask=mask, blemish=blemish))
    assert found.dynamic.tolist() == [[0, 0, 1, 2], [3, 3, 2, 0]]
    assert found.static_index.tolist() == [1, 6, 7, 8]
    assert found.notes == ("1 of 5 static bins of the q-map hold no good pixel; they are left out",)


OLD = {"dynamic": ("dynamicMap", "dq", "dno"), "static": ("staticMap", "sq", "sno")}


def write_old(path, group="/data", **changes):
    """q-phi bins (iq - 1) * nphi + iphi that keep their numbers; every value is its own mean."""
    content = {"mask": np.ones((2, 4), np.uint8)}
    for name, numbers in (("dynamic", DYNAMIC), ("static", STATIC)):
        n0, n1 = SIZES[name]
        natural = np.concatenate([[0], np.array(INDEX[name]) + 1])[numbers]
        image, _, _ = OLD[name]
        letter = name[0]
        means = 0.01 * (1 + np.arange(n0 * n1) // n1) + 0.0001 * np.arange(n0 * n1)
        # Bins without pixels have no mean.
        means[[i for i in range(n0 * n1) if i not in INDEX[name]]] = np.nan
        content |= {
            image: natural.astype(np.uint32),
            f"{letter}qval": means[np.newaxis],
            f"{letter}phival": np.where(np.arange(n0 * n1) % n1 == 0, -90.0, 90.0)[np.newaxis],
            f"{letter}qspan": np.linspace(0.005, 0.035, n0 + 1)[np.newaxis],
            f"{letter}phispan": np.array([[-180.0, 0.0, 180.0]]),
            f"{letter}noq": np.array([[n0]]),
            f"{letter}nophi": np.array([[n1]]),
        }
    renamed = {}
    for key, value in (content | changes).items():
        if group == "/xpcs":
            key = {"dynamicMap": "dqmap", "staticMap": "sqmap"}.get(key, key).replace("val", "list")
        renamed[key] = value
    with h5py.File(path, "w") as file:
        for key, value in renamed.items():
            if value is not None:
                file[f"{group}/{key}"] = value
    return path


@pytest.mark.parametrize("group", ["/data", "/xpcs"])
def test_old_files(tmp_path, group):
    found = read_qmap(write_old(tmp_path / "q.h5", group), (2, 4))
    assert found.dynamic.tolist() == DYNAMIC.tolist()
    assert found.static.tolist() == STATIC.tolist()
    assert found.dynamic_index.tolist() == INDEX["dynamic"]
    assert found.static_index.tolist() == INDEX["static"]
    assert (found.names, found.units) == (("q", "phi"), ("1/angstrom", "degree"))
    assert found.dynamic_values == pytest.approx(
        np.array([[0.01, -90], [0.0203, 90], [0.0304, -90]])
    )
    # Of the two bins at one q only one has pixels: its mean is listed.
    assert found.dynamic_lists[0] == pytest.approx([0.01, 0.0203, 0.0304])
    assert found.dynamic_spans[0] == pytest.approx(
        np.array([[0.005, 0.015], [0.015, 0.025], [0.025, 0.035]])
    )
    assert "3 of 6 dynamic bins" in found.notes[0]
    write_qmap(tmp_path / "new.h5", found)
    same(read_qmap(tmp_path / "new.h5"), found)


def test_old_files_without_phi(tmp_path):
    flat = {}
    for letter, numbers in (("d", DYNAMIC), ("s", STATIC)):
        count = int(numbers.max())
        flat |= {f"{letter}nophi": None, f"{letter}phival": None, f"{letter}phispan": None}
        flat |= {f"{letter}noq": [[count]], f"{letter}qval": [np.arange(1.0, count + 1)]}
        flat |= {f"{letter}qspan": None}
    flat |= {"dynamicMap": DYNAMIC, "staticMap": STATIC}
    found = read_qmap(write_old(tmp_path / "q.h5", **flat))
    assert found.names == ("q",)
    assert found.dynamic_values.tolist() == [[1], [2], [3]]
    assert found.dynamic_spans == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"static_roi_map": None}, "lacks the dataset 'static_roi_map'"),
        ({"dynamic_index_mapping": None}, "lacks the dataset 'dynamic_index_mapping'"),
        ({"dynamic_num_pts": [4, 2]}, "list .3, 2. values, dynamic_num_pts says .4, 2."),
        ({"dynamic_index_mapping": [0, 3, 6]}, "holds 6; the highest can be 5"),
        ({"dynamic_index_mapping": [0, 3]}, "holds bin 3, but only 2 dynamic bins"),
        ({"dynamic_roi_map": DYNAMIC[:, :3]}, r"'mask' is \(2, 4\) pixels large, a map \(2, 3\)"),
        ({"dynamic_roi_map": DYNAMIC - 1}, "negative, not whole or too large"),
        ({"dynamic_roi_map": DYNAMIC + 0.5}, "negative, not whole or too large"),
        ({"dynamic_roi_map": np.full((2, 4), np.nan)}, "negative, not whole or too large"),
        ({"dynamic_roi_map": "text"}, "no image of numbers"),
        ({"dynamic_v_list_dim0": ["a", "b", "c"]}, "holds no numbers"),
        (
            {"static_roi_map": STATIC[:, :3]},
            "different shapes: dynamic map 2 x 4, static map 2 x 3",
        ),
        ({"static_roi_map": DYNAMIC[::-1]}, "static bin . lies across|no static bin"),
        ({"mask": np.zeros((2, 4))}, "mask of the q-map removes all"),
        ({"mask": np.ones((4, 2))}, r"\(4, 2\) pixels large, a map \(2, 4\)"),
        ({"map_units": ["one"]}, "names no one or two coordinates"),
    ],
)
def test_faulty_files(tmp_path, changes, message):
    path = write_foreign(tmp_path / "q.hdf", **changes)
    with pytest.raises(UserError, match=message) as refusal:
        read_qmap(path)
    assert str(path) in refusal.value.where
    assert refusal.value.how


def test_a_file_of_another_detector(tmp_path):
    path = write_foreign(tmp_path / "q.hdf")
    with pytest.raises(UserError, match="2 x 4 pixels, the detector 512 x 1024"):
        read_qmap(path, (512, 1024))
    with pytest.raises(UserError, match="transposed"):
        read_qmap(write_old(tmp_path / "old.h5"), (4, 2))


def test_files_that_are_no_q_map(tmp_path):
    with pytest.raises(UserError, match="not found"):
        read_qmap(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(UserError, match="not a complete HDF5 file") as refusal:
        read_qmap(tmp_path / "text.h5")
    assert refusal.value.how.startswith("give a q-map file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = [1, 2]
    with pytest.raises(UserError, match="holds no q-map"):
        read_qmap(tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dqval": np.ones((1, 5))}, "'dqval' holds 5 numbers, not 3 x 2"),
        ({"staticMap": STATIC + 9}, "holds bin 14, but only 12 static bins"),
        ({"dphival": None}, "lacks the dataset 'dphival'"),
        ({"dqval": np.full((1, 6), np.nan)}, "dynamic values of the q-map are not all finite"),
    ],
)
def test_faulty_old_files(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read_qmap(write_old(tmp_path / "q.h5", **changes))


JUNK = [
    np.empty(0),
    np.zeros((2, 2, 2)),
    -1.5,
    np.nan,
    np.full((2, 4), np.inf),
    2**40,
    "text",
    h5py.Empty("f8"),
    np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
]


@pytest.mark.parametrize("write", [write_foreign, write_old])
def test_junk_in_any_dataset_is_refused_or_read_never_a_traceback(tmp_path, write):
    with h5py.File(write(tmp_path / "q.h5")) as file:
        (group,) = file.values()
        names = list(group)
    refused = set()
    for name in names:
        for junk in JUNK:
            path = write(tmp_path / "q.h5", **{name: junk})
            try:
                read_qmap(path)
            except UserError as error:
                refused.add((name, str(path) in error.where))
    assert all(tells_where for _, tells_where in refused)
    assert {name for name, _ in refused} >= {name for name in names if "map" in name.lower()}


def test_a_group_instead_of_a_dataset_is_a_missing_one(tmp_path):
    path = write_foreign(tmp_path / "q.h5", static_roi_map=None)
    with h5py.File(path, "a") as file:
        file.create_group("qmap/static_roi_map")
    with pytest.raises(UserError, match="lacks the dataset 'static_roi_map'"):
        read_qmap(path)


def test_other_coordinates_and_units_are_kept(tmp_path):
    units = np.array(["%", "deg"], dtype=object)
    names = np.array(["TTH", "chi"], dtype=object)
    found = read_qmap(write_foreign(tmp_path / "q.h5", map_names=names, map_units=units))
    assert (found.names, found.units) == (("TTH", "chi"), ("%", "degree"))
    write_qmap(tmp_path / "again.h5", found)
    same(read_qmap(tmp_path / "again.h5"), found)
