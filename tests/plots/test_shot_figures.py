"""Figures of shots: what is drawn is what the small data hold, and what was simulated."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from tests.plots.shot_files import (
    RUN,
    line,
)

from scatterflow.errors import UserError
from scatterflow.plots.damage import (
    damage_figure,
    filter_counts,
    filters_figure,
    missing_shots,
    plot_filters,
)
from scatterflow.plots.darks import plot_dark
from scatterflow.plots.mean_images import mean_images_figure
from scatterflow.plots.on_off import delay_bins, on_off_figure
from scatterflow.plots.photon_histograms import (
    photon_histograms_figure,
    single_photon_figure,
)
from scatterflow.plots.scan_steps import scan_steps_figure
from scatterflow.plots.shot_correlations import pearson, shot_correlations_figure
from scatterflow.plots.shot_file import (
    block_means,
    block_quantiles,
    histogram_edges,
    mean_and_error,
)
from scatterflow.plots.shot_monitors import running_block, shot_monitors_figure
from scatterflow.plots.shot_profiles import shot_profiles_figure
from scatterflow.plots.shot_summary import key_numbers, plot_summary
from scatterflow.plots.speckles import speckle_size_figure
from scatterflow.shots.small_data import open_small_data


@pytest.fixture(scope="module")
def bare(small, tmp_path_factory):
    """The same run with the region `ring` as its only function, and nothing known of positions or light."""
    path = tmp_path_factory.mktemp("bare") / "1001.h5"
    shutil.copy(small.path, path)
    with h5py.File(path, "r+") as file:
        for name in list(file["ccd"]):
            if not name.startswith("ring"):
                del file["ccd"][name]
        for name in list(file["UserDataCfg/ccd"]):
            if name.split("__")[0] not in ("ring", "mask", "unit"):
                del file["UserDataCfg/ccd"][name]
        for name in list(file):
            if name not in ("ccd", "UserDataCfg", "tag", "provenance"):
                del file[name]
    return open_small_data(path)


def test_blocks_quantiles_and_errors_leave_out_what_is_not_known():
    values = np.random.default_rng(3).normal(size=(25, 3))
    values[4, 1] = values[10:20, 2] = np.nan
    found = block_means(values, 10)
    for row, part in enumerate((values[:10], values[10:20], values[20:])):
        for column in range(3):
            known = part[:, column][~np.isnan(part[:, column])]
            expected = known.mean() if known.size else np.nan
            np.testing.assert_allclose(found[row, column], expected)
    low, high = block_quantiles(values[:, 1], 10, (0.25, 0.75))
    assert low[0] == np.nanquantile(values[:10, 1], 0.25)
    assert high[2] == np.nanquantile(values[20:, 1], 0.75)
    mean, error = mean_and_error(values)
    np.testing.assert_allclose(mean, np.nanmean(values, axis=0))
    count = np.isfinite(values).sum(axis=0)
    np.testing.assert_allclose(error, np.nanstd(values, axis=0, ddof=1) / np.sqrt(count))
    assert np.isnan(mean_and_error(values[:1])[1]).all()


def test_edges_of_histograms_keep_whole_numbers_whole():
    counts = np.random.default_rng(0).poisson(8, 1000)
    edges = histogram_edges(counts)
    np.testing.assert_array_equal(edges % 1, 0.5)
    assert np.histogram(counts, edges)[0].sum() == counts.size
    assert (np.diff(histogram_edges(np.array([3.0, np.nan, 3.0]))) > 0).all()
    assert histogram_edges(np.array([np.nan])).size == 2


def test_monitors_show_medians_of_shots_with_xrays(small, run, lit):
    assert small.monitors()[0] == "ipm2/sum"
    figure = shot_monitors_figure(small)
    light, counts, history, histogram = figure.axes[:4]
    told = [text.get_text() for text in counts.texts]
    assert told == [f"on in {lit.sum()}", f"on in {(run.scalars['laser'] > 0).sum()}"]
    total = sum(run.scalars[f"diode_{side}"] for side in ("left", "right", "top", "bottom"))
    block = running_block(RUN.shots)
    starts = range(0, RUN.shots, block)
    expected = [np.median(total[s : s + block][lit[s : s + block]]) for s in starts]
    np.testing.assert_allclose(line(history, "median"), expected, rtol=1e-6)
    assert sum(bar.get_width() for bar in histogram.patches) == RUN.shots
    shown = [bar.get_alpha() for bar in light.patches]
    np.testing.assert_allclose(shown[: RUN.shots], lit)


def test_correlations_are_pearsons(small, lit):
    names = ["ipm2/sum", "ccd/ring_sum"]
    figure = shot_correlations_figure(small, names)
    x, y = (small.read(name)[lit] for name in names)
    known = np.isfinite(y)
    x, y = x[known] - x[known].mean(), y[known] - y[known].mean()
    expected = (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())
    assert expected > 0.5
    assert figure.axes[2].get_title() == f"r = {expected:.3f}"
    assert sum(one.get_xdata().size for one in figure.axes[2].lines) == known.sum()
    assert np.isnan(pearson(np.ones(5), np.arange(5.0)))
    assert shot_correlations_figure(small).axes  # columns of its own choice


def test_scan_delays_and_time_tool(small, run, lit):
    scan, delays, corrections, validity = scan_steps_figure(small).axes
    np.testing.assert_array_equal(line(scan), run.scalars["delay"])
    assert scan.get_title(loc="right") == "4 values"
    pumped = run.scalars["laser"] > 0
    works = run.scalars["time_tool"] != 0
    unknown = int((pumped & ~works).sum())
    assert delays.get_title(loc="right") == f"{unknown} unknown"
    bars = sum(bar.get_height() for bar in delays.patches)
    assert bars == RUN.shots - unknown
    assert sum(bar.get_height() for bar in corrections.patches) == works.sum()
    told = f"{(works & pumped & lit).sum()} of {(pumped & lit).sum()}"
    assert validity.get_title(loc="right") == told


def test_detectors_that_are_often_missing_are_marked(small, tmp_path):
    assert missing_shots(small) == {"ccd": len(RUN.lost)}
    path = tmp_path / "1001.h5"
    shutil.copy(small.path, path)
    with h5py.File(path, "r+") as file:
        file["damage/camera"] = (np.arange(RUN.shots) % 4 > 0).astype(np.int8)
        file["damage/camera"].attrs["units"] = ""
    figure = damage_figure(open_small_data(path))
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(widths, [25.0, 100 * len(RUN.lost) / RUN.shots])
    red, blue = (bar.get_facecolor() for bar in figure.axes[0].patches)
    assert red != blue
    assert "1 detector missing" in figure.get_suptitle()


def test_filters_alone_and_together(small):
    ipm, xray = small.read("ipm2/sum"), small.read("lightStatus/xray")
    delay = small.read("delay")
    passed = {"bright": ipm >= 0.6, "lit": xray == 1, "near": delay <= 1.5}
    found = filter_counts(small)
    for name, own in passed.items():
        others = np.logical_and.reduce([v for other, v in passed.items() if other != name])
        assert found[name]["removed"] == (~own).sum()
        assert found[name]["alone"] == (~own & others).sum()
    assert found["near"]["undefined"] == np.isnan(delay).sum() > 0
    figure = filters_figure(small)
    everything = np.logical_and.reduce(list(passed.values())).sum()
    assert f"{everything} of {RUN.shots} shots" in figure.get_suptitle()


def test_signal_along_the_delay(small, run, lit):
    curves, change = on_off_figure(small).axes[-2:]
    delay, monitor = small.read("delay"), small.read("ipm2/sum")
    signal = small.read("ccd/ring_sum") / np.where(monitor > 0, monitor, np.nan)
    edges = delay_bins(delay)
    laser = run.scalars["laser"]
    for state, label in ((1, "laser on"), (0, "laser off")):
        (shown,) = [c for c in curves.containers if c.get_label() == label]
        for number, value in enumerate(shown.lines[0].get_ydata()):
            inside = (delay >= edges[number]) & (delay < edges[number + 1])
            chosen = signal[inside & lit & (laser == state)]
            chosen = chosen[np.isfinite(chosen)]
            expected = chosen.mean() if chosen.size else np.nan
            np.testing.assert_allclose(value, expected)
    # Long before time zero nothing happens, just after it the ring is half as bright again.
    ratio = change.containers[0].lines[0].get_ydata()
    centres = (edges[1:] + edges[:-1]) / 2
    assert np.nanmax(ratio[centres > 0]) > 15
    assert np.nanmin(np.abs(ratio[centres < -0.5])) < 15


def test_bins_of_steps_are_around_them():
    np.testing.assert_allclose(delay_bins(np.repeat([0.0, 1.0, 4.0], 30)), [-0.5, 0.5, 2.5, 5.5])
    assert delay_bins(np.full(5, 2.0)).size == 0


def test_summary_tells_what_was_simulated(small, run, lit, tmp_path):
    plot_summary(small.path, tmp_path / "s.png", tmp_path / "s.svg", tmp_path / "s.tsv")
    head, *lines = (tmp_path / "s.tsv").read_text().splitlines()
    assert head == "quantity\tvalue\tunit"
    found = {name: value for name, value, _ in (line.split("\t") for line in lines)}
    assert int(found["shots"]) == RUN.shots
    assert int(found["first tag"]) == RUN.first_tag
    assert int(found["shots with X-rays"]) == lit.sum()
    assert int(found["shots with laser"]) == (run.scalars["laser"] > 0).sum()
    assert int(found["shots without ccd"]) == len(RUN.lost)
    assert float(found["time tool valid"]) > 90
    photons = float(found["mean of ccd/droplets_nPhotons"])
    assert photons == pytest.approx(run.photons[lit].sum(axis=(1, 2, 3)).mean(), rel=0.2)
    # Shots without the detector hold 0 in the file, and count nowhere.
    there = lit & (small.read("damage/ccd") == 1)
    assert there.sum() < lit.sum()
    assert photons == pytest.approx(small.read("ccd/droplets_nPhotons")[there].mean(), rel=1e-5)
    hits = 100 * (small.read("ccd/droplets_nDroplets")[there] > 0).mean()
    assert float(found["shots with ccd/droplets_nDroplets > 0"]) == pytest.approx(hits, rel=1e-5)
    assert found["start"] < found["end"]


FIGURES = [
    shot_monitors_figure, shot_correlations_figure, scan_steps_figure, damage_figure, filters_figure,
    on_off_figure,
]  # fmt: skip
OF_DETECTOR = [
    mean_images_figure, single_photon_figure, photon_histograms_figure, speckle_size_figure,
    shot_profiles_figure,
]  # fmt: skip


def test_what_a_run_lacks_is_told_in_the_figure(bare):
    for draw in (*FIGURES, *(lambda data, one=one: one(data, "ccd") for one in OF_DETECTOR)):
        figure = draw(bare)
        notes = [text.get_text() for axes in figure.axes for text in axes.texts]
        if draw is not shot_correlations_figure:
            assert any(note.startswith(("no ", "the run")) for note in notes), draw
        figure.canvas.draw()
    assert dict((name, value) for name, value, _ in key_numbers(bare))["shots"] == RUN.shots


def test_equal_results_give_equal_files(small, tmp_path):
    folder = small.path.parent.parent
    for name in ("first", "second"):
        plot_filters(small.path, tmp_path / f"{name}.png", tmp_path / f"{name}.svg")
        plot_dark(
            folder / "a.h5", "ccd", tmp_path / f"d{name}.png", tmp_path / f"d{name}.svg", small.path
        )
    for kind in ("png", "svg"):
        for before in ("", "d"):
            first = (tmp_path / f"{before}first.{kind}").read_bytes()
            assert first == (tmp_path / f"{before}second.{kind}").read_bytes()


def test_other_files_are_refused(small, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(UserError, match="no small data file"):
        plot_filters(tmp_path / "other.h5", tmp_path / "a.png", tmp_path / "a.svg")
    with pytest.raises(UserError, match="no value 'ipm3/sum'"):
        shot_correlations_figure(small, ["ipm3/sum"])
    assert not (tmp_path / "a.png").exists()
