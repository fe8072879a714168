"""What the watcher says: a line for everything that changes, and on a terminal a line that stays below."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Hashable, Sequence

from scatterflow.live.call import Call
from scatterflow.live.found import Found
from scatterflow.live.states import ResultState

CLEAR_LINE = "\r\x1b[K"


class Teller:
    """Says each thing once, until it changes."""

    def __init__(self) -> None:
        self._told: dict[Hashable, str] = {}
        self._terminal = sys.stdout.isatty()

    def tell(self, key: Hashable, text: str) -> None:
        """A line, unless it was the last that was said of this thing."""
        if self._told.get(key) != text:
            self._told[key] = text
            clear = CLEAR_LINE if self._terminal else ""
            print(f"{clear}{time.strftime('%H:%M:%S')} {text}", flush=True)

    def forget(self, key: Hashable) -> None:
        """Say it again when it comes back."""
        self._told.pop(key, None)

    def tell_found(self, found: Sequence[Found]) -> None:
        """Runs that are not finished."""
        for item in found:
            key = ("found", item.source, item.raw)
            if item.state == "finished":
                self.forget(key)
            else:
                self.tell(key, f"{item.run or item.raw} {_found_text(item)}")

    def tell_states(self, states: Sequence[ResultState]) -> None:
        """Results; those that wait are no news."""
        for state in states:
            if state.state != "waiting":
                reason = f": {state.reason}" if state.reason else ""
                text = f"{state.run}/{state.reduction} {state.state}{reason}"
                self.tell(("state", state.run, state.reduction), text)
        if self._terminal:
            print(CLEAR_LINE + summary(states), end="", flush=True)

    def tell_call(self, call: Call) -> None:
        """What snakemake was called for."""
        wanted = call.wanted
        parts = [f"{len(wanted.results)} results"] if wanted.results else []
        parts += [f"{len(wanted.chunks)} chunks of growing runs"] if wanted.chunks else []
        self.tell("call", f"snakemake works on {' and '.join(parts)}: {call.log}")


def _found_text(item: Found) -> str:
    if item.state == "growing":
        return f"is growing to {item.expected} frames" + (f"; {item.reason}" if item.reason else "")
    if item.state == "arriving":
        return "is arriving" + (f" ({item.reason})" if item.reason else "")
    if item.state == "unread":
        return f"is not reduced: {item.reason}"
    return f"is {item.state}, and left alone until it changes: {item.reason}"


def summary(states: Sequence[ResultState]) -> str:
    """`12 done, 1 running (30 of 60 chunks), 2 waiting`."""
    counts = Counter(state.state for state in states)
    parts = []
    for name, count in sorted(counts.items()):
        running = [state for state in states if state.state == "running"]
        done, chunks = sum(s.chunks_done for s in running), sum(s.chunks for s in running)
        more = f" ({done} of {chunks} chunks)" if name == "running" else ""
        parts.append(f"{count} {name}{more}")
    return ", ".join(parts) or "no runs yet"
