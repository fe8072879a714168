"""The whole examples of the migration pages, run on simulated raw data, and their checks of old against new.

That of CHAP is tested with its conversion, in tests/end_to_end/test_convert_chap.py.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from scatterflow.__main__ import main
from scatterflow.plan.build import build_plan
from scatterflow.sources.event_writers import write_imm
from scatterflow.sources.shot_writers import write_sacla, write_smalldata
from scatterflow.sources.simulated_speckles import SpeckleRun, photon_frames
from scatterflow.sources.writers import write_eiger
from tests.end_to_end.conftest import Project
from tests.xpcs.brute_multitau import brute_sums

from .commands import commands
from .pages import DOCS, REPOSITORY, block, python_blocks, run_table

pytestmark = pytest.mark.end_to_end
SNAKEFILE = str(REPOSITORY / "Snakefile")
PAGES = {path.stem: path for path in sorted(DOCS.glob("migration/*.md"))}


def example(page: Path, folder: Path) -> Project:
    """The page's configuration and run table in a folder of their own; nothing has run."""
    (folder / "config").mkdir(parents=True)
    (folder / "config/config.yaml").write_text(block(page, "config/config.yaml"))
    (folder / "config/runs.tsv").write_text(run_table(page))
    return Project(folder, {}, [])


def reduce(project: Project, *targets: str) -> None:
    """Run the workflow of this repository in the project's folder."""
    project.run("-q", "all", "--rerun-incomplete", "-s", SNAKEFILE, *targets)


def run_shown(page: Path) -> None:
    """Run the commands of the page's blocks in their order, but for those of other tests or a site."""
    for command in commands(page):
        ours = command.words[0] == "scatterflow" and "convert-xpcs" not in command.words
        if ours and not (command.needs_site or command.in_text):
            assert main([*command.words[1:]]) == 0, command


def check(page: Path, capsys) -> str:
    """What the page's comparison of old and new prints."""
    code = next(text for text in python_blocks(page) if "print(" in text)
    exec(compile(code, str(page), "exec"), {})
    return capsys.readouterr().out


