"""README, guides and what describes the repository: names, versions and the drawing are true."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

import scatterflow
from scatterflow.config.document import configuration_schema
from scatterflow.config.load import read_yaml
from tests.test_architecture import LAYERS

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
RULES = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "rules").glob("*.smk"))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [DOCS / "contributing.md", DOCS / "architecture.md"])
def test_files_that_engineers_are_sent_to_exist(page):
    for name in re.findall(r"`([\w./*-]+/[\w./*-]*|[\w-]+\.smk)`", read(page)):
        if re.search(
            r"NAME|FORMAT|RULE|RUN|results|resources/|__pycache__|\.snakemake|path/to", name
        ):
            continue
        places = (REPOSITORY, REPOSITORY / "scripts/scatterflow")
        assert any(list(place.glob(name.rstrip("/"))) for place in places), name
    for rule in re.findall(r"`(\w+)`", read(page)):
        if (REPOSITORY / "scripts" / f"{rule}.py").exists():
            assert re.search(rf"^ *rule {rule}:", RULES, re.MULTILINE), rule


def test_the_guide_lists_the_layers():
    block = re.search(r"^```layers\n(.*?)^```", read(DOCS / "architecture.md"), re.M | re.S)
    assert block is not None
    told = [tuple(line.split()) for line in block[1].splitlines()]
    assert told == [tuple(" ".join(names).split()) for names in LAYERS]


def test_editors_find_the_schema(tmp_path):
    """The line for the YAML language server names the file that the command writes, beside config.yaml."""
    text = read(REPOSITORY / "config/README.md")
    written = re.search(r"scatterflow schema --write config/(\S+?)`", text)
    named = re.search(r"^    # yaml-language-server: \$schema=(\S+)$", text, re.MULTILINE)
    assert written is not None
    assert named is not None
    assert written[1] == named[1]
    schema = configuration_schema()
    # Editors read YAML 1.2, in which 1.0e5 is a number and `on` is text. PyYAML holds the opposite.
    text = re.sub(r"(\d)e(\d)", r"\1e+\2", read(REPOSITORY / "config/config.yaml"))
    text = re.sub(r"\b(state: )(on|off)\b", r'\1"\2"', text)
    tmp_path.joinpath("config.yaml").write_text(text, encoding="utf-8")
    jsonschema.validate(read_yaml(tmp_path / "config.yaml"), schema)
    assert "description" in schema["properties"]["detectors"]


# --- the drawing -------------------------------------------------------------------------------------


def draw():
    path = DOCS / "images" / "draw_architecture.py"
    spec = importlib.util.spec_from_file_location("draw_architecture", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_drawing_is_up_to_date():
    assert read(DOCS / "images/architecture.svg") == draw().drawing()


NOT_DRAWN = (
    r"plot_\w+|export_\w+|simulate_raw|refuse_run|propose_mask|summarise_quality|register_dark"
)


def test_the_drawing_shows_every_rule_that_computes():
    module = draw()
    drawn = {text.split()[0] for text, *_ in module.RULES} | {rule for rule, _ in module.LAST}
    drawn |= {"build_mask"}
    scripted = {path.stem for path in (REPOSITORY / "scripts").glob("*.py")}
    assert {rule for rule in drawn if "*" not in rule} == {
        rule for rule in scripted if not re.fullmatch(NOT_DRAWN, rule)
    }


# --- releases, the workflow catalogue ----------------------------------------------------------------


def test_there_is_one_version():
    citation = yaml.safe_load(read(REPOSITORY / "CITATION.cff"))
    assert citation["version"] == scatterflow.__version__
    newest = re.search(r"^## (\S+)", read(DOCS / "changes.md"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == scatterflow.__version__
    assert not re.search(r"^version\b", read(REPOSITORY / "pyproject.toml"), re.MULTILINE)


def test_the_workflow_catalogue_finds_what_it_needs():
    """Its documentation, "Adding workflows": README, Snakefile, rules, config/README.md, and these keys."""
    readme = read(REPOSITORY / "README.md").lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (REPOSITORY / "Snakefile").is_file()
    assert list((REPOSITORY / "rules").glob("*.smk"))
    assert (REPOSITORY / "config/README.md").is_file()
    usage = yaml.safe_load(read(REPOSITORY / ".snakemake-workflow-catalog.yml"))["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    deployment = usage["software-stack-deployment"]
    assert deployment.keys() == {"conda", "apptainer", "apptainer+conda", "report"}
    # Claimed is what is there: every rule with a script has an environment, and figures a caption.
    assert deployment["conda"] is True
    assert RULES.count("conda:") >= RULES.count("script:")
    assert deployment["report"] is True
    assert "report(" in RULES
    workflow = RULES + read(REPOSITORY / "Snakefile")
    in_container = re.search(r"^\s*container(?:ized)?:", workflow, re.MULTILINE) is not None
    assert deployment["apptainer"] is in_container
