"""The result as NeXus (`/entry`): the contributed definition NXxpcs, default plots, steps, provenance.

    /entry                        NXentry, definition NXxpcs (definitions v2026.01)
        data                      NXdata: g2, g2_derr, delay_difference as NXxpcs wants them
        g2                        NXdata: g2 and errors over the delay in s, a curve per bin: the default plot
        twotime                   NXdata: C2 of all bins (a view of /xpcs/twotime), g2 from it, partials
        mean_frame, scattering, intensity   NXdata: mean image, I per static bin, counts per frame
        instrument                incident_beam, detector_1 (names of APS 8-ID's metadata), masks
        sample, user_N, process_N_*
        provenance                NXcollection of NXnote
        correlation               NXcollection: everything, field by field, as scatterflow calls it;
                                  c2_NNNNN is an NXdata, with its map in cells where runs are long

Arrays that stand in /xpcs too are the same datasets under a second name (hard links).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array
from scatterflow.files.hdf5_fields import write_fields, write_large
from scatterflow.files.nexus import add_fields, add_group, add_note, add_process
from scatterflow.files.provenance import software
from scatterflow.xpcs.correlation import Correlation, g2_error, map_name
from scatterflow.xpcs.frames import REASONS
from scatterflow.xpcs.result_aps import maps_of_all_frames

# silx reads axes_scale_types, h5web axes_scale_type with a scale for every axis.
LOG_X = (
    '{"axes_scale_types": ["linear", "log"], "axes_scale_type": ["linear", "log"], '
    '"signal_scale_type": "linear"}'
)
LOG_SIGNAL = '{"signal_scale_type": "log"}'
UNITS = {
    **dict.fromkeys(("total", "detector_total", "static_sums", "mean", "static_mean"), "counts"),
    **dict.fromkeys(("static_error", "segments", "segment_errors"), "counts"),
    **dict.fromkeys(("delay", "partial_edges", "age_centres", "age_width", "step"), "frames"),
    **dict.fromkeys(("static_pixels", "pixels", "independent_pixels", "speckle_size"), "pixel"),
    **dict.fromkeys(("frame_time_s", "count_time_s"), "s"),
    **{"mean_variance": "counts^2", "energy_kev": "keV", "distance_m": "m", "exposures": "frames"},
    **dict.fromkeys(("beam_centre_row", "beam_centre_column"), "pixel"),
}
"""Units of what is kept in /entry/correlation; what is not listed has none."""
REFERENCES = {
    "multitau": "Lumma et al., Rev. Sci. Instrum. 71 (2000) 3274; Schätzel, Quantum Opt. 2 (1990) 287",
    "twotime": "Sutton et al., Opt. Express 11 (2003) 2268; Fluerasu et al., Phys. Rev. E 76 (2007) 010401",
    "speckle_statistics": "Li et al., J. Synchrotron Rad. 21 (2014) 1288",
}


def write_nexus(file: h5py.File, correlation: Correlation, date: str) -> None:
    """Write the group /entry of a file that holds /xpcs already."""
    entry = add_group(file, "entry", "NXentry")
    _write_entry(entry, correlation, date)
    _write_instrument(entry, file, correlation)
    _write_means(entry, correlation)
    if correlation.g2 is not None:
        _write_data(entry, file, correlation)
        _write_g2(entry, correlation)
    else:
        add_group(entry, "data", "NXdata")
    if maps_of_all_frames(correlation):
        _write_twotime(entry, file, correlation)
    entry.attrs["default"] = "g2" if correlation.g2 is not None else "mean_frame"
    _write_fields(entry, file, correlation)
    _write_steps(entry, correlation, date)
    _write_provenance(entry, correlation)


def _write_entry(entry: h5py.Group, correlation: Correlation, date: str) -> None:
    description, acquisition = correlation.description, correlation.acquisition
    experiment = description["experiment"]
    add_fields(
        entry,
        {
            "definition": "NXxpcs",
            "title": f"{experiment['title']}: {description['run']}",
            "entry_identifier": description["run"],
            "scan_number": _scan_number(correlation),
            "experiment_identifier": experiment.get("proposal") or None,
            # pyXpcsViewer opens no file without a start time.
            "start_time": acquisition.start_time or "unknown",
            "end_time": acquisition.end_time,
            "reduction_name": description["reduction"],
            "processed_time": date,
        },
    )
    for number, creator in enumerate(experiment.get("creators", ()), start=1):
        add_fields(add_group(entry, f"user_{number}", "NXuser"), {"name": creator})
    sample = add_group(entry, "sample", "NXsample")
    add_fields(
        sample,
        {
            **_sample_fields(acquisition.sample),
            "name": description.get("sample") or acquisition.sample.get("name") or "unknown",
        },
    )


def _sample_fields(sample: Mapping[str, Any]) -> dict[str, Any]:
    """What the metadata say of the sample: texts, and temperatures with their unit."""
    return {
        name.removesuffix("_K"): (value, "K") if name.endswith("_K") else value
        for name, value in sample.items()
    }


def _scan_number(correlation: Correlation) -> np.int64 | None:
    """The whole number that the definition asks for, though deprecated: the last one in the run's name."""
    numbers = re.findall(r"\d{1,18}", str(correlation.description["run"]))
    return np.int64(numbers[-1]) if numbers else None


