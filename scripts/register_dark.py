"""Register pedestal, noise and bad pixels of a dark run."""

from scatterflow.script import run


def main(dark: str, detector: str, name: str, registry: str | None, record: str) -> None:
    """dark: file of the constants; name: in the registry; record: the file that says what was registered."""
    from scatterflow.files.json import write_json
    from scatterflow.shots.dark_register import register_dark

    write_json(record, register_dark(dark, detector, name, registry))


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        dark=snakemake.input.dark,
        detector=snakemake.params.detector,
        name=snakemake.params.name,
        registry=snakemake.params.registry,
        record=snakemake.output.record,
    )
