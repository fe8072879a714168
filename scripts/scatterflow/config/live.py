"""`live:` - runs that arrive while they are reduced, and runs that cannot be read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scatterflow.config.base import Exponent, Model, Name, Text

Seconds = Annotated[float, Field(ge=0, le=1e6), Exponent]


class Live(Model):
    """Runs that arrive while they are reduced (`scatterflow watch`), and runs that cannot be read."""

    broken_runs: Literal["isolate", "stop"] = "isolate"
    """What a run whose raw data cannot be used does to the others. `isolate`: they are reduced; the broken
    one, and those corrected with it, are left out and end in a failed job that says why, so that the
    workflow's exit code is not 0. `stop`: nothing is done before it is mended."""
    settle_s: Seconds = 60.0
    """A run is finished when none of its files has changed for so long, s."""
    look_every_s: Annotated[float, Field(gt=0, le=1e6), Exponent] = 10.0
    """Time from one look through the raw folder to the next, s."""
    reductions: dict[Name, Text] = Field(default={})
    """Reductions of new runs by source, comma-separated as in the run table (`eiger: swaxs`); left out: the
    only reduction, where there is one."""
    expected_frames: dict[Name, Annotated[int, Field(ge=1, le=100_000_000)] | Text] = Field(
        default={}
    )
    """Frames of a complete run, by source: a number, or the datasets of the HDF5 file named by `raw` that
    tell it, multiplied where `*` stands between two (`a/nimages * a/ntrigger`). With it a run that stops
    early is known to be incomplete, and a run that is still being written is reduced chunk by chunk."""
    runs_at_once: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Most runs that one call of snakemake works on; runs that arrive meanwhile wait for the next call."""
    snakemake: list[Text] = Field(default=[])
    """Options of snakemake, e.g. `[--profile, profiles/slurm]`."""
