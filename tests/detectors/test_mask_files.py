"""Masks from files: one pattern in every format gives the same good mask; faults are told.

Files are written by other hands than those that read them: fabio's and Pillow's writers, h5py,
numpy, gzip, and Fit2D and compressed TIFF byte by byte.
"""

from __future__ import annotations

import gzip
import struct
import zlib

import fabio
import h5py
import numpy as np
import pytest
from PIL import Image

from scatterflow.detectors.mask_files import read_mask_file
from scatterflow.errors import UserError

SHAPE = (5, 37)  # 37 columns: a .msk row is padded to 64 bits


def pattern():
    """A good mask without symmetry, 60 % masked: a rule 'most pixels are good' would turn it."""
    rows, columns = np.indices(SHAPE)
    return (rows * 37 + columns * columns) % 5 < 2


GOOD = pattern()
MASKED = (~GOOD).astype(np.uint8)


def fit2d_bytes(masked):
    """Fit2D's format: 'MASK' in four little-endian words, columns, rows, then 1 bit per pixel,
    lowest bit first, rows padded to 32 bits."""
    header = b"M\0\0\0A\0\0\0S\0\0\0K\0\0\0" + struct.pack("<ii", masked.shape[1], masked.shape[0])
    rows = []
    for row in masked:
        number = sum(1 << column for column, value in enumerate(row) if value)
        rows.append(number.to_bytes((len(row) + 31) // 32 * 4, "little"))
    return header.ljust(1024, b"\0") + b"".join(rows)


def deflated_tiff(masked):
    """TIFF 6.0, little-endian: header, directory, then one strip of zlib-packed uint8."""
    strip = zlib.compress(masked.tobytes())
    rows, columns = masked.shape
    tags = [(256, columns), (257, rows), (258, 8), (259, 8), (262, 1)]  # size, depth, zlib, grey
    start = 8 + 2 + 12 * 9 + 4
    tags += [(273, start), (277, 1), (278, rows), (279, len(strip))]  # strip: where, planes, size
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return header + directory + bytes(4) + strip


def read(path, shape=SHAPE, **rest):
    good, _ = read_mask_file({"path": str(path)} | rest, shape, "detector d, mask m")
    return good


def write_hdf5(path, name, data, **rest):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=data, **rest)


WRITERS = {
    "edf": lambda path: fabio.edfimage.EdfImage(data=MASKED).write(str(path)),
    "tif": lambda path: fabio.tifimage.TifImage(data=MASKED).write(str(path)),
    "lzw.tif": lambda path: Image.fromarray(MASKED * 255).save(path, compression="tiff_lzw"),
    "zip.tif": lambda path: path.write_bytes(deflated_tiff(MASKED)),
    "msk": lambda path: path.write_bytes(fit2d_bytes(MASKED)),
    "npy": lambda path: np.save(path, MASKED),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("suffix", "declared"),
    [
        ("edf", None),
        ("edf", "masked"),
        ("msk", None),
        ("msk", "masked"),
        ("tif", "masked"),
        ("lzw.tif", "masked"),
        ("zip.tif", "masked"),
        ("npy", "masked"),
    ],
)
def test_nonzero_means_masked(tmp_path, suffix, declared, packed):
    path = tmp_path / f"mask.{suffix}"
    WRITERS[suffix](path)
    if packed:
        path = path.rename(path.with_name("plain"))
        content, path = path.read_bytes(), tmp_path / f"mask.{suffix}.gz"
        path.write_bytes(gzip.compress(content))
    assert np.array_equal(read(path, true_means=declared), GOOD)


@pytest.mark.parametrize("suffix", ["tif", "npy", "lzw.tif", "zip.tif"])
def test_declared_good_is_the_opposite(tmp_path, suffix):
    path = tmp_path / f"mask.{suffix}"
    WRITERS[suffix](path)
    assert np.array_equal(read(path, true_means="good"), ~GOOD)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", ">i4", "uint64", "float32", ">f8", "float16"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_any_number_type(tmp_path, dtype, order):
    np.save(tmp_path / "mask.npy", np.asarray(GOOD.astype(dtype), order=order))
    assert np.array_equal(read(tmp_path / "mask.npy", true_means="good"), GOOD)


@pytest.mark.parametrize("data", [GOOD, GOOD.astype("u1"), GOOD.astype(">i4"), GOOD[np.newaxis]])
def test_hdf5_dataset_with_declared_polarity(tmp_path, data):
    write_hdf5(tmp_path / "qmap.hdf", "qmap/mask", data, compression="gzip")
    found = read(tmp_path / "qmap.hdf", dataset="/qmap/mask", true_means="good")
    assert np.array_equal(found, GOOD)


def test_the_content_decides_not_the_name(tmp_path):
    fabio.edfimage.EdfImage(data=MASKED).write(str(tmp_path / "mask.cbf"))
    assert np.array_equal(read(tmp_path / "mask.cbf"), GOOD)


@pytest.mark.parametrize("suffix", ["edf", "msk"])
def test_declaration_against_the_format_is_refused(tmp_path, suffix):
    path = tmp_path / f"mask.{suffix}"
    WRITERS[suffix](path)
    with pytest.raises(UserError, match="nonzero value means masked") as refusal:
        read(path, true_means="good")
    assert ".npy" in refusal.value.how


@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_no_guess_of_the_polarity(tmp_path, suffix):
    path = tmp_path / f"mask.{suffix}"
    WRITERS[suffix](path)
    with pytest.raises(UserError, match="nothing says") as refusal:
        read(path)
    assert "true_means" in refusal.value.how
    write_hdf5(tmp_path / "m.h5", "mask", MASKED)
    with pytest.raises(UserError, match="nothing says"):
        read(tmp_path / "m.h5", dataset="mask")


# --- pixel_mask ----------------------------------------------------------------------------------

# value, bad by the rule of NeXus (lower 16 bits), reasons that stay
PIXEL_MASK_VALUES = [
    (0, False, 0),
    (1, True, 1),  # gap
    (2, True, 2),  # dead
    (16, True, 16),  # noisy
    (256, True, 256),  # user
    (1 << 31, False, 1 << 31),  # virtual pixel: a tag
    ((1 << 31) | 1, True, (1 << 31) | 1),
    (1 << 16, False, 1 << 16),
    (0xFFFF, True, 0xFFFF),
]


@pytest.mark.parametrize("dtype", ["uint32", ">u4", "int32", ">i4", "uint64", "int64"])
def test_pixel_mask_by_the_rule_of_nexus(tmp_path, dtype):
    values = np.array([[row[0] for row in PIXEL_MASK_VALUES]], np.uint32)
    write_hdf5(tmp_path / "e.h5", "entry/pixel_mask", values.astype(dtype))
    mask = {"path": str(tmp_path / "e.h5"), "dataset": "entry/pixel_mask"}
    good, reasons = read_mask_file(mask, values.shape, "m")
    assert (~good[0]).tolist() == [row[1] for row in PIXEL_MASK_VALUES]
    assert reasons.dtype == np.uint32
    assert reasons[0].tolist() == [row[2] for row in PIXEL_MASK_VALUES]


def test_pixel_mask_with_chosen_bits(tmp_path):
    write_hdf5(tmp_path / "e.h5", "pixel_mask_1", np.array([[0, 1, 2, 3, 16, 1 << 31]], np.uint32))
    mask = {"path": str(tmp_path / "e.h5"), "dataset": "pixel_mask_1", "bits": 0x80000002}
    good, reasons = read_mask_file(mask, (1, 6), "m")
    assert good[0].tolist() == [True, True, False, False, True, False]
    # Bits that were not asked for are no reasons; a tag that was asked for counts as the user's.
    assert reasons[0].tolist() == [0, 0, 2, 2, 0, (1 << 31) | 256]


@pytest.mark.parametrize(
    ("data", "rest", "message"),
    [
        (np.zeros((1, 2), np.float32), {}, "holds bits, not float32"),
        (np.array([[0, 1 << 32]], np.uint64), {}, "beyond 32 bits"),
        (np.array([[0, -1]], np.int64), {}, "beyond 32 bits"),
        (np.zeros((1, 2), np.uint32), {"true_means": "good"}, "nonzero value means masked"),
    ],
)
def test_bad_pixel_masks(tmp_path, data, rest, message):
    write_hdf5(tmp_path / "e.h5", "pixel_mask", data)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "e.h5", (1, 2), dataset="pixel_mask", **rest)


