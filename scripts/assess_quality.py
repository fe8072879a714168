"""Check a result: structure and physics, a verdict for people and programs."""

from scatterflow.script import logger, run


def main(
    result: str,
    analysis: str | None,
    small_data: str | None,
    rings: list[str],
    history: list[str],
    settings: dict,
    names: dict,
    quality: str,
    png: str,
    svg: str,
) -> None:
    """analysis: file of fits, or None; small_data: of technique `shots`, or None; rings: verdicts of
    calibrant checks; history: results of earlier runs of the sample; settings: technique, checks,
    stops_publication; names: run, reduction; quality, png, svg: written."""
    from scatterflow.plots.quality import plot_quality, summary
    from scatterflow.quality.assess import assess_result
    from scatterflow.quality.checks import write_quality

    found = assess_result(
        result, analysis, settings, **names, small_data=small_data, rings=rings, history=history
    )
    write_quality(quality, found)
    plot_quality(quality, png, svg)
    logger.info(f"quality: {found['verdict']}: {summary(found)}")
    for check in found["checks"]:
        if check["verdict"] in ("warn", "fail"):
            logger.warning(f"{check['verdict']}: {check['title']}: {check['sentence']}")


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        result=snakemake.input.result,
        analysis=next(iter(snakemake.input.analysis), None),
        small_data=next(iter(snakemake.input.small_data), None),
        rings=list(snakemake.input.rings),
        history=list(snakemake.input.history),
        settings=snakemake.params.settings,
        names=snakemake.params.names,
        quality=snakemake.output.quality,
        png=snakemake.output.png,
        svg=snakemake.output.svg,
    )