def _write_instrument(entry: h5py.Group, file: h5py.File, correlation: Correlation) -> None:
    acquisition, attributes = correlation.acquisition, correlation.qmap.attributes
    experiment = correlation.description["experiment"]
    instrument = add_group(entry, "instrument", "NXinstrument")
    add_fields(instrument, {"name": experiment.get("beamline")})
    source = add_group(instrument, "source", "NXsource")
    kinds = {"name": experiment.get("facility"), "type": experiment.get("facility_type")}
    add_fields(source, {**kinds, "probe": "x-ray"})
    beam = add_group(instrument, "incident_beam", "NXbeam")
    _known(beam, "incident_energy", acquisition.energy_kev or attributes.get("energy"), "keV")
    pixel = acquisition.pixel_size_m or (attributes.get("pixel_size"),) * 2
    detector = add_group(instrument, "detector_1", "NXdetector")
    add_fields(detector, {"description": acquisition.detector})
    for name, value, unit in (
        ("frame_time", acquisition.frame_time_s, "s"),
        ("count_time", acquisition.count_time_s, "s"),
        ("distance", acquisition.distance_m or attributes.get("detector_distance"), "m"),
        ("beam_center_x", _first(acquisition.beam_centre_column, attributes, "x"), "pixel"),
        ("beam_center_y", _first(acquisition.beam_centre_row, attributes, "y"), "pixel"),
        ("x_pixel_size", pixel[1], "m"),
        ("y_pixel_size", pixel[0], "m"),
    ):
        _known(detector, name, value, unit)
    masks = add_group(instrument, "masks", "NXnote")
    qmap = file["xpcs/qmap"]
    masks["dynamic_roi_map"] = qmap["dynamic_roi_map"]
    masks["static_roi_map"] = qmap["static_roi_map"]
    for name in ("dynamic_roi_map", "static_roi_map"):
        masks[name].attrs["units"] = ""
    for number, name in enumerate(correlation.qmap.names):
        if name in ("q", "phi"):
            masks[f"dynamic_{name}_list"] = qmap[f"dynamic_v_list_dim{number}"]
            masks[f"static_{name}_list"] = qmap[f"static_v_list_dim{number}"]


def _first(measured: float | None, attributes: dict[str, Any], axis: str) -> float | None:
    return attributes.get(f"beam_center_{axis}") if measured is None else measured


def _known(group: h5py.Group, name: str, value: float | None, unit: str) -> None:
    """A number that readers ask for; NaN, and said so, where nobody knows it."""
    known = value is not None
    dataset = write_array(group, name, np.float64(value) if known else np.nan, units=unit)
    if not known:
        dataset.attrs["note"] = "not known: neither metadata nor q-map say it"


