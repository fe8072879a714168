"""The analysis file of a run of shots: NeXus, an NXdata for each calculation.

    /entry                        NXentry; default: the first calculation
        title, entry_identifier, reduction_name, sample
        <name>                    NXdata; attributes `type`, `variable`
            histogram             counts over value; below, above, missing
            histogram2d           counts over x, y; with_outside: with those below and above along each axis
            binned_statistics     mean, mean_errors, counts over along; outside (below, above), missing
            moments               mean, mean_errors, standard_deviation, counts
            extremes              minimum, maximum, counts
            quantiles             quantiles over fraction, counts
            weighted_mean         mean, mean_errors, weight, effective_count, counts
            running_mean          mean, weight, counts
            covariance            covariance, correlation, mean, count, missing
            top_shots, random_shots   keys, tags, positions in the run; seen, missing
        <name>_<detector>         NXdata: images of these shots
        process_<n>_<name>        NXprocess: each calculation with its settings
        provenance                NXcollection of NXnote: small data, images, settings, software

Axes of bins are their centres, beside <axis>_edges. NaN: there is no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import write_array, writing
from scatterflow.files.hdf5_fields import write_large
from scatterflow.files.nexus import add_group, add_process
from scatterflow.files.provenance import now, software
from scatterflow.shots.calculate import KeptImages
from scatterflow.shots.calculators import BinnedResult, Histogram
from scatterflow.shots.covariance import CovarianceStatistics
from scatterflow.shots.entry import write_entry, write_provenance
from scatterflow.shots.moments import Statistics
from scatterflow.shots.per_shot import element_axes
from scatterflow.shots.quantiles import Quantiles
from scatterflow.shots.weighted import RunningStatistics, WeightedStatistics

if TYPE_CHECKING:
    from scatterflow.shots.small_data import SmallData


def write_calculations(
    path: str | Path,
    small: SmallData,
    results: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    description: Mapping[str, Any],
    images: Mapping[str, Any],
) -> None:
    """Write the results of calculations, whole.

    results, settings: by name of the calculation; description: run, reduction, sample, experiment; images:
    what is known of where images come from, for the record.
    """
    date = now()
    with writing(path) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "scatterflow"})
        file.attrs["file_time"] = date
        entry = add_group(file, "entry", "NXentry", default=next(iter(settings)))
        write_entry(entry, description, date, "calculations")
        for index, (name, own) in enumerate(settings.items(), start=1):
            group = add_group(entry, name, "NXdata", type=own["type"])
            write_array(group, "title", f"{name}: {own['type']}")
            _WRITERS[type(results[name])](group, small, results[name], own)
            if "variable" in own:
                group.attrs["variable"] = own["variable"]
            add_process(entry, f"process_{index}_{name}", index, software(), date, dict(own))
        write_provenance(entry, small, settings, description, images)


def _field(group: h5py.Group, name: str, values: Any, unit: str, title: str = "") -> None:
    dataset = write_large(group, name, np.asarray(values))
    dataset.attrs["units"] = unit
    if title:
        dataset.attrs["long_name"] = title


def _bins(group: h5py.Group, name: str, edges: np.ndarray, variable: str, small: SmallData) -> None:
    """Centres and edges of the bins of a variable."""
    unit = small.unit(variable)
    title = f"{variable} ({unit})" if unit else variable
    _field(group, name, (edges[1:] + edges[:-1]) / 2, unit, title)
    _field(group, f"{name}_edges", edges, unit)


def _plotted(group: h5py.Group, signal: str, axes: list[str], image: bool = False) -> None:
    group.attrs.update({"signal": signal, "axes": axes})
    for place, name in enumerate(axes):
        if name != ".":
            group.attrs[f"{name}_indices"] = place
    if axes:
        group.attrs["interpretation"] = "image" if image else "spectrum"


def _element_axes(group: h5py.Group, small: SmallData, name: str) -> list[str]:
    """Coordinates of the elements of a variable, written; their names, "." for none."""
    axes = ["."] * len(small.shape(name))
    for title, (place, values, unit) in element_axes(small, name).items():
        _field(group, title, values, unit, f"{title} ({unit})" if unit else title)
        axes[place] = title
    return axes


def _histogram(group: h5py.Group, small: SmallData, found: Histogram, own: Any) -> None:
    if len(found.edges) == 2:
        _histogram2d(group, small, found, own)
        return
    _bins(group, "value", found.edges[0], own["variable"], small)
    _field(group, "counts", found.counts, "", "counts")
    _field(group, "below", found.with_outside[0], "")
    _field(group, "above", found.with_outside[-1], "")
    _field(group, "missing", np.int64(found.missing), "")
    _plotted(group, "counts", ["value"])


def _histogram2d(group: h5py.Group, small: SmallData, found: Histogram, own: Any) -> None:
    axes = ["x", "y"]
    for axis, edges in zip(axes, found.edges, strict=True):
        _bins(group, axis, edges, own[axis]["variable"], small)
    _field(group, "counts", found.counts, "", "counts")
    _field(group, "with_outside", found.with_outside, "")
    _field(group, "missing", np.int64(found.missing), "")
    _plotted(group, "counts", axes, image=True)


def _binned(group: h5py.Group, small: SmallData, found: BinnedResult, own: Any) -> None:
    _bins(group, "along", found.edges, own["along"], small)
    _field(group, "outside", found.outside, "", f"shots with {own['along']} below and above")
    _field(group, "missing", np.int64(found.missing), "")
    elements = _mean(group, small, found.statistics, own["variable"])
    _plotted(group, "mean", ["along", *elements])


def _moments(group: h5py.Group, small: SmallData, found: Any, own: Any) -> None:
    _plotted(group, "mean", _mean(group, small, found, own["variable"]))
    deviation = found.standard_deviation
    _field(group, "standard_deviation", deviation, small.unit(own["variable"]))


def _mean(group: h5py.Group, small: SmallData, found: Any, variable: str) -> list[str]:
    """Mean, error, counts; the axes of a shot's value."""
    unit = small.unit(variable)
    _field(group, "mean", found.mean, unit, f"mean of {variable}")
    _field(group, "mean_errors", found.standard_error, unit)
    _field(group, "counts", found.count, "", "shots with a value")
    return _element_axes(group, small, variable)


