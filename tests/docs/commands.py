"""Commands that the documentation shows, in blocks of code and in the text, and which of them need a site.

A command is a line of a block without a language (or of shell), or `code` of two words or more, that begins
with a program of `PROGRAMS`. It needs a site if its comment, the words in brackets behind it, or the last
line before its block say so: "needs a site".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .pages import DOCS, REPOSITORY

MARK = "needs a site"
PROGRAMS = {
    *("scatterflow", "snakemake", "make", "python", "pip", "conda", "mamba", "micromamba", "uv"),
    *("git", "globus", "tiled", "tmux", "systemctl", "loginctl", "journalctl", "docker", "podman"),
    *("apptainer", "singularity", "rclone", "aws", "curl", "wget", "ssh", "sftp", "rsync"),
    *(
        "squeue",
        "sbatch",
        "sacct",
        "scancel",
        "scontrol",
        "sinfo",
        "qstat",
        "qsub",
        "qdel",
        "bjobs",
    ),
    *("bsub", "apt", "apt-get", "npm", "export"),
}
SHELL = {"", "sh", "shell", "bash", "console"}


@dataclass(frozen=True)
class Command:
    """words: the program by its own name, and its arguments; in_text: may lack arguments."""

    page: str
    line: int
    words: tuple[str, ...]
    needs_site: bool
    in_text: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {' '.join(self.words)}"


def pages() -> list[Path]:
    """All guides."""
    own = [REPOSITORY / name for name in ("README.md", "config/README.md")]
    return [*own, *sorted(DOCS.rglob("*.md"))]


def commands(page: Path) -> list[Command]:
    """All commands of a page, in their order."""
    lines = page.read_text("utf-8").splitlines()
    name = page.relative_to(REPOSITORY).as_posix()
    found = []
    for first, block in _blocks(lines):
        before = next((line for line in reversed(lines[:first]) if line.strip("` ")), "")
        for number, text in _joined(first, block):
            code, _, comment = text.partition("#") if _commented(text) else (text, "", "")
            if words := _words(code):
                marked = MARK in comment or MARK in before
                found.append(Command(name, number + 1, words, marked, in_text=False))
    in_blocks = {
        first + i for first, block in _blocks(lines, all_of_them=True) for i in range(len(block))
    }
    for number, line in enumerate(lines):
        if number in in_blocks:
            continue
        for match in re.finditer(r"`([^`]+)`( *\([^)]*)?", line + _continued(lines, number)):
            words = _words(match[1])
            if len(words) > 1 and match.start() < len(line):
                marked = MARK in (match[2] or "")
                found.append(Command(name, number + 1, words, marked, in_text=True))
    return sorted(found, key=lambda command: command.line)


def _blocks(lines: list[str], all_of_them: bool = False) -> Iterator[tuple[int, list[str]]]:
    """(index of the first line, lines) of blocks that may hold commands: fenced, or indented by four."""
    at = 0
    while at < len(lines):
        first = at
        if lines[at].startswith("```"):
            language = lines[at][3:].strip()
            at = lines.index("```", at + 1)
            if all_of_them or language in SHELL:
                yield first + 1, lines[first + 1 : at]
        elif lines[at].startswith("    ") and (not at or not lines[at - 1].strip()):
            while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
                at += 1
            yield first, lines[first:at]
            continue
        at += 1


def _joined(first: int, block: list[str]) -> Iterator[tuple[int, str]]:
    """Lines, those that end in a backslash with the next ones."""
    text, begun = "", first
    for number, line in enumerate(block, start=first):
        begun = begun if text else number
        text += line.strip().removesuffix("\\")
        if not line.endswith("\\"):
            yield begun, text
            text = ""


def _continued(lines: list[str], number: int) -> str:
    """The next line, if code or brackets may go on there."""
    following = lines[number + 1] if number + 1 < len(lines) else ""
    return f" {following}" if following.strip() and not following.startswith(("|", "```")) else ""


def _commented(text: str) -> bool:
    return bool(re.search(r"(^|\s)#", text))


def _words(code: str) -> tuple[str, ...]:
    """Program and arguments; empty: no command."""
    captured = re.fullmatch(r"\w+=\$\((.*)\)", code.strip())
    code = captured[1] if captured else code
    try:
        words = shlex.split(code)
    except ValueError:  # a quotation mark of prose
        return ()
    if len(words) > 1 and re.search(r"(^|/)python3?$", words[0]):
        if words[1].endswith("scripts/scatterflow"):
            words = ["scatterflow", *words[2:]]
        elif words[1:3] in (["-m", "snakemake"], ["-m", "pip"]):
            words = words[2:]
    if words:
        words[0] = words[0].removeprefix(".venv/bin/")
    words = [word for word in words if word != "..."]
    return tuple(words) if words and words[0] in PROGRAMS else ()
