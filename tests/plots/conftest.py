"""A small result file, written with h5py alone from the published layout."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

Q = np.linspace(0.1, 4.0, 200)
CHI = np.linspace(-175.0, 175.0, 36)


def ring_profile(q: np.ndarray, centre: float = 1.51153) -> np.ndarray:
    """One ring on a falling background, counts."""
    return 500.0 * np.exp(-0.5 * ((q - centre) / 0.03) ** 2) + 40.0 / (0.2 + q)


def write_result(
    path: Path,
    frames: int = 5,
    rows: int = 40,
    columns: int = 60,
    beam: tuple[float, float] | None = (20.25, 10.75),
    q: np.ndarray = Q,
    unit: str = "q_A^-1",
    scalars: dict[str, tuple[np.ndarray, str]] | None = None,
    profiles: np.ndarray | None = None,
    run: str = "run_0004",
    sample: str = "LaB6",
    chi: np.ndarray = CHI,
    norm: np.ndarray | None = None,
) -> Path:
    """Write a result with detector `waxs` and integrations azimuthal, radial and cake.

    norm: of the bins of the radial integration; none is written for None.
    """
    generator = np.random.default_rng(4)
    if profiles is None:
        factors = 1 + 0.01 * np.arange(frames)[:, None]
        profiles = ring_profile(q) * factors
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["entry_identifier"] = run
        entry["title"] = "a test"
        entry.create_group("sample")["name"] = sample
        detector = entry.create_group("instrument/waxs")
        total = generator.poisson(30.0, (rows, columns)) * frames
        count = np.full((rows, columns), frames, dtype=np.uint32)
        mask = np.zeros((rows, columns), dtype=np.uint32)
        mask[5:8] = 1  # a gap
        count[5:8] = 0
        count[-1, -20] = 0  # a pixel that is never valid, though not masked
        total[count == 0] = 0
        detector["frame_sum"] = total.astype(np.int64)
        detector["frame_sum"].attrs["units"] = "counts"
        detector["valid_count"] = count
        detector["pixel_mask"] = mask
        if beam is not None:
            detector["beam_center_x"], detector["beam_center_y"] = beam
        group = entry.create_group("scalars")
        group["frame_number"] = np.arange(frames)
        for name, (values, scalar_unit) in (scalars or {}).items():
            group[name] = values
            group[name].attrs["units"] = scalar_unit
        radial_axis = ("radial_axis", q, "q", "1/angstrom", unit)
        azimuthal_axis = ("azimuthal_axis", chi, "chi", "deg", "")
        around = 100.0 * (1 + 0.3 * np.cos(np.radians(chi)))
        around = around * (1 + 0.01 * np.arange(frames)[:, None])
        cakes = profiles[:, None, :] * (1 + 0.3 * np.cos(np.radians(chi)))[None, :, None]
        cakes[:, :4, :50] = np.nan
        for kind, signal, axes in (
            ("azimuthal", profiles, (radial_axis,)),
            ("radial", around, (azimuthal_axis,)),
            ("cake", cakes, (azimuthal_axis, radial_axis)),
        ):
            _write_integration(entry, kind, signal, axes)
        if norm is not None:
            entry["waxs_radial/data/norm"] = norm
    return path


def _write_integration(
    entry: h5py.Group, kind: str, signal: np.ndarray, axes: tuple[tuple, ...]
) -> None:
    group = entry.create_group(f"waxs_{kind}")
    group.attrs.update({"kind": kind, "detector": "waxs", "integration": kind})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # bins without a pixel: NaN is meant
        mean = np.nanmean(signal, axis=0)
    for name, values in (("data", signal), ("mean", mean)):
        data = group.create_group(name)
        data["I"] = values
        data["I"].attrs["intensity_label"] = "intensity (counts per pixel / i0)"
        data["I_errors"] = 0.05 * values
        for axis, positions, long_name, unit, pyfai_unit in axes:
            data[axis] = positions
            data[axis].attrs.update({"units": unit, "long_name": long_name})
            if pyfai_unit:
                data[axis].attrs["pyfai_unit"] = pyfai_unit


@pytest.fixture
def result(tmp_path: Path) -> Callable[..., Path]:
    """Writes `result.nxs` below the test's folder; arguments as for `write_result`."""

    def write(**options: object) -> Path:
        return write_result(tmp_path / "result.nxs", **options)

    return write


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Small data of a simulated pump-probe run."""
    from tests.plots.shot_files import make_small_data

    return make_small_data(tmp_path_factory.mktemp("shots"))


@pytest.fixture(scope="session")
def run():
    """The same run as it was simulated."""
    from tests.plots.shot_files import truth

    return truth()


@pytest.fixture
def lit(run):
    """Its shots with X-rays."""
    return run.scalars["xray"] > 0
