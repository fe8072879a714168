"""The pip locks and the conda environments agree, and hold what the rules' code imports."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scatterflow.plan.code import library_modules

REPOSITORY = Path(__file__).resolve().parents[1]
ENVS = REPOSITORY / "envs"
RULES = REPOSITORY / "rules"
CONDA_FILES = sorted(ENVS.glob("*.yaml"))
# The environment `workflow` holds what runs Snakemake itself; no rule names it.
RULE_ENVIRONMENTS = [path for path in CONDA_FILES if path.stem != "workflow"]

PYTHON = "3.11"  # the Python of the conda environments; the locks are read as on this and Linux
PYTHON_AND_PLATFORM = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
}
PYPI_NAME = {
    "pyfai-base": "pyfai",  # without graphical toolkits
    "matplotlib-base": "matplotlib",
    "python-isal": "isal",
    "python-tzdata": "tzdata",
    "dask-core": "dask",  # without what spreads arrays over computers
}
IMPORTED_FROM = {
    "yaml": "pyyaml",
    "pyFAI": "pyfai",
    "PIL": "pillow",
    "extra_data": "extra-data",
    "extra_geom": "extra-geom",
    "cfel_fmt": "cfel-fmt",
}


# --- locks --------------------------------------------------------------------------------------


def lock_entries(name: str) -> list[tuple[Requirement, str]]:
    """Requirement and hash lines of every entry of a lock file."""
    text = (ENVS / name).read_text(encoding="utf-8")
    entries = re.findall(r"^(\S+==[^\\\n]+)\\\n((?: +--hash=\S+.*\n)+)", text, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[A-Za-z]", text, re.MULTILINE)), "an unread entry"
    return [(Requirement(entry), hashes) for entry, hashes in entries]


def locked_versions(name: str) -> dict[str, str]:
    versions: dict[str, str] = {}
    for requirement, _ in lock_entries(name):
        if requirement.marker is None or requirement.marker.evaluate(PYTHON_AND_PLATFORM):
            assert requirement.name not in versions
            versions[requirement.name] = str(requirement.specifier).removeprefix("==")
    return versions


def asked_for(name: str) -> list[Requirement]:
    lines = (ENVS / name).read_text(encoding="utf-8").splitlines()
    lines = [line.split("#")[0].strip() for line in lines]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


LOCKS = ["requirements", "requirements-dev"]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_what_was_asked_for(name: str) -> None:
    locked = locked_versions(f"{name}.lock")
    for requirement in asked_for(f"{name}.in"):
        version = locked.get(requirement.name.lower())
        assert version is not None, f"{requirement.name} is not locked: run `make lock`"
        assert version in requirement.specifier, f"{requirement} is {version}: run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_lock_is_hashed_and_names_no_machine(name: str) -> None:
    for requirement, hashes in lock_entries(f"{name}.lock"):
        assert "--hash=sha256:" in hashes, requirement
    text = (ENVS / f"{name}.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|--\w*-?index-url|--find-links|^# .*[ =]/", text, re.MULTILINE)


def test_development_lock_extends_the_runtime_lock() -> None:
    development = locked_versions("requirements-dev.lock")
    for package, version in locked_versions("requirements.lock").items():
        assert development.get(package) == version, package


# --- conda environments -------------------------------------------------------------------------


def conda_pins(path: Path) -> dict[str, str]:
    """PyPI name -> version of a conda environment file; every line must be an exact pin."""
    pins = pypi_pins(path)
    for line in yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]:
        if isinstance(line, dict):
            continue
        name, _, version = line.partition(" ")
        if name == "python":
            assert version == f"={PYTHON}", line
        elif name != "pip":
            assert version.startswith("=="), f"{path.name}: {line!r} is not an exact pin"
            pins[PYPI_NAME.get(name, name)] = version.removeprefix("==")
        else:
            assert pypi_pins(path), f"{path.name}: nothing comes from PyPI"
    return pins


def pypi_pins(path: Path) -> dict[str, str]:
    """What an environment takes from PyPI: name -> version. Snakemake's environments do so in a script that
    it runs afterwards, which pin files do not leave out; one made by hand in conda's own section for it."""
    script = path.with_suffix(".post-deploy.sh")
    if script.is_file():
        return dict(re.findall(r"^([a-z][\w-]*)==(\S+)", script.read_text(), re.MULTILINE))
    lines = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    pinned = [line for item in lines if isinstance(item, dict) for line in item["pip"]]
    return dict(line.split("==") for line in pinned)


