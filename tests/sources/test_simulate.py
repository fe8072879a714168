"""The demo's raw data hold their known answers, by formulas that pyFAI has no part in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  (registers the bitshuffle filter for h5py)
import numpy as np
import pytest

from scatterflow.config.sources import SourceConfig
from scatterflow.errors import UserError
from scatterflow.sources import RunLocation, open_source
from scatterflow.sources.simulate import (
    known_answers,
    simulate_run,
    simulated_files,
    write_demo_detectors,
)
from scatterflow.sources.simulated_physics import CAMERAS, good_pixels, pixel_values

CONFIG = Path(__file__).resolve().parents[2] / "config"
SPEC = {
    "format": "spec",
    "frames": {"saxs": "PIL5", "waxs": "PIL9"},
    "scalars": {
        "ic1": {"type": "scan_column", "name": "ic1", "unit": "counts"},
        "diode": {"type": "scan_column", "name": "diode", "unit": "counts"},
        "seconds": {"type": "scan_column", "name": "Seconds", "unit": "s"},
    },
}
EIGER = {
    "format": "hdf5",
    "frames": {"eiger": "auto"},
    "scalars": {
        "ic1": {"type": "dataset", "name": "/entry/scalars/ic1"},
        "diode": {"type": "dataset", "name": "/entry/scalars/diode"},
        "seconds": {"type": "dataset", "name": "/entry/scalars/count_time"},
    },
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Folder with all simulated runs, seed 1."""
    root = tmp_path_factory.mktemp("raw")
    for name in simulated_files():
        simulate_run(name, root, 1)
    return root


def opened(root, name, *detectors):
    recipe = SourceConfig.model_validate(EIGER if name.endswith(".h5") else SPEC).model_dump()
    shapes = {detector: CAMERAS[detector].shape for detector in detectors}
    frames = known_answers()["runs"][name]["frames"]
    return open_source(RunLocation("demo", name, str(root), frames, recipe, shapes))


def geometry(name):
    """q (1/angstrom), solid angle and polarisation of the pixels, from vectors."""
    camera = CAMERAS[name]
    rows, columns = np.indices(camera.shape) + 0.5
    y = rows * camera.pixel_m - camera.poni1_m
    x = columns * camera.pixel_m - camera.poni2_m
    distance = camera.distance_m
    solid_angle = (distance / np.sqrt(distance**2 + x**2 + y**2)) ** 3
    angle = -camera.rotation1_rad
    along = x * np.sin(angle) + distance * np.cos(angle)
    across = x * np.cos(angle) - distance * np.sin(angle)
    length = np.sqrt(across**2 + y**2 + along**2)
    two_theta = np.arctan2(np.hypot(across, y), along)
    # A dipole does not radiate along its own axis.
    horizontal, vertical = 1 - (across / length) ** 2, 1 - (y / length) ** 2
    polarisation = (1 + 0.99) / 2 * horizontal + (1 - 0.99) / 2 * vertical
    wavelength = 12.398419843320026 / 12
    return 4 * np.pi / wavelength * np.sin(two_theta / 2), solid_angle * polarisation


def profile(q, good, signal, normalisation, edges):
    """Counts per normalisation in bins of q, its Poisson sigma, and the bin of every good pixel."""
    where = np.digitize(q[good], edges) - 1
    inside = (where >= 0) & (where < len(edges) - 1)
    where = where[inside]
    bins = len(edges) - 1
    total = np.bincount(where, signal[good][inside], bins)
    weight = np.bincount(where, normalisation[good][inside], bins)
    used = weight > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / weight, np.sqrt(total) / weight, used


@pytest.mark.parametrize("name", CAMERAS)
def test_pixels_lie_where_vectors_say(name):
    q, efficiency = geometry(name)
    found_q, found_efficiency = pixel_values(name)
    np.testing.assert_allclose(found_q, q, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found_efficiency, efficiency, rtol=1e-6)


def test_the_files_are_those_that_were_announced(raw):
    announced = [path for files in simulated_files().values() for path, *_ in files]
    assert len(announced) == len(set(announced)) == 2 + 8 + 2 + 44 + 4 + 30
    written = {str(p.relative_to(raw)) for p in raw.rglob("*") if p.is_file()}
    assert written == set(announced)
    assert sum((raw / path).stat().st_size for path in written) < 40e6


def test_announced_frames_cover_each_run_once():
    for name, files in simulated_files().items():
        frames = known_answers()["runs"][name]["frames"]
        for detector in {d for _, d, _, _ in files if d}:
            ranges = [(first, stop) for _, d, first, stop in files if d == detector]
            assert [i for r in ranges for i in range(*r)] == list(range(frames))


