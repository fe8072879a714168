"""Make a cube of a run: quantities of the small data, and images of all chunks."""

from scatterflow.script import logger, run


def main(
    small: str,
    parts: list[str],
    settings: dict,
    where: str,
    description: dict,
    threads: int,
    cube: str,
) -> None:
    """small: the small data file; parts: binned images of all chunks, empty without images; settings: of the
    cube; where: its place in the configuration; cube: the file to write."""
    import math

    from scatterflow.shots.bin import bin_quantities, sort_shots
    from scatterflow.shots.cube_file import write_cube
    from scatterflow.shots.image_sums_file import open_image_parts
    from scatterflow.shots.small_data import open_small_data

    data = open_small_data(small)
    shots = sort_shots(data, settings, where)
    found = bin_quantities(data, shots, settings["quantities"], where, threads=threads)
    cells = math.prod(found.shape)
    images = open_image_parts(parts, data.shots, cells) if parts else None
    write_cube(cube, data, shots, found, images, settings, description)
    binned, empty = int(found.shots.sum()), int((found.shots == 0).sum())
    logger.info(f"{binned} of {data.shots} shots in {cells} cells, {empty} of them empty")


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        small=snakemake.input.small,
        parts=list(snakemake.input.parts),
        settings=snakemake.params.settings,
        where=snakemake.params.where,
        description=snakemake.params.description,
        threads=snakemake.threads,
        cube=snakemake.output.cube,
    )
