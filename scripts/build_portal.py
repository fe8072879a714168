"""Web site of all results, out of the index."""

from scatterflow.script import run


def main(index: str, results: str, site: str, viewer: str) -> None:
    """viewer: folder of the built viewer; without one the site has none."""
    from contextlib import closing

    from scatterflow.catalogue.index import all_records, open_index
    from scatterflow.catalogue.site import generate_site
    from scatterflow.catalogue.site_viewer import is_built

    with closing(open_index(index)) as records:
        built = viewer if is_built(viewer) else None
        generate_site(all_records(records), results, site, viewer=built)


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        index=snakemake.input.index,
        results="results",
        site=snakemake.output.site,
        viewer=snakemake.params.viewer,
    )
