"""A mask of the registry: its pixels by reason, and what changed since the version before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scatterflow.plots.style import BLUE, GREEN, GREY, ORANGE, RED, WIDTH, house_style, save, title
from scatterflow.registry.objects import REASON_BITS, reason_name

_COLOURS = (GREY, RED, BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#F0E442", "#000000")
_GOOD = "#FFFFFF"


def plot_mask(
    reasons: np.ndarray, previous: np.ndarray | None, heading: str, png: str | Path, svg: str | Path
) -> None:
    """Draw a mask: reasons (uint32) of this version and of the one before, (rows, columns)."""
    save(mask_figure(reasons, previous, heading), png, svg)


@house_style()
def mask_figure(reasons: np.ndarray, previous: np.ndarray | None, heading: str) -> Figure:
    """The mask, and beside it, if it differs, what the version before masked otherwise."""
    panels = 1 if previous is None else 2
    rows, columns = reasons.shape
    height = float(np.clip(WIDTH / panels * rows / columns + 1.8, 3.6, 9.5))
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots(1, panels, squeeze=False)[0]
    title(figure, heading, _counts(reasons))
    _draw_reasons(axes[0], reasons)
    if previous is not None:
        _draw_difference(axes[1], reasons, previous)
    return figure


def _counts(reasons: np.ndarray) -> str:
    masked = int(np.count_nonzero(reasons & REASON_BITS))
    return f"{masked} of {reasons.size} pixels are masked ({masked / reasons.size:.2%})"


def _draw_reasons(axes: Axes, reasons: np.ndarray) -> None:
    # A pixel with several reasons takes the colour of the lowest bit.
    index = np.zeros(reasons.shape, np.uint8)
    entries = []
    bits = [bit for bit in range(16) if (reasons & np.uint32(1 << bit)).any()]
    colours = [_GOOD]
    for number, bit in reversed(list(enumerate(bits))):
        pixels = (reasons & np.uint32(1 << bit)) != 0
        index[pixels] = number + 1
    for number, bit in enumerate(bits):
        colours.append(_COLOURS[number % len(_COLOURS)])
        entries.append(
            Patch(
                facecolor=colours[-1],
                label=f"{reason_name(bit)} ({int((reasons & np.uint32(1 << bit) != 0).sum())})",
            )
        )
    _image(axes, index, colours)
    axes.set_title("reasons", loc="left")
    if entries:
        axes.legend(handles=entries, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)


def _draw_difference(axes: Axes, reasons: np.ndarray, previous: np.ndarray) -> None:
    now, before = (reasons & REASON_BITS) != 0, (previous & REASON_BITS) != 0
    index = np.zeros(reasons.shape, np.uint8)
    index[now & before], index[now & ~before], index[before & ~now] = 1, 2, 3
    colours = [_GOOD, "#DDDDDD", RED, BLUE]
    _image(axes, index, colours)
    axes.set_title("since the version before", loc="left")
    entries = [
        Patch(facecolor=colours[number], label=f"{word} ({int((index == number).sum())})")
        for number, word in ((2, "newly masked"), (3, "no longer masked"), (1, "masked in both"))
    ]
    axes.legend(handles=entries, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=1)


def _image(axes: Axes, index: np.ndarray, colours: list[str]) -> None:
    rows, columns = index.shape
    axes.grid(False)
    axes.imshow(
        index,
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        # Shrunk on colours, so that a single pixel leaves a trace.
        interpolation_stage="rgba",
        aspect="equal" if 0.08 < rows / columns < 12 else "auto",
    )
    axes.set_xlabel("column (pixels)")
    axes.set_ylabel("row (pixels)")
