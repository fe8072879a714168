"""Every command of every guide exists, and is run: here, by a test that is named, or at a site, where marked.

Programs, subcommands and options are those of the parsers. A command of scatterflow's own command line that
stands in a block is run here, in a small project that holds what the guides speak of; what `TESTED` lists is
run by these tests, in whose text each of its options stands. A new command that is neither fails here: run
it in a test, or write "needs a site" behind it.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snakemake.cli

from scatterflow.__main__ import _parser, main
from scatterflow.registry import register_mask
from scatterflow.sources.writers import write_eiger
from tests.catalogue.example_records import example_record, write_result

from .commands import MARK, Command, commands, pages
from .pages import REPOSITORY

EVERY = [command for page in pages() for command in commands(page)]
SHOWN = [command for command in EVERY if not command.needs_site]
END = "tests/end_to_end"

# Subcommands of scatterflow that are run by other tests; in one or more files.
TESTED = {
    "watch": "tests/live/test_watching.py",
    "trigger": "tests/live/test_watching.py",
    "wait": f"{END}/test_watch.py",
    "manifest": "tests/staging/test_command.py",
    "stage": "tests/staging/test_command.py",
    "deliver": "tests/staging/test_command.py",
    "portal": "tests/catalogue/test_site.py tests/catalogue/test_site_server.py",
    "publish": "tests/catalogue/test_publish_command.py",
    "geometry": "tests/xpcs/test_acquisition.py",
    "convert-chap": "tests/convert/test_chap.py",
    "convert-xpcs": "tests/convert/test_legacy_xpcs.py",
}
# Options of snakemake, and a test that gives them.
OPTIONS = {
    "--cores": f"{END}/conftest.py",
    "-n": f"{END}/conftest.py",
    "-q": "tests/docs/test_migration.py",
    "-s": "tests/docs/test_migration.py",
    "--configfile": "tests/docs/test_migration.py",
    "--report": f"{END}/test_demo.py",
    "--notemp": f"{END}/test_xpcs.py",
    "--profile": "tests/cluster/test_slurm.py",
    "--rerun-triggers": f"{END}/test_rerun.py",
    "--rerun-incomplete": "tests/docs/test_migration.py",
    "--unlock": "tests/docs/test_migration.py",
}
# Targets of the Makefile that are no commands of another kind, and where they are run.
TARGETS = {"test": ".ci/run", "lint": ".ci/run"}
# Pages whose commands are run in their order by another test.
PAGES = {
    "docs/migration/chx_masks.md": "tests/docs/test_migration.py",
    "docs/migration/aps8idi.md": "tests/docs/test_migration.py",
    "docs/migration/sacla.md": "tests/docs/test_migration.py",
    "docs/migration/smalldata.md": "tests/docs/test_migration.py",
}


def of(program: str) -> list[Command]:
    return [command for command in SHOWN if command.words[0] == program]


def subcommand(command: Command) -> str:
    return next((word for word in command.words[1:] if not word.startswith("-")), "")


def run_here(command: Command) -> bool:
    """Whether it is run by this module: commands of blocks that are run nowhere else."""
    return command.words[0] == "scatterflow" and not (command.in_text or place_of_test(command))


def place_of_test(command: Command) -> str:
    """The test that runs it, empty: none is named."""
    return PAGES.get(command.page) or TESTED.get(subcommand(command)) or ""


def text_of(names: str) -> str:
    return "".join((REPOSITORY / name).read_text("utf-8") for name in names.split())


def options(command: Command) -> list[str]:
    own = (
        command.words[1 : command.words.index("--")] if "--" in command.words else command.words[1:]
    )
    return [word.partition("=")[0] for word in own if re.match(r"--?[a-zA-Z]", word)]


def refusal(parse: Any, command: Command) -> str:
    """What a parser says against a command; in the text arguments may be left out."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            parse([*command.words[1:]])
    except SystemExit as error:
        said = told.getvalue().splitlines()[-1:]
        lacking = command.in_text and said and ("required" in said[0] or "expected" in said[0])
        return "" if error.code == 0 or lacking else f"{command}: {said}"
    return ""


def test_commands_are_found():
    assert len([command for command in EVERY if not command.in_text]) > 60
    assert {command.words[0] for command in EVERY} >= {"scatterflow", "snakemake", "make", "globus"}


