"""Register pedestal, noise and bad pixels of a dark run."""

from scatterflow.script import run_named


def main(dark: str, detector: str, name: str, registry: str | None, record: str) -> None:
    """dark: file of the constants; name: in the registry; record: the file that says what was registered."""
    from scatterflow.files.json import write_json
    from scatterflow.shots.dark_register import register_dark

    write_json(record, register_dark(dark, detector, name, registry))


if "snakemake" in globals():
    run_named(main, snakemake)
