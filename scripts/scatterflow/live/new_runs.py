"""New runs: which reductions they get, and their rows in the run table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scatterflow.config.model import Configuration
from scatterflow.errors import UserError, suggestion
from scatterflow.live.requests import Request, latest_request
from scatterflow.plan.discovery import extend_run_table


def enter_new_runs(
    base: Configuration,
    rows: Iterable[Mapping[str, Any]],
    default: Mapping[str, str],
    requests: Sequence[Request],
) -> bool:
    """Add rows to the run table, each with the reduction that was asked for, or that of its source; returns
    whether any was added. Runs without a reduction are not added."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        request = latest_request(requests, row["raw"])
        named = request.reduction if request else ""
        groups.setdefault(named or default.get(row["source"], ""), []).append(row)
    groups.pop("", None)
    return any([extend_run_table(base.runs, new, name)[0] for name, new in groups.items()])


def default_reductions(base: Configuration, named: str) -> dict[str, str]:
    """Reductions of new runs by source, as in the run table; named: for all of them.

    Raises UserError for names that are not configured.
    """
    chosen = dict.fromkeys(base.sources, named) if named else dict(base.live.reductions)
    if not chosen and len(base.reductions) == 1:
        chosen = dict.fromkeys(base.sources, next(iter(base.reductions)))
    for source, cell in chosen.items():
        key = f"key live.reductions.{source}"
        check_source(base, source, key)
        check_reductions(base, cell, "--reduction" if named else key)
    for source in base.live.expected_frames:
        check_source(base, source, "key live.expected_frames")
    return chosen


def check_source(base: Configuration, source: str, where: str) -> None:
    """Raise UserError for a source that is not configured."""
    if source not in base.sources:
        what = f"source {source!r} is not configured"
        raise UserError(what, where, suggestion(source, base.sources))


def check_reductions(base: Configuration, cell: str, where: str) -> None:
    """Raise UserError for reductions, comma-separated, that are not configured."""
    for name in (part.strip() for part in cell.split(",")):
        if name not in base.reductions:
            what = f"reduction {name!r} is not configured"
            raise UserError(what, where, suggestion(name, base.reductions))
