"""Image series: every format whole, every fault found, frames in their place."""

from __future__ import annotations

import bz2
import contextlib
import gc
import gzip
import os
import resource
import struct
import time
import zlib
from pathlib import Path

import fabio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import FrameError, UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.images import ImageSource

SHAPE = (13, 17)
PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}


def pixels(number=0, dtype=np.int32):
    frame = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) + 1000 * number
    if np.dtype(dtype).kind == "i":
        frame[2, 3] = -2
    return frame.astype(dtype)


def tiff(frames, compression=1, order="<", rows_per_strip=None, big=False):
    """A TIFF file by hand: per frame the strips, then its directory."""
    word = "Q" if big else "I"
    content = bytearray(
        (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    )
    content += struct.pack(order + "HHQ", 8, 0, 0) if big else struct.pack(order + "I", 0)
    link = len(content) - struct.calcsize(word)
    for frame in frames:
        step = rows_per_strip or len(frame)
        strips = [frame[i : i + step] for i in range(0, len(frame), step)]
        stored = [s.astype(s.dtype.newbyteorder(order)).tobytes() for s in strips]
        if compression == 8:
            stored = [zlib.compress(strip) for strip in stored]
        offsets = []
        for strip in stored:
            offsets.append(len(content))
            content += strip
        places = []
        for numbers in (offsets, [len(strip) for strip in stored]):
            places.append(len(content))
            content += struct.pack(f"{order}{len(numbers)}{word}", *numbers)
        kind = {"u": 1, "i": 2, "f": 3}[frame.dtype.kind]
        several, many = len(stored) > 1, 16 if big else 4
        entries = [
            (256, 4, 1, frame.shape[1]), (257, 4, 1, frame.shape[0]),
            (258, 3, 1, frame.dtype.itemsize * 8), (259, 3, 1, compression), (262, 3, 1, 1),
            (273, many, len(stored), places[0] if several else offsets[0]), (277, 3, 1, 1),
            (278, 4, 1, step), (279, many, len(stored), places[1] if several else len(stored[0])),
            (339, 3, 1, kind),
        ]  # fmt: skip
        content[link : link + struct.calcsize(word)] = struct.pack(order + word, len(content))
        content += struct.pack(order + ("Q" if big else "H"), len(entries))
        for tag, type_, count, value in entries:
            value = (
                struct.pack(order + {3: "H", 4: "I", 16: "Q"}[type_], value)
                if count == 1
                else (struct.pack(order + word, value))
            )
            content += struct.pack(order + "HH" + word, tag, type_, count)
            content += value.ljust(struct.calcsize(word), b"\0")
        link = len(content)
        content += struct.pack(order + word, 0)
    return bytes(content)


def edf(frames):
    """An EDF file by hand: per frame a header of 1024 bytes and the pixels."""
    content = b""
    names = {"int32": "SignedInteger", "uint16": "UnsignedShort", "float32": "FloatValue"}
    for i, frame in enumerate(frames):
        text = (
            f"{{\nHeaderID = EH:{i + 1:06d}:000000:000000 ;\nImage = {i + 1} ;\n"
            f"ByteOrder = LowByteFirst ;\nDataType = {names[str(frame.dtype)]} ;\n"
            f"Dim_1 = {frame.shape[1]} ;\nDim_2 = {frame.shape[0]} ;\nSize = {frame.nbytes} ;\n"
            f"exposure = {i + 0.5} ;\n"
        )
        content += text.ljust(1022).encode() + b"}\n" + frame.tobytes()
    return content


def cbf(frame, folder):
    path = folder / "written.cbf"
    fabio.cbfimage.CbfImage(frame).write(str(path))
    return path.read_bytes()


def location(root, pattern, frames, shape=SHAPE, **recipe):
    recipe = {"format": "images", "frames": {"d": pattern}, **recipe}
    return RunLocation("r1", "scan7", str(root), frames, recipe, {"d": shape} if shape else {})


def single(root, name, content, frames=1, **recipe):
    (root / name).write_bytes(content)
    return ImageSource(location(root, name, frames, **recipe))


# Formats


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("rows", [None, 1, 4])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i4", "i8", "f4", "f8"])
def test_tiffs_written_by_hand_come_back_in_their_own_type(tmp_path, order, big, rows, dtype):
    frames = [pixels(i, dtype) for i in range(3)]
    if dtype == "u4":
        frames[1][0, 0] = 2**32 - 1  # the sentinel must not become -1
    source = single(tmp_path, "a.tif", tiff(frames, 1, order, rows, big), frames=3)
    assert source.detectors["d"].shape == SHAPE
    assert source.detectors["d"].dtype == np.dtype(dtype)
    read = source.read("d", 0, 3)
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, frames)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "f4"])
@pytest.mark.parametrize("rows", [None, 5])
def test_compressed_tiffs_keep_their_type(tmp_path, dtype, rows):
    frames = [pixels(i, dtype) for i in range(2)]
    if dtype == "u4":
        frames[0][0, 0] = 2**32 - 1
    source = single(tmp_path, "a.tif", tiff(frames, 8, rows_per_strip=rows), frames=2)
    read = source.read("d", 0, 2)
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, frames)


