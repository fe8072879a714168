"""Azimuthal averages: angles as the formulas write them, plain sums, errors by Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.azimuthal import azimuthal_averages, pixel_angles, prepare_azimuthal

SETTINGS = {"centre_mm": [0.3, -0.2], "distance_mm": 80.0, "photon_energy_ev": 9500.0}


def positions(shape=(3, 24, 31), pitch=0.9, seed=0):
    """Three tiles, each turned and lifted a little."""
    rng = np.random.default_rng(seed)
    tile, row, column = np.indices(shape)
    angle, shift = rng.uniform(-0.2, 0.2, shape[0])[tile], rng.normal(0, 12, (2, shape[0]))
    u, v = (column - shape[2] / 2) * pitch, (row - shape[1] / 2) * pitch
    x = u * np.cos(angle) - v * np.sin(angle) + shift[0][tile]
    y = u * np.sin(angle) + v * np.cos(angle) + shift[1][tile]
    return x, y, rng.normal(0, 0.4, shape[0])[tile]


def written_out(x, y, z, tx=0.0, ty=0.0, share=None, geometry=True):
    """2 theta, phi, q and the correction, letter by letter."""
    tx, ty = np.radians(tx), np.radians(ty)
    (xc, yc), d = SETTINGS["centre_mm"], SETTINGS["distance_mm"] + z
    A, B, C = -np.sin(ty) * np.cos(tx), -np.sin(tx), -np.cos(ty) * np.cos(tx)
    a, b, c = xc + d * np.tan(ty), yc - d * np.tan(tx), d
    r = np.sqrt((x - a) ** 2 + (y - b) ** 2 + c**2)
    s = A * (x - a) + B * (y - b) - C * c
    theta2 = np.arccos(s / r)
    phi = np.arccos(
        ((A**2 + C**2) * (y - b) - A * B * (x - a) + B * C * c)
        / np.sqrt((A**2 + C**2) * (r**2 - s**2))
    )
    phi = np.where(x < xc, 2 * np.pi - phi, phi)
    correction = np.ones(x.shape)
    if share is not None:
        correction = (1 - share) * (1 - (np.sin(phi) * np.sin(theta2)) ** 2) + share * (
            1 - (np.cos(phi) * np.sin(theta2)) ** 2
        )
    if geometry:
        correction = correction * (c / r) ** 3
    q = 4 * np.pi / (12398.419843320026 / SETTINGS["photon_energy_ev"]) * np.sin(theta2 / 2)
    return theta2, phi, q, correction


@pytest.mark.parametrize(("tx", "ty"), [(0, 0), (3, 0), (0, -4), (2, 5)])
@pytest.mark.parametrize("share", [None, 0.0, 1.0, 0.7])
def test_angles_are_those_written_out(tx, ty, share):
    found = pixel_angles(
        *positions(), SETTINGS | {"tilt_x_deg": tx, "tilt_y_deg": ty, "polarisation": share}
    )
    theta2, phi, q, correction = written_out(*positions(), tx, ty, share)
    assert np.allclose(found.two_theta, theta2, atol=1e-7)
    assert np.allclose(found.q, q, rtol=1e-5)
    assert np.allclose(found.phi, phi, atol=1e-6)
    assert np.allclose(found.correction, correction, rtol=1e-6)


def test_directions_on_the_axes():
    x, y = np.array([0.3, 1.3, 0.3, -0.7, 0.3]), np.array([0.8, -0.2, -1.2, -0.2, -0.2])
    found = pixel_angles(x, y, np.zeros(5), SETTINGS)
    assert np.allclose(np.degrees(found.phi), [0, 90, 180, 270, 0], atol=1e-5)
    assert np.allclose(found.two_theta, np.arctan([1 / 80, 1 / 80, 1 / 80, 1 / 80, 0]))


def plain(frames, good, options, q_edges, sector_of, sectors, photon=1.0, noise=None):
    """Averages and errors, bin by bin and shot by shot."""
    _, phi, q, correction = written_out(
        *positions(), share=options.get("polarisation"), geometry=options.get("geometry", True)
    )
    mean = np.full((len(frames), sectors, q_edges.size - 1), np.nan)
    error = mean.copy()
    for shot in range(len(frames)):
        for sector in range(sectors):
            for k in range(q_edges.size - 1):
                chosen = good & (q >= q_edges[k]) & (q < q_edges[k + 1]) & np.isfinite(frames[shot])
                chosen &= sector_of(np.degrees(phi)) == sector
                if not chosen.any():
                    continue
                value, c = frames[shot][chosen].astype(float), 1 / correction[chosen]
                variance = photon * value + (0 if noise is None else noise[chosen] ** 2)
                mean[shot, sector, k] = (c * value).mean()
                error[shot, sector, k] = np.sqrt(max((c**2 * variance).sum(), 0)) / chosen.sum()
    return mean, error


@pytest.mark.parametrize("way", ["number", "edges"])
def test_averages_are_plain_sums(way):
    rng = np.random.default_rng(2)
    x, y, z = positions()
    good = rng.uniform(size=x.shape) > 0.1
    noise = rng.uniform(0.1, 0.4, x.shape)
    frames = (3.0 * rng.poisson(2, (18, *x.shape)) + rng.normal(0, 0.3, x.shape)).astype(np.float32)
    frames[1, 0, :12] = np.nan
    q_edges = np.array([0.0, 0.4, 0.7, 1.5])
    sectors = 5 if way == "number" else [-30.0, 40.0, 100.0, 250.0]
    options = {"polarisation": 0.95, "q_edges": q_edges, "sectors": sectors, "photon": 3.0}
    bins = prepare_azimuthal(x, y, z, good, SETTINGS | options, noise)
    found = azimuthal_averages(frames, bins, threads=2)

    def sector_of(degrees):
        if way == "number":
            return np.floor((degrees + 36) / 72).astype(int) % 5
        turned = np.where(degrees >= 330, degrees - 360, degrees)
        return np.select([turned < 40, turned < 100, turned < 250], [0, 1, 2], -1)

    number = bins.sector_edges.size - 1
    mean, error = plain(frames, good, options, q_edges, sector_of, number, 3.0, noise)
    assert np.array_equal(np.isnan(found["azav"]), np.isnan(mean))
    assert np.allclose(found["azav"], mean, rtol=1e-6, equal_nan=True)
    assert np.allclose(found["azav_error"], error, rtol=1e-6, equal_nan=True)
    alone = azimuthal_averages(frames[7:8], bins)
    assert alone["azav"].tobytes() == found["azav"][7:8].tobytes()


def test_masked_pixels_dilute_no_bin():
    x, y, z = positions()
    good = np.random.default_rng(3).uniform(size=x.shape) > 0.5
    bins = prepare_azimuthal(x, y, z, good, SETTINGS | {"q_step": 0.1, "geometry": False})
    frames = np.where(good, 7.0, 1e6)[None].astype(np.float32)
    found = azimuthal_averages(frames, bins)["azav"]
    assert np.allclose(found[np.isfinite(found)], 7.0)
    assert bins.pixels.sum() == good.sum()
    assert np.diff(bins.q_edges) == pytest.approx(0.1)


def test_the_outermost_pixel_is_in_a_bin():
    # A single q: by rounding the last of the edges q - step, q, ... can be q itself.
    x = np.full((1, 2), 10.0)
    y = z = np.zeros((1, 2))
    options = SETTINGS | {"centre_mm": [0.0, 0.0], "geometry": False}
    (q,) = set(pixel_angles(x, y, z, options).q.ravel().tolist())
    for step in (0.1, q, q / 2, q / 3, 0.01, 0.3):
        bins = prepare_azimuthal(x, y, z, np.ones((1, 2), bool), options | {"q_step": step})
        assert bins.pixels.sum() == 2
        assert bins.q_edges[-1] > q


def test_errors_against_monte_carlo():
    rng = np.random.default_rng(7)
    x, y, z = positions()
    good = rng.uniform(size=x.shape) > 0.05
    noise = rng.uniform(1.0, 8.0, x.shape)
    options = {"q_step": 0.25, "sectors": 3, "polarisation": 1.0, "photon": 40.0}
    bins = prepare_azimuthal(x, y, z, good, SETTINGS | options, noise)
    expected = 0.05 * np.exp(-pixel_angles(x, y, z, SETTINGS).q)
    shots = 1500
    frames = 40.0 * rng.poisson(expected, (shots, *x.shape)).astype(np.float32)
    frames += (noise * rng.standard_normal(frames.shape, dtype=np.float32)).astype(np.float32)
    found = azimuthal_averages(frames, bins)
    used = bins.pixels > 20
    scatter = found["azav"].std(axis=0, ddof=1)[used]
    told = np.sqrt(np.mean(found["azav_error"] ** 2, axis=0))[used]
    # A standard deviation of 1500 values is known to 1.8 %.
    assert used.sum() > 10
    assert np.all(np.abs(told / scatter - 1) < 5 * 0.0183)
    assert abs(np.mean(told / scatter) - 1) < 4 * 0.0183 / np.sqrt(used.sum())


def test_threshold_and_whole_numbers():
    x, y, z = positions()
    good = np.ones(x.shape, bool)
    options = {"q_edges": [0, 9.0], "geometry": False}
    counts = np.random.default_rng(1).poisson(3, (2, *x.shape)).astype(np.uint16)
    bins = prepare_azimuthal(x, y, z, good, SETTINGS | options | {"threshold": [2, 4]})
    found = azimuthal_averages(counts, bins)["azav"][:, 0, 0]
    kept = np.where((counts < 2) | (counts > 4), 0, counts)
    assert np.allclose(found, kept.mean(axis=(1, 2, 3)), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"q_edges": [0, 1], "distance_mm": 0}, "distance_mm"),
        ({"q_step": -1}, "q_step"),
        ({}, "q_step is missing"),
        ({"q_edges": [1, 0]}, "ascend"),
        ({"q_edges": [50, 60]}, "no good pixel"),
        ({"q_step": 0.1, "sectors": 0}, "sectors"),
        ({"q_step": 0.1, "sectors": [0, 300, 400]}, "one circle"),
        ({"q_step": 0.1, "pplane": 1}, "there is no"),
    ],
)
def test_what_cannot_be_is_told(options, told):
    x, y, z = positions()
    with pytest.raises(UserError, match=told):
        prepare_azimuthal(x, y, z, np.ones(x.shape, bool), SETTINGS | options)


def test_shapes_that_do_not_fit():
    x, y, z = positions()
    with pytest.raises(UserError, match="geometry of this detector"):
        prepare_azimuthal(x, y, z, np.ones((2, 2), bool), SETTINGS | {"q_step": 0.1})
    bins = prepare_azimuthal(x, y, z, np.ones(x.shape, bool), SETTINGS | {"q_step": 0.1})
    with pytest.raises(UserError, match="geometry of this detector"):
        azimuthal_averages(np.zeros((1, 5, 5)), bins)
