"""Images of detectors with tiles: every pixel goes where it is, in a grid of the pixels' own size.

    row = floor((y - y_min) / size + 1/2),   column = floor((x - x_min) / size + 1/2)

Where several pixels fall on one place the image holds their mean, where none does NaN: the `ix`, `iy` and
`image` of LCLS. Rows go with y, columns with x; nothing is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError

MOST_PIXELS = 2**28
TIE = 1e-6
"""Of a pixel: tiles that are off by exactly half a pixel all go the same way, whatever the rounding."""


@dataclass(frozen=True)
class ImageIndex:
    """Where pixels are in an image.

    place: int64, of a frame's shape, row * columns + column, -1 without a position; shape: of the image;
    x, y: mm of the first row's and column's centres; size: of a pixel, mm.
    """

    place: np.ndarray
    shape: tuple[int, int]
    x: float
    y: float
    size: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top edge of the image, mm."""
        rows, columns = self.shape
        half = 0.5 * self.size
        left, bottom = self.x - half, self.y - half
        return left, left + columns * self.size, bottom, bottom + rows * self.size


def image_index(x: np.ndarray, y: np.ndarray, size: float | None = None) -> ImageIndex:
    """Places of pixels in an image.

    x, y: mm, of a frame's shape, NaN where not known; size: of a pixel of the image, mm, None: that of the
    detector. Raises UserError where no position is known, and where positions cannot be in mm.
    """
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        raise UserError("no pixel has a position", "image", "correct the geometry")
    size = pixel_size(x, y) if size is None else float(size)
    left, bottom = float(x[known].min()), float(y[known].min())
    column, row = (
        np.floor((values[known] - start) / size + 0.5 + TIE)
        for values, start in ((x, left), (y, bottom))
    )
    rows, columns = row.max() + 1, column.max() + 1
    if rows * columns > MOST_PIXELS:
        raise UserError(
            f"an image of {rows:.3g} x {columns:.3g} pixels of {size:.3g} mm",
            "image",
            "correct the geometry; positions are mm",
        )
    place = np.full(np.shape(x), -1, dtype=np.int64)
    place[known] = (row * columns + column).astype(np.int64)
    return ImageIndex(place, (int(rows), int(columns)), left, bottom, size)


def stacked_index(shape: tuple[int, ...]) -> ImageIndex:
    """Tiles one below the other, in pixels: where the positions are not known."""
    rows, columns = int(np.prod(shape[:-1])), int(shape[-1])
    return ImageIndex(np.arange(rows * columns).reshape(shape), (rows, columns), 0.0, 0.0, 1.0)


def pixel_size(x: np.ndarray, y: np.ndarray) -> float:
    """Median distance of neighbours, mm. Raises UserError where there are none."""
    for axis in (-1, -2):
        if x.ndim >= -axis and x.shape[axis] > 1:
            steps = np.hypot(np.diff(x, axis=axis), np.diff(y, axis=axis))
            steps = steps[np.isfinite(steps) & (steps > 0)]
            if steps.size:
                return float(np.median(steps))
    raise UserError("all pixels are in one place", "image", "correct the geometry")


def assemble(frames: np.ndarray, index: ImageIndex, good: np.ndarray | None = None) -> np.ndarray:
    """Images, (..., rows, columns) float64, NaN where no pixel is.

    frames: (..., *shape); good: (*shape) bool. Pixels that are NaN or not good are left out.
    """
    stack = frames.reshape(-1, *index.place.shape)
    images = np.stack([_assembled(frame, index, good) for frame in stack])
    lead = frames.shape[: frames.ndim - index.place.ndim]
    return images.reshape(*lead, *index.shape)


def _assembled(frame: np.ndarray, index: ImageIndex, good: np.ndarray | None) -> np.ndarray:
    used = (index.place >= 0) & ~np.isnan(frame)
    if good is not None:
        used &= good
    place, places = index.place[used], int(np.prod(index.shape))
    count = np.bincount(place, minlength=places)
    total = np.bincount(place, weights=frame[used].astype(np.float64), minlength=places)
    image = np.full(places, np.nan)
    np.divide(total, count, out=image, where=count > 0)
    return image.reshape(index.shape)
