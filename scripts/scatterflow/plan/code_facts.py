"""What a source file imports, and a digest of what it does; remembered between calls.

Parsing the whole library takes seconds, and every job of a cluster reads the workflow three times. So
what was found is kept beside the library, as Python keeps compiled modules, and is used as long as a
file's size and time of change stay the same.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scatterflow.files.atomic import whole_file

# A file may change twice within one tick of the file system's clock: what is this young is not remembered.
YOUNG_NS = 2_000_000_000


@dataclass(frozen=True)
class CodeFacts:
    """Names of all modules that a file imports (and of objects, which look the same), absolute; digest of
    its syntax tree without docstrings."""

    imports: tuple[str, ...]
    digest: str


class FactsMemory:
    """Facts of files, remembered in a file of its own; one that cannot be read or written does not matter."""

    def __init__(self, root: Path, memory: Path) -> None:
        """root: folder that the names of modules count from; memory: the JSON file."""
        self._root = root
        self._memory = memory
        self._known: dict[str, list[Any]] = {}
        self._new = False
        with suppress(OSError, ValueError, AttributeError):
            stored = json.loads(memory.read_text(encoding="utf-8"))
            if stored.get("made_by") == _made_by():
                self._known = stored["files"]

    def facts(self, path: Path) -> CodeFacts:
        """Facts of one file, from memory if it has not changed."""
        name = os.path.relpath(path, self._root)
        found = path.stat()
        stamp = [found.st_mtime_ns, found.st_size]
        with suppress(KeyError, ValueError, TypeError):
            known, imports, digest = self._known[name]
            if known == stamp:
                return CodeFacts(tuple(imports), digest)
        facts = read_facts(path, self._root)
        if time.time_ns() - found.st_mtime_ns > YOUNG_NS:
            self._known[name] = [stamp, list(facts.imports), facts.digest]
            self._new = True
        return facts

    def remember(self) -> None:
        """Write down what is new."""
        if not self._new:
            return
        text = json.dumps({"made_by": _made_by(), "files": self._known})
        with suppress(OSError), whole_file(self._memory) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self._new = False


def _made_by() -> str:
    """Syntax trees look different in each Python; so may the facts after a change of this module."""
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    return f"{sys.version} {own}"


def read_facts(path: Path, root: Path) -> CodeFacts:
    """Facts of one file; root: folder that the names of modules count from. Raises SyntaxError."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path, root)
            # `from package import module` names a module as often as an object.
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            imports.update(dict.fromkeys(names))
        # Docstrings of modules, classes and functions, and texts below attributes.
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [statement for statement in body if not _is_text(statement)]  # type: ignore[attr-defined]
    return CodeFacts(tuple(imports), hashlib.sha256(ast.dump(tree).encode()).hexdigest())


def _absolute(node: ast.ImportFrom, path: Path, root: Path) -> str:
    """Full name of the module of a `from` import; dots count from the importing file's package."""
    if node.level == 0:
        return node.module or ""
    package = path.relative_to(root).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
