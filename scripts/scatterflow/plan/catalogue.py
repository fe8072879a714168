"""What the catalogue is told of planned reductions: their files, what they are made with."""

from __future__ import annotations

import hashlib
from typing import Any

from scatterflow.config.publication_targets import TARGETS
from scatterflow.files.json import to_json
from scatterflow.plan.build import Plan, PlannedReduction
from scatterflow.plan.planned import Planned
from scatterflow.plan.reprocess import reprocess, used_detectors
from scatterflow.plan.shots import PlannedShots
from scatterflow.plan.targets import delivered_files, record_path
from scatterflow.plan.xpcs import PlannedXpcs


def all_files(plan: Plan, planned: Planned) -> list[str]:
    """Files and folders that a result consists of, but for those that describe it."""
    own_map = plan.maps.get((planned.row.run, planned.name))
    record = record_path(planned)
    # Darks of shots are registered as well; those files are no part of the result.
    folder = record.removesuffix("record.json")
    own = [path for path in delivered_files(planned) if path.startswith(folder) and path != record]
    return [*own, *(own_map.files if own_map else [])]


def thumbnail_plot(planned: Planned) -> str:
    """The plot that stands for a result in lists."""
    plots = f"results/{planned.row.run}/{planned.name}/plots"
    if isinstance(planned, PlannedXpcs):
        return f"{plots}/g2.png"
    if isinstance(planned, PlannedShots):
        summed = [name for name, own in planned.reduction.detectors.items() if own.sums]
        return f"{plots}/{summed[0]}_mean_images.png" if summed else f"{plots}/summary.png"
    assert isinstance(planned, PlannedReduction)
    kinds = {"azimuthal": 0, "radial": 1, "cake": 2}
    task = min(planned.shown, key=lambda task: kinds[task.kind])
    return f"{plots}/{task.name}_{'map' if task.kind == 'cake' else 'mean'}.png"


def mask_keys(planned: Planned) -> dict[str, str]:
    """Key of the composite mask of each detector."""
    if isinstance(planned, PlannedXpcs):
        return {planned.detector: planned.mask}
    found: dict[str, str] = planned.masks  # type: ignore[attr-defined]
    return found


def description(plan: Plan, planned: Planned) -> dict[str, Any]:
    """What the configuration says of a result (fields of `catalogue.record.Described`)."""
    configuration, reduction = planned.configuration, planned.reduction
    detectors = used_detectors(planned)
    qmap = planned.qmap if isinstance(planned, PlannedXpcs) else None
    return {
        "run": planned.row.run,
        "reduction": planned.name,
        "technique": reduction.technique,
        "sample": planned.row.sample,
        "experiment": configuration.experiment.model_dump(),
        "publication": configuration.publication.model_dump(exclude=TARGETS),
        "run_table": planned.row.columns,
        "frames": planned.row.frames,
        "shapes": {name: list(item.shape) for name, item in detectors.items()},
        "geometries": {
            name: item.model_dump(include={"shape", "geometry", "orientation"})
            for name, item in detectors.items()
        },
        "qmap": qmap,
        "exposure": _exposure_scalar(planned),
        "shared": _shared_jobs(planned),
        "chunks": [list(chunk) for chunk in getattr(planned, "chunks", ())] or None,
        "configuration_sha256": configuration_sha256(planned),
        "reprocess": reprocess(plan, planned, record_path(planned)),
    }


def _exposure_scalar(planned: Planned) -> str | None:
    """The scalar that says how long each frame was exposed."""
    flux = getattr(getattr(planned.reduction, "corrections", None), "flux", None)
    dwell_time = getattr(flux, "dwell_time", None)
    return dwell_time if isinstance(dwell_time, str) else None


def _shared_jobs(planned: Planned) -> list[str]:
    """RULE/KEY of the jobs whose products this result shares with others."""
    jobs = [f"build_mask/{key}" for key in mask_keys(planned).values()]
    if isinstance(planned, PlannedXpcs):
        return [*jobs, f"prepare_qmap/{planned.qmap}"]
    weights = dict.fromkeys(task.weights for task in getattr(planned, "tasks", ()))
    return [*jobs, *(f"prepare_integration/{key}" for key in weights)]


def configuration_sha256(planned: Planned) -> str:
    """Checksum of all settings that a result may depend on, overrides applied."""
    configuration = planned.configuration
    settings = {
        "detectors": {name: item.model_dump() for name, item in used_detectors(planned).items()},
        "source": configuration.sources[planned.row.source].model_dump(),
        "reduction": planned.reduction.model_dump(),
        "run": planned.row.columns,
    }
    return hashlib.sha256(to_json(settings, indent=None).encode()).hexdigest()
