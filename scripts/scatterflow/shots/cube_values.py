"""What a cube file says of each quantity: arrays by name, from the sums in a cube's cells.

    mean, mean_errors, counts             over the shots of a cell; standard error; shots with a value
    ratio, ratio_errors                   sum of the quantity / sum of its monitor, where it is normalised
    mean_of_ratios, mean_of_ratios_errors, counts_of_ratios     each shot divided by its monitor
    difference, difference_errors         on - off, of the ratio where there is one, else of the mean
    relative, relative_errors             (on - off) / off

The last four have no axis of the label that they are a difference of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scatterflow.shots.cubes import Cube, CubeResult

VIEWS = {"mean": "", "ratio": "_ratio", "difference": "_difference"}
"""Signals that have an NXdata of their own: the quantity's name and this."""


def cube_values(
    cube: Cube, found: CubeResult, name: str, settings: Mapping[str, Any] | None
) -> dict[str, np.ndarray]:
    """Arrays by name, (labels..., axes..., ...).

    found: the cube, finalised; settings: of the difference, None: none.
    """
    statistics = found.quantities[name]
    assert statistics.standard_error is not None
    values = {
        "mean": statistics.mean,
        "mean_errors": statistics.standard_error,
        "counts": statistics.count,
    }
    if name in found.ratio_of_sums:
        sums, ratios = found.ratio_of_sums[name], found.mean_of_ratios[name]
        assert ratios.standard_error is not None
        values |= {
            "ratio": sums.ratio,
            "ratio_errors": sums.standard_error,
            "mean_of_ratios": ratios.mean,
            "mean_of_ratios_errors": ratios.standard_error,
            "counts_of_ratios": ratios.count,
        }
    if settings is not None:
        label = next(one for one in cube.labels if one.name == settings["label"])
        on, off = (label.names.index(settings[key]) for key in ("on", "off"))
        of = "ratio" if name in found.ratio_of_sums else "mean"
        change = cube.difference(name, label.name, on, off, settings["pooled_off"], of)
        values |= {
            "difference": change.difference,
            "difference_errors": change.standard_error,
            "relative": change.relative,
            "relative_errors": change.relative_error,
        }
    return values
