"""The analysis file of an xpcs reduction, NeXus.

/entry                          NXentry, default: the first fit
    title, run, reduction, sample
    bins                        NXcollection: coordinate of every dynamic bin by name
    fit_<name>                  NXdata: g2 with g2_errors, best_fit, residual; (delay, dynamic_bin)
        parameters              NXdata over the bins: each parameter by name with `<name>_errors`,
                                reduced_chi_square, flags (bits, attribute `meanings`), covariance
    diffusion                   NXdata: tau over q with the power law; numbers in `result`
    speckle_statistics          NXdata: contrast (exposure, dynamic_bin), ...; probabilities
        decay                   NXdata: tau from how the contrast falls
    process_<n>_<what>          NXprocess: each step with its parameters
    provenance                  NXcollection of NXnote: the result file, settings, software
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from scatterflow.files.hdf5 import reading, write_array, writing
from scatterflow.files.nexus import add_fields, add_group, add_note, add_process, read_note
from scatterflow.files.provenance import now, raw_file_record, software
from scatterflow.xpcs.analysis import Analysis, Bins, FittedG2
from scatterflow.xpcs.contrast_decay import ContrastDecay
from scatterflow.xpcs.diffusion import REASONS, Diffusion
from scatterflow.xpcs.fits import FLAGS, CorrelationFit
from scatterflow.xpcs.models import LOGARITHMIC
from scatterflow.xpcs.speckle_statistics import SpeckleStatistics

CURVES = {"best_fit": "fit", "residual": "g2 - fit"}
DIFFUSION_UNITS = {
    "tau": "s",
    "tau_error": "s",
    "diffusion_m2_per_s": "m^2/s",
    "diffusion_error": "m^2/s",
    "radius_m": "m",
    "radius_error": "m",
}
NOTES = {
    "single": "baseline + contrast |g1|^2, g1 = exp(-t/tau)",
    "stretched": "baseline + contrast |g1|^2, g1 = exp(-(t/tau)^stretching)",
    "double": "baseline + contrast |g1|^2, g1 = fraction exp(-t/tau) + (1 - fraction) exp(-t/tau_slow)",
}


def write_analysis(
    path: str | Path,
    analysis: Analysis,
    description: Mapping[str, Any],
    settings: Mapping[str, Any],
    result: str | Path,
) -> None:
    """Write an analysis, whole.

    description: `run`, `reduction`, `sample`. settings: the configuration of fits, diffusion and speckle
    statistics. result: the file that was analysed.
    """
    date = now()
    with writing(path) as file:
        file.attrs.update({"NX_class": "NXroot", "default": "entry", "creator": "scatterflow"})
        file.attrs["file_time"] = date
        entry = add_group(file, "entry", "NXentry")
        named = {key: description.get(key) for key in ("run", "reduction", "sample")}
        title = " · ".join(str(value) for value in (named["run"], named["sample"]) if value)
        add_fields(entry, {"title": title, **named})
        _write_bins(entry, analysis.bins)
        for fitted in analysis.fits:
            _write_fit(entry, fitted, analysis.bins)
        if analysis.diffusion is not None:
            _write_diffusion(entry, analysis, analysis.diffusion)
        if analysis.statistics is not None:
            _write_statistics(entry, analysis.statistics, analysis.decay)
        shown = [f"fit_{fitted.name}" for fitted in analysis.fits]
        add_note(
            entry, "fits", [[f.name, f.settings] for f in analysis.fits], "fits in their order"
        )
        if analysis.statistics is not None:
            shown.append("speckle_statistics")
        if shown:
            entry.attrs["default"] = shown[0]
        _write_processes(entry, analysis, settings, date)
        provenance = add_group(entry, "provenance", "NXcollection")
        for name, value, text in (
            ("result", raw_file_record(result), "the result file that was analysed"),
            ("settings", dict(settings), "configuration of fits, diffusion, speckle statistics"),
            ("software", software(), "versions and commit"),
        ):
            add_note(provenance, name, value, text)


def _write_bins(entry: h5py.Group, bins: Bins) -> None:
    group = add_group(entry, "bins", "NXcollection", names=list(bins.names))
    for place, name in enumerate(bins.names):
        write_array(group, name, bins.values[:, place], units=bins.units[place])


def _write_fit(entry: h5py.Group, fitted: FittedG2, bins: Bins) -> None:
    group = add_group(
        entry,
        f"fit_{fitted.name}",
        "NXdata",
        signal="g2",
        auxiliary_signals=list(CURVES),
        axes=["delay", "dynamic_bin"],
        delay_indices=0,
        dynamic_bin_indices=1,
    )
    write_array(group, "title", f"{fitted.name}: {NOTES[fitted.settings['model']]}")
    write_array(group, "delay", fitted.delay_s, units="s", long_name="delay (s)")
    write_array(group, "dynamic_bin", fitted.bins + 1, long_name="dynamic bin, from 1")
    best = fitted.fit.best_fit
    for name, values in (
        ("g2", fitted.g2),
        ("g2_errors", fitted.error),
        ("best_fit", best),
        ("residual", fitted.g2 - best),
    ):
        dataset = write_array(group, name, values, units="")
        dataset.attrs["long_name"] = CURVES.get(name, name)
    _write_parameters(group, fitted, bins)


def _write_parameters(parent: h5py.Group, fitted: FittedG2, bins: Bins) -> None:
    fit = fitted.fit
    axis = "q" if bins.names == ("q",) else "dynamic_bin"
    group = add_group(parent, "parameters", "NXdata", signal="tau", axes=[axis])
    group.attrs[f"{axis}_indices"] = 0
    group.attrs["names"] = list(fit.names)
    group.attrs["delays_correlated"] = np.bool_(fit.correlated)
    write_array(group, "title", f"{fitted.name}: parameters")
    write_array(group, "dynamic_bin", fitted.bins + 1, long_name="dynamic bin, from 1")
    for place, name in enumerate(bins.names):
        write_array(group, name, bins.values[fitted.bins, place], units=bins.units[place])
    for name in fit.names:
        values, errors = fit.column(name)
        unit = "s" if name in LOGARITHMIC else ""
        write_array(group, name, values, units=unit)
        write_array(group, f"{name}_errors", errors, units=unit)
    write_array(group, "reduced_chi_square", fit.reduced_chi_square, units="")
    meanings = json.dumps({str(bit): text for bit, text in FLAGS.items()})
    write_array(group, "flags", fit.flags, meanings=meanings)
    write_array(group, "covariance", fit.covariance, order=list(fit.names))


def _write_diffusion(entry: h5py.Group, analysis: Analysis, found: Diffusion) -> None:
    (chosen,) = (fitted for fitted in analysis.fits if fitted.name == analysis.diffusion_fit)
    q, unit = analysis.bins.q()
    q = q[chosen.bins]
    group = add_group(
        entry,
        "diffusion",
        "NXdata",
        signal="tau",
        auxiliary_signals=["power_law"],
        axes=["q"],
        q_indices=0,
        fit=analysis.diffusion_fit,
    )
    tau, error = chosen.fit.column("tau")
    write_array(group, "title", f"relaxation time of the fit {analysis.diffusion_fit}")
    write_array(group, "q", q, units=unit)
    write_array(group, "tau", tau, units="s")
    write_array(group, "tau_errors", error, units="s")
    above = q > 0
    law = np.full(q.size, np.nan)
    law[above] = found.power_law(q[above])[0]
    write_array(group, "power_law", law, units="s")
    numbers = add_group(group, "result", "NXcollection", reasons=json.dumps(list(REASONS)))
    for field in fields(found):
        value = getattr(found, field.name)
        if value is not None:
            own = unit if field.name == "q_middle" else DIFFUSION_UNITS.get(field.name, "")
            write_array(numbers, field.name, value, units=own)


def _write_statistics(
    entry: h5py.Group, statistics: SpeckleStatistics, decay: ContrastDecay | None
) -> None:
    group = add_group(
        entry,
        "speckle_statistics",
        "NXdata",
        signal="contrast",
        auxiliary_signals=["moment_contrast", "mean"],
        axes=["exposures", "dynamic_bin"],
        exposures_indices=0,
        dynamic_bin_indices=1,
    )
    write_array(group, "title", "contrast from the probabilities of photon counts")
    write_array(group, "dynamic_bin", np.arange(statistics.contrast.shape[1]) + 1)
    units = {"exposures": "frames", "mean": "photons", "mean_error": "photons"}
    for field in fields(statistics):
        dataset = write_array(
            group, field.name, getattr(statistics, field.name), units=units.get(field.name, "")
        )
        if field.name.endswith("_error"):
            # NeXus finds errors under the name of what they are of.
            signal = {"moment_error": "moment_contrast"}.get(
                field.name, field.name.removesuffix("_error")
            )
            group[f"{signal}_errors"] = dataset
    if decay is not None:
        own = add_group(group, "decay", "NXdata", signal="tau", axes=["dynamic_bin"])
        own["dynamic_bin"] = group["dynamic_bin"]
        for field in fields(decay):
            unit = "s" if field.name.startswith("tau") else ""
            dataset = write_array(own, field.name, getattr(decay, field.name), units=unit)
            if field.name.endswith("_error"):
                own[f"{field.name}s"] = dataset


def _write_processes(
    entry: h5py.Group, analysis: Analysis, settings: Mapping[str, Any], date: str
) -> None:
    steps: list[tuple[str, Mapping[str, Any], str]] = [
        (fitted.name, fitted.settings, NOTES[fitted.settings["model"]]) for fitted in analysis.fits
    ]
    if analysis.diffusion is not None:
        steps.append(("diffusion", settings["diffusion"], "weighted least squares of log tau"))
    if analysis.statistics is not None:
        own = settings.get("speckle_statistics") or {}
        steps.append(
            ("speckle_statistics", own, "maximum likelihood of the negative binomial distribution")
        )
    for index, (name, parameters, note) in enumerate(steps, start=1):
        add_process(
            entry,
            f"process_{index}_{name}",
            index,
            software(),
            date,
            dict(parameters),
            note=note,
        )


# Reading


def read_analysis(path: str | Path) -> tuple[Analysis, dict[str, str]]:
    """What `write_analysis` has written, and its description."""
    with reading(path) as file:
        entry = file["entry"]
        description = {
            name: entry[name].asstr()[()]
            for name in ("run", "reduction", "sample")
            if name in entry
        }
        group = entry["bins"]
        names = tuple(group.attrs["names"])
        bins = Bins(
            names,
            tuple(group[name].attrs["units"] for name in names),
            np.stack([group[name][()] for name in names], axis=1),
        )
        fits = tuple(
            _read_fit(name, own, entry[f"fit_{name}"]) for name, own in read_note(entry["fits"])
        )
        diffusion, statistics, decay = None, None, None
        if "diffusion" in entry:
            diffusion = _read_diffusion(entry["diffusion/result"])
        if "speckle_statistics" in entry:
            statistics = SpeckleStatistics(
                **_arrays(entry["speckle_statistics"], SpeckleStatistics)
            )
        if "speckle_statistics/decay" in entry:
            decay = ContrastDecay(**_arrays(entry["speckle_statistics/decay"], ContrastDecay))
        chosen = entry["diffusion"].attrs["fit"] if diffusion is not None else ""
        return Analysis(bins, fits, diffusion, chosen, statistics, decay), description


def _arrays(group: h5py.Group, kind: Any) -> dict[str, np.ndarray]:
    return {field.name: group[field.name][()] for field in fields(kind)}


def _read_fit(name: str, settings: Mapping[str, Any], group: h5py.Group) -> FittedG2:
    parameters = group["parameters"]
    names = tuple(parameters.attrs["names"])
    fit = CorrelationFit(
        names=names,
        values=np.stack([parameters[own][()] for own in names], axis=1),
        errors=np.stack([parameters[f"{own}_errors"][()] for own in names], axis=1),
        covariance=parameters["covariance"][()],
        reduced_chi_square=parameters["reduced_chi_square"][()],
        flags=parameters["flags"][()],
        best_fit=group["best_fit"][()],
        correlated=bool(parameters.attrs["delays_correlated"]),
    )
    return FittedG2(
        name,
        settings,
        group["dynamic_bin"][()] - 1,
        group["delay"][()],
        group["g2"][()],
        group["g2_errors"][()],
        fit,
    )


def _read_diffusion(group: h5py.Group) -> Diffusion:
    values: dict[str, Any] = {field.name: None for field in fields(Diffusion)}
    for name in group:
        values[name] = group[name][()] if name == "reason" else float(group[name][()])
    return Diffusion(**values)
