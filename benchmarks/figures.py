"""Pictures of results.json: every ratio with its goal, and the curves of what was scaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scatterflow.files.atomic import whole_file

IMAGES = Path(__file__).parent / "images"
MET, MISSED, LIMIT = "#0072B2", "#D55E00", "#555555"
# Axis of each curve: label, and what a time belongs to.
CURVES = {
    "pixels": "pixels of the detector",
    "bins": "bins",
    "frames": "frames of a chunk job",
    "threads": "threads",
    "run length": "frames of an XPCS run",
    "photons": "photons a pixel and frame",
    "jobs": "chunk jobs in the plan",
}

Rows = Sequence[Mapping[str, Any]]


def draw_figures(rows: Rows, folder: Path = IMAGES) -> list[Path]:
    """Draw what there are rows for; returns the files."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with matplotlib.rc_context({"font.size": 9, "svg.hashsalt": "scatterflow"}):
        if judged := [row for row in rows if row["goal"] is not None]:
            drawn.append(_save(_ratios(judged), folder / "ratios.png"))
        if curves := [name for name in CURVES if _points(rows, name)]:
            drawn.append(_save(_scaling(rows, curves), folder / "scaling.png"))
    return drawn


def _save(figure: Any, path: Path) -> Path:
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    return path


def margin(row: Mapping[str, Any]) -> float:
    """How far beyond its goal a ratio is, as a factor: 1 or more where it is met."""
    sign, goal = row["goal"].split()
    return row["ratio"] / float(goal) if sign == ">=" else float(goal) / row["ratio"]


def _ratios(rows: Rows) -> Any:
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=margin)
    figure = Figure(figsize=(11, 0.8 + 0.27 * len(ordered)), layout="constrained")
    axes = figure.subplots()
    margins = [margin(row) for row in ordered]
    colours = [MET if row["met"] else MISSED for row in ordered]
    axes.barh(range(len(ordered)), [value - 1 for value in margins], left=1, color=colours)
    for place, (row, value) in enumerate(zip(ordered, margins, strict=True)):
        text = f" {row['ratio']:.3g} (goal {row['goal'].replace('>=', '≥').replace('<=', '≤')}) "
        axes.text(value, place, text, va="center", ha="left" if value >= 1 else "right", fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(
        xscale="log",
        xlim=(min(0.03, *margins) / 3, max(10.0, *margins) * 4),
        ylim=(-0.7, len(ordered) - 0.3),
        xlabel="ratio over its goal (1 and more: met)",
    )
    labels = [f"{row['benchmark']} | {row['against']}" for row in ordered]
    axes.set_yticks(range(len(ordered)), [_short(label) for label in labels], fontsize=6.5)
    return figure


def _short(text: str, length: int = 92) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _scaling(rows: Rows, curves: Sequence[str]) -> Any:
    from matplotlib.figure import Figure

    columns = min(3, len(curves))
    lines = -(-len(curves) // columns)
    figure = Figure(figsize=(4 * columns, 3.1 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, name in zip(grid, curves, strict=False):
        points = _points(rows, name)
        at = [row["at"] for row in points]
        unit = points[0]["unit"]
        axes.plot(at, [row["cpu_seconds"] for row in points], "o-", color=MET, label="ours")
        peer = points[0]["against"].split(",")[0].split("(")[0].strip()
        axes.plot(
            at,
            [row["peer_cpu_seconds"] for row in points],
            "s--",
            color=LIMIT,
            label=_short(peer, 34),
        )
        axes.set(
            xscale="log", yscale="log", xlabel=CURVES[name], ylabel=f"processor seconds a {unit}"
        )
        axes.legend(fontsize=7, frameon=False)
        axes.grid(alpha=0.3, which="both", linewidth=0.4)
    for axes in grid[len(curves) :]:
        axes.remove()
    return figure


def _points(rows: Rows, name: str) -> Rows:
    found = [row for row in rows if row.get("curve") == name]
    return sorted(found, key=lambda row: row["at"])
