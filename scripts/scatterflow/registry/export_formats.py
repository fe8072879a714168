"""Masks for other programs, each in its own convention.

| ending | form | masked is |
| --- | --- | --- |
| .edf | int8, for pyFAI and silx | 1 |
| .npy | bool, for CHX, pyCHX, psana; `true_means="masked"` turns it round | False |
| .tif | uint8, as .npy | 0 |
| .nxs, .h5 | NeXus NXdetector with `pixel_mask`, uint32 | bits of the reasons |
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from scatterflow.errors import UserError, shortened
from scatterflow.files.atomic import whole_file
from scatterflow.registry.records import Record

ENDINGS = (".edf", ".npy", ".tif", ".nxs", ".h5")


def export_mask(
    path: str | Path,
    record: Record,
    good: np.ndarray,
    reasons: np.ndarray,
    true_means: str = "good",
) -> None:
    """Write a mask in the form of the path's ending, whole.

    good: bool, reasons: uint32, (rows, columns). true_means: `good` or `masked`, for .npy and .tif.
    Raises UserError for another ending.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise UserError(
            f"no form of a mask ends in {path.suffix!r}", str(path), f"use {', '.join(ENDINGS)}"
        )
    if true_means != "good" and path.suffix not in (".npy", ".tif"):
        raise UserError(f"the polarity of {path.suffix} is fixed", str(path), "leave it out")
    if true_means not in ("good", "masked"):
        raise UserError(
            f"{shortened(true_means)} is no polarity", str(path), "true_means: good or masked"
        )
    values = good if true_means == "good" else ~good
    if path.suffix in (".nxs", ".h5"):
        _write_nexus(path, record, reasons)
        return
    with whole_file(path) as temporary:
        if path.suffix == ".npy":
            with temporary.open("wb") as stream:
                np.save(stream, values)
        elif path.suffix == ".tif":
            _write_with_fabio("TifImage", temporary, values.astype(np.uint8), {})
        else:
            header = {key: str(value) for key, value in record.identity.items()}
            _write_with_fabio("EdfImage", temporary, (~good).astype(np.int8), header)


def _write_with_fabio(kind: str, path: Path, data: np.ndarray, header: dict[str, str]) -> None:
    from scatterflow.detectors.quiet import quiet

    with quiet():
        import fabio.edfimage
        import fabio.tifimage

        image: Any = {
            "EdfImage": fabio.edfimage.EdfImage,
            "TifImage": fabio.tifimage.TifImage,
        }[kind]
        image(data=data, header=header).write(str(path))


def _write_nexus(path: Path, record: Record, reasons: np.ndarray) -> None:
    from scatterflow.files.hdf5 import write_array, writing

    with writing(path) as file:
        file.attrs["NX_class"] = "NXroot"
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        instrument = entry.create_group("instrument")
        instrument.attrs["NX_class"] = "NXinstrument"
        detector = instrument.create_group(record.detector)
        detector.attrs["NX_class"] = "NXdetector"
        dataset = detector.create_dataset(
            "pixel_mask", data=reasons, compression="gzip", shuffle=True, track_times=False
        )
        dataset.attrs["registry"] = json.dumps(record.identity)
        write_array(entry, "title", record.title)


def export_arrays(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a dark, flat, gain or q-map: one array as .npy, several as .npz."""
    path = Path(path)
    if path.suffix == ".npy" and list(arrays) == ["data"]:
        with whole_file(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, arrays["data"])
    elif path.suffix == ".npz":
        with whole_file(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
    else:
        raise UserError(
            f"{', '.join(arrays)} cannot be written as {path.suffix!r}",
            str(path),
            "use .npy for a single image, .npz for several arrays",
        )
