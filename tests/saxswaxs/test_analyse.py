"""The analysis file: layout, values frame by frame, independence of blocks, faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from nexusformat.nexus import nxload
from silx.io.nxdata import get_default

from scatterflow.errors import UserError
from scatterflow.files.hdf5 import reading
from scatterflow.saxswaxs import analyse
from scatterflow.saxswaxs.analyse import analyse_result
from scatterflow.saxswaxs.analysis_units import combined
from scatterflow.saxswaxs.fits import STATUS

SQUARE = {"initial": 2.0, "minimum": None, "maximum": None, "fixed": True}
FITS = [
    {
        "name": "ring",
        "task": "saxs_azimuthal",
        "integration": "azimuthal",
        "range": [0.06, 0.14],
        "components": [
            {"model": "gaussian", "name": "peak", "parameters": {}},
            {"model": "power_law", "name": "ground", "parameters": {"exponent": SQUARE}},
        ],
    }
]  # fmt: skip
FIGURES = [
    {"name": "area", "task": "saxs_azimuthal", "integration": "azimuthal", "type": "integral",
     "range": [0.08, 0.12], "subtract": "linear"},
    {"name": "top", "task": "saxs_radial", "integration": "radial", "type": "maximum", "range": None},
    {"name": "size", "task": "saxs_azimuthal", "integration": "azimuthal", "type": "guinier",
     "range": [0.02, 0.05], "limit": 5.0, "iterate": False},
    {"name": "surface", "task": "saxs_azimuthal", "integration": "azimuthal", "type": "porod",
     "range": [0.15, 0.3], "exponent": 4.0, "background": "none"},
    {"name": "share", "type": "expression", "expression": "area / ring_peak_area / i0", "unit": ""},
]  # fmt: skip
PARAMETERS: dict[str, Any] = {"fits": FITS, "figures": FIGURES}
FRAMES = 23
CENTRES = 0.1 + 0.0005 * np.arange(FRAMES)


def write_result(path: Path, errors: bool = True) -> Path:
    """A result of two integrations; frame 4 is missing."""
    rng = np.random.default_rng(1)
    edges = np.linspace(0.01, 0.3, 146)
    q = 0.5 * (edges[1:] + edges[:-1])
    truth = 0.05 * q**-2 + 80 * np.exp(-0.5 * ((q - CENTRES[:, None]) / 0.006) ** 2)
    chi_edges = np.linspace(-180, 180, 37)
    around = 5 + np.cos(np.radians(chi_edges[1:])) + np.zeros((FRAMES, 36))
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry["title"], entry["entry_identifier"] = "Test: r1", "r1"
        entry["experiment_identifier"] = "p1"
        entry.create_group("sample")["name"] = "water"
        entry["scalars/frame_number"] = np.arange(FRAMES)
        entry["scalars/i0"] = np.linspace(1.0, 2.0, FRAMES)
        for name, axis, units, code, edge, intensity in (
            ("azimuthal", "radial_axis", "1/angstrom", "q_A^-1", edges, rng.normal(truth, 0.5)),
            ("radial", "azimuthal_axis", "degree", "chi_deg", chi_edges, around),
        ):
            group = entry.create_group(f"saxs_{name}")
            group.attrs.update({"kind": name, "detector": "saxs", "integration": name})
            data = group.create_group("data")
            intensity[4] = np.nan
            data.create_dataset("I", data=intensity, chunks=(4, intensity.shape[1]))
            data["I"].attrs.update({"units": "1/cm", "intensity_label": "intensity (1/cm)"})
            if errors:
                data["I_errors"] = np.where(np.isfinite(intensity), 0.5, np.nan)
            data[axis] = 0.5 * (edge[1:] + edge[:-1])
            data[axis].attrs.update({"units": units, "pyfai_unit": code, "long_name": "q"})
            data[f"{axis}_edges"] = edge
    return path


@pytest.fixture
def result(tmp_path) -> Path:
    return write_result(tmp_path / "result.nxs")


def analysed(result: Path, parameters: dict[str, Any] = PARAMETERS) -> dict[str, np.ndarray]:
    path = result.with_name("analysis.nxs")
    analyse_result(result, path, parameters, "r1/x")
    with reading(path) as file:
        found: dict[str, np.ndarray] = {}
        file.visititems(
            lambda name, item: (
                found.update({name: np.asarray(item[()])})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


def test_values_of_every_frame_with_errors_units_and_success(result):
    found = analysed(result)
    there = np.arange(FRAMES) != 4
    centre = found["entry/per_frame/ring_peak_centre"]
    error = found["entry/per_frame/ring_peak_centre_errors"]
    assert np.array_equal(found["entry/per_frame/ring_success"], there)
    assert np.array_equal(np.isnan(centre), ~there)
    pulls = (centre - CENTRES)[there] / error[there]
    assert np.abs(pulls).max() < 4
    assert np.abs(pulls).max() > 0.5
    for name, value in found.items():
        if name.startswith("entry/per_frame/") and value.dtype.kind == "f":
            assert value.shape == (FRAMES,)
            assert np.array_equal(np.isnan(value), ~there), name
    assert STATUS[found["entry/status/ring"][4]] == "no data: no valid bin in the range"
    with reading(result.with_name("analysis.nxs")) as file:
        group = file["entry/per_frame"]
        units = {name: group[name].attrs["units"] for name in group if "units" in group[name].attrs}
        assert json.loads(file["entry/status"].attrs["meanings"]) == list(STATUS)
    assert units["ring_peak_centre"] == units["ring_peak_width_errors"] == "1/angstrom"
    assert units["ring_peak_area"] == units["area"] == "1/cm*angstrom^-1"
    assert units["ring_ground_scale"] == "1/cm*angstrom^-2"
    assert units["surface_constant"] == "1/cm*angstrom^-4"
    assert units["size_rg"] == "angstrom"
    assert units["top"] == "1/cm"


def test_expressions_use_scalars_fits_and_figures(result):
    found = analysed(result)
    values = {name.removeprefix("entry/per_frame/"): value for name, value in found.items()}
    there = np.arange(FRAMES) != 4
    expected = values["area"] / values["ring_peak_area"] / found["entry/scalars/i0"]
    assert values["share"][there] == pytest.approx(expected[there])
    relative = np.hypot(
        values["area_errors"] / values["area"],
        values["ring_peak_area_errors"] / values["ring_peak_area"],
    )
    assert values["share_errors"][there] == pytest.approx((expected * relative)[there], rel=1e-5)


def test_the_error_of_the_scale_does_not_average_over_bins(result):
    """10 % of absolute factor and thickness: 10 % of areas and amplitudes, nothing of positions."""
    before = analysed(result)
    with h5py.File(result, "r+") as file:
        for task in ("saxs_azimuthal", "saxs_radial"):
            data = file[f"entry/{task}/data"]
            data["I_errors"][...] = np.hypot(data["I_errors"][()], 0.1 * data["I"][()])
            data["I_errors"].attrs["relative_scale_error"] = 0.1
    after = analysed(result)
    names = ["area", "top", "size_i0", "surface_constant", "ring_peak_amplitude", "ring_peak_area"]
    for name in [*names, "ring_ground_scale", "ring_peak_centre", "ring_peak_width", "size_rg"]:
        path = f"entry/per_frame/{name}"
        value, error = before[path], before[f"{path}_errors"]
        part = 0.0 if name.endswith(("centre", "width", "rg")) else 0.1 * value
        np.testing.assert_allclose(after[path], value, rtol=1e-6)
        np.testing.assert_allclose(after[f"{path}_errors"], np.hypot(error, part), rtol=1e-5)
    with h5py.File(result.with_name("analysis.nxs")) as file:
        group = file["entry/per_frame"]
        marked = {name for name in group if "relative_scale_error" in group[name].attrs}
    assert {f"{name}_errors" for name in names} <= marked
    assert not any(name.startswith(("share", "size_rg", "ring_peak_centre")) for name in marked)
    # A ratio of two areas knows nothing of the scale.
    share = "entry/per_frame/share_errors"
    np.testing.assert_allclose(after[share], before[share], rtol=1e-3)


def test_curves_are_data_best_fit_and_their_difference(result):
    found = analysed(result)
    group = {name.rpartition("/")[2]: value for name, value in found.items() if "fit_ring" in name}
    with reading(result) as file:
        q = file["entry/saxs_azimuthal/data/radial_axis"][()]
        inside = (q >= 0.06) & (q <= 0.14)
        intensity = file["entry/saxs_azimuthal/data/I"][:, inside]
    assert np.array_equal(group["radial_axis"], q[inside])
    assert np.array_equal(group["data"], intensity, equal_nan=True)
    there = np.arange(FRAMES) != 4
    assert np.array_equal(group["residual"][there], (intensity - group["best_fit"])[there])
    values = {name.removeprefix("entry/per_frame/"): value for name, value in found.items()}
    squares = np.sum((group["residual"] / group["data_errors"]) ** 2, axis=1) / (inside.sum() - 4)
    assert values["ring_reduced_chi_square"][there] == pytest.approx(squares[there])
    assert np.isnan(group["best_fit"][4]).all()


def test_results_do_not_depend_on_blocks(result, monkeypatch):
    whole = analysed(result)
    monkeypatch.setattr(analyse, "BLOCK_BYTES", 1)  # one stored chunk, 4 frames, at a time
    parts = analysed(result)
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        if value.dtype.kind in "fbu" and "provenance" not in name:
            assert value.tobytes() == parts[name].tobytes(), name


def test_without_errors_there_are_fits_with_errors_from_the_scatter(tmp_path):
    found = analysed(write_result(tmp_path / "result.nxs", errors=False))
    there = np.arange(FRAMES) != 4
    error = found["entry/per_frame/ring_peak_centre_errors"][there]
    assert np.isfinite(error).all()
    assert "entry/per_frame/ring_reduced_chi_square" not in found
    assert "entry/per_frame/area_errors" not in found
    assert "entry/fit_ring/data_errors" not in found


def test_other_readers_find_the_default_plots(result):
    analysed(result)
    path = result.with_name("analysis.nxs")
    tree = nxload(str(path))
    assert tree["entry/per_frame"].nxsignal.nxname == "ring_peak_amplitude"
    assert tree["entry/fit_ring"].nxsignal.nxname == "data"
    with reading(path) as file:
        default = get_default(file)
        assert default.is_valid
        assert default.signal.shape == (FRAMES,)
        curves = get_default(file["entry/fit_ring"])
        assert curves.is_valid
        assert curves.auxiliary_signals_names == ["best fit", "data - best fit"]


def test_provenance_names_the_result_and_the_parameters(result):
    found = analysed(result)
    record = json.loads(found["entry/provenance/result/data"].tobytes())
    assert record["path"] == str(result)
    assert record["size"] == result.stat().st_size
    assert len(record["sha256"]) == 64
    assert json.loads(found["entry/provenance/parameters/data"].tobytes()) == PARAMETERS
    with reading(result.with_name("analysis.nxs")) as file:
        steps = [name for name in file["entry"] if name.startswith("process_")]
        assert len(steps) == len(FITS) + len(FIGURES)
        assert file["entry/process_1_ring"].attrs["NX_class"] == "NXprocess"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"range": [0.5, 0.6]}, "outside the profile"),
        ({"task": "saxs_azimutal"}, "no integration 'saxs_azimutal'"),
    ],
)
def test_faults_leave_nothing_half_written(result, change, words):
    with pytest.raises(UserError) as caught:
        analysed(result, {"fits": [{**FITS[0], **change}], "figures": []})
    assert words in caught.value.what
    assert [path.name for path in result.parent.iterdir()] == ["result.nxs"]


def test_figures_of_the_analysis_before_are_removed(result):
    plots = result.parent / "plots"
    plots.mkdir()
    for name in (
        "old_fit.png",
        "old_fit.svg",
        "figures.png",
        "saxs_azimuthal_views.svg",
        "saxs_frames.png",
    ):
        (plots / name).write_text("")
    analysed(result)
    assert [path.name for path in plots.iterdir()] == ["saxs_frames.png"]


@pytest.mark.parametrize(
    ("powers", "unit"),
    [
        (("1/cm", "1/angstrom", 1, 1), "1/cm*angstrom^-1"),
        (("1/cm", "1/angstrom", 0, -1), "angstrom"),
        (("1/cm", "1/nm", 0, 1), "1/nm"),
        (("1/cm", "degree", 0, 1), "degree"),
        (("1/cm", "degree", 1, -2), "1/cm*degree^-2"),
        (("arbitrary units", "1/nm", 1, 4), "arbitrary units"),
        (("1/cm", "", 1, 4), "1/cm"),
        (("1/cm", "1/nm", 0, 0), ""),
    ],
)
def test_units(powers, unit):
    assert combined(*powers) == unit
