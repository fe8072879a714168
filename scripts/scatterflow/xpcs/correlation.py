"""All that one reduction of one run has found: what the result file holds, fits and plots read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scatterflow.detectors.qmap import QMap
from scatterflow.errors import UserError
from scatterflow.xpcs.acquisition import Acquisition
from scatterflow.xpcs.frames import Frames
from scatterflow.xpcs.g2 import G2Result
from scatterflow.xpcs.photon_histograms import PhotonHistograms
from scatterflow.xpcs.twotime_result import TwoTimeResult


@dataclass(frozen=True)
class Correlation:
    """What a result holds.

    qmap: bins of the detector. frames: what became of each frame, and means. g2: multi-tau (or linear)
    correlation, None if only two-time. twotime: per dynamic bin, in the order of the bins. photons:
    histograms of photon counts, None without. acquisition: times, geometry, metadata. settings: the
    reduction's configuration. description: run, reduction, sample, experiment. provenance: name -> whatever
    JSON can hold.
    """

    qmap: QMap
    frames: Frames
    g2: G2Result | None
    acquisition: Acquisition
    settings: Mapping[str, Any]
    description: Mapping[str, Any]
    twotime: Sequence[TwoTimeResult] = ()
    photons: PhotonHistograms | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def raw_frames_per_frame(self) -> int:
        """Raw frames from the start of one processed frame to the next: stride * average."""
        frames = self.settings["frames"]
        return int(frames["stride"]) * int(frames["average"])

    @property
    def frame_step_s(self) -> float:
        """Time from one processed frame to the next, s.

        Raises UserError if the time of a raw frame is not known.
        """
        if self.acquisition.frame_time_s is None:
            raise UserError(
                "the time between frames is not known",
                f"run {self.description['run']}, reduction {self.description['reduction']}",
                "set frame_time_s in the reduction",
            )
        return self.acquisition.frame_time_s * self.raw_frames_per_frame

    @property
    def delay_s(self) -> np.ndarray:
        """Delays of g2, (T,) float64, s."""
        assert self.g2 is not None
        return self.g2.delay * self.frame_step_s

    @property
    def heading(self) -> str:
        """Run and sample, for the titles of figures."""
        sample = self.description.get("sample")
        run = str(self.description["run"])
        return f"{run} · {sample}" if sample else run


def g2_error(correlation: Correlation) -> np.ndarray:
    """The standard error of g2 that the configuration chose, (T, Nd) float64.

    Blocks of time see the beam, but blocks that are shorter than the dynamics are not independent of one
    another, and at long delays there are none: the error from speckles is then the larger, or the only one.
    """
    g2 = correlation.g2
    assert g2 is not None
    if correlation.settings["multitau"]["errors"] == "time_blocks" and g2.error_time is not None:
        return np.fmax(g2.error_time, g2.error)
    return g2.error


def map_name(item: TwoTimeResult) -> str:
    """Name of a two-time map in a file: by its dynamic bin, from 1."""
    return f"c2_{bin_number(item):05d}"


def bin_number(item: TwoTimeResult) -> int:
    """Number of the dynamic bin of a two-time map, from 1, as the q-map has it."""
    assert item.bin is not None
    return item.bin + 1


def with_geometry(qmap: QMap, acquisition: Acquisition) -> QMap:
    """The q-map with the numbers of its geometry that it lacks, from the metadata: viewers ask for them."""
    pixel = acquisition.pixel_size_m
    known = {
        "beam_center_x": acquisition.beam_centre_column,
        "beam_center_y": acquisition.beam_centre_row,
        "pixel_size": None if pixel is None else pixel[0],
        "energy": acquisition.energy_kev,
        "detector_distance": acquisition.distance_m,
    }
    added = {name: value for name, value in known.items() if value is not None}
    return replace(qmap, attributes={**added, **qmap.attributes})
