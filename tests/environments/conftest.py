"""A conda with a channel on this disk."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.environments.local_channel import build_channel
from tests.test_environments import PYPI_NAME, PYTHON, locked_versions

COMMAND = """\
#!/bin/sh
exec '{python}' '{toy}' '{channels}' '{root}' "$@"
"""
ACTIVATE = """\
export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"
unset PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE=1
"""


@dataclass(frozen=True)
class Conda:
    """root: folder of the command; channel: the only channel that it reaches."""

    root: Path
    channel: Path

    def environment(self) -> dict[str, str]:
        """Environment variables of a user who has this conda."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE")}
        kept.pop("PYTHONPATH", None)
        return {**kept, "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(self.root / "bin" / "conda"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 or not check, done.stderr
        return done


@pytest.fixture(scope="session")
def conda(tmp_path_factory: pytest.TempPathFactory) -> Conda:
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        pytest.skip(f"the channel is made of what is installed for Python {PYTHON}")
    root = tmp_path_factory.mktemp("conda")
    channels = root / "channels"
    conda_names = {pypi: name for name, pypi in PYPI_NAME.items()}
    build_channel(channels / "conda-forge", locked_versions("requirements.lock"), conda_names)
    (root / "bin").mkdir()
    toy = Path(__file__).with_name("toy_conda.py")
    command = COMMAND.format(python=sys.executable, toy=toy, channels=channels, root=root)
    (root / "bin" / "conda").write_text(command)
    (root / "bin" / "conda").chmod(0o755)
    (root / "bin" / "activate").write_text(ACTIVATE)
    made = Conda(root, channels / "conda-forge")
    made.run("index", "conda-forge")
    return made
