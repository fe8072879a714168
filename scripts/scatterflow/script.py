"""The bridge between a rule's script and the library.

A script is a page: it names a `main` with plain arguments and ends with

    if "snakemake" in globals():
        run(main, snakemake.log, result=snakemake.output[0], ...)

or, where its arguments are called as in the rule, with `run_named(main, snakemake)`. `run` sends log lines
to the rule's log file and to stderr, prints a `UserError` in three lines and exits with 1, and keeps the
traceback of anything else, which is a bug, in the log.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from scatterflow.errors import UserError, from_os_error, is_disk_full

logger = logging.getLogger("scatterflow")


def run(main: Callable[..., Any], log: Sequence[str], /, **arguments: Any) -> None:
    """Call `main(**arguments)` as a job; exits with 1 on an error."""
    # On a full disk the log fails first; that must not hide the message.
    logging.raiseExceptions = False
    _silence_lost_hdf5_objects()
    try:
        _log_to(Path(log[0]) if log else None)
        main(**arguments)
    except UserError as error:
        _stop(str(error))
    except MemoryError:
        _stop(str(UserError("not enough memory", "", "lower chunks.frames or chunks.memory_mb")))
    except OSError as error:
        mendable = from_os_error(error)
        if mendable is None:
            _stop_with_bug(log)
        else:
            _stop(str(mendable))
    except Exception:
        _stop_with_bug(log)


def run_named(main: Callable[..., Any], job: Any) -> None:
    """`run` with arguments that the rule names as `main` does: input, output, parameter, or else wildcard.

    job: Snakemake's object. Raises TypeError for an argument that none of them, or several, are called.
    """
    parts = [dict(part.items()) for part in (job.input, job.output, job.params)]
    wildcards = dict(job.wildcards.items())
    arguments = {}
    for name in inspect.signature(main).parameters:
        found = [part[name] for part in parts if name in part]
        if not found and name in wildcards:
            found = [wildcards[name]]
        if len(found) != 1:
            raise TypeError(f"{name!r} is the name of {len(found)} things of rule {job.rule}")
        # Several files come as Snakemake's own kind of list.
        arguments[name] = list(found[0]) if isinstance(found[0], list) else found[0]
    run(main, job.log, **arguments)


def _silence_lost_hdf5_objects() -> None:
    """Objects of an HDF5 file that met a full disk complain again, each with a traceback, when they are
    deleted; h5py prints that through both hooks."""

    def unraisable(report: Any) -> None:
        if not is_disk_full(report.exc_value):
            sys.__unraisablehook__(report)

    def uncaught(kind: type[BaseException], error: BaseException, where: Any) -> None:
        if not is_disk_full(error):
            sys.__excepthook__(kind, error, where)

    sys.unraisablehook, sys.excepthook = unraisable, uncaught


def _log_to(path: Path | None) -> None:
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.setLevel(logging.INFO)
    terminal = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():  # a bar is drawn there instead of the lines at intervals
        terminal.addFilter(lambda record: record.name != "scatterflow.progress")
    _add(terminal)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        began = datetime.now(UTC).isoformat(timespec="seconds")
        # Records tell from this line when and where a step ran (`catalogue.steps`).
        first = f"# began {began} on a host of kind {_host_kind()}\n"
        path.write_bytes(b"")
        with suppress(OSError):  # a full disk is told of when the job fails
            path.write_text(first, encoding="utf-8")
        # Appending, so that this handler and a traceback do not write over each other.
        _add(logging.FileHandler(path, mode="a", encoding="utf-8"))


def _host_kind() -> str:
    """What runs this job, by the variables that batch systems set: slurm, pbs, ..., or local."""
    for kind, variable in (
        ("slurm", "SLURM_JOB_ID"),
        ("pbs", "PBS_JOBID"),
        ("lsf", "LSB_JOBID"),
        ("sge", "SGE_TASK_ID"),
        ("htcondor", "_CONDOR_JOB_AD"),
    ):
        if os.environ.get(variable):
            return kind
    return "local"


def _add(handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)


def _stop(message: str) -> NoReturn:
    for handler in logger.handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
    logger.error(message)
    sys.exit(1)


def _stop_with_bug(log: Sequence[str]) -> NoReturn:
    text = traceback.format_exc()
    last = text.strip().splitlines()[-1]
    try:
        with open(log[0], "a", encoding="utf-8") as stream:
            stream.write(text)
    except (IndexError, OSError):  # no log, or none that can be written
        _stop(text)
    _stop(
        f"error: {last}\nwhere: {log[0]} holds the traceback\nmend:  this is a bug; please report it"
    )
