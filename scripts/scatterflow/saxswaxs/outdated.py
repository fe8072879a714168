"""What was made from an earlier result, removed when a new one stands.

What is still wanted is made anew; figures, checks and exports of integrations, fits or formats that were
given up would stand beside a result that they do not show. Files of others stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

RESULT_FIGURES = (
    *("_frames", "_profiles", "_mean", "_map", "_rings", "_geometry"),
    *("_corrections", "monitors", "transmission"),
)
ANALYSIS_FIGURES = ("_fit", "_views", "figures")
"""How names of figures end."""
KINDS = ("png", "svg")


def remove_after_result(result: str | Path) -> None:
    """What follows from a result file: figures, checks of calibrants, analysis, exports."""
    folder = Path(result).parent
    _remove_figures(folder, (*RESULT_FIGURES, *ANALYSIS_FIGURES))
    _remove(folder, ("*_rings.tsv", "*_rings.json", "analysis.nxs"))
    _remove(folder / "export", ("*.h5", "*.dat", "scalars.csv"))
    for frames in (folder / "export").glob("*_frames"):
        shutil.rmtree(frames, ignore_errors=True)


def remove_after_analysis(analysis: str | Path) -> None:
    """Figures of an analysis file."""
    _remove_figures(Path(analysis).parent, ANALYSIS_FIGURES)


def remove_after_map(path: str | Path) -> None:
    """Figures of a map file."""
    figures = Path(path).parent / "plots"
    _remove(figures, (f"{name}.{kind}" for name in ("map", "map/*") for kind in KINDS))


def _remove_figures(folder: Path, endings: Iterable[str]) -> None:
    _remove(folder / "plots", (f"*{ending}.{kind}" for ending in endings for kind in KINDS))


def _remove(folder: Path, patterns: Iterable[str]) -> None:
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)