def test_packbits_in_one_strip_is_decoded(tmp_path):
    from PIL import Image

    Image.fromarray(pixels()).save(tmp_path / "a.tif", compression="packbits")
    source = ImageSource(location(tmp_path, "a.tif", 1))
    np.testing.assert_array_equal(source.read("d", 0, 1)[0], pixels())


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("dtype", ["int32", "uint16", "float32"])
def test_edf_files_of_one_and_many_frames(tmp_path, suffix, dtype):
    frames = [pixels(i, dtype) for i in range(4)]
    source = single(tmp_path, "a.edf" + suffix, PACKERS[suffix](edf(frames)), frames=4)
    source.check()
    read = source.read("d", 1, 3)
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, frames[1:3])
    assert source.metadata()["d"]["exposure"] == "0.5"


@pytest.mark.parametrize("suffix", PACKERS)
def test_cbf_files(tmp_path, suffix):
    content = PACKERS[suffix](cbf(pixels(), tmp_path))
    source = single(tmp_path, "a.cbf" + suffix, content)
    assert source.detectors["d"].dtype == np.int32
    np.testing.assert_array_equal(source.read("d", 0, 1)[0], pixels())


def test_cbf_bytes_by_hand(tmp_path):
    # Byte-offset: differences as int8, or 80 and int16, or 80 00 80 and int32.
    packed = (
        bytes([5, 0xFF])
        + b"\x80"
        + struct.pack("<h", 300)
        + b"\x80\x00\x80"
        + struct.pack("<i", 100000)
    )
    header = (
        "###CBF: VERSION 1.5\r\n\r\ndata_a\r\n\r\n_array_data.data\r\n;\r\n"
        "--CIF-BINARY-FORMAT-SECTION--\r\nContent-Type: application/octet-stream;\r\n"
        '     conversions="x-CBF_BYTE_OFFSET"\r\n'
        f"X-Binary-Size: {len(packed)}\r\n"
        'X-Binary-Element-Type: "signed 32-bit integer"\r\n'
        "X-Binary-Size-Fastest-Dimension: 2\r\nX-Binary-Size-Second-Dimension: 2\r\n\r\n"
    )
    content = (
        header.encode() + b"\x0c\x1a\x04\xd5" + packed + b"\r\n--CIF-BINARY-FORMAT-SECTION----"
    )
    (tmp_path / "a.cbf").write_bytes(content)
    source = ImageSource(location(tmp_path, "a.cbf", 1, shape=(2, 2)))
    np.testing.assert_array_equal(source.read("d", 0, 1)[0], [[5, 4], [304, 100304]])


def test_npy_through_fabio(tmp_path):
    np.save(tmp_path / "a.npy", pixels(dtype="u2"))
    source = ImageSource(location(tmp_path, "a.npy", 1))
    np.testing.assert_array_equal(source.read("d", 0, 1)[0], pixels(dtype="u2"))


