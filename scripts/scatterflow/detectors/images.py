"""One image out of a file: .npy, anything that fabio reads, or a dataset of an HDF5 file.

What a file holds is told from its content, not from its name. It is checked before it is believed:
shape and type before the pixels are read, no pickled objects, no HDF5 data kept outside the file's
own folder, no truncated file that a reader would quietly fill up with zeros.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scatterflow.detectors.quiet import quiet
from scatterflow.errors import UserError

Shape = tuple[int, int]

_BROKEN = re.compile(
    r"incomplete|smaller than expected|mismatch|truncated|size of the binary", re.I
)


@dataclass(frozen=True, eq=False)
class StoredImage:
    """pixels: (rows, cols), in the file's type. format: `npy`, `hdf5` or fabio's class name."""

    pixels: np.ndarray
    format: str


def load_image(path: str | Path, shape: Shape, what: str) -> np.ndarray:
    """A dark or flat-field image as float64 (rows, cols).

    path: .npy, anything that fabio reads, or `file.h5::/dataset`. what: `dark` or `flat`.

    Pixels without a usable value come back as NaN, so that the caller masks them: those that are
    NaN or infinite, and in a flat field also those <= 0 (no efficiency to divide by). Raises
    UserError for a file that cannot be read, has another shape, or leaves no usable pixel.
    """
    if what not in ("dark", "flat"):
        raise ValueError(f"what must be 'dark' or 'flat', not {what!r}")
    file, _, dataset = str(path).partition("::")
    place = f"{what} image {path}"
    image = read_image(file, dataset or None, shape, place).pixels.astype(np.float64)
    usable = np.isfinite(image)
    if what == "flat":
        usable &= image > 0
    if not usable.any():
        raise UserError(
            f"the {what} image has no usable pixel", place, "a flat field is > 0, a dark finite"
        )
    image[~usable] = np.nan
    return image


def read_image(path: str | Path, dataset: str | None, shape: Shape, place: str) -> StoredImage:
    """The one image of a file, in the file's own type.

    dataset: path of the dataset in an HDF5 file, None for all others. shape: the expected (rows,
    cols); place: for messages. Raises UserError.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("the file does not exist", place, "check the path in the configuration")
    start = _first_bytes(path, place)
    if start.startswith(b"\x89HDF") or path.suffix.lower() in (".h5", ".hdf5", ".hdf", ".nxs"):
        if dataset is None:
            raise UserError(
                "an HDF5 file needs the dataset to read",
                place,
                "for a mask give `dataset:`, for an image write file.h5::/path/of/dataset",
            )
        return StoredImage(_read_dataset(path, dataset, shape, place), "hdf5")
    if dataset is not None:
        raise UserError("this is not an HDF5 file, but a dataset is given", place, "remove it")
    if start.startswith(b"\x93NUMPY"):
        return StoredImage(_read_npy(path, shape, place), "npy")
    return _read_with_fabio(path, shape, place)


def _first_bytes(path: Path, place: str) -> bytes:
    """The first bytes of the content, through gzip."""
    with path.open("rb") as stream:
        start = stream.read(16)
    if not start:
        raise UserError("the file is empty", place, "copy or make it again")
    if not start.startswith(b"\x1f\x8b"):
        return start
    return _unpacked(path, 16, place)


def _unpacked(path: Path, limit: int, place: str) -> bytes:
    """At most `limit` bytes of a gzip file's content."""
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(limit)
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(str(error), place) from error


def _damaged(why: str, place: str) -> UserError:
    return UserError(
        f"the file is damaged, truncated or of no known format ({why[:120]})",
        place,
        "copy it again, or save it as .npy, .edf, .tif or HDF5",
    )


def check_shape(found: tuple[int, ...], shape: Shape, place: str) -> None:
    """Raises UserError unless an image of shape `found` fits the detector."""
    if tuple(found) == tuple(shape):
        return
    hint = "it must have the shape of a stored frame, (rows, columns)"
    if tuple(found) == tuple(shape)[::-1]:
        hint = "rows and columns look swapped: transpose the image"
    elif len(found) != 2:
        hint = "an image has two dimensions; lists of pixels and stacks are not read"
    raise UserError(
        f"the image is {_times(found)} pixels, the detector {_times(shape)}", place, hint
    )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(int(size)) for size in shape) or "0-dimensional"


