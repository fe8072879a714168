"""What planned reductions of all techniques have in common: a run, a recipe, where the raw data is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from scatterflow.config.model import Configuration
from scatterflow.config.runs import RunRow
from scatterflow.files.json import to_json


@dataclass(frozen=True)
class Planned:
    """One reduction of one run; configuration: with the overrides for this run applied."""

    row: RunRow
    name: str
    configuration: Configuration
    detectors: tuple[str, ...]

    @property
    def reduction(self) -> Any:
        """The reduction's configuration, overrides applied."""
        return self.configuration.reductions[self.name]

    @property
    def source(self) -> Any:
        """How the run's raw data is laid out."""
        return self.configuration.sources[self.row.source]

    @property
    def needed_scalars(self) -> Collection[str]:
        """Scalars that are needed wherever frames are read."""
        return ()

    @property
    def raw_range(self) -> tuple[int, int]:
        """(first, after the last) raw frame that is used."""
        return 0, self.row.frames

    def location(self, *, scalars: bool) -> dict[str, Any]:
        """Where the raw data is, as plain values (`RunLocation`'s fields).

        scalars: with the per-frame scalars (for the result), or frames only (for a chunk job), so
        that a change of the one does not outdate the other.
        """
        recipe = self.source.model_dump()
        recipe["frames"] = {name: recipe["frames"][name] for name in self.detectors}
        needed = self.needed_scalars
        if not scalars:
            del recipe["metadata"]
        if not scalars and needed:
            # An expression may use any of them.
            if all(recipe["scalars"][name]["type"] != "expression" for name in needed):
                recipe["scalars"] = {name: recipe["scalars"][name] for name in sorted(needed)}
        elif not scalars:
            for key in ("scalars", "table", "par_file", "time_zone"):
                del recipe[key]
        return {
            "run": self.row.run,
            "raw": self.row.raw,
            "root": self.configuration.raw,
            "frames": self.row.frames,
            "recipe": recipe,
            "shapes": {
                name: list(self.configuration.detectors[name].shape) for name in self.detectors
            },
        }

    def location_text(self, *, scalars: bool) -> str:
        """`location` as JSON; a run of 10 000 chunks asks for it as often."""
        return self._location_texts[scalars]

    @cached_property
    def _location_texts(self) -> tuple[str, str]:
        without, having = (to_json(self.location(scalars=scalars)) for scalars in (False, True))
        return without, having
