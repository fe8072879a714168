"""Records and masks as text for a terminal."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np

from scatterflow.registry.objects import REASON_BITS, reason_name
from scatterflow.registry.records import Record, to_document

_WIDTH, _HEIGHT = 76, 30
_SHADES = " .:*#"


def as_json(found: list[Record]) -> str:
    """Records as JSON, as they are stored."""
    return json.dumps([to_document(record) for record in found], indent=1)


def as_table(found: list[Record]) -> str:
    """Records, a line each."""
    lines = [("kind", "detector", "name", "version", "masked", "created", "author", "comment")]
    for record in found:
        masked = f"{record.masked_fraction:.2%}" if record.summary else ""
        created = record.created[:16].replace("T", " ")
        lines.append(
            (
                *(record.kind, record.detector, record.name, str(record.version)),
                *(masked, created, record.author, one_line(record.comment)),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def one_line(text: str, longest: int = 60) -> str:
    """Text without line ends and control characters, shortened."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def show_record(record: Record) -> str:
    """All fields of a record that say something."""
    lines = [record.title]
    for key, value in to_document(record).items():
        if key in ("format", "digest", "kind", "detector", "name", "version", "summary"):
            continue
        if value not in (None, "", {}, (), []):
            shown = value if isinstance(value, str) else json.dumps(value)
            lines.append(f"  {key:<15} {one_line(shown, 200)}")
    return "\n".join(lines)


def show_mask(reasons: np.ndarray, previous: np.ndarray | None, version: int | None) -> str:
    """Masked fraction by reason, the difference to the version before, and a picture.

    reasons, previous: uint32 (rows, columns).
    """
    masked = (reasons & REASON_BITS) != 0
    lines = [f"  masked          {_share(masked)}"]
    for bit in range(32):
        pixels = (reasons & np.uint32(1 << bit)) != 0
        if pixels.any():
            lines.append(f"    {reason_name(bit):<13} {_share(pixels)}")
    if previous is None:
        lines.append("  the first version of this name")
    elif previous.shape == reasons.shape:
        before = (previous & REASON_BITS) != 0
        lines.append(
            f"  since version {version}: {int((masked & ~before).sum())} pixels newly masked, "
            f"{int((before & ~masked).sum())} no longer"
        )
    return "\n".join([*lines, picture(masked)])


def _share(pixels: np.ndarray) -> str:
    return f"{int(pixels.sum())} of {pixels.size} pixels, {pixels.sum() / pixels.size:.3%}"


def picture(masked: np.ndarray) -> str:
    """A mask in letters: the darker, the more of the pixels there are masked; one is enough for a dot."""
    rows, columns = masked.shape
    # Letters are about twice as high as wide.
    width = min(_WIDTH, columns)
    height = max(1, min(_HEIGHT, math.ceil(rows / columns * width / 2)))
    row_edges = np.linspace(0, rows, height + 1).round().astype(int)
    column_edges = np.linspace(0, columns, width + 1).round().astype(int)
    lines = []
    for top, bottom in zip(
        row_edges[:-1], np.maximum(row_edges[1:], row_edges[:-1] + 1), strict=True
    ):
        line = ""
        for left, right in pairwise(column_edges):
            share = masked[top:bottom, left:right].mean()
            line += _SHADES[math.ceil(share * (len(_SHADES) - 1))]
        lines.append(f"  |{line}|")
    edge = f"  +{'-' * width}+"
    return "\n".join([edge, *lines, edge])
