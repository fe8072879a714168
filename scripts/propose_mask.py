"""Find bad pixels in a run and write them into the registry as a proposal."""

from scatterflow.script import run_named


def main(
    name: str,
    settings: dict,
    detector: dict,
    location: dict,
    registry: str | None,
    proposal: str,
    png: str,
    svg: str,
) -> None:
    """settings: as configured; detector: its configuration; proposal, png, svg: written."""
    import logging

    from scatterflow.detectors.geometry import load_geometry
    from scatterflow.files.json import write_json
    from scatterflow.plots.registry_mask import plot_mask
    from scatterflow.registry.masks import load_mask
    from scatterflow.registry.proposals import propose_mask
    from scatterflow.registry.records import to_document
    from scatterflow.sources.base import RunLocation
    from scatterflow.sources.open import open_source

    radial = None
    if settings["type"] in ("outliers", "shadow"):
        integrator = load_geometry(detector, settings["detector"])
        radial = integrator.center_array(tuple(detector["shape"]), unit="2th_deg")
    source = open_source(RunLocation.from_fields(location))
    record = propose_mask(
        name,
        settings,
        source,
        run=location["run"],
        valid=detector["valid"],
        radial=radial,
        registry=registry,
    )
    logging.getLogger("scatterflow").info(
        f"{record.title}: {record.summary['masked_pixels']} pixels; look at {png}, then "
        f"`scatterflow registry accept {record.detector} {record.name}`"
    )
    plot_mask(load_mask(record, registry=registry)[1], None, record.title, png, svg)
    write_json(proposal, to_document(record))


if "snakemake" in globals():
    run_named(main, snakemake)
