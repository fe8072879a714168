"""What a result says of an integration frame by frame and pixel by pixel, besides intensities: outliers
that were left out, detectors that were missing, and its parameters."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.nexus import add_group
from scatterflow.saxswaxs.scale import UNITS
from scatterflow.saxswaxs.task_sums import (
    frames_there,
    read_rejected_frames,
    read_rejected_pixels,
)
from scatterflow.saxswaxs.tasks import ResultTask


def parameters_of(task: ResultTask) -> dict[str, Any]:
    """All parameters of an integration; of merged detectors geometry, mask and flat of each."""
    settings = {
        **task.weights.settings,
        "error_model": task.error_model,
        "robust": task.robust,
        "intensity_units": UNITS[task.weights.settings["intensity"]],
    }
    if not task.merged:
        return settings
    own = ("geometry", "geometry_sha256", "beam_centre", "mask_sha256", "flat_sha256")
    for name in own:
        settings[name] = {part.detector: part.weights.settings.get(name) for part in task.parts}
    return {**settings, "merged": [part.detector for part in task.parts]}


def write_frame_notes(data: h5py.Group, container: Any, task: ResultTask) -> None:
    """`rejected_pixels` and, of merged detectors, `detectors_there`, beside the intensities of all frames."""
    data["I"].attrs["intensity_scale"] = task.weights.settings["intensity"]
    if task.robust is not None:
        write_array(
            data,
            "rejected_pixels",
            read_rejected_pixels(container, task),
            units="pixels",
            long_name="pixels left out as outliers",
        )
        data.attrs["rejected_pixels_indices"] = 0
    if task.merged:
        there = frames_there(container, task, slice(None))
        write_array(
            data,
            "detectors_there",
            np.ascontiguousarray(there.T),
            long_name="frames (rows) that each detector (columns) has",
            detectors=[part.detector for part in task.parts],
        )


def write_rejected(subentry: h5py.Group, container: Any, task: ResultTask) -> None:
    """Images of how often each pixel was an outlier: a new hot pixel is one in most frames."""
    if task.robust is None:
        return
    for part in task.parts:
        image = read_rejected_frames(container, part)
        group = add_group(
            subentry,
            f"rejected_{part.detector}",
            "NXdata",
            signal="frames",
            interpretation="image",
        )
        dataset = write_large(group, "frames", image)
        dataset.attrs.update(
            {"units": "frames", "long_name": "frames in which the pixel was left out as an outlier"}
        )
