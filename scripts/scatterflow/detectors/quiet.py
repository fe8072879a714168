"""Keeps the chatter of pyFAI, fabio and their kin off the screen, but at hand.

These libraries log, and go on, where this house stops with a `UserError`: fabio pads a truncated
EDF file with zeros and only writes a log line. So the lines are kept for the caller to look at.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTY = ("pyFAI", "fabio", "silx", "PIL")


class _Keep(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Nothing of these libraries' logs and warnings is printed; yields the list of the messages.

    Loggers belong to the process: not for several threads at a time.
    """
    messages: list[str] = []
    keeper = _Keep(messages)
    loggers = [logging.getLogger(name) for name in _CHATTY]
    propagation = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(keeper)
        logger.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield messages
    finally:
        for logger, propagate in zip(loggers, propagation, strict=True):
            logger.removeHandler(keeper)
            logger.propagate = propagate
