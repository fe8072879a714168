"""The demo's raw data: all runs, of all techniques."""

from __future__ import annotations

from pathlib import Path

from scatterflow.sources.simulate import simulate_run, simulated_files
from scatterflow.sources.simulate_xpcs import simulate_xpcs_run, simulated_xpcs_files
from scatterflow.sources.simulated_shots import simulate_shot_run, simulated_shot_files


def demo_files() -> dict[str, list[tuple[str, str | None, int, int]]]:
    """{raw entry: [(path below the raw folder, detector, first frame, frame after the last)]}.

    Known without running anything. Detector None: a file that every read of the run needs.
    """
    shots: dict[str, list[tuple[str, str | None, int, int]]] = {
        name: [(path, None, 0, 0) for path in paths]
        for name, paths in simulated_shot_files().items()
    }
    return {**simulated_files(), **simulated_xpcs_files(), **shots}


def simulate_demo_run(name: str, root: str | Path, seed: int) -> None:
    """Write the raw files of one run; older ones are replaced.

    name: a key of `demo_files`. root: the raw folder. seed: of all that is random.
    """
    if name in simulated_xpcs_files():
        simulate_xpcs_run(name, root, seed)
    elif name in simulated_shot_files():
        simulate_shot_run(name, root, seed)
    else:
        simulate_run(name, root, seed)
