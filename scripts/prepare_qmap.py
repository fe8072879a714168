"""Make the q-map of a reduction, or check the given one, and write it in the layout of APS 8-ID."""

from scatterflow.script import run


def main(
    qmap: dict, crop: dict | None, detector: str, settings: dict, mask: str, output: str
) -> None:
    """qmap, crop: of the reduction; detector, settings: its name and configuration; mask: the file of its
    good mask."""
    import logging

    from scatterflow.detectors.crop import cropped
    from scatterflow.detectors.geometry import load_geometry
    from scatterflow.detectors.good_mask import read_mask
    from scatterflow.detectors.qmap_files import write_qmap
    from scatterflow.detectors.qmap_partition import prepare_qmap

    where = f"detector {detector}, qmap"
    good = cropped(read_mask(mask).good, crop, where)
    geometry = settings["geometry"] if isinstance(settings["geometry"], str) else None
    prepared = prepare_qmap(qmap, good, load_geometry(settings, detector), where, geometry)
    for note in prepared.notes:
        logging.getLogger("scatterflow").warning(note)
    write_qmap(output, prepared)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        qmap=snakemake.params.qmap,
        crop=snakemake.params.crop,
        detector=snakemake.params.detector,
        settings=snakemake.params.settings,
        mask=snakemake.input.mask,
        output=snakemake.output.qmap,
    )
