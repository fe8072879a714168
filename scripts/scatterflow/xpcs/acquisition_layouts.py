"""Where the metadata files of APS 8-ID keep what: APS-U, early 2024, legacy. x is the column."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Where a layout keeps what; paths relative to `root`, the first that is there counts."""

    root: str
    length: str
    frame_time: tuple[str, ...]
    count_time: tuple[str, ...]
    energy: tuple[str, ...]
    distance: str
    centre: tuple[str, str]
    position: tuple[str, str]
    reference: tuple[str, str]
    pixel_size: tuple[str, str]
    start_time: tuple[str, ...]
    end_time: tuple[str, ...]
    detector: tuple[str, ...]
    sample: str


APSU = Layout(
    root="/entry/instrument/detector_1",
    length="m",
    frame_time=("frame_time",),
    count_time=("count_time",),
    energy=("/entry/instrument/incident_beam/incident_energy",),
    distance="distance",
    centre=("beam_center_x", "beam_center_y"),
    position=("position_x", "position_y"),
    reference=("beam_center_position_x", "beam_center_position_y"),
    pixel_size=("x_pixel_size", "y_pixel_size"),
    start_time=("/entry/start_time",),
    end_time=("/entry/end_time",),
    detector=("detector_name",),
    sample="/entry/sample",
)
EARLY_2024 = Layout(
    root="/entry/instrument/bluesky/metadata",
    length="m",
    frame_time=("t1", "acquire_period"),
    count_time=("t0", "acquire_time"),
    energy=("X_energy", "/entry/instrument/incident_beam/incident_energy"),
    distance="det_dist",
    centre=("bcx", "bcy"),
    position=("ccdx", "ccdy"),
    reference=("ccdx0", "ccdy0"),
    pixel_size=("pix_dim_x", "pix_dim_y"),
    start_time=("/entry/start_time",),
    end_time=("/entry/end_time",),
    detector=("detector_name", "/entry/instrument/detector_1/detector_name"),
    sample="/entry/sample",
)
LEGACY = Layout(
    root="/measurement/instrument",
    length="mm",
    frame_time=("detector/exposure_period",),
    count_time=("detector/exposure_time",),
    energy=("source_begin/energy",),
    distance="detector/distance",
    centre=("acquisition/beam_center_x", "acquisition/beam_center_y"),
    position=("acquisition/stage_x", "acquisition/stage_z"),
    reference=("acquisition/stage_zero_x", "acquisition/stage_zero_z"),
    pixel_size=("detector/x_pixel_size", "detector/y_pixel_size"),
    start_time=("source_begin/datetime",),
    end_time=("source_end/datetime",),
    detector=("detector/manufacturer",),
    sample="/measurement/sample",
)
