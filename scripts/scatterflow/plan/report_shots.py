"""Jobs, memory and bytes of technique `shots`, for the plan report."""

from __future__ import annotations

from scatterflow.plan.memory_cubes import (
    calculation_memory_mb,
    cube_chunk_memory_mb,
    cube_file_memory_mb,
)
from scatterflow.plan.shots import PlannedShots
from scatterflow.plan.targets import FUNCTION_PLOTS, SHOT_PLOTS, chunk_name, shots_files

FIGURES = (
    *SHOT_PLOTS,
    "filters",
    "dark",
    "mean_images",
    *sorted({name for names in FUNCTION_PLOTS.values() for name in names}),
)
# Words of 16 bits, as X-ray laser cameras store them.
STORED_BYTES = 2


def shots_jobs(reductions: list[PlannedShots]) -> dict[str, list[str]]:
    """One output per job, by rule, in the order of the work."""
    targets = [path for item in reductions for path in shots_files(item)]
    darks = sorted({key for item in reductions for key in item.darks.values()})
    return {
        "make_dark": [f"resources/darks/{key}.h5" for key in darks],
        "register_dark": [path for path in targets if path.endswith(".registered.json")],
        "tabulate_shots": [f"work/{item.row.run}/{item.name}/shots.h5" for item in reductions],
        "reduce_shots_chunk": [
            f"work/{item.row.run}/{item.name}/chunks/{chunk_name(*chunk)}.h5"
            for item in reductions
            for chunk in item.chunks
        ],
        "merge_shots": [path for path in targets if path.endswith("/result.nxs")],
        "bin_shots_chunk": [
            f"work/{item.row.run}/{item.name}/cubes/{name}/{chunk_name(*chunk)}.h5"
            for item in reductions
            for name, cube in item.reduction.cubes.items()
            if cube.images
            for chunk in item.chunks
        ],
        "bin_shots": [path for path in targets if "/cube_" in path and path.endswith(".nxs")],
        "calculate_shots": [path for path in targets if path.endswith("/analysis.nxs")],
        **{f"plot_{name}": _plots(targets, name) for name in FIGURES},
        "plot_cube": [path for path in targets if "/plots/cube_" in path],
    }


def _plots(targets: list[str], name: str) -> list[str]:
    """Figures of a kind, of the run or of its detectors."""
    return [
        path
        for path in targets
        if path.endswith((f"/plots/{name}.png", f"_{name}.png")) and "/plots/cube_" not in path
    ]


def shots_memory_mb(rule: str, reductions: list[PlannedShots]) -> float:
    """Memory that the jobs of a rule ask for, MB; 0 where it is not planned."""
    if rule == "calculate_shots":
        return max(map(calculation_memory_mb, reductions), default=0.0)
    if rule in ("bin_shots_chunk", "bin_shots"):
        needed = cube_chunk_memory_mb if rule == "bin_shots_chunk" else cube_file_memory_mb
        cubes = [(item, cube) for item in reductions for cube in item.reduction.cubes.values()]
        return max((needed(item, cube) for item, cube in cubes), default=0.0)
    key = {
        "tabulate_shots": "table_memory_mb",
        "reduce_shots_chunk": "memory_mb",
        "merge_shots": "merge_memory_mb",
    }.get(rule)
    return 0.0 if key is None else max((getattr(item, key) for item in reductions), default=0.0)


def shots_raw_bytes(reductions: list[PlannedShots]) -> float:
    """Bytes of the raw frames that chunk jobs read."""
    return float(sum(STORED_BYTES * item.pixels * item.row.frames for item in reductions))
