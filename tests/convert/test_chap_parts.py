"""Parts of a CHAP configuration, each in the forms that CHAP knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.convert.chap_corrections import Chain, convert_corrections
from scatterflow.convert.chap_detectors import convert_detectors, detector_names, poni_text
from scatterflow.convert.chap_files import ChapConfiguration
from scatterflow.convert.chap_fits import convert_fits
from scatterflow.convert.chap_integrations import convert_integrations, splitting
from scatterflow.convert.chap_scalars import convert_scalars, scalar_name
from scatterflow.convert.chap_scans import scan_numbers
from scatterflow.convert.notes import Notes
from scatterflow.detectors.geometry import load_geometry
from scatterflow.errors import UserError


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (5, [5]),
        ([1, 2], [1, 2]),
        ("1-3,5", [1, 2, 3, 5]),
        ([1, "3-4"], [1, 3, 4]),
        ("2, 2", [2]),
    ],
)
def test_scan_numbers(value, numbers):
    assert scan_numbers(value, "here") == numbers


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 30)), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_scan_numbers_of_any_ranges(ranges):
    text = ",".join(f"{first}-{first + extra}" if extra else f"{first}" for first, extra in ranges)
    wanted = {number for first, extra in ranges for number in range(first, first + extra + 1)}
    assert set(scan_numbers(text, "here")) == wanted


@pytest.mark.parametrize("value", ["", "x", "3-", "-3", "5-1", [None], {}, None, "1-999999999"])
def test_what_are_no_scan_numbers(value):
    with pytest.raises(UserError, match="no scan numbers"):
        scan_numbers(value, "here")


# Scalars -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["spec_motor", "spec_motor_absolute", "spec_motor_static", "scan_column", "smb_par"],
)
def test_named_values_of_every_type(kind):
    notes = Notes()
    item = {"label": "x", "units": "mm", "data_type": kind, "name": "motor x"}
    found = convert_scalars({"independent_dimensions": [item]}, notes)
    assert found == {"x": {"type": kind, "name": "motor x", "unit": "mm"}}
    assert notes.lines() == []


@pytest.mark.parametrize(
    "kind",
    ["scan_start_time", "spec_epoch", "scan_step_index", "scan_number", "detector_log_timestamps"],
)
def test_values_without_a_name_of_every_type(kind):
    found = convert_scalars({"scalar_data": [{"label": "x", "data_type": kind}]}, Notes())
    assert found == {"x": {"type": kind}}


def expressions(*pairs: tuple[str, str]) -> tuple[dict[str, Any], Notes]:
    notes = Notes()
    items = [{"label": "a", "data_type": "scan_column", "name": "A"}]
    items += [{"label": label, "data_type": "expression", "name": text} for label, text in pairs]
    return convert_scalars({"scalar_data": items}, notes), notes


def test_expressions_follow_what_they_use():
    found, notes = expressions(("c", "b + 1"), ("b", "numpy.abs(a)"))
    assert list(found) == ["a", "b", "c"]
    assert found["b"]["name"] == "abs(a)"
    assert notes.lines() == []


def test_expressions_that_are_not_ours_are_told():
    found, notes = expressions(("b", "[x for x in a]"), ("c", "zz + 1"), ("d", "c * 2"))
    assert list(found) == ["a"]
    assert len(notes.lost) == 3


def test_labels_become_names_also_in_expressions():
    notes = Notes()
    items = [
        {"label": "_temp", "data_type": "scan_column", "name": "T"},
        {"label": "twice", "data_type": "expression", "name": "2 * _temp"},
        {"label": "stage x (mm)", "data_type": "scan_column", "name": "sx"},
    ]
    found = convert_scalars({"scalar_data": items}, notes)
    assert set(found) == {"temp", "twice", "stage_x_mm"}
    assert found["twice"]["name"] == "2 * temp"
    assert len(notes.changed) == 2


def test_units_and_types_that_are_not_known_are_told():
    notes = Notes()
    items = [
        {"label": "a", "units": "furlongs", "data_type": "scan_column", "name": "a"},
        {"label": "b", "data_type": "scan_colum", "name": "b"},
    ]
    assert list(convert_scalars({"scalar_data": items}, notes)) == ["a"]
    assert ["units" in key or "data_type" in key for key, _ in notes.lost] == [True, True]
    assert "did you mean 'scan_column'" in notes.lines()[-1]


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_label_becomes_a_name(label):
    from scatterflow.config.base import check_name

    assert check_name(scalar_name(label)).isidentifier()


def test_a_name_that_every_result_has_is_not_taken():
    assert scalar_name("frame number") == "frame_number_1"


# Detectors -----------------------------------------------------------------------------------------


def chap_of(*integrators: dict[str, Any], **more: Any) -> ChapConfiguration:
    pyfai = {"azimuthal_integrators": list(integrators), **more}
    return ChapConfiguration(pyfai=pyfai, folders=[Path.cwd()])


PARAMS = {
    "dist": 0.3,
    "poni1": 0.01,
    "poni2": 0.02,
    "rot1": 0.1,
    "rot2": -0.2,
    "rot3": 0.3,
    "wavelength": 0.7e-10,
}


def test_params_become_a_poni_file_of_the_same_geometry(tmp_path):
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    params = {**PARAMS, "pixel1": 1e-4, "pixel2": 2e-4}
    path = tmp_path / "x.poni"
    path.write_text(poni_text(params, None, "here"))
    settings = {"shape": [10, 12], "geometry": str(path), "orientation": None}
    ours = load_geometry(settings, "x")
    pyfais = AzimuthalIntegrator(**params)
    for axis in ("q_nm^-1", "chi_rad"):
        mine = ours.array_from_unit((10, 12), unit=axis)
        np.testing.assert_allclose(mine, pyfais.array_from_unit((10, 12), unit=axis), rtol=1e-12)


def test_a_detector_that_pyfai_knows_needs_no_shape_and_its_gaps_are_masked(tmp_path):
    notes = Notes()
    chap = chap_of({"id": "PIL5", "params": {**PARAMS, "detector": "Pilatus300k"}})
    names = detector_names(chap, notes)
    found, files = convert_detectors(chap, names, tmp_path, notes)
    assert found["PIL5"]["shape"] == [619, 487]
    assert found["PIL5"]["masks"] == [{"type": "gaps"}]
    assert list(files) == [tmp_path / "PIL5.poni"]


def test_a_shape_that_nothing_tells_is_asked_for(tmp_path):
    params = {**PARAMS, "pixel1": 1e-4, "pixel2": 1e-4}
    chap = chap_of({"id": "PIL5", "params": params})
    with pytest.raises(UserError, match="how many pixels") as refused:
        convert_detectors(chap, {"PIL5": "PIL5"}, tmp_path, Notes())
    assert "--detectors" in refused.value.how
    chap.detectors = [{"id": "PIL5", "shape": [30, 40]}]
    found, _ = convert_detectors(chap, {"PIL5": "PIL5"}, tmp_path, Notes())
    assert found["PIL5"]["shape"] == [30, 40]


def test_the_wavelength_may_stand_with_the_integrations(tmp_path):
    params = {key: value for key, value in PARAMS.items() if key != "wavelength"}
    item = {"id": "a", "params": {**params, "detector": "Pilatus100k"}}
    with pytest.raises(UserError, match="no wavelength"):
        convert_detectors(chap_of(item), {"a": "a"}, tmp_path, Notes())
    chap = chap_of(item, integrations=[{"multi_geometry": {"wavelength": 1.5e-10}}])
    _, files = convert_detectors(chap, {"a": "a"}, tmp_path, Notes())
    assert "Wavelength: 1.5e-10" in next(iter(files.values()))


def test_masks_of_other_formats_say_that_true_is_masked(tmp_path):
    params = {**PARAMS, "detector": "Pilatus300k"}
    notes = Notes()
    chap = chap_of({"id": "a", "params": params, "mask_file": "bad.npy"})
    found, _ = convert_detectors(chap, {"a": "a"}, tmp_path, notes)
    assert found["a"]["masks"][0]["true_means"] == "masked"
    assert any("replaces the gaps" in text for _, text in notes.changed)


def test_ids_that_are_no_names_are_changed():
    notes = Notes()
    names = detector_names(chap_of({"id": "det 1"}, {"id": "source"}), notes)
    assert names == {"det 1": "det_1", "source": "source_detector"}
    assert len(notes.changed) == 2


# Integrations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize(
    "method",
    [
        *("splitpixel", "bbox", "csr", "lut", "full_csr", "nosplit_csr", "cython", "numpy"),
        *("no", "histogram", "bbox_csr", "splitpixelfull", "full"),
        ("bbox", "csr", "cython"),
        ("no", "histogram", "numpy"),
        ("full", "histogram", "cython"),
    ],
)
def test_methods_split_pixels_as_pyfai_does(method, dimensions):
    import pyFAI.integrator.azimuthal  # registers the methods  # noqa: F401
    from pyFAI.method_registry import IntegrationMethod

    known = IntegrationMethod.select_one_available(method, dim=dimensions, default=None)
    assert splitting(method) == known.split


def integration(method: str, *, detectors=("A",), **item: Any) -> tuple[dict[str, Any], Notes]:
    notes = Notes()
    pyfai = {"integrations": [{"name": "x", "integration_method": method, **item}]}
    found = convert_integrations(pyfai, {name: name for name in detectors}, notes)
    return found["x"], notes


def test_defaults_are_those_of_chap():
    found, notes = integration("integrate1d")
    assert (found["bins"], found["unit"], found["split"]) == (1800, "q_A^-1", "full")
    assert found["radial_range"] == [0.0, 180.0]
    assert any("[0, 180]" in text for _, text in notes.changed)
    found, _ = integration("integrate2d")
    assert (found["radial_bins"], found["azimuthal_bins"]) == (1800, 3600)
    found, _ = integration("integrate_radial")
    assert (found["bins"], found["radial_bins"], found["split"]) == (1800, 100, "bbox")
    assert "radial_range" not in found


def test_detectors_are_merged():
    found, _ = integration("integrate1d", detectors=("A", "B"))
    assert found["detectors"] == ["A", "B"]
    assert found["merge"] is True
    _, notes = integration("integrate_radial", detectors=("A", "B"))
    assert any("adds up their means" in text for _, text in notes.changed)
    found, _ = integration("integrate1d", detectors=("A", "B"), multi_geometry={"ais": ["B"]})
    assert found["detectors"] == ["B"]
    assert "merge" not in found


def test_right_handed_ranges_keep_their_pixels():
    geometry = {"azimuth_range": [10, 50]}
    found, notes = integration("integrate2d", multi_geometry=geometry)
    assert found["azimuth_range"] == [-50.0, -10.0]
    assert any("flips the intensities" in text for _, text in notes.changed)
    found, _ = integration("integrate2d", multi_geometry=geometry, right_handed=False)
    assert found["azimuth_range"] == [10.0, 50.0]
    assert "azimuth_direction" not in found
    found, _ = integration("integrate1d", multi_geometry=geometry)
    assert found["azimuth_range"] == [10.0, 50.0]


def test_the_number_of_radial_steps_that_chap_drops_is_told():
    found, notes = integration("integrate_radial", integration_params={"npt_rad": 300, "npt": 36})
    assert (found["bins"], found["radial_bins"]) == (36, 100)
    assert any("drops it" in text for _, text in notes.changed)


def test_keys_that_are_not_known_are_told():
    _, notes = integration(
        "integrate1d",
        multi_geometry={"threadpoolsize": 2},
        integration_params={"normalization_factor": 2},
        weighting="x",
    )
    keys = " ".join(key for key, _ in notes.lost)
    assert all(name in keys for name in ("threadpoolsize", "normalization_factor", "weighting"))


# Corrections ---------------------------------------------------------------------------------------


SCALARS = dict.fromkeys(("presample_intensity", "postsample_intensity", "dwell_time_actual"))


def corrections(*items: dict[str, Any], scalars=SCALARS, inputs=(None, None)):
    """Two integrations, a and b, of one detector; inputs: what their frames are corrected by."""
    notes = Notes()
    integrations = [
        {"name": name, "input_name": used} for name, used in zip("ab", inputs, strict=True)
    ]
    chap = chap_of({"id": "DET"}, integrations=integrations)
    chap.corrections = list(items)
    return convert_corrections(chap, ["a", "b"], scalars, notes), notes


def test_alike_corrections_share_a_reduction():
    chains, _ = corrections(
        {"correction_type": "flux", "name": "one", "input_data_name": "a"},
        {"correction_type": "flux", "title": "two", "uncorrected_data_title": "b"},
    )
    (chain,) = chains
    assert (chain.name, chain.integrations) == ("one", ["a", "b"])


def test_different_corrections_are_different_reductions():
    chains, notes = corrections(
        {"correction_type": "flux", "name": "f", "input_data_name": ["a", "b"]},
        {"correction_type": "flux_absorption", "name": "t", "input_data_name": "a"},
    )
    assert [(chain.name, chain.integrations) for chain in chains] == [
        ("f", ["a", "b"]),
        ("t", ["a"]),
    ]
    assert chains[1].corrections["absorption"] == {
        "monitor": "postsample_intensity",
        "reference": 1.0,
    }
    assert any("mean(I0) / mean(t)" in text for _, text in notes.changed)
    assert any("T = I1/I0" in text for _, text in notes.changed)


def test_of_two_corrections_of_one_name_the_second_is_told():
    first = {"correction_type": "flux", "name": "f", "input_data_name": "a"}
    chains, notes = corrections(first, {**first, "input_data_name": "b"}, first)
    assert [(chain.name, chain.integrations) for chain in chains] == [
        ("integrated", ["b"]),
        ("f", ["a"]),
    ]
    assert [key for key, _ in notes.lost] == ["corrections[2]"]


def test_a_chain_of_corrections_is_applied_once():
    chains, notes = corrections(
        {"correction_type": "flux", "name": "f", "input_data_name": "a"},
        {"correction_type": "flux_absorption", "name": "t", "input_data_name": "f"},
    )
    assert [(chain.name, chain.integrations) for chain in chains] == [
        ("integrated", ["b"]),
        ("f", ["a"]),
        ("t", ["a"]),
    ]
    assert any("applied once" in text for _, text in notes.changed)


def test_corrected_frames_are_corrected_integrations():
    chains, notes = corrections(
        {"correction_type": "flux", "name": "f", "input_data_name": "DET"},
        inputs=("f", None),
    )
    assert [(chain.name, chain.integrations) for chain in chains] == [
        ("integrated", ["b"]),
        ("f", ["a"]),
    ]
    assert any("linearity" in text for _, text in notes.changed)


def test_thickness_from_mu():
    item = {"correction_type": "flux_absorption", "name": "t", "input_data_name": "a"}
    chains, notes = corrections({**item, "sample_mu_inv_cm": 2})
    assert chains[-1].corrections["thickness"] == {"mu_per_cm": 2.0}
    assert any("-ln(T / mu)" in text for _, text in notes.changed)


@pytest.mark.parametrize(
    ("item", "scalars", "message"),
    [
        ({"correction_type": "flax"}, SCALARS, "correction_type is 'flax'"),
        ({"correction_type": "flux", "input_data_name": "c"}, SCALARS, "there is no integration"),
        ({"correction_type": "flux", "input_data_name": "a"}, {}, "needs presample_intensity"),
        (
            {"correction_type": "flux_absorption", "input_data_name": "a"},
            {"presample_intensity": None},
            "needs postsample_intensity",
        ),
        (
            {"correction_type": "flux_absorption_background", "input_data_name": "a"},
            SCALARS,
            "there is no background",
        ),
        (
            {"correction_type": "flux", "name": "f", "input_data_name": "f"},
            SCALARS,
            "there is no integration",
        ),
    ],
)
def test_corrections_that_cannot_be_meant_are_refused(item, scalars, message):
    with pytest.raises(UserError, match=message):
        corrections(item, scalars=scalars)


@pytest.mark.parametrize(
    ("background", "frames"),
    [
        ({}, None),
        ({"idx_slice": {"start": 0, "stop": -1, "step": 1}}, None),
        ({"idx_slice": {"start": 1}}, "1-3"),
        ({"idx_slice": {"start": 2, "stop": 10**30}}, "2-3"),
        ({"idx_slice": {"start": -3, "stop": -2}}, "1"),
        ({"idx_slice": {"start": 0, "stop": 4, "step": 2}}, "0,2"),
        ({"scan_step_indices": "0-1,3"}, "0-1,3"),
        ({"scan_step_indices": [0, 2]}, "0,2"),
    ],
)
def test_frames_of_the_background(chess, background, frames):
    item = {
        "correction_type": "flux_absorption_background",
        "name": "c",
        "input_data_name": "a",
        "background": {"spec_file": "spec/sample", "scan_numbers": 3, **background},
    }
    chains, _ = corrections(item)
    block = chains[-1].corrections["background"]
    assert block == ({"scale": 1.0} if frames is None else {"frames": frames})
    assert [scan.number for scan in chains[-1].background] == [3]


# Fits ----------------------------------------------------------------------------------------------


CHAINS = [
    Chain("integrated", ["a"]),
    Chain("corrected", ["a", "b"], {"flux": {}}, titles=["corrected"]),
]


def fits(*items: dict[str, Any]) -> tuple[dict[str, Any], Notes]:
    notes = Notes()
    kinds = {"a": "azimuthal", "b": "radial", "c": "cake"}
    return convert_fits(items, CHAINS, kinds, notes), notes


def test_widths_of_lmfit_become_full_widths():
    from scipy.stats import norm

    model = {
        "model": "gaussian",
        "parameters": [
            {"name": "center", "value": 1.2, "min": 1.0, "max": 1.4},
            {"name": "sigma", "value": 0.1, "vary": False},
            {"name": "amplitude", "value": 5.0},
        ],
    }
    found, notes = fits({"name": "peak", "input_data_name": "a", "models": [model]})
    (component,) = found["integrated"]["peak"]["components"]
    assert component["parameters"]["centre"] == {"initial": 1.2, "minimum": 1.0, "maximum": 1.4}
    width = component["parameters"]["width"]
    half = norm.pdf(width["initial"] / 2, scale=0.1) / norm.pdf(0, scale=0.1)
    assert half == pytest.approx(0.5)
    assert width["fixed"] is True
    assert [key for key, _ in notes.lost] == ["fits peak.models gaussian.amplitude"]


def test_several_peaks_and_a_background():
    item = {
        "name": "two",
        "input_data_name": "corrected",
        "models": [
            {"model": "multipeak", "centers": [1, 2], "centers_range": 0.25, "fwhm_max": 0.5},
            {"model": "parabolic", "parameters": [{"name": "a", "value": 2.0}]},
        ],
    }
    found, notes = fits(item)
    components = found["corrected"]["two"]["components"]
    assert [part["model"] for part in components] == ["gaussian", "gaussian", "quadratic"]
    assert components[1]["parameters"] == {
        "centre": {"initial": 2.0, "minimum": 1.75, "maximum": 2.25},
        "width": {"maximum": 0.5},
    }
    assert components[2]["parameters"] == {"curvature": {"initial": 2.0}}
    assert notes.lines() == []


def test_a_decay_is_the_reciprocal_of_a_rate():
    parameter = {"name": "decay", "value": 2.0, "min": 1.0, "max": 4.0}
    model = {"model": "exponential", "parameters": [parameter]}
    found, _ = fits({"name": "x", "input_data_name": "a", "models": model})
    (component,) = found["integrated"]["x"]["components"]
    assert component["parameters"]["rate"] == {"initial": 0.5, "minimum": 0.25, "maximum": 1.0}


@pytest.mark.parametrize(
    "item",
    [
        {"input_data_name": "c", "models": ["linear"]},
        {"input_data_name": "zz", "models": ["linear"]},
        {"input_data_name": "a", "models": [{"model": "rectangle"}, "linear"]},
        {"models": ["linear"]},
    ],
)
def test_fits_that_cannot_be_translated_are_told(item):
    found, notes = fits({"name": "x", **item})
    assert found == {}
    assert len(notes.lost) == 1


def test_of_two_fits_of_one_name_the_second_is_told():
    first = {"name": "x", "input_data_name": "a", "models": ["linear"]}
    found, notes = fits(first, {**first, "models": ["constant"]}, first)
    assert found == fits(first)[0]
    assert [key for key, _ in notes.lost] == ["fits x"]
