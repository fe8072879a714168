"""Where the frames of a proposed mask are."""

from __future__ import annotations

from typing import Any

from scatterflow.config.sources import SourceConfig
from scatterflow.errors import UserError, suggestion
from scatterflow.plan.build import Plan


def proposal_location(plan: Plan, name: str) -> dict[str, Any]:
    """Fields of the `RunLocation` of a proposal's run and detector. Raises UserError."""
    configuration = plan.configuration
    proposal = configuration.proposals[name]
    where = f"key proposals.{name}"
    if proposal.run not in plan.rows:
        raise UserError(
            f"run {proposal.run!r} is not in the run table {configuration.runs}",
            where,
            suggestion(proposal.run, plan.rows),
        )
    row = plan.rows[proposal.run]
    if row.source not in configuration.sources:
        raise UserError(f"run {row.run} has no known source", where, "name one in the run table")
    source = configuration.sources[row.source]
    if not isinstance(source, SourceConfig):
        raise UserError(
            f"run {row.run} holds shots, and masks are proposed from frames",
            where,
            "a dark run of shots gives the bad pixels: reductions.NAME.detectors.NAME.dark",
        )
    recipe = source.model_dump()
    if proposal.detector not in recipe["frames"]:
        raise UserError(
            f"source {row.source!r} of run {row.run} has no frames of detector {proposal.detector!r}",
            where,
            suggestion(proposal.detector, recipe["frames"]),
        )
    recipe["frames"] = {proposal.detector: recipe["frames"][proposal.detector]}
    for key in ("scalars", "table", "par_file", "time_zone"):
        del recipe[key]
    return {
        "run": row.run,
        "raw": row.raw,
        "root": configuration.raw,
        "frames": row.frames,
        "recipe": recipe,
        "shapes": {proposal.detector: list(configuration.detectors[proposal.detector].shape)},
    }


def proposal_files(plan: Plan, name: str) -> list[str]:
    """Raw files that a proposal's frames are in."""
    from scatterflow.sources.base import RunLocation
    from scatterflow.sources.open import new_source

    source = new_source(RunLocation.from_fields(proposal_location(plan, name)))
    try:
        return [str(path) for path in source.files(plan.configuration.proposals[name].detector)]
    finally:
        source.close()
