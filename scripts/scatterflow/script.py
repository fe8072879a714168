"""The bridge between a rule's script and the library.

A script is a page: it names a `main` with plain arguments and ends with

    if "snakemake" in globals():
        run(main, snakemake.log, result=snakemake.output[0], ...)

`run` sends log lines to the rule's log file and to stderr, prints a `UserError` in three lines and
exits with 1, and keeps the traceback of anything else, which is a bug, in the log.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError, from_os_error

logger = logging.getLogger("scatterflow")


def run(main: Callable[..., Any], log: Sequence[str], **arguments: Any) -> None:
    """Call `main(**arguments)` as a job; exits with 1 on an error."""
    _log_to(Path(log[0]) if log else None)
    try:
        main(**arguments)
    except UserError as error:
        _stop(str(error))
    except OSError as error:
        mendable = from_os_error(error)
        if mendable is None:
            _stop_with_bug(log)
        else:
            _stop(str(mendable))
    except Exception:
        _stop_with_bug(log)


def _log_to(path: Path | None) -> None:
    logger.setLevel(logging.INFO)
    terminal = logging.StreamHandler(sys.stderr)
    # Progress and notes go to the log; the terminal shows them only where nobody draws a bar on it.
    terminal.setLevel(logging.WARNING if sys.stderr.isatty() else logging.INFO)
    handlers: list[logging.Handler] = [terminal]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)


def _stop(message: str) -> None:
    for handler in logger.handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
    logger.error(message)
    sys.exit(1)


def _stop_with_bug(log: Sequence[str]) -> None:
    text = traceback.format_exc()
    last = text.strip().splitlines()[-1]
    if not log:
        _stop(text)
    with open(log[0], "a", encoding="utf-8") as stream:
        stream.write(text)
    _stop(
        f"error: {last}\nwhere: {log[0]} holds the traceback\nmend:  this is a bug; please report it"
    )
