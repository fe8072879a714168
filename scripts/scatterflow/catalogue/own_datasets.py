"""Datasets of a result file that are its own: no link out of the file, no storage elsewhere, no bombs.

A result file may have been replaced by one that shows other files' bytes (external links, external storage,
virtual datasets), or that declares more than memory holds. All of that is refused before it is opened or
read.
"""

from __future__ import annotations

import json
import math
from typing import Any

import h5py
import numpy as np

from scatterflow.errors import UserError

LARGEST_DATASET = 64_000_000
"""Bytes, as declared."""
MOST_LINKS = 50


def own(file: h5py.File, path: str) -> h5py.Dataset | h5py.Group | None:
    """The object at an absolute path of an open file, None if there is none.

    Raises UserError for anything on the way that leads out of the file.
    """
    found, waiting, links = file["/"], _parts(path), 0
    while waiting:
        name = waiting.pop(0).encode()
        # Not `name in group`: that would follow the link to see whether it is broken.
        if not isinstance(found, h5py.Group) or not found.id.links.exists(name):
            return None
        kind = found.id.links.get_info(name).type
        if kind == h5py.h5l.TYPE_SOFT:
            links += 1
            if links > MOST_LINKS:
                raise _refused(file, path, "its links go round in circles")
            target = found.id.links.get_val(name).decode()
            inside = "" if target.startswith("/") else found.name
            waiting = _parts(f"{inside}/{target}") + waiting
            found = file["/"]
        elif kind == h5py.h5l.TYPE_HARD:
            found = found[name]
        else:
            raise _refused(file, path, "a link leads out of the file")
    return found


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def values(file: h5py.File, path: str) -> np.ndarray | None:
    """The values of a dataset, None if there is none; raises UserError as `own`, and for a dataset that is
    kept elsewhere or is too large."""
    dataset = own(file, path)
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        return None
    if dataset.external is not None or dataset.is_virtual:
        raise _refused(file, path, "its values are kept in another file")
    if math.prod(dataset.shape) * dataset.dtype.itemsize > LARGEST_DATASET:
        raise _refused(file, path, f"it declares more than {LARGEST_DATASET} bytes")
    return np.asarray(dataset[()])


def text(file: h5py.File, path: str) -> str | None:
    """A single text."""
    found = values(file, path)
    if found is None or found.size != 1:
        return None
    value = found.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def number(file: h5py.File, path: str) -> float | None:
    """A single number; NaN and infinity as they are."""
    found = values(file, path)
    if found is None or found.size != 1 or found.dtype.kind not in "iuf":
        return None
    return float(found.reshape(-1)[0])


def unit_of(file: h5py.File, path: str) -> str:
    """The attribute `units` of a dataset, "" without."""
    dataset = own(file, path)
    stated = dataset.attrs.get("units", "") if dataset is not None else ""
    return stated.decode("utf-8", "replace") if isinstance(stated, bytes) else str(stated)


def note(file: h5py.File, name: str) -> Any:
    """The value of an NXnote in /entry/provenance, None without; raises UserError if it is no JSON."""
    found = values(file, f"/entry/provenance/{name}/data")
    if found is None:
        return None
    return json_value(file, f"/entry/provenance/{name}", found.tobytes())


def json_value(file: h5py.File, path: str, content: bytes | str) -> Any:
    """The value of JSON text in a file."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _refused(file, path, f"it is no JSON ({error})") from error


def _refused(file: h5py.File, path: str, why: str) -> UserError:
    return UserError(
        f"{path} is not as scatterflow writes it: {why}",
        str(file.filename),
        "delete the file and run snakemake again",
    )
