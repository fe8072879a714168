"""A small picture of a result, from one of its plots."""

from __future__ import annotations

import warnings
from pathlib import Path

from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_file

SIDE = 320
"""Pixels of the longer side."""
LARGEST_PIXELS = 100_000_000


def write_thumbnail(plot: str | Path, path: str | Path) -> None:
    """Write a PNG of at most SIDE x SIDE pixels; raises UserError if the plot is no PNG of bearable size."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # Size and mode come with the header; pixels are decoded below.
            image = Image.open(plot, formats=["PNG"])
        with image:
            if image.width * image.height > LARGEST_PIXELS:
                raise _no_plot(plot, f"{image.width} x {image.height} pixels are too many")
            small = image.convert("RGB")
    except (Image.DecompressionBombError, SyntaxError, EOFError) as error:
        raise _no_plot(plot, str(error)) from error
    except OSError as error:
        if error.errno is not None:  # of the disk, not of the picture
            raise
        raise _no_plot(plot, str(error)) from error
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    with whole_file(path) as temporary:
        small.save(temporary, "PNG", optimize=True)


def _no_plot(plot: str | Path, why: str) -> UserError:
    return UserError(
        f"the plot cannot be made small: {why}", str(plot), "delete it and run snakemake again"
    )
