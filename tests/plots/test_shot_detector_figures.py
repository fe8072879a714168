"""Figures of one detector's shots: what is drawn is what the small data hold, and what was simulated."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from matplotlib.patches import Polygon
from tests.plots.shot_files import (
    FUNCTIONS,
    GAP_PIXELS,
    PIXEL_MM,
    RUN,
    line,
)

from scatterflow.plots.darks import dark_figure
from scatterflow.plots.image_panels import region_corners, regions
from scatterflow.plots.mean_images import mean_images_figure
from scatterflow.plots.photon_histograms import (
    moments,
    negative_binomial,
    photon_histograms_figure,
    poisson,
    single_photon_figure,
)
from scatterflow.plots.shot_file import (
    index_of,
    parameters,
    unit_of,
)
from scatterflow.plots.shot_profiles import shot_profiles_figure
from scatterflow.plots.speckles import mean_map, speckle_size_figure
from scatterflow.shots.dark_file import read_dark
from scatterflow.shots.images import stacked_index
from scatterflow.shots.small_data import open_small_data


def test_mean_images_are_drawn_where_pixels_are(small, run):
    figure = mean_images_figure(small, "ccd")
    image = figure.axes[0].images[0].get_array()
    rows, columns = RUN.shape[1:]
    assert image.shape == (2 * rows + GAP_PIXELS, columns)
    assert image.mask[rows : rows + GAP_PIXELS].all()
    with h5py.File(small.path) as file:
        total, count = file["Sums/ccd_calib"][()], file["Sums/ccd_calib_count"][()]
        good = file["UserDataCfg/ccd/mask"][()] == 1
    mean = np.where(good, total / np.maximum(count, 1), np.nan)
    # The first tile is on top, its first row uppermost; images go with y.
    np.testing.assert_allclose(image[rows + GAP_PIXELS :][::-1].filled(np.nan), mean[0])
    np.testing.assert_allclose(image[:rows][::-1].filled(np.nan), mean[1])
    assert 0 < (~good).sum() < good.sum()
    there = run.present.all(axis=1)
    per_shot = (run.photons * good)[there].mean()
    assert np.nansum(mean) / good.size == pytest.approx(per_shot, rel=0.1)


def test_regions_are_outlined_on_each_tile(small):
    found = regions(parameters(small, "ccd"))
    assert {name: value.tolist() for name, value in found.items()} == {
        name: FUNCTIONS[name]["roi"] for name in ("ring", "corner")
    }
    index, unit = index_of(small, "ccd", RUN.shape)
    assert unit == "mm"
    assert len(region_corners(found["ring"], index)) == 2
    (corners,) = region_corners(found["corner"], index)
    # Rows 16..23, columns 0..7 of the lower tile.
    left, bottom = index.x - PIXEL_MM / 2, index.y - PIXEL_MM / 2
    np.testing.assert_allclose(
        [corners.min(axis=0), corners.max(axis=0)],
        [[left, bottom], [left + 8 * PIXEL_MM, bottom + 8 * PIXEL_MM]],
    )
    axes = mean_images_figure(small, "ccd").axes[0]
    assert sum(isinstance(patch, Polygon) for patch in axes.patches) == 3
    assert {text.get_text() for text in axes.texts} == {"ring", "corner"}


def test_dark_and_what_changed(small):
    folder = small.path.parent.parent
    dark, before = read_dark(folder / "a.h5"), read_dark(folder / "b.h5")
    figure = dark_figure(dark, "ccd", "dark a", stacked_index(RUN.shape), "pixels", before)
    pedestal = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(pedestal, dark.pedestal[0].reshape(pedestal.shape))
    bad = (dark.status[0] != 0).sum()
    assert f"{bad} of {dark.status[0].size} pixels bad" in figure.get_suptitle()
    titled = {axes.get_title(): axes for axes in figure.subfigs[0].axes}
    (told,) = [title for title in titled if "turned bad" in title]
    both = (dark.status[0] == 0) & (before.status[0] == 0)
    change = (dark.pedestal[0] - before.pedestal[0])[both]
    assert f"median {np.median(change):+.3g}" in told
    assert f"{(~both & (before.status[0] == 0)).sum()} turned bad" in told
    bars = titled[told].patches
    assert sum(bar.get_height() for bar in bars) == change.size


def test_probabilities_are_those_of_scipy():
    from scipy.stats import nbinom
    from scipy.stats import poisson as poissonian

    k = np.arange(12)
    np.testing.assert_allclose(poisson(0.7, k), poissonian.pmf(k, 0.7), rtol=1e-12)
    expected = nbinom.pmf(k, 3.5, 3.5 / (3.5 + 0.7))
    np.testing.assert_allclose(negative_binomial(0.7, 3.5, k), expected, rtol=1e-10)
    k = np.arange(200)
    mean, variance = moments(negative_binomial(0.7, 3.5, k))
    assert mean == pytest.approx(0.7)
    assert variance == pytest.approx(0.7 + 0.7**2 / 3.5)


def test_photons_per_shot_and_pixel(small, run, lit):
    per_shot, per_pixel = photon_histograms_figure(small, "ccd").axes
    photons = small.read("ccd/droplets_nPhotons")
    there = small.read("damage/ccd") == 1
    told = [text.get_text() for text in per_shot.get_legend().get_texts()]
    pumped = run.scalars["laser"] > 0
    for label, chosen in (("X-rays and laser", lit & pumped), ("no X-rays", ~lit)):
        mean = photons[chosen & there].mean()
        number = (chosen & there).sum()
        assert f"{label}: mean {mean:.4g} in {number} shots" in told
    shares = small.read("ccd/droplets_prob")[lit & there]
    measured = line(per_pixel, "_")
    np.testing.assert_allclose(measured, shares.mean(axis=0)[: measured.size])
    density = run.photons[lit & there].mean()
    found = (np.arange(11) * shares.mean(axis=0)[:11]).sum()
    assert found == pytest.approx(density, rel=0.1)


def test_spectra_of_pixels_and_droplets(small, lit):
    pixels, droplets = single_photon_figure(small, "ccd").axes
    # Shots without the detector hold 0 in the file, and count nowhere.
    counts = small.read("ccd/values_data")[lit & (small.read("damage/ccd") == 1)]
    shown = next(p for p in pixels.patches if "on" in str(p.get_label()))
    np.testing.assert_allclose(shown.get_data().values, counts.mean(axis=0))
    np.testing.assert_allclose(shown.get_data().edges, np.linspace(-0.3, 4.0, 87))
    marks = [one.get_xdata()[0] for one in droplets.lines if len(one.get_xdata()) == 2]
    assert marks[:3] == [1.0, 2.0, 3.0]
    assert pixels.get_xlabel() == "pixel value (photons)"


def test_speckles(small, lit):
    stem = "ccd/speckles"
    found = mean_map(small, f"{stem}_acf", lit)
    acf = small.read(f"{stem}_acf")[lit]
    np.testing.assert_allclose(found, np.nanmean(acf, axis=0))
    figure = speckle_size_figure(small, "ccd")
    size = small.read(f"{stem}_speckle_size")[lit]
    legends = (axes.get_legend() for axes in figure.axes)
    told = [text.get_text() for one in legends if one for text in one.get_texts()]
    assert f"median {np.nanmedian(size):.4g}" in told


def test_profiles_with_and_without_laser(small, run, lit):
    over, means, change = shot_profiles_figure(small, "ccd").axes[:3]
    profiles = small.read("ccd/azimuthal_azav")[:, 0]
    there = np.isfinite(profiles).any(axis=1)
    on, off = (
        np.nanmean(profiles[lit & there & (run.scalars["laser"] == state)], axis=0)
        for state in (1, 0)
    )
    np.testing.assert_allclose(line(means, "laser on"), on)
    np.testing.assert_allclose(line(means, "laser off"), off)
    np.testing.assert_allclose(line(change), 100 * (on / off - 1))
    assert over.get_xlabel() == "q (Å⁻¹)"
    assert unit_of(small, "ccd/azimuthal_azav") == "photons"


def test_tiles_without_positions_are_stacked(small, tmp_path):
    path = tmp_path / "1001.h5"
    shutil.copy(small.path, path)
    with h5py.File(path, "r+") as file:
        for axis in "xyz":
            del file[f"UserDataCfg/ccd/{axis}"]
    axes = mean_images_figure(open_small_data(path), "ccd").axes[0]
    assert axes.images[0].get_array().shape == (48, 40)
    assert axes.get_ylabel() == "row (pixels)"
    assert axes.get_ylim() == (47.5, -0.5)
