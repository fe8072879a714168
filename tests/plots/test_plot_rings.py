"""Calibrant check as a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scatterflow.plots.calibrant import plot_rings, rings_figure
from scatterflow.saxswaxs.calibrant import Ring, RingCheck

RADIAL = np.linspace(1.0, 4.0, 300)
INTENSITY = 10.0 + 500.0 * np.exp(-0.5 * ((RADIAL - 1.5) / 0.02) ** 2)


def check(verdict: str = "pass", offsets: tuple[float, ...] = (2e-4, -3e-4)) -> RingCheck:
    rings = [
        Ring(
            number,
            4.0 / number,
            expected,
            found=expected * (1 + offset),
            found_error=1e-4,
            relative_offset=offset,
            relative_error=1e-4,
            width=0.05,
            height=500.0,
            background=10.0,
            significance=50.0,
            used=True,
        )
        for number, expected, offset in zip((1, 2), (1.5, 2.1), offsets, strict=False)
    ]
    rings.append(Ring(3, 1.2, 3.0, why="no data (masked)"))
    sentence = "2 of 3 rings of LaB6 found, because $ is no formula. " * 3
    return RingCheck("LaB6", "q_A^-1", tuple(rings), 3e-4, 1e-3, verdict, sentence)


def test_profile_offsets_and_verdict_are_drawn() -> None:
    figure = rings_figure(check(), RADIAL, INTENSITY, np.sqrt(INTENSITY), "r1 · LaB6", "I (counts)")
    top, bottom = figure.axes
    (profile,) = [line for line in top.lines if len(line.get_xdata()) == 300]
    np.testing.assert_array_equal(profile.get_ydata(), INTENSITY)
    expected = [line.get_xdata()[0] for line in top.lines if line.get_linestyle() == "--"]
    assert sorted(expected) == [1.5, 2.1, 3.0]
    (found,) = [line for line in top.lines if line.get_marker() == "v"]
    np.testing.assert_allclose(found.get_xdata(), [1.5 * 1.0002, 2.1 * 0.9997])
    np.testing.assert_allclose(found.get_ydata(), 510.0)
    (points,) = bottom.containers
    np.testing.assert_allclose(points.lines[0].get_ydata(), [0.2, -0.3])  # in 1e-3
    (unused,) = [line for line in bottom.lines if line.get_marker() == "x"]
    assert unused.get_xdata().tolist() == [3.0]
    across, up = bottom.transAxes.inverted().transform(
        unused.get_transform().transform(unused.get_xydata())[0]
    )
    assert up == pytest.approx(0.05), "at the lower edge: not read as an offset of zero"
    assert across == pytest.approx(2 / 3)
    assert [text.get_text() for text in bottom.texts] == ["no data (masked)"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "no offset: not used" in labels
    assert "tolerance ±1 · 10⁻³" in labels
    low, high = bottom.get_ylim()
    assert low < -1 < 1 < high, "the tolerance band is in view"
    assert bottom.get_xlabel() == "q (Å⁻¹)"
    assert "10⁻³" in bottom.get_ylabel()
    assert top.get_ylabel() == "I (counts)"
    assert figure.get_suptitle().startswith("r1 · LaB6\nVerdict: pass. 2 of 3 rings")
    assert [text.get_text() for text in figure.texts if text.get_text() == "PASS"] == ["PASS"]


def test_reasons_that_would_overlap_are_left_out() -> None:
    rings = tuple(
        Ring(n, 4.0, 2.0 + 0.01 * n, why=f"too weak: {n} standard errors") for n in (1, 2)
    )
    rings += (Ring(3, 3.0, 3.0, why="overlaps the next ring"),)
    failed = RingCheck("AgBh", "q_A^-1", rings, float("nan"), 1e-3, "fail", "No ring was found.")
    bottom = rings_figure(failed, RADIAL, INTENSITY, None).axes[1]
    texts = [text.get_text().replace("\n", " ") for text in bottom.texts]
    assert texts == ["too weak", "overlaps the next ring"]


def test_large_offsets_stay_in_view() -> None:
    figure = rings_figure(check("fail", (0.02, -0.03)), RADIAL, INTENSITY, None)
    low, high = figure.axes[1].get_ylim()
    assert low < -30
    assert high > 20


@pytest.mark.parametrize("rings", [(), (Ring(1, 4.0, 1.5, why="too weak"),)])
def test_a_check_without_used_rings_is_drawn(rings: tuple[Ring, ...], tmp_path: Path) -> None:
    empty = RingCheck("AgBh", "2th_deg", rings, float("nan"), 1e-3, "fail", "No ring was found.")
    dark = np.full(RADIAL.size, np.nan)
    plot_rings(empty, RADIAL, dark, None, tmp_path / "a.png", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size > 1000


def test_files_are_reproducible(tmp_path: Path) -> None:
    for number in (1, 2):
        plot_rings(
            check(),
            RADIAL,
            INTENSITY,
            np.sqrt(INTENSITY),
            tmp_path / f"{number}.png",
            tmp_path / f"{number}.svg",
        )
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
