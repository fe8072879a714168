"""The library is built in layers, as docs/architecture.md draws them: imports only go downwards."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARY = REPOSITORY / "scripts" / "scatterflow"
GUIDE = REPOSITORY / "docs" / "architecture.md"
FILES = sorted(LIBRARY.rglob("*.py"))

# Bottom up. A package imports itself and what stands on lines above; those of one line not each other.
LAYERS = (
    ("errors",),
    ("units", "names", "progress", "frame_range", "frame_selection", "bin_spans"),
    ("sum_names", "geometry_kind", "script"),
    ("files", "kernels"),
    ("config",),
    ("sources",),
    ("plan",),
    ("detectors",),
    ("registry",),
    ("saxswaxs", "xpcs", "shots"),
    ("quality",),
    ("plots",),
    ("catalogue",),
    ("live", "convert", "staging"),
    ("command line",),
)
COMMANDS = re.compile(r"(?:\w+_)?command$|command_\w+$")
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def layer(parts: tuple[str, ...]) -> str:
    """The layer of a module of the library, given by its path; modules of commands are the command line."""
    if parts[0] == "__main__" or (COMMANDS.match(parts[-1]) and parts[0] != "sources"):
        return "command line"
    return parts[0]


def imported(tree: ast.AST) -> list[tuple[str, ...]]:
    """Modules of the library that code imports, nested imports included, as paths below the library."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            names = [node.module or ""]
            if node.module == "scatterflow":
                names = [f"scatterflow.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found += [tuple(name.split(".")[1:]) for name in names if name.startswith("scatterflow.")]
    return found


def upward(path: tuple[str, ...], tree: ast.AST) -> list[str]:
    """Imports of a module that do not go downwards."""
    own = layer(path)
    return [
        ".".join(module)
        for module in imported(tree)
        if module[0] != "__version__"
        and layer(module) != own
        and module[0] != path[0]
        and LEVEL[layer(module)] >= LEVEL[own]
    ]


def module_path(file: Path) -> tuple[str, ...]:
    parts = file.relative_to(LIBRARY).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def test_imports_go_downwards():
    found = {}
    for file in FILES:
        path, tree = module_path(file), ast.parse(file.read_text(encoding="utf-8"))
        if path == ("__init__",):
            assert imported(tree) == []
            continue
        assert layer(path) in LEVEL, f"{file}: give it a place in LAYERS and in {GUIDE.name}"
        found["/".join(path)] = upward(path, tree)
    assert len(found) > 400
    assert {path: modules for path, modules in found.items() if modules} == {}


def test_an_upward_import_is_seen():
    code = "def f():\n    from scatterflow.plots.style import save\n"
    assert upward(("saxswaxs", "fits"), ast.parse(code)) == ["plots.style"]
    assert upward(("registry", "command_looking"), ast.parse(code)) == []
    sideways = ast.parse("from scatterflow import units\nimport scatterflow.xpcs.fits")
    assert upward(("saxswaxs", "fits"), sideways) == ["xpcs.fits"]


@pytest.mark.parametrize(
    ("packages", "forbidden"),
    [
        (("",), "snakemake"),
        (("kernels",), "h5py"),
        (("kernels",), "pandas"),
        (("files", "kernels", "config", "plan", "sources", "saxswaxs", "xpcs"), "matplotlib"),
    ],
)
def test_what_the_library_must_not_know(packages, forbidden):
    """Snakemake is known to scripts, files are not known to kernels, figures to none that compute."""
    pattern = re.compile(rf"^\s*(?:from|import) {forbidden}\b", re.MULTILINE)
    searched = [path for name in packages for path in (LIBRARY / name).rglob("*.py")]
    assert searched
    assert [path for path in searched if pattern.search(path.read_text(encoding="utf-8"))] == []
