"""One mask in the forms of others: files that hold the bad pixels `BAD`."""

from __future__ import annotations

import fabio
import h5py
import numpy as np

SHAPE = (12, 20)
# Bad pixels, (row, column): no symmetry of the frame maps them onto themselves.
BAD = [(0, 3), (2, 17), (5, 5), (5, 6), (5, 7), (11, 0)]


def bad() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[tuple(np.transpose(BAD))] = True
    return mask


def npy(path, array):
    np.save(path, array)
    return path


def image(path, array):
    kind = {
        ".edf": fabio.edfimage.EdfImage,
        ".tif": fabio.tifimage.TifImage,
        ".msk": fabio.fit2dmaskimage.Fit2dMaskImage,
        ".cbf": fabio.cbfimage.CbfImage,
    }[path.suffix]
    kind(data=array).write(str(path))
    return path


def hdf5(path, dataset, array):
    with h5py.File(path, "w") as file:
        file[dataset] = array
    return path


def text(path, content):
    path.write_text(content)
    return path


def bits(bad_value: int, good_value: int = 0) -> np.ndarray:
    return np.where(bad(), bad_value, good_value).astype(np.uint32)


def rectangles() -> str:
    """XDS counts from 1, x first, and the limits themselves are trusted."""
    return "\n".join(f" UNTRUSTED_RECTANGLE= {c} {c + 2} {r} {r + 2} ! x y" for r, c in BAD)


def squares(order: str) -> list[dict]:
    corners = [[[r, c], [r, c]] for r, c in BAD]
    if order == "xy":
        corners = [[point[::-1] for point in pair] for pair in corners]
    return [{"type": "rectangle", "corners": pair} for pair in corners]


ROWCOLUMN = "".join(f"{r} {c}\n" for r, c in BAD)
XY = "".join(f"{c} {r}\n" for r, c in BAD)
FLAT = np.array([r * SHAPE[1] + c for r, c in BAD])