@pytest.mark.parametrize(("name", "detectors"), [
    ("demo/lab6::1", ["waxs"]), ("demo/agbh::1", ["saxs"]), ("demo/sample::1", ["saxs", "waxs"]),
    ("demo/empty::1", ["saxs", "waxs"]), ("demo/series_master.h5", ["eiger"]),
])  # fmt: skip
def test_the_sources_read_frames_and_monitors(raw, name, detectors):
    source, run = opened(raw, name, *detectors), known_answers()["runs"][name]
    table = source.scalars()
    np.testing.assert_array_equal(table["ic1"], run["ic1"])
    np.testing.assert_array_equal(table["diode"], run["diode"])
    np.testing.assert_allclose(table["seconds"], run["frame_time_s"])
    np.testing.assert_allclose(2 * table["diode"] / table["ic1"], run["transmission"])
    assert np.ptp(run["ic1"]) > 0.05 * run["ic1"].mean()  # something to correct for
    for detector in detectors:
        dtype = np.uint32 if detector == "eiger" else np.int32
        assert source.detectors[detector].dtype == dtype
        announced = [p for p, d, _, _ in simulated_files()[name] if d in (None, detector)]
        found = [str(p.relative_to(raw)) for p in source.files(detector)]
        assert set(found) <= set(announced)


@pytest.mark.parametrize("name", ["demo/lab6::1", "demo/agbh::1", "demo/sample::1",
                                  "demo/empty::1", "demo/series_master.h5"])  # fmt: skip
