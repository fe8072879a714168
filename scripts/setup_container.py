"""Create the empty container that all chunk jobs of a reduction fill."""

from scatterflow.script import run_named


def main(container: str, frames: int, chunk_frames: int, tasks: list, shapes: dict) -> None:
    """tasks: name, detector, bins, stored_frames and robust of each array group; shapes: of each detector."""
    from scatterflow.saxswaxs.container import setup_container

    setup_container(
        container,
        frames=frames,
        chunk_frames=chunk_frames,
        tasks=tasks,
        shapes={name: tuple(shape) for name, shape in shapes.items()},
    )


if "snakemake" in globals():
    run_named(main, snakemake)
