"""Simulate the demo's raw data: real formats, known answers."""

from scatterflow.script import run_named


def main(root: str, seed: int) -> None:
    """root: the raw folder."""
    from scatterflow.progress import progress
    from scatterflow.sources.demo import demo_files, simulate_demo_run

    names = list(demo_files())
    with progress(len(names), "simulate raw data", "runs") as bar:
        for name in names:
            simulate_demo_run(name, root, seed)
            bar.add(1)


if "snakemake" in globals():
    run_named(main, snakemake)
