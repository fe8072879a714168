"""Messages: those that docs/troubleshooting.md quotes, and those that code can say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .pages import DOCS

PAGE = DOCS / "troubleshooting.md"
FIELD = "\0"
OTHERS = ("Snakemake's own", "Clusters")


def quoted() -> dict[str, list[str]]:
    """Messages by the heading that they stand under; `...` stands for anything."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        if match := re.match(r"\| (`.*?) \| ", line):
            found.setdefault(heading, []).extend(re.findall(r"`([^`]+)`", match[1]))
    return found


def says(text: str, message: str, whole: bool = True) -> bool:
    """Whether a text is what a quoted message says; whole: from beginning to end."""
    parts = message.split("...")
    if max(parts, key=len) not in text:
        return False
    found = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    return bool(found.fullmatch(text) if whole else found.search(text))


def texts(*folders: Path) -> set[str]:
    """All texts that the code of folders holds but for docstrings, FIELD where something is put in."""
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return {text for path in files for text in _texts(ast.parse(path.read_text("utf-8")))}


def _texts(tree: ast.AST) -> Iterator[str]:
    nodes = list(ast.walk(tree))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if id(node) in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            yield _joined(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield "".join(_part(side) for side in (node.left, node.right))


def _joined(node: ast.JoinedStr) -> str:
    return "".join(_part(part) for part in node.values)


def _part(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return _joined(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return FIELD
