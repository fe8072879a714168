"""A CHESS folder: a SPEC file with scans and their frames, geometry, and CHAP's YAML files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fabio
import numpy as np
import pytest

from scatterflow.sources.spec_writer import write_spec_scan

SHAPE = (44, 52)
POINTS = 4
PONI = """\
poni_version: 2.1
Detector: Detector
Detector_config: {"pixel1": 0.000172, "pixel2": 0.000172, "max_shape": [44, 52]}
Distance: 0.2
Poni1: 0.004
Poni2: 0.005
Rot1: 0.02
Rot2: 0.01
Rot3: 0.0
Wavelength: 1e-10
"""
MAP = """\
title: water_map
station: id3b
experiment_type: SAXSWAXS
sample: {name: water, description: in a capillary}
spec_scans:
- spec_file: spec/sample
  scan_numbers: "1-2"
independent_dimensions:
- {label: samx, units: mm, data_type: spec_motor, name: samx}
scalar_data:
- {label: temp, units: K, data_type: scan_column, name: temp}
- {label: start, units: s, data_type: scan_start_time}
- {label: ratio, units: n/a, data_type: expression, name: np.sqrt(temp) / temp}
presample_intensity: &monitor {data_type: scan_column, name: ic1}
postsample_intensity: {<<: *monitor, name: diode}
dwell_time_actual: {data_type: scan_column, name: sec}
"""
PYFAI = """\
azimuthal_integrators:
- {id: PIL9, poni_file: geometry.poni, mask_file: mask.edf}
integrations:
- name: waxs
  integration_method: integrate1d
  multi_geometry: {ais: [PIL9], unit: q_A^-1, radial_range: [0.3, 2.0]}
  integration_params: {npt: 40, method: bbox}
- name: cake
  integration_method: integrate2d
  multi_geometry: {ais: [PIL9], radial_range: [0.3, 2.0], azimuth_range: [-180, 180]}
  integration_params: {npt_rad: 20, npt_azim: 18, method: bbox}
- name: ring
  integration_method: integrate_radial
  integration_params: {ais: PIL9, npt: 24, unit: chi_deg, radial_range: [0.5, 1.5]}
"""
CORRECTIONS = """\
corrections:
- correction_type: flux_absorption_background
  name: corrected
  input_data_name: waxs
  presample_intensity_reference_rate: 1000.0
  background: {spec_file: spec/sample, scan_numbers: 3, idx_slice: {start: 0, stop: 3}}
  sample_thickness_cm: 0.1
"""
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Chess:
    """The folder, and the YAML files in it."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    @property
    def map(self) -> Path:
        return self.folder / "map_config.yaml"

    @property
    def pyfai(self) -> Path:
        return self.folder / "pyfai_integration_processor_config.yaml"

    def scan(self, number: int, detectors: tuple[str, ...] = ("PIL9",), level: int = 20) -> None:
        """Scan `number` of spec/sample: four points of samx, one frame each and detector."""
        rng = np.random.default_rng(number)
        folder = self.folder / f"spec/sample_{number:03d}"
        folder.mkdir(parents=True)
        for name in detectors:
            for point in range(POINTS):
                frame = rng.poisson(level, SHAPE).astype(np.int32)
                path = folder / f"sample_{name}_{number:03d}_{point:03d}.tiff"
                fabio.tifimage.TifImage(frame).write(str(path))
        write_spec_scan(
            self.folder / "spec/sample",
            number,
            f"ascan samx 0 1 {POINTS - 1} 1",
            {"samx": 0.25},
            {
                "samx": np.linspace(0, 1, POINTS),
                "ic1": 1000.0 + 10 * number + np.arange(POINTS),
                "diode": 400.0 + 5 * np.arange(POINTS) + (100 if number == 3 else 0),
                "sec": np.full(POINTS, 1.0),
                "temp": 300.0 + np.arange(POINTS),
            },
            START + timedelta(minutes=number),
        )


@pytest.fixture
def chess(tmp_path, monkeypatch) -> Chess:
    """A folder with scans 1 to 3, and the current folder."""
    chess = Chess(tmp_path / "chess")
    for number in (1, 2):
        chess.scan(number)
    chess.scan(3, level=2)
    chess.write("geometry.poni", PONI)
    mask = np.zeros(SHAPE, np.uint8)
    mask[20:24, 25:30] = 1
    fabio.edfimage.EdfImage(mask).write(str(chess.folder / "mask.edf"))
    chess.write("map_config.yaml", MAP)
    chess.write("pyfai_integration_processor_config.yaml", PYFAI)
    chess.write("corrections.yaml", CORRECTIONS)
    monkeypatch.chdir(chess.folder)
    assert Path(os.curdir).resolve() == chess.folder.resolve()
    return chess
