"""Attacks 2, 5, 22: the code itself has nothing that text or pickles of others could run through."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LIBRARY = REPOSITORY / "scripts" / "scatterflow"
WORKFLOW = [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "rules").glob("*.smk"))]


@pytest.mark.parametrize("path", WORKFLOW, ids=lambda path: path.name)
def test_no_rule_runs_a_shell(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*shell\s*:|\bshell\(|\bos\.system|\bsubprocess\b", text, re.MULTILINE)


def test_code_that_runs_text_is_not_allowed() -> None:
    """`ruff` finds exec, eval, pickle, unsafe YAML and shells, and nobody is let off."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert {"S102", "S301", "S302", "S307", "S506", "S602", "S604", "S605"} <= set(
        settings["select"]
    )
    for path in sorted((REPOSITORY / "scripts").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"noqa: *S[1-7]|allow_pickle *= *True|read_pickle", text), path


def test_modules_imported_by_name_are_named_in_the_code() -> None:
    """`import_module` is called in two places: lazy names of the registry, packages of facilities."""
    found = {}
    for path in sorted((REPOSITORY / "scripts").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                found[path.relative_to(LIBRARY).as_posix()] = ast.unparse(node.args[0])
    assert found == {
        "registry/__init__.py": "f'{__name__}.{_MODULES[name]}'",
        "sources/facility.py": "name",
    }
    names = set()
    for path in (LIBRARY / "sources").glob("*.py"):
        calls = re.findall(r"facility_package\(\s*([^,]+),", path.read_text())
        names |= {call.strip() for call in calls if ":" not in call}
    assert all(re.fullmatch(r'"[a-z_.]+"', name) for name in names), names