# Series


def test_the_planned_files_are_known_before_they_exist(tmp_path):
    place = location(tmp_path / "nowhere", "{raw}/{run}_{frame:04d}.tif", 10, frames_per_file=4,
                     first_frame=1)  # fmt: skip
    source = ImageSource(place)
    names = ["r1_0001.tif", "r1_0002.tif", "r1_0003.tif"]
    assert source.files() == [tmp_path / "nowhere/scan7" / name for name in names]
    assert [p.name for p in source.files("d", 3, 5)] == names[:2]
    assert [p.name for p in source.files("d", 4, 8)] == names[1:2]
    assert source.files("d", 5, 5) == []


def test_several_detectors_and_frames_per_file(tmp_path):
    frames = np.stack([pixels(i) for i in range(7)])
    for number in range(3):
        (tmp_path / f"a_{number + 5}.tif").write_bytes(
            tiff(list(frames[3 * number : 3 * number + 3]))
        )
    (tmp_path / "b.edf").write_bytes(edf(list(frames[:, :5])))
    recipe = {"format": "images", "frames": {"a": "a_{frame}.tif", "b": "b.edf"}, "first_frame": 5,
              "frames_per_file": 3}  # fmt: skip
    source = ImageSource(RunLocation("r1", "x", str(tmp_path), 7, recipe))
    source.check()
    for start in range(8):
        for stop in range(start, 8):
            np.testing.assert_array_equal(source.read("a", start, stop), frames[start:stop])
    np.testing.assert_array_equal(source.read("b", 2, 6), frames[2:6, :5])
    assert [p.name for p in source.files()] == ["a_5.tif", "a_6.tif", "a_7.tif", "b.edf"]
    with pytest.raises(UserError, match="no detector 'c'"):
        source.read("c", 0, 1)


@given(st.integers(1, 9), st.integers(1, 4), st.data())
@settings(max_examples=25, deadline=None)
def test_two_reads_are_one_read(tmp_path_factory, frames, per_file, data):
    root = tmp_path_factory.mktemp("s")
    stack = np.stack([pixels(i, "u2") for i in range(frames)])
    for number, first in enumerate(range(0, frames, per_file)):
        (root / f"{number}.tif").write_bytes(tiff(list(stack[first : first + per_file])))
    source = ImageSource(location(root, "{frame}.tif", frames, frames_per_file=per_file))
    cut = data.draw(st.integers(0, frames))
    parts = [source.read("d", 0, cut), source.read("d", cut, frames)]
    np.testing.assert_array_equal(np.concatenate(parts), stack)


def test_scalars_and_their_files(tmp_path):
    (tmp_path / "scan7.csv").write_text("ic1\n1\n2\n")
    for i in range(2):
        (tmp_path / f"{i}.tif").write_bytes(tiff([pixels(i)]))
    scalars = {"m": {"type": "column", "name": "ic1", "unit": "counts"}}
    source = ImageSource(location(tmp_path, "{frame}.tif", 2, table="{raw}.csv", scalars=scalars))
    assert list(source.scalars()["m"]) == [1, 2]
    assert source.scalar_files() == [tmp_path / "scan7.csv", tmp_path / "0.tif"]


# Faults


def whole_files(folder: Path) -> dict[str, bytes]:
    return {
        "plain.tif": tiff([pixels()]),
        "strips.tif": tiff([pixels()], rows_per_strip=4),
        "deflate.tif": tiff([pixels()], 8, rows_per_strip=4),
        "a.cbf": cbf(pixels(), folder),
        "a.edf": edf([pixels()]),
        "a.tif.gz": gzip.compress(tiff([pixels()])),
        "a.edf.bz2": bz2.compress(edf([pixels()])),
        "a.edf.gz": gzip.compress(edf([pixels()])),
    }


@pytest.mark.parametrize("name", ["plain.tif", "strips.tif", "deflate.tif", "a.cbf", "a.edf",
                                  "a.tif.gz", "a.edf.bz2", "a.edf.gz"])  # fmt: skip
