"""Jobs, memory and bytes of technique `xpcs`, for the plan report."""

from __future__ import annotations

from scatterflow.plan.memory_xpcs import STORED_BYTES
from scatterflow.plan.targets import chunk_name, xpcs_files
from scatterflow.plan.xpcs import PlannedXpcs

PLOTS = {
    "plot_qmap": "/qmap.png",
    "plot_scattering": "/scattering.png",
    "plot_stability": "/stability.png",
    "plot_g2": "/g2.png",
    "plot_partial_g2": "/partial_g2.png",
    "plot_twotime": "/twotime.png",
    "plot_speckle_statistics": "/speckle_statistics.png",
}


def xpcs_jobs(reductions: list[PlannedXpcs]) -> dict[str, list[str]]:
    """One output per job, by rule, in the order of the work."""

    def work(pattern: str, count: str) -> list[str]:
        return [
            f"work/{item.row.run}/{item.name}/{pattern.format(number)}"
            for item in reductions
            for number in range(getattr(item, count))
        ]

    targets = [path for item in reductions for path in xpcs_files(item)]
    counted = [item for item in reductions if item.reduction.speckle_statistics is not None]
    fits = {name for item in reductions for name in item.reduction.fits}
    return {
        "prepare_qmap": sorted({f"resources/qmaps/{item.qmap}.h5" for item in reductions}),
        "sort_chunk": [
            f"work/{item.row.run}/{item.name}/sorted/{chunk_name(*chunk)}.h5"
            for item in reductions
            for chunk in item.chunks
        ],
        "summarise_frames": [f"work/{item.row.run}/{item.name}/frames.h5" for item in reductions],
        "correlate_block": work("multitau/{}.h5", "blocks"),
        "correlate_twotime": work("twotime/{}.h5", "parts"),
        "count_photons": [
            f"work/{item.row.run}/{item.name}/photons/{block}.h5"
            for item in counted
            for block in range(item.blocks)
        ],
        "merge_correlation": [path for path in targets if path.endswith("/result.nxs")],
        "fit_correlation": [path for path in targets if path.endswith("/analysis.nxs")],
        **{rule: [path for path in targets if path.endswith(end)] for rule, end in PLOTS.items()},
        "plot_g2_fits": _of_fits(targets, "g2", fits),
        "plot_diffusion": _of_fits(targets, "parameters", fits),
    }


def lasting(path: str) -> str:
    """The file that tells whether an output was made: the result, for chunks that are not kept."""
    parts = path.split("/")
    if parts[-3:-2] == ["cubes"]:
        return f"results/{parts[1]}/{parts[2]}/cube_{parts[4]}.nxs"
    if parts[-2:-1] not in (["sorted"], ["chunks"]) or path.endswith(".json"):
        return path
    return f"results/{parts[1]}/{parts[2]}/result.nxs"


def _of_fits(targets: list[str], what: str, fits: set[str]) -> list[str]:
    ends = tuple(f"/plots/{what}_{name}.png" for name in fits)
    return [path for path in targets if path.endswith(ends)] if ends else []


def xpcs_memory_mb(rule: str, reductions: list[PlannedXpcs]) -> float:
    """Memory that the jobs of a rule ask for, MB; 0 where it is not planned."""
    key = {
        "sort_chunk": "sort_memory_mb",
        "summarise_frames": "frames_memory_mb",
        "correlate_block": "block_memory_mb",
        "count_photons": "block_memory_mb",
        "correlate_twotime": "twotime_memory_mb",
        "merge_correlation": "merge_memory_mb",
    }.get(rule)
    return 0.0 if key is None else max((getattr(item, key) for item in reductions), default=0.0)


def xpcs_raw_bytes(reductions: list[PlannedXpcs]) -> float:
    """Bytes of the raw frames that sort jobs read, if they were dense."""
    return float(
        sum(
            STORED_BYTES * item.pixels * item.range.frames * item.range.average
            for item in reductions
        )
    )
