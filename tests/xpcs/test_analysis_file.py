"""What was found survives the analysis file, which NeXus readers can make sense of."""

from __future__ import annotations

from dataclasses import fields

import h5py
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.xpcs.analysis import Analysis, Bins, Measured, fit_all, tau_over_q
from scatterflow.xpcs.analysis_file import read_analysis, write_analysis
from scatterflow.xpcs.contrast_decay import fit_contrast_decay
from scatterflow.xpcs.delays import delays_of
from scatterflow.xpcs.photon_histograms import PhotonHistograms
from scatterflow.xpcs.speckle_statistics import speckle_statistics

Q = np.array([0.01, 0.02, 0.03, 0.04])
BINS = Bins(("q",), ("1/nm",), Q[:, None])
SETTINGS = {
    "fits": {"simple": {"model": "single"}, "bent": {"model": "stretched", "of": "multitau"}},
    "diffusion": {"fit": "simple", "temperature_K": 300.0, "viscosity_Pa_s": 1e-3},
    "speckle_statistics": {"exposures": [1, 2]},
}
DESCRIPTION = {"run": "r1", "reduction": "xpcs", "sample": None}


def measured(bins=BINS):
    """g2 of tau = 0.02 s (q / 0.02 nm^-1)^-2, with noise of known size."""
    delays = delays_of(np.arange(1, 60), np.zeros(59, int), 0.002)
    tau = 0.02 * (Q / 0.02) ** -2.0
    g2 = 1 + 0.3 * np.exp(-2 * delays.seconds[:, None] / tau)
    noise = np.random.default_rng(1).standard_normal(g2.shape)
    return Measured(np.arange(4), delays, g2 + 0.002 * noise, np.full(g2.shape, 0.002))


def statistics():
    random = np.random.default_rng(2)
    counts, photons, pairs = (np.zeros(s, np.int64) for s in ((2, 8, 5, 12), (2, 8, 5), (2, 8, 5)))
    for place in np.ndindex(2, 8, 5):
        drawn = random.negative_binomial(3, 3 / 4, 400)
        counts[place] = np.bincount(np.minimum(drawn, 11), minlength=12)
        photons[place], pairs[place] = drawn.sum(), (drawn * (drawn - 1)).sum()
    made = PhotonHistograms(np.array([1, 2]), np.full((2, 5), 40), counts, photons, pairs)
    return speckle_statistics(made, np.repeat(np.arange(4), 2))


@pytest.fixture
def written(tmp_path):
    result = tmp_path / "result.nxs"
    result.write_bytes(b"a result")
    fits = fit_all(SETTINGS["fits"], {"multitau": measured()})
    counted = statistics()
    found = Analysis(
        BINS,
        fits,
        *tau_over_q(SETTINGS["diffusion"], BINS, fits),
        counted,
        fit_contrast_decay(counted, 0.002, 0.0),
    )
    path = tmp_path / "analysis.nxs"
    write_analysis(path, found, DESCRIPTION, SETTINGS, result)
    return path, found


def assert_equal(one, other):
    for field in fields(one):
        own, its = getattr(one, field.name), getattr(other, field.name)
        if isinstance(own, np.ndarray):
            assert np.array_equal(own, its, equal_nan=own.dtype.kind == "f"), field.name
        else:
            assert own == its or (own != own and its != its), field.name


def test_everything_comes_back(written):
    path, found = written
    again, description = read_analysis(path)
    assert description == {"run": "r1", "reduction": "xpcs"}
    assert [fitted.name for fitted in again.fits] == ["simple", "bent"]
    for own, its in zip(found.fits, again.fits, strict=True):
        assert_equal(own.fit, its.fit)
        assert np.array_equal(own.g2, its.g2)
        assert np.array_equal(own.bins, its.bins)
        assert its.settings == own.settings
    assert_equal(found.diffusion, again.diffusion)
    assert again.diffusion_fit == "simple"
    assert_equal(found.statistics, again.statistics)
    assert_equal(found.decay, again.decay)


def test_default_plots_are_complete_and_units_are_there(written):
    with h5py.File(written[0]) as file:
        group = file[file.attrs["default"]]
        group = group[group.attrs["default"]]
        assert group.name == "/entry/fit_simple"
        assert group["g2"].shape == (group["delay"].size, group["dynamic_bin"].size)
        assert group["g2_errors"].shape == group["g2"].shape
        assert group["delay"].attrs["units"] == "s"
        parameters = group["parameters"]
        assert list(parameters.attrs["axes"]) == ["q"]
        assert parameters["q"].attrs["units"] == "1/nm"
        assert parameters["tau"].attrs["units"] == "s"
        found_tau, errors = parameters["tau"][()], parameters["tau_errors"][()]
        assert np.abs((found_tau - 0.02 * (Q / 0.02) ** -2.0) / errors).max() < 4
        diffusion = file["entry/diffusion/result"]
        # 1 / (0.02 s (0.02e9 / m)^2).
        value, error = diffusion["diffusion_m2_per_s"], diffusion["diffusion_error"]
        assert value.attrs["units"] == "m^2/s"
        assert abs(value[()] - 1.25e-13) < 4 * error[()]
        assert "process_1_simple" in file["entry"]
        assert file["entry/speckle_statistics/contrast_errors"].shape == (2, 4)


def test_nothing_but_what_was_asked_for_is_there(tmp_path):
    result = tmp_path / "result.nxs"
    result.write_bytes(b"a result")
    path = tmp_path / "analysis.nxs"
    write_analysis(path, Analysis(BINS, ()), DESCRIPTION, {}, result)
    again, _ = read_analysis(path)
    assert again.fits == ()
    assert again.diffusion is again.statistics is again.decay is None


def test_fits_of_what_is_not_there_are_refused():
    with pytest.raises(UserError, match="no g2 of twotime") as caught:
        fit_all({"late": {"model": "single", "of": "twotime"}}, {"multitau": measured()})
    assert caught.value.where == "fits.late: of"
    fits = fit_all(SETTINGS["fits"], {"multitau": measured()})
    with pytest.raises(UserError, match="there is no fit 'simpel'"):
        tau_over_q({"fit": "simpel"}, BINS, fits)
    with pytest.raises(UserError, match="are of x and y, not of q"):
        tau_over_q({}, Bins(("x", "y"), ("pixel", "pixel"), np.ones((4, 2))), fits)
    with pytest.raises(UserError, match="no model") as caught:
        fit_all({"odd": {"model": "triple"}}, {"multitau": measured()})
    assert caught.value.where.startswith("fits.odd")
