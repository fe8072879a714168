"""Fits and figures of merit through the real workflow."""

from __future__ import annotations

import copy
import shutil

import h5py
import numpy as np
import pytest

from .conftest import INTEGRATIONS, make_project, numbers

AZIMUTHAL = {"azimuthal": INTEGRATIONS["azimuthal"]}
FITS = {
    "level": {
        "integration": "azimuthal",
        "range": [0.5, 1.5],
        "components": [{"model": "linear", "name": "ground"}],
    }
}
FIGURES = {
    "area": {"type": "integral", "integration": "azimuthal", "range": [0.5, 1.5]},
    "per_count": {"type": "expression", "expression": "area / i0", "unit": "1/counts"},
    "size": {"type": "guinier", "integration": "azimuthal", "range": [0.5, 1.2]},
}
DRAWN = {"plot_fits", "plot_figures", "plot_views"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A complete run of the analysis; tests work on copies."""
    project = make_project(tmp_path_factory.mktemp("analysis") / "project")
    project.config["reductions"]["x"] |= copy.deepcopy(
        {"integrations": AZIMUTHAL, "fits": FITS, "figures": FIGURES}
    )
    project.config["chunks"] = {"frames": 6}
    project.write()
    project.run()
    return project


@pytest.fixture
def done(finished, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = copy.deepcopy(finished)
    project.folder = folder
    return project


def test_values_are_those_of_the_profiles(finished):
    for run, level in (("one", 30.0), ("two", 12.0)):
        folder = finished.path(f"results/{run}/x")
        found, result = numbers(folder / "analysis.nxs"), numbers(folder / "result.nxs")
        success = found["entry/per_frame/level_success"]
        assert success.all()
        task = {"one": "saxs", "two": "waxs"}[run]
        q = result[f"entry/{task}_azimuthal/data/radial_axis"]
        inside = (q >= 0.5) & (q <= 1.5)
        intensity = result[f"entry/{task}_azimuthal/data/I"][:, inside]
        sigma = result[f"entry/{task}_azimuthal/data/I_errors"][:, inside]
        for frame in range(6):
            slope, intercept = np.polyfit(q[inside], intensity[frame], 1, w=1 / sigma[frame])
            assert found["entry/per_frame/level_ground_slope"][frame] == pytest.approx(slope)
            assert found["entry/per_frame/level_ground_intercept"][frame] == pytest.approx(
                intercept
            )
        assert np.mean(intensity) == pytest.approx(level, rel=0.1)
        assert found["entry/per_frame/area"] == pytest.approx(level, rel=0.1)
        assert found["entry/per_frame/per_count"] == pytest.approx(
            found["entry/per_frame/area"] / result["entry/scalars/i0"]
        )
        # Flat scattering has no radius of gyration: all frames say so or have a large error.
        rg = found["entry/per_frame/size_rg"]
        assert np.array_equal(np.isnan(rg), ~found["entry/per_frame/size_success"])
        for plot in ("level_fit", "figures", f"{task}_azimuthal_views"):
            assert (folder / f"plots/{plot}.png").stat().st_size > 10_000


def test_nothing_is_left_to_do(finished):
    assert finished.plan().jobs == []


def test_a_changed_range_reruns_only_the_analysis_and_its_plots(done):
    done.config["reductions"]["x"]["fits"]["level"]["range"] = [0.5, 1.4]
    done.write()
    assert done.plan().rules() == {"analyse_profiles"} | DRAWN
    done.run()
    with h5py.File(done.path("results/one/x/analysis.nxs")) as file:
        assert file["entry/fit_level/radial_axis"][-1] <= 1.4
    assert done.plan().jobs == []


def test_a_changed_axis_reruns_plots_only(done):
    done.config["overrides"] = [{"runs": "one", "set": {"reductions.x.axis": "samx"}}]
    done.write()
    assert done.plan().rules() == DRAWN | {"plot_profiles"}


def test_a_removed_figure_of_merit_takes_its_plot_along(done):
    del done.config["reductions"]["x"]["figures"]["size"]
    done.write()
    done.run()
    assert not done.path("results/one/x/plots/saxs_azimuthal_views.png").exists()
    assert done.path("results/one/x/plots/level_fit.png").exists()
    assert done.plan().jobs == []


def test_without_fits_and_figures_there_is_no_analysis(done):
    for key in ("fits", "figures"):
        del done.config["reductions"]["x"][key]
    done.write()
    assert "analyse_profiles" not in done.plan("--forceall").rules()


def test_a_range_outside_the_profile_is_one_clear_error(done):
    done.config["reductions"]["x"]["fits"]["level"]["range"] = [500, 700]
    done.write()
    finished = done.snakemake()
    assert finished.code == 1
    assert "the range [500, 700] is outside the profile" in finished.text
    assert "where: one/x, fits.level.range" in finished.text
    log = done.path("logs/analyse_profiles/one/x.log").read_text()
    assert "Traceback" not in log


def test_an_unknown_integration_is_told_before_anything_runs(done):
    done.config["reductions"]["x"]["figures"]["area"]["integration"] = "azimutal"
    done.write()
    finished = done.snakemake("-n")
    assert finished.code == 1
    assert "did you mean 'azimuthal'?" in finished.text
    assert "Traceback" not in finished.text