def _write_means(entry: h5py.Group, correlation: Correlation) -> None:
    frames, qmap = correlation.frames, correlation.qmap
    image = add_group(
        entry, "mean_frame", "NXdata", signal="data", interpretation="image", SILX_style=LOG_SIGNAL
    )
    data = write_large(image, "data", frames.mean)
    data.attrs.update({"units": "counts", "long_name": "mean counts per frame"})
    write_large(image, "data_errors", np.sqrt(frames.mean_variance)).attrs["units"] = "counts"

    scattering = add_group(entry, "scattering", "NXdata", signal="I")
    scattering.attrs["SILX_style"] = LOG_SIGNAL
    write_array(scattering, "I", frames.static_mean, units="counts", long_name="mean per pixel")
    write_array(scattering, "I_errors", frames.static_error, units="counts")
    for number, (name, unit) in enumerate(zip(qmap.names, qmap.units, strict=True)):
        write_array(scattering, name, qmap.static_values[:, number], units=unit)
    write_array(scattering, "static_bin", np.arange(1, qmap.static_bins + 1), units="")
    scattering.attrs["axes"] = [qmap.names[0] if len(qmap.names) == 1 else "static_bin"]

    intensity = add_group(entry, "intensity", "NXdata", signal="mean_counts", axes=["frame"])
    mean = write_array(intensity, "mean_counts", frames.total / qmap.pixels.size, units="counts")
    mean.attrs["long_name"] = "mean counts of the used pixels, all frames, bad ones too"
    write_array(intensity, "frame", np.arange(frames.total.size), units="frames")
    write_array(intensity, "valid", frames.valid)
    write_array(intensity, "reason", frames.reason, units="").attrs.update(REASONS)


def _write_data(entry: h5py.Group, file: h5py.File, correlation: Correlation) -> None:
    multitau = file["xpcs/multitau"]
    data = add_group(entry, "data", "NXdata", signal="g2", axes=["delay_difference", "bin"])
    for name, source in (
        ("g2", "normalized_g2"),
        ("g2_errors", "normalized_g2_err"),
        ("g2_derr", "normalized_g2_err"),
        ("delay_difference", "delay_list"),
        ("G2_unnormalized", "unnormalized_G2"),
    ):
        if source in multitau:
            data[name] = multitau[source]
            data[name].attrs["storage_mode"] = "one_array"
    bins = np.arange(1, correlation.qmap.dynamic_bins + 1)
    write_array(data, "bin", bins, units="", long_name="dynamic bin")
    data["frame_average"] = entry["mean_frame/data"]


def _write_g2(entry: h5py.Group, correlation: Correlation) -> None:
    """g2 once more with the delay last and in seconds: what viewers of NeXus draw as curves."""
    assert correlation.g2 is not None
    group = add_group(
        entry, "g2", "NXdata", signal="g2", axes=["bin", "delay"], interpretation="spectrum"
    )
    group.attrs["SILX_style"] = LOG_X
    values = np.ascontiguousarray(correlation.g2.g2.T)
    # h5web looks for the interpretation at the signal, silx at both.
    write_array(group, "g2", values, units="", long_name="g2", interpretation="spectrum")
    write_array(group, "g2_errors", np.ascontiguousarray(g2_error(correlation).T), units="")
    write_array(group, "delay", correlation.delay_s, units="s", long_name="delay")
    bins = np.arange(1, correlation.qmap.dynamic_bins + 1)
    write_array(group, "bin", bins, units="", long_name="dynamic bin")
    for number, (name, unit) in enumerate(
        zip(correlation.qmap.names, correlation.qmap.units, strict=True)
    ):
        group.attrs[f"{name}_indices"] = 0
        write_array(group, name, correlation.qmap.dynamic_values[:, number], units=unit)