def test_the_command_line_has_what_is_shown():
    parser = _parser()
    assert [
        said for command in of("scatterflow") if (said := refusal(parser.parse_args, command))
    ] == []


def test_snakemake_has_what_is_shown(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    parse = snakemake.cli.parse_args
    assert [said for command in of("snakemake") if (said := refusal(parse, command))] == []


def test_options_of_snakemake_are_given_by_tests():
    used = {option for command in of("snakemake") for option in options(command)}
    assert used <= set(OPTIONS), "run it in a test, or say that it needs a site"
    assert [option for option in used if f'"{option}"' not in text_of(OPTIONS[option])] == []


def test_commands_that_are_run_elsewhere_are_there_with_their_options():
    lacking = []
    for command in of("scatterflow"):
        test = place_of_test(command)
        if command.in_text or not test or command.page in PAGES:
            continue
        words = [subcommand(command), *options(command)]
        lacking += [f"{command}: {word} in {test}" for word in words if word not in text_of(test)]
    assert lacking == []


def test_targets_of_make_are_commands_of_their_own():
    make = shutil.which("make")
    if not make:
        pytest.skip("make is not installed")
    for command in of("make"):
        target = command.words[1]
        done = subprocess.run(
            [make, "-n", target], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        assert target not in TARGETS or f"make {target}" in text_of(TARGETS[target])
        files = re.findall(r"[\w./-]+\.(?:py|sh|yaml|lock)\b", done.stdout)
        written = ("results/", str(REPOSITORY))
        assert [name for name in files if not _there(name) and not name.startswith(written)] == []


def _there(name: str) -> bool:
    return (REPOSITORY / name).exists() or (REPOSITORY / "envs" / name).exists()


def test_other_programs_need_a_site():
    """Installers, schedulers, servers: nothing that a test could run without the network or a cluster."""
    ours = {"scatterflow", "snakemake", "make", "python"}
    assert [str(command) for command in SHOWN if command.words[0] not in ours] == []


def test_scripts_and_tests_that_are_called_are_there():
    for command in of("python"):
        words = [word for word in command.words[1:] if word.endswith(".py") or "/" in word]
        assert words, command
        assert all((REPOSITORY / word).exists() for word in words), command


def test_readers_see_the_mark():
    for command in EVERY:
        if command.needs_site:
            assert MARK in text_of(command.page)


# Run here ----------------------------------------------------------------------------------------

FURTHER = {"crawl": ["--no-start"]}  # which starts a watcher in the background


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The demo's configuration, two results with records, an index, and files that the guides name."""
    folder = tmp_path_factory.mktemp("guides") / "project"
    shutil.copytree(REPOSITORY / "config", folder / "config")
    (folder / "raw/night").mkdir(parents=True)
    for number in range(2):
        write_result(folder / "results", example_record(number))
    with contextlib.chdir(folder):
        assert main(["index"]) == 0
        good = np.ones((2167, 2070), bool)
        good[1000:1100, :1000] = False
        np.save("stop.npy", good)
        np.save("night.npy", np.full((2167, 2070), 0.5))
        np.savez("qmap.npz", dynamic=np.ones((2167, 2070), np.uint8))
        shutil.copy(folder / "config/geometry/demo_saxs.poni", "lab6.poni")
        register_mask("eiger", "hot", np.eye(256) == 0, kind="proposal", registry="registry")
    return folder


@pytest.mark.parametrize(
    "page", sorted({command.page for command in filter(run_here, SHOWN)}), ids=lambda name: name
)
def test_commands_of_the_page_run(page, finished, tmp_path, monkeypatch, capsys):
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    monkeypatch.chdir(project)
    monkeypatch.delenv("SCATTERFLOW_REGISTRY", raising=False)
    if page == "docs/live.md":  # elsewhere nothing is to be discovered
        write_eiger("raw/night/a_lab6_master.h5", np.ones((2, 256, 256), np.uint16))
    for command in filter(run_here, SHOWN):
        if command.page == page:
            words = [*command.words[1:]]
            words += FURTHER.get(subcommand(command), [])
            assert main(words) == 0, f"{command}\n{capsys.readouterr().err}"
