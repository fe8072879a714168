"""Outlier-robust integrations that cannot be planned."""

from __future__ import annotations

from typing import Any

from scatterflow.config.model import Configuration
from scatterflow.errors import UserError


def check_robust(configuration: Configuration, detector: str, integration: Any, where: str) -> None:
    """Raise UserError where outliers of a detector with dead time would be left out.

    Its correction changes from frame to frame what each pixel counts, which the robust kernels do not know.
    """
    if integration.robust is not None and configuration.detectors[detector].dead_time is not None:
        raise UserError(
            f"outliers of detector {detector!r} cannot be left out: it has a dead time",
            where,
            "leave out `robust` here, or `dead_time` of the detector",
        )
