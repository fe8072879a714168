"""When a run was measured: times in raw files as ISO 8601 with the offset from UTC, or not at all.

A time without a zone is left out: a guess would be wrong by hours, and looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

# As detectors call it in the header of an image, in the order of trust.
HEADER_KEYS = ("start_time", "acquisition_time", "datetime", "date", "time", "timestamp")
_CBF_TIME = re.compile(r"^# *(\d{4}-\d\d-\d\d[T ][\d:.]+ *(?:Z|[+-]\d\d:?\d\d))\s*$", re.MULTILINE)


def iso_with_zone(text: str) -> str | None:
    """An ISO 8601 time with its offset from UTC, normalised; None for no such time, or no zone.

    Taken as well: a blank before the zone, UTC and GMT as its name.
    """
    text = re.sub(r"\s*(?:UTC|GMT|[Zz])$", "+00:00", text.strip().strip("\0"))
    text = re.sub(r"\s+(?=[+-]\d\d:?\d\d$)", "", text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.isoformat() if time.tzinfo else None


def header_time(header: Mapping[str, Any]) -> str | None:
    """The time of measurement in the header of an image, see `iso_with_zone`; None: it has none."""
    values = {key.lower(): str(value) for key, value in header.items()}
    cbf = _CBF_TIME.search(values.get("header", ""))
    texts = [values[key] for key in HEADER_KEYS if key in values] + ([cbf[1]] if cbf else [])
    return next((time for text in texts if (time := iso_with_zone(text))), None)
