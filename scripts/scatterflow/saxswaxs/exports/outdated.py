"""Exports of the result before: those of integrations or formats given up would stand beside a new result
that they do not show."""

from __future__ import annotations

import shutil
from pathlib import Path


def remove_outdated_exports(folder: Path) -> None:
    """Remove what this workflow has exported into `export/` of a result's folder; other files stay."""
    export = folder / "export"
    for path in (*export.glob("*.h5"), *export.glob("*.dat"), export / "scalars.csv"):
        path.unlink(missing_ok=True)
    for path in export.glob("*_frames"):
        shutil.rmtree(path, ignore_errors=True)
