"""Per-frame scalars as CSV, as pandas reads them without any option."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd

from scatterflow.files.hdf5 import write_array
from scatterflow.saxswaxs.exports.scalars import export_scalars


def test_pandas_reads_every_scalar_back(small_run, result, tmp_path):
    path = tmp_path / "scalars.csv"
    export_scalars(result, path)
    table = pd.read_csv(path)
    assert len(table) == 10
    assert list(table.columns[:2]) == ["frame_number", "i0 [counts]"]
    assert table["frame_number"].tolist() == list(range(10))
    np.testing.assert_array_equal(table["i0 [counts]"], small_run.monitor)
    assert table["area_frame_valid"].tolist() == [1] * 9 + [0]
    factor = table["flux_factor"]
    np.testing.assert_allclose(factor, 1000 / small_run.monitor, rtol=1e-15)
    with h5py.File(result) as file:
        expected = file["entry/area_cake/data/total_signal"][()]
    np.testing.assert_array_equal(table["area_cake_total_signal [counts]"], expected)


def test_what_is_not_known_is_an_empty_cell(result, tmp_path):
    with h5py.File(result, "a") as file:
        file["entry/scalars/i0"][4] = np.nan
    export_scalars(result, tmp_path / "scalars.csv")
    lines = (tmp_path / "scalars.csv").read_text().splitlines()
    assert lines[5].split(",")[1] == ""
    assert pd.read_csv(tmp_path / "scalars.csv")["i0 [counts]"].isna().tolist()[4]


def test_names_with_commas_and_texts_survive(result, tmp_path):
    texts = ["a, b", 'say "c"', *"defghijk"]
    with h5py.File(result, "a") as file:
        write_array(file["entry/scalars"], "note, of frame", np.array(texts))
    export_scalars(result, tmp_path / "scalars.csv")
    assert pd.read_csv(tmp_path / "scalars.csv")["note, of frame"].tolist() == texts


def test_fitted_values_stand_beside_the_scalars(result, tmp_path):
    analysis = tmp_path / "analysis.nxs"
    with h5py.File(analysis, "w") as file:
        group = file.create_group("entry/per_frame")
        # As in the result, so that it does not stand in the table twice.
        group["frame_number"] = np.arange(10)
        write_array(group, "centre", np.linspace(1, 2, 10), units="1/nm")
        write_array(group, "centre_errors", np.full(10, 0.1), units="1/nm")
        write_array(group, "success", np.ones(10, dtype=bool))
    export_scalars(result, tmp_path / "scalars.csv", analysis)
    table = pd.read_csv(tmp_path / "scalars.csv")
    assert "frame_number.1" not in table
    assert list(table.columns[-3:]) == ["centre [1/nm]", "centre_errors [1/nm]", "success"]
    np.testing.assert_array_equal(table["centre [1/nm]"], np.linspace(1, 2, 10))
    assert table["success"].tolist() == [1] * 10