def needed_from_conda(path: Path) -> set[str]:
    """Needs of what comes from PyPI, whose own needs pip is told to leave alone."""
    texts = [text for name in pypi_pins(path) for text in requires(name) or []]
    needs = {canonicalize_name(Requirement(text).name) for text in texts if "extra ==" not in text}
    return needs - set(pypi_pins(path))


@pytest.mark.parametrize("path", CONDA_FILES, ids=lambda path: path.stem)
def test_conda_pins_equal_the_lock(path: Path) -> None:
    locked = locked_versions("requirements.lock")
    assert {name: locked.get(name) for name in conda_pins(path)} == conda_pins(path)


@pytest.mark.parametrize("path", CONDA_FILES, ids=lambda path: path.stem)
def test_conda_channels(path: Path) -> None:
    channels = yaml.safe_load(path.read_text(encoding="utf-8"))["channels"]
    allowed = ["conda-forge", "bioconda"] if path.stem == "workflow" else ["conda-forge"]
    assert channels == allowed


def test_conda_workflow_environment_holds_all_of_the_runtime() -> None:
    asked = {requirement.name for requirement in asked_for("requirements.in")}
    workflow = ENVS / "workflow.yaml"
    assert set(conda_pins(workflow)) == asked | needed_from_conda(workflow)


@pytest.mark.parametrize("path", CONDA_FILES, ids=lambda path: path.stem)
def test_packages_of_pypi_find_their_needs(path: Path) -> None:
    assert needed_from_conda(path) <= set(conda_pins(path))


