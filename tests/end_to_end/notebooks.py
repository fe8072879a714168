"""Notebooks of the guides: read, run, and what they print."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from .conftest import REPOSITORY


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """What each cell of code printed and returned; what is printed comes in pieces of any size."""
    told = []
    for cell in notebook.cells:
        text = ""
        for item in cell.get("outputs", []):
            if item.output_type == "stream":
                text += item["text"]
            elif item.output_type != "error":
                text += "\n" + item.data.get("text/plain", "") + "\n"
        told.append("\n".join(line for line in text.splitlines() if line.strip()))
    return told


def executed_texts(path: Path, folder: Path, scratch: Path) -> list[str]:
    """The texts of a notebook that is run in a folder; scratch: for Jupyter's own files."""
    notebook = read(path)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(scratch))
        patch.setenv("NUMBA_CACHE_DIR", str(REPOSITORY / ".numba_cache"))
        patch.delenv("PYTHONPATH", raising=False)
        place = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=1200, resources=place).execute()
    return texts(notebook)


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, pattern
    return float(found[1])