def test_no_truncated_file_gives_a_frame(tmp_path, name):
    content = whole_files(tmp_path)[name]
    # A CBF ends with a line that holds no pixels.
    end = content.rindex(b"\r\n\r\n--CIF") if name == "a.cbf" else len(content)
    np.testing.assert_array_equal(single(tmp_path, name, content).read("d", 0, 1)[0], pixels())
    for length in sorted({*range(0, end, max(1, end // 60)), end - 1}):
        source = single(tmp_path, name, content[:length])
        with pytest.raises(FrameError) as caught:
            source.read("d", 0, 1)
        assert name in caught.value.where
        assert "frame 0" in caught.value.where
        assert "r1" in caught.value.where


@pytest.mark.parametrize("name", ["a.cbf", "a.tif.gz", "a.edf.bz2", "deflate.tif"])
def test_flipped_bits_are_found_where_there_is_a_checksum(tmp_path, name):
    content = bytearray(whole_files(tmp_path)[name])
    at = content.index(b"\x0c\x1a\x04\xd5") + 50 if name == "a.cbf" else len(content) // 3
    content[at] ^= 0x10
    with pytest.raises(FrameError):
        single(tmp_path, name, bytes(content)).read("d", 0, 1)


def test_a_truncated_frame_in_a_series_is_named_and_the_others_read(tmp_path):
    for i in range(4):
        content = tiff([pixels(i)])
        (tmp_path / f"{i}.tif").write_bytes(content[:400] if i == 2 else content)
    source = ImageSource(location(tmp_path, "{frame}.tif", 4))
    np.testing.assert_array_equal(source.read("d", 0, 2), [pixels(0), pixels(1)])
    np.testing.assert_array_equal(source.read("d", 3, 4), [pixels(3)])
    with pytest.raises(FrameError) as caught:
        source.read("d", 0, 4)
    assert "2.tif" in caught.value.where
    assert "frame 2" in caught.value.where


def test_a_truncated_multi_frame_edf_gives_its_whole_frames(tmp_path):
    frames = [pixels(i) for i in range(3)]
    source = single(tmp_path, "a.edf", edf(frames)[:-100], frames=3)
    np.testing.assert_array_equal(source.read("d", 0, 2), frames[:2])
    with pytest.raises(FrameError, match="frame 2"):
        source.read("d", 0, 3)


def test_a_missing_file_is_named(tmp_path):
    for i in (1, 2):
        (tmp_path / f"{i}.tif").write_bytes(tiff([pixels(i)]))
    source = ImageSource(location(tmp_path, "{frame}.tif", 3))
    assert source.detectors["d"].shape == SHAPE  # from the first file that is there
    with pytest.raises(FrameError) as caught:
        source.read("d", 0, 3)
    assert "missing" in caught.value.what
    assert "0.tif" in caught.value.where
    with pytest.raises(FrameError, match="missing"):
        _ = ImageSource(location(tmp_path, "none_{frame}.tif", 3)).detectors


def test_a_frame_of_another_shape_or_type_is_named(tmp_path):
    (tmp_path / "0.tif").write_bytes(tiff([pixels()]))
    (tmp_path / "1.tif").write_bytes(tiff([pixels()[:, :-1]]))
    (tmp_path / "2.tif").write_bytes(tiff([pixels(dtype="u2")]))
    source = ImageSource(location(tmp_path, "{frame}.tif", 3))
    with pytest.raises(FrameError, match=r"\(13, 16\)") as caught:
        source.read("d", 0, 3)
    assert "frame 1" in caught.value.where
    with pytest.raises(FrameError, match="uint16") as caught:
        source.read("d", 2, 3)
    assert "frame 2" in caught.value.where


@pytest.mark.parametrize(("said", "words"), [(2, "there is a file after the last, 2.tif"),
                                             (5, "3 of 5 files")])  # fmt: skip
def test_a_wrong_count_in_the_run_table_says_both_numbers(tmp_path, said, words):
    for i in range(3):
        (tmp_path / f"{i}.tif").write_bytes(tiff([pixels(i)]))
    with pytest.raises(UserError) as caught:
        ImageSource(location(tmp_path, "{frame}.tif", said)).check()
    assert words in caught.value.what
    assert f"{said} frames" in caught.value.what
    assert "r1" in caught.value.where
    assert "`frames`" in caught.value.how


def test_policy_nan_lets_the_last_file_be_missing(tmp_path):
    (tmp_path / "0.tif").write_bytes(tiff([pixels()]))
    ImageSource(location(tmp_path, "{frame}.tif", 2, missing="nan")).check()


@pytest.mark.parametrize("said", [2, 5])
def test_a_wrong_count_in_one_file_says_both_numbers(tmp_path, said):
    source = single(tmp_path, "a.edf", edf([pixels(i) for i in range(3)]), frames=said)
    with pytest.raises(UserError, match=f"{said} frames.*3 frames in the file"):
        source.check()


def test_frames_that_nobody_asked_for_are_not_dropped(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.tif").write_bytes(tiff([pixels(), pixels(1)]))
    source = ImageSource(location(tmp_path, "{frame}.tif", 2))  # frames_per_file forgotten
    with pytest.raises(UserError, match="2 frames, 1 expected") as caught:
        source.read("d", 0, 1)
    assert "frames_per_file" in caught.value.how


def test_a_compressed_bomb_is_not_unpacked(tmp_path):
    content = gzip.compress(bytes(64 << 20))
    with pytest.raises(FrameError, match="expands to more than"):
        single(tmp_path, "a.tif.gz", content).read("d", 0, 1)


def test_an_edf_with_its_pixels_elsewhere_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(4 * SHAPE[0] * SHAPE[1]))
    content = edf([pixels()]).replace(b"exposure = 0.5 ;", b"EDF_BinaryFileName = secret ;")
    with pytest.raises(FrameError, match="another file"):
        single(tmp_path, "a.edf", content).read("d", 0, 1)


def test_what_is_no_image(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = pixels()
    with pytest.raises(FrameError, match="format: hdf5"):
        ImageSource(location(tmp_path, "a.h5", 1)).read("d", 0, 1)
    for name, content in [
        ("empty.tif", b""),
        ("word.tif", b"not an image"),
        ("half.tif", b"II*\0"),
    ]:
        with pytest.raises(FrameError):
            single(tmp_path, name, content).read("d", 0, 1)


@pytest.mark.parametrize("name", ["a.cbf", "plain.tif", "a.edf", "a.edf.gz"])
def test_a_file_is_known_by_its_first_bytes_not_by_its_name(tmp_path, name):
    content = bytearray(whole_files(tmp_path)[name])
    content[0] ^= 0xFF
    with pytest.raises(FrameError):
        single(tmp_path, name, bytes(content)).read("d", 0, 1)
    # EDF content under another name, as some beamlines have it.
    source = single(tmp_path, "edf.cbf", edf([pixels()]))
    np.testing.assert_array_equal(source.read("d", 0, 1)[0], pixels())


def test_a_tiff_whose_directories_run_in_a_circle(tmp_path):
    content = bytearray(tiff([pixels()]))
    content[-4:] = content[4:8]
    with pytest.raises(FrameError, match="circle"):
        single(tmp_path, "a.tif", bytes(content)).read("d", 0, 1)


def test_a_colour_image_is_no_frame(tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((*SHAPE, 3), np.uint8)).save(tmp_path / "a.tif")
    with pytest.raises(FrameError, match="colour"):
        ImageSource(location(tmp_path, "a.tif", 1)).read("d", 0, 1)


@given(st.integers(0, 2000), st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_corrupt_tiff_never_ends_in_a_traceback(tmp_path_factory, at, flip):
    content = bytearray(tiff([pixels(), pixels(1)], rows_per_strip=4))
    content[at % len(content)] ^= flip
    root = tmp_path_factory.mktemp("c")
    try:
        read = single(root, "a.tif", bytes(content), frames=2).read("d", 0, 2)
    except UserError:
        return
    assert read.shape == (2, *SHAPE)  # a pixel changed, which no TIFF can tell


# Real data


def test_real_calibrant_images(real_data):
    root = real_data("ssrl-bl15-swaxs")
    recipe = {
        "format": "images",
        "frames": {"saxs": "saxs_agbh.edf.gz", "waxs": "waxs_lab6.edf.gz"},
    }
    shapes = {"saxs": (1043, 981), "waxs": (195, 487)}
    source = ImageSource(RunLocation("cal", "x", str(root), 1, recipe, shapes))
    source.check()
    for name, shape in shapes.items():
        frame = source.read(name, 0, 1)[0]
        assert frame.shape == shape
        assert frame.dtype == np.int32
        assert frame.max() > 100
        assert (frame.min() == -2) == (name == "saxs")
        with gzip.open(root / recipe["frames"][name]) as stream:
            stored = np.frombuffer(stream.read()[-frame.nbytes :], "<i4").reshape(shape)
        np.testing.assert_array_equal(frame, stored)


# What the computer refuses, what stays open, when it was measured


def multi_frame(folder, n, name="a.tif"):
    frames = np.arange(n, dtype=np.uint16)[:, None, None] + np.arange(6, dtype=np.uint16)
    (folder / name).write_bytes(tiff(list(frames.reshape(n, 2, 3))))
    return ImageSource(location(folder, name, n, shape=(2, 3))), frames.reshape(n, 2, 3)


def test_a_file_of_many_frames_is_indexed_once(tmp_path):
    # Indexed for each block, reading 60 blocks would cost some 60 times as much as reading one.
    _, frames = multi_frame(tmp_path, 3000)
    spent = {}
    for block in (3000, 50):
        source = ImageSource(location(tmp_path, "a.tif", 3000, shape=(2, 3)))
        begin = time.process_time()
        blocks = [source.read("d", i, i + block) for i in range(0, 3000, block)]
        spent[block] = time.process_time() - begin
        np.testing.assert_array_equal(np.concatenate(blocks), frames)
        source.close()
    assert spent[50] < 8 * spent[3000]


def descriptors():
    gc.collect()  # what earlier tests left open closes now, not between two counts
    return len(list(Path("/proc/self/fd").iterdir()))


def test_few_files_of_many_frames_stay_open(tmp_path):
    for i in range(9):
        multi_frame(tmp_path, 5, f"a{i}.tif")
    source = ImageSource(
        location(tmp_path, "a{frame}.tif", 45, shape=(2, 3), frames_per_file=5, first_frame=0)
    )
    before = descriptors()
    for start in range(0, 45, 3):
        assert source.read("d", start, start + 3)[0, 0, 0] == start % 5
    assert 1 <= descriptors() - before <= 4
    source.close()
    source.close()
    assert descriptors() == before


def test_a_file_that_changes_is_read_anew(tmp_path):
    source, frames = multi_frame(tmp_path, 4)
    np.testing.assert_array_equal(source.read("d", 0, 2), frames[:2])
    (tmp_path / "new").write_bytes(tiff([frame + 7 for frame in frames]))
    (tmp_path / "new").replace(tmp_path / "a.tif")
    np.testing.assert_array_equal(source.read("d", 2, 4), frames[2:] + 7)
    (tmp_path / "a.tif").unlink()
    with pytest.raises(FrameError, match="missing"):
        source.read("d", 0, 1)


def read_or_error(source):
    try:
        return source.read("d", 0, source.frames)
    except UserError as error:
        return error


@pytest.mark.parametrize("suffix", [".tif", ".edf", ".cbf", ".tif.gz"])
@pytest.mark.parametrize("free", [0, 1])
def test_too_many_open_files_is_no_missing_frame(tmp_path, suffix, free):
    content = {".tif": tiff([pixels()]), ".edf": edf([pixels()]), ".cbf": cbf(pixels(), tmp_path)}
    content[".tif.gz"] = gzip.compress(content[".tif"])
    source = single(tmp_path, "a" + suffix, content[suffix], missing="nan")
    np.testing.assert_array_equal(source.read("d", 0, 1)[0], pixels())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        for _ in range(free):
            os.close(held.pop())
        found = read_or_error(source)
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if free == 1 and suffix != ".edf":  # fabio opens the file once more
        np.testing.assert_array_equal(found[0], pixels())
    else:
        assert isinstance(found, UserError)
        assert not isinstance(found, FrameError)
        assert "too many open files" in found.what
        assert "run r1, detector d" in found.where


def test_a_disk_error_is_no_missing_frame(tmp_path):
    (tmp_path / "a0.tif").write_bytes(tiff([pixels()]))
    (tmp_path / "a1.tif").symlink_to("/proc/self/mem")  # opens, and cannot be read at its start
    source = ImageSource(location(tmp_path, "a{frame}.tif", 2, missing="nan"))
    with pytest.raises(UserError, match="gave an error while reading") as caught:
        source.read("d", 0, 2)
    assert not isinstance(caught.value, FrameError)
    assert "a1.tif" in caught.value.where


def test_a_missing_image_tells_what_is_there(tmp_path):
    (tmp_path / "s").mkdir()
    for i in (1, 2, 3):
        (tmp_path / f"s/ag_{i:04d}.tif").write_bytes(tiff([pixels()]))
    source = ImageSource(location(tmp_path, "s/ag_{frame:03d}.tif", 3))
    for ask in (source.check, lambda: source.detectors):
        with pytest.raises(UserError) as caught:
            ask()
        assert caught.value.how.startswith(f"in {tmp_path}/s there are ag_000")
    source = ImageSource(location(tmp_path, "t/u/ag_{frame:03d}.tif", 3))
    with pytest.raises(UserError) as caught:
        source.check()
    assert caught.value.how.startswith(f"the folder {tmp_path}/t is not there; ")
    for path in (tmp_path / "s").iterdir():
        path.rename(path.with_name(path.name.replace("_0", "_")))
    (tmp_path / "s/ag_002.tif").rename(tmp_path / "s/ag_002.tif.part")
    source = ImageSource(location(tmp_path, "s/ag_{frame:03d}.tif", 3, first_frame=1))
    with pytest.raises(FrameError, match="missing") as caught:
        source.read("d", 0, 3)
    assert "ag_002.tif.part" in caught.value.how.split("; ")[0]


@pytest.mark.parametrize(
    ("stated", "given"),
    [
        ("2021-03-01T12:00:00+01:00", "2021-03-01T12:00:00+01:00"),
        ("2021-03-01 12:00:00 UTC", "2021-03-01T12:00:00+00:00"),
        ("2021-03-01T12:00:00", None),
        ("2021:03:01 12:00:00", None),
    ],
)
def test_a_time_in_a_header_needs_a_zone(tmp_path, stated, given):
    content = edf([pixels()]).replace(b"exposure = 0.5 ;", f"Date = {stated} ;".encode())
    begin = content.index(b"}\n")  # the header has 1024 bytes, whatever it says
    content = content[:begin].rstrip().ljust(1022) + content[begin:]
    source = single(tmp_path, "a.edf", content)
    assert source.metadata().get("start_time") == given
    assert source.metadata()["d"]["Date"] == stated


def test_the_time_in_the_header_of_a_cbf(tmp_path):
    content = cbf(pixels(), tmp_path)
    for stated, time_ in ((b"+02:00", "2019-05-14T12:34:56.500000+02:00"), (b"", None)):
        text = b"# Detector: PILATUS\r\n# 2019-05-14T12:34:56.500" + stated + b"\r\n"
        at = content.index(b"--CIF-BINARY-FORMAT-SECTION--")
        source = single(tmp_path, "b.cbf", content[:at] + text + content[at:])
        assert source.metadata().get("start_time") == time_
