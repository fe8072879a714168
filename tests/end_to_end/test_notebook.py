"""The example notebook: it runs, prints what it was committed with, and finds what was simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scatterflow.sources.simulated_pump_probe import (
    PUMP_PROBE,
    known_shot_answers,
    simulate_shots,
)

from .conftest import REPOSITORY
from .notebooks import executed_texts, number, read, texts

pytestmark = pytest.mark.end_to_end

NOTEBOOK = REPOSITORY / "docs/shots.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> str:
    """The texts of today's run, in one."""
    committed = texts(read(NOTEBOOK))
    assert (
        executed_texts(NOTEBOOK, NOTEBOOK.parent, tmp_path_factory.mktemp("jupyter")) == committed
    )
    return "\n".join(committed)


@pytest.mark.parametrize("name", ["shots.ipynb", "demo.ipynb"])
def test_outputs_are_committed(name):
    path = REPOSITORY / "docs" / name
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    kinds = [item.output_type for cell in cells for item in cell.outputs]
    assert "error" not in kinds
    images = [
        item.data["image/png"]
        for cell in cells
        for item in cell.outputs
        if "image/png" in item.get("data", {})
    ]
    assert len(images) == 3
    assert path.stat().st_size < 400_000
    assert str(Path.home()) not in path.read_text(encoding="utf-8")


def test_numbers_are_those_that_were_simulated(executed):
    truth, known = simulate_shots(PUMP_PROBE, seed=1), known_shot_answers()
    there = truth.present.all(axis=1)
    laser = truth.scalars["laser"] == 1
    assert number(r"run pump: (\d+) shots", executed) == known["shots"]
    assert number(r"(\d+) shots without image", executed) == known["lost_images"]
    assert number(r"(\d+) of 360 shots with laser", executed) == laser.sum()
    diodes = sum(truth.scalars[f"diode_{side}"] for side in ("left", "right", "top", "bottom"))
    assert number(r"(\d+) of 360 shots pass", executed) == (diodes >= 0.05).sum()
    # Of the charge, what falls off a tile is lost.
    photons = truth.photons[there].sum(axis=(1, 2, 3)).mean()
    assert 0.95 < number(r"photons per shot: ([\d.]+)", executed) / photons < 1.01
    judged = laser & (truth.scalars["time_tool"] > 0)
    jitter = np.std((truth.delay - truth.scalars["delay"])[judged])
    wider = np.hypot(jitter, PUMP_PROBE.time_tool_error_ps)
    # The spread of n values is known to 1 / sqrt(2 n); three digits are printed.
    assert number(r"jitter of the laser: ([\d.]+)", executed) == pytest.approx(wider, rel=0.03)
    change = known["ring_fraction"] * known["amplitude"]
    assert number(r"simulated: ([\d.]+)", executed) == pytest.approx(change, abs=6e-4)
    error = number(r"change after the pulse: [\d.]+ \+- ([\d.]+)", executed)
    assert 0.005 < error < 0.03
    assert abs(number(r"change after the pulse: ([\d.]+)", executed) - change) < 3 * error