def _write_twotime(entry: h5py.Group, file: h5py.File, correlation: Correlation) -> None:
    stored = file["xpcs/twotime"]
    group = add_group(
        entry, "twotime", "NXdata", signal="two_time_corr_func", axes=["bin", "age_1", "age_2"]
    )
    group.attrs["interpretation"] = "image"
    maps = [stored[f"correlation_map/{map_name(item)}"] for item in correlation.twotime]
    layout = h5py.VirtualLayout((len(maps), *maps[0].shape), dtype=maps[0].dtype)
    for number, dataset in enumerate(maps):
        layout[number] = h5py.VirtualSource(
            ".", dataset.name, shape=dataset.shape, dtype=dataset.dtype
        )
    view = group.create_virtual_dataset("two_time_corr_func", layout, fillvalue=np.nan)
    view.attrs.update(
        {
            "units": "",
            "long_name": "C2",
            "storage_mode": "one_array_q_first",
            "baseline_reference": 1,
            "time_origin_location": "upper_left",
            "populated_elements": "upper_half",
        }
    )
    bins = stored["processed_bins"][()]
    write_array(group, "bin", bins, units="", long_name="dynamic bin")
    times = np.arange(maps[0].shape[0]) * correlation.frame_step_s
    write_array(group, "age_1", times, units="s")
    write_array(group, "age_2", times, units="s")
    group["g2_from_two_time_corr_func"] = stored["normalized_g2"]
    group["g2_from_two_time_corr_func"].attrs.update(
        # The first point is the diagonal: it holds the shot noise.
        {"storage_mode": "one_array_q_last", "baseline_reference": 1, "first_point_for_fit": 0}
    )
    errors = np.stack([item.error for item in correlation.twotime], axis=1)
    write_array(
        group,
        "g2_err_from_two_time_corr_func",
        errors,
        units="",
        storage_mode="one_array_q_last",
    )
    group["g2_from_two_time_corr_func_partials"] = stored["normalized_g2_segments"]
    group["g2_from_two_time_corr_func_partials"].attrs.update(
        {"storage_mode": "one_array", "baseline_reference": 1}
    )


def _write_fields(entry: h5py.Group, file: h5py.File, correlation: Correlation) -> None:
    group = add_group(entry, "correlation", "NXcollection")
    write_fields(
        add_group(group, "frames", "NXcollection"),
        # The means are kept, not the sums of every frame that they were made from.
        replace(correlation.frames, static_sums=correlation.frames.static_sums[:0]),
        UNITS,
        linked={"mean": entry["mean_frame/data"], "valid": entry["intensity/valid"]},
    )
    write_fields(add_group(group, "acquisition", "NXcollection"), correlation.acquisition, UNITS)
    if correlation.g2 is not None:
        multitau = file["xpcs/multitau"]
        write_fields(
            add_group(group, "g2", "NXcollection"),
            correlation.g2,
            UNITS,
            linked={"delay": multitau["delay_list"], "g2": multitau["normalized_g2"]},
        )
    whole = maps_of_all_frames(correlation)
    for item in correlation.twotime:
        name = map_name(item)
        linked = {"c2": file[f"xpcs/twotime/correlation_map/{name}"]} if whole else None
        own = add_group(group, name, "NXdata", signal="c2", axes=["time_1", "time_2"])
        own.attrs["interpretation"] = "image"
        write_fields(own, item, UNITS, linked)
        # Of the middle of each cell.
        cells = np.arange(item.c2.shape[0]) * item.step + (item.step - 1) / 2
        for axis in ("time_1", "time_2"):
            write_array(own, axis, cells * correlation.frame_step_s, units="s")
    if correlation.photons is not None:
        write_fields(add_group(group, "photons", "NXcollection"), correlation.photons, UNITS)


def _write_steps(entry: h5py.Group, correlation: Correlation, date: str) -> None:
    settings = correlation.settings
    steps: list[tuple[str, dict[str, Any]]] = [
        ("frames", {key: settings.get(key) for key in ("frames", "preprocessing", "crop")})
    ]
    steps += [
        (name, settings[name])
        for name in ("multitau", "twotime", "speckle_statistics")
        if settings.get(name)
    ]
    for number, (name, parameters) in enumerate(steps, start=1):
        reference = {"reference": REFERENCES[name]} if name in REFERENCES else {}
        add_process(
            entry, f"process_{number}_{name}", number, software(), date, parameters, **reference
        )


def _write_provenance(entry: h5py.Group, correlation: Correlation) -> None:
    group = add_group(entry, "provenance", "NXcollection")
    notes = {
        "settings": (dict(correlation.settings), "configuration of this reduction"),
        "description": (dict(correlation.description), "run, reduction, sample, experiment"),
        "software": (software(), "versions and commit"),
        **{name: (value, name.replace("_", " ")) for name, value in correlation.provenance.items()},
    }
    for name, (value, text) in notes.items():
        add_note(group, name, value, text)
