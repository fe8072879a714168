"""The result file of a shots reduction: NeXus, what holds for the run as a whole.

    /entry                          NXentry
        image                       NXdata: mean image of a detector, tiles where they are: the default plot
        <detector>_<statistic>      NXdata: a statistic of all pixels, with errors and counts, tiles stacked
        <detector>_sums             NXcollection: sums over the run, and how many shots each pixel has
        shots                       NXdata: the first monitor over the shots, its tags and times
        filters                     NXcollection: shots that each filter removes
        instrument/<detector>       NXdetector: constants, mask, positions
        instrument/monochromator    energy: of the azimuthal averages, else the median of the shots
        q_range                     lowest and highest q of the azimuthal averages, 1/angstrom
        user_N, sample, process_N_* NXprocess: calibration, reduction
        provenance                  NXcollection of NXnote

What is known of each shot is in the small data file beside it (`scatterflow.shots.merge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import reading, write_array, writing
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.nexus import add_fields, add_group, add_process
from scatterflow.files.provenance import now, software
from scatterflow.shots.calibrated import CalibratedDetector
from scatterflow.shots.entry import write_entry, write_run_provenance
from scatterflow.shots.images import ImageIndex, assemble, image_index, stacked_index
from scatterflow.shots.merge import RunSums
from scatterflow.shots.small_data import FILTERS, SmallData
from scatterflow.shots.statistics import arrays_of
from scatterflow.shots.table import ShotTable

SIGNALS = {
    "mean": ("mean", "standard_error"),
    "variance": ("sample_variance", None),
    "weighted_mean": ("mean", "standard_error"),
    "minimum": ("value", None),
    "maximum": ("value", None),
    "count": ("count", None),
    "quantiles": ("quantile", None),
    "reservoir": ("values", None),
}
"""Of each kind of statistic, the array that is shown, and its error."""
FIRST_AXES = {"quantiles": ["fractions"], "reservoir": ["tags"]}
"""What the first dimension of a statistic is, where it is no pixel's."""


def write_result(
    path: str | Path,
    small: SmallData,
    summed: RunSums,
    table: ShotTable,
    detectors: Sequence[CalibratedDetector],
    settings: Mapping[str, Any],
    description: Mapping[str, Any],
) -> None:
    """Write the result file, whole.

    small: the small data file of the run. settings, description: as of `merge_shots`.
    """
    date = now()
    with writing(path) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "scatterflow"})
        file.attrs["file_time"] = date
        entry = add_group(file, "entry", "NXentry")
        _write_entry(entry, small, table, description, date)
        _write_beam(entry, small, settings["detectors"])
        _write_shots(entry, small)
        for detector in detectors:
            _write_detector(entry, detector)
            _write_statistics(entry, detector, summed, settings["detectors"][detector.name])
            _write_sums(entry, detector, summed)
        shown = _write_image(entry, detectors, summed, settings["detectors"])
        entry.attrs["default"] = "image" if shown else "shots"
        _write_filters(entry, small)
        _write_steps(entry, detectors, settings, date)
        write_run_provenance(entry, table, description)


def _write_entry(
    entry: h5py.Group,
    small: SmallData,
    table: ShotTable,
    description: Mapping[str, Any],
    date: str,
) -> None:
    experiment = description["experiment"]
    start, stop = _times(table)
    write_entry(entry, description, date)
    shots = np.int64(small.shots)
    add_fields(entry, {"start_time": start, "end_time": stop, "number_of_shots": shots})
    instrument = add_group(entry, "instrument", "NXinstrument")
    add_fields(instrument, {"name": experiment["beamline"]})
    source = add_group(instrument, "source", "NXsource")
    add_fields(
        source,
        {"name": experiment["facility"], "type": experiment["facility_type"], "probe": "x-ray"},
    )


def _write_beam(entry: h5py.Group, small: SmallData, settings: Mapping[str, Any]) -> None:
    """Photon energy and range of q, as far as they are known."""
    energy = photon_energy_kev(small, settings)
    if energy is not None:
        group = add_group(entry["instrument"], "monochromator", "NXmonochromator")
        add_fields(group, {"energy": (np.float64(energy), "keV")})
    found = q_range(small)
    if found is not None:
        add_fields(entry, {"q_range": (np.array(found), "1/angstrom")})


