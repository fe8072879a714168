"""What sources have in common whose files belong to one run alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scatterflow.sources.base import RunLocation
from scatterflow.sources.tables import Getter, resolve_scalars, table_getter

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


class OwnFiles:
    """Part of a `Source`: nothing shared with other runs; scalars from the run's table, if nothing else is
    said by `_scalar_getters`."""

    location: RunLocation

    def shared_files(self) -> list[Path]:
        """None: no file of these formats is shared by runs."""
        return []

    def fingerprint(self, *, scalars: bool) -> str | None:
        """None: the files of a run stand for themselves."""
        return None

    def scalars(self) -> pd.DataFrame:
        """One row per frame; see `resolve_scalars`."""
        return resolve_scalars(
            self.location.recipe.get("scalars", {}),
            self.location.frames,
            self._scalar_getters(),
            f"run {self.location.run}",
        )

    def _scalar_getters(self) -> dict[str, Getter]:
        """What reads the scalars of each type."""
        return {"column": table_getter(self.location)}
