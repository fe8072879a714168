"""Numerical kernels on bare arrays: no files, no configuration, no Snakemake."""
