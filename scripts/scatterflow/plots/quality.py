"""The badge of a result: its checks as a table, the verdict of each as a coloured mark."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from scatterflow.plots.style import (
    GREY,
    MASKED,
    VERDICT_COLOURS,
    WIDTH,
    house_style,
    plain_text,
    save,
    verdict_title,
)
from scatterflow.quality.checks import read_quality

LINE = 0.19
"""Height of a line of text, inches."""
WRAPPED = 56
COLOURS = {**VERDICT_COLOURS, "not_applicable": MASKED}
WORDS = {"not_applicable": "–"}


def plot_quality(quality_path: str | Path, png: str | Path, svg: str | Path) -> None:
    """Draw the checks of a result; raises UserError for a file that is no verdict."""
    save(quality_figure(read_quality(quality_path)), png, svg)


@house_style()
def quality_figure(quality: Mapping[str, Any]) -> Figure:
    """A line for each check: verdict, title, value, limit, sentence; those that do not apply at the end."""
    checks = sorted(quality["checks"], key=lambda check: check["verdict"] == "not_applicable")
    rows = [(check, _wrapped(check["sentence"])) for check in checks]
    lines = sum(len(sentence) + 0.5 for _, sentence in rows) + 1.5
    figure = Figure(figsize=(WIDTH, 0.9 + LINE * lines))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(lines, 0)
    for x, text in ((0.085, "check"), (0.345, "value"), (0.445, "limit"), (0.565, "")):
        axes.text(x, 0.5, text, va="center", color=GREY, fontsize=9)
    at = 1.5
    for check, sentence in rows:
        _draw_check(axes, at, check, sentence)
        at += len(sentence) + 0.5
    heading = f"{plain_text(quality['run'], 40)} / {plain_text(quality['reduction'], 40)}"
    verdict_title(figure, heading, quality["verdict"], summary(quality))
    return figure


def summary(quality: Mapping[str, Any]) -> str:
    """Which checks failed or warned, in a sentence."""
    found = {
        verdict: [check["title"] for check in quality["checks"] if check["verdict"] == verdict]
        for verdict in ("fail", "warn")
    }
    parts = [f"{verdict}: {', '.join(titles)}" for verdict, titles in found.items() if titles]
    if not parts:
        number = sum(check["verdict"] == "pass" for check in quality["checks"])
        return f"All {number} checks that apply passed"
    return "; ".join(parts)


def _draw_check(axes, at: float, check: Mapping[str, Any], sentence: Sequence[str]) -> None:
    verdict = check["verdict"]
    applies = verdict != "not_applicable"
    colour = "black" if applies else GREY
    axes.text(
        0.035,
        at + 0.5,
        WORDS.get(verdict, verdict),
        ha="center",
        va="center",
        color="white",
        weight="bold",
        fontsize=8.5,
        bbox={"facecolor": COLOURS[verdict], "edgecolor": "none", "pad": 2.5},
    )
    unit = {"pixel": "px"}.get(check["unit"], check["unit"]) or ""
    for x, text in (
        (0.085, plain_text(check["title"])),
        (0.345, _number(check["value"], unit) if applies else ""),
        (0.445, _number(check["limit"], unit) if applies else ""),
    ):
        axes.text(x, at + 0.5, text, va="center", fontsize=9, color=colour)
    for number, line in enumerate(sentence):
        axes.text(0.565, at + 0.5 + number, line, va="center", fontsize=8, color=colour)


def _wrapped(sentence: str) -> list[str]:
    return [plain_text(line, 200) for line in textwrap.wrap(sentence, WRAPPED)] or [""]


def _number(value: Any, unit: str) -> str:
    """A value or limits as text, '' for none."""
    if value is None:
        return ""
    if isinstance(value, list):
        return f"{value[0]:.3g} … {value[1]:.3g}" + (f" {unit}" if unit else "")
    if isinstance(value, str):
        return plain_text(value, 20)
    return f"{round(value, 6):.3g}" + (f" {unit}" if unit else "")