def test_bits_are_for_pixel_masks_only(tmp_path):
    np.save(tmp_path / "m.npy", MASKED)
    with pytest.raises(UserError, match="only for a dataset named pixel_mask"):
        read(tmp_path / "m.npy", true_means="masked", bits=1)


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", list(WRITERS))
@pytest.mark.parametrize("packed", [False, True])
def test_truncated_files(tmp_path, suffix, packed):
    path = tmp_path / f"mask.{suffix}"
    WRITERS[suffix](path)
    content = gzip.compress(path.read_bytes()) if packed else path.read_bytes()
    short = tmp_path / (f"short.{suffix}" + ".gz" * packed)
    for length in np.linspace(1, len(content) - 10, 12).astype(int):
        short.write_bytes(content[:length])
        with pytest.raises(UserError) as refusal:
            read(short, true_means="masked")
        assert "detector d, mask m" in refusal.value.where


@pytest.mark.parametrize("suffix", list(WRITERS))
@pytest.mark.parametrize("shape", [SHAPE[::-1], (5, 36), (6, 37), (1000, 1000)])
def test_wrong_shape(tmp_path, suffix, shape):
    path = tmp_path / f"mask.{suffix}"
    WRITERS[suffix](path)
    with pytest.raises(UserError, match="5 x 37 pixels") as refusal:
        read(path, shape, true_means="masked")
    assert ("swapped" in refusal.value.how) == (shape == SHAPE[::-1])


