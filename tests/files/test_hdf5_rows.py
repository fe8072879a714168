"""Rows written with another deflate are read back by HDF5's own."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.files.hdf5_rows import CHUNK_BYTES, RowsWriter, create_rows


def write(path, values: np.ndarray, cuts: list[int]) -> None:
    with h5py.File(path, "w") as file:
        writer = RowsWriter(create_rows(file, "rows", values.shape, values.dtype.str))
        for part in np.split(values, sorted(cuts)):
            writer.append(part)
        writer.finish()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(1, 1), (7, 3), (1000, 500), (3, 300, 450), (5, 1, 2)]),
    dtype=st.sampled_from(["float64", "float32"]),
    cuts=st.lists(st.integers(0, 1000), max_size=4),
)
def test_rows_are_read_back_however_they_came(tmp_path_factory, seed, shape, dtype, cuts):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(shape) < 0.3, np.nan, rng.normal(size=shape)).astype(dtype)
    path = tmp_path_factory.mktemp("rows") / "a.h5"
    write(path, values, [min(cut, len(values)) for cut in cuts])
    with h5py.File(path) as file:
        data = file["rows"]
        assert data[()].tobytes() == values.tobytes()
        assert (data.compression, data.shuffle) == ("gzip", True)
        row = data.dtype.itemsize * int(np.prod(shape[1:]))
        assert data.chunks[0] == 1 or data.chunks[0] * row <= CHUNK_BYTES


def test_a_reader_without_our_code_reads_them(tmp_path):
    values = np.arange(12.0).reshape(4, 3)
    write(tmp_path / "a.h5", values, [])
    code = "import h5py, sys; print(h5py.File(sys.argv[1])['rows'][()].sum())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.h5")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) == values.sum()


def test_rows_never_written_are_nan(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        writer = RowsWriter(create_rows(file, "rows", (5, 2)))
        writer.append(np.ones((2, 2)))
        writer.finish()
        assert np.isnan(file["rows"][2:]).all()


def test_more_rows_than_the_dataset_has_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        writer = RowsWriter(create_rows(file, "rows", (2, 3)))
        with pytest.raises(ValueError, match="more rows than the 2"):
            writer.append(np.ones((3, 3)))
