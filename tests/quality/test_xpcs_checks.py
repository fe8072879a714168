"""Checks of xpcs results: each fires on the fault that is simulated, and none on a good run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.quality.reduced_xpcs import (
    FRAME_TIME_S,
    FRAMES,
    SHAPE,
    SPECKLES,
    Taken,
    photons,
    reduce_run,
)

from scatterflow.config.quality import Quality
from scatterflow.quality.assess import assess_result

CHECKS = Quality().model_dump()["xpcs"]
HALF = FRAMES // 2


def assessed(paths: tuple[Path, Path], history: list[Path]) -> dict[str, Any]:
    settings = {"technique": "xpcs", "checks": CHECKS, "stops_publication": None}
    found = assess_result(*paths, settings, run="r1", reduction="x", history=history)
    return {**{check["name"]: check for check in found["checks"]}, "document": found}


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> list[Path]:
    """Results of three good runs of the sample."""
    folder = tmp_path_factory.mktemp("history")
    return [reduce_run(folder / str(seed), Taken(seed=seed))[0] for seed in (11, 12, 13)]


@pytest.fixture
def assess(history, tmp_path) -> Callable[[Taken], dict[str, Any]]:
    """Reduce and check a run; the checks by name, and the whole under `document`."""
    return lambda taken: assessed(reduce_run(tmp_path / "run", taken), history)


@pytest.mark.parametrize("seed", [1, 2])
def test_no_check_fires_on_a_good_run(assess, seed):
    found = assess(Taken(seed=seed, twotime=seed == 1))
    document = found.pop("document")
    assert set(found) == set(CHECKS)
    assert {name: check["verdict"] for name, check in found.items()} == dict.fromkeys(
        CHECKS, "pass"
    )
    assert document["verdict"] == "pass"


def thinned(share: float, frames: slice) -> Callable[[np.ndarray], np.ndarray]:
    """A part of the photons, in some of the frames."""

    def change(raw: np.ndarray) -> np.ndarray:
        raw[frames] = np.random.default_rng(3).binomial(raw[frames], share)
        return raw

    return change


def brighter(raw: np.ndarray) -> np.ndarray:
    raw[20::40] *= 2
    return raw


def saturated(raw: np.ndarray) -> np.ndarray:
    raw[:HALF, 20:25, 20:26] = 5000
    return raw


def dead(raw: np.ndarray) -> np.ndarray:
    raw[:, 20, 30] = 0
    return raw


def hot(raw: np.ndarray) -> np.ndarray:
    raw[:, 20, 30] = 30
    return raw


def moved(raw: np.ndarray) -> np.ndarray:
    raw[HALF:] = np.roll(raw[HALF:], 3, axis=2)
    return raw


def without_speckles(raw: np.ndarray) -> np.ndarray:
    """The same photons, in any of the frames."""
    rng = np.random.default_rng(4)
    total = raw.sum(axis=0)
    return rng.poisson(np.broadcast_to(total / FRAMES, raw.shape)).astype(np.uint16)


def slower(raw: np.ndarray) -> np.ndarray:
    raw[HALF:] = photons(replace(SPECKLES, tau_frames=24.0), 9)[HALF:]
    return raw


STATIC = replace(SPECKLES, tau_frames=1e4)
FAULTS: list[tuple[str, Taken]] = [
    ("frames_missing", Taken(missing={5, 77})),
    ("frames_dark", Taken(change=thinned(0.02, slice(50, 51)))),
    ("outlier_frames", Taken(change=brighter)),
    ("invalid_values", Taken(change=saturated, most=4000.0)),
    ("dead_pixels", Taken(change=dead)),
    ("hot_pixels", Taken(change=hot)),
    ("beam_intensity", Taken(change=thinned(0.5, slice(HALF, None)))),
    ("beam_flicker", Taken(speckles=replace(SPECKLES, jitter=0.2))),
    ("beam_position", Taken(change=moved)),
    ("photon_starvation", Taken(speckles=replace(SPECKLES, photons=0.002))),
    ("g2_baseline", Taken(speckles=STATIC)),
    ("g2_contrast", Taken(speckles=replace(SPECKLES, photons=3.0), change=without_speckles)),
    ("speckle_blur", Taken(average=3, count_time_s=FRAME_TIME_S)),
    ("ageing", Taken(change=slower)),
    ("ageing", Taken(change=slower, twotime=True)),
    ("history_intensity", Taken(speckles=replace(SPECKLES, photons=2.0))),
    ("history_contrast", Taken(speckles=replace(SPECKLES, modes=1))),
    ("history_relaxation", Taken(speckles=replace(SPECKLES, tau_frames=12.0))),
    ("header_energy", Taken(header={"incident_beam/incident_energy": 12.1})),
    ("header_distance", Taken(header={"detector_1/distance": 5.2})),
    ("header_beam_centre", Taken(header={"detector_1/beam_center_x": 45.0})),
]


@pytest.mark.parametrize(("name", "taken"), FAULTS, ids=[name for name, _ in FAULTS])
def test_each_check_fires_on_its_fault(assess, name, taken):
    found = assess(taken)
    assert found[name]["verdict"] == CHECKS[name]["on_violation"]
    assert found[name]["sentence"].endswith(".")


def test_every_check_has_its_fault():
    assert {name for name, _ in FAULTS} == set(CHECKS) - {"structure"}


def test_faults_are_measured(assess):
    """Values against what was simulated."""
    flicker = assess(Taken(speckles=replace(SPECKLES, jitter=0.2)))
    assert flicker["beam_flicker"]["value"] == pytest.approx(0.2, rel=0.2)
    position = assess(Taken(change=moved))["beam_position"]
    assert position["value"] == pytest.approx(3.0, rel=0.3)
    blurred = assess(Taken(average=3, count_time_s=FRAME_TIME_S))["speckle_blur"]
    x = 3 / SPECKLES.tau_frames
    expected = (np.exp(-2 * x) - 1 + 2 * x) / (2 * x**2)
    assert blurred["value"] == pytest.approx(expected, rel=0.15)
    assert assess(Taken(change=hot))["hot_pixels"]["details"]["rows"] == [20]


def test_ageing_needs_half_of_the_run_to_differ(assess):
    """A contrast of one, and other photons: the halves of a run differ by chance only."""
    found = assess(
        Taken(speckles=replace(SPECKLES, modes=1, tau_frames=8.0), seed=21, twotime=True)
    )
    assert found["ageing"]["verdict"] == "pass"


def test_some_starved_bins_are_a_warning(assess):
    def shadow(raw):
        rows, columns = np.indices(SHAPE)
        outer = np.hypot(rows - SPECKLES.beam_row, columns - SPECKLES.beam_column) > 24
        rng = np.random.default_rng(3)
        raw[:, outer] = rng.binomial(raw[:, outer], 0.003)
        return raw

    found = assess(Taken(change=shadow))["photon_starvation"]
    assert found["verdict"] == "warn"
    assert found["details"]["starved_bins"] == [4]


def test_a_result_that_is_not_whole_fails(history, tmp_path):
    result, analysis = reduce_run(tmp_path / "run", Taken())
    with h5py.File(result, "r+") as file:
        file["entry/g2/g2"][...] = np.nan
        del file["entry/scattering/I"]
    found = assessed((result, analysis), history)
    problems = found["structure"]["details"]["problems"]
    assert any("scattering/I is missing" in problem for problem in problems)
    assert any("g2/g2 has no value" in problem for problem in problems)
    assert found["document"]["verdict"] == "fail"
    assert found["document"]["stopped_by"] == ["structure"]