def test_counts_are_poisson_around_the_known_intensity(raw, name):
    run = known_answers()["runs"][name]
    for detector in dict.fromkeys([*run["sample"], *run["empty"]]):
        source = opened(raw, name, detector)
        q, efficiency = geometry(detector)
        good = good_pixels(CAMERAS[detector])
        for frame in (0, run["frames"] // 2, run["frames"] - 1):
            counts = source.read(detector, frame, frame + 1)[0][good]
            parts = [run[p][detector](q, frame) for p in ("sample", "empty") if detector in run[p]]
            expected = sum(parts) * efficiency * run["ic1"][frame] / 1e5 * run["transmission"]
            expected = expected[good]
            chi = ((counts - expected) ** 2 / expected).mean()
            # Variance of (n - m)^2 / m for Poisson n is 2 + 1/m.
            assert abs(chi - 1) < 5 * np.sqrt((2 + 1 / expected).mean() / expected.size)
            assert abs(counts.sum() - expected.sum()) < 5 * np.sqrt(expected.sum())


def test_a_plain_reduction_gives_back_the_sample(raw):
    """(counts / i0 / T) of the sample minus (counts / i0) of the empty run, in bins of q."""
    answers = known_answers()
    sample, empty = answers["runs"]["demo/sample::1"], answers["runs"]["demo/empty::1"]
    ratio = sample["diode"] / sample["ic1"] / np.mean(empty["diode"] / empty["ic1"])
    np.testing.assert_allclose(ratio, 0.8)
    for detector, edges in (
        ("saxs", np.linspace(0.02, 0.28, 60)),
        ("waxs", np.linspace(1, 3.6, 80)),
    ):
        q, efficiency = geometry(detector)
        good = good_pixels(CAMERAS[detector])
        empty_frames = opened(raw, "demo/empty::1", detector).read(detector, 0, 11)
        weight = efficiency * (empty["ic1"] / 1e5).sum()
        ground, ground_sigma, _ = profile(q, good, empty_frames.sum(axis=0), weight, edges)
        source = opened(raw, "demo/sample::1", detector)
        for frame in range(11):
            counts = source.read(detector, frame, frame + 1)[0]
            weight = efficiency * sample["ic1"][frame] / 1e5 * ratio[frame]
            found, sigma, used = profile(q, good, counts, weight, edges)
            true, _, _ = profile(
                q, good, sample["sample"][detector](q, frame) * weight, weight, edges
            )
            pull = ((found - ground - true) / np.hypot(sigma, ground_sigma))[used]
            assert abs(pull.mean()) < 5 / np.sqrt(pull.size)
            assert abs((pull**2).mean() - 1) < 5 * np.sqrt(2 / pull.size)


def test_rings_lie_where_the_lattices_say(raw):
    lattice = 4.15689  # angstrom, LaB6 of NIST SRM 660b
    orders = [1, 2, 3, 4, 5, 6]  # h^2 + k^2 + l^2 of 100, 110, 111, 200, 210, 211
    lab6 = [2 * np.pi * np.sqrt(n) / lattice for n in orders]
    agbh = [2 * np.pi * n / 58.380 for n in (1, 2)]  # Huang et al. 1993
    rings = known_answers()["rings"]
    for name, detector, true, half_width in [
        ("demo/lab6::1", "waxs", lab6, 0.035), ("demo/agbh::1", "saxs", agbh, 0.0075),
    ]:  # fmt: skip
        np.testing.assert_allclose(rings[name][detector], true, rtol=1e-4)
        q, efficiency = geometry(detector)
        good = good_pixels(CAMERAS[detector])
        counts = opened(raw, name, detector).read(detector, 0, 4).sum(axis=0) / efficiency
        for ring in true:
            near = good & (np.abs(q - ring) < half_width)
            edges = np.linspace(ring - half_width, ring + half_width, 41)
            where = np.digitize(q[near], edges) - 1
            height = np.bincount(where, counts[near], 40) / np.maximum(
                np.bincount(where, None, 40), 1
            )
            height -= np.sort(height)[:6].mean()
            centre = (height * (edges[1:] + edges[:-1]) / 2).sum() / height.sum()
            assert abs(centre - ring) < 0.03 * half_width


def test_the_peaks_of_the_series_move_linearly():
    first, second = known_answers()["series_peaks"]
    assert first[0] == 0.20
    assert second[0] == 0.40
    np.testing.assert_allclose(np.diff(first), 0.0006)
    np.testing.assert_allclose(np.diff(second), -0.0008)


def test_the_faults_of_the_detectors(raw):
    saxs = opened(raw, "demo/sample::1", "saxs").read("saxs", 0, 11)
    assert (saxs[:, 195:202] == -1).all()
    assert (saxs[:, :195] >= 0).all()
    good = good_pixels(CAMERAS["saxs"])
    assert saxs[:, 40, 160].max() < 10
    assert not good[40, 160]
    waxs = opened(raw, "demo/sample::1", "waxs").read("waxs", 0, 11)
    assert (waxs[:, 60, 100] == 1_000_000).all()
    assert (waxs[:, 77, 300] == 0).all()
    eiger = opened(raw, "demo/series_master.h5", "eiger").read("eiger", 0, 60)
    bad = (eiger == 2**32 - 1).all(axis=0)
    assert bad.sum() == 4 * 256 + 4
    assert bad[126:130].all()
    assert bad[5, 200]
    assert eiger[:, ~bad].max() < 1000
    with h5py.File(raw / "demo/series_master.h5", locking=False) as file:
        mask = file["entry/instrument/detector/detectorSpecific/pixel_mask"][()]
    np.testing.assert_array_equal(mask > 0, bad)


def test_equal_seeds_give_equal_bytes_and_others_do_not(raw, tmp_path):
    def digests(root, files):
        return {p: hashlib.sha256((root / p).read_bytes()).hexdigest() for p, *_ in files}

    for name in ("demo/lab6::1", "demo/series_master.h5"):
        files = simulated_files()[name]
        simulate_run(name, tmp_path / "same", 1)
        simulate_run(name, tmp_path / "same", 1)  # over the first: replaced, not appended
        assert digests(tmp_path / "same", files) == digests(raw, files)
        simulate_run(name, tmp_path / "other", 2)
        before, after = digests(raw, files), digests(tmp_path / "other", files)
        assert all(before[p] != after[p] for p, detector, *_ in files if detector)


def test_an_unknown_run():
    with pytest.raises(UserError, match="did you mean 'demo/lab6::1'"):
        simulate_run("demo/lab6", "raw", 1)


# The demo's configuration


def test_the_committed_geometry_and_masks_are_the_simulated_ones(tmp_path):
    for path in write_demo_detectors(tmp_path):
        committed = CONFIG / path.relative_to(tmp_path)
        assert committed.read_bytes() == path.read_bytes(), committed


@pytest.mark.parametrize("name", CAMERAS)
def test_pyfai_reads_the_geometry_files(name):
    import pyFAI

    camera, found = CAMERAS[name], pyFAI.load(str(CONFIG / f"geometry/demo_{name}.poni"))
    assert found.detector.shape == camera.shape
    assert found.detector.orientation == 3
    assert (found.dist, found.poni1, found.poni2) == (
        camera.distance_m, camera.poni1_m, camera.poni2_m,
    )  # fmt: skip
    assert found.detector.pixel1 == found.detector.pixel2 == camera.pixel_m
    q, _ = geometry(name)
    np.testing.assert_allclose(
        found.center_array(camera.shape, unit="q_A^-1"), q, rtol=1e-6, atol=1e-9
    )


def test_the_masks_cover_the_faults():
    import fabio

    with fabio.open(str(CONFIG / "masks/demo_saxs_beamstop.edf")) as image:
        masked = image.data != 0  # EDF: nonzero is masked
    assert masked[40, 160]
    assert masked[0, 160]
    assert not masked[299, 0]
    assert 0.0005 < masked.mean() < 0.02
    good = np.load(CONFIG / "masks/demo_waxs_good.npy")
    assert good.shape == (195, 487)
    assert (good == 0).sum() == 9
    assert good[60, 100] == 0
    assert good[77, 300] == 0
    assert good[0, 0] == 1
