"""Figures of fits of g2 and of tau over q show what the analysis holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.plots.diffusion import diffusion_figure, plot_diffusion
from scatterflow.plots.g2_fits import g2_fit_figure, plot_g2_fit, seconds
from scatterflow.xpcs.analysis import Analysis, Bins, Measured, fit_all, tau_over_q
from scatterflow.xpcs.analysis_file import write_analysis
from scatterflow.xpcs.delays import delays_of

Q = np.linspace(0.01, 0.05, 15)
BINS = Bins(("q",), ("1/nm",), Q[:, None])
SETTINGS = {"fits": {"one": {"model": "single"}, "bent": {"model": "stretched"}}, "diffusion": {}}


def made(bins=BINS) -> Analysis:
    """g2 of tau = 2 ms (q / 0.02 nm^-1)^-2; the last bin has no photons, the one before is noise."""
    lags = np.unique(np.geomspace(1, 400, 40).astype(int))
    delays = delays_of(lags, np.zeros_like(lags), 2e-4)
    tau = 0.002 * (Q / 0.02) ** -2.0
    random = np.random.default_rng(3)
    g2 = 1 + 0.25 * np.exp(-2 * delays.seconds[:, None] / tau)
    g2 += 0.004 * random.standard_normal(g2.shape)
    g2[:, 13] = 1 + 0.2 * random.standard_normal(len(g2))
    g2[:, 14] = np.nan
    error = np.full(g2.shape, 0.004)
    error[:, 13] = 0.2
    measured = Measured(np.arange(15), delays, g2, error)
    fits = fit_all(SETTINGS["fits"], {"multitau": measured})
    if "q" not in bins.names:
        return Analysis(bins, fits)
    settings = {"temperature_K": 293.15, "viscosity_Pa_s": 1e-3, "q_range": [0.012, 0.06]}
    return Analysis(bins, fits, *tau_over_q(settings, bins, fits))


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_each_panel_shows_data_and_fit():
    analysis = made()
    figure = g2_fit_figure("run · sample", analysis, "one", [1, 5, 15])
    axes = [own for own in figure.axes if own.get_visible()]
    assert [own.get_title(loc="left") for own in axes] == [
        f"q = {Q[n]:.4g} nm⁻¹" for n in (0, 4, 14)
    ]
    lines = axes[1].get_lines()
    drawn = [line for line in lines if line.get_ydata().__len__() == len(analysis.fits[0].g2)]
    assert np.array_equal(drawn[-1].get_ydata(), analysis.fits[0].fit.best_fit[:, 4])
    assert any(text.startswith("τ = ") for text in texts(figure))
    assert "no value" in texts(figure)


def test_many_bins_are_a_dozen_panels_evenly_spread():
    figure = g2_fit_figure("run", made(), "bent")
    assert sum(axes.get_visible() for axes in figure.axes) == 12
    assert "12 of them shown" in figure.get_suptitle()


def test_parameters_over_q_carry_the_power_law():
    analysis = made()
    figure = diffusion_figure("run", analysis, "one")
    tau = figure.axes[1]
    law = tau.get_lines()[-1]
    # tau times q^2 is constant where the exponent is -2.
    product = law.get_ydata() * law.get_xdata() ** 2
    assert product == pytest.approx(np.full(100, 0.002 * 0.02**2), rel=0.1)
    assert "radius" in figure.get_suptitle()
    assert "not used" in tau.get_title(loc="right")
    assert "failed" in tau.get_title(loc="right")
    plain = diffusion_figure("run", replace(analysis, diffusion=None, diffusion_fit=""), "bent")
    assert plain.axes[2].get_ylabel() == "stretching exponent"


def test_bins_without_q_are_drawn_by_their_number():
    analysis = made(Bins(("x", "y"), ("pixel", "pixel"), np.ones((15, 2))))
    assert diffusion_figure("run", analysis, "one").axes[3].get_xlabel() == "dynamic bin"


def test_figures_are_written_and_equal_bytes_the_second_time(tmp_path):
    result = tmp_path / "result.nxs"
    result.write_bytes(b"a result")
    write_analysis(tmp_path / "a.nxs", made(), {"run": "r", "sample": "s"}, SETTINGS, result)
    files = {plot_g2_fit: (tmp_path / "a.nxs", result), plot_diffusion: (tmp_path / "a.nxs",)}
    for plot, read in files.items():
        for again in ("1", "2"):
            plot(*read, "one", tmp_path / f"{again}.png", tmp_path / f"{again}.svg")
        for kind in ("png", "svg"):
            one, two = (tmp_path / f"{again}.{kind}" for again in "12")
            assert one.read_bytes() == two.read_bytes()
            assert one.stat().st_size > 5000


def test_what_is_not_there_is_refused():
    with pytest.raises(UserError, match="there is no fit 'on'") as caught:
        g2_fit_figure("run", made(), "on")
    assert "did you mean 'one'?" in caught.value.how
    with pytest.raises(UserError, match="dynamic bin 16 was not fitted"):
        g2_fit_figure("run", made(), "one", [16])


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [(0.01234, 0.00042, "12.34 ± 0.42 ms"), (2.5, np.nan, "2.5 s"), (3e-5, 2e-6, "30.0 ± 2.0 µs")],
)
def test_times_are_readable(value, error, text):
    assert seconds(value, error) == text