@pytest.mark.parametrize(
    "array", [np.arange(7), np.zeros((2, 5, 37)), np.array(1.0)], ids=["list", "stack", "number"]
)
def test_arrays_that_are_no_image(tmp_path, array):
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(UserError, match="pixels, the detector 5 x 37"):
        read(tmp_path / "m.npy", true_means="good")


@pytest.mark.parametrize("bad", [np.nan, np.float32(np.nan)])
def test_nan_in_a_mask(tmp_path, bad):
    values = GOOD.astype(np.asarray(bad).dtype)
    values[1, 2] = bad
    np.save(tmp_path / "m.npy", values)
    with pytest.raises(UserError, match="NaN"):
        read(tmp_path / "m.npy", true_means="good")


def test_pickles_and_structures_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", GOOD.astype(object), allow_pickle=True)
    with pytest.raises(UserError, match="type object"):
        read(tmp_path / "m.npy", true_means="good")
    np.save(tmp_path / "s.npy", np.zeros(SHAPE, [("x", "f4")]))
    with pytest.raises(UserError, match="not numbers"):
        read(tmp_path / "s.npy", true_means="good")
    np.savez(tmp_path / "m.npz", mask=GOOD)
    (tmp_path / "p.pickle").write_bytes(b"\x80\x04N.")
    (tmp_path / "noise.tif").write_bytes(bytes(range(256)) * 20)
    for name in ("m.npz", "p.pickle", "noise.tif"):
        with pytest.raises(UserError, match="no known format"):
            read(tmp_path / name, true_means="good")


