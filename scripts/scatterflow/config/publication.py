"""`publication:` - what records say of a result beyond the experiment, for catalogues and publishers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from scatterflow.config.base import Model, Text
from scatterflow.config.publication_targets import GlobusTarget, ScicatTarget, TiledTarget


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty: fill it in, or leave the key out")
    return text


Filled = Annotated[Text, AfterValidator(_not_blank)]


class Publication(Model):
    """What is said where results are published (DataCite). Passwords and tokens never stand here."""

    publisher: Filled | None = None
    """Who publishes the results; left out: `experiment.facility`."""
    creators: Annotated[list[Filled], Field(min_length=1)] | None = None
    """People to be named as authors; left out: `experiment.creators`."""
    year: Annotated[int, Field(ge=1900, le=2200)] | None = None
    """Year of publication; left out: the year of the reduction."""
    licence: Filled | None = None
    """Licence of the results, e.g. `CC-BY-4.0`."""
    cycle: Filled | None = None
    """Run cycle of the facility, e.g. `2026-1`; the catalogue can be searched by it."""
    keywords: list[Filled] = Field(default=[])
    """Further words to find the results by."""
    tiled: TiledTarget | None = None
    """A Tiled server, for `scatterflow publish tiled`."""
    globus: GlobusTarget | None = None
    """An index of Globus Search, for `scatterflow publish globus`."""
    scicat: ScicatTarget | None = None
    """A SciCat catalogue, for `scatterflow publish scicat`."""
