"""How a result is made again with other settings: the command, and what to change in the configuration."""

from __future__ import annotations

from typing import Any

from scatterflow.config.detectors import DetectorConfig
from scatterflow.plan.build import Plan, PlannedReduction
from scatterflow.plan.companions import companion_names
from scatterflow.plan.planned import Planned

HOW = "# Append this to `overrides` of the configuration, change what is to differ, run the command.\n"
ALIKE = "# Runs that are corrected with one another keep the same detectors and integrations.\n"


def reprocess(plan: Plan, planned: Planned, target: str) -> dict[str, str]:
    """`command`, for a shell in the project's folder, and `configuration`, YAML: the settings as they are,
    for this run (and the runs that it is corrected with) alone.

    target: the file to ask for.
    """
    import yaml

    together: list[Planned] = [planned]
    if isinstance(planned, PlannedReduction):
        together += [plan.find(run, planned.name) for run in companion_names(plan, planned)]
    overrides = [{"where": {"run": each.row.run}, "set": _settings(each)} for each in together]
    text = yaml.safe_dump({"overrides": overrides}, sort_keys=False, allow_unicode=True, width=100)
    return {
        "command": f"snakemake --cores all {target}",
        "configuration": HOW + (ALIKE if len(together) > 1 else "") + text,
    }


def used_detectors(planned: Planned) -> dict[str, DetectorConfig]:
    """The configured detectors of a reduction (those of shots may do without)."""
    known = planned.configuration.detectors
    return {name: known[name] for name in planned.detectors if name in known}


def _settings(planned: Planned) -> dict[str, Any]:
    """Masks and geometry of the detectors, and the reduction, by dotted key, as the user wrote them."""
    found: dict[str, Any] = {}
    for name, item in used_detectors(planned).items():
        detector = item.model_dump(mode="json", exclude_unset=True)
        for key in ("masks", "geometry"):
            if key in detector:
                found[f"detectors.{name}.{key}"] = detector[key]
    reduction = planned.reduction.model_dump(mode="json", exclude_unset=True)
    for key, value in reduction.items():
        if key != "technique":
            found[f"reductions.{planned.name}.{key}"] = value
    return found
