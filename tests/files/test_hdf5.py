"""HDF5: written whole and reproducibly, read with clear messages, mapped exactly."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import mapped, reading, write_array, writing


def test_a_file_appears_whole_at_the_end(tmp_path):
    path = tmp_path / "folder" / "x.h5"
    with writing(path) as file:
        file["a"] = np.arange(5)
        assert not path.exists()
    with h5py.File(path) as file:
        assert file["a"][()].tolist() == [0, 1, 2, 3, 4]
    assert [p.name for p in path.parent.iterdir()] == ["x.h5"]


def test_an_error_leaves_nothing(tmp_path):
    def interrupted():
        with writing(tmp_path / "x.h5") as file:
            file["a"] = np.arange(5)
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_equal_content_gives_equal_bytes(tmp_path):
    code = """
import sys, time
import numpy as np
from scatterflow.files.hdf5 import write_array, writing
with writing(sys.argv[1]) as file:
    group = file.create_group("entry")
    group.attrs["NX_class"] = "NXentry"
    write_array(group, "b", np.arange(1000.0), units="mm")
    write_array(group, "a", "text")
    write_array(group, "c", ["x", "å"])
"""
    scripts = str(Path(__file__).resolve().parents[2] / "scripts")
    time.sleep(1.1 - time.time() % 1)  # at the start of a second, then in the next one
    for name in ("one.h5", "two.h5"):
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path.insert(0, {scripts!r})\n{code}",
                str(tmp_path / name),
            ],
            check=True,
        )
        time.sleep(1.0)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("", ""),
        ("Å µ 測", "Å µ 測"),
        ("two\nlines", "two\nlines"),
        (["a", "", "Å"], ["a", "", "Å"]),
        (np.array([["a", "bc"]]), [["a", "bc"]]),
        (np.str_("x"), "x"),
    ],
)
def test_text_is_written_as_utf8_of_any_length(tmp_path, value, expected):
    with writing(tmp_path / "x.h5") as file:
        write_array(file, "x", value)
    with h5py.File(tmp_path / "x.h5") as file:
        kind = h5py.check_string_dtype(file["x"].dtype)
        assert (kind.encoding, kind.length) == ("utf-8", None)
        found = file["x"].asstr()[()]
        assert (found if isinstance(found, str) else found.tolist()) == expected


@pytest.mark.parametrize(
    "value", [1, 2.5, True, np.uint16(7), np.arange(6, dtype=">i2").reshape(2, 3), np.zeros((0, 4))]
)
def test_numbers_keep_dtype_and_shape(tmp_path, value):
    with writing(tmp_path / "x.h5") as file:
        write_array(file, "x", value, units="mm", long_name="x (mm)")
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["x"].dtype == np.asarray(value).dtype
        assert file["x"].shape == np.shape(value)
        assert np.array_equal(file["x"][()], value)
        assert dict(file["x"].attrs) == {"units": "mm", "long_name": "x (mm)"}


def test_reading_minds_no_locks(tmp_path):
    path = tmp_path / "x.h5"
    with writing(path) as file:
        file["a"] = 1
    with open(path) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OSError):
            h5py.File(path, "r", locking=True)
        with reading(path) as file:
            assert file["a"][()] == 1


@pytest.mark.parametrize(
    "damage",
    ["empty", "text", "truncated", "head"],
)
def test_a_file_that_is_not_whole_is_one_message(tmp_path, damage):
    path = tmp_path / "x.h5"
    with writing(path) as file:
        file["a"] = np.arange(10_000)
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "text": b"no HDF5 at all" * 100,
        "truncated": whole[: len(whole) // 2],
        "head": b"\x00" * 8 + whole[8:],
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(UserError, match="not a complete HDF5 file") as caught, reading(path):
        pass
    assert caught.value.where == str(path)


def test_a_missing_file_or_a_folder_is_not_called_damaged(tmp_path):
    with pytest.raises(UserError, match="file not found"), reading(tmp_path / "x.h5"):
        pass
    with pytest.raises(UserError) as caught, reading(tmp_path):
        pass
    assert "delete" not in caught.value.how


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.int32).reshape(2, 3, 4),
        np.linspace(0, 1, 7, dtype=">f8"),
        np.array([True, False, True]),
        np.arange(5, dtype=np.uint8),
    ],
)
def test_a_mapped_array_equals_the_dataset_and_cannot_be_written_to(tmp_path, array):
    path = tmp_path / "x.h5"
    with writing(path) as file:
        write_array(file, "before", np.arange(17))
        write_array(file, "x", array)
        write_array(file, "after", np.arange(17))
    with reading(path) as file:
        found = mapped(path, file["x"])
    assert isinstance(found, np.memmap)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0


def test_what_cannot_be_mapped_is_read_and_cannot_be_written_to_either(tmp_path):
    path = tmp_path / "x.h5"
    array = np.arange(100)
    with writing(path) as file:
        file.create_dataset("compressed", data=array, compression="gzip")
        file.create_dataset("chunked", data=array, chunks=(10,))
        file.create_dataset("empty", data=np.zeros((0, 3)))
        file.create_dataset("unwritten", shape=(4,), dtype="i4", fillvalue=7)
        file.create_dataset("scalar", data=5)
        write_array(file, "text", ["a", "b"])
    with reading(path) as file:
        found = {name: mapped(path, file[name]) for name in file}
    assert np.array_equal(found["compressed"], array)
    assert np.array_equal(found["chunked"], array)
    assert found["empty"].shape == (0, 3)
    assert found["unwritten"].tolist() == [7, 7, 7, 7]
    assert found["scalar"] == 5
    assert found["text"].tolist() == [b"a", b"b"]
    assert not any(item.flags.writeable for item in found.values())
