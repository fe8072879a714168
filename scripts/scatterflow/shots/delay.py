"""The delay between X-ray and laser pulse: where the stage or the laser's timing puts it, plus the time tool.

    delay = nominal + c0 + c1 x + c2 x^2,   x the position of the edge that the time tool sees

A mirror stage that moves by s changes the path of a beam that passes it there and back by 2 s. Without
a good edge there is no delay, but for shots without laser, of which there is nothing to measure: those
keep the nominal one, and so stay beside the shots that they are compared with.
"""

from __future__ import annotations

import numpy as np

LIGHT = 0.299792458
"""mm per ps."""


def stage_delay(position: np.ndarray, zero: float = 0.0, passes: int = 2) -> np.ndarray:
    """Delay in ps, (n,). position, zero: mm; passes: of the beam along the stage, < 0: it shortens the
    path."""
    return passes * (np.asarray(position, dtype=np.float64) - zero) / LIGHT


def corrected_delay(
    nominal: np.ndarray, correction: np.ndarray, laser: np.ndarray | None = None
) -> np.ndarray:
    """nominal + correction, (n,); of shots without laser (laser: (n,) bool) the nominal one."""
    delay = np.asarray(nominal, dtype=np.float64) + correction
    return delay if laser is None else np.where(laser, delay, nominal)
