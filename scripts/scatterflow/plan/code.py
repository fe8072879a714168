"""Code is an input: a digest of the library modules that a script uses.

Snakemake sees a script's own text, not the library behind it. Each rule carries this digest as a
parameter, so that a changed kernel reruns what it made and nothing else. Comments, docstrings and
formatting do not count: the digest is taken over the syntax tree.
"""

from __future__ import annotations

import atexit
import hashlib
from functools import cache
from pathlib import Path

from scatterflow.plan.code_facts import CodeFacts, FactsMemory

PACKAGE = "scatterflow"
LIBRARY = Path(__file__).resolve().parents[1]
SCRIPTS = LIBRARY.parent


@cache
def code_digest(script: str, unused: frozenset[str] = frozenset()) -> str:
    """Digest of the library code that `scripts/<script>.py` imports, directly or not.

    unused: modules, as `sources.spec`, that this job will not reach (readers of other formats).
    """
    left_out = frozenset(LIBRARY.joinpath(*name.split(".")).with_suffix(".py") for name in unused)
    digest = hashlib.sha256()
    for path in sorted(library_modules(SCRIPTS / f"{script}.py", left_out)):
        digest.update(path.relative_to(LIBRARY).as_posix().encode())
        digest.update(bytes.fromhex(_facts(path).digest))
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
    return frozenset(file for name in _facts(path).imports for file in _files_of(name))


@cache
def _files_of(module: str) -> tuple[Path, ...]:
    """The file of a library module and the `__init__` of every package above it."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return ()
    folder = SCRIPTS.joinpath(*parts)
    own = [path for path in (folder / "__init__.py", folder.with_suffix(".py")) if path.is_file()]
    return (*(_files_of(".".join(parts[:-1])) if len(parts) > 1 else ()), *own)


@cache
def _facts(path: Path) -> CodeFacts:
    return _memory().facts(path)


@cache
def _memory() -> FactsMemory:
    """What earlier calls found; what this one adds is written down when the process ends."""
    memory = FactsMemory(SCRIPTS, LIBRARY / "__pycache__" / "code_facts.json")
    atexit.register(memory.remember)
    return memory
