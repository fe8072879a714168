"""From simulated photons to contrast, tau(q) and its exponent: found as they were put in, within errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scatterflow.detectors.qmap import Partition, make_qmap
from scatterflow.kernels.lags import multitau_lags
from scatterflow.sources.simulate_xpcs import COLLOID, FRAME_TIME_S, known_xpcs_answers
from scatterflow.sources.simulated_speckles import (
    photon_events,
    photon_frames,
    q_of_pixels,
    relaxation_times,
)
from scatterflow.xpcs.analysis import Bins, Measured, fit_all, tau_over_q
from scatterflow.xpcs.blocks import Block
from scatterflow.xpcs.correlate import correlate_block, time_windows
from scatterflow.xpcs.delays import delays_of
from scatterflow.xpcs.fits import DOUBTFUL
from scatterflow.xpcs.merge import merge_blocks
from scatterflow.xpcs.multitau_file import write_block_sums

ANSWERS = known_xpcs_answers()


def rings(number):
    """Rings of three static bins each; within a wide one tau differs, and the decay is not exponential."""
    q = q_of_pixels(COLLOID)
    parts = []
    for count in (number, 3 * number):
        edges = np.linspace(1.2e-3, 5.2e-3, count + 1)
        centres = (edges[:-1] + edges[1:]) / 2
        number = np.where((q >= edges[0]) & (q < edges[-1]), np.digitize(q, edges), 0)
        parts.append(
            Partition(
                number.astype(np.uint32), np.arange(count), centres[:, None], (count, 1), (centres,)
            )
        )
    good = np.ones(COLLOID.shape, bool)
    return make_qmap(*parts, good, ("q",), ("1/angstrom",), {}, "simulated")


def dense_block(run, qmap):
    frames = np.concatenate([block for _, block in photon_frames(run, 1)])
    values = frames.reshape(len(frames), -1)[:, qmap.pixels].astype(np.uint8)
    return Block(0, qmap.pixels.size, len(frames), "frames", values=np.ascontiguousarray(values))


def event_block(run, qmap):
    place = np.full(np.prod(run.shape), -1)
    place[qmap.pixels] = np.arange(qmap.pixels.size)
    parts = [(number, place[p], c) for number, p, c in photon_events(run, 2)]
    frame = np.concatenate([np.full(p.size, number, np.int32) for number, p, _ in parts])
    pixel = np.concatenate([p for _, p, _ in parts])
    count = np.concatenate([c for *_, c in parts]).astype(np.uint8)
    used = pixel >= 0
    frame, pixel, count = frame[used], pixel[used], count[used]
    order = np.argsort(pixel, kind="stable")
    starts = np.searchsorted(pixel[order], np.arange(qmap.pixels.size + 1)).astype(np.int64)
    return Block(
        0,
        qmap.pixels.size,
        run.frames,
        "events",
        starts=starts,
        frame=frame[order],
        count=count[order],
    )


@pytest.mark.parametrize(
    ("photons", "made", "how", "number"),
    [(0.3, dense_block, "static_bins", 24), (0.01, event_block, "bias_corrected", 8)],
)
def test_what_was_put_in_is_found(photons, made, how, number, tmp_path):
    # Speckles of a pixel: larger ones lie in two narrow rings, whose tau would then not be independent.
    run, qmap = replace(COLLOID, photons=photons, speckle_sigma=0.0), rings(number)
    block, valid = made(run, qmap), np.ones(run.frames, bool)
    lags = multitau_lags(run.frames, 4)
    windows = time_windows(run.frames, 10)
    static = qmap.static_of_position
    sums = correlate_block(block, valid, None, lags, 1, windows, static)
    write_block_sums(tmp_path / "0.h5", sums, {})
    per_bin = photons_of(block, static, qmap.static_bins)
    g2 = merge_blocks([tmp_path / "0.h5"], qmap, how, valid, None, per_bin)
    delays = delays_of(g2.delay, g2.level, FRAME_TIME_S)
    measured = Measured(np.arange(number), delays, g2.g2, g2.error, g2.partial)
    bins = Bins(qmap.names, qmap.units, qmap.dynamic_values)
    setting = {"simple": {"model": "single", "range": [0.0, 5e-3]}}
    fits = fit_all(setting, {"multitau": measured})
    fit = fits[0].fit
    assert not (fit.flags & DOUBTFUL).any()
    truth = relaxation_times(run, bins.values[:, 0]) * FRAME_TIME_S
    for name, expected in (("contrast", ANSWERS["contrast"]), ("tau", truth)):
        values, errors = fit.column(name)
        pull = (values - expected) / errors
        # Eight or more pulls of about unit width.
        assert np.sqrt(np.mean(pull**2)) < 1.6, (name, pull)
        weights = errors**-2
        mean_pull = np.sum(weights * (values - expected)) / np.sqrt(weights.sum())
        assert abs(mean_pull) < 2, name
    diffusion, _ = tau_over_q({"temperature_K": 293.15, "viscosity_Pa_s": 1.0016e-3}, bins, fits)
    assert abs(diffusion.exponent - ANSWERS["tau_exponent"]) < 2 * diffusion.exponent_error
    assert diffusion.exponent_error < 0.3
    assert abs(diffusion.radius_m - ANSWERS["radius_m"]) < 2.5 * diffusion.radius_error


def photons_of(block, static, static_bins):
    """Photons of every frame in every static bin, (N, Ns)."""
    counted = np.zeros((block.frames, static_bins))
    if block.form == "frames":
        for number in range(static_bins):
            counted[:, number] = block.values[:, static == number].sum(axis=1)
        return counted
    own = np.repeat(static, np.diff(block.starts))
    np.add.at(counted, (block.frame, own), block.count)
    return counted
