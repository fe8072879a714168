"""What a run of the workflow will cost: jobs, bytes, core-hours, memory. Nothing is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scatterflow.plan.build import Plan, PlannedReduction
from scatterflow.plan.quality import quality_files
from scatterflow.plan.rates import Rate, measured_pixel_rate, measured_rate
from scatterflow.plan.report_shots import shots_jobs, shots_memory_mb, shots_raw_bytes
from scatterflow.plan.report_xpcs import lasting, xpcs_jobs, xpcs_memory_mb, xpcs_raw_bytes
from scatterflow.plan.targets import chunk_name, delivered, record_path, result_files

# Compressed results take about half of their arrays.
RESULT_COMPRESSION = 0.5


@dataclass(frozen=True)
class RuleCost:
    """All jobs of one rule. done: how many outputs are there already (outdated ones count, too)."""

    rule: str
    jobs: int
    done: int
    read_bytes: float
    written_bytes: float
    core_hours: float
    memory_mb: float
    rate: Rate


def plan_costs(plan: Plan, folder: str | Path = ".") -> list[RuleCost]:
    """Cost of every rule of the plan, in the order of the work; folder: where results are."""
    folder = Path(folder)
    jobs = _jobs(plan)
    pixel_rate = measured_pixel_rate(folder / "work")
    costs = []
    for rule, outputs in jobs.items():
        if not outputs:
            continue
        rate = measured_rate(rule, folder / "logs")
        core_seconds = rate.seconds * len(outputs)
        memory = max(
            rate.memory_mb or 0.0,
            xpcs_memory_mb(rule, list(plan.xpcs.values())),
            shots_memory_mb(rule, list(plan.shots.values())),
        )
        if rule == "integrate_chunk":
            memory = max(memory, *(item.memory_mb for item in plan.reductions.values()))
            core_seconds = sum(
                _chunk_core_seconds(item, rate, pixel_rate) for item in plan.reductions.values()
            )
        read, written = _bytes(rule, plan)
        done = sum((folder / path).exists() for path in map(lasting, outputs))
        costs.append(
            RuleCost(rule, len(outputs), done, read, written, core_seconds / 3600, memory, rate)
        )
    return costs


def _chunk_core_seconds(planned: PlannedReduction, rate: Rate, pixel_rate: float | None) -> float:
    """All chunk jobs of a reduction, start-up included, for as long as they hold their cores.

    pixel_rate: measured, pixels per second; None: the configuration's assumption for each core.
    """
    chunks = planned.configuration.chunks
    pixels = planned.load.pixels * planned.row.frames
    work = pixels / (pixel_rate or chunks.pixel_rate * 1e6 * chunks.threads)
    return (work + _start_up(rate) * len(planned.chunks)) * chunks.threads


def _start_up(rate: Rate) -> float:
    """Interpreter and imports of a job, seconds: not more than the shortest whole job."""
    return min(1.5, rate.seconds)


def _jobs(plan: Plan) -> dict[str, list[str]]:
    """One output per job, by rule."""
    reductions = list(plan.reductions.values())
    targets = [path for item in reductions for path in result_files(item)]
    targets += [path for item in plan.maps.values() for path in item.files]

    def plots(*endings: str) -> list[str]:
        return [path for path in targets if path.endswith(endings)]

    used_masks = {key for item in reductions for key in item.masks.values()}
    used_masks |= {item.mask for item in plan.xpcs.values()}
    used_masks |= {key for item in plan.shots.values() for key in item.masks.values()}
    used_weights = {task.weights for item in reductions for task in item.tasks}
    return {
        "simulate_raw": [plan.configuration.raw] if plan.configuration.demo else [],
        "build_mask": [f"resources/masks/{key}.h5" for key in sorted(used_masks)],
        "prepare_integration": [f"resources/weights/{key}.h5" for key in sorted(used_weights)],
        "setup_container": [f"{_work(item)}/container.zarr" for item in reductions],
        "integrate_chunk": [
            f"{_work(item)}/chunks/{chunk_name(*chunk)}.json"
            for item in reductions
            for chunk in item.chunks
        ],
        "assemble_result": plots("result.nxs"),
        "analyse_profiles": plots("analysis.nxs"),
        "plot_frames": plots("_frames.png"),
        "plot_profiles": plots("_profiles.png"),
        "plot_mean_profile": plots("_mean.png"),
        "plot_cake": plots("_map.png"),
        "plot_monitors": plots("monitors.png"),
        "plot_fits": plots("_fit.png"),
        "plot_figures": plots("/figures.png"),
        "plot_views": plots("_views.png"),
        "plot_corrections": plots("_corrections.png"),
        "plot_transmission": plots("transmission.png"),
        "check_calibrant": plots("_rings.tsv"),
        "refine_geometry": plots(".poni"),
        "export_nxcansas": [path for path in plots(".h5") if "/export/" in path],
        "export_text": [path for path in plots(".dat") if "/export/" in path],
        "export_text_frames": [path for path in plots("_frames") if "/export/" in path],
        "export_scalars": plots("/export/scalars.csv"),
        "structure_map": plots("/map.nxs"),
        "plot_map": plots("/plots/map.png"),
        "plot_map_quantity": [path for path in targets if "/plots/map/" in path],
        **xpcs_jobs(list(plan.xpcs.values())),
        **shots_jobs(list(plan.shots.values())),
        "assess_quality": quality_files(plan),
        "summarise_quality": ["results/quality.html"] if targets or plan.xpcs else [],
        "describe_result": [record_path(item) for item in delivered(plan).values()],
        "build_catalogue": ["results/catalogue/index.sqlite"] if delivered(plan) else [],
    }


def _work(planned: PlannedReduction) -> str:
    return f"work/{planned.row.run}/{planned.name}"


def _bytes(rule: str, plan: Plan) -> tuple[float, float]:
    """Bytes read and written by all jobs of a rule."""

    def total(of: Callable[[PlannedReduction], float]) -> float:
        return float(sum(of(item) for item in plan.reductions.values()))

    raw = total(lambda item: item.load.raw_bytes * item.row.frames)
    shots = shots_raw_bytes(list(plan.shots.values()))
    sums = total(lambda item: item.load.result_bytes * item.row.frames)
    # signal, variance and normalisation become intensity and error.
    results = sums * 2 / 3 * RESULT_COMPRESSION
    return {
        "simulate_raw": (0.0, raw + xpcs_raw_bytes(list(plan.xpcs.values())) + shots),
        "reduce_shots_chunk": (shots, 0.0),
        "sort_chunk": (xpcs_raw_bytes(list(plan.xpcs.values())), 0.0),
        "integrate_chunk": (raw, sums * RESULT_COMPRESSION),
        "assemble_result": (sums * RESULT_COMPRESSION, results),
        "analyse_profiles": (results, 0.0),
        "plot_profiles": (results, 0.0),
    }.get(rule, (0.0, 0.0))


def report_text(costs: list[RuleCost]) -> str:
    """The costs as a table for people."""
    lines = [
        f"{'rule':22} {'jobs':>6} {'there':>6} {'read':>9} {'written':>9} "
        f"{'core-hours':>10} {'memory':>9}  based on"
    ]
    for cost in costs:
        basis = f"{cost.rate.jobs} measured jobs" if cost.rate.jobs else "assumption"
        lines.append(
            f"{cost.rule:22} {cost.jobs:6d} {cost.done:6d} {_size(cost.read_bytes):>9} "
            f"{_size(cost.written_bytes):>9} {cost.core_hours:10.3f} "
            f"{_size(cost.memory_mb * 1e6):>9}  {basis}"
        )
    lines.append(
        f"{'all':22} {sum(c.jobs for c in costs):6d} {sum(c.done for c in costs):6d} "
        f"{_size(sum(c.read_bytes for c in costs)):>9} "
        f"{_size(sum(c.written_bytes for c in costs)):>9} {sum(c.core_hours for c in costs):10.3f} "
        f"{_size(max((c.memory_mb for c in costs), default=0) * 1e6):>9}"
    )
    lines.append(
        "Raw bytes are those of uncompressed 32-bit frames. Which outputs are outdated, "
        "`snakemake -n` says."
    )
    return "\n".join(lines)


def _size(count: float) -> str:
    if count <= 0:
        return "-"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5:  # above, three digits would read 1e+03
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.0f} PB"
