"""What each facility records with every shot, and under which name it goes into the small data file.

A table is a list of rows: pattern of the stored name (as `ShotSource.scalar_names` gives it, whole), and
the column it becomes, as LCLS users know them (smalldata_tools): ipm2/sum, enc/..., scan/..., tt/....
Names that a pattern captures may be used in the column.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """pattern: of a stored name, whole. column: its name in the result, with \\1, \\2 ... of the pattern."""

    pattern: str
    column: str


_SACLA = (
    Row(r"acc/accelerator_status", r"acc/status"),
    Row(r"acc/bm_(\d)_signal_in_coulomb", r"bm_\1_acc/sum"),
    Row(r"bl_\d/oh_(\d)/bm_(\d)_pulse_energy_in_joule", r"bm_\2_oh\1/sum"),
    Row(r"bl_\d/oh_(\d)/photon_energy_in_eV", r"ebeam/photon_energy"),
    Row(r"bl_\d/eh_(\d)/bm_(\d)_?\w*/pulse_energy_in_joule", r"bm_\2_eh\1/sum"),
    Row(r"bl_\d/eh_(\d)/bm_(\d)_?\w*/horizontal", r"bm_\2_eh\1/xpos"),
    Row(r"bl_\d/eh_(\d)/bm_(\d)_?\w*/vertical", r"bm_\2_eh\1/ypos"),
    Row(r"bl_\d/eh_(\d)/photodiode/photodiode_user_(\d+)_in_volt", r"diode_\2_eh\1/sum"),
    Row(r"bl_\d/eh_(\d)/camera/(\w+)", r"camera_eh\1/\2"),
    Row(r"bl_\d/(?:eh|lh)_(\d)/laser/delay_line_motor_(\d+)", r"enc/delay_line_\2"),
    Row(r"bl_\d/lh_(\d)/electrical_delay_in_psec", r"scan/electrical_delay"),
    Row(r"bl_\d/tc/mono_(\d)_position_theta", r"enc/mono_\1_theta"),
    Row(r"bl_\d/eh_(\d)/(attenuator_\w+_thickness_in_meter)", r"epics/eh\1_\2"),
    Row(r"bl_\d/shutter_(\d)_open_valid_status", r"evr/shutter_\1"),
    Row(r"bl_\d/eh_(\d)/xfel_pulse_selector_status", r"evr/xfel_pulse_selector"),
    Row(r"bl_\d/lh_(\d)/laser_pulse_selector_status", r"evr/laser_pulse_selector"),
    Row(r"time_stamp", r"time_stamp"),
)
_EUXFEL = (
    Row(r"(\w+?)_XGM/[^:]*/pulseEnergy\.photonFlux", r"xgm_\1/sum"),
    Row(r"(\w+?)_XGM/[^:]*/beamPosition\.ixPos", r"xgm_\1/xpos"),
    Row(r"(\w+?)_XGM/[^:]*/beamPosition\.iyPos", r"xgm_\1/ypos"),
    Row(r"(\w+?)_XGM/[^:]*:output/data\.intensityTD", r"xgm_\1/pulse"),
    Row(r"(\w+)/MOTOR/(\w+)/actualPosition", r"enc/\1_\2"),
    Row(r"(\w+)/MOTOR/(\w+)/encoderPosition", r"enc/\1_\2_encoder"),
    Row(r"(\w+)/MDL/(\w*DELAY\w*)/actualPosition", r"scan/\1_\2"),
    Row(r"(\w+)/(?:MDL|CTRL)/(\w*SCAN\w*)/(\w+)", r"scan/\2_\3"),
    Row(r"trainId", r"trainId"),
    Row(r"pulseId", r"pulseId"),
)
_AS_STORED = (
    *(
        "lightStatus",
        r"ipm\w*",
        "diode2",
        "snd_dio",
        r"bmmon\w*",
        r"wave8\w*",
        "epics",
        "epicsUser",
    ),
    *(
        "epicsAll",
        "epicsOnce",
        r"enc\w*",
        "scan",
        "ai",
        r"adc\w*",
        "feeBld",
        "tt",
        "ttRaw",
        "damage",
    ),
    *(
        "l3t",
        "xtcav",
        "gmd",
        "xgmd",
        "eorbits",
        "ebeam",
        "gas_detector",
        "phase_cav",
        "evr",
        "timing",
    ),
    *("fim", r"\w*_fim\d*"),
)
_LCLS = (
    Row(rf"((?:{'|'.join(_AS_STORED)})/.+)", r"\1"),
    Row(r"(event_time|fiducials|timestamp)", r"\1"),
)

FACILITIES: dict[str, tuple[Row, ...]] = {"lcls": _LCLS, "sacla": _SACLA, "euxfel": _EUXFEL}
"""Tables by facility."""

EVENT_CODES: dict[str, dict[str, tuple[int, ...]]] = {
    "xpp": {"xray": (-137,), "laser": (91,)},
    "xcs": {"xray": (-137,), "laser": (89,)},
    "mfx": {"xray": (-137,), "laser": (204,)},
    "cxi": {"xray": (-137,), "laser": (184,)},
    "mec": {"xray": (-137,), "laser": (-182,)},
    "sxr": {"xray": (162,), "laser": (91,)},
    "ued": {"xray": (162,), "laser": (91,)},
}
"""Event codes of light by hutch of LCLS: positive ones drop the light, negative ones are required."""

STATUS_SCALARS: dict[str, dict[str, tuple[str, ...]]] = {
    "lcls": {"xray": (), "laser": ()},
    "sacla": {
        "xray": ("evr/shutter_1", "evr/xfel_pulse_selector"),
        "laser": ("evr/laser_pulse_selector",),
    },
    "euxfel": {"xray": (), "laser": ()},
}
"""Columns that must be above 0 for light, by facility."""
