"""A run on one page, and its key numbers as a table: what LCLS's beamline summary gives.

The table has a row a number: name, value, unit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatterflow.files.atomic import write_text
from scatterflow.plots.damage import MOST_DAMAGED, filter_counts, missing_shots
from scatterflow.plots.on_off import along
from scatterflow.plots.scan_steps import time_tool_validity
from scatterflow.plots.shot_file import (
    block_quantiles,
    column,
    detector_names,
    heading,
    results_of,
    short_name,
    status,
    unit_of,
)
from scatterflow.plots.shot_monitors import draw_light, running_block
from scatterflow.plots.style import (
    BLUE,
    ORANGE,
    RED,
    WIDTH,
    axis_label,
    house_style,
    no_data_note,
    plain_text,
    save,
    title,
)
from scatterflow.shots.small_data import SmallData, open_small_data

Row = tuple[str, Any, str]


def plot_summary(
    small_data: str | Path, png: str | Path, svg: str | Path, table: str | Path
) -> None:
    """Draw the summary of a run and write its table; raises UserError."""
    data = open_small_data(small_data)
    rows = key_numbers(data)
    lines = ["quantity\tvalue\tunit", *("\t".join(map(_shown, row)) for row in rows)]
    write_text(table, "\n".join(lines) + "\n")
    save(summary_figure(data, rows), png, svg)


def key_numbers(data: SmallData) -> list[Row]:
    """(name, value, unit) of what a run is known by."""
    shots = data.shots
    rows: list[Row] = [("shots", shots, ""), *_times(data)]
    if shots:
        rows += [("first tag", int(data.tags[0]), ""), ("last tag", int(data.tags[-1]), "")]
    for beam, name in (("xray", "X-rays"), ("laser", "laser")):
        known = status(data, beam)
        rows.append((f"shots with {name}", int((known == 1).sum()), ""))
        if (known < 0).any():
            rows.append((f"shots with {name} not known", int((known < 0).sum()), ""))
    lit = status(data, "xray") != 0
    for name in data.monitors():
        rows.append((f"median of {name}", _median(column(data, name)[lit]), unit_of(data, name)))
    valid = time_tool_validity(data)
    if valid is not None:
        pumped = lit & (status(data, "laser") > 0)
        rows.append(("time tool valid", _percent(valid & pumped, pumped), "%"))
    axis = along(data)
    if axis is not None:
        values = column(data, axis)
        known = values[np.isfinite(values)]
        for what, number in (("lowest", np.min), ("highest", np.max)):
            if known.size:
                rows.append(
                    (f"{what} {short_name(axis)}", float(number(known)), unit_of(data, axis))
                )
    for name, missing in missing_shots(data).items():
        rows.append((f"shots without {name}", missing, ""))
    for name, counts in filter_counts(data).items():
        rows.append((f"removed by filter {name}", counts["removed"], ""))
    return rows + _hits(data, lit)


def _times(data: SmallData) -> list[Row]:
    if "event_time" not in data.scalars or not data.shots:
        return []
    times = data.scalars["event_time"].astype("datetime64[ns]")
    start, stop = times.min(), times.max()
    seconds = float((stop - start) / np.timedelta64(1, "s"))
    shown = [f"{np.datetime_as_string(time, unit='ms')}Z" for time in (start, stop)]
    return [("start", shown[0], ""), ("end", shown[1], ""), ("duration", seconds, "s")]


def _hits(data: SmallData, lit: np.ndarray) -> list[Row]:
    """Photons and sums of each detector in shots with X-rays."""
    rows: list[Row] = []
    for detector in detector_names(data):
        for ending, unit in (("nPhotons", "photons"), ("nPhot", "photons"), ("sum", "")):
            for name in results_of(data, detector, ending):
                if name not in data.scalars:
                    continue
                values = column(data, name)[lit]
                rows.append((f"mean of {name}", _mean(values), unit or unit_of(data, name)))
        for name in results_of(data, detector, "nDroplets"):
            counts = column(data, name)
            there = lit & np.isfinite(counts)
            rows.append((f"shots with {name} > 0", _percent(there & (counts > 0), there), "%"))
    return rows


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _percent(part: np.ndarray, whole: np.ndarray) -> float:
    return 100.0 * float(part.sum()) / float(whole.sum()) if whole.any() else float("nan")


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@house_style()
def summary_figure(data: SmallData, rows: list[Row]) -> Figure:
    """Numbers on the left; light, first monitor, detectors and filters on the right."""
    figure = Figure(figsize=(WIDTH * 1.3, max(6.6, 1.2 + 0.24 * len(rows))))
    table, right = figure.subfigures(1, 2, width_ratios=(1.12, 1))
    title(figure, heading(data), "summary")
    _write_table(table.subplots(), rows)
    light, monitor, damage, filters = right.subplots(4, 1, height_ratios=(0.3, 1.4, 1.0, 1.0))
    draw_light(light, data)
    _draw_monitor(monitor, data)
    shots = max(data.shots, 1)
    missing = {name: 100 * count / shots for name, count in missing_shots(data).items()}
    _draw_bars(damage, missing, "shots without the detector (%)", 100 * MOST_DAMAGED)
    removed = {name: 100 * c["removed"] / shots for name, c in filter_counts(data).items()}
    _draw_bars(filters, removed, "shots removed by the filter (%)", np.inf)
    return figure


def _write_table(axes: Axes, rows: list[Row]) -> None:
    axes.set_axis_off()
    step = 1.0 / max(len(rows), 24)
    for place, (name, value, unit) in enumerate(rows):
        height = 1.0 - (place + 0.5) * step
        axes.text(0.0, height, plain_text(name, 38), va="center", fontsize=9.5)
        shown = f"{_shown(value)} {unit}".strip()
        axes.text(1.0, height, plain_text(shown, 30), va="center", ha="right", fontsize=9.5)
        if place:
            axes.axhline(1.0 - place * step, color="#E4E4E4", linewidth=0.6)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _draw_monitor(axes: Axes, data: SmallData) -> None:
    names = data.monitors()
    if not names:
        no_data_note(axes, "no intensity monitor")
        return
    values = column(data, names[0])
    axes.plot(values, ".", color=BLUE, alpha=0.25, markersize=2, rasterized=True)
    block = running_block(values.size)
    lit = np.where(status(data, "xray") != 0, values, np.nan)
    (middle,) = block_quantiles(lit, block, (0.5,))
    axes.plot(np.arange(middle.size) * block + 0.5 * (block - 1), middle, color=ORANGE)
    axes.set_xlim(-0.5, max(values.size, 1) - 0.5)
    axes.set_xlabel("shot")
    axes.set_ylabel(axis_label(names[0], unit_of(data, names[0])))


def _draw_bars(axes: Axes, parts: dict[str, float], label: str, limit: float) -> None:
    axes.set_xlabel(label)
    if not parts:
        no_data_note(axes, "none")
        axes.set_yticks([])
        return
    colours = [RED if part > limit else BLUE for part in parts.values()]
    axes.barh(range(len(parts)), list(parts.values()), color=colours, height=0.65)
    axes.set_yticks(range(len(parts)), [plain_text(name, 16) for name in parts])
    axes.set_ylim(len(parts) - 0.4, -0.6)
    axes.set_xlim(0, max(1.15 * max(parts.values()), 1.0))
    axes.grid(axis="y", visible=False)
