"""What a record is found by: values of its facets, and its text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

FACETS = {
    "technique": "technique",
    "sample": "sample",
    "creator": "creator",
    "detector": "detector",
    "mask": "mask of a detector",
    "qmap": "q-map",
    "quality": "verdict on the quality: pass, warn, fail",
    "cycle": "run cycle of the facility",
    "beamline": "beamline",
    "proposal": "proposal",
    "run": "run",
    "reduction": "reduction",
    "month": "month of the run, 2026-01",
}
"""Facets by name, and what they are."""
LONGEST_TEXT = 200_000
"""Characters of a record that can be searched."""


def facet_values(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(facet, value) of all facets of a record; what is unknown has none."""
    single = {
        "technique": record["technique"]["name"],
        "sample": record["sample"],
        "qmap": record["qmap"] and record["qmap"]["name"],
        "quality": record["quality"]["verdict"],
        "cycle": record["experiment"]["cycle"],
        "beamline": record["experiment"]["beamline"],
        "proposal": record["experiment"]["proposal"],
        "run": record["run"],
        "reduction": record["reduction"],
        "month": (record["times"]["run_start"] or record["times"]["reduced"] or "")[:7],
    }
    yield from ((facet, value) for facet, value in single.items() if value)
    yield from (("creator", creator["name"]) for creator in record["datacite"]["creators"])
    yield from (("detector", detector["name"]) for detector in record["detectors"])
    yield from (("mask", mask["name"]) for mask in record["masks"])


def searched_text(record: dict[str, Any]) -> str:
    """The text of a record: names, titles, people, keywords, run table, metadata of raw files."""
    experiment, datacite = record["experiment"], record["datacite"]
    parts = [
        record["id"],
        record["sample"],
        record["technique"]["label"],
        *(value for key, value in experiment.items() if key != "facility_type"),
        *(item["title"] for item in datacite["titles"]),
        *(value for _, value in facet_values(record)),
        *(item["subject"] for item in datacite["subjects"]),
        *(mask["uid"] for mask in record["masks"]),
        *record["metadata"]["run_table"].values(),
    ]
    for name, item in record["metadata"]["raw"].items():
        parts += [name, item["value"] if isinstance(item["value"], str) else None]
    text = "\n".join(dict.fromkeys(part for part in parts if part))[:LONGEST_TEXT]
    return unicodedata.normalize("NFC", text)
