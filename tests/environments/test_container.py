"""The container recipe: what it copies is there, what it runs is what was tested, and it is nobody's root."""

from __future__ import annotations

import re
import shlex
import subprocess

from tests.test_environments import ENVS, PYTHON, REPOSITORY

RECIPE = ENVS / "Dockerfile"
KNOWN = {"FROM", "LABEL", "COPY", "RUN", "ENV", "USER", "WORKDIR", "CMD"}


def steps() -> list[tuple[str, str]]:
    """(instruction, arguments) of the recipe."""
    lines = RECIPE.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line]


def arguments(instruction: str) -> list[str]:
    return [text for name, text in steps() if name == instruction]


def test_recipe_is_read() -> None:
    assert {name for name, _ in steps()} == KNOWN  # nothing is fetched by ADD, nothing is left over


def test_same_python() -> None:
    (image,) = arguments("FROM")
    assert re.fullmatch(rf"python:{re.escape(PYTHON)}-slim-\w+", image)


def test_what_is_copied_is_there_and_is_sent_to_the_builder() -> None:
    (copied,) = arguments("COPY")
    source, target = copied.split()
    assert (REPOSITORY / source).is_file()
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert [line for line in ignored if not line.startswith("#")] == ["*", f"!{source}"]
    assert target in arguments("RUN")[0]


def test_commands() -> None:
    (run,) = arguments("RUN")
    subprocess.run(["sh", "-n", "-c", run], check=True)
    create, install, check = (shlex.split(command) for command in run.split("&&"))
    assert create[:3] == ["python", "-m", "venv"]
    python = f"{create[3]}/bin/python"
    assert install[:4] == [python, "-m", "pip", "install"]
    # The lock is complete, and each file of it has a hash, as in envs/venv.sh.
    assert {"--no-deps", "--require-hashes", "--no-input"} <= set(install)
    assert "--no-deps --require-hashes" in (ENVS / "venv.sh").read_text()
    assert check == [python, "-m", "snakemake", "--version"]
    (environment,) = arguments("ENV")
    assert f"PATH={create[3]}/bin:" in environment


def test_not_root_and_labelled() -> None:
    assert steps()[-3][0] == "USER"
    user, _, group = arguments("USER")[0].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    (label,) = arguments("LABEL")
    labels = dict(item.split("=", 1) for item in shlex.split(label))
    assert {"title", "description", "licenses"} <= {name.rsplit(".", 1)[1] for name in labels}
    text = (REPOSITORY / "LICENSE").read_text().splitlines()[0]
    assert text.startswith(labels["org.opencontainers.image.licenses"][:3])
