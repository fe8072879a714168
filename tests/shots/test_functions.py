"""Functions inside of regions are those of the cut frames."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.azimuthal import azimuthal_averages, prepare_azimuthal
from scatterflow.shots.centre import ring_centres
from scatterflow.shots.correlations import autocorrelations, prepare_autocorrelation
from scatterflow.shots.functions import detector_functions
from scatterflow.shots.regions import Frames, apply_functions

CUT = (slice(4, 30), slice(2, 33))
OTHER = (slice(5, 31), slice(2, 33))
AZIMUTHAL = {
    "centre_mm": [1.0, 2.0], "distance_mm": 60.0, "photon_energy_ev": 9000.0, "q_edges": [0, 0.5, 1, 3],
}  # fmt: skip


def made(seed=0, shape=(5, 32, 36)):
    rng = np.random.default_rng(seed)
    row, column = np.indices(shape[1:]) * 0.5
    return Frames(
        rng.poisson(0.4, shape).astype(np.float32) + rng.normal(0, 0.05, shape).astype(np.float32),
        rng.uniform(size=shape[1:]) > 0.0,
        np.full(shape[1:], 0.05),
        (column, row, 0 * row),
    )


def inside(cut, kind, settings):
    roi = [[part.start, part.stop] for part in cut]
    return {"kind": "region", "roi": roi, "functions": {"f": {"kind": kind, **settings}}}


def test_two_regions_of_one_shape_are_kept_apart():
    frames, kinds = made(), detector_functions(threads=2)
    functions = {
        "a": inside(CUT, "azimuthal", AZIMUTHAL),
        "b": inside(OTHER, "azimuthal", AZIMUTHAL),
    }
    for part in (slice(0, 3), slice(3, 5)):
        block = Frames(frames.values[part], frames.good, frames.noise, frames.positions)
        found = apply_functions(functions, block, kinds)
        for name, cut in (("a", CUT), ("b", OTHER)):
            x, y, z = (array[cut] for array in frames.positions)
            bins = prepare_azimuthal(x, y, z, frames.good[cut], AZIMUTHAL, frames.noise[cut])
            expected = azimuthal_averages(np.ascontiguousarray(block.values[:, *cut]), bins)
            for key, array in expected.items():
                assert np.array_equal(found[f"{name}_f_{key}"], array, equal_nan=True)


def test_autocorrelation_and_centre():
    frames, kinds = made(1), detector_functions()
    found = apply_functions(
        {
            "a": inside(CUT, "autocorrelation", {"reach": 4}),
            "c": inside(CUT, "fit_centre", {"percentile": 70}),
        },
        frames,
        kinds,
    )
    good, values = frames.good[CUT], frames.values[:, *CUT]
    expected = autocorrelations(values, prepare_autocorrelation(good, {"reach": 4}))
    assert np.array_equal(found["a_f_acf"], expected["acf"])
    x, y, _ = frames.positions
    centres = ring_centres(values, good, {"percentile": 70}, x=x[CUT], y=y[CUT])
    assert np.array_equal(found["c_f_xCen"], centres["xCen"])


def test_a_photon_map_feeds_a_projection():
    values = np.zeros((2, 9, 9), np.float32)
    values[0, 2, 3], values[0, 6, 6], values[1, 4, 4] = 1.0, 2.0, 1.0
    functions = {
        "photon": {
            "kind": "photon_map",
            "adu_per_photon": 1.0,
            "functions": {"pj": {"kind": "projection", "axis": 0}},
        },
        "droplet": {"kind": "droplets", "threshold": 0.5, "in_noise": False},
    }
    found = apply_functions(functions, Frames(values, np.ones((9, 9), bool)), detector_functions())
    assert found["photon_nPhot"].tolist() == [3, 1]
    assert np.flatnonzero(found["photon_pj_data"][0]).tolist() == [3, 6]
    assert found["droplet_nDroplets"].tolist() == [2, 1]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("droplets", {"threshold": 0.5, "in_noise": False}),
        ("photon_map", {"adu_per_photon": 1.0}),
        ("autocorrelation", {}),
    ],
)
def test_a_waveform_is_no_image(kind, settings):
    trace = Frames(np.ones((2, 60), np.float32), np.ones(60, bool))
    with pytest.raises(UserError, match="an image is needed, not 1 dimension"):
        apply_functions({kind: settings}, trace, detector_functions())


@pytest.mark.parametrize("largest_error", [0.5, 0.01, 1e-4])
def test_the_error_of_quantised_values_is_bounded_whatever_their_size(largest_error):
    values = np.geomspace(1e-3, 3e6, 4000).astype(np.float32).reshape(1, 40, 100)
    values[0, 0, 0] = np.nan
    frames = Frames(values, np.ones((40, 100), bool))
    found = apply_functions(
        {"quantise": {"largest_error": largest_error}}, frames, detector_functions()
    )["quantise_data"]
    error = np.abs(found.astype(np.float64) - values)
    assert np.isnan(found[0, 0, 0])
    assert np.nanmax(error) <= largest_error


def test_no_geometry():
    frames = made()
    with pytest.raises(UserError, match="positions"):
        apply_functions(
            {"azimuthal": AZIMUTHAL}, Frames(frames.values, frames.good), detector_functions()
        )