def photon_energy_kev(small: SmallData, settings: Mapping[str, Any]) -> float | None:
    """The energy that q was computed with; where nothing was (or with several), the median of the shots.

    settings: of the detectors. None: not known.
    """
    used = {energy for own in settings.values() for energy in _energies_ev(own["functions"])}
    if len(used) == 1:
        return 1e-3 * used.pop()
    for name, values in small.scalars.items():
        scale = {"eV": 1e-3, "keV": 1.0}.get(small.unit(name))
        known = values[np.isfinite(values) & (values > 0)]
        if name.endswith("/photon_energy") and scale is not None and known.size:
            return scale * float(np.median(known))
    return None


def _energies_ev(functions: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """Photon energies of azimuthal averages, at any depth."""
    found = []
    for name, own in functions.items():
        if own.get("kind", name) == "azimuthal":
            found.append(float(own["photon_energy_ev"]))
        found += _energies_ev(own.get("functions", {}))
    return found


def q_range(small: SmallData) -> tuple[float, float] | None:
    """Lowest and highest q of bins with pixels, of all azimuthal averages, 1/angstrom; None: without."""
    found: list[np.ndarray] = []
    with reading(small.path) as file:
        for group in file.get("UserDataCfg", {}).values():
            for name in group:
                pixels = group.get(f"{name.removesuffix('_q')}_pixels")
                if name.endswith("_q") and pixels is not None:
                    found.append(group[name][()][pixels[()].any(axis=0)])
    q = np.concatenate([np.empty(0), *found])
    return (float(q.min()), float(q.max())) if q.size else None


def _times(table: ShotTable) -> tuple[str | None, str | None]:
    """Time of the first and of the last shot, UTC; None: not known."""
    times = table.columns.get("event_time")
    if times is None or not len(times) or table.units.get("event_time") != "ns":
        return None, None
    ends = np.array([times.min(), times.max()]).astype("datetime64[ns]")
    first, last = (f"{np.datetime_as_string(end, unit='ms')}+00:00" for end in ends)
    return first, last


def _write_shots(entry: h5py.Group, small: SmallData) -> None:
    """The first monitor, shot by shot."""
    shown = [*small.monitors(), *(name for name in small.scalars if name.startswith("damage/"))]
    group = add_group(entry, "shots", "NXdata", axes=["shot"])
    write_array(group, "shot", np.arange(small.shots), long_name="shot")
    write_array(group, "tag", small.tags)
    if not shown:
        return
    name = shown[0]
    group.attrs["signal"] = "value"
    unit = small.unit(name)
    text = f"{name} ({unit})" if unit else name
    write_array(group, "value", small.scalars[name], units=unit, long_name=text)
    write_array(group, "title", name)


def _write_detector(entry: h5py.Group, detector: CalibratedDetector) -> None:
    group = add_group(entry["instrument"], detector.name, "NXdetector")
    write_large(group, "pixel_mask", (~detector.good).astype(np.uint32))
    for name, values in detector.constants.items():
        if name != "good":
            units = "" if name == "gain" else "ADU"
            write_large(group, name, np.asarray(values, np.float64)).attrs["units"] = units
    if detector.positions is not None:
        for axis, positions in zip("xyz", detector.positions, strict=True):
            write_large(group, f"{axis}_pixel_offset", positions).attrs["units"] = "mm"


def _write_statistics(
    entry: h5py.Group, detector: CalibratedDetector, summed: RunSums, settings: Mapping[str, Any]
) -> None:
    for name, accumulator in summed.statistics[detector.name].items():
        kind = settings["statistics"][name]["kind"]
        arrays = arrays_of(accumulator, settings["statistics"][name])
        signal, error = SIGNALS[kind]
        group = add_group(entry, f"{detector.name}_{name}", "NXdata", signal=signal)
        write_array(group, "title", f"{kind.replace('_', ' ')} of {detector.name}, {name}")
        axes = FIRST_AXES.get(kind, [])
        group.attrs["axes"] = axes + ["."] * (arrays[signal].ndim - len(axes))
        for key, values in arrays.items():
            dataset = write_large(group, f"{signal}_errors" if key == error else key, values)
            dataset.attrs["units"] = _unit(key, detector.unit)


def _unit(key: str, unit: str) -> str:
    if key == "sample_variance":
        return f"{unit}^2"
    counted = ("count", "missing", "below", "above", "tags", "fractions", "effective_count")
    return "" if key in counted or key == "weight" else unit


def _write_sums(entry: h5py.Group, detector: CalibratedDetector, summed: RunSums) -> None:
    sums = summed.sums[detector.name]
    if not sums.recipes:
        return
    group = add_group(entry, f"{detector.name}_sums", "NXcollection")
    counts = sums.counts()
    for name, values in sums.finalize().items():
        square = sums.recipes[name].square
        dataset = write_large(group, name, values)
        dataset.attrs["units"] = f"{detector.unit}^2" if square else detector.unit
        write_large(group, f"{name}_count", counts[name])


def _write_image(
    entry: h5py.Group,
    detectors: Sequence[CalibratedDetector],
    summed: RunSums,
    settings: Mapping[str, Any],
) -> bool:
    """Mean image of the first detector that has one; whether there is any."""
    for detector in detectors:
        mean, error = _mean_of(detector, summed, settings[detector.name])
        if mean is None or mean.ndim < 2:
            continue
        index = index_of(detector)
        group = add_group(entry, "image", "NXdata", signal="image", axes=["y", "x"])
        write_array(group, "title", f"mean of {detector.name}")
        group.attrs["SILX_style"] = '{"signal_scale_type": "log"}'
        write_large(group, "image", assemble(mean, index, detector.good)).attrs.update(
            {"units": detector.unit, "long_name": f"mean ({detector.unit})"}
        )
        if error is not None:
            found = write_large(group, "image_errors", assemble(error, index, detector.good))
            found.attrs["units"] = detector.unit
        unit = "pixel" if detector.positions is None else "mm"
        for axis, start, number in (("y", index.y, index.shape[0]), ("x", index.x, index.shape[1])):
            write_array(group, axis, start + index.size * np.arange(number), units=unit)
        return True
    return False


def index_of(detector: CalibratedDetector) -> ImageIndex:
    """Where the pixels of a detector are in an image."""
    if detector.positions is None:
        return stacked_index(detector.shape)
    return image_index(*detector.positions[:2])


def _mean_of(
    detector: CalibratedDetector, summed: RunSums, settings: Mapping[str, Any]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Mean of the shots of a detector and its error: of a statistic, else of a sum."""
    for name, accumulator in summed.statistics[detector.name].items():
        if settings["statistics"][name]["kind"] in ("mean", "variance"):
            found = arrays_of(accumulator, settings["statistics"][name])
            return found["mean"], found["standard_error"]
    sums = summed.sums[detector.name]
    if "calib" not in sums.recipes:
        return None, None
    counts = sums.counts()["calib"]
    return sums.finalize()["calib"] / np.where(counts > 0, counts, np.nan), None


def _write_filters(entry: h5py.Group, small: SmallData) -> None:
    with reading(small.path) as file:
        if FILTERS not in file:
            return
        group = add_group(entry, "filters", "NXcollection")
        for name, dataset in file[FILTERS].items():
            write_array(group, f"{name}_removed", np.int64(dataset.attrs["removed"]))
            write_array(group, f"{name}_undefined", np.int64(dataset.attrs["undefined"]))


def _write_steps(
    entry: h5py.Group,
    detectors: Sequence[CalibratedDetector],
    settings: Mapping[str, Any],
    date: str,
) -> None:
    known = software()
    for index, detector in enumerate(detectors, start=1):
        own = settings["detectors"][detector.name]
        add_process(
            entry,
            f"process_{index}_{detector.name}",
            index,
            known,
            date,
            dict(own),
            unit=detector.unit,
        )
    index = len(detectors) + 1
    parameters = {key: settings[key] for key in ("defaults", "variables", "filters")}
    add_process(entry, f"process_{index}_shots", index, known, date, parameters)