def test_a_header_that_promises_terabytes(tmp_path):
    path = tmp_path / "bomb.npy"
    with path.open("wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1000000, 1000000)}
        np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(UserError, match="1000000 x 1000000"):
        read(path, true_means="good")
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("mask", shape=(100000, 100000), dtype="f8", chunks=(100, 100))
    with pytest.raises(UserError, match="100000 x 100000"):
        read(tmp_path / "bomb.h5", dataset="mask", true_means="good")


@pytest.mark.parametrize("name", ["none.edf", "none.h5", "."])
def test_missing_file(tmp_path, name):
    with pytest.raises(UserError, match="does not exist"):
        read(tmp_path / name, true_means="good")


def test_empty_file_and_several_images(tmp_path):
    (tmp_path / "empty.edf").touch()
    with pytest.raises(UserError, match="empty"):
        read(tmp_path / "empty.edf")
    image = Image.fromarray(MASKED)
    image.save(tmp_path / "two.tif", save_all=True, append_images=[image])
    with pytest.raises(UserError, match="2 images"):
        read(tmp_path / "two.tif", true_means="masked")


def test_datasets_that_are_not_there_or_not_here(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir(), outside.mkdir()
    write_hdf5(outside / "mask.h5", "mask", MASKED)
    write_hdf5(inside / "near.h5", "mask", MASKED)
    (outside / "raw").write_bytes(MASKED.tobytes())
    with h5py.File(inside / "m.h5", "w") as file:
        file["group/mask"] = MASKED
        file["text"] = "abc"
        file["far"] = h5py.ExternalLink("../out/mask.h5", "mask")
        file["near"] = h5py.ExternalLink("near.h5", "mask")
        file["lost"] = h5py.ExternalLink("nowhere.h5", "mask")
        source = (str(outside / "raw"), 0, h5py.h5f.UNLIMITED)
        file.create_dataset("external", SHAPE, "u1", external=[source])
        layout = h5py.VirtualLayout(SHAPE, "u1")
        layout[...] = h5py.VirtualSource(str(outside / "mask.h5"), "mask", SHAPE)
        file.create_virtual_dataset("virtual", layout)
    expected = {
        "nothing": "no such dataset",
        "lost": "no such dataset",
        "group": "a group",
        "text": "not numbers",
        "far": "outside the folder",
        "external": "in other files",
        "virtual": "in other files",
    }
    for name, message in expected.items():
        with pytest.raises(UserError, match=message) as refusal:
            read(inside / "m.h5", dataset=name, true_means="masked")
        assert f"dataset {name}" in refusal.value.where
    assert np.array_equal(read(inside / "m.h5", dataset="near", true_means="masked"), GOOD)


def test_dataset_and_file_must_fit(tmp_path):
    write_hdf5(tmp_path / "m.h5", "mask", MASKED)
    with pytest.raises(UserError, match="needs the dataset"):
        read(tmp_path / "m.h5", true_means="good")
    np.save(tmp_path / "m.npy", MASKED)
    with pytest.raises(UserError, match="not an HDF5 file"):
        read(tmp_path / "m.npy", dataset="mask", true_means="good")
    content = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "short.h5").write_bytes(content[: len(content) // 2])
    (tmp_path / "noise.h5").write_bytes(bytes(999))
    for name in ("short.h5", "noise.h5"):
        with pytest.raises(UserError, match="damaged"):
            read(tmp_path / name, dataset="mask", true_means="good")


def test_nothing_is_printed(tmp_path, capfd):
    WRITERS["lzw.tif"](tmp_path / "m.tif")
    read(tmp_path / "m.tif", true_means="masked")
    assert capfd.readouterr() == ("", "")


def test_real_masks(real_data):
    folder = real_data("ssrl-bl15-swaxs")
    saxs = read(folder / "saxs_mask.edf.gz", (1043, 981))
    waxs = read(folder / "waxs_mask.edf.gz", (195, 487))
    assert 1 - saxs.mean() == pytest.approx(0.212, abs=5e-4)
    assert 1 - waxs.mean() == pytest.approx(0.359, abs=5e-4)
    for turned in (waxs[::-1], waxs[:, ::-1], waxs[::-1, ::-1]):
        assert not np.array_equal(turned, waxs)
    frame = fabio.open(str(folder / "saxs_agbh.edf.gz")).data
    assert not (saxs & (frame == -1)).any()  # what the detector itself calls a gap is masked
