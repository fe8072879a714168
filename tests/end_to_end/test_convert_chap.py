"""The CHAP configuration of docs/migration/chap.md, translated and run: numbers of pyFAI's MultiGeometry and
CHAP's formulas."""

from __future__ import annotations

import subprocess
import sys
import warnings

import fabio
import h5py
import numpy as np
import pyFAI
import pytest
import yaml
from pyFAI.multi_geometry import MultiGeometry

from tests.convert.conftest import POINTS, PONI, Chess
from tests.docs.pages import DOCS, block, python_blocks, run_table

from .conftest import copy_workflow, environment

# Beside the first detector, and overlapping it.
SECOND = PONI.replace("Poni2: 0.005", "Poni2: 0.001").replace("Rot2: 0.01", "Rot2: -0.02")
PAGE = DOCS / "migration/chap.md"


@pytest.fixture(scope="module")
def chess(tmp_path_factory) -> Chess:
    """The folder after the translation and the workflow."""
    chess = Chess(tmp_path_factory.mktemp("chap") / "chess")
    for number, level in ((1, 20), (2, 20), (3, 2)):
        chess.scan(number, ("PIL9", "PIL5"), level)
    chess.write("geometry.poni", PONI)
    chess.write("second.poni", SECOND)
    mask = np.zeros((44, 52), np.uint8)
    mask[20:24, 25:30] = 1
    fabio.edfimage.EdfImage(mask).write(str(chess.folder / "mask.edf"))
    for name in ("map.yaml", "pyfai.yaml", "corrections.yaml"):
        chess.write(name, block(PAGE, name))
    copy_workflow(chess.folder)
    command = [sys.executable, "scripts/scatterflow", "convert-chap", "map.yaml", "pyfai.yaml"]
    command += ["--corrections", "corrections.yaml", "--output", "config"]
    subprocess.run(command, cwd=chess.folder, check=True, capture_output=True)
    targets = [f"results/sample_001/{name}/result.nxs" for name in ("integrated", "corrected")]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *targets],
        cwd=chess.folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return chess


def frames(chess: Chess, detector: str, number: int) -> list[np.ndarray]:
    folder = chess.folder / f"spec/sample_{number:03d}"
    paths = [folder / f"sample_{detector}_{number:03d}_{i:03d}.tiff" for i in range(POINTS)]
    return [fabio.open(str(path)).data for path in paths]


def geometry(chess: Chess):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [pyFAI.load(str(chess.folder / name)) for name in ("geometry.poni", "second.poni")]


def masks(chess: Chess) -> list[np.ndarray]:
    return [fabio.open(str(chess.folder / "mask.edf")).data, np.zeros((44, 52), np.int8)]


def multi(chess: Chess) -> MultiGeometry:
    return MultiGeometry(
        geometry(chess), unit="q_A^-1", radial_range=(0.02, 0.3), azimuth_range=(-180, 180), empty=0
    )


def profiles(chess: Chess, number: int) -> np.ndarray:
    """1-D profiles as CHAP makes them, (frames, bins), counts per steradian."""
    pairs = zip(frames(chess, "PIL9", number), frames(chess, "PIL5", number), strict=True)
    integrator = multi(chess)
    return np.array(
        [
            integrator.integrate1d(
                list(pair), npt=40, lst_mask=masks(chess), method=("bbox", "csr", "cython")
            ).intensity
            for pair in pairs
        ]
    )


def found(chess: Chess, reduction: str, name: str) -> np.ndarray:
    with h5py.File(chess.folder / f"results/sample_001/{reduction}/result.nxs") as file:
        return file[f"entry/{name}/data/I"][()]


def same(ours: np.ndarray, wanted: np.ndarray) -> None:
    """Equal to 1e-6 of the maximum; a bin without pixels is NaN here and 0 in CHAP."""
    assert np.isfinite(ours).mean() > 0.5
    wanted = np.where(np.isfinite(ours), wanted, np.nan)
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-6 * np.nanmax(np.abs(wanted)))


def cakes(chess: Chess) -> np.ndarray:
    """Cakes as CHAP makes them, (frames, chi, q), counts per steradian."""
    integrator = multi(chess)
    made = []
    for pair in zip(frames(chess, "PIL9", 1), frames(chess, "PIL5", 1), strict=True):
        cake = integrator.integrate2d(
            list(pair), 20, 18, lst_mask=masks(chess), method=("bbox", "csr", "cython")
        )
        made.append(np.flip(cake.intensity, axis=0))
    return np.array(made)


def test_the_translation_is_that_of_the_page(chess):
    written = yaml.safe_load((chess.folder / "config/config.yaml").read_text())
    assert written == yaml.safe_load(block(PAGE, "config/config.yaml"))
    assert (chess.folder / "config/runs.tsv").read_text() == run_table(PAGE)


def test_the_comparison_of_the_page(chess, monkeypatch, capsys):
    monkeypatch.chdir(chess.folder)
    (chess.folder / "chap").mkdir()
    with h5py.File("chap/water_map.nxs", "w") as file:
        file["cake/data/I"] = np.concatenate([cakes(chess)] * 2)
    (code,) = python_blocks(PAGE)
    exec(compile(code, str(PAGE), "exec"), {})
    told = capsys.readouterr().out
    assert float(told.split("difference ")[1].split()[0]) < 1e-6


def test_cakes_are_those_of_multi_geometry_flipped(chess):
    same(found(chess, "integrated", "merged_cake"), cakes(chess))


def test_radial_integrations_are_those_of_pyfai_flipped(chess):
    integrator = geometry(chess)[0]
    wanted = []
    for frame in frames(chess, "PIL9", 1):
        ring = integrator.integrate_radial(
            frame,
            24,
            unit="chi_deg",
            radial_unit="q_A^-1",
            radial_range=(0.05, 0.25),
            azimuth_range=(-180, 180),
            mask=masks(chess)[0],
            method=("bbox", "csr", "cython"),
        )
        wanted.append(np.flip(ring.intensity))
    same(found(chess, "integrated", "PIL9_ring"), np.array(wanted))


def test_corrected_profiles_follow_the_documented_formula(chess):
    sample, background = profiles(chess, 1), profiles(chess, 3)[:3]
    incident = 1010.0 + np.arange(POINTS)
    transmitted = 400.0 + 5 * np.arange(POINTS)
    incident_b = (1030.0 + np.arange(POINTS))[:3]
    transmitted_b = (500.0 + 5 * np.arange(POINTS))[:3]
    # (1/t) [ (1/T) I r/I0 - Ib r/I0b ], averages over the background's frames.
    rate, thickness = 1000.0, 0.1
    transmission = (transmitted / incident) / (transmitted_b.sum() / incident_b.sum())
    wanted = sample * (rate / incident / transmission)[:, None]
    wanted -= background.mean(axis=0) * rate / incident_b.mean()
    same(found(chess, "corrected", "merged_waxs"), wanted / thickness)
