"""Calibrant check: rings made here by Bragg's law, and real calibrants with known answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.config.calibrant_names import find_calibrant, known_calibrants
from scatterflow.errors import UserError
from scatterflow.saxswaxs.calibrant import (
    Ring,
    RingCheck,
    _judge,
    _uncertainty,
    check_rings,
    write_ring_table,
    write_ring_verdict,
)
from scatterflow.saxswaxs.ring_fit import fit_ring
from scatterflow.saxswaxs.ring_positions import ring_positions

LAB6_EDGE = 4.156826  # angstrom, NIST SRM 660c at 22.5 degrees Celsius: 0.4156826 nm
LAB6 = LAB6_EDGE / np.sqrt([1, 2, 3, 4, 5, 6])  # primitive cubic: 100 110 111 200 210 211
LAB6_Q = 2 * np.pi / LAB6  # 1/angstrom


def powder(
    q: np.ndarray,
    positions: np.ndarray = LAB6_Q,
    scale: float = 1.0,
    counts: float | None = 1000.0,
    width: float = 0.008,
    seed: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Rings at `scale` times their positions on a background, with counting noise."""
    intensity = 50.0 + 10.0 * q
    for position in positions:
        intensity = intensity + 300.0 * np.exp(-0.5 * ((q - scale * position) / width) ** 2)
    if counts is None:
        return intensity, np.sqrt(intensity)
    noisy = np.random.default_rng(seed).poisson(intensity * counts / 50.0) * 50.0 / counts
    return noisy, np.sqrt(noisy * 50.0 / counts)


Q = np.linspace(1.2, 3.9, 1000)


def lab6(scale: float = 1.0, **options) -> RingCheck:
    return check_rings(Q, *powder(Q, scale=scale, **options), "q_A^-1", "LaB6")


# --- names


@pytest.mark.parametrize(
    ("sample", "calibrant"),
    [
        ("LaB6", "LaB6"),
        ("lab6", "LaB6"),
        ("LAB6_SRM660c", "LaB6_SRM660c"),
        ("SRM 660b", "LaB6_SRM660b"),
        ("AgBh", "AgBh"),
        ("AgBeh", "AgBh"),
        ("Silver Behenate", "AgBh"),
        ("silver_behenate", "AgBh"),
        ("ceo2", "CeO2"),
        ("Si 640e", "Si_SRM640e"),
        ("corundum", "alpha_Al2O3"),
    ],
)
def test_a_calibrant_is_found_by_its_names(sample: str, calibrant: str) -> None:
    assert find_calibrant(sample) == calibrant


@pytest.mark.parametrize(
    "sample",
    ["", None, "LaB6 in oil", "my LaB6", "agbh2", "silver", "water", "lysozyme", "mock", "SiO2"],
)
def test_a_sample_that_only_contains_a_name_is_no_calibrant(sample: str | None) -> None:
    assert find_calibrant(sample) is None


def test_every_calibrant_of_pyfai_is_found_but_for_two() -> None:
    known = known_calibrants()
    assert {"AgBh", "LaB6", "CeO2", "Si"} <= set(known)
    assert {name for name in known if find_calibrant(name) != name} == {"lysozyme", "mock"}


# --- positions


def test_ring_positions_obey_braggs_law() -> None:
    wavelength = 1.0332  # angstrom
    two_theta = 2 * np.degrees(np.arcsin(wavelength / (2 * LAB6)))
    np.testing.assert_allclose(ring_positions(LAB6, "q_A^-1"), LAB6_Q)
    np.testing.assert_allclose(ring_positions(LAB6, "q_nm^-1"), 10 * LAB6_Q)
    np.testing.assert_allclose(ring_positions(LAB6, "2th_deg", 1.0332e-10), two_theta)
    np.testing.assert_allclose(ring_positions(LAB6, "2th_rad", 1.0332e-10), np.radians(two_theta))
    assert np.isnan(ring_positions(np.array([0.5]), "2th_deg", 1.0332e-10)).all()


def test_silver_behenate_has_equidistant_rings() -> None:
    q = np.linspace(0.05, 0.6, 4000)
    positions = 2 * np.pi / 58.38 * np.arange(1, 6)
    check = check_rings(q, *powder(q, positions, width=0.001), "q_A^-1", "AgBh")
    np.testing.assert_allclose([ring.expected for ring in check.rings], positions)
    assert check.verdict == "pass"


