"""The badge of a result, and starved bins in figures of g2."""

from __future__ import annotations

import itertools
from dataclasses import replace

import matplotlib.colors
import numpy as np
import pytest
from tests.xpcs.made_results import made_correlation

from scatterflow.errors import UserError
from scatterflow.plots.g2 import g2_figure
from scatterflow.plots.g2_fits import g2_fit_figure, plot_g2_fit
from scatterflow.plots.partial_g2 import partial_g2_figure
from scatterflow.plots.quality import plot_quality, quality_figure, summary
from scatterflow.plots.starved import shown_starved
from scatterflow.plots.style import MASKED
from scatterflow.quality.checks import Finding, document, judged, write_quality
from scatterflow.quality.photons import bin_photons
from scatterflow.xpcs.analyse import measured_g2
from scatterflow.xpcs.analysis import Analysis, Bins, fit_all
from scatterflow.xpcs.analysis_file import write_analysis
from scatterflow.xpcs.result import write_result


def made_quality(run: str = "r1") -> dict:
    levels = {
        "structure": "fine",
        "hot_pixels": "bad",
        "ageing": "doubtful",
        "g2_baseline": "unknown",
    }
    settings = {name: {"limit": [0.9, 1.1], "on_violation": "fail"} for name in levels}
    measures = {
        name: lambda _, level=level: Finding(1.2345, level, f"This is $x_1$ and {level}. " * 6)
        for name, level in levels.items()
    }
    return document(run, "x", "xpcs", judged(settings, measures), None)


def texts(figure) -> list[str]:
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts]
    return found


def test_every_check_is_told(tmp_path):
    quality = made_quality()
    found = texts(quality_figure(quality))
    for words in ("pass", "fail", "warn", "Structure", "Hot pixels", "Ageing", "Baseline of g2"):
        assert words in found
    assert found.count("0.9 … 1.1") == 3  # not of what does not apply
    assert "1.23" in found
    assert summary(quality) == "fail: Hot pixels; warn: Ageing"
    write_quality(tmp_path / "quality.json", quality)
    plot_quality(tmp_path / "quality.json", tmp_path / "a.png", tmp_path / "a.svg")
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert (tmp_path / "a.svg").read_text().count("<svg") == 1


def test_lines_of_text_do_not_overlap():
    """Sentences of several lines, drawn: no text of a column lies on another."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = quality_figure(made_quality())
    FigureCanvasAgg(figure).draw()
    boxes = [
        text.get_window_extent()
        for text in figure.axes[0].texts
        if text.get_text() and text.get_position()[0] > 0.5
    ]
    boxes.sort(key=lambda box: -box.y1)
    assert all(above.y0 >= below.y1 - 1 for above, below in itertools.pairwise(boxes))
    assert max(box.x1 for box in boxes) <= figure.bbox.x1


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(UserError, match="not a quality verdict"):
        plot_quality(tmp_path / "a.json", tmp_path / "a.png", tmp_path / "a.svg")


def with_dark_rings(dark: tuple[int, ...]):
    """The made result, the mean of some dynamic bins (from 0) without photons."""
    correlation = made_correlation()
    mean = correlation.frames.mean.copy()
    for number in dark:
        mean[correlation.qmap.dynamic == number + 1] = 0
    return replace(correlation, frames=replace(correlation.frames, mean=mean))


def colours(figure, panel: int) -> set[str]:
    axes = figure.axes[panel]
    lines = [line for line in axes.lines if len(line.get_xdata()) > 2]
    return {matplotlib.colors.to_hex(line.get_color()) for line in lines}


def test_noise_is_one_over_the_root_of_the_pairs():
    correlation = made_correlation()
    found = bin_photons(correlation)
    frames, qmap = correlation.frames, correlation.qmap
    total = 0.0
    for static in np.flatnonzero(qmap.parent == 2):
        own = frames.mean[qmap.static == static + 1]
        total += own.size * own.mean() ** 2
    assert found.noise[2] == pytest.approx(1 / np.sqrt(correlation.g2.pairs[0] * total), rel=1e-6)
    assert found.per_pixel[2] == pytest.approx(frames.mean[qmap.dynamic == 3].mean(), rel=1e-6)


def test_starved_bins_are_grey_and_set_no_limits():
    correlation = with_dark_rings((1, 3))
    figure = g2_figure(correlation, noise_limit=0.1)
    grey = matplotlib.colors.to_hex(MASKED)
    for panel in range(5):
        assert (colours(figure, panel) == {grey.lower()}) == (panel in (1, 3))
    notes = [figure.axes[panel].get_title(loc="right") for panel in range(5)]
    assert [bool(note) for note in notes] == [False, True, False, True, False]
    assert "too few photons" in notes[1]
    assert all(grey.lower() not in colours(g2_figure(correlation), panel) for panel in range(5))


def test_starved_bins_are_grey_in_windows_of_time():
    figure = partial_g2_figure(with_dark_rings((1,)), noise_limit=0.1)
    grey = matplotlib.colors.to_hex(MASKED)
    assert grey in colours(figure, 1)
    assert grey not in colours(figure, 0)
    assert figure.axes[1].get_title(loc="right") == "too few photons"


def test_starved_bins_are_grey_beside_their_fits(tmp_path):
    correlation = with_dark_rings((1,))
    settings = {"fits": {"one": {"model": "single"}}}
    bins = Bins(correlation.qmap.names, correlation.qmap.units, correlation.qmap.dynamic_values)
    analysis = Analysis(bins, fit_all(settings["fits"], measured_g2(correlation)))
    figure = g2_fit_figure("run", analysis, "one", starved=shown_starved(correlation, 0.1))
    grey = matplotlib.colors.to_hex(MASKED)
    assert [grey in colours(figure, panel) for panel in range(5)] == [False, True] + 3 * [False]
    assert figure.axes[1].get_title(loc="right") == "too few photons"
    assert grey not in colours(g2_fit_figure("run", analysis, "one"), 1)
    write_result(tmp_path / "result.nxs", correlation)
    write_analysis(
        tmp_path / "a.nxs", analysis, correlation.description, settings, tmp_path / "result.nxs"
    )
    drawn = []
    for limit in (None, 0.1):
        to = tmp_path / "fit.png", tmp_path / "fit.svg"
        plot_g2_fit(tmp_path / "a.nxs", tmp_path / "result.nxs", "one", *to, noise_limit=limit)
        drawn.append(to[1].read_text().count("too few photons"))
    assert drawn == [0, 1]
