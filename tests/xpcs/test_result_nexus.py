"""The result as NeXus: valid, with default plots in silx, units, and one dataset for one array."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import silx.io
from silx.io.nxdata import get_default
from tests.xpcs.made_results import made_correlation, made_counts, multitau_delays, pixel_means

from scatterflow.xpcs.result import write_result


@pytest.fixture(scope="module", params=[1, 4], ids=["q", "q-phi"])
def result(tmp_path_factory, request) -> Path:
    path = tmp_path_factory.mktemp("nexus") / "made_0001.nxs"
    correlation, counts = made_correlation(request.param), made_counts()
    used = counts.reshape(len(counts), -1)[:, correlation.qmap.pixels]
    lags = multitau_delays(len(counts))
    write_result(path, correlation, lambda number: pixel_means(used, *lags[number]))
    return path


def test_nxvalidate_finds_no_error(result):
    command = Path(sys.executable).with_name("nxvalidate")
    done = subprocess.run([command, "-w", str(result)], capture_output=True, text=True, check=True)
    text = done.stdout + done.stderr
    assert "Application Definition: NXxpcs" in text, text
    assert "Total number of errors: 0" in text, text
    # The definition asks for the scan number and calls it deprecated.
    assert "Total number of warnings: 1" in text, text


def test_silx_draws_g2_with_errors_by_default(result):
    with silx.io.open(str(result)) as file:
        plot = get_default(file)
        assert plot is not None
        assert plot.is_valid, plot.issues
        assert plot.interpretation == "spectrum"
        assert plot.signal.shape == (file["xpcs/qmap/dynamic_index_mapping"].shape[0], 25)
        assert plot.errors is not None
        assert plot.axes_names == ["dynamic bin", "delay"]
        for name in (
            "data",
            "twotime",
            "mean_frame",
            "scattering",
            "intensity",
            "correlation/c2_00002",
        ):
            other = get_default(file[f"entry/{name}"])
            assert other is not None, name
            assert other.is_valid, (name, other.issues)


def test_the_view_of_all_maps_is_the_maps(result):
    with h5py.File(result) as file:
        view = file["entry/twotime/two_time_corr_func"]
        assert view.is_virtual
        for number, bin_ in enumerate(file["entry/twotime/bin"][()]):
            stored = file[f"xpcs/twotime/correlation_map/c2_{bin_:05d}"]
            np.testing.assert_array_equal(view[number], stored[()])


def test_one_array_is_one_dataset(result):
    with h5py.File(result) as file:
        for name, other in (
            ("data/g2", "multitau/normalized_g2"),
            ("data/g2_derr", "multitau/normalized_g2_err"),
            ("data/delay_difference", "multitau/delay_list"),
            ("data/G2_unnormalized", "multitau/unnormalized_G2"),
            ("instrument/masks/dynamic_roi_map", "qmap/dynamic_roi_map"),
            ("twotime/g2_from_two_time_corr_func", "twotime/normalized_g2"),
            ("correlation/g2/g2", "multitau/normalized_g2"),
            ("correlation/c2_00004/c2", "twotime/correlation_map/c2_00004"),
        ):
            assert file[f"entry/{name}"] == file[f"xpcs/{other}"], name


def test_units_are_everywhere(result):
    without = {"scan_number", "sequence_index", "valid", "data"}
    with h5py.File(result) as file:

        def visit(name, item):
            last = name.rsplit("/", 1)[-1]
            number = isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf"
            own = "/input/" in name or name.startswith("correlation/")
            if number and not own and last not in without:
                assert "units" in item.attrs, name

        file["entry"].visititems(visit)
        assert file["entry/sample/temperature"][()] == 300.0
        assert file["entry/sample/temperature"].attrs["units"] == "K"
        assert file["entry/g2/delay"].attrs["units"] == "s"
        assert file["entry/data/delay_difference"].attrs["units"] == "frames"
        assert file["entry/scattering/q"].attrs["units"] == "1/angstrom"
