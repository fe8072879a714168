"""Verify all receipts, correct, and write the result file of one reduction of one run."""

from scatterflow.script import run


def main(
    container: str,
    receipts: list[str],
    weights: dict[str, str],
    masks: dict[str, str],
    location: dict,
    description: dict,
    tasks: list,
    valid: dict,
    corrections: dict,
    companions: list,
    companion_containers: list[str],
    companion_receipts: list[str],
    result: str,
) -> None:
    """description: run, reduction, sample, experiment and parameters; valid: range per detector;
    companions: the runs that this one is corrected with, in the order of their containers and receipts."""
    from scatterflow.saxswaxs.assemble import assemble_result
    from scatterflow.saxswaxs.companions import with_files

    assemble_result(
        container,
        receipts,
        weights,
        masks,
        location=location,
        description=description,
        tasks=tasks,
        valid=valid,
        corrections=corrections,
        companions=with_files(companions, companion_containers, companion_receipts),
        result=result,
    )


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        container=snakemake.input.container,
        receipts=list(snakemake.input.receipts),
        weights=dict(zip(snakemake.params.weights, snakemake.input.weights, strict=True)),
        masks=dict(zip(snakemake.params.masks, snakemake.input.masks, strict=True)),
        location=snakemake.params.location,
        description=snakemake.params.description,
        tasks=snakemake.params.tasks,
        valid=snakemake.params.valid,
        corrections=snakemake.params.corrections,
        companions=snakemake.params.companions,
        companion_containers=list(snakemake.input.companion_containers),
        companion_receipts=list(snakemake.input.companion_receipts),
        result=snakemake.output.result,
    )
