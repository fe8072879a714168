"""Raw data: one module per format behind one protocol.

`open_source` gives a `Source` for one run; `scatterflow.sources.base` says what a source is.
"""

from scatterflow.sources.base import DetectorInfo, RunLocation, Source
from scatterflow.sources.open import open_source

__all__ = ["DetectorInfo", "RunLocation", "Source", "open_source"]
