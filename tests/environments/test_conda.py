"""`--sdm conda`: environments are solved, made from a channel, and hold what their rules import."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Project, make_project
from tests.environments.conftest import Conda
from tests.test_environments import (
    ALL_RULES,
    REPOSITORY,
    RULE_ENVIRONMENTS,
    code_of,
    modules_behind,
)

# One rule for each environment; its job imports what the scripts that use it import.
RULE = """
rule {name}:
    output: "{name}.imported"
    conda: "envs/{name}.yaml"
    shell: "python {folder}/import_all.py {folder}/{name}.txt && touch {{output}}"
"""
IMPORT_ALL = """\
import importlib, sys
from pathlib import Path
sys.path.insert(0, SCRIPTS)
assert not any(SITE in path for path in sys.path), sys.path
lacking = []
for name in Path(sys.argv[1]).read_text().split():
    try:
        importlib.import_module(name)
    except ImportError as error:
        lacking.append(f"{name}: {error}")
sys.exit("\\n".join(lacking) or 0)
"""


def modules_of(environment: Path) -> list[str]:
    """All modules, ours and others', that the scripts of an environment import, soon or late."""
    scripts = [
        rule.script for rule in ALL_RULES if rule.conda and rule.conda.name == environment.name
    ]
    files = {file.resolve() for script in scripts for file in code_of(script)}
    library = REPOSITORY / "scripts"
    own = {
        ".".join(file.relative_to(library).with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if file.is_relative_to(library / "scatterflow")
    }
    return sorted(own.union(*map(modules_behind, scripts)))


def snakemake(
    conda: Conda, folder: Path, *arguments: str, environments: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """environments: where they are made; else where other tests make theirs, and find them again."""
    place = environments or conda.root / "environments"
    fixed = ["--sdm", "conda", "--conda-prefix", str(place), "--cores", "2"]
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *fixed, *arguments],
        cwd=folder,
        env=conda.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def write_snakefile(folder: Path, names: list[str]) -> None:
    shutil.copytree(REPOSITORY / "envs", folder / "envs")
    site = next(path for path in sys.path if path.endswith("site-packages"))
    scripts = str(REPOSITORY / "scripts")
    text = f"SCRIPTS = {scripts!r}\nSITE = {site!r}\n{IMPORT_ALL}"
    (folder / "import_all.py").write_text(text)
    for name in names:
        (folder / f"{name}.txt").write_text("\n".join(modules_of(Path(f"{name}.yaml"))))
    rules = [RULE.format(name=name, folder=folder) for name in names]
    (folder / "Snakefile").write_text("\n".join(rules))


def test_each_environment_is_made_and_imports_what_its_rules_import(
    conda: Conda, tmp_path: Path
) -> None:
    names = [path.stem for path in RULE_ENVIRONMENTS]
    write_snakefile(tmp_path, names)
    done = snakemake(conda, tmp_path, *(f"{name}.imported" for name in names))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Creating conda environment") == len(names)


def test_a_lacking_package_is_noticed(conda: Conda, tmp_path: Path) -> None:
    """What the environment lacks is not found by way of the environment that the tests run in."""
    write_snakefile(tmp_path, ["catalogue"])
    path = tmp_path / "envs" / "catalogue.yaml"
    kept = [line for line in path.read_text().splitlines() if "jsonschema" not in line]
    path.write_text("\n".join(kept))
    conda.run("env", "create", "--file", str(path), "--prefix", str(tmp_path / "x"))
    (tmp_path / "catalogue.txt").write_text("numpy\njsonschema")
    done = subprocess.run(
        [tmp_path / "x" / "bin" / "python", "import_all.py", "catalogue.txt"],
        cwd=tmp_path,
        env=conda.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stderr.strip() == "jsonschema: No module named 'jsonschema'"


def test_a_version_that_the_channel_lacks_is_refused(conda: Conda, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    text = (REPOSITORY / "envs" / "plots.yaml").read_text()
    path.write_text(text.replace("- scipy ==", "- scipy ==99."))
    done = conda.run(
        "env", "create", "--file", str(path), "--prefix", str(tmp_path / "x"), check=False
    )
    assert done.returncode != 0
    assert "scipy" in done.stderr


def test_pins_are_written_and_used(conda: Conda, tmp_path: Path) -> None:
    write_snakefile(tmp_path, ["shots"])
    done = subprocess.run(
        ["sh", "envs/pins.sh", "shots"],
        cwd=tmp_path,
        env=conda.environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    pins = tmp_path / "envs" / "shots.linux-64.pin.txt"
    lines = pins.read_text().splitlines()
    assert lines[0] == "@EXPLICIT"
    assert any("/numpy-" in line and len(line.split("#")[1]) == 32 for line in lines)
    (tmp_path / "shots.txt").write_text(
        "numpy\nextra_geom"
    )  # what comes from PyPI is there as well
    done = snakemake(conda, tmp_path, "shots.imported", environments=tmp_path / "made")
    assert done.returncode == 0, done.stdout
    assert re.search(r"Using pinnings from \S*shots\.linux-64\.pin\.txt", done.stdout)
    assert "Failed to install" not in done.stdout


@pytest.mark.end_to_end
def test_a_run_is_reduced_in_conda_environments(conda: Conda, tmp_path: Path) -> None:
    project: Project = make_project(tmp_path / "project")
    omitted = ["--omit-from", "assess_quality", "build_catalogue"]
    done = snakemake(conda, project.folder, "results/two/x/result.nxs", *omitted)
    assert done.returncode == 0, done.stdout
    assert project.path("results/two/x/result.nxs").exists()
