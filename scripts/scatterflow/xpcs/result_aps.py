"""The result in the layout of APS 8-ID's boost_corr (`/xpcs`), as pyXpcsViewer opens it.

    /xpcs/qmap                                    the q-map, as in its file
    /xpcs/multitau/delay_list                     (T,) frames after stride and average
        normalized_g2, normalized_g2_err          (T, dynamic bins)
        normalized_g2_partial, _err, _labels      (windows, T, dynamic bins), (windows,)
        unnormalized_G2                           (T, 3, rows, columns): G2, IP, IF per pixel, if saved
        config/*                                  the settings
    /xpcs/temporal_mean/scattering_2d             (1, rows, columns)
        scattering_1d, scattering_1d_segments     (1, static bins), (segments, static bins)
    /xpcs/spatial_mean/intensity_vs_time          (2, frames): frame, mean over the used pixels
    /xpcs/twotime/correlation_map/c2_%05d         (frames, frames), upper triangle; the number is the bin's
        processed_bins                            (bins,) numbers of the dynamic bins, from 1
        normalized_g2                             (frames, bins), by delay from 0
        normalized_g2_segments                    (frames in a segment, segments, bins)
        config/*

boost_corr numbers the c2 maps from 1 whatever their bin, and its segments are no means; here they are. The
viewer reads maps of all frames only: those kept in cells of several frames are in /entry/correlation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

from scatterflow.detectors.qmap_files import write_qmap_group
from scatterflow.files.hdf5 import write_array
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.json import to_json
from scatterflow.xpcs.correlation import Correlation, bin_number, g2_error, map_name

PixelMeans = Callable[[int], np.ndarray]
"""Number of a delay -> (3, P) float64: G2, IP, IF of every position, means per frame pair."""


def write_aps(file: h5py.File, correlation: Correlation, pixel_means: PixelMeans | None) -> None:
    """Write the group /xpcs. pixel_means: None: not to be saved."""
    xpcs = file.create_group("xpcs")
    write_qmap_group(xpcs.create_group("qmap"), correlation.qmap)
    raw = correlation.provenance.get("raw_files") or [{"path": "unknown"}]
    write_array(xpcs, "rawdata_path", raw[0]["path"])
    _write_means(xpcs, correlation)
    if correlation.g2 is not None:
        _write_multitau(xpcs.create_group("multitau"), correlation, pixel_means)
    if maps_of_all_frames(correlation):
        _write_twotime(xpcs.create_group("twotime"), correlation)


def maps_of_all_frames(correlation: Correlation) -> bool:
    """Whether there are two-time maps, and each has a row for every frame."""
    maps = correlation.twotime
    return bool(maps) and all(item.step == 1 for item in maps)


def _write_means(xpcs: h5py.Group, correlation: Correlation) -> None:
    frames, qmap = correlation.frames, correlation.qmap
    temporal = xpcs.create_group("temporal_mean")
    image = write_large(temporal, "scattering_2d", frames.mean[None])
    image.attrs["units"] = "counts"
    write_array(temporal, "scattering_1d", frames.static_mean[None], units="counts")
    write_array(temporal, "scattering_1d_segments", frames.segments, units="counts")
    number = np.arange(frames.total.size, dtype=np.float64)
    intensity = np.stack([number, frames.total / qmap.pixels.size])
    write_array(
        xpcs.create_group("spatial_mean"),
        "intensity_vs_time",
        intensity,
        description="row 0: frame, row 1: mean counts of the used pixels",
    )


def _write_multitau(
    group: h5py.Group, correlation: Correlation, pixel_means: PixelMeans | None
) -> None:
    g2 = correlation.g2
    assert g2 is not None
    write_array(group, "delay_list", g2.delay, units="frames")
    write_array(group, "normalized_g2", g2.g2, units="", long_name="g2")
    write_array(group, "normalized_g2_err", g2_error(correlation), units="")
    if g2.partial is not None:
        write_array(group, "normalized_g2_partial", g2.partial, units="")
        write_array(group, "normalized_g2_partial_err", g2.partial_error, units="")
        write_array(group, "normalized_g2_partial_labels", g2.partial_labels)
    _write_config(group, correlation, correlation.settings["multitau"], "Multitau")
    if pixel_means is not None:
        _write_pixels(group, correlation, pixel_means)


def _write_pixels(group: h5py.Group, correlation: Correlation, pixel_means: PixelMeans) -> None:
    """One image at a time: all of them may be larger than the memory."""
    assert correlation.g2 is not None
    delays, shape = correlation.g2.delay.size, correlation.qmap.mask.shape
    dataset = group.create_dataset(
        "unnormalized_G2",
        shape=(delays, 3, *shape),
        dtype=np.float64,
        chunks=(1, 1, *shape),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
        track_times=False,
    )
    dataset.attrs["description"] = "G2, IP, IF: means over the pairs of frames; 0 in unused pixels"
    dataset.attrs["units"] = "counts^2, counts, counts"
    images = np.zeros((3, correlation.qmap.mask.size))
    for number in range(delays):
        images[:, correlation.qmap.pixels] = pixel_means(number)
        dataset[number] = images.reshape(3, *shape)


def _write_twotime(group: h5py.Group, correlation: Correlation) -> None:
    maps = group.create_group("correlation_map")
    bins = []
    for item in correlation.twotime:
        dataset = write_large(maps, map_name(item), item.c2)
        dataset.attrs["units"] = ""
        bins.append(bin_number(item))
    write_array(group, "processed_bins", np.array(bins, dtype=np.int32))
    g2 = np.stack([item.g2 for item in correlation.twotime], axis=1)
    write_array(group, "normalized_g2", g2, units="")
    segments = np.stack([item.partial.T for item in correlation.twotime], axis=2)
    write_array(group, "normalized_g2_segments", segments, units="")
    _write_config(group, correlation, correlation.settings["twotime"], "Twotime")


def _write_config(
    group: h5py.Group, correlation: Correlation, settings: Mapping[str, Any], kind: str
) -> None:
    """Settings as single values: those that the viewer reads under boost_corr's names, then our own."""
    frames = correlation.settings["frames"]
    config = group.create_group("config")
    named = {
        "type": kind,
        "begin_frame": frames["begin"],
        "end_frame": -1 if frames["end"] is None else frames["end"],
        "stride_frame": frames["stride"],
        "avg_frame": frames["average"],
    }
    for key, value in {**settings, **named}.items():
        if value is None:
            value = "none"
        elif isinstance(value, bool):
            value = np.bool_(value)
        elif not isinstance(value, str | int | float):
            value = to_json(value, indent=None)
        write_array(config, key, value)
