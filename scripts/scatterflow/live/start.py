"""Starting a watcher in the background for what was asked for, and finding the runs of a folder."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatchcase

from scatterflow.config.model import Configuration
from scatterflow.errors import UserError
from scatterflow.live.call import REPOSITORY
from scatterflow.live.folder import CALLS
from scatterflow.live.lock import holder, watcher_lives
from scatterflow.plan.discovery import configured_recipes, find_acquisitions


def start_watcher(configfile: str) -> None:
    """Have a watcher serve the requests and end, unless one is at work that stays.

    Another one that was started so may be about to end: this one waits for it, and ends at once if it has
    done everything.
    """
    if watcher_lives() and "until done" not in holder():
        return
    command = [sys.executable, str(REPOSITORY / "scripts" / "scatterflow"), "watch"]
    command += ["--requests", "--until-done", "--wait-for-lock", "--configfile", configfile]
    CALLS.mkdir(parents=True, exist_ok=True)
    with open(CALLS / "watch.log", "ab") as stream:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def runs_below(base: Configuration, folder: str, pattern: str) -> list[str]:
    """`raw` of all runs below a folder of the raw folder that a source reads, those of a pattern.

    Raises UserError if there are none.
    """
    shapes = {name: item.shape for name, item in base.detectors.items()}
    below = "" if folder == "." else folder + "/"
    found = [
        item.raw
        for item in find_acquisitions(base.raw, configured_recipes(base), shapes)
        if item.source
        and item.raw.startswith(below)
        and fnmatchcase(item.raw.removeprefix(below), pattern)
    ]
    if not found:
        raise UserError(
            f"no runs that a source reads are below {folder}, of pattern {pattern!r}",
            f"key raw, now {base.raw}",
            "`scatterflow discover` says what no source reads",
        )
    return found
