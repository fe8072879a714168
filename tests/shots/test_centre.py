"""Circles whose centre is known, errors by Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.shots.centre import fit_circle, ring_centres


def test_points_on_a_circle():
    phi = np.array([0.1, 0.9, 2.0, 3.3, 5.1])
    found = fit_circle(1e4 + 25 * np.cos(phi), -300 + 25 * np.sin(phi))
    assert np.allclose(found[:3], [1e4, -300, 25], rtol=1e-12)
    assert np.allclose(found[3:], 0, atol=1e-9)


def test_errors_against_monte_carlo():
    rng = np.random.default_rng(1)
    values = []
    for _ in range(1500):
        phi = rng.uniform(0, np.pi, 80)  # half a ring: the errors of centre and radius differ
        radius = 100 + rng.normal(0, 0.8, 80)
        values.append(fit_circle(3 + radius * np.cos(phi), 7 + radius * np.sin(phi)))
    values = np.array(values)
    scatter, told = values[:, :3].std(axis=0), np.sqrt((values[:, 3:6] ** 2).mean(axis=0))
    # 1500 values tell a standard deviation to 1.8 %.
    assert np.allclose(told / scatter, 1, atol=5 * 0.018)
    # Of half a ring the algebraic circle is a little small, by far less than its error.
    assert np.all(np.abs(values[:, :3].mean(axis=0) - [3, 7, 100]) < scatter / 4)


def test_least_squares_of_the_algebraic_distance():
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-3, 5, (2, 30))
    xc, yc, radius = fit_circle(x, y)[:3]

    def cost(a, b, r):
        return np.sum(((x - a) ** 2 + (y - b) ** 2 - r**2) ** 2)

    for step in np.eye(3) * 1e-4:
        best = cost(xc, yc, radius)
        assert cost(*(np.array([xc, yc, radius]) + step)) > best
        assert cost(*(np.array([xc, yc, radius]) - step)) > best


def test_rings_of_shots():
    rng = np.random.default_rng(3)
    row, column = np.indices((120, 150))
    centres = np.array([[70.3, 55.7], [74.0, 61.2]])
    frames = np.array(
        [10 * np.exp(-0.5 * ((np.hypot(column - x, row - y) - 40) / 2) ** 2) for x, y in centres]
    )
    frames = rng.poisson(frames + 0.1).astype(np.float32)
    good = rng.uniform(size=row.shape) > 0.05
    frames[:, ~good] = 1e6
    frames[0, 3, 3] = np.nan
    found = ring_centres(frames, good, {"percentile": 95})
    assert found["ier"].tolist() == [1, 1]
    assert np.allclose(np.stack([found["xCen"], found["yCen"]], axis=1), centres, atol=0.6)
    assert np.allclose(found["R"], 40, atol=0.6)
    assert np.all((found["xCen_error"] > 0) & (found["xCen_error"] < 0.3))
    tiled = ring_centres(
        frames[:, None], good[None], {"percentile": 95}, x=column[None] * 0.1, y=row[None] * 0.1
    )
    assert np.allclose(tiled["xCen"], 0.1 * found["xCen"])


def test_no_ring():
    good = np.ones((8, 8), bool)
    assert ring_centres(np.zeros((1, 8, 8)), good, {})["ier"].tolist() == [0]
    assert ring_centres(np.zeros((1, 8, 8)), ~good, {})["ier"].tolist() == [0]
    line = np.zeros((1, 8, 8))
    line[0, 4] = 1
    found = ring_centres(line, good, {"percentile": 50})
    assert found["ier"].tolist() == [0]
    assert np.isnan(found["xCen"]).all()
    assert fit_circle(np.ones(6), np.ones(6)) is None
    with pytest.raises(UserError, match="percentile"):
        ring_centres(line, good, {"percentile": 100})
    with pytest.raises(UserError, match="positions"):
        ring_centres(line[None], good[None], {})
    with pytest.raises(UserError, match="did you mean"):
        ring_centres(line, good, {"percentil": 10})
