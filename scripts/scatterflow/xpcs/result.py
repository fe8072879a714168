"""The result file of an xpcs reduction: one HDF5 file with two faces.

`/xpcs` is APS 8-ID's layout (`result_aps`), which pyXpcsViewer opens; `/entry` is NeXus (`result_nexus`),
with NXxpcs, default plots, steps and provenance. `read_result` gives back what was written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.detectors.qmap_files import read_qmap
from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, writing
from scatterflow.files.hdf5_fields import read_fields
from scatterflow.files.nexus import read_note
from scatterflow.files.provenance import now
from scatterflow.xpcs.acquisition import Acquisition
from scatterflow.xpcs.correlation import Correlation
from scatterflow.xpcs.frames import Frames
from scatterflow.xpcs.g2 import G2Result
from scatterflow.xpcs.photon_histograms import PhotonHistograms
from scatterflow.xpcs.result_aps import PixelMeans, write_aps
from scatterflow.xpcs.result_nexus import write_nexus
from scatterflow.xpcs.twotime_result import TwoTimeResult

OWN_NOTES = ("settings", "description", "software")


def write_result(
    path: str | Path, correlation: Correlation, pixel_means: PixelMeans | None = None
) -> None:
    """Write the result file, whole.

    pixel_means: number of a delay -> (3, P) G2, IP and IF of every position, if they are to be saved.
    Raises UserError if the frame time is not known.
    """
    date = now()
    with writing(path) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "scatterflow"})
        file.attrs["file_time"] = date
        write_aps(file, correlation, pixel_means)
        write_nexus(file, correlation, date)


def read_result(path: str | Path, maps: bool = True) -> Correlation:
    """What `write_result` wrote, but for G2, IP and IF per pixel and the static sums of every frame.

    maps: without the two-time maps, which may be large, c2 of each bin is empty, (0, 0).

    Raises UserError if the file is missing or is no xpcs result of scatterflow.
    """
    with reading(path) as file:
        if "entry/correlation" not in file:
            raise UserError(
                "the file is no xpcs result of scatterflow",
                str(path),
                "results of XPCS-Eigen are translated by `scatterflow convert-xpcs`",
            )
        stored, notes = file["entry/correlation"], _notes(file["entry/provenance"])
        instead = {} if maps else {"c2": np.zeros((0, 0), np.float32)}
        return Correlation(
            qmap=read_qmap(path),
            frames=read_fields(stored["frames"], Frames),
            g2=read_fields(stored["g2"], G2Result) if "g2" in stored else None,
            acquisition=read_fields(stored["acquisition"], Acquisition),
            settings=notes["settings"],
            description=notes["description"],
            twotime=tuple(
                read_fields(stored[name], TwoTimeResult, instead)
                for name in sorted(stored)
                if name.startswith("c2_")
            ),
            photons=read_fields(stored["photons"], PhotonHistograms)
            if "photons" in stored
            else None,
            provenance={name: value for name, value in notes.items() if name not in OWN_NOTES},
        )


def _notes(group: h5py.Group) -> dict[str, Any]:
    return {name: read_note(note) for name, note in group.items()}
