"""A run of the configuration, for notebooks: open_configured("pump_sacla")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scatterflow.errors import UserError, suggestion
from scatterflow.shots.run import Run, open_run
from scatterflow.sources.base import RunLocation


def open_configured(run: str, configfile: str | Path = "config/config.yaml") -> Run:
    """A run of the run table, read as the configuration says, overrides for this run included.

    Paths are relative to the current folder, as everywhere. Raises UserError: a configuration that is wrong,
    a run that is not in the table or holds no shots.
    """
    from scatterflow.config.load import RunConfigurations, read_yaml
    from scatterflow.config.runs import read_run_table
    from scatterflow.config.sources import SourceConfig

    configurations = RunConfigurations(read_yaml(str(configfile)), str(configfile))
    rows = {row.run: row for row in read_run_table(configurations.base.runs)}
    if run not in rows:
        raise UserError(
            f"run {run!r} is not in the run table", configurations.base.runs, suggestion(run, rows)
        )
    row = rows[run]
    configuration = configurations.for_run(row)
    source: Any = configuration.sources[row.source]
    if isinstance(source, SourceConfig):
        raise UserError(
            f"run {run!r} holds frames, not shots", f"source {row.source!r}", "name a run of shots"
        )
    return open_run(RunLocation(run, row.raw, configuration.raw, row.frames, source.recipe()))
