"""Requests that are old and answered: their files are removed, what became of each is kept, in a line of one
file, so that `wait` knows it for good."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from scatterflow.files.atomic import write_text
from scatterflow.live.answer import PENDING, Answer
from scatterflow.live.folder import ANSWERED, REQUESTS
from scatterflow.live.requests import Request

KEPT_S = 86_400.0
"""For so long after it was made a request is kept, s."""


def retire(
    found: Mapping[Request, Sequence[Answer]], answered: Path = ANSWERED, folder: Path = REQUESTS
) -> None:
    """Remove the requests all of whose runs are done or have failed, and keep what became of them."""
    final = {
        request.handle: answers
        for request, answers in found.items()
        if all(answer.state != PENDING for answer in answers)
    }
    if not final:
        return
    before = answered.read_text(encoding="utf-8") if answered.exists() else ""
    lines = [
        json.dumps([handle, [astuple(answer) for answer in answers]], ensure_ascii=False) + "\n"
        for handle, answers in final.items()
    ]
    write_text(answered, before + "".join(lines))
    for handle in final:
        (folder / f"{handle}.json").unlink(missing_ok=True)


def retired_answers(handle: str, answered: Path = ANSWERED) -> list[Answer] | None:
    """What became of a request that was removed, None if there was none of this handle."""
    if not answered.exists():
        return None
    with open(answered, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(f'["{handle}"'):
                return [Answer(*item) for item in json.loads(line)[1]]
    return None