def _extremes(group: h5py.Group, small: SmallData, found: Any, own: Any) -> None:
    variable = own["variable"]
    for name, extreme in zip(("minimum", "maximum"), found, strict=True):
        _field(group, name, extreme.value, small.unit(variable), f"{name} of {variable}")
    _field(group, "counts", found[0].count, "", "shots with a value")
    axes = _element_axes(group, small, variable)
    _plotted(group, "maximum", axes)
    group.attrs["auxiliary_signals"] = ["minimum"]


def _quantiles(group: h5py.Group, small: SmallData, found: Any, own: Any) -> None:
    variable = own["variable"]
    _field(group, "quantiles", found.quantile, small.unit(variable), f"quantiles of {variable}")
    _field(group, "fraction", found.fractions, "", "fraction of shots at or below")
    for name in ("count", "below", "above"):
        _field(group, {"count": "counts"}.get(name, name), getattr(found, name), "")
    axes = _element_axes(group, small, variable)
    _plotted(group, "quantiles", ["fraction", *axes])


def _weighted_mean(group: h5py.Group, small: SmallData, found: Any, own: Any) -> None:
    _plotted(group, "mean", _mean(group, small, found, own["variable"]))
    _field(group, "weight", found.weight, small.unit(own["weight"]), "sum of weights")
    _field(group, "effective_count", found.effective_count, "")


def _running_mean(group: h5py.Group, small: SmallData, found: Any, own: Any) -> None:
    variable = own["variable"]
    _field(group, "mean", found.mean, small.unit(variable), f"running mean of {variable}")
    _field(group, "weight", found.weight, "", "shots that it is made of, at most the lifetime")
    _field(group, "counts", found.count, "", "shots with a value")
    _plotted(group, "mean", _element_axes(group, small, variable))


def _covariance(group: h5py.Group, small: SmallData, found: Any, own: Any) -> None:
    variable, unit = own["variable"], small.unit(own["variable"])
    square = f"({unit})^2" if unit else ""
    _field(group, "covariance", found.sample_covariance, square, f"covariance of {variable}")
    _field(group, "correlation", found.correlation, "", f"correlation of {variable}")
    _field(group, "mean", found.mean, unit)
    _field(group, "count", np.int64(found.count), "", "shots")
    _field(group, "missing", np.int64(found.missing), "", "shots without one of the elements")
    _plotted(group, "covariance", [".", "."], image=True)


def _kept_shots(group: h5py.Group, small: SmallData, found: KeptImages, own: Any) -> None:
    kept = found.shots
    variable = own.get("variable")
    unit = "" if variable is None else small.unit(variable)
    _field(group, "keys", kept.keys, unit, variable or "random numbers that chose them")
    _field(group, "rank", np.arange(1, len(kept.keys) + 1), "", "rank")
    _field(group, "tags", kept.tags, "", "tag")
    _field(group, "positions", kept.values, "", "position in the run, from 0")
    _field(group, "seen", np.int64(kept.seen), "", "shots that could be chosen")
    _field(group, "missing", np.int64(kept.missing), "", "shots without a key")
    _plotted(group, "keys", ["rank"])
    for name, images in found.images.items():
        title = f"{group.name.rsplit('/', 1)[1]}_{name}"
        own_group = add_group(group.parent, title, "NXdata", type="images", detector=name)
        _field(own_group, "data", images, found.units[name], f"{name}, single shots")
        own_group["rank"], own_group["tags"] = group["rank"], group["tags"]
        _plotted(own_group, "data", ["rank", *["."] * (images.ndim - 1)], image=images.ndim > 2)


_WRITERS: dict[type, Any] = {
    Histogram: _histogram,
    BinnedResult: _binned,
    Statistics: _moments,
    tuple: _extremes,
    Quantiles: _quantiles,
    WeightedStatistics: _weighted_mean,
    RunningStatistics: _running_mean,
    CovarianceStatistics: _covariance,
    KeptImages: _kept_shots,
}
"""By what a calculation gives; which one gives what is told in `calculate` alone. A tuple: both extremes."""