# --- the check


@given(scale=st.floats(0.985, 1.015), seed=st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_a_wrong_distance_is_measured(scale: float, seed: int) -> None:
    check = lab6(scale, seed=seed)
    assert len(check.rings) == 6
    for ring in check.rings:
        assert ring.used, ring.why
        assert abs(ring.relative_offset - (scale - 1)) < 6 * ring.relative_error + 1e-6
        assert ring.relative_error < 1e-4
    assert check.rms == pytest.approx(abs(scale - 1), abs=5e-5)
    if abs(scale - 1) < 8e-4:
        assert check.verdict == "pass"
    if abs(scale - 1) > 1.2e-3:
        assert check.verdict == "fail"
        assert f"all lie at {'larger' if scale > 1 else 'smaller'} q by" in check.sentence


def test_quoted_errors_are_those_of_repeated_measurements() -> None:
    checks = [lab6(counts=100.0, seed=seed) for seed in range(40)]
    offsets = np.array([[ring.relative_offset for ring in check.rings] for check in checks])
    errors = np.array([[ring.relative_error for ring in check.rings] for check in checks])
    pulls = offsets / errors
    assert 0.8 < pulls.std() < 1.3
    assert abs(pulls.mean()) < 0.3


@pytest.mark.parametrize("unit", ["q_nm^-1", "2th_deg", "2th_rad"])
def test_the_answer_does_not_depend_on_the_unit(unit: str) -> None:
    wavelength = 1.0332e-10
    intensity, sigma = powder(Q, scale=1.0007)
    two_theta = 2 * np.arcsin(Q * 1.0332 / (4 * np.pi))
    radial = {"q_nm^-1": 10 * Q, "2th_deg": np.degrees(two_theta), "2th_rad": two_theta}[unit]
    check = check_rings(radial, intensity, sigma, unit, "LaB6", wavelength)
    assert len(check.rings) == 6
    for ring in check.rings:
        assert ring.relative_offset == pytest.approx(7e-4, abs=5e-5)
    assert check.unit == unit


@pytest.mark.parametrize("sigma", ["none", "nan", "zero", "some zero"])
def test_without_usable_errors_the_fit_is_unweighted(sigma: str) -> None:
    intensity, errors = powder(Q, scale=1.0005)
    given = {
        "none": None,
        "nan": np.full(Q.size, np.nan),
        "zero": np.zeros(Q.size),
        "some zero": np.where(np.arange(Q.size) % 7 == 0, 0.0, errors),
    }[sigma]
    check = check_rings(Q, intensity, given, "q_A^-1", "LaB6")
    assert [ring.used for ring in check.rings] == [True] * 6
    assert check.rms == pytest.approx(5e-4, abs=5e-5)


def test_masked_rings_are_left_out_with_the_reason() -> None:
    intensity, sigma = powder(Q)
    hidden = np.abs(Q - LAB6_Q[2]) < 0.2
    intensity[hidden] = np.nan
    half = (LAB6_Q[4] - 0.12 < Q) & (LAB6_Q[4] - 0.001 > Q)
    intensity[half] = np.nan
    check = check_rings(Q, intensity, sigma, "q_A^-1", "LaB6")
    assert [ring.used for ring in check.rings] == [True, True, False, True, False, True]
    assert {check.rings[2].why, check.rings[4].why} == {"no data (masked)"}
    assert np.isnan(check.rings[2].found)
    assert check.verdict == "pass"


def test_single_missing_bins_do_not_matter() -> None:
    intensity, sigma = powder(Q)
    intensity[::9] = np.nan
    assert check_rings(Q, intensity, sigma, "q_A^-1", "LaB6").verdict == "pass"


def test_a_ring_at_the_end_of_the_profile_is_not_used() -> None:
    q = np.linspace(1.2, LAB6_Q[5] + 0.02, 1000)
    check = check_rings(q, *powder(q), "q_A^-1", "LaB6")
    assert check.rings[5].why == "too near the end of the profile"
    assert sum(ring.used for ring in check.rings) == 5


def test_weak_rings_and_ripples_are_not_used() -> None:
    intensity, sigma = powder(Q, LAB6_Q[[0, 1, 3, 4, 5]])
    check = check_rings(Q, intensity, sigma, "q_A^-1", "LaB6")
    assert not check.rings[2].used
    assert check.rings[2].why.startswith("too weak")
    ripple = 1000.0 * (1 + 0.01 * np.sin(40 * Q))
    none = check_rings(Q, ripple, np.full(Q.size, 0.1), "q_A^-1", "LaB6")
    assert none.verdict == "fail"
    assert none.sentence.startswith("No ring of LaB6 was found where 6 could be")


def test_a_spike_is_no_ring() -> None:
    intensity, sigma = powder(Q, LAB6_Q[1:])
    intensity[np.argmin(np.abs(Q - LAB6_Q[0]))] = 1e4
    check = check_rings(Q, intensity, sigma, "q_A^-1", "LaB6")
    assert not check.rings[0].used
    assert sum(ring.used for ring in check.rings) == 5


def test_overlapping_rings_are_not_used() -> None:
    intensity, sigma = powder(Q, width=0.12)
    check = check_rings(Q, intensity, sigma, "q_A^-1", "LaB6")
    assert "overlaps the next ring" in {ring.why for ring in check.rings}
    assert check.verdict != "pass"


def test_bins_too_wide_for_the_ring_distance_are_said() -> None:
    q = np.linspace(1.2, 3.9, 40)
    check = check_rings(q, *powder(q, width=0.1), "q_A^-1", "LaB6")
    assert check.rings[4].why == "the next ring is too close for the bin width"


def test_another_calibrant_fails() -> None:
    intensity, sigma = powder(Q)
    assert check_rings(Q, intensity, sigma, "q_A^-1", "CeO2").verdict == "fail"


def test_one_ring_off_is_a_warning_that_names_it() -> None:
    positions = LAB6_Q.copy()
    positions[3] *= 1.0015
    check = check_rings(Q, *powder(Q, positions), "q_A^-1", "LaB6")
    assert check.rms < 1e-3
    assert check.verdict == "warn"
    assert "ring 4 is off by +1.5e-3" in check.sentence


def test_offsets_that_scatter_blame_centre_and_tilt() -> None:
    positions = LAB6_Q * (1 + 4e-3 * np.array([1, -1, 1, -1, 1, -1]))
    check = check_rings(Q, *powder(Q, positions), "q_A^-1", "LaB6")
    assert check.verdict == "fail"
    assert "beam centre, tilt and orientation" in check.sentence


def test_offsets_to_one_side_may_be_the_distance() -> None:
    # Distance too large by 1 %: dq / q = -cos(theta)^2 cos(2 theta) dL / L, here for 2.2 angstrom.
    theta = np.arcsin(LAB6_Q * 2.2 / (4 * np.pi))
    positions = LAB6_Q * (1 - 0.01 * np.cos(theta) ** 2 * np.cos(2 * theta))
    check = check_rings(Q, *powder(Q, positions), "q_A^-1", "LaB6")
    assert check.verdict == "fail"
    assert "check distance, beam centre, tilt and orientation" in check.sentence
    sides = LAB6_Q * (1 + 4e-3 * np.array([1, -1, 1, -1, 1, -1]))
    both = check_rings(Q, *powder(Q, sides), "q_A^-1", "LaB6")
    assert "check beam centre, tilt and orientation" in both.sentence, "no distance does that"


def test_one_ring_is_weak_evidence_and_says_so() -> None:
    intensity, sigma = powder(Q)
    intensity[np.abs(Q - LAB6_Q[0]) > 0.2] = np.nan
    check = check_rings(Q, intensity, sigma, "q_A^-1", "LaB6")
    assert [ring.used for ring in check.rings] == [True] + 5 * [False]
    assert check.verdict == "pass"
    assert "1 of 6 rings of LaB6 found (1 ring only: weak evidence), rms" in check.sentence
    assert "weak evidence" not in lab6().sentence


def test_uncertain_offsets_are_said_and_do_not_pass() -> None:
    assert _uncertainty(np.array([2.4e-4]), 2.8e-5, 1e-3) == ", offset uncertain by 2.4e-4"
    assert _uncertainty(np.array([3e-3, 4e-3]), 5e-3, 1e-3) == ", offsets uncertain by 3.5e-3"
    assert _uncertainty(np.array([1.5e-5, 1.5e-5]), 8e-6, 1e-3) == "", "far within the tolerance"
    assert _uncertainty(np.array([2e-4, 2e-4]), 5e-4, 1e-3) == "", "less than what it is about"
    ring = Ring(1, 4.0, 1.5, relative_offset=3e-5, relative_error=2e-3, used=True)
    verdict, sentence = _judge("LaB6", (ring,), 3e-5, 1e-3)
    assert verdict == "warn"
    assert "offset uncertain by 2.0e-3" in sentence
    assert sentence.endswith("no ring is measured well enough to tell.")


def test_noise_that_hides_the_tolerance_is_a_warning_not_a_failure() -> None:
    intensity, sigma = powder(Q)
    check = check_rings(Q, intensity, sigma, "q_A^-1", "LaB6", tolerance=1e-9)
    assert check.verdict == "warn"
    assert "too noisy to tell" in check.sentence


def test_nothing_to_check_is_a_warning() -> None:
    q = np.linspace(0.01, 0.5, 500)
    check = check_rings(q, np.ones(500), None, "q_A^-1", "LaB6")
    assert (check.verdict, check.rings) == ("warn", ())
    assert np.isnan(check.rms)
    masked = check_rings(Q, np.full(Q.size, np.nan), None, "q_A^-1", "LaB6")
    assert masked.verdict == "warn"
    assert "nothing was checked" in masked.sentence
    flat = check_rings(Q, np.full(Q.size, 7.0), None, "q_A^-1", "LaB6")
    assert flat.verdict == "fail"


def test_faults_are_user_errors() -> None:
    intensity, sigma = powder(Q)
    with pytest.raises(UserError, match="cannot be given in 'r_mm'") as error:
        check_rings(Q, intensity, sigma, "r_mm", "LaB6")
    assert "q_nm^-1" in error.value.how
    with pytest.raises(UserError, match="need the wavelength"):
        check_rings(Q, intensity, sigma, "2th_deg", "LaB6")
    with pytest.raises(UserError, match="no calibrant that pyFAI knows") as error:
        check_rings(Q, intensity, sigma, "q_A^-1", "LaB7")
    assert "'LaB6'" in error.value.how
    with pytest.raises(UserError, match="tolerance"):
        check_rings(Q, intensity, sigma, "q_A^-1", "LaB6", tolerance=0.0)
    with pytest.raises(ValueError, match="on an axis of shape"):
        check_rings(Q[:-1], intensity, sigma, "q_A^-1", "LaB6")
    with pytest.raises(ValueError, match="must increase"):
        check_rings(Q[::-1], intensity, sigma, "q_A^-1", "LaB6")


def test_one_ring_without_noise_is_found_exactly() -> None:
    x = np.linspace(-1.0, 1.0, 101)
    intensity = 5.0 * np.exp(-0.5 * ((x - 0.123) / 0.08) ** 2) + 2.0 - 0.5 * x
    peak = fit_ring(x, intensity, None, 0.0)
    assert peak.centre == pytest.approx(0.123, abs=1e-6)
    assert peak.width == pytest.approx(0.08 * 2 * np.sqrt(2 * np.log(2)), rel=1e-5)
    assert peak.height == pytest.approx(5.0, rel=1e-5)
    assert peak.background == pytest.approx(2.0 - 0.5 * 0.123, rel=1e-5)


# --- files


def test_table_and_verdict_hold_every_ring(tmp_path: Path) -> None:
    intensity, sigma = powder(Q)
    intensity[np.abs(Q - LAB6_Q[2]) < 0.2] = np.nan
    check = check_rings(Q, intensity, sigma, "q_A^-1", "LaB6")
    write_ring_table(tmp_path / "rings.tsv", check)
    header, *lines = (tmp_path / "rings.tsv").read_text().splitlines()
    names = header.split("\t")
    rows = [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
    assert [row["ring"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert float(rows[0]["expected_q_A^-1"]) == pytest.approx(LAB6_Q[0])
    assert float(rows[0]["d_spacing_A"]) == pytest.approx(LAB6_EDGE)
    assert float(rows[5]["found_q_A^-1"]) == pytest.approx(LAB6_Q[5], rel=1e-4)
    assert rows[2]["found_q_A^-1"] == ""
    assert (rows[2]["used"], rows[2]["why"]) == ("no", "no data (masked)")
    assert (rows[0]["used"], rows[0]["why"]) == ("yes", "")

    write_ring_verdict(tmp_path / "rings.json", check)
    verdict = json.loads((tmp_path / "rings.json").read_text())
    assert verdict["calibrant"] == "LaB6"
    assert verdict["verdict"] == "pass"
    assert verdict["sentence"].startswith("5 of 6 rings of LaB6 found, rms offset ")
    assert verdict["tolerance"] == 1e-3
    assert verdict["rms"] == check.rms
    assert len(verdict["rings"]) == 6
    assert verdict["rings"][2]["found"] is None


# --- real data


def integrate(folder: Path, image: str, poni: str, mask: str | None) -> tuple[np.ndarray, ...]:
    """Radial profile of a measured image by pyFAI alone: q (1/angstrom), intensity, sigma."""
    fabio = pytest.importorskip("fabio")
    pyfai = pytest.importorskip("pyFAI")
    frame = fabio.open(str(folder / image)).data
    bad = frame < 0
    if mask is not None:
        bad = bad | (fabio.open(str(folder / mask)).data != 0)
    found = pyfai.load(str(folder / poni)).integrate1d(
        frame,
        1000,
        unit="q_A^-1",
        mask=bad,
        error_model="poisson",
        method=("full", "csr", "cython"),
    )
    return found.radial, found.intensity, found.sigma


def test_measured_lab6_gives_the_known_answers(real_data: Callable[[str], Path]) -> None:
    folder = real_data("ssrl-bl15-swaxs")
    profile = integrate(folder, "waxs_lab6.edf.gz", "waxs.poni", "waxs_mask.edf.gz")
    check = check_rings(*profile, "q_A^-1", "LaB6")
    known = [1.51158, 2.13749, 2.61787, 3.02321, 3.37991, 3.70249]
    np.testing.assert_allclose([ring.found for ring in check.rings], known, rtol=2e-5)
    assert all(ring.used for ring in check.rings)
    assert check.rms == pytest.approx(4.5e-5, abs=1e-5)
    assert check.verdict == "pass"


def test_measured_lab6_fails_when_the_image_is_flipped(real_data: Callable[[str], Path]) -> None:
    fabio = pytest.importorskip("fabio")
    pyfai = pytest.importorskip("pyFAI")
    folder = real_data("ssrl-bl15-swaxs")
    frame = np.ascontiguousarray(fabio.open(str(folder / "waxs_lab6.edf.gz")).data[:, ::-1])
    found = pyfai.load(str(folder / "waxs.poni")).integrate1d(
        frame, 1000, unit="q_A^-1", mask=frame < 0, method=("full", "csr", "cython")
    )
    check = check_rings(found.radial, found.intensity, None, "q_A^-1", "LaB6")
    assert check.verdict == "fail"


def test_measured_silver_behenate_gives_the_known_answers(
    real_data: Callable[[str], Path],
) -> None:
    folder = real_data("ssrl-bl15-swaxs")
    profile = integrate(folder, "saxs_agbh.edf.gz", "saxs.poni", "saxs_mask.edf.gz")
    check = check_rings(*profile, "q_A^-1", "AgBh")
    assert check.rings[0].expected == pytest.approx(0.10763, abs=5e-6)
    assert abs(check.rings[0].relative_offset) < 1e-4
    assert not check.rings[1].used, "the mask cuts the second ring"
    assert check.verdict == "pass"
    gaps_only = check_rings(
        *integrate(folder, "saxs_agbh.edf.gz", "saxs.poni", None), "q_A^-1", "AgBh"
    )
    assert abs(gaps_only.rings[0].relative_offset) < 1e-4
    assert abs(gaps_only.rings[1].relative_offset) < 5e-4
    glassy_carbon = integrate(
        folder, "saxs_glassy_carbon_30s.edf.gz", "saxs.poni", "saxs_mask.edf.gz"
    )
    assert check_rings(*glassy_carbon, "q_A^-1", "AgBh").verdict == "fail"
