"""Make the q-map of a reduction, or check the given one, and write it in the layout of APS 8-ID."""

from scatterflow.script import run


def main(
    qmap: dict, output: str, detector: str = "", settings: dict | None = None, mask: str = ""
) -> None:
    """qmap: the `qmap:` block; output: written; detector, settings: its name and configuration, and
    mask: the file of its good mask: all three left out for a q-map file of no configured detector."""
    import logging

    from scatterflow.detectors.geometry import load_geometry
    from scatterflow.detectors.masks import read_mask
    from scatterflow.detectors.qmap_files import write_qmap
    from scatterflow.detectors.qmap_partition import prepare_qmap

    good = read_mask(mask).good if mask else None
    integrator = load_geometry(settings, detector) if settings else None
    geometry = settings["geometry"] if settings else None
    where = f"detector {detector}, qmap" if detector else "qmap"
    path = geometry if isinstance(geometry, str) else None
    prepared = prepare_qmap(qmap, good, integrator, where, path)
    for note in prepared.notes:
        logging.getLogger("scatterflow").warning(note)
    write_qmap(output, prepared)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        qmap=snakemake.params.qmap,
        output=snakemake.output.qmap,
        detector=snakemake.params.detector,
        settings=snakemake.params.settings,
        mask=snakemake.input.get("mask", ""),
    )
