"""Code is an input: a digest of the library modules that a script uses.

Snakemake sees a script's own text, not the library behind it. Each rule carries this digest as a
parameter, so that a changed kernel reruns what it made and nothing else. Comments, docstrings and
formatting do not count: the digest is taken over the syntax tree.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "scatterflow"
LIBRARY = Path(__file__).resolve().parents[1]
SCRIPTS = LIBRARY.parent


def code_digest(script: str, unused: frozenset[str] = frozenset()) -> str:
    """Digest of the library code that `scripts/<script>.py` imports, directly or not.

    unused: modules, as `sources.spec`, that this job will not reach (readers of other formats).
    """
    left_out = frozenset(LIBRARY.joinpath(*name.split(".")).with_suffix(".py") for name in unused)
    return _digest(script, left_out)


@cache
def _digest(script: str, left_out: frozenset[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(library_modules(SCRIPTS / f"{script}.py", left_out)):
        digest.update(path.relative_to(LIBRARY).as_posix().encode())
        digest.update(_tree_digest(path))
    return digest.hexdigest()[:16]


def library_modules(path: Path, left_out: frozenset[Path] = frozenset()) -> set[Path]:
    """Files of the library that a file imports, directly or not, nested imports included."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        for module in _imports(waiting.pop()):
            if module not in found and module not in left_out:
                found.add(module)
                waiting.append(module)
    return found


@cache
def _imports(path: Path) -> frozenset[Path]:
    found: set[Path] = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path)
            # `from package import module` names a module as often as an object.
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            found.update(_files_of(name))
    return frozenset(found)


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """Full name of the module of a `from` import; dots count from the importing file's package."""
    if node.level == 0:
        return node.module or ""
    package = path.relative_to(SCRIPTS).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _files_of(module: str) -> list[Path]:
    """The file of a library module and the `__init__` of every package above it."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return []
    files = []
    for depth in range(1, len(parts) + 1):
        folder = SCRIPTS.joinpath(*parts[:depth])
        files += [
            path for path in (folder / "__init__.py", folder.with_suffix(".py")) if path.is_file()
        ]
    return files


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _tree_digest(path: Path) -> bytes:
    tree = _parse(path)
    for node in ast.walk(tree):
        # Docstrings of modules, classes and functions, and texts below attributes.
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [statement for statement in body if not _is_text(statement)]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).digest()


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
