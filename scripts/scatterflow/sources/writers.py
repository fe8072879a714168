"""Writers of raw formats, for the demo and for tests: TIFF series, Eiger masters with data files.

Equal arguments give equal bytes: no dates, no object times. Every file appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_file
from scatterflow.files.hdf5 import writing

if TYPE_CHECKING:
    import h5py

SOFTWARE = "scatterflow"


def write_images(paths: Sequence[str | Path], frames: np.ndarray) -> None:
    """Write frames (n, rows, columns), integers that int32 holds, as n TIFF files of int32.

    Raises UserError: another number of paths, pixels that int32 does not hold.
    """
    from fabio.TiffIO import TiffIO

    frames = np.asarray(frames)
    where = str(paths[0]) if len(paths) else ""
    if frames.ndim != 3 or len(frames) != len(paths):
        raise UserError(f"{len(paths)} paths for frames of shape {frames.shape}", where, "one each")
    limits = np.iinfo(np.int32)
    if frames.dtype.kind not in "iu" or frames.min() < limits.min or frames.max() > limits.max:
        raise UserError(
            f"pixels of type {frames.dtype} that do not fit 32-bit signed integers", where, ""
        )
    for path, frame in zip(paths, frames, strict=True):
        with whole_file(path) as temporary:
            image = TiffIO(str(temporary), mode="w+")
            image.writeImage(np.ascontiguousarray(frame, np.int32), software=SOFTWARE, date=None)
            image.close()


def write_eiger(
    master: str | Path,
    frames: np.ndarray,
    frames_per_data_file: int = 1000,
    detector: Mapping[str, tuple[Any, str]] | None = None,
    beam: Mapping[str, tuple[Any, str]] | None = None,
    scalars: Mapping[str, tuple[np.ndarray, str]] | None = None,
    pixel_mask: np.ndarray | None = None,
    compressed: bool = True,
) -> list[Path]:
    """Write frames as an Eiger (Dectris) master with data files, bitshuffle-LZ4, one chunk a frame.

    master: `<name>_master.h5`; data files are called `<name>_data_000001.h5`, ... beside it.
    frames: (n, rows, columns), unsigned integers.
    detector, beam, scalars: {name: (value, unit)}, datasets of /entry/instrument/detector,
        /entry/instrument/beam and /entry/scalars; scalars have one value per frame.
    pixel_mask: (rows, columns) uint32, NeXus bits; into detectorSpecific.
    Returns the data files and the master, in the order written.

    Raises UserError: frames of another kind, a name that does not end in `_master.h5`.
    """
    master, frames = Path(master), np.asarray(frames)
    if not master.name.endswith("_master.h5"):
        raise UserError("the name must end in _master.h5", str(master), "rename it")
    if frames.ndim != 3 or frames.dtype.kind != "u" or frames_per_data_file < 1:
        raise UserError(
            f"frames of shape {frames.shape}, type {frames.dtype}",
            str(master),
            "Eiger frames are (n, rows, columns) of unsigned integers",
        )
    written = []
    for number, first in enumerate(range(0, len(frames), frames_per_data_file), start=1):
        path = master.with_name(master.name.replace("_master.h5", f"_data_{number:06d}.h5"))
        _write_data_file(path, frames[first : first + frames_per_data_file], first, compressed)
        written.append(path)
    with writing(master) as file:
        _write_master(file, frames, written, detector or {}, beam or {}, scalars or {}, pixel_mask)
    return [*written, master]


def _write_data_file(path: Path, frames: np.ndarray, first: int, compressed: bool) -> None:
    filters: dict[str, Any] = {}
    if compressed:
        import hdf5plugin

        filters = dict(hdf5plugin.Bitshuffle(cname="lz4"))
    with writing(path) as file:
        data = _group(file, "entry", "NXentry").create_group("data", track_order=False)
        data.attrs["NX_class"] = "NXdata"
        chunks = (1, *frames.shape[1:])
        dataset = data.create_dataset(
            "data", data=frames, chunks=chunks, track_times=False, **filters
        )
        # Eiger numbers its images from 1.
        dataset.attrs["image_nr_low"] = first + 1
        dataset.attrs["image_nr_high"] = first + len(frames)


def _write_master(file, frames, data_files, detector, beam, scalars, pixel_mask) -> None:
    import h5py

    entry = _group(file, "entry", "NXentry")
    entry.attrs["default"] = "data"
    file.attrs["default"] = "entry"
    data = _group(entry, "data", "NXdata")
    for number, path in enumerate(data_files, start=1):
        # Relative, so that the folder can be moved.
        data[f"data_{number:06d}"] = h5py.ExternalLink(path.name, "/entry/data/data")
    instrument = _group(entry, "instrument", "NXinstrument")
    _values(_group(instrument, "beam", "NXbeam"), beam)
    group = _group(instrument, "detector", "NXdetector")
    _values(group, {"description": ("Dectris Eiger (simulated)", ""), **detector})
    specific = _group(group, "detectorSpecific", "NXcollection")
    rows, columns = frames.shape[1:]
    _values(
        specific,
        {
            "nimages": (len(frames), ""),
            "ntrigger": (1, ""),
            "x_pixels_in_detector": (columns, ""),
            "y_pixels_in_detector": (rows, ""),
        },
    )
    if pixel_mask is not None:
        _values(specific, {"pixel_mask": (np.asarray(pixel_mask, np.uint32), "")})
    for name, (values, _) in scalars.items():
        if np.shape(values) != (len(frames),):
            raise UserError(f"scalar {name!r}: shape {np.shape(values)}", "", "one per frame")
    _values(_group(entry, "scalars", "NXcollection"), scalars)


def _group(parent: h5py.Group, name: str, nexus_class: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus_class
    return group


def _values(group: h5py.Group, values: Mapping[str, tuple[Any, str]]) -> None:
    for name, (value, unit) in values.items():
        dataset = group.create_dataset(name, data=value, track_times=False)
        if unit:
            dataset.attrs["units"] = unit
