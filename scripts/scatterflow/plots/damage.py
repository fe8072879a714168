"""Shots without each detector, and what each filter removes: bars with their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.files.hdf5 import reading
from scatterflow.plots.shot_file import column, filter_names, heading, scalar_names
from scatterflow.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    house_style,
    no_data_note,
    plain_text,
    save,
    title,
)
from scatterflow.shots.small_data import FILTERS, SmallData, open_small_data

MOST_DAMAGED = 0.1
"""Detectors that are missing from a larger part of the shots are marked, as in LCLS's beamline summary."""


def plot_damage(small_data: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw how many shots lack each detector; raises UserError."""
    save(damage_figure(open_small_data(small_data)), png, svg)


def plot_filters(small_data: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw what each filter removes; raises UserError."""
    save(filters_figure(open_small_data(small_data)), png, svg)


def missing_shots(data: SmallData) -> dict[str, int]:
    """Shots without each detector, by its name."""
    names = (name for name in scalar_names(data) if name.startswith("damage/"))
    return {name.partition("/")[2]: int((column(data, name) != 1).sum()) for name in names}


@house_style()
def damage_figure(data: SmallData) -> Figure:
    """A bar a detector; those that lack more than a tenth of the shots red."""
    missing, shots = missing_shots(data), data.shots
    figure = Figure(figsize=(WIDTH, 1.9 + 0.42 * max(len(missing), 2)))
    axes = figure.subplots()
    marked = sum(number > MOST_DAMAGED * shots for number in missing.values())
    told = "no detector" if not marked else f"{marked} detector{'s' if marked > 1 else ''}"
    title(
        figure,
        heading(data),
        f"shots without each detector; {told} missing from more than {MOST_DAMAGED:.0%}",
    )
    if not missing:
        no_data_note(axes, "the run does not tell which detectors a shot has")
        return figure
    share = [100 * number / max(shots, 1) for number in missing.values()]
    colours = [RED if part > 100 * MOST_DAMAGED else BLUE for part in share]
    axes.barh(range(len(share)), share, color=colours, height=0.65)
    axes.axvline(100 * MOST_DAMAGED, color=GREY, linewidth=1.0, linestyle="--")
    _number_bars(axes, share, [f"{n} of {shots}" for n in missing.values()])
    _name_bars(axes, list(missing))
    axes.set_xlabel("shots without the detector (%)")
    return figure


def filter_counts(data: SmallData) -> dict[str, dict[str, int]]:
    """Of each filter the shots it removes, removes alone, and cannot judge."""
    judged = {name: data.passed([name]) for name in filter_names(data)}
    failures = sum((~passed).astype(np.int64) for passed in judged.values())
    with reading(data.path) as file:
        return {
            name: {
                "removed": int((~passed).sum()),
                "alone": int((~passed & (failures == 1)).sum()),
                "undefined": int(file[f"{FILTERS}/{name}"].attrs["undefined"]),
            }
            for name, passed in judged.items()
        }


@house_style()
def filters_figure(data: SmallData) -> Figure:
    """A bar a filter: shots removed by it and others, by it alone, not judged; those that pass all below."""
    counts, shots = filter_counts(data), data.shots
    figure = Figure(figsize=(WIDTH, 2.5 + 0.45 * max(len(counts) + 1, 2)))
    axes = figure.subplots()
    passed = int(data.passed(filter_names(data)).sum())
    title(figure, heading(data), f"filters: {passed} of {shots} shots pass all of them")
    if not counts:
        no_data_note(axes, "no filter is set")
        return figure
    parts = (
        ("removed by this filter alone", RED, [c["alone"] for c in counts.values()]),
        (
            "removed by others too",
            ORANGE,
            [c["removed"] - c["alone"] for c in counts.values()],
        ),
    )
    rows, left = np.arange(len(counts)), np.zeros(len(counts))
    for label, colour, values in parts:
        axes.barh(rows, values, left=left, color=colour, height=0.65, label=label)
        left += values
    undefined = np.array([c["undefined"] for c in counts.values()])
    if undefined.any():
        axes.barh(
            rows, undefined, color="none", edgecolor="black", hatch="////", height=0.65,
            linewidth=0, label="of these: not known, a value is missing",
        )  # fmt: skip
    axes.barh(len(counts), passed, color=GREEN, height=0.65, label="shots that pass all filters")
    told = [f"{c['removed']}, alone {c['alone']}" for c in counts.values()]
    _number_bars(axes, [*left, passed], [*told, str(passed)])
    _name_bars(axes, [*counts, "all filters"])
    axes.set_xlabel("shots")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _name_bars(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [plain_text(name, 30) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def _number_bars(axes: Axes, lengths: Sequence[float], texts: Sequence[str]) -> None:
    for row, (length, text) in enumerate(zip(lengths, texts, strict=True)):
        axes.annotate(
            text,
            (length, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
    axes.set_xlim(0, 1.3 * max([*lengths, 1e-9]))