def _check_type(dtype: np.dtype, place: str) -> None:
    if dtype.kind not in "biuf":
        raise UserError(
            f"the image holds values of type {dtype}, not numbers",
            place,
            "save it as integers, floats or booleans; pickled objects are never loaded",
        )


def _read_npy(path: Path, shape: Shape, place: str) -> np.ndarray:
    """A .npy file (NumPy format 1.0 or 2.0), header checked before the pixels."""
    # The longest number is complex256 (32 bytes); more than that and a header cannot be one image.
    content = io.BytesIO(_bounded(path, shape[0] * shape[1] * 32 + 65536, place))
    try:
        version = np.lib.format.read_magic(content)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(content)
        else:
            header = np.lib.format.read_array_header_2_0(content)
    except (ValueError, EOFError, OSError, SyntaxError, RecursionError) as error:
        raise _damaged(str(error), place) from error
    found, column_major, dtype = header
    _check_type(dtype, place)
    check_shape(found, shape, place)
    pixels = content.read()
    expected = shape[0] * shape[1] * dtype.itemsize
    if len(pixels) != expected:
        raise _damaged(f"{len(pixels)} bytes of pixels instead of {expected}", place)
    return np.frombuffer(pixels, dtype).reshape(shape, order="F" if column_major else "C").copy()


def _bounded(path: Path, limit: int, place: str) -> bytes:
    with path.open("rb") as stream:
        if stream.read(2) != b"\x1f\x8b":
            stream.seek(0)
            return stream.read(limit)
    return _unpacked(path, limit, place)


def _read_with_fabio(path: Path, shape: Shape, place: str) -> StoredImage:
    import fabio

    with quiet() as messages:
        try:
            with fabio.open(str(path)) as image:
                frames = image.nframes
                pixels = np.asarray(image.data)
                kind = type(image).__name__
                short = bool(getattr(image, "incomplete_data", False))
        except Exception as error:  # fabio raises AttributeError, AssertionError, ... for bad files
            raise _damaged(str(error) or type(error).__name__, place) from error
    complaint = next(filter(_BROKEN.search, messages), "")
    if short or complaint:
        raise _damaged(complaint or "pixels are missing", place)
    if frames != 1:
        raise UserError(f"the file holds {frames} images", place, "give a file with one image")
    _check_type(pixels.dtype, place)
    check_shape(pixels.shape, shape, place)
    return StoredImage(pixels, kind)


def _read_dataset(path: Path, name: str, shape: Shape, place: str) -> np.ndarray:
    """A 2-D dataset (or 3-D with one frame) that lies in this file or its own folder's tree."""
    import h5py
    import hdf5plugin  # noqa: F401  (registers the compressions of detectors)

    place = f"{place}, dataset {name}"
    try:
        with h5py.File(path, "r", locking=False) as file:
            dataset = _find_dataset(file, name, path, place)
            _check_type(dataset.dtype, place)
            found: tuple[int, ...] = tuple(dataset.shape or ())
            single = len(found) == 3 and found[0] == 1
            check_shape(found[1:] if single else found, shape, place)
            pixels = dataset[0] if single else dataset[()]
    except (OSError, RuntimeError) as error:  # what HDF5 raises for broken files
        raise _damaged(str(error), place) from error
    return pixels


def _find_dataset(file, name: str, path: Path, place: str):
    """The dataset, refused where its bytes are kept outside HDF5 or outside the file's folder."""
    import h5py

    try:
        dataset = file[name]
    except (KeyError, ValueError) as error:
        raise UserError("there is no such dataset in the file", place, "check its path") from error
    if not isinstance(dataset, h5py.Dataset):
        raise UserError("this is a group, not a dataset", place, "give the path of the dataset")
    if dataset.external or dataset.is_virtual:
        raise UserError(
            "the dataset keeps its values in other files",
            place,
            "copy it into a dataset of its own; external and virtual storage is not followed",
        )
    holder = Path(dataset.file.filename).resolve()
    if not holder.is_relative_to(path.resolve().parent):
        raise UserError(
            "the dataset is a link to a file outside the folder of this one",
            place,
            "copy the dataset into this file",
        )
    return dataset
