"""All benchmarks, or those named: `python benchmarks/run.py [NAME ...]`.

Rows go into benchmarks/results.json and the table in benchmarks/README.md; those of benchmarks that are
not run stay. Ends with exit code 1 if a benchmark could not be run.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from benchmarks import (
    accumulators,
    catalogue,
    correlation,
    correlation_twotime,
    integration,
    memory,
    portal,
    registry,
    scaling,
    scheduling,
    shots,
    workflow,
)
from benchmarks.results import command_line

BENCHMARKS = {
    **integration.BENCHMARKS,
    **memory.BENCHMARKS,
    **workflow.BENCHMARKS,
    **scheduling.BENCHMARKS,
    **registry.BENCHMARKS,
    **portal.BENCHMARKS,
    **catalogue.BENCHMARKS,
    **correlation.BENCHMARKS,
    **correlation_twotime.BENCHMARKS,
    **shots.BENCHMARKS,
    **accumulators.BENCHMARKS,
    **scaling.BENCHMARKS,
}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
