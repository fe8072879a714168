"""A result of XPCS-Eigen (`/measurement`, `/xpcs`, `/exchange`; APS 8-ID before 2024) as our result file.

| `/exchange` | becomes |
| --- | --- |
| `tau`, `norm-0-g2`, `norm-0-stderr` | delays, g2, its error |
| `G2`, `IP`, `IF` | per pixel, if they cover the detector |
| `pixelSum` | mean image: it is a mean, whatever its name says |
| `frameSum` | counts per frame: stored is their sum divided by all pixels of the detector |
| `partition-mean-total`, `-partial` | means per static bin, of the run and of its parts |
| `C2T_all/g2_%05d` | two-time maps; g2, partials and errors are made anew from them |

Old q-maps keep the numbers of empty bins, ours have none: columns of empty bins are left out. What the
old file does not hold (errors of means, speckle size, bad frames) is left out; what is not translated is
told.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.convert.notes import Notes
from scatterflow.detectors.qmap import QMap
from scatterflow.detectors.qmap_files import read_qmap
from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading, text_of
from scatterflow.files.provenance import raw_file_record
from scatterflow.xpcs.acquisition import Acquisition, read_acquisition
from scatterflow.xpcs.correlation import Correlation, with_geometry
from scatterflow.xpcs.frames import Frames
from scatterflow.xpcs.g2 import G2Result
from scatterflow.xpcs.result import write_result
from scatterflow.xpcs.result_aps import PixelMeans
from scatterflow.xpcs.twotime import TwoTimeSettings, analyse_map
from scatterflow.xpcs.twotime_result import TwoTimeResult

TRANSLATED = {
    *("tau", "norm-0-g2", "norm-0-stderr", "G2", "IP", "IF", "pixelSum", "frameSum"),
    *("partition-mean-total", "partition-mean-partial", "C2T_all"),
}
MADE_ANEW = {"g2full", "g2partials"}
SMOOTHING = {"symmetric": "dynamic", "StaticMap": "static"}


def convert_legacy_xpcs(path: str | Path, result: str | Path) -> Notes:
    """Translate an old result into a new file; returns what was changed or left out.

    Raises UserError for a file that is no result of XPCS-Eigen, and for arrays that do not fit each other.
    """
    notes = Notes()
    with reading(path, "give a whole result of XPCS-Eigen") as file:
        exchange = _exchange(file, str(path))
        acquisition = read_acquisition(path)
        qmap = with_geometry(read_qmap(path), acquisition)
        old = _Old(file, exchange, qmap, str(path), notes)
        correlation = _correlation(old, acquisition)
        for name in exchange:
            if name not in TRANSLATED | MADE_ANEW:
                notes.lose(f"{exchange.name}/{name}", "has no counterpart; fit the new result")
        write_result(result, correlation, _pixel_means(old))
    return notes


class _Old:
    """The old file: its groups, and what every part of the translation needs."""

    def __init__(
        self, file: h5py.File, exchange: h5py.Group, qmap: QMap, path: str, notes: Notes
    ) -> None:
        self.xpcs: h5py.Group = file["xpcs"]
        self.exchange = exchange
        self.qmap = qmap
        self.path = path
        self.notes = notes

    def setting(self, name: str, default: Any) -> Any:
        """A single value of /xpcs."""
        if name not in self.xpcs:
            return default
        value = np.asarray(self.xpcs[name][()]).reshape(-1)[0]
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value.item()

    def values(self, name: str) -> np.ndarray:
        """A dataset of results as float64."""
        if name not in self.exchange:
            raise self.fault(name, "is missing")
        return np.asarray(self.exchange[name][()], np.float64)

    def of_bins(self, name: str, kind: str) -> np.ndarray:
        """A dataset with bins along its last axis, without those that are empty."""
        values = self.values(name)
        index = getattr(self.qmap, f"{kind}_index")
        natural = int(np.prod(getattr(self.qmap, f"{kind}_shape")))
        if values.shape[-1] == natural:
            return values[..., index]
        if values.shape[-1] == index.size:
            return values
        raise self.fault(name, f"has {values.shape[-1]} {kind} bins, the q-map {natural}")

    def frame_sums(self) -> np.ndarray:
        """Counts of each frame, divided by all pixels of the detector."""
        values = self.values("frameSum")
        if values.ndim != 2 or len(values) != 2:
            raise self.fault("frameSum", f"is {values.shape}, not a time and a sum per frame")
        return values[1]

    def fault(self, name: str, what: str) -> UserError:
        return UserError(
            f"{self.exchange.name}/{name} {what}", self.path, "reduce the raw data again"
        )


def _exchange(file: h5py.File, path: str) -> h5py.Group:
    """The group of results: /exchange, or the one that /xpcs/output_data names."""
    if "xpcs/dqmap" in file:
        named = text_of(np.asarray(file["xpcs"].get("output_data", b"/exchange")).reshape(-1)[0])
        for name in (named, "/exchange"):
            group = file.get(name)
            if isinstance(group, h5py.Group) and ("norm-0-g2" in group or "C2T_all" in group):
                return group
    raise UserError(
        "the file is no result of XPCS-Eigen",
        path,
        "it needs /xpcs/dqmap, and norm-0-g2 or C2T_all in /exchange",
    )


def _correlation(old: _Old, acquisition: Acquisition) -> Correlation:
    twotime = tuple(_twotime(old))
    name = Path(old.path).name
    return Correlation(
        qmap=old.qmap,
        frames=_frames(old),
        g2=_g2(old),
        acquisition=acquisition,
        settings=_settings(old, bool(twotime)),
        description={
            "run": Path(old.path).stem,
            "reduction": "converted",
            "sample": None,
            "experiment": {
                "title": f"converted from {name}",
                "facility": "APS",
                "beamline": "8-ID",
            },
        },
        twotime=twotime,
        provenance={
            "converted_from": raw_file_record(old.path),
            "notes": old.notes.lines(),
        },
    )


def _settings(old: _Old, twotime: bool) -> dict[str, Any]:
    return {
        "frames": {
            # 1-based and inclusive there; from 0, end exclusive here.
            "begin": int(old.setting("data_begin_todo", 1)) - 1,
            "end": int(old.setting("data_end_todo", 0)) or None,
            "stride": int(old.setting("stride_frames", 1)),
            "average": int(old.setting("avg_frames", 1)),
        },
        "preprocessing": {
            "normalise": "frame_sum" if old.setting("normalize_by_framesum", 0) else "none"
        },
        "multitau": {
            "lags": "multitau",
            "delays_per_level": int(old.setting("delays_per_level", 4)),
            "normalisation": "static_bins",
            "errors": "pixels",
        },
        "twotime": {"smoothing": _smoothing(old)} if twotime else None,
        "speckle_statistics": None,
    }


def _smoothing(old: _Old) -> str:
    if old.setting("smoothing_filter", "None") == "Average":
        return "time_average"
    return SMOOTHING.get(old.setting("smoothing_method", "symmetric"), "dynamic")


def _frames(old: _Old) -> Frames:
    means = old.of_bins("partition-mean-total", "static")
    segments = means
    if "partition-mean-partial" in old.exchange:
        segments = old.of_bins("partition-mean-partial", "static")
    mean = old.values("pixelSum")
    if mean.shape != old.qmap.mask.shape:
        raise old.fault("pixelSum", f"is {mean.shape}, the q-map {old.qmap.mask.shape}")
    per_pixel = old.frame_sums()
    old.notes.change(
        "frameSum", "counts per frame are those of all valid pixels, in the q-map or not"
    )
    frames = per_pixel.size
    bins = old.qmap.static_bins
    return Frames(
        valid=np.ones(frames, bool),
        scale=np.ones(frames),
        total=per_pixel * mean.size,
        detector_total=per_pixel * mean.size,
        reason=np.zeros(frames, np.uint8),
        static_sums=np.zeros((0, bins)),
        static_pixels=np.bincount(old.qmap.static_of_position, minlength=bins),
        mean=mean,
        mean_variance=np.full(mean.shape, np.nan),
        static_mean=means.reshape(-1),
        static_error=np.full(bins, np.nan),
        segments=segments,
        unscaled=not old.setting("normalize_by_framesum", 0),
    )


def _g2(old: _Old) -> G2Result | None:
    if "norm-0-g2" not in old.exchange:
        return None
    g2 = old.of_bins("norm-0-g2", "dynamic")
    error = old.of_bins("norm-0-stderr", "dynamic")
    delay = old.values("tau").reshape(-1).astype(np.int64)
    if len(g2) != delay.size:
        raise old.fault("norm-0-g2", f"has {len(g2)} delays, tau {delay.size}")
    old.notes.change(
        "norm-0-stderr", "the scatter over pixels, as if they were independent: too small"
    )
    per_level = 2 * int(old.setting("delays_per_level", 4))
    level = np.ceil(np.log2(np.maximum(delay / per_level, 1))).astype(np.int64)
    frames = old.frame_sums().size
    return G2Result(
        delay=delay,
        level=level,
        pairs=(frames >> level) - (delay >> level),
        g2=g2,
        empty=np.zeros(g2.shape, np.int64),
        error=error,
        error_time=None,
        partial=None,
        partial_error=None,
        partial_labels=None,
        speckle_size=np.full(g2.shape[1], np.nan),
        independent_pixels=np.tile(np.bincount(old.qmap.dynamic_of_position), (len(g2), 1)),
    )


def _twotime(old: _Old) -> list[TwoTimeResult]:
    if "C2T_all" not in old.exchange:
        return []
    maps = old.exchange["C2T_all"]
    windows = old.exchange["g2partials"].shape[1] if "g2partials" in old.exchange else 0
    found = []
    for name in sorted(maps):
        number = int(name.split("_")[-1]) - 1
        place = np.flatnonzero(old.qmap.dynamic_index == number)
        if place.size == 0:
            old.notes.lose(f"C2T_all/{name}", "the q-map has no pixel in this bin")
            continue
        c2 = np.asarray(maps[name][()], np.float64)
        settings = TwoTimeSettings(partial=windows, largest_map=len(c2))
        bin_ = int(place[0])
        found.append(
            replace(
                analyse_map(c2, settings),
                bin=bin_,
                smoothing=_smoothing(old),
                pixels=int(np.count_nonzero(old.qmap.dynamic == bin_ + 1)),
            )
        )
    old.notes.change("g2full, g2partials", "made anew from C2T_all")
    return found


def _pixel_means(old: _Old) -> PixelMeans | None:
    """G2, IP, IF per pixel, if they are there."""
    if not all(name in old.exchange for name in ("G2", "IP", "IF")):
        return None
    parts = [old.exchange[name] for name in ("G2", "IP", "IF")]
    if any(part.shape[-1] != old.qmap.mask.size for part in parts):
        old.notes.lose("G2, IP, IF", "not of all pixels of the detector")
        return None
    pixels = old.qmap.pixels
    return lambda number: np.stack([part[number].astype(np.float64)[pixels] for part in parts])
