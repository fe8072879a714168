"""Dead time of counting pixels.

A non-paralysable counter that is dead for tau after each count loses, of n counts in the time t, the share
n tau / t of the time: the true number is n / (1 - a n), a = tau / t, its variance var(n) / (1 - a n)^4.
The kernels apply it pixel by pixel; a pixel with a n >= 1 is invalid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.sources.base import Source
from scatterflow.units import check_seconds


def dead_time_fraction(
    settings: Mapping[str, Any] | None,
    source: Source,
    start: int,
    stop: int,
    where: str,
    skip_missing: bool = False,
) -> np.ndarray | None:
    """a of frames start..stop-1, (frames,) float64; None without settings.

    settings: the configuration's `dead_time`: seconds, and exposure in s or the name of its scalar;
    skip_missing: frames may be missing, and their exposures with them: NaN (`Worker` refuses others).
    Raises UserError, naming the frame, for an exposure that is missing or not above 0, or not in s.
    """
    if settings is None:
        return None
    exposure = settings["exposure"]
    if not isinstance(exposure, str):
        return np.full(stop - start, settings["seconds"] / exposure)
    scalars = source.scalars()
    check_seconds(exposure, scalars.attrs["units"].get(exposure, ""), where)
    found = scalars[exposure].to_numpy(dtype=np.float64)[start:stop]
    bad = np.flatnonzero(~(found > 0))
    if bad.size and not skip_missing:
        raise UserError(
            f"exposure {exposure!r} is {found[bad[0]]:g} in frame {start + bad[0]}, and dead time is to be "
            "corrected",
            where,
            "correct detectors.NAME.dead_time.exposure, or give the exposure as a number",
        )
    return settings["seconds"] / np.where(found > 0, found, np.nan)