def test_packages_of_pypi_have_the_hashes_of_the_lock() -> None:
    """And are the only ones that conda-forge lacks; no script fetches anything else."""
    text = (ENVS / "shots.post-deploy.sh").read_text(encoding="utf-8")
    fetched = text.split("<<'LOCKED'\n")[1].removesuffix("LOCKED\n")
    lock = (ENVS / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^\S+==\S+ \\\n(?: +--hash=\S+(?: \\)?\n)+", fetched, re.MULTILINE)
    assert "".join(entries) == fetched
    assert len(entries) == 3
    assert all(entry in lock for entry in entries)
    assert "--require-hashes" in text
    assert "--no-deps" in text
    assert sorted(ENVS.glob("*.post-deploy.sh")) == [ENVS / "shots.post-deploy.sh"]


# --- what the rules' code imports ---------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    name: str
    script: Path
    conda: Path | None


def scripted_rules(path: Path) -> list[Rule]:
    """The rules with a script, read from the text of a .smk file."""
    text = path.read_text(encoding="utf-8")
    blocks = re.split(r"^[ \t]*(?:rule|checkpoint)[ \t]+(\w+)[ \t]*:", text, flags=re.MULTILINE)
    rules = []
    for name, body in zip(blocks[1::2], blocks[2::2], strict=True):
        if not re.search(r"^[ \t]+script:", body, re.MULTILINE):
            continue
        script = _directive(body, "script")
        assert script is not None, f"{path.name}: the script of {name} is not a plain string"
        conda = _directive(body, "conda")
        rules.append(Rule(name, path.parent / script, path.parent / conda if conda else None))
    return rules


def _directive(body: str, keyword: str) -> str | None:
    found = re.search(rf"^[ \t]+{keyword}:\s*(['\"])(.+?)\1", body, re.MULTILINE)
    return found[2] if found else None


ALL_RULES = [rule for path in sorted(RULES.glob("*.smk")) for rule in scripted_rules(path)]


def imported_packages(tree: ast.AST) -> set[str]:
    """PyPI names of the third-party packages that code needs, nested imports included."""
    return {package_of(module) for module in imported_modules(tree)}


def package_of(module: str) -> str:
    """The PyPI name of what a module belongs to."""
    root = module.split(".")[0]
    return IMPORTED_FROM.get(root, root)


def imported_modules(tree: ast.AST) -> set[str]:
    """Third-party modules that code needs, nested imports included."""
    modules: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if _for_type_checkers(node) or _is_optional(node):
            continue
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules.add(node.module)
        waiting.extend(ast.iter_child_nodes(node))
    known = {"scatterflow", *sys.stdlib_module_names}
    return {module for module in modules if module.split(".")[0] not in known}


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _is_optional(node: ast.AST) -> bool:
    """A `try` that goes on without the import."""
    if not isinstance(node, ast.Try):
        return False
    caught = [ast.unparse(handler.type) for handler in node.handlers if handler.type]
    return any("ImportError" in names or "ModuleNotFoundError" in names for names in caught)


def needed_by(path: Path) -> set[str]:
    """Packages that a file and the library behind it import."""
    return {package_of(module) for module in modules_behind(path)}


def modules_behind(path: Path) -> set[str]:
    """Third-party modules that a script and the library behind it import."""
    return {module for file in code_of(path) for module in modules_of_file(file)}


@cache
def code_of(path: Path) -> frozenset[Path]:
    """A script and the library behind it. What `scatterflow.registry` hands out by name it imports late and
    unseen, so that package itself is not to be used by scripts."""
    found = frozenset({path, *library_modules(path)})
    modules = {file.stem for file in found if file.parent.name == "registry"}
    for file in found:
        assert handed_out_by_registry(file) <= modules, f"{file}: a late import"
    return found


@cache
def modules_of_file(path: Path) -> frozenset[str]:
    return frozenset(imported_modules(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def handed_out_by_registry(path: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "scatterflow.registry"
        for alias in node.names
    )


def test_rules_are_found() -> None:
    if not list(RULES.glob("*.smk")):
        pytest.skip("no rules yet")
    assert ALL_RULES


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.name)
def test_environment_covers_the_script(rule: Rule) -> None:
    assert rule.script.is_file()
    assert rule.conda is not None, "a rule with a script names its conda environment"
    missing = needed_by(rule.script) - set(conda_pins(rule.conda))
    assert not missing, f"{rule.conda.name} lacks {sorted(missing)}"


@pytest.mark.parametrize("path", RULE_ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_holds_nothing_else(path: Path) -> None:
    needed = {
        package
        for rule in ALL_RULES
        if rule.conda is not None and rule.conda.name == path.name
        for package in needed_by(rule.script)
    }
    assert set(conda_pins(path)) == needed | needed_from_conda(path)


def test_registry_by_name_is_seen(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from scatterflow.registry import register_mask\n")
    with pytest.raises(AssertionError, match="late import"):
        code_of(script)


def test_environment_covers_the_workflow(tmp_path: Path) -> None:
    """The Snakefile and the rule files import the library too, in Snakemake's own environment."""
    lines = []
    for path in [REPOSITORY / "Snakefile", *sorted(RULES.glob("*.smk"))]:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            lines += re.findall(r"^\s*((?:from [\w.]+ )?import [\w., ]+(?:\([^)]*\))?)", text, re.M)
    imports = tmp_path / "imports.py"
    imports.write_text("\n".join(line.strip() for line in lines), encoding="utf-8")
    missing = needed_by(imports) - set(conda_pins(ENVS / "workflow.yaml"))
    assert not missing, f"workflow.yaml lacks {sorted(missing)}"


def test_imports_are_seen() -> None:
    code = """
import numpy as np, yaml
from typing import TYPE_CHECKING
from pyFAI.units import to_unit
if TYPE_CHECKING:
    import pandas
try:
    import cupy
except ImportError:
    cupy = None
def late():
    from zarr import open
    from scatterflow import errors
"""
    assert imported_packages(ast.parse(code)) == {"numpy", "pyyaml", "pyfai", "zarr"}


def test_rules_are_read(tmp_path: Path) -> None:
    text = '''
rule a:
    """Doc."""
    output: "x"
    conda: "../envs/a.yaml"
    script: "../scripts/a.py"

if True:
    checkpoint b:
        conda:
            '../envs/b.yaml'
        script:
            '../scripts/b.py'

rule c:
    shell: "echo script: no"
'''
    path = tmp_path / "rules" / "x.smk"
    path.parent.mkdir()
    path.write_text(text)
    assert [
        (rule.name, rule.script.name, rule.conda and rule.conda.name)
        for rule in scripted_rules(path)
    ] == [
        ("a", "a.py", "a.yaml"),
        ("b", "b.py", "b.yaml"),
    ]
