"""Opening shot sources in tests."""

from __future__ import annotations

from scatterflow.sources.base import RunLocation
from scatterflow.sources.shots import open_shots


def location(root, raw, form, shots=0, shapes=None, **recipe):
    return RunLocation("r1", raw, str(root), shots, {"format": form, **recipe}, shapes or {})


def opened(root, raw, form, shots=0, shapes=None, **recipe):
    return open_shots(location(root, raw, form, shots, shapes, **recipe))
