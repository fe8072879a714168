"""A series reduced by calling the rules' scripts one after the other, in this process.

The configuration goes through the plan, so that every job gets the parameters that its rule would give
it. What a chunk job needs (mask, weights, container) is made once; the job may then be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.data import WAVELENGTH_M, Series

RUN, REDUCTION, DETECTOR = "series", "x", "area"


def integrations(bins: tuple[int, int, int]) -> dict[str, dict[str, Any]]:
    """1-D, cake and radial as the configuration has them; bins: of q, of azimuth, of q in the cake."""
    radial, azimuthal, cake = bins
    common = {"unit": "q_A^-1", "split": "bbox", "azimuth_range": [-180, 180]}
    return {
        "azimuthal": {"kind": "azimuthal", "bins": radial, **common},
        "cake": {"kind": "cake", "azimuthal_bins": azimuthal, "radial_bins": cake, **common},
        "radial": {"kind": "radial", "bins": azimuthal, "radial_bins": 100, **common},
    }


def radial_range(series: Series) -> tuple[float, float]:
    """The same for us and the peers, 1/A: all that the detector covers."""
    import numpy as np

    row, column = series.centre
    farthest = np.hypot(max(row, series.shape[0] - row), max(column, series.shape[1] - column))
    angle = np.arctan(farthest * series.pixel_m / series.distance_m)
    return 0.0, float(4 * np.pi * np.sin(angle / 2) / (WAVELENGTH_M * 1e10))


def geometry(series: Series) -> dict[str, float]:
    """Explicit geometry, keys as in the configuration."""
    row, column = series.centre
    return {
        "distance_m": series.distance_m,
        "poni1_m": (row + 0.5) * series.pixel_m,
        "poni2_m": (column + 0.5) * series.pixel_m,
        "rotation1_rad": 0.0,
        "wavelength_m": WAVELENGTH_M,
        "pixel1_m": series.pixel_m,
        "pixel2_m": series.pixel_m,
    }


def configuration(
    series: Series,
    folder: Path,
    bins: tuple[int, int, int],
    *,
    names: tuple[str, ...] = ("azimuthal", "cake", "radial"),
    chunk_frames: int | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """A configuration with one run; its run table is written into `folder`."""
    table = folder / "runs.tsv"
    table.write_text(
        "run\treduction\tsource\traw\tframes\tsample\n"
        f"{RUN}\t{REDUCTION}\tseries\t{series.entry}\t{series.frames}\tpowder\n"
    )
    wanted = {
        name: {**settings, "radial_range": list(radial_range(series))}
        for name, settings in integrations(bins).items()
        if name in names
    }
    return {
        "experiment": {
            "title": "Benchmark", "facility": "None", "beamline": "None", "creators": ["Nobody"],
        },
        "runs": str(table),
        "raw": str(series.raw),
        "sources": {"series": series.source},
        "detectors": {
            DETECTOR: {
                "shape": list(series.shape),
                "geometry": geometry(series),
                "masks": [
                    {"type": "file", "name": "gaps", "path": str(series.mask), "true_means": "good"}
                ],
            }
        },
        "reductions": {REDUCTION: {"technique": "saxswaxs", "integrations": wanted}},
        "chunks": {"frames": chunk_frames or series.frames, "threads": threads},
    }  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """Everything that a chunk job of a series reads. configuration: of the plan; folder: mask, weights,
    container, receipts."""

    folder: Path
    configuration: dict[str, Any]

    @property
    def container(self) -> Path:
        return self.folder / "container.zarr"

    @property
    def weights(self) -> dict[str, str]:
        return {key: str(self.folder / f"{key}.h5") for key in self.plan().weights}

    def plan(self) -> Any:
        """The plan of the configuration."""
        from scatterflow.plan.build import build_plan

        return build_plan(self.configuration)

    def reduction(self) -> Any:
        """The planned reduction."""
        return self.plan().find(RUN, REDUCTION)

    def tasks(self) -> list[dict[str, Any]]:
        """Tasks as the rule hands them to a chunk job."""
        reduction = self.reduction()
        return [
            {
                "name": task.name,
                "detector": task.detector,
                "integration": task.integration,
                "kind": task.kind,
                "weights": task.weights,
                **reduction.frame_settings(task),
            }
            for task in reduction.tasks
        ]


def prepare(settings: dict[str, Any], folder: Path) -> Prepared:
    """Make mask, weights and empty container."""
    import build_mask
    import prepare_integration
    import setup_container

    prepared = Prepared(folder, settings)
    plan, reduction = prepared.plan(), prepared.reduction()
    for key, mask in plan.masks.items():
        build_mask.main(DETECTOR, mask, str(folder / f"{key}.h5"))
    for key, weights in plan.weights.items():
        mask = str(folder / f"{weights['mask']}.h5")
        prepare_integration.main(DETECTOR, weights, mask, prepared.weights[key])
    setup_container.main(
        str(prepared.container),
        reduction.row.frames,
        reduction.chunk_frames,
        [
            {
                "name": task.name,
                "detector": task.detector,
                "bins": list(task.bins),
                "stored_frames": reduction.stored_frames(task),
                "robust": reduction.frame_settings(task)["robust"] is not None,
            }
            for task in reduction.tasks
        ],
        {name: list(reduction.configuration.detectors[name].shape) for name in reduction.detectors},
    )
    return prepared


def chunk_job(prepared: Prepared, start: int, stop: int, threads: int) -> Callable[[], None]:
    """The whole work of rule integrate_chunk but the start of its process, to be repeated."""
    import integrate_chunk

    reduction = prepared.reduction()
    receipt = prepared.folder / f"{start:06d}-{stop:06d}.json"
    arguments = {
        "container": str(prepared.container),
        "weights": prepared.weights,
        "location": reduction.location(scalars=False),
        "tasks": prepared.tasks(),
        "calibrations": reduction.calibrations,
        "start": start,
        "stop": stop,
        "threads": threads,
        "receipt": str(receipt),
    }
    return lambda: integrate_chunk.main(**arguments)


def assembly(prepared: Prepared) -> Callable[[], None]:
    """The whole work of rule assemble_result after all chunk jobs, to be repeated."""
    import assemble_result
    from scatterflow.plan.companions import applied_corrections

    reduction = prepared.reduction()
    configuration = reduction.configuration
    receipts = sorted(prepared.folder.glob("*-*.json"))
    arguments = {
        "container": str(prepared.container),
        "receipts": [str(path) for path in receipts],
        "weights": prepared.weights,
        "masks": {
            name: str(prepared.folder / f"{key}.h5") for name, key in reduction.masks.items()
        },
        "location": reduction.location(scalars=True),
        "description": {
            "run": RUN,
            "reduction": REDUCTION,
            "sample": reduction.row.sample,
            "experiment": configuration.experiment.model_dump(),
            "parameters": reduction.parameters,
        },
        "tasks": prepared.tasks(),
        "valid": {name: item["valid"] for name, item in reduction.calibrations.items()},
        "dead_times": {name: item["dead_time"] for name, item in reduction.calibrations.items()},
        "corrections": applied_corrections(reduction),
        "companions": [],
        "companion_containers": [],
        "companion_receipts": [],
        "result": str(prepared.folder / "result.nxs"),
    }
    return lambda: assemble_result.main(**arguments)


def write_configuration(settings: dict[str, Any], path: Path) -> None:
    """As config.yaml."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Through JSON: tuples and the like as plain YAML.
    path.write_text(yaml.safe_dump(json.loads(json.dumps(settings)), sort_keys=False))
