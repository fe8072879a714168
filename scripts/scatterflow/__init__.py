"""scatterflow: the library behind the workflow's scripts.  It never imports Snakemake."""

__version__ = "0.1.0"
