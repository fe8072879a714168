"""All corrections of a run, ready to be applied integration by integration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scatterflow.saxswaxs.absolute import absolute_factors, absolute_step, scaled
from scatterflow.saxswaxs.chain import (
    RunCorrections,
    RunData,
    Step,
    run_corrections,
)
from scatterflow.saxswaxs.corrections import Chain
from scatterflow.saxswaxs.scale import intensity_label
from scatterflow.saxswaxs.standards import AbsoluteFactor
from scatterflow.saxswaxs.tasks import ResultTask


@dataclass(frozen=True)
class AppliedCorrections:
    """The corrections of a run. steps: in order; factors: C by detector."""

    corrections: RunCorrections
    factors: Mapping[str, AbsoluteFactor]
    steps: tuple[Step, ...]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The configuration of each step, None where it is left out."""
        return self.corrections.data.settings

    @property
    def label(self) -> str:
        """What intensities are, for axes."""
        return intensity_label(self.settings)

    @property
    def units(self) -> str:
        """NeXus unit of the corrected intensity."""
        # The text for the relative scale is fixed by NXazint1d and NXazint2d.
        return "1/cm" if self.settings["absolute"] is not None else "arbitrary units"

    def chain(self, task: ResultTask) -> Chain:
        """The chain of one integration."""
        return scaled(self.corrections.chain(task), self.factors.get(task.detector))


def prepare_corrections(
    data: RunData, others: Sequence[RunData], tasks: Sequence[ResultTask], warnings: list[str]
) -> AppliedCorrections:
    """Read monitors, references and standard of a run; raises UserError for what cannot be right.

    others: the runs that it is corrected with; warnings: receives what `on_violation: warn` lets pass.
    """
    known = {run.run: run for run in [*others, data]}
    corrections = run_corrections(data, known, warnings)
    factors = absolute_factors(corrections, known, tasks, warnings)
    steps = corrections.steps
    if factors:
        steps += (absolute_step(data.settings["absolute"], factors),)
    return AppliedCorrections(corrections, factors, steps)
