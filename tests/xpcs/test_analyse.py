"""A result file is analysed whole: fits of both kinds, tau over q, speckle statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.xpcs.made_results import (
    FRAME_TIME_S,
    RUN,
    STRIDE,
    made_correlation,
    made_counts,
)
from tests.xpcs.made_results import (
    SETTINGS as MADE,
)

from scatterflow.errors import UserError
from scatterflow.sources.simulated_speckles import relaxation_times
from scatterflow.xpcs.analyse import analyse, analyse_result, measured_g2
from scatterflow.xpcs.analysis_file import read_analysis
from scatterflow.xpcs.blocks import Block
from scatterflow.xpcs.photon_histograms import count_photons
from scatterflow.xpcs.result import write_result

SETTINGS = {
    "fits": {
        "simple": {"model": "single", "range": [0.0, 1.5]},
        "of_maps": {"model": "single", "of": "twotime", "range": [0.0, 1.5]},
    },
    "diffusion": {"fit": "simple"},
    "speckle_statistics": {"exposures": [1, 2, 4, 8], "segments": 4, "most_photons": 60},
}


@pytest.fixture(scope="module")
def correlation():
    """The simulated run, whose frames are single raw frames, with its photons counted."""
    found = made_correlation(frames={**MADE["frames"], "average": 1})
    qmap, counts = found.qmap, made_counts().astype(np.uint16)
    values = np.ascontiguousarray(counts.reshape(len(counts), -1)[:, qmap.pixels])
    block = Block(0, qmap.pixels.size, len(counts), "frames", values=values)
    static = qmap.static_of_position
    valid = np.ones(len(counts), bool)
    photons = count_photons(block, valid, static, qmap.static_bins, SETTINGS["speckle_statistics"])
    return replace(found, photons=photons)


def test_a_result_is_analysed_into_a_file(correlation, tmp_path):
    result, path = tmp_path / "result.nxs", tmp_path / "analysis.nxs"
    write_result(result, correlation)
    analyse_result(result, path, SETTINGS)
    found, description = read_analysis(path)
    assert description["run"] == "made_0001"
    simple, of_maps = found.fits
    q = correlation.qmap.dynamic_values[:, 0]
    truth = relaxation_times(RUN, q) * FRAME_TIME_S * STRIDE
    # 240 frames of some 2000 pixels: tau to about 10 %.
    assert simple.fit.column("tau")[0] == pytest.approx(truth, rel=0.35)
    assert of_maps.bins.tolist() == [1, 3]
    assert of_maps.fit.column("tau")[0] == pytest.approx(truth[[1, 3]], rel=0.35)
    assert simple.fit.column("contrast")[0] == pytest.approx(np.ones(5), abs=0.25)
    assert found.diffusion.exponent == pytest.approx(-1.0, abs=0.35)
    assert found.statistics.contrast[0] == pytest.approx(np.ones(5), abs=0.2)
    assert (found.statistics.contrast[3] < found.statistics.contrast[0]).all()
    assert found.decay.tau == pytest.approx(truth, rel=0.6)


def first_times(correlation, average, count_time_s):
    """Delays, and times that the first one averages over, s."""
    made = replace(
        correlation,
        settings={**correlation.settings, "frames": {**MADE["frames"], "average": average}},
        acquisition=replace(correlation.acquisition, count_time_s=count_time_s),
    )
    delays = measured_g2(made)["multitau"].delays
    return delays.seconds, delays.times[0][delays.weights[0] > 0]


def test_frames_made_of_several_and_their_exposure_are_taken_into_account(correlation):
    step = FRAME_TIME_S * STRIDE
    one, alone = first_times(correlation, 1, None)
    three, several = first_times(correlation, 3, None)
    assert three == pytest.approx(3 * one)
    assert alone == pytest.approx([step])
    # The first delay, 3 raw frames, averages over -2 to 2 of them.
    assert several == pytest.approx(step * np.arange(1, 6))
    # Each pair of frames averages over -1 to 1 exposures; none is longer than to the next raw frame.
    for count_time_s, reach in ((0.004, 0.004), (1.0, FRAME_TIME_S)):
        exposed = first_times(correlation, 1, count_time_s)[1]
        assert exposed.mean() == pytest.approx(step)
        assert 0.9 * reach < np.ptp(exposed) / 2 < reach


def test_a_beam_that_counts_as_contrast_is_warned_of(correlation, caplog):
    random = np.random.default_rng(3)
    total = correlation.frames.total
    analyse(correlation, {})
    # A drift by half is not what is meant.
    drifting = replace(correlation.frames, total=total * np.linspace(1, 1.5, total.size))
    analyse(replace(correlation, frames=drifting), {})
    assert "fluctuates" not in caplog.text
    beam = random.gamma(25.0, 1 / 25.0, total.size)  # 20 %
    analyse(
        replace(correlation, frames=replace(correlation.frames, total=np.rint(total * beam))), {}
    )
    percent = int(caplog.text.partition("fluctuates by ")[2].partition(" %")[0])
    # 240 frames know it to 5 %, and 1 % is rounding.
    assert 16 < percent < 24


def test_the_place_of_a_mistake_is_named(correlation, tmp_path):
    write_result(tmp_path / "result.nxs", correlation)
    wrong = {"fits": {"simple": {"model": "single", "range": [5e3, 6e3]}}}
    with pytest.raises(UserError, match="delays between 5000 and 6000 s") as caught:
        analyse_result(tmp_path / "result.nxs", tmp_path / "analysis.nxs", wrong)
    assert caught.value.where == "made_0001/xpcs, fits.simple, fits: range"
    assert not (tmp_path / "analysis.nxs").exists()


def test_nothing_is_done_that_was_not_asked_for(correlation):
    found = analyse(replace(correlation, photons=None), {"fits": {}, "diffusion": None})
    assert found.fits == ()
    assert found.diffusion is found.statistics is found.decay is None


def test_a_run_without_photons_is_analysed_to_nothing(correlation, tmp_path, caplog):
    nothing = np.full_like(correlation.g2.g2, np.nan)
    dark = replace(correlation, g2=replace(correlation.g2, g2=nothing), photons=None)
    write_result(tmp_path / "result.nxs", dark)
    settings = {"fits": {"simple": {"model": "single"}}, "diffusion": {"fit": "simple"}}
    analyse_result(tmp_path / "result.nxs", tmp_path / "analysis.nxs", settings)
    found, _ = read_analysis(tmp_path / "analysis.nxs")
    assert found.diffusion is None
    assert np.isnan(found.fits[0].fit.column("tau")[0]).all()
    assert "no diffusion" in caplog.text
