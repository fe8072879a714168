"""One row per result for the list of the portal: what it shows, sorts by, counts in facets and searches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

FIELDS = (
    "run", "reduction", "title", "sample", "technique", "creators", "detectors", "cycle", "date",
    "frames", "qmap", "masks", "verdict", "thumbnail", "words",
)  # fmt: skip
"""Names of the columns: text, number or null; creators, detectors and masks are lists of text."""
LONGEST_WORDS = 2000
SHORT_NAMES = {"saxswaxs": "SAXS/WAXS", "xpcs": "XPCS", "shots": "XFEL shots"}


def row_of(record: dict[str, Any], thumbnail: str) -> list[Any]:
    """The values of FIELDS. thumbnail: address of the picture, "" without one."""
    experiment = record["experiment"]
    values = {
        "run": record["run"],
        "reduction": record["reduction"],
        "title": title(record),
        "sample": record["sample"],
        "technique": record["technique"]["name"],
        "creators": [creator["name"] for creator in record["datacite"]["creators"]],
        "detectors": [detector["name"] for detector in record["detectors"]],
        "cycle": experiment["cycle"],
        "date": record["times"]["run_start"] or record["times"]["reduced"],
        "frames": record["frames"],
        "qmap": None if record["qmap"] is None else record["qmap"]["name"],
        "masks": sorted({mask["name"] for mask in record["masks"]}),
        "verdict": record["quality"]["verdict"],
        "thumbnail": thumbnail,
        "words": " ".join(dict.fromkeys(_words(record)))[:LONGEST_WORDS],
    }
    return [values[name] for name in FIELDS]


def title(record: dict[str, Any]) -> str:
    """The first title, else the name of the result."""
    titles = record["datacite"]["titles"]
    return titles[0]["title"] if titles else record["id"]


def technique(record: dict[str, Any]) -> str:
    """The technique's short name as the field knows it."""
    name: str = record["technique"]["name"]
    return SHORT_NAMES.get(name, name)


def _words(record: dict[str, Any]) -> Iterator[str]:
    """What free text finds and no other column holds; metadata of raw files are left to `search`."""
    experiment = record["experiment"]
    for name in ("title", "facility", "beamline", "proposal"):
        if experiment[name]:
            yield str(experiment[name])
    yield technique(record)
    yield record["technique"]["label"]
    for subject in record["datacite"]["subjects"]:
        yield subject["subject"]
    for value in record["metadata"]["run_table"].values():
        if value is not None:
            yield str(value)
    yield from record["quality"]["failed"]
    yield from record["quality"]["warned"]