@pytest.mark.parametrize("name", PAGES)
def test_the_example_plans(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/runs.tsv").write_text(run_table(PAGES[name]))
    data = yaml.safe_load(block(PAGES[name], "config/config.yaml"))
    found = build_plan(data, "the page")
    rows = [line.split("\t") for line in run_table(PAGES[name]).splitlines()[1:]]
    wanted = {(row[0], one) for row in rows for one in row[1].split(",") if one}
    assert wanted <= {*found.reductions, *found.xpcs, *found.shots}
    assert wanted


def test_the_source_at_lcls_plans(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    page = PAGES["smalldata"]
    Path("config/runs.tsv").write_text(run_table(page).replace("xpptut15_Run0054.h5", "54"))
    data, psana = (yaml.safe_load(block(page, name)) for name in ("config/config.yaml", "psana"))
    data["reductions"]["again"] |= psana.pop("reductions")["again"]
    assert ("54", "again") in build_plan(data | psana, "the page").shots


# APS 8-ID -----------------------------------------------------------------------------------------

PIXEL, DISTANCE, ENERGY = 75e-6, 5.0, 12.39841984
SPECKLES = SpeckleRun(
    shape=(48, 56),
    frames=240,
    photons=0.2,
    beam_row=23.5,
    beam_column=27.5,
    q_per_pixel=2 * np.pi * PIXEL / DISTANCE,
    beamstop_pixels=3.0,
    tau_frames=6.0,
    q_reference=1.5e-3,
    tau_exponent=1.0,
    speckle_block=2,
)


def write_aps(raw: Path) -> np.ndarray:
    """Frames and metadata as the beamline leaves them; the stage has moved by two pixels."""
    raw.mkdir(parents=True)
    frames = np.concatenate([part for _, part in photon_frames(SPECKLES, 3)])
    write_imm(raw / "A001_silica.imm", frames)
    detector = {
        "beam_center_x": SPECKLES.beam_column - 2,
        "beam_center_y": SPECKLES.beam_row,
        "beam_center_position_x": 0.3,
        "beam_center_position_y": 0.05,
        "position_x": 0.3 + 2 * PIXEL,
        "position_y": 0.05,
        "count_time": 0.0009,
        "frame_time": 0.001,
        "distance": DISTANCE,
        "x_pixel_size": PIXEL,
        "y_pixel_size": PIXEL,
    }
    with h5py.File(raw / "A001_silica_metadata.hdf", "w") as file:
        file["entry/schema_version"] = "0.1.0"
        file["entry/start_time"] = "2026-02-14 12:00:00.5"
        file["entry/instrument/incident_beam/incident_energy"] = ENERGY
        for name, value in detector.items():
            file[f"entry/instrument/detector_1/{name}"] = value
    return frames


def write_rings(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A q-map of pySimpleMask: three dynamic rings of four static ones; the maps, from 0, -1: not used."""
    y, x = np.indices(SPECKLES.shape)
    radius = np.hypot(y - SPECKLES.beam_row, x - SPECKLES.beam_column)
    static = np.where((radius > 4) & (radius < 22), (radius - 4) // 1.5, -1).astype(int)
    dynamic = np.where(static < 0, -1, static // 4)
    angle = np.arctan((4 + 1.5 * (np.arange(12) + 0.5)) * PIXEL / DISTANCE)
    q = 2 * np.pi * ENERGY / 12.39841984 * 2 * np.sin(angle / 2)
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        group = file.create_group("qmap")
        group["mask"] = group["blemish"] = (static >= 0).astype(np.uint8)
        group["map_names"] = np.array(["q", "phi"], dtype=object)
        group["map_units"] = np.array(["Å⁻¹", "deg"], dtype=object)
        for name, numbers, values in (
            ("dynamic", dynamic, q.reshape(3, 4).mean(axis=1)),
            ("static", static, q),
        ):
            group[f"{name}_roi_map"] = (numbers + 1).astype(np.uint8)
            group[f"{name}_num_pts"] = [len(values), 1]
            group[f"{name}_v_list_dim0"] = values
            group[f"{name}_v_list_dim1"] = [0.0]
            group[f"{name}_index_mapping"] = np.arange(len(values))
    return dynamic, static


def write_boost_corr(path: Path, frames: np.ndarray, dynamic: np.ndarray, static: np.ndarray):
    """g2 as boost_corr defines it, pair by pair, in its layout; errors from the scatter over pixels."""
    used = dynamic >= 0
    values = frames[:, used]
    scale = values.mean() / values.mean(axis=1)
    delays = [*range(1, 9)]
    for level in range(1, 8):
        last = len(frames) >> level << level
        delays += [m << level for m in range(5, 9) if m << level < last]
    g2, errors = [], []
    for delay in delays:
        level = max(0, int(np.ceil(np.log2(delay / 8))))
        pairs, sums = brute_sums(values, np.ones(len(values), bool), level, delay, scale)
        G2, IP, IF = sums / pairs
        means = [
            np.bincount(static[used], part) / np.bincount(static[used]) for part in (G2, IP, IF)
        ]
        g2.append((means[0] / (means[1] * means[2])).reshape(3, 4).mean(axis=1))
        pixel = np.divide(G2, IP * IF, out=np.zeros_like(G2), where=IP * IF > 0)
        groups = [pixel[dynamic[used] == number] for number in range(3)]
        errors.append([group.std(ddof=1) / np.sqrt(group.size) for group in groups])
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["xpcs/multitau/delay_list"] = np.array(delays)[None]
        file["xpcs/multitau/normalized_g2"] = np.array(g2)
        file["xpcs/multitau/normalized_g2_err"] = np.array(errors)


def test_aps8idi(tmp_path, monkeypatch, capsys):
    project = example(PAGES["aps8idi"], tmp_path / "aps")
    monkeypatch.chdir(project.folder)
    frames = write_aps(Path("raw/A001_silica"))
    run_shown(PAGES["aps8idi"])  # `geometry`
    assert Path("config/geometry/area.poni").is_file()
    maps = write_rings(Path("config/qmap/rings.hdf"))
    reduce(project, "results/A001_silica/boost/result.nxs")
    write_boost_corr(Path("old/A001_silica_results.hdf"), frames, *maps)
    capsys.readouterr()
    g2, errors = check(PAGES["aps8idi"], capsys).splitlines()
    assert float(g2.split()[3].rstrip(",")) < 1e-12
    # Speckles of 2 x 2 pixels; where photons are few, their noise is that of single pixels.
    assert 1 < float(errors.split()[2]) < 4


# SACLA --------------------------------------------------------------------------------------------

GAIN, PHOTON_EV = 17.0, 9000.0


def write_octal(number: int, frames: np.ndarray, laser: np.ndarray, i0: np.ndarray) -> None:
    """frames: (n, 8, 64, 32) ADU."""
    n = len(frames)
    write_sacla(
        f"raw/{number}.h5",
        number,
        1000 * number + 2 * np.arange(n),
        {"MPCCD-8-2-001": frames.astype(np.float32)},
        event_info={
            "bl_3/eh_1/xfel_pulse_selector_status": (i0 > 0).astype(np.int32),
            "bl_3/lh_1/laser_pulse_selector_status": laser.astype(np.int32),
            "bl_3/eh_1/laser/delay_line_motor_1": 12500.0 + 150 * (np.arange(n) // 8),
            "bl_3/eh_1/arrival_timing_monitor_in_pixel": np.full(n, 500.0),
            "bl_3/eh_1/bm_1_pulse_energy_in_joule": i0,
        },
        detector_info={
            "MPCCD-8-2-001": {
                "absolute_gain": np.float32(GAIN),
                "pixel_size_in_micro_meter": np.full(2, 50, np.float32),
                "detector_coordinate_in_micro_meter": np.zeros(3, np.float32),
                "detector_rotation_angle_in_degree": np.float32(0),
            }
        },
    )


def test_sacla(tmp_path, monkeypatch, capsys):
    project = example(PAGES["sacla"], tmp_path / "sacla")
    monkeypatch.chdir(project.folder)
    Path("raw").mkdir()
    rng = np.random.default_rng(4)
    pedestal = rng.normal(100, 5, (8, 64, 32))
    adu = PHOTON_EV / (3.65 * GAIN)
    dark = pedestal + rng.normal(0, 10, (20, 8, 64, 32))
    light = pedestal + rng.normal(0, 10, (40, 8, 64, 32)) + adu * rng.poisson(0.3, (40, 8, 64, 32))
    write_octal(1019, dark, np.zeros(20), np.zeros(20))
    write_octal(1020, light, np.arange(40) % 2, rng.uniform(1e-4, 2e-4, 40))
    reduce(project, "results/1020/pumpprobe/result.nxs", "results/1020/pumpprobe/cube_delay.nxs")
    run_shown(PAGES["sacla"])
    assert "0 runs added, 2 there already" in capsys.readouterr().out
    # (raw - dark) x gain x 3.65 eV, as its `analyse` has it.
    stored = [part.astype(np.float32).astype(float) for part in (light, dark)]
    mean = (stored[0].mean(axis=0) - stored[1].mean(axis=0)) * GAIN * 3.65
    Path("old").mkdir()
    np.savez("old/1020.npz", octal_mean=mean)
    told = check(PAGES["sacla"], capsys)
    good, difference = float(told.split("%")[0]), float(told.split("difference ")[1].split()[0])
    assert good > 95
    # adu_per_photon is rounded to five digits.
    assert difference < 5e-5 * mean.max()


# LCLS ---------------------------------------------------------------------------------------------


def test_smalldata(tmp_path, monkeypatch, capsys):
    project = example(PAGES["smalldata"], tmp_path / "lcls")
    monkeypatch.chdir(project.folder)
    Path("raw").mkdir()
    rng = np.random.default_rng(5)
    area = rng.poisson(3, (60, 10, 12)).astype(np.float32)
    times = (1768489200 << 32) + np.arange(60, dtype=np.int64) * 8333333
    laser = np.arange(60) % 2
    fields = {
        "lightStatus/xray": np.ones(60, np.int64),
        "lightStatus/laser": laser,
        "ipm2/sum": rng.uniform(0.5, 1.5, 60),
        "enc/lasDelay": np.repeat([-0.5, 0.5, 1.5, 2.5], 15),
        "tt/ttCorr": rng.normal(0, 0.05, 60),
        "epix_1/ROI_area": area,
        "epix_1/ROI_sum": area.sum(axis=(1, 2)),
        "damage/epix_1": np.ones(60, np.int64),
    }
    arrived = rng.permutation(60)
    write_smalldata(
        "raw/xpptut15_Run0054.h5", times[arrived], {k: v[arrived] for k, v in fields.items()}
    )
    reduce(project, "results/54/again/result.nxs", "results/54/again/cube_delay.nxs")
    run_shown(PAGES["smalldata"])
    assert "0 runs added, 1 there already" in capsys.readouterr().out
    lines = check(PAGES["smalldata"], capsys).splitlines()
    assert len(lines) == 3
    for line in lines:
        assert "60 of 60 shots" in line
        assert float(line.split()[-1]) < 1e-6


# CHX ----------------------------------------------------------------------------------------------


def test_chx_masks(tmp_path, monkeypatch, capsys):
    project = example(PAGES["chx_masks"], tmp_path / "chx")
    monkeypatch.chdir(project.folder)
    Path("raw").mkdir()
    frames = np.random.default_rng(6).poisson(0.1, (20, 1065, 1030)).astype(np.uint16)
    write_eiger("raw/gold_12_master.h5", frames)
    good = {name: np.ones((1065, 1030), bool) for name in ("beamstop", "hot", "drawn")}
    good["beamstop"][500:560, 480:] = False
    good["drawn"][:40] = False
    bad = np.array([1030 * 30 + 7, 1030 * 700 + 1000])
    good["hot"].flat[bad] = False
    np.save("eiger1m_beamstop.npy", good["beamstop"])
    np.save("eiger1m_drawn.npy", good["drawn"].astype(np.uint8))
    np.save("eiger1m_hot_list.npy", bad)
    run_shown(PAGES["chx_masks"])
    shown = python_blocks(PAGES["chx_masks"])[0]
    space: dict = {}
    exec(compile(shown, "the page", "exec"), space)
    assert not space["shadow"].compute()[-40:].any()
    assert [member["name"] for member in space["both"].members] == ["gaps", "shadow"]
    gaps = np.zeros((1065, 1030), bool)
    gaps[514:551] = True
    Path("old").mkdir()
    np.save("old/eiger1m_composite.npy", ~gaps & good["beamstop"] & good["hot"])
    capsys.readouterr()
    assert check(PAGES["chx_masks"], capsys).endswith(" 0 pixels differ\n")
    project.run("--unlock", "-s", SNAKEFILE)
    planned = project.plan("-q", "rules", "-s", SNAKEFILE, "--configfile", "config/config.yaml")
    assert "correlate_block" in planned.text
    assert Path("resources/pins/eiger1m/beamstop.json").is_file()
