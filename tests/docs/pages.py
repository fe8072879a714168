"""Pages of the documentation: their blocks of code and their run tables."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"


def block(page: Path, title: str) -> str:
    """Text of the block that begins with ```yaml TITLE."""
    (found,) = re.findall(
        rf"^```yaml {re.escape(title)}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S
    )
    return found


def python_blocks(page: Path) -> list[str]:
    """Text of the blocks of Python, in their order."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def run_table(page: Path) -> str:
    """The page's table that begins with the column `run`, as the run table that it shows."""
    (lines,) = re.findall(r"^((?:\| run \|.*\n)(?:\|.*\n)+)", page.read_text("utf-8"), re.M)
    head, _, *rows = lines.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (head, *rows)]
    return "".join("\t".join(row) + "\n" for row in cells)
