"""The result file: numbers, default plots in the real clients, validation, provenance."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import silx.io
from silx.io.nxdata import get_default

from scatterflow.errors import UserError
from scatterflow.files.nexus import read_note
from scatterflow.saxswaxs.weights import read_weights

FLUX = {
    "monitor": "i0",
    "dwell_time": None,
    "reference": 1000.0,
    "minimum": 0.0,
    "uncertainty": "counting",
    "on_violation": "error",
}


@pytest.fixture
def result(small_run) -> Path:
    small_run.flux = FLUX
    return small_run.assemble(small_run.integrate(4))


def expected_profiles(run) -> tuple[np.ndarray, np.ndarray]:
    """Azimuthal intensity and variance of every frame, from a dense matrix."""
    weights = read_weights(run.folder / "azimuthal.h5")
    dense = np.zeros((weights.bins, weights.weight.size))
    for b in range(weights.bins):
        part = slice(weights.indptr[b], weights.indptr[b + 1])
        np.add.at(dense[b], weights.indices[part], weights.coefficients[part].astype(float))
    flat = run.frames.reshape(len(run.frames), -1)
    valid = flat < 2**32 - 1
    counts = np.where(valid, flat, 0).astype(float)
    norm = (valid * weights.weight) @ dense.T
    with np.errstate(invalid="ignore", divide="ignore"):
        intensity = counts @ dense.T / norm
        variance = (valid * np.maximum(counts, 1)) @ (dense**2).T / norm**2
    factor = 1000 / run.monitor[:, None]
    return (
        intensity * factor,
        factor**2 * (variance + intensity**2 / run.monitor[:, None]),
    )


def test_numbers_from_an_independent_matrix(small_run, result):
    intensity, variance = expected_profiles(small_run)
    with h5py.File(result) as file:
        data, mean = file["entry/area_azimuthal/data"], file["entry/area_azimuthal/mean"]
        np.testing.assert_allclose(data["I"][()], intensity, rtol=1e-12)
        np.testing.assert_allclose(data["I_errors"][()], np.sqrt(variance), rtol=1e-12)
        np.testing.assert_allclose(mean["I"][()], intensity.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(
            mean["I_errors"][()], np.sqrt(variance.sum(axis=0)) / len(intensity), rtol=1e-12
        )


def test_counts_are_conserved(small_run, result):
    with h5py.File(result) as file:
        good = file["entry/instrument/area/pixel_mask"][()] == 0
        valid = (small_run.frames < 2**32 - 1) & good
        counts = np.where(valid, small_run.frames, 0).sum(axis=(1, 2))
        for name in ("azimuthal", "cake", "radial"):
            total = file[f"entry/area_{name}/data/total_signal"][()]
            np.testing.assert_allclose(total, counts, rtol=1e-6)  # float32 shares of split pixels
        assert file["entry/instrument/area/frame_sum"][()].sum() == np.sum(
            np.where(small_run.frames < 2**32 - 1, small_run.frames, 0), dtype=np.int64
        )


@pytest.mark.parametrize("chunk", [1, 3, 7, 10])
def test_the_result_does_not_depend_on_chunks(small_run, result, chunk):
    first = datasets(result)
    small_run.assemble(small_run.integrate(chunk))
    second = datasets(result)
    assert first.keys() == second.keys()
    for name, value in first.items():
        if not name.endswith(("/date", "processed_time")):
            assert np.asarray(value).tobytes() == np.asarray(second[name]).tobytes(), name


def datasets(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            value = item[()]
            found[name] = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def test_silx_finds_the_default_plot_with_errors(result):
    with silx.io.open(str(result)) as file:
        plot = get_default(file)
        assert plot is not None
        assert plot.is_valid, plot.issues
        assert plot.signal.shape == (10, 60)
        assert plot.errors is not None
        assert plot.interpretation == "spectrum"
        assert plot.axes_names[-1] == "q"
        for name in ("area_cake", "area_radial", "area_azimuthal/mean", "instrument/area"):
            other = get_default(file[f"entry/{name}"])
            assert other is not None, name
            assert other.is_valid, (name, other.issues)


@pytest.mark.parametrize(
    ("path", "definition"),
    [
        (None, "NXazint1d"),
        ("/entry", "NXazint1d"),
        ("/entry/area_azimuthal", "NXazint1d"),
        ("/entry/area_cake", "NXazint2d"),
    ],
)
def test_nxvalidate_finds_no_error(result, path, definition):
    command = Path(sys.executable).with_name("nxvalidate")
    options = [] if path is None else ["-p", path]
    done = subprocess.run(
        [command, *options, str(result)], capture_output=True, text=True, check=True
    )
    text = done.stdout + done.stderr
    assert f"Application Definition: {definition}" in text, text
    assert "Total number of errors: 0" in text, text


def test_units_are_everywhere(result):
    dimensionless = {"pixel_mask", "frame_valid", "data"}
    with h5py.File(result) as file:

        def visit(name, item):
            last = name.rsplit("/", 1)[-1]
            is_number = isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf"
            if not is_number or "/input/" in name or last in dimensionless | {"sequence_index"}:
                return
            assert "units" in item.attrs, name

        file.visititems(visit)
        assert file["entry/area_azimuthal/data/radial_axis"].attrs["units"] == "1/nm"
        assert file["entry/area_radial/data/azimuthal_axis"].attrs["units"] == "degree"
        assert file["entry/scalars/i0"].attrs["units"] == "counts"


def test_scalars_are_coordinates_of_the_frames(result, small_run):
    with h5py.File(result) as file:
        data = file["entry/area_azimuthal/data"]
        assert data.attrs["i0_indices"] == 0
        assert np.array_equal(data["i0"][()], small_run.monitor)
        assert data["frame_number"][()].tolist() == list(range(10))


def test_provenance_is_complete(small_run, result):
    with h5py.File(result) as file:
        notes = {name: read_note(note) for name, note in file["entry/provenance"].items()}
        process = file["entry/process_2_flux"]
        assert process["input/reference_used"][()] == 1000.0
        np.testing.assert_allclose(process["flux_factor"][()], 1000 / small_run.monitor)
    raw = small_run.folder / "run.h5"
    (record,) = notes["raw_files"]
    assert record["path"] == str(raw)
    assert record["size"] == raw.stat().st_size
    assert record["sha256"] == hashlib.sha256(raw.read_bytes()).hexdigest()
    assert record["mtime"].endswith("+00:00")
    assert len(notes["masks"]["area"]["sha256"]) == 64
    assert notes["masks"]["area"]["members"][0]["name"] == "beamstop"
    assert len(notes["geometry"]["area"]["sha256"]) == 64
    assert notes["geometry"]["area"]["distance_m"] == 0.2
    assert notes["software"]["packages"]["pyFAI"]
    assert notes["parameters"]["corrections"]["flux"] == FLUX


def test_empty_bins_are_flagged_not_zero(result):
    with h5py.File(result) as file:
        cake = file["entry/area_cake/data"]
        empty = cake["norm"][()] == 0
        assert empty.any()
        intensity = cake["I"][()]
    assert np.isnan(intensity[:, empty]).all()
    assert np.isfinite(intensity[:, ~empty]).all()


def test_a_failing_assembly_leaves_the_old_result(small_run, result):
    before = result.read_bytes()
    receipts = sorted(small_run.folder.glob("chunk-*.json"))
    small_run.flux = {**FLUX, "minimum": 5000.0}
    with pytest.raises(UserError, match="not above 5000"):
        small_run.assemble(receipts)
    assert result.read_bytes() == before
    assert not list(small_run.folder.glob(".*.tmp"))


def test_missing_frames_are_named_in_the_result(small_run):
    with h5py.File(small_run.folder / "run.h5", "r+") as file:
        del file["entry/data/data"]
        data = file["entry/data"].create_dataset(
            "data", shape=small_run.frames.shape, dtype=np.uint32, chunks=(1, 40, 50)
        )
        data[:9] = small_run.frames[:9]
    small_run.missing = "nan"
    path = small_run.assemble(small_run.integrate(4))
    with h5py.File(path) as file:
        intensity = file["entry/area_azimuthal/data/I"][()]
        assert np.isnan(intensity[9]).all()
        mean = file["entry/area_azimuthal/mean/I"][()]
        np.testing.assert_allclose(mean, intensity[:9].mean(axis=0), rtol=1e-12)
        assert set(read_note(file["entry/provenance/missing_frames"])["area"]) == {"9"}
        assert file["entry/instrument/area/frame_valid"][()].tolist() == [True] * 9 + [False]


def test_figures_of_an_older_result_do_not_stay_beside_the_new_one(small_run):
    (small_run.folder / "plots").mkdir()
    old = ["plots/area_gone_mean.png", "plots/monitors.svg", "area_gone_rings.json"]
    kept = ["plots/notes.txt", "plots/mine.png", "notes.json"]
    for name in (*old, *kept):
        (small_run.folder / name).touch()
    small_run.assemble(small_run.integrate(10))
    assert not [name for name in old if (small_run.folder / name).exists()]
    assert all((small_run.folder / name).exists() for name in kept)


def test_each_detector_has_its_wavelength(result):
    with h5py.File(result) as file:
        assert file["entry/instrument/area/wavelength"][()] == pytest.approx(1.0)
        assert file["entry/instrument/area/wavelength"].attrs["units"] == "angstrom"
